//! Writes the Kubernetes objects of an access. Each write is safe to do twice, and what is deleted is read first.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret as KubeSecret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::access::{CHANGED, Context};
use crate::api::annotations::{ACCESS, MANAGED_BY, MANAGER, PUBLISHED, ROTATE, ROTATION};
use crate::api::names::{ClusterRef, TopicName, distinct_name};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, TopicClaim, TopicClaimSpec, TopicSource};
use crate::api::secret::Secret;
use crate::clusters::Halt;
use crate::runtime::clock::Clock;
use crate::runtime::kubernetes::{call, delete_exactly};
use crate::runtime::status::{self, Base};
use crate::runtime::writes;
use crate::watch::{AccessKey, deployments};

const CALL: Duration = Duration::from_secs(5);

/// Makes a claim.
///
/// # Errors
/// The API server refused, as it does where there is one by now.
pub async fn create_claim(client: &Client, key: &AccessKey, spec: &AccessClaimSpec) -> Result<AccessClaim, Halt> {
    let claim = AccessClaim::new(&key.1, spec.clone());
    let api = Api::<AccessClaim>::namespaced(client.clone(), &key.0);
    let made = call(CALL, "create the AccessClaim", api.create(&PostParams::default(), &claim)).await?;
    writes::done("access_claim_create");
    Ok(made)
}

/// Writes what a claim's Pods ask for.
///
/// # Errors
/// The API server refused, as it does where the claim changed meanwhile.
pub async fn update_claim(client: &Client, claim: &AccessClaim, spec: &AccessClaimSpec) -> Result<AccessClaim, Halt> {
    let api = Api::<AccessClaim>::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    let version = &claim.metadata.resource_version;
    // A merge leaves what it does not name, so everything that Pods can ask for is named.
    let wishes = json!({
        "consumes": spec.consumes,
        "produces": spec.produces,
        "groups": spec.groups,
        "transactions": spec.transactions,
        "streams": spec.streams,
        "secrets": spec.secrets,
    });
    let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": wishes}));
    let mut made =
        call(CALL, "update the AccessClaim", api.patch(&claim.name_any(), &PatchParams::default(), &patch)).await?;
    writes::done("access_claim_update");
    made.metadata.managed_fields = None;
    Ok(made)
}

/// Claims a topic for a namespace.
///
/// # Errors
/// The API server refused, as it does where there is such a claim by now.
pub async fn claim_topic(
    client: &Client,
    namespace: &str,
    cluster: &str,
    topic: &str,
    source: TopicSource,
) -> Result<(), Halt> {
    let name = TopicName::parse(topic)
        .map_err(|error| Halt::refused(Reason::InvalidTopicName, format!("topic {topic}: {error}")))?
        .object_name();
    let spec = TopicClaimSpec::of(topic, cluster, source);
    let api = Api::<TopicClaim>::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let claim = TopicClaim::new(&name, spec.clone());
    match call(CALL, "create the TopicClaim", api.create(&params, &claim)).await {
        Err(error) if error.code() == Some(409) => {}
        made => {
            made?;
            writes::done("topic_claim_create");
            return Ok(());
        }
    }
    let there = call(CALL, "read the TopicClaim", api.get_opt(&name)).await?;
    if there.is_none_or(|there| (&there.spec.topic_name, &there.spec.cluster) == (&spec.topic_name, &spec.cluster)) {
        return Err(CHANGED);
    }
    // The name is another topic's, or that of the same topic on another cluster.
    let name = distinct_name(&name, &format!("{cluster}/{topic}"));
    call(CALL, "create the TopicClaim", api.create(&params, &TopicClaim::new(&name, spec))).await?;
    writes::done("topic_claim_create");
    Ok(())
}

/// Puts on record which cluster a claim is on that names none.
///
/// # Errors
/// The API server refused.
pub async fn record_cluster(client: &Client, claim: &AccessClaim, cluster: &str) -> Result<AccessClaim, Halt> {
    let words = ("record the cluster", "access_claim_cluster");
    Ok(status::write(client, claim, Base::SameObject, json!({"cluster": cluster}), words).await?)
}

