//! Asks about everything that an access wants and others have: other namespaces, and other Kubernetes clusters. I/O; decides nothing.

use std::collections::BTreeSet;

use super::held::Whose;
use super::questions::{self, Question};
use super::reviews::Reviewer;
use crate::access::Context;
use crate::access::asks::wishes::Wishes;
use crate::access::asks::{Ask, Asker};
use crate::access::given::prefix::{self, Names};
use crate::access::given::rights::{principal, rule};
use crate::access::seen::{Held, Subject};
use crate::api::resources::{AccessClaim, Right};
use crate::clusters::{Connection, Halt};
use crate::kafka::acl::{AclBinding, AclFilter};
use crate::kafka::admin::At;
use crate::watch::AccessKey;

/// Service accounts that speak for one access, by their names: each is a question more about whatever is lent to it.
const SPEAK: usize = 100;

/// Adds the verdicts on foreign topics and groups; returns the accounts that were asked about, none where nothing is foreign.
pub async fn review(
    context: &Context,
    (key, claim, asks): Whose<'_>,
    (subject, wishes): (&Subject, &Wishes),
    held: &mut Held,
) -> BTreeSet<String> {
    let foreign = foreign(key, (subject, wishes), held);
    if foreign.is_empty() {
        context.accounts.forget(key);
        return BTreeSet::new();
    }
    let (accounts, untold) = accounts(context, key, claim, asks).await;
    let reviewer = Reviewer::new(&context.client, &context.verdicts, &key.0, (&accounts, untold));
    for (Question { name, right, .. }, verdict) in questions::ask(&reviewer, foreign).await {
        if right == Right::Join {
            held.groups.entry(name).or_default().verdict = Some(verdict);
        } else {
            held.topics.entry(name).or_default().verdicts.insert(right, verdict);
        }
    }
    accounts
}

/// What is asked for and is another namespace's.
fn foreign(key: &AccessKey, (subject, wishes): (&Subject, &Wishes), held: &Held) -> Vec<Question> {
    let question = |name: &str, right, namespace: &str, object: &str| Question {
        held: held.rules.contains(&rule(&subject.username, right, name)),
        name: name.to_owned(),
        right,
        namespace: namespace.to_owned(),
        object: object.to_owned(),
    };
    let mut all = Vec::new();
    for (topic, view) in &held.topics {
        let Some(claim) = view.owner() else { continue };
        if claim.metadata.namespace.as_deref() != Some(&key.0) {
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            all.extend(wishes.on_topic(topic).into_iter().map(|right| question(topic, right, namespace, name)));
        }
    }
    for (group, view) in &held.groups {
        let owner = view.owner(group, (&key.0, &key.1));
        all.extend(owner.map(|(namespace, access)| question(group, Right::Join, namespace, access)));
    }
    all
}

/// Whom the access stands for: the service accounts of its Pods, or the one that a manual claim names; and why some of them are not known.
async fn accounts(
    context: &Context,
    key: &AccessKey,
    claim: Option<&AccessClaim>,
    asks: &[Ask],
) -> (BTreeSet<String>, Option<String>) {
    if let Some(stands_for) = claim.and_then(|claim| claim.spec.service_account.clone()) {
        return (BTreeSet::from([stands_for]), None);
    }
    let askers: Vec<&Asker> = asks.iter().filter(|ask| ask.intent.is_ok()).map(|ask| &ask.by).collect();
    let (mut accounts, failed) = context.accounts.of(&context.client, key, &askers).await;
    if accounts.is_empty() {
        // Scaled to zero: those that asked last speak for the workload.
        let last = claim.and_then(|claim| claim.status.as_ref());
        accounts.extend(last.into_iter().flat_map(|status| status.service_accounts.iter().cloned()));
    }
    (accounts.into_iter().take(SPEAK).collect(), failed.map(|error| error.to_string()))
}

/// Who of another Kubernetes cluster has the plain prefix of these names, where it may matter.
///
/// # Errors
/// Kafka did not tell.
pub async fn rival(
    connection: &Connection,
    namespace: &str,
    subject: &Subject,
    names: Names<'_>,
    held: &BTreeSet<AclBinding>,
) -> Result<Option<String>, Halt> {
    let (neighbours, prefix) = (&connection.terms.neighbours, names.plain(namespace));
    let rule = names.rule(&principal(&subject.username), &prefix);
    if neighbours.is_empty() || held.contains(&rule) {
        return Ok(None);
    }
    let filter = AclFilter::Affecting(rule.resource_type, prefix.clone());
    Ok(prefix::rival(&connection.admin.describe_acls(&filter, At::Any).await?, &prefix, neighbours))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::access::given::topic_view::TopicView;

    #[test]
    fn what_the_user_has_in_kafka_is_asked_about_as_what_can_be_lost() {
        let subject = Subject {
            workload: "web".to_owned(),
            cluster: "ops/default".to_owned(),
            username: "k1.borrower.web".to_owned(),
            secret_name: "web-kafka-credentials".to_owned(),
        };
        let topics = ["lent", "wished"].map(|topic| {
            let claim = json!({"metadata": {"namespace": "shop", "name": topic}, "spec": {"topicName": topic}});
            let claims = vec![Arc::new(serde_json::from_value(claim).unwrap())];
            (topic.to_owned(), TopicView { claims, exists: true, ..TopicView::default() })
        });
        let held = Held {
            rules: [rule(&subject.username, Right::Consume, "lent")].into(),
            topics: topics.into(),
            ..Held::default()
        };
        let wishes = Wishes {
            consumes: ["lent".to_owned(), "wished".to_owned()].into(),
            produces: ["lent".to_owned()].into(),
            ..Wishes::default()
        };
        let key = ("borrower".to_owned(), "web".to_owned());
        let asked = foreign(&key, (&subject, &wishes), &held);
        let mut asked: Vec<_> =
            asked.iter().map(|question| (question.name.as_str(), question.right, question.held)).collect();
        asked.sort_unstable_by_key(|(name, right, _)| (*name, *right != Right::Consume));
        let all = [("lent", Right::Consume, true), ("lent", Right::Produce, false), ("wished", Right::Consume, false)];
        assert_eq!(asked, all);
    }
}
