//! Who stands for accesses, as the API server lists it now, in all namespaces that are looked after. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;

use super::Context;
use super::cover::Stand;
use crate::api::annotations::{ACCESS, INJECTION};
use crate::api::resources::{AccessClaim, BrokerCluster};
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;
use crate::watch::reach::{Scope, within};
use crate::watch::table::Name;
use crate::watch::{AccessKey, PodFacts, World, deployments};

const CALL: Duration = Duration::from_secs(20);
/// Claims on a page: a round has a minute for all of them.
const CLAIMS: u32 = 50;

/// What was listed.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Who stands for each access that was asked about.
    pub stands: BTreeMap<AccessKey, BTreeSet<Stand>>,
    /// The names of all BrokerClusters, whether they can be read or not.
    pub clusters: BTreeSet<Name>,
}

/// Lists who stands for these accesses: claims, and where there is none, living Pods and Deployments of the contract of 2017.
///
/// # Errors
/// A list is not complete.
pub async fn live(context: &Context, wanted: &BTreeSet<AccessKey>) -> Result<Live, CallError> {
    let Context { client, world, .. } = context;
    let reach = &world.reach;
    let clusters = reach.gather(client, |scope| async move { clusters(client, &scope).await }).await?;
    let claims = reach.gather(client, |scope| async move { claims(client, &scope, world, wanted).await }).await?;
    let mut stands: BTreeMap<AccessKey, BTreeSet<Stand>> = BTreeMap::new();
    for (key, stand) in claims.into_iter().flatten() {
        stands.entry(key).or_default().insert(stand);
    }
    let claimless: BTreeSet<AccessKey> = wanted.iter().filter(|key| !stands.contains_key(*key)).cloned().collect();
    let claimless = &claimless;
    let pods = reach.gather(client, |scope| async move { pods(client, &scope, world, claimless).await }).await?;
    let mut asking: BTreeSet<(AccessKey, Stand)> = pods.into_iter().flatten().collect();
    if context.deployments_of_2017 {
        let found = |scope: Scope| async move { deployments::live(client, &scope, world.install()).await };
        for one in reach.gather(client, found).await?.into_iter().flatten() {
            let key = one.access_key();
            let stand = Stand::of_deployment(&one, || world.default_of(&key.0)).filter(|_| claimless.contains(&key));
            asking.extend(stand.map(|stand| (key, stand)));
        }
    }
    if !asking.is_empty() {
        let opted_in = opted_in(client).await?;
        for (key, stand) in asking.into_iter().filter(|(key, _)| opted_in.contains(&key.0)) {
            stands.entry(key).or_default().insert(stand);
        }
    }
    Ok(Live { stands, clusters: clusters.into_iter().flatten().collect() })
}

async fn clusters(client: &Client, scope: &Scope) -> Result<Vec<Name>, CallError> {
    let mut found = Vec::new();
    let api = within::<BrokerCluster>(client, scope);
    pages::each_metadata(&api, CALL, "list BrokerClusters", ListParams::default(), |meta| {
        found.extend(meta.namespace.zip(meta.name));
    })
    .await?;
    Ok(found)
}

async fn claims(
    client: &Client,
    scope: &Scope,
    world: &World,
    wanted: &BTreeSet<AccessKey>,
) -> Result<Vec<(AccessKey, Stand)>, CallError> {
    let mut found = Vec::new();
    let api = within::<DeserializeGuard<AccessClaim>>(client, scope);
    let params = ListParams::default().limit(CLAIMS);
    pages::each(&api, CALL, "list AccessClaims", params, |claim: DeserializeGuard<AccessClaim>| {
        let (meta, stand) = match claim.0 {
            Ok(claim) => {
                let stand = Stand::of_claim(&claim, world);
                (claim.metadata, stand)
            }
            Err(error) => (error.metadata, Stand::Unreadable),
        };
        let key = meta.namespace.zip(meta.name).filter(|key| wanted.contains(key));
        found.extend(key.map(|key| (key, stand)));
    })
    .await?;
    Ok(found)
}

async fn pods(
    client: &Client,
    scope: &Scope,
    world: &World,
    wanted: &BTreeSet<AccessKey>,
) -> Result<BTreeSet<(AccessKey, Stand)>, CallError> {
    let mut found = BTreeSet::new();
    let running = ListParams::default().labels(ACCESS).fields("status.phase!=Succeeded,status.phase!=Failed");
    pages::each_metadata(&within::<Pod>(client, scope), CALL, "list Pods", running, |meta| {
        let Some(pod) = world.pod_facts(&meta) else { return };
        let key = PodFacts::access_key(&pod);
        if wanted.contains(&key) {
            let stand = Stand::of_pod(&pod, || world.default_of(&key.0));
            found.extend(stand.map(|stand| (key, stand)));
        }
    })
    .await?;
    Ok(found)
}