/// Takes from a claim's status what the rules of its user were last left as.
///
/// # Errors
/// The API server refused.
pub async fn forget_rules(client: &Client, claim: &AccessClaim) -> Result<AccessClaim, Halt> {
    let words = ("record that rules change", "access_claim_rules");
    Ok(status::write(client, claim, Base::Unchanged, json!({"rules": null}), words).await?)
}

/// Puts a rotation on record, then takes away the annotation that asked for it.
///
/// # Errors
/// The API server refused; what is on record stays so.
pub async fn record_rotation(
    client: &Client,
    claim: &AccessClaim,
    count: Option<i64>,
    clear: bool,
) -> Result<Option<AccessClaim>, Halt> {
    let mut written = None;
    if let Some(count) = count {
        let words = ("record the rotation", "access_claim_rotation");
        written = Some(status::write(client, claim, Base::SameObject, json!({"rotations": count}), words).await?);
    }
    if clear {
        let api = Api::<AccessClaim>::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
        let patch = Patch::Merge(json!({"metadata": {"uid": claim.metadata.uid, "annotations": {(ROTATE): null}}}));
        let (name, params) = (claim.name_any(), PatchParams::default());
        let patched = call(CALL, "take the annotation from the AccessClaim", api.patch(&name, &params, &patch));
        written = Some(patched.await?);
        writes::done("access_claim_annotation");
    }
    Ok(written)
}

/// What a credential Secret is to be.
#[derive(Debug)]
pub struct Publication<'p> {
    /// Its namespace and name.
    pub name: (&'p str, &'p str),
    /// The version that it replaces; nothing where there must be none.
    pub replaces: Option<&'p str>,
    /// What it holds.
    pub data: BTreeMap<&'static str, Secret>,
    /// Keys that somebody else put there.
    pub foreign: Vec<String>,
    /// The number of the rotation that it completes, where it tells another password than what it replaces.
    pub rotation: Option<i64>,
    /// The access that it belongs to.
    pub access: &'p str,
    /// The Secret that it is a copy of, by name and uid: it goes with that one.
    pub copy_of: Option<(&'p str, &'p str)>,
}

/// Hands a credential out; returns the Secret's uid. A Secret that appeared or changed meanwhile wins. Pods are to be compared with when that
/// was: it is noted by the API server's clock, and as late as can be.
///
/// # Errors
/// The API server refused, as it does where another version is there.
pub async fn publish(client: &Client, clock: &Clock, publication: Publication<'_>) -> Result<String, Halt> {
    let Publication { name: (namespace, name), replaces, data, foreign, rotation, access, copy_of } = publication;
    let bytes = |(key, text): (&str, Secret)| (key.to_owned(), ByteString(text.expose().as_bytes().to_vec()));
    let annotations = rotation.map(|number| BTreeMap::from([(ROTATION.to_owned(), number.to_string())]));
    let owner_references = copy_of.map(|(name, uid)| {
        let (name, uid) = (name.to_owned(), uid.to_owned());
        let kind = "Secret".to_owned();
        vec![OwnerReference { api_version: "v1".to_owned(), kind, name, uid, ..OwnerReference::default() }]
    });
    let secret = KubeSecret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([
                (MANAGED_BY.to_owned(), MANAGER.to_owned()),
                (ACCESS.to_owned(), access.to_owned()),
            ])),
            annotations,
            owner_references,
            resource_version: replaces.map(str::to_owned),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(bytes).collect()),
        ..KubeSecret::default()
    };
    let api = Api::<KubeSecret>::namespaced(client.clone(), namespace);
    // A call may wait for its turn: the time is of when it comes.
    let dated = |mut secret: KubeSecret| {
        if let Some(annotations) = &mut secret.metadata.annotations {
            annotations.insert(PUBLISHED.to_owned(), clock.now().to_string());
        }
        secret
    };
    let written = if replaces.is_some() {
        let update = async {
            let mut patch = serde_json::to_value(dated(secret)).map_err(kube::Error::SerdeError)?;
            // A merge leaves what it does not name.
            if let Some(data) = patch.get_mut("data").and_then(serde_json::Value::as_object_mut) {
                data.extend(foreign.into_iter().map(|key| (key, serde_json::Value::Null)));
            }
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
        };
        let written = call(CALL, "update the Secret", update).await?;
        writes::done("secret_update");
        written
    } else {
        let create = async { api.create(&PostParams::default(), &dated(secret)).await };
        let written = call(CALL, "create the Secret", create).await?;
        writes::done("secret_create");
        written
    };
    Ok(written.metadata.uid.unwrap_or_default())
}

