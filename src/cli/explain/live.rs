//! What is read of a cluster to explain one Pod. Nothing is written, and no Secret's content is read.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace as Space, Pod, Secret};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, ResourceExt};

use super::home::Home;
use super::state::{Look, PodState, Seen};
use super::story::Namespace;
use crate::admission::parts::PROBE_NAME;
use crate::api::annotations::{ACCESS, CLUSTER, INJECTION};
use crate::api::names::{ClusterRef, Scope};
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::cli::manifest::node::Node;
use crate::intent::Intent;
use crate::runtime::kubernetes::{CallError, call};

const CALL: Duration = Duration::from_secs(5);
/// Events that are told.
const EVENTS: usize = 8;
/// What a container waits for whose image cannot be had.
const UNPULLED: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// A cluster, as far as an explanation looks.
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Looks by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The namespace that commands mean where none is named.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Whether a namespace is opted in.
    ///
    /// # Errors
    /// The API server refused or did not answer.
    pub async fn namespace(&self, name: &str) -> Result<Namespace, CallError> {
        let api = Api::<Space>::all(self.client.clone());
        let found = call(CALL, "read the Namespace", api.get_metadata_opt(name)).await?;
        Ok(match found {
            None => Namespace::Missing,
            Some(found) if found.labels().get(INJECTION).is_some_and(|value| value == "enabled") => Namespace::OptedIn,
            Some(_) => Namespace::NotOptedIn,
        })
    }

    /// What decides where a Pod goes that names no cluster; nothing where it is the installation's default, or nobody may look.
    pub async fn home(&self, namespace: &str, access: &str) -> Option<Home> {
        let claims = Api::<AccessClaim>::namespaced(self.client.clone(), namespace);
        let claim = call(CALL, "read the AccessClaim", claims.get_opt(access)).await.ok().flatten();
        if let Some(claim) = claim.filter(|claim| !claim.spec.cluster.is_empty()) {
            return Some(Home::Access(claim.spec.cluster));
        }
        let spaces = Api::<Space>::all(self.client.clone());
        let space = call(CALL, "read the Namespace", spaces.get_metadata_opt(namespace)).await.ok().flatten();
        space.and_then(|space| space.annotations().get(CLUSTER).cloned()).map(Home::Namespace)
    }

    /// The prefix of Kafka users, where the namespace kube-system may be read.
    pub async fn scope(&self) -> Option<Scope> {
        let api = Api::<Space>::all(self.client.clone());
        let system = call(CALL, "read the namespace kube-system", api.get_metadata("kube-system")).await.ok()?;
        system.uid().as_deref().map(Scope::from_cluster_uid)
    }

    /// A living Pod, as it stands in the API server.
    ///
    /// # Errors
    /// There is none of this name, or the API server did not answer.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Node, CallError> {
        let kind = ApiResource::erase::<Pod>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &kind);
        let found = call(CALL, "read the Pod", api.get(name)).await?;
        let mut node = serde_json::to_value(&found).map_or_else(|_| Node::text(""), |value| Node::from(&value));
        node.set("kind", Node::text("Pod"));
        Ok(node)
    }

    /// Everything about the access of an intent.
    pub async fn look(&self, namespace: &str, intent: &Intent, pod: Option<&Node>) -> Seen {
        let ClusterRef { namespace: home, name: cluster } = &intent.cluster;
        let access = intent.access_name();
        let clusters = Api::<BrokerCluster>::namespaced(self.client.clone(), home);
        let claims = Api::<AccessClaim>::namespaced(self.client.clone(), namespace);
        let topics = Api::<TopicClaim>::namespaced(self.client.clone(), namespace);
        let secrets = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let (secret, everything) = (intent.secret_name(), ListParams::default());
        let (cluster, claim, topics, secret, events) = tokio::join!(
            call(CALL, "read the BrokerCluster", clusters.get_opt(cluster)),
            call(CALL, "read the AccessClaim", claims.get_opt(&access)),
            call(CALL, "list the TopicClaims", topics.list(&everything)),
            call(CALL, "look for the Secret", secrets.get_metadata_opt(&secret)),
            self.events(namespace, &access, pod),
        );
        let topics = match topics {
            Ok(list) => Look::Found(list.items),
            Err(error) => Look::Failed(error.to_string()),
        };
        Seen {
            cluster: look(cluster),
            claim: look(claim),
            topics,
            secret: look(secret.map(|found| found.map(drop))),
            pod: pod.map(state),
            events,
        }
    }

    async fn events(&self, namespace: &str, access: &str, pod: Option<&Node>) -> Vec<String> {
        let api = Api::<Event>::namespaced(self.client.clone(), namespace);
        let name = pod.and_then(|pod| pod.at(&["metadata", "name"])).and_then(Node::as_text);
        let mut found = Vec::new();
        for (kind, name) in [("AccessClaim", Some(access)), ("Pod", name)] {
            let Some(name) = name else { continue };
            let about = ListParams::default().fields(&format!("involvedObject.kind={kind},involvedObject.name={name}"));
            // Events are a courtesy: without them the rest is still worth telling.
            let Ok(list) = call(CALL, "list the Events", api.list(&about)).await else { continue };
            let said = |event: Event| {
                let moment = event.last_timestamp.map(|time| time.0).or(event.event_time.map(|time| time.0));
                let text = format!(
                    "{kind} {name}: {}: {}",
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default()
                );
                (moment, text)
            };
            found.extend(list.items.into_iter().map(said));
        }
        found.sort();
        let skipped = found.len().saturating_sub(EVENTS);
        found.into_iter().skip(skipped).map(|(_, text)| text).collect()
    }
}

