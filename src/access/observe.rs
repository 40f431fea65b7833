//! Reads everything that a decision about one access needs, into plain data. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::Api;

use super::rights::principal;
use super::{Context, Halt};
use crate::api::annotations::{MANAGED_BY, MANAGER};
use crate::api::names::{ClusterRef, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, TopicClaim};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::clusters::{Connection, Unusable, scope_of};
use crate::intent::{self, Intent, Problem};
use crate::kafka::acl::{AclBinding, AclFilter};
use crate::kafka::admin::At;
use crate::kafka::admin::users::StoredCredential;
use crate::runtime::kubernetes::call;
use crate::watch::{AccessKey, PodFacts};

/// The deadline of one read.
const CALL: Duration = Duration::from_secs(5);

/// A Pod's request for this access.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The Pod.
    pub pod: Arc<PodFacts>,
    /// What it asks for, or what is wrong with it.
    pub intent: Result<Intent, Vec<Problem>>,
}

/// Who the access is, once it is known: from the claim if there is one, else from the first Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The workload.
    pub workload: String,
    /// The cluster, as `namespace/name`.
    pub cluster: String,
    /// The Kafka user.
    pub username: String,
    /// The credential Secret.
    pub secret_name: String,
}

/// One topic that is asked for.
#[derive(Debug, Clone, Default)]
pub struct TopicView {
    /// All claims on it, in every namespace.
    pub claims: Vec<Arc<TopicClaim>>,
    /// Whether Kafka has it.
    pub exists: bool,
}

/// The credential Secret as it stands.
#[derive(Debug, Clone)]
pub enum SecretView {
    /// There is none.
    Absent,
    /// There is one, and it is not ours.
    Foreign,
    /// There is one of ours.
    Ours {
        /// For a conditional replacement.
        resource_version: String,
        /// What it holds.
        data: BTreeMap<String, Secret>,
    },
}

/// What Kafka and the API server say about the credential and the rights.
#[derive(Debug, Clone)]
pub struct Held {
    /// The rules of the user.
    pub rules: BTreeSet<AclBinding>,
    /// The slots of the user.
    pub slots: Vec<StoredCredential>,
    /// The Secret.
    pub secret: SecretView,
    /// The topics that are asked for, or were granted.
    pub topics: BTreeMap<String, TopicView>,
}

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// Namespace and name of the access.
    pub key: AccessKey,
    /// The claim.
    pub claim: Option<Arc<AccessClaim>>,
    /// The Pods' requests, in the order of their names; none where the namespace is not opted in.
    pub asks: Vec<Ask>,
    /// Who it is; nothing where neither a claim nor a readable Pod says so.
    pub subject: Option<Subject>,
    /// What is held, or why Kafka cannot be asked.
    pub held: Result<(Arc<Connection>, Held), Unusable>,
    /// The last proof failed by the credential: what Kafka holds is not what was published.
    pub credential_doubted: bool,
}

/// Observes one access.
///
/// # Errors
/// A read failed; the queue tries again.
pub async fn observe(context: &Context, key: &AccessKey, credential_doubted: bool) -> Result<Observation, Halt> {
    let claim = context.world.accesses.get(&(&key.0, &key.1));
    let asks = asks(context, key);
    let subject = subject(context, key, claim.as_deref(), &asks)?;
    let held = match &subject {
        None => Err(Unusable { reason: Reason::NoWorkload, message: "nobody asks for this access".to_owned() }),
        Some(subject) => match context.clusters.get(&subject.cluster) {
            Err(unusable) => Err(unusable),
            Ok(connection) => {
                let topics = wanted(claim.as_deref(), &asks);
                let held = held(context, &connection, &key.0, subject, topics).await?;
                Ok((connection, held))
            }
        },
    };
    Ok(Observation { key: key.clone(), claim, asks, subject, held, credential_doubted })
}

fn asks(context: &Context, key: &AccessKey) -> Vec<Ask> {
    // A label can be set by hand: what counts is that the namespace is opted in, and what the Pod itself asks for.
    if !context.world.opted_in(&key.0) {
        return Vec::new();
    }
    let pods = context.world.pods.of(key).into_iter();
    let read = |pod: Arc<PodFacts>| {
        let intent = intent::request::read(&pod.meta(), &context.default_cluster).transpose()?;
        Some(Ask { pod, intent })
    };
    pods.filter_map(read).collect()
}