/// The namespaces that are opted in, whether they are looked after or not.
async fn opted_in(client: &Client) -> Result<BTreeSet<String>, CallError> {
    let mut found = BTreeSet::new();
    let params = ListParams::default().labels(&format!("{INJECTION}=enabled"));
    pages::each_metadata(&Api::<Namespace>::all(client.clone()), CALL, "list Namespaces", params, |meta| {
        found.extend(meta.name);
    })
    .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::samples::{USER, claim, context, here, pod};
    use super::*;
    use crate::api::annotations::{CLUSTER, CONSUMES};
    use crate::runtime::fake_api::answering;
    use crate::sweep::observe::{Holding, missing};

    /// What the API server lists: claims, Pods' metadata, names of opted-in namespaces; where it lists nothing, it fails.
    type Lists = [Option<Value>; 3];

    fn listing([claims, pods, namespaces]: Lists) -> Context {
        let clusters = json!([{"metadata": {"namespace": "ops", "name": "broken"}}]);
        let client = answering(move |asked| {
            let list = match asked.path.rsplit('/').next() {
                Some("accessclaims") => claims.clone(),
                Some("pods") => pods.clone(),
                Some("namespaces") => namespaces.clone(),
                Some("brokerclusters") => Some(clusters.clone()),
                _ => None,
            };
            let code = if list.is_some() { 200 } else { 500 };
            let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list});
            async move { (code, list) }
        });
        context(client)
    }

    /// Whether the user is missing, as the lists are.
    async fn is_missing(lists: Lists) -> Result<bool, CallError> {
        let holdings = BTreeMap::from([(USER.to_owned(), Holding::default())]);
        let (missing, listed) = missing(&listing(lists), &here(), holdings).await?;
        assert_eq!(listed, [("ops".to_owned(), "broken".to_owned())].into());
        Ok(!missing.is_empty())
    }

    fn list(item: &Value) -> Option<Value> {
        Some(json!([item]))
    }

    fn none() -> Option<Value> {
        Some(json!([]))
    }

    fn shop() -> Option<Value> {
        list(&json!({"metadata": {"name": "shop"}}))
    }

    #[tokio::test]
    async fn a_claim_that_is_parked_on_another_cluster_covers_nobody_whatever_pods_say() {
        let beside = || list(&json!({"metadata": pod(&json!({CONSUMES: "a"}))}));
        for (cluster, user, expected) in [
            ("ops/default", None, false),
            ("ops/twin", None, false),
            ("ops/silent", None, false),
            ("ops/broken", None, false),
            ("ops/gone", Some(USER), false),
            ("nowhere/none", None, true),
            ("ops/elsewhere", None, true),
            ("ops/stranger", None, true),
        ] {
            let lists = [list(&claim(cluster, user)), beside(), shop()];
            assert_eq!(is_missing(lists).await.unwrap(), expected, "{cluster} {user:?}");
        }
        let mut unreadable = claim("nowhere/none", None);
        unreadable["spec"]["source"] = json!("Unheard");
        assert!(!is_missing([list(&unreadable), none(), none()]).await.unwrap(), "what cannot be read is no evidence");
    }

    #[tokio::test]
    async fn a_pod_counts_by_what_it_asks_for_in_a_namespace_that_is_opted_in() {
        for (annotations, namespaces, expected) in [
            (json!({CONSUMES: "a"}), shop(), false),
            (json!({CONSUMES: "!"}), shop(), true),
            (json!({CONSUMES: "a"}), none(), true),
            (json!({}), shop(), true),
            (json!({CONSUMES: "a", CLUSTER: "nowhere/none"}), shop(), true),
        ] {
            let pods = list(&json!({"metadata": pod(&annotations)}));
            assert_eq!(is_missing([none(), pods, namespaces]).await.unwrap(), expected, "{annotations}");
        }
        assert!(is_missing([none(), none(), None]).await.unwrap(), "nobody asks, and nothing else is to be known");
    }

    #[tokio::test]
    async fn who_is_made_unreadable_covers_nobody_without_a_claim() {
        let mut meta = pod(&json!({CONSUMES: "a"}));
        // A living Pod can be given an owner of a name that no workload has.
        meta["ownerReferences"] = json!([{
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "name": "a:b", "uid": "u", "controller": true,
        }]);
        let pods = || list(&json!({"metadata": meta}));
        assert!(is_missing([none(), pods(), shop()]).await.unwrap());
        let claimed = list(&claim("ops/default", None));
        assert!(!is_missing([claimed, pods(), shop()]).await.unwrap(), "a claim is looked after, and judged");
    }

    #[tokio::test]
    async fn what_is_not_listed_to_its_end_makes_nobody_missing() {
        let pods = || list(&json!({"metadata": pod(&json!({CONSUMES: "a"}))}));
        for lists in [[None, pods(), shop()], [none(), None, shop()], [none(), pods(), None]] {
            assert!(is_missing(lists).await.is_err());
        }
    }
}