fn look<T>(answer: Result<Option<T>, CallError>) -> Look<T> {
    match answer {
        Ok(Some(found)) => Look::Found(found),
        Ok(None) => Look::Missing,
        // The definition of a resource that is not installed.
        Err(error) if error.code() == Some(404) => Look::Missing,
        Err(error) => Look::Failed(error.to_string()),
    }
}

/// What a container waits for, and what helps where that is the image that its author never named.
fn waits(container: &Node) -> Vec<String> {
    let part = |key: &str| container.at(&["state", "waiting", key]).and_then(Node::as_text);
    let Some(reason) = part("reason") else { return Vec::new() };
    let name = container.get("name").and_then(Node::as_text).unwrap_or_default();
    let waits = format!("container {name} waits: {reason} {}", part("message").unwrap_or_default());
    let unpulled = name == PROBE_NAME && UNPULLED.contains(&reason);
    let helps = "→ The node cannot pull Admittance's image: it needs the registry's credentials, or the Pod's service account \
                 imagePullSecrets; a Pod made by `admittance inject` needs the right --probe-image.";
    [waits.trim_end()].into_iter().chain(unpulled.then_some(helps)).map(str::to_owned).collect()
}

fn state(pod: &Node) -> PodState {
    let text = |path: &[&str]| pod.at(path).and_then(Node::as_text).unwrap_or_default().to_owned();
    let list = |path: &[&str]| pod.at(path).and_then(Node::elements).unwrap_or_default();
    let is = |node: &Node, key: &str, value: &str| node.get(key).and_then(Node::as_text) == Some(value);
    let statuses = [["status", "initContainerStatuses"], ["status", "containerStatuses"]];
    let waiting = statuses.iter().flat_map(|path| list(path)).flat_map(waits);
    PodState {
        phase: text(&["status", "phase"]),
        access: pod.at(&["metadata", "labels", ACCESS]).and_then(Node::as_text).map(str::to_owned),
        ready: list(&["status", "conditions"]).iter().any(|one| is(one, "type", "Ready") && is(one, "status", "True")),
        waiting: waiting.collect(),
    }
}
