//! Reads everything that a decision about one access needs, into plain data. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;

use super::Context;
use super::asks::{self, Ask};
use super::existence;
use super::foreign;
use super::groups::{self, GroupView};
use super::life::Ownership;
use super::owners;
use super::prefix::Names;
use super::readers;
use super::rights::principal;
use super::rotation::{self, Reader, Request};
use super::secret_view::view;
use super::topic_view::TopicView;
use super::wishes::Wishes;
use crate::api::annotations::ROTATE;
use crate::api::names::{ClusterRef, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, Right};
use crate::api::secret::Secret;
use crate::clusters::{Connection, Halt, Unusable, scope_of};
use crate::intent::manual::fault;
use crate::intent::{self, Intent};
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::ownership::own_namespace;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::{AccessKey, group_key};

/// The deadline of one read.
const CALL: Duration = Duration::from_secs(5);

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

/// Observes one access.
///
/// # Errors
/// A read failed; the queue tries again.
pub async fn observe(context: &Context, key: &AccessKey, credential_doubted: bool) -> Result<Observation, Halt> {
    let claim = context.world.accesses.get(&(&key.0, &key.1));
    let asks = asks::of(context, key, claim.as_deref());
    let subject = subject(context, key, claim.as_deref(), &asks)?;
    let (mut accounts, mut admitted) = (BTreeSet::new(), true);
    let opted_in = context.world.opted_in(&key.0);
    let owners = owners(context, key, claim.as_deref(), &asks).await?;
    let held = match &subject {
        None => Err(Unusable { reason: Reason::NoWorkload, message: "nobody asks for this access".to_owned() }),
        Some(subject) => match context.clusters.get(&subject.cluster) {
            Err(unusable) => Err(unusable),
            Ok(connection) => {
                let wishes = wanted(claim.as_deref(), &asks);
                let quotas = quotas(&connection, subject, claim.as_deref());
                let whose = (key, claim.as_deref(), asks.as_slice());
                let (held, quotas) = tokio::join!(held(context, &connection, whose, subject, &wishes), quotas);
                let mut held = Held { quotas: quotas?, ..held? };
                held.rival = foreign::rival(&connection, &key.0, subject, Names::Groups, &held.rules).await?;
                if wishes.transactions {
                    let ids = Names::Ids(&subject.workload);
                    held.id_rival = foreign::rival(&connection, &key.0, subject, ids, &held.rules).await?;
                }
                // The labels of a namespace that opted out are not watched.
                admitted = !opted_in || connection.terms.admit(&context.world.labels_of(&key.0));
                accounts = foreign::review(context, key, claim.as_deref(), &asks, &wishes, &mut held).await?;
                Ok((connection, held))
            }
        },
    };
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

async fn owners(
    context: &Context,
    key: &AccessKey,
    claim: Option<&AccessClaim>,
    asks: &[Ask],
) -> Result<Vec<Ownership>, Halt> {
    let on_record = claim.and_then(|claim| claim.status.as_ref()).map(|status| &status.owners);
    match on_record.filter(|_| asks.is_empty()) {
        Some(on_record) => Ok(owners::look(&context.client, &key.0, on_record).await?),
        None => Ok(Vec::new()),
    }
}

/// Nobody where the namespace is not opted in and nothing was given before.
fn subject(
    context: &Context,
    key: &AccessKey,
    claim: Option<&AccessClaim>,
    asks: &[Ask],
) -> Result<Option<Subject>, Halt> {
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
    // By its own name, or by that of a workload that names no cluster: its namespace may have another default than the installation.
    // Two claims of one name would write one Secret in turn.
    let default = &context.default_cluster;
    let mut named = [&cluster, default].into_iter();
    let Some(named) = named.find(|named| intent::request::access_name(&workload, named, default) == key.1) else {
        let name = intent::request::access_name(&workload, &cluster, default);
        let message = format!("the access of workload {workload} on {cluster} is named {name}");
        return Err(Halt::refused(Reason::AccessTaken, message));
    };
    // The connection's own scope, where there is one: the resource may be gone already.
    let scope = match context.clusters.get(&cluster.to_string()) {
        Ok(connection) => connection.claim.scope.clone(),
        Err(_) => {
            let resource = context.world.clusters.get(&(&cluster.namespace, &cluster.name));
            scope_of(resource.as_deref(), &context.scope)
        }
    };
    Ok(Some(Subject {
        secret_name: intent::request::secret_name(&workload, named, default),
        username: scope.username(&key.0, &key.1),
        workload: workload.to_string(),
        cluster: cluster.to_string(),
    }))
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

async fn held(
    context: &Context,
    connection: &Connection,
    (key, claim, asks): (&AccessKey, Option<&AccessClaim>, &[Ask]),
    subject: &Subject,
    wishes: &Wishes,
) -> Result<Held, Halt> {
    let secrets = Api::<KubeSecret>::namespaced(context.client.clone(), &key.0);
    let groups = join_all(wishes.groups.iter().map(|name| group_view(context, connection, (claim, subject), name)));
    // Kafka answers a question about what is no name at all with an error, which would end every look.
    let legal = |name: &&String| fault(name, Right::Consume).is_none();
    let topics: BTreeSet<String> = wishes.consumes.union(&wishes.produces).filter(legal).cloned().collect();
    let topics = try_join_all(topics.into_iter().map(|name| async {
        let key = (subject.cluster.clone(), name.clone());
        let on_record = context.world.on_record(&key);
        let topic = match connection.batcher.describe_topic(name.clone()).await? {
            // What is kept for somebody must not look like what is gone.
            None if !on_record.is_empty() => connection.admin.describe_topic_anywhere(&name).await?,
            topic => topic,
        };
        let view = TopicView::new(context.world.topics.of(&key), topic.map(|topic| topic.id), on_record);
        let own_namespace = own_namespace(&name, |namespace| context.world.opted_in(namespace)).map(str::to_owned);
        let view = view.judged(|claim| context.world.refusal(claim));
        Ok::<_, crate::kafka::error::Error>((name, TopicView { own_namespace, ..view }))
    }));
    let own = (key.1.as_str(), subject.secret_name.as_str());
    let view = |found| view(found, own, context.clock.now());
    let copies = try_join_all(wishes.secrets.iter().map(|name| async {
        let found = call(CALL, "read a copy of the credential Secret", secrets.get_opt(name)).await?;
        Ok::<_, CallError>((name.clone(), found.map_or(SecretView::Absent, view)))
    }));
    let (rules, slots, topics, groups, copies, secret) = tokio::join!(
        connection.batcher.describe_rules(principal(&subject.username)),
        connection.batcher.describe_user(subject.username.clone()),
        topics,
        groups,
        copies,
        call(CALL, "read the credential Secret", secrets.get_opt(&subject.secret_name)),
    );
    let (secret, slots) = (secret?.map_or(SecretView::Absent, view), slots?);
    let copies: BTreeMap<String, SecretView> = copies?.into_iter().collect();
    let in_use: Vec<_> = slots.iter().map(|slot| slot.mechanism).collect();
    let status = claim.and_then(|claim| claim.status.as_ref());
    let published = status.is_some_and(|status| status.secret_name.is_some());
    let needed = match &secret {
        // Of an earlier life of the same name. Who has not started by now, after it was seen that there is no Secret, never read one.
        SecretView::Absent => !published && !in_use.is_empty(),
        SecretView::Ours { rotation, published, .. } => secret.mechanism().is_some_and(|active| {
            rotation::needs_readers(&in_use, active) || rotation::may_leave_behind(status, *rotation, *published)
        }),
        SecretView::Foreign => false,
    };
    let readers = if needed {
        let names: Vec<&str> = [&subject.secret_name].into_iter().chain(copies.keys()).map(String::as_str).collect();
        Some(readers::of(&context.client, &key.0, &names).await?)
    } else {
        None
    };
    let asked_for: BTreeSet<_> = asks.iter().filter_map(|ask| ask.intent.as_ref().ok()?.secret.as_ref()).collect();
    let mut read_copies = BTreeSet::new();
    for name in copies.keys().filter(|name| !asks.is_empty() && !asked_for.contains(name)) {
        if !readers::of(&context.client, &key.0, &[name]).await?.is_empty() {
            read_copies.insert(name.clone());
        }
    }
    Ok(Held {
        rules: rules?.into_iter().collect(),
        slots,
        quotas: None,
        secret,
        copies,
        read_copies,
        topics: topics?.into_iter().collect(),
        groups: groups.into_iter().collect(),
        readers,
        rival: None,
        id_rival: None,
    })
}

/// What is known of one group, by its name. That Kafka does not tell of this one ends no look: what is taken must not wait for it.
async fn group_view(
    context: &Context,
    connection: &Connection,
    (claim, subject): (Option<&AccessClaim>, &Subject),
    name: &str,
) -> (String, GroupView) {
    let claims = context.world.accesses.of(&group_key(&subject.cluster, name));
    let own_namespace = own_namespace(name, |namespace| context.world.opted_in(namespace)).map(str::to_owned);
    // Only a name that nobody has may be one that lives already: to ask for it makes it nobody's.
    let had =
        claims.iter().any(|claim| groups::has(claim, name)) || claim.is_some_and(|claim| groups::had(claim, name));
    let asked = !had && own_namespace.is_none() && fault(name, Right::Join).is_none();
    let (exists, unknown) = if asked { existence::of(connection, name).await } else { (false, None) };
    (name.to_owned(), GroupView { claims, exists, unknown, own_namespace, verdict: None })
}

/// The limits of the user, where there can be any of ours.
async fn quotas(
    connection: &Connection,
    subject: &Subject,
    claim: Option<&AccessClaim>,
) -> Result<Option<Quota>, Halt> {
    let terms = &connection.terms;
    let had = |claim: &AccessClaim| {
        claim.spec.quotas.is_some() || claim.status.as_ref().is_some_and(|status| status.quotas.is_some())
    };
    if !terms.quotas_shown && !terms.quotas.asks() && !claim.is_some_and(had) {
        return Ok(None);
    }
    Ok(Some(connection.batcher.describe_quota(subject.username.clone()).await?))
}
