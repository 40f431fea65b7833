//! Reads what Kafka and the API server hold of one access. I/O; decides nothing.
//!
//! Without the rules of the user there is nothing to take. That anything else is not told ends no look: whoever could make it so would keep
//! what was lent to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::Api;
use tokio::time::timeout;

use super::existence;
use super::foreign;
use super::readers;
use crate::access::Context;
use crate::access::asks::Ask;
use crate::access::asks::wishes::Wishes;
use crate::access::given::groups::{self, GroupView};
use crate::access::given::prefix::Names;
use crate::access::given::rights::principal;
use crate::access::given::topic_view::TopicView;
use crate::access::password::secret_view::{SecretView, view};
use crate::access::password::sought::Sought;
use crate::access::seen::{Held, Subject};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, Right};
use crate::clusters::{Connection, Halt, Unusable};
use crate::intent::manual::fault;
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;
use crate::ownership::own_namespace;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::{AccessKey, group_key};

/// The deadline of one read.
const CALL: Duration = Duration::from_secs(5);
/// For how long all is looked at that has to do with the credential: a look has time for more than that.
const CREDENTIAL: Duration = Duration::from_secs(12);

/// Who is asked about: the access, its claim, and who asks for it.
pub(in crate::access) type Whose<'w> = (&'w AccessKey, Option<&'w AccessClaim>, &'w [Ask]);

/// Looks at everything that is held.
///
/// # Errors
/// Kafka did not tell the rules of the user.
pub(in crate::access) async fn held(
    context: &Context,
    connection: &Connection,
    whose: Whose<'_>,
    subject: &Subject,
    wishes: &Wishes,
) -> Result<Held, Halt> {
    let (key, claim, _) = whose;
    let groups = join_all(wishes.groups.iter().map(|name| group_view(context, connection, (claim, subject), name)));
    // Kafka answers a question about what is no name at all with an error.
    let legal = |name: &&String| fault(name, Right::Consume).is_none();
    let topics: BTreeSet<&String> = wishes.consumes.union(&wishes.produces).filter(legal).collect();
    let topics = join_all(topics.into_iter().map(|name| topic_view(context, connection, subject, name)));
    let (rules, topics, groups, credential, quotas) = tokio::join!(
        connection.batcher.describe_rules(principal(&subject.username)),
        topics,
        groups,
        timeout(CREDENTIAL, credential(context, connection, whose, subject, wishes)),
        quotas(connection, subject, claim),
    );
    let rules: BTreeSet<AclBinding> = rules?.into_iter().collect();
    let (credential, unseen) = told(credential.unwrap_or_else(|_| Err(overdue())));
    let (quotas, unlimited) = told(quotas);
    let ((rival, id_rival), unrivalled) = told(rivals(connection, key, subject, wishes, &rules).await);
    Ok(Held {
        rules,
        topics: topics.into_iter().collect(),
        groups: groups.into_iter().collect(),
        quotas,
        rival,
        id_rival,
        unseen: unseen.or(unlimited).or(unrivalled),
        ..credential
    })
}

/// What was seen, or nothing and why.
fn told<T: Default>(seen: Result<T, Halt>) -> (T, Option<Unusable>) {
    match seen {
        Ok(seen) => (seen, None),
        Err(halt) => (T::default(), Some(halt.unusable())),
    }
}

fn overdue() -> Halt {
    let message = format!("the credential and its Secrets could not be looked at within {CREDENTIAL:?}");
    Halt::refused(Reason::Provisioning, message)
}

/// The credential: its slots in Kafka, the Secrets that hold it, and the Pods that read them.
async fn credential(
    context: &Context,
    connection: &Connection,
    (key, claim, asks): Whose<'_>,
    subject: &Subject,
    wishes: &Wishes,
) -> Result<Held, Halt> {
    let secrets = Api::<KubeSecret>::namespaced(context.client.clone(), &key.0);
    let own = (key.1.as_str(), subject.secret_name.as_str());
    let view = |found| view(found, own, context.clock.now());
    let copies = try_join_all(wishes.secrets.iter().map(|name| async {
        let found = call(CALL, "read a copy of the credential Secret", secrets.get_opt(name)).await?;
        Ok::<_, CallError>((name.clone(), found.map_or(SecretView::Absent, view)))
    }));
    let (slots, copies, secret) = tokio::join!(
        connection.batcher.describe_user(subject.username.clone()),
        copies,
        call(CALL, "read the credential Secret", secrets.get_opt(&subject.secret_name)),
    );
    let (secret, slots) = (secret?.map_or(SecretView::Absent, view), slots?);
    let copies: BTreeMap<String, SecretView> = copies?.into_iter().collect();
    let held = Held { slots, secret, copies, ..Held::default() };
    let sought = Sought::of(&held, claim.and_then(|claim| claim.status.as_ref()), asks);
    if sought.is_nobody() {
        return Ok(held);
    }
    let names: Vec<&str> = [&subject.secret_name].into_iter().chain(held.copies.keys()).map(String::as_str).collect();
    match readers::of(&context.client, &key.0, &names).await {
        Ok(found) => Ok(sought.found(found, held)),
        Err(error) => {
            let Some(held) = sought.unread(held) else { return Err(error.into()) };
            tracing::warn!(namespace = key.0, access = key.1, %error, "who reads the Secret is not known");
            Ok(held)
        }
    }
}

/// What is known of one topic, by its name.
async fn topic_view(context: &Context, connection: &Connection, subject: &Subject, name: &str) -> (String, TopicView) {
    let key = (subject.cluster.clone(), name.to_owned());
    let on_record = context.world.on_record(&key);
    // What is kept for somebody must not look like what is gone.
    let told = existence::of_topic(connection, name, !on_record.is_empty()).await;
    let view = TopicView::new(context.world.claims_on(&key), told, on_record);
    let own_namespace = own_namespace(name, |namespace| context.world.opted_in(namespace)).map(str::to_owned);
    let view = view.judged(|claim| context.world.refusal(claim));
    (name.to_owned(), TopicView { own_namespace, ..view })
}

/// What is known of one group, by its name.
async fn group_view(
    context: &Context,
    connection: &Connection,
    (claim, subject): (Option<&AccessClaim>, &Subject),
    name: &str,
) -> (String, GroupView) {
    let claims = context.world.users_of(&group_key(&subject.cluster, name));
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

/// Users of other Kubernetes clusters that have the plain prefix of the namespace's groups, and of the workload's transactional ids.
async fn rivals(
    connection: &Connection,
    key: &AccessKey,
    subject: &Subject,
    wishes: &Wishes,
    rules: &BTreeSet<AclBinding>,
) -> Result<(Option<String>, Option<String>), Halt> {
    let ids = async {
        let names = Names::Ids(&subject.workload);
        if wishes.transactions { foreign::rival(connection, &key.0, subject, names, rules).await } else { Ok(None) }
    };
    tokio::try_join!(foreign::rival(connection, &key.0, subject, Names::Groups, rules), ids)
}
