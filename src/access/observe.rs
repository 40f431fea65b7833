//! Reads everything that a decision about one access needs, into plain data. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::Context;
use super::asks::{self, Ask};
use super::foreign;
use super::groups::GroupView;
use super::held::{Whose, held};
use super::life::Ownership;
use super::owners;
use super::rotation::{Reader, Request};
use super::topic_view::TopicView;
use super::wishes::Wishes;
use crate::api::annotations::ROTATE;
use crate::api::names::{ClusterRef, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::AccessClaim;
use crate::api::secret::Secret;
use crate::clusters::{Connection, Halt, Unusable, scope_of};
use crate::intent::{self, Intent};
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::watch::AccessKey;

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

impl Subject {
    /// Whether it is who an intent speaks of.
    #[must_use]
    pub fn is(&self, intent: &Intent) -> bool {
        intent.workload.as_ref() == self.workload && intent.cluster.to_string() == self.cluster
    }
}

/// The credential Secret as it stands.
#[derive(Debug, Clone, Default)]
pub enum SecretView {
    /// There is none.
    #[default]
    Absent,
    /// There is one, and it is not ours.
    Foreign,
    /// There is one of ours.
    Ours {
        /// For a conditional replacement or removal.
        uid: String,
        /// For a conditional replacement or removal.
        resource_version: String,
        /// How many new passwords it has seen since the first.
        rotation: i64,
        /// When its password was published, by the API server's clock.
        published: Timestamp,
        /// What it holds.
        data: BTreeMap<String, Secret>,
    },
}

/// What Kafka and the API server say about the credential and the rights.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The rules of the user.
    pub rules: BTreeSet<AclBinding>,
    /// The slots of the user.
    pub slots: Vec<StoredCredential>,
    /// The limits of the user; `None` where nobody asks for any and Kafka does not show them.
    pub quotas: Option<Quota>,
    /// The Secret.
    pub secret: SecretView,
    /// Further Secrets that are asked for, or on record.
    pub copies: BTreeMap<String, SecretView>,
    /// Those of them that nobody asks for any more, and Pods read.
    pub read_copies: BTreeSet<String>,
    /// The topics that are asked for, or were granted.
    pub topics: BTreeMap<String, TopicView>,
    /// The groups that are asked for beyond those of the namespace.
    pub groups: BTreeMap<String, GroupView>,
    /// A user of another Kubernetes cluster that has the namespace's prefix of groups.
    pub rival: Option<String>,
    /// One that has the plain prefix of the workload's transactional ids.
    pub id_rival: Option<String>,
    /// The Pods that read the Secret, where it matters: while the user has two passwords, or one from an earlier life, and until nobody has
    /// one that was replaced.
    pub readers: Option<Vec<Reader>>,
    /// Whether they matter, and could not be looked at.
    pub unread: bool,
    /// Why something of all this could not be seen: it may be anything. Rules, topics and groups are as they are said to be all the same.
    pub unseen: Option<Unusable>,
}

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// Namespace and name of the access.
    pub key: AccessKey,
    /// The claim.
    pub claim: Option<Arc<AccessClaim>>,
    /// The requests of Pods and Deployments, in the order of their names; none where the namespace is not opted in.
    pub asks: Vec<Ask>,
    /// Who it is; nothing where neither a claim nor a readable Pod says so.
    pub subject: Option<Subject>,
    /// The service accounts of its Pods, where it asks for topics of other namespaces.
    pub accounts: BTreeSet<String>,
    /// What is held, or why Kafka cannot be asked.
    pub held: Result<(Arc<Connection>, Held), Unusable>,
    /// The last proof failed by the credential: what Kafka holds is not what was published.
    pub credential_doubted: bool,
    /// What became of the owners on record; looked at where there is no Pod.
    pub owners: Vec<Ownership>,
    /// The Pods that carry its label, whether they ask for it or not, sorted.
    pub labelled: Vec<String>,
    /// Whether the claim names no cluster, and none was put on record.
    pub unplaced: bool,
    /// Whether the namespace is opted in.
    pub opted_in: bool,
    /// Whether the cluster is for workloads of this namespace.
    pub admitted: bool,
    /// Pods that were let through the gate, by uid.
    pub let_through: BTreeSet<String>,
    /// The new password that people ask for.
    pub rotate: Option<Request>,
    /// When this was seen, by the API server's clock.
    pub now: Timestamp,
}