/// Nobody where the namespace is not opted in: what it was given stays, and nothing is done.
fn subject(
    context: &Context,
    key: &AccessKey,
    claim: Option<&AccessClaim>,
    asks: &[Ask],
) -> Result<Option<Subject>, Halt> {
    if !context.world.opted_in(&key.0) {
        return Ok(None);
    }
    let first = asks.iter().find_map(|ask| ask.intent.as_ref().ok().filter(|intent| intent.access_name() == key.1));
    let (workload, cluster) = match (claim, first) {
        (Some(claim), _) => {
            let invalid = |error| Halt::refused(Reason::InvalidValue, format!("the AccessClaim's spec {error}"));
            let workload = WorkloadName::parse(&claim.spec.workload).map_err(invalid)?;
            (workload, ClusterRef::parse(&claim.spec.cluster, &context.default_cluster.namespace).map_err(invalid)?)
        }
        (None, Some(intent)) => (intent.workload.clone(), intent.cluster.clone()),
        (None, None) => return Ok(None),
    };
    // Two claims of one workload would write one Secret in turn.
    let name = intent::request::access_name(&workload, &cluster, &context.default_cluster);
    if name != key.1 {
        return Err(Halt::refused(
            Reason::AccessTaken,
            format!("the access of workload {workload} on {cluster} is named {name}"),
        ));
    }
    let broker_cluster = context.world.clusters.get(&(&cluster.namespace, &cluster.name));
    let scope = scope_of(broker_cluster.as_deref(), &context.scope);
    Ok(Some(Subject {
        secret_name: intent::request::secret_name(&workload, &cluster, &context.default_cluster),
        username: scope.username(&key.0, &key.1),
        workload: workload.to_string(),
        cluster: cluster.to_string(),
    }))
}

fn wanted(claim: Option<&AccessClaim>, asks: &[Ask]) -> BTreeSet<String> {
    let asked = asks.iter().filter_map(|ask| ask.intent.as_ref().ok());
    let asked = asked.flat_map(|intent| intent.consumes.iter().chain(&intent.produces)).map(ToString::to_string);
    let recorded = claim.into_iter().flat_map(|claim| claim.spec.consumes.iter().chain(&claim.spec.produces)).cloned();
    asked.chain(recorded).collect()
}

async fn held(
    context: &Context,
    connection: &Connection,
    namespace: &str,
    subject: &Subject,
    topics: BTreeSet<String>,
) -> Result<Held, Halt> {
    let filter = AclFilter::Principal(principal(&subject.username));
    let secrets = Api::<KubeSecret>::namespaced(context.client.clone(), namespace);
    let topics = try_join_all(topics.into_iter().map(|name| async {
        let exists = connection.batcher.describe_topic(name.clone()).await?.is_some();
        let claims = context.world.topics.of(&(subject.cluster.clone(), name.clone()));
        Ok::<_, crate::kafka::error::Error>((name, TopicView { claims, exists }))
    }));
    let (rules, slots, topics, secret) = tokio::join!(
        connection.admin.describe_acls(&filter, At::Any),
        connection.batcher.describe_user(subject.username.clone()),
        topics,
        call(CALL, "read the credential Secret", secrets.get_opt(&subject.secret_name)),
    );
    let secret = secret.map_err(Halt::from)?;
    Ok(Held {
        rules: rules?.into_iter().collect(),
        slots: slots?,
        secret: secret.map_or(SecretView::Absent, view),
        topics: topics?.into_iter().collect(),
    })
}

fn view(secret: KubeSecret) -> SecretView {
    if secret.metadata.labels.and_then(|labels| labels.get(MANAGED_BY).cloned()).as_deref() != Some(MANAGER) {
        return SecretView::Foreign;
    }
    let text = |bytes: Vec<u8>| Secret::new(String::from_utf8(bytes).unwrap_or_default());
    let data = secret.data.into_iter().flatten().map(|(key, bytes)| (key, text(bytes.0))).collect();
    SecretView::Ours { resource_version: secret.metadata.resource_version.unwrap_or_default(), data }
}

impl SecretView {
    /// The password that was published; nothing where there is none that Kafka would take.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Ours { data, .. } => data.get(keys::PASSWORD).filter(|password| !password.expose().is_empty()),
            Self::Absent | Self::Foreign => None,
        }
    }
}
