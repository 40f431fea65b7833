//! What is there, as far as manifests speak of it. Reads only: claims by their lists, Kafka by describing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::input::Input;
use super::place::place;
use super::view::{Evidence, View};
use crate::access::given::rights::principal;
use crate::api::annotations::INJECTION;
use crate::api::names::{ClusterRef, Scope};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::cli::claims::live::list;
use crate::cli::kafka::{self, CALL, Way};
use crate::cli::print;
use crate::clusters::terms::terms;
use crate::clusters::{Ground, Unusable};
use crate::kafka::acl::{AclBinding, AclFilter, ResourceType};
use crate::kafka::admin::topics::Topic;
use crate::kafka::admin::{Admin, At};
use crate::kafka::error::Error;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::NamespaceFacts;

/// Topics that are asked about at once.
const BATCH: usize = 200;

/// What is there.
#[derive(Debug, Default)]
pub struct Seen {
    /// Claims on topics.
    pub topics: Vec<TopicClaim>,
    /// Accesses.
    pub accesses: Vec<AccessClaim>,
    /// The namespaces that are opted in; nothing where nobody may look.
    pub opted_in: Option<BTreeSet<String>>,
    /// What is kept of them; where they may not be listed, of those that the manifests are for and that may be read.
    pub spaces: BTreeMap<String, NamespaceFacts>,
    /// Each cluster that is spoken of.
    pub clusters: BTreeMap<String, Result<View, Unusable>>,
    /// What could not be looked at, a sentence each.
    pub notes: Vec<String>,
}

/// Looks, and gives a cluster to what of the input names none. `way` is a way to Kafka of one's own; without `ask_kafka`, Kafka is not
/// spoken to.
///
/// # Errors
/// Claims can be listed nowhere, or the way cannot be used.
pub async fn observe(
    client: &Client,
    input: &mut Input,
    way: &Way,
    ask_kafka: bool,
    default_cluster: &ClusterRef,
) -> anyhow::Result<Seen> {
    let mut seen = Seen { notes: input.notes.iter().map(ToString::to_string).collect(), ..Seen::default() };
    let namespaces = input.namespaces();
    print::progress("reading the claims");
    seen.topics = everywhere::<TopicClaim>(client, &namespaces, "list the TopicClaims", &mut seen.notes).await?;
    seen.accesses = everywhere::<AccessClaim>(client, &namespaces, "list the AccessClaims", &mut seen.notes).await?;
    opted_in(client, &namespaces, &mut seen).await;
    place(input, &mut seen, default_cluster);
    let spaces = Api::<Namespace>::all(client.clone());
    let system = call(CALL, "read the namespace kube-system", spaces.get_metadata("kube-system")).await;
    let uid = system.ok().and_then(|system| system.uid()).unwrap_or_default();
    let by_cluster = input.topics_by_cluster();
    if way.bootstrap_servers.is_some() && by_cluster.len() > 1 {
        anyhow::bail!(
            "the manifests are for {} Kafkas: --bootstrap-servers can name the brokers of one",
            by_cluster.len()
        );
    }
    for (name, topics) in by_cluster {
        let view = match cluster(client, &name, &mut seen.notes).await {
            Ok(resource) => {
                let admin = reach(client, &resource, way, ask_kafka).await?;
                let asked = Asked { name: &name, topics: &topics, users: &input.accesses_of(&name) };
                Ok(Box::pin(look(&resource, admin, &asked, &uid, &seen)).await?)
            }
            Err(unusable) => Err(unusable),
        };
        if let Ok(View { evidence: Evidence::Status(why), .. }) = &view {
            seen.notes.push(format!(
                "Kafka {name} was not asked: {why}; what the claims' status says of its topics is believed"
            ));
        }
        seen.clusters.insert(name, view);
    }
    Ok(seen)
}

/// Every object of a kind; those of the manifests' namespaces alone where others may not be seen.
async fn everywhere<K>(
    client: &Client,
    namespaces: &[String],
    what: &'static str,
    notes: &mut Vec<String>,
) -> Result<Vec<K>, CallError>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    match Box::pin(list::<K>(client, None, what)).await {
        Err(error) if error.code() == Some(403) => {
            let kind = K::kind(&());
            notes.push(format!("{kind}s of other namespaces may not be listed: what they claim is not known"));
            let mut found = Vec::new();
            for namespace in namespaces {
                found.extend(Box::pin(list::<K>(client, Some(namespace), what)).await?);
            }
            Ok(found)
        }
        listed => listed,
    }
}

/// The namespaces that are opted in; where they may not be listed, each of the manifests' by itself.
async fn opted_in(client: &Client, namespaces: &[String], seen: &mut Seen) {
    let which = ListParams::default().labels(&format!("{INJECTION}=enabled"));
    let api = Api::<Namespace>::all(client.clone());
    match call(CALL, "list the Namespaces", api.list_metadata(&which)).await {
        Ok(found) => {
            let kept = found.items.into_iter().map(|space| (space.name_any(), NamespaceFacts::new(space.metadata)));
            seen.spaces = kept.collect();
            seen.opted_in = Some(seen.spaces.keys().cloned().collect());
        }
        Err(error) => {
            seen.notes.push(format!("{error}: that the namespaces are opted in is believed"));
            for name in namespaces {
                match call(CALL, "read the Namespace", api.get_metadata_opt(name)).await {
                    // In others the annotations count for nothing.
                    Ok(Some(space)) if space.labels().get(INJECTION).is_some_and(|value| value == "enabled") => {
                        seen.spaces.insert(name.clone(), NamespaceFacts::new(space.metadata));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let believed = "that it has no default cluster of its own is believed";
                        seen.notes.push(format!("Namespace {name}: {error}: {believed}"));
                    }
                }
            }
        }
    }
}

