//! Asks about everything that an access wants and others have: other namespaces, and other Kubernetes clusters. I/O; decides nothing.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};

use super::Context;
use super::asks::{Ask, Asker};
use super::held::Whose;
use super::observe::{Held, Subject};
use super::prefix::{self, Names};
use super::reviews::{Object, Reviewer};
use super::rights::principal;
use super::wishes::Wishes;
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
    wishes: &Wishes,
    held: &mut Held,
) -> BTreeSet<String> {
    let topics = held.topics.iter_mut().filter_map(|(topic, view)| {
        let claim = Arc::clone(view.owner()?);
        (claim.metadata.namespace.as_deref() != Some(&key.0)).then_some((topic, view, claim))
    });
    let topics: Vec<_> = topics.collect();
    let groups = held.groups.iter_mut().filter_map(|(group, view)| {
        let (namespace, access) = view.owner(group, (&key.0, &key.1))?;
        let owner = (namespace.to_owned(), access.to_owned());
        Some((view, owner))
    });
    let groups: Vec<_> = groups.collect();
    if topics.is_empty() && groups.is_empty() {
        context.accounts.forget(key);
        return BTreeSet::new();
    }
    let (accounts, untold) = accounts(context, key, claim, asks).await;
    let reviewer = Reviewer::new(&context.client, &context.verdicts, &key.0, (&accounts, untold));
    let topics = topics.into_iter().map(|(topic, view, claim)| {
        let reviewer = &reviewer;
        async move {
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            for right in wishes.on_topic(topic) {
                let object = Object { resource: "topicclaims", namespace, name };
                let said = reviewer.review(right, object).await;
                view.verdicts.extend(said.map(|verdict| (right, verdict)));
            }
        }
        .boxed()
    });
    let groups = groups.into_iter().map(|(view, (namespace, name))| {
        let reviewer = &reviewer;
        async move {
            let object = Object { resource: "accessclaims", namespace: &namespace, name: &name };
            view.verdict = reviewer.review(Right::Join, object).await;
        }
        .boxed()
    });
    let mut all: Vec<BoxFuture<'_, ()>> = topics.chain(groups).collect();
    // Who asks for more than there is time for must not choose what is never asked about: each look begins elsewhere.
    let from = RandomState::new().build_hasher().finish() % all.len().max(1) as u64;
    all.rotate_left(usize::try_from(from).unwrap_or_default());
    join_all(all).await;
    accounts
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