/// Observes one access. What cannot be seen ends no look by which something is to be taken: see [`Held::unseen`].
///
/// # Errors
/// Nothing can be judged: it is nobody's access, or Kafka does not tell the rules of the user. The queue tries again.
pub async fn observe(context: &Context, key: &AccessKey, credential_doubted: bool) -> Result<Observation, Halt> {
    let claim = context.world.accesses.get(&(&key.0, &key.1));
    let asks = asks::of(context, key, claim.as_deref());
    let whose = (key, claim.as_deref(), asks.as_slice());
    let (subject, misnamed) = subject(context, whose)?;
    let opted_in = context.world.opted_in(&key.0);
    let connection = match &subject {
        None => Err(Unusable { reason: Reason::NoWorkload, message: "nobody asks for this access".to_owned() }),
        Some(subject) => context.clusters.get(&subject.cluster),
    };
    let (owners, seen) = tokio::join!(owners(context, whose), async {
        let (Some(subject), Ok(connection)) = (&subject, &connection) else { return Ok(Default::default()) };
        let wishes = wanted(claim.as_deref(), &asks);
        let mut held = held(context, connection, whose, subject, &wishes).await?;
        let accounts = foreign::review(context, whose, (subject, &wishes), &mut held).await;
        Ok::<_, Halt>((held, accounts))
    });
    let (held, accounts) = seen?;
    // The labels of a namespace that opted out are not watched.
    let admits = |connection: &Arc<Connection>| connection.terms.admit(&context.world.labels_of(&key.0));
    let admitted = !opted_in || connection.as_ref().map_or(true, admits);
    let held = connection.map(|connection| (connection, Held { unseen: misnamed.or(held.unseen), ..held }));
    let rotate = claim.as_deref().and_then(request);
    let now = context.clock.now();
    let living = asks.iter().map(|ask| ask.by.uid().to_owned()).collect();
    let let_through = context.gates.let_through(key, &living);
    let recorded = claim.as_ref().and_then(|claim| claim.status.as_ref()?.cluster.as_ref());
    let unplaced = recorded.is_none() && context.world.unnamed_accesses.has(key);
    let mut labelled: Vec<String> = context.world.pods.of(key).iter().map(|pod| pod.name.clone()).collect();
    labelled.sort();
    let key = key.clone();
    Ok(Observation {
        key,
        unplaced,
        claim,
        asks,
        subject,
        accounts,
        held,
        credential_doubted,
        owners,
        labelled,
        opted_in,
        admitted,
        let_through,
        rotate,
        now,
    })
}

fn request(claim: &AccessClaim) -> Option<Request> {
    match claim.metadata.annotations.as_ref()?.get(ROTATE)?.as_str() {
        "force" => Some(Request::Force),
        // An empty or unknown word is a wish as well; the annotation goes, so that nobody waits for nothing.
        _ => Some(Request::Now),
    }
}

async fn owners(context: &Context, (key, claim, asks): Whose<'_>) -> Vec<Ownership> {
    let on_record = claim.and_then(|claim| claim.status.as_ref()).map(|status| &status.owners);
    match on_record.filter(|_| asks.is_empty()) {
        Some(on_record) => owners::look(&context.client, &key.0, on_record).await,
        None => Vec::new(),
    }
}

/// Nobody where the namespace is not opted in and nothing was given before. With it comes what is wrong with the claim, where it was right
/// once: what it has is judged all the same.
fn subject(context: &Context, (key, claim, asks): Whose<'_>) -> Result<(Option<Subject>, Option<Unusable>), Halt> {
    let first = asks.iter().find_map(|ask| ask.intent.as_ref().ok().filter(|intent| intent.access_name() == key.1));
    let (workload, cluster) = match (claim, first) {
        (Some(claim), _) => {
            let invalid = |error| Halt::refused(Reason::InvalidValue, format!("the AccessClaim's spec {error}"));
            let workload = WorkloadName::parse(&claim.spec.workload).map_err(invalid)?;
            (workload, ClusterRef::parse(&claim.spec.cluster, &context.default_cluster.namespace).map_err(invalid)?)
        }
        (None, Some(intent)) => (intent.workload.clone(), intent.cluster.clone()),
        (None, None) => return Ok((None, None)),
    };
    // By its own name, or by that of a workload that names no cluster: its namespace may have another default than the installation.
    // Two claims of one name would write one Secret in turn.
    let default = &context.default_cluster;
    let mut named = [&cluster, default].into_iter();
    let Some(named) = named.find(|named| intent::request::access_name(&workload, named, default) == key.1) else {
        let name = intent::request::access_name(&workload, &cluster, default);
        let message = format!("the access of workload {workload} on {cluster} is named {name}");
        let misnamed = Unusable { reason: Reason::AccessTaken, message };
        // The default, after which accesses are named, was another when this one was given something.
        let status = claim.and_then(|claim| claim.status.as_ref());
        let Some((username, secret_name)) = status.and_then(|s| s.username.clone().zip(s.secret_name.clone())) else {
            return Err(Halt::Unusable(misnamed));
        };
        let (workload, cluster) = (workload.to_string(), cluster.to_string());
        return Ok((Some(Subject { workload, cluster, username, secret_name }), Some(misnamed)));
    };
    // The connection's own scope, where there is one: the resource may be gone already.
    let scope = match context.clusters.get(&cluster.to_string()) {
        Ok(connection) => connection.claim.scope.clone(),
        Err(_) => {
            let resource = context.world.clusters.get(&(&cluster.namespace, &cluster.name));
            scope_of(resource.as_deref(), &context.scope)
        }
    };
    let subject = Subject {
        secret_name: intent::request::secret_name(&workload, named, default),
        username: scope.username(&key.0, &key.1),
        workload: workload.to_string(),
        cluster: cluster.to_string(),
    };
    Ok((Some(subject), None))
}

fn wanted(claim: Option<&AccessClaim>, asks: &[Ask]) -> Wishes {
    let mut wishes = Wishes::of_intents(asks.iter().filter_map(|ask| ask.intent.as_ref().ok()));
    if let Some(claim) = claim {
        let recorded = Wishes::of_claim(&claim.spec);
        recorded.rights().for_each(|(name, right)| wishes.add(name, right));
        wishes.secrets.extend(recorded.secrets);
        wishes.transactions |= recorded.transactions;
    }
    wishes
}