/// Sees live that nobody asks for an access, and that its claim is the one that was decided about; returns the version that this was
/// seen of.
///
/// # Errors
/// It is wanted again, or somebody wrote the claim meanwhile: look afresh.
pub async fn confirm_end(context: &Context, key: &AccessKey, claim: &AccessClaim) -> Result<String, Halt> {
    // Where the namespace is not opted in, a Deployment that asks anew is not heard.
    let heard = || context.deployments_of_2017 && context.world.opted_in(&key.0);
    ended(&context.client, key, claim, (context.world.install(), heard)).await
}

/// The same. Whether Deployments count is asked as late as can be; `default` is the cluster of those that name none.
async fn ended(
    client: &Client,
    key: &AccessKey,
    claim: &AccessClaim,
    (default, heard): (&ClusterRef, impl Fn() -> bool),
) -> Result<String, Halt> {
    let api = Api::<AccessClaim>::namespaced(client.clone(), &key.0);
    let live = call(CALL, "read the AccessClaim", api.get_opt(&key.1)).await?;
    let same = |live: &AccessClaim| {
        (&live.metadata.uid, live.metadata.generation) == (&claim.metadata.uid, claim.metadata.generation)
    };
    let version = live.filter(same).and_then(|live| live.metadata.resource_version);
    let pods = Api::<PartialObjectMeta<Pod>>::namespaced(client.clone(), &key.0);
    let running = ListParams::default()
        .labels(&format!("{ACCESS}={}", key.1))
        .fields("status.phase!=Succeeded,status.phase!=Failed")
        .limit(1);
    let pods = call(CALL, "look for Pods of the access", pods.list(&running)).await?;
    let deployments =
        if heard() { deployments::live(client, &Some(key.0.clone()), default).await? } else { Vec::new() };
    let asked = deployments.iter().any(|asks| asks.access_key() == *key);
    version.filter(|_| pods.items.is_empty() && !asked).ok_or(CHANGED)
}

/// Deletes a credential Secret, if it is still the one that was read.
///
/// # Errors
/// The API server refused, as it does where the Secret is another.
pub async fn unpublish(client: &Client, name: (&str, &str), uid: &str, resource_version: &str) -> Result<(), Halt> {
    let api = Api::<KubeSecret>::namespaced(client.clone(), name.0);
    delete_exactly(&api, (CALL, "delete the Secret"), name.1, uid, resource_version).await?;
    writes::done("secret_delete");
    Ok(())
}