/// A cluster's resource. One that may not be read is taken to be as the defaults are.
async fn cluster(client: &Client, name: &str, notes: &mut Vec<String>) -> Result<BrokerCluster, Unusable> {
    let missing =
        || Unusable { reason: Reason::ClusterNotFound, message: format!("BrokerCluster {name} does not exist") };
    let parsed = ClusterRef::parse(name, "").map_err(|_| missing())?;
    let api = Api::<BrokerCluster>::namespaced(client.clone(), &parsed.namespace);
    match call(CALL, "read the BrokerCluster", api.get_opt(&parsed.name)).await {
        Ok(found) => found.ok_or_else(missing),
        Err(error) if error.code() == Some(403) => {
            notes.push(format!("BrokerCluster {name} may not be read: its policies are taken to be the defaults"));
            let resource = serde_json::json!({
                "metadata": {"namespace": parsed.namespace, "name": parsed.name},
                "spec": {"external": {"bootstrapServers": "unknown:9092", "insecure": true, "adminSecret": {"name": "unknown"}}},
            });
            serde_json::from_value(resource).map_err(|_| missing())
        }
        Err(error) => Err(Unusable { reason: Reason::ClusterNotFound, message: error.to_string() }),
    }
}

/// A client of Kafka, or why there is none.
async fn reach(
    client: &Client,
    resource: &BrokerCluster,
    way: &Way,
    ask_kafka: bool,
) -> anyhow::Result<Result<Admin, String>> {
    if !ask_kafka {
        return Ok(Err("--without-kafka".to_owned()));
    }
    if way.is_named() {
        return way.client(Some(&resource.spec.external.bootstrap_servers)).map(Ok);
    }
    Ok(Box::pin(kafka::client(client, resource)).await.map_err(|error| format!("{error:#}")))
}

/// What Kafka is asked about.
struct Asked<'i> {
    name: &'i str,
    topics: &'i [String],
    users: &'i [(String, String)],
}

async fn look(
    resource: &BrokerCluster,
    admin: Result<Admin, String>,
    asked: &Asked<'_>,
    uid: &str,
    seen: &Seen,
) -> anyhow::Result<View> {
    let status = resource.status.as_ref();
    let default = Scope::from_cluster_uid(uid);
    let scope = kafka::scope(resource, Some(&default)).unwrap_or(default);
    let mut terms =
        terms(resource, None).map_err(|unusable| anyhow::anyhow!("{}: {}", unusable.reason, unusable.message))?;
    let neighbours = status.into_iter().flat_map(|status| &status.neighbours);
    terms.neighbours = neighbours.filter_map(|other| Scope::parse(&other.scope).ok()).collect();
    let mut view = View {
        evidence: Evidence::Live,
        topics: BTreeMap::new(),
        settings: BTreeMap::new(),
        rules: None,
        affecting: BTreeMap::new(),
        resource: resource.clone(),
        ground: Ground { scope, terms },
    };
    let answered = match admin {
        Ok(admin) => {
            print::progress(&format!("asking Kafka {} about {} topics", asked.name, asked.topics.len()));
            Box::pin(ask(&admin, asked, &seen.topics, &mut view)).await.map_err(|error| error.to_string())
        }
        Err(why) => Err(why),
    };
    if let Err(why) = answered {
        view.evidence = Evidence::Status(why);
        view.believe(asked.name, &seen.topics);
    }
    Ok(view)
}

async fn ask(admin: &Admin, asked: &Asked<'_>, claims: &[TopicClaim], view: &mut View) -> Result<(), Error> {
    for names in asked.topics.chunks(BATCH) {
        let described = admin.describe_topics(names, At::Any).await?;
        let found = described.into_iter().collect::<Result<Vec<Option<Topic>>, _>>()?;
        view.topics.extend(found.into_iter().flatten().map(|topic| (topic.name.clone(), topic)));
        let settings = admin.describe_settings(names, At::Any).await?;
        for (name, settings) in names.iter().zip(settings) {
            match settings {
                Ok(None) => {}
                Ok(Some(settings)) => _ = view.settings.insert(name.clone(), Ok(settings)),
                Err(error @ Error::Denied(_)) => _ = view.settings.insert(name.clone(), Err(error)),
                Err(error) => return Err(error),
            }
        }
    }
    match rules(admin, asked, claims, view).await {
        // Rules are shown to those who may describe the cluster; without them the claims' status says who has what.
        Err(Error::Denied(_)) => {
            view.rules = None;
            Ok(())
        }
        other => other,
    }
}

async fn rules(admin: &Admin, asked: &Asked<'_>, claims: &[TopicClaim], view: &mut View) -> Result<(), Error> {
    let mut rules = BTreeMap::new();
    for (namespace, access) in asked.users {
        let user = principal(&view.ground.scope.username(namespace, access));
        let found = admin.describe_acls(&AclFilter::Principal(user.clone()), At::Any).await?;
        rules.insert(user, found.into_iter().collect::<BTreeSet<AclBinding>>());
    }
    view.rules = Some(rules);
    let on_record = |name: &String| {
        claims.iter().any(|claim| {
            claim.spec.topic_name == *name && claim.status.as_ref().is_some_and(|status| status.topic_id.is_some())
        })
    };
    let unclaimed: Vec<String> = view.topics.keys().filter(|name| !on_record(name)).cloned().collect();
    for name in unclaimed {
        let filter = AclFilter::Affecting(ResourceType::Topic, name.clone());
        view.affecting.insert(name, admin.describe_acls(&filter, At::Any).await?);
    }
    Ok(())
}