/// Deletes a claim, if nobody wrote it since its end was confirmed.
///
/// # Errors
/// The API server refused, as it does where the claim is another, or of another version.
pub async fn delete_claim(client: &Client, key: &AccessKey, claim: &AccessClaim, version: &str) -> Result<(), Halt> {
    let api = Api::<AccessClaim>::namespaced(client.clone(), &key.0);
    let uid = claim.metadata.uid.as_deref().ok_or(CHANGED)?;
    delete_exactly(&api, (CALL, "delete the AccessClaim"), &key.1, uid, version).await?;
    writes::done("access_claim_delete");
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::{SignedDuration, Timestamp};

    use std::future::ready;

    use serde_json::Value;

    use super::*;
    use crate::api::annotations::{CONSUMES_2017, LABEL_2017, LABEL_2017_VALUES};
    use crate::runtime::fake_api::{answering, api_server, deleted, recording};

    fn key() -> AccessKey {
        ("shop".to_owned(), "web".to_owned())
    }

    /// A claim as the API server has it.
    fn claim(uid: &str, generation: i64) -> AccessClaim {
        let mut claim = AccessClaim::new("web", AccessClaimSpec::empty());
        let meta = &mut claim.metadata;
        (meta.namespace, meta.uid, meta.generation) = (Some("shop".into()), Some(uid.into()), Some(generation));
        meta.resource_version = Some("41".into());
        claim
    }

    #[tokio::test]
    async fn an_end_is_confirmed_of_the_claim_that_was_decided_about_and_while_nobody_asks() {
        let default = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let pod = json!({"metadata": {"name": "web-0", "namespace": "shop"}});
        let deployment = |name: &str| {
            json!({"metadata": {
                "name": name, "namespace": "shop", "uid": "d",
                "labels": {(LABEL_2017): LABEL_2017_VALUES[0]}, "annotations": {(CONSUMES_2017[0]): "orders"},
            }})
        };
        let (same, nobody) = (json!(claim("u", 3)), json!([]));
        let asks = json!([deployment("web")]);
        for (live, pods, deployments, heard, ends, case) in [
            (&same, &nobody, &nobody, true, true, "nobody asks"),
            (&same, &json!([pod]), &nobody, true, false, "a Pod is there again"),
            (&json!(claim("u", 4)), &nobody, &nobody, true, false, "somebody wrote what it asks for"),
            (&json!(claim("another", 3)), &nobody, &nobody, true, false, "it was made anew"),
            (&Value::Null, &nobody, &nobody, true, false, "it is gone"),
            (&same, &nobody, &asks, true, false, "a Deployment asks again"),
            (&same, &nobody, &json!([deployment("other")]), true, true, "another one does"),
            (&same, &nobody, &asks, false, true, "a Deployment asks that is not heard"),
        ] {
            let (live, pods, deployments) = (live.clone(), pods.clone(), deployments.clone());
            let client = answering(move |asked| {
                let list = |items: &Value| (200, json!({"metadata": {}, "items": items}));
                ready(match asked.path.rsplit('/').next() {
                    Some("pods") => {
                        assert!(asked.query.contains("labelSelector=kafka.admittance.dev%2Faccess%3Dweb"));
                        list(&pods)
                    }
                    Some("deployments") => list(&deployments),
                    _ if live.is_null() => (404, Value::Null),
                    _ => (200, live.clone()),
                })
            });
            let confirmed = ended(&client, &key(), &claim("u", 3), (&default, || heard)).await;
            match confirmed {
                Ok(version) => assert_eq!((version.as_str(), ends), ("41", true), "{case}"),
                Err(halt) => assert!(!ends && halt.is_race(), "{case}: {halt}"),
            }
        }
    }

    #[tokio::test]
    async fn what_is_deleted_is_what_was_read() {
        let (client, sent) = recording(|_| ready((200, deleted())));
        unpublish(&client, ("shop", "web-kafka-credentials"), "s", "7").await.unwrap();
        delete_claim(&client, &key(), &claim("u", 3), "42").await.unwrap();
        let sent: Vec<Value> = sent.lock().unwrap().iter().map(|(_, body)| body["preconditions"].clone()).collect();
        let exactly = |uid, version| json!({"uid": uid, "resourceVersion": version});
        assert_eq!(sent, [exactly("s", "7"), exactly("u", "42")]);
        let mut nobodys = claim("u", 3);
        nobodys.metadata.uid = None;
        delete_claim(&client, &key(), &nobodys, "42").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_publication_is_dated_by_the_api_servers_clock_and_what_is_none_is_not() {
        for (skew, replaces, rotation) in
            [(-180, None, Some(1)), (180, None, Some(1)), (-180, Some("7"), Some(1)), (180, Some("7"), None)]
        {
            let theirs = Timestamp::now() + SignedDuration::from_secs(skew);
            let (clock, (client, sent)) = (Clock::default(), api_server());
            clock.heard(theirs);
            let publication = Publication {
                name: ("shop", "web"),
                replaces,
                data: BTreeMap::new(),
                foreign: Vec::new(),
                rotation,
                access: "web",
                copy_of: None,
            };
            publish(&client, &clock, publication).await.unwrap();
            let sent = sent.lock().unwrap().pop().unwrap().1;
            let dated =
                sent["metadata"]["annotations"][PUBLISHED].as_str().map(|text| text.parse::<Timestamp>().unwrap());
            let late = dated.map(|dated| dated.duration_since(theirs));
            assert_eq!(late.is_some(), rotation.is_some(), "{sent}");
            let soon = SignedDuration::ZERO..SignedDuration::from_secs(30);
            assert!(late.is_none_or(|late| soon.contains(&late)), "{skew}: {late:?}");
        }
    }
}
