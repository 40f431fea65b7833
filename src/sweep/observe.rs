//! Reads the users of a Kafka, and what the API server says of each. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::ListParams;

use super::Context;
use crate::api::annotations::{ACCESS, RELEASE};
use crate::api::names::{MAX_OBJECT, joined_name};
use crate::api::resources::{AbsentUser, AccessClaim, BrokerCluster, condition};
use crate::api::secret_layout::NAME_SUFFIX;
use crate::clusters::{Connection, Halt};
use crate::kafka::acl::{AclBinding, AclFilter};
use crate::kafka::admin::At;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;
use crate::watch::reach::{Scope, within};
use crate::watch::{AccessKey, DeploymentFacts, deployments};

const CALL: Duration = Duration::from_secs(20);

/// What Kafka holds of one user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holding {
    /// Its rules.
    pub rules: Vec<AclBinding>,
    /// Its passwords.
    pub slots: Vec<StoredCredential>,
    /// Its limits; `None` where Kafka does not show them.
    pub quota: Option<Quota>,
}

/// Everything that a decision needs.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Users of our scope in Kafka.
    pub users: usize,
    /// Those that neither a claim nor a Pod covers, with what Kafka holds of them.
    pub missing: BTreeMap<String, Holding>,
    /// Those on record as missing.
    pub on_record: Vec<AbsentUser>,
    /// The Secrets of those whose names do not follow from the users', as far as they are known.
    pub secrets: BTreeMap<String, String>,
    /// Since when the brake holds.
    pub held_since: Option<k8s_openapi::jiff::Timestamp>,
    /// What people have released.
    pub release: Option<String>,
}

/// Observes one cluster, by what it holds.
///
/// # Errors
/// A list is not complete.
pub async fn observe(
    context: &Context,
    cluster: &BrokerCluster,
    connection: &Connection,
    mut holdings: BTreeMap<String, Holding>,
    secrets: &BTreeMap<String, String>,
) -> Result<Observation, Halt> {
    let scope = &connection.claim.scope;
    // What is not watched is nobody's absence: users of other namespaces are not even counted.
    let reach = &context.world.reach;
    holdings.retain(|user, _| scope.access_of(user).is_some_and(|(namespace, _)| reach.includes(namespace)));
    let users = holdings.len();
    let key_of =
        |user: &str| scope.access_of(user).map(|(namespace, access)| (namespace.to_owned(), access.to_owned()));
    // Whatever cluster a claim names: two BrokerClusters may lead to one Kafka.
    let known = |key: &AccessKey| context.world.accesses.get(&(&key.0, &key.1)).is_some();
    holdings.retain(|user, _| key_of(user).is_some_and(|key| !known(&key)));
    if !holdings.is_empty() {
        // What is watched may lag, or have been cut off: before anything is called missing, everything is listed afresh.
        let live = live(context).await?;
        holdings.retain(|user, _| key_of(user).is_some_and(|key| !live.contains(&key)));
    }
    let status = cluster.status.as_ref();
    let held = status.and_then(|status| condition(&status.conditions, super::report::HELD));
    let on_record = status.map(|status| status.absent.clone()).unwrap_or_default();
    let recorded = on_record.iter().filter_map(|absent| Some((absent.user.clone(), absent.secret.clone()?)));
    let mut secrets: BTreeMap<String, String> = recorded.chain(secrets.clone()).collect();
    secrets.retain(|user, _| holdings.contains_key(user));
    Ok(Observation {
        users,
        missing: holdings,
        on_record,
        secrets,
        held_since: held.filter(|held| held.status == "True").map(|held| held.last_transition_time.0),
        release: cluster.metadata.annotations.as_ref().and_then(|annotations| annotations.get(RELEASE).cloned()),
    })
}

/// What a Kafka holds of the users of our scope: three lists, however many they are.
///
/// # Errors
/// See [`Error`](crate::kafka::error::Error).
pub async fn holdings(connection: &Connection) -> Result<BTreeMap<String, Holding>, Halt> {
    let (admin, scope) = (&connection.admin, &connection.claim.scope);
    let shown = connection.terms.quotas_shown;
    let quotas = async { if shown { admin.list_quotas().await.map(Some) } else { Ok(None) } };
    let (users, rules, quotas) =
        tokio::try_join!(admin.list_users(), admin.describe_acls(&AclFilter::All, At::Any), quotas)?;
    let mut holdings = BTreeMap::<String, Holding>::new();
    for (user, slots) in users {
        if scope.access_of(&user).is_some() {
            holdings.entry(user).or_default().slots = slots;
        }
    }
    for rule in rules {
        let Some(user) = rule.principal.strip_prefix("User:").map(str::to_owned) else { continue };
        if scope.access_of(&user).is_some() {
            holdings.entry(user).or_default().rules.push(rule);
        }
    }
    if let Some(mut quotas) = quotas {
        for (user, holding) in &mut holdings {
            holding.quota = Some(quotas.remove(user).unwrap_or_default());
        }
    }
    Ok(holdings)
}

/// The Secrets of these claims whose names do not follow from the users', by user: an access's name is cut where a Secret's is not.
#[must_use]
pub fn long_names(claims: &[Arc<AccessClaim>]) -> BTreeMap<String, String> {
    let long = claims.iter().filter_map(|claim| {
        let (status, access) = (claim.status.as_ref()?, claim.metadata.name.as_ref()?);
        let (user, secret) = (status.username.clone()?, status.secret_name.clone()?);
        (secret != secret_name(access)).then_some((user, secret))
    });
    long.collect()
}

/// The Secret of an access by the latter's name alone.
#[must_use]
pub fn secret_name(access: &str) -> String {
    joined_name(&[access, NAME_SUFFIX], MAX_OBJECT)
}

/// The accesses of a cluster, as they are known.
#[must_use]
pub fn claims(context: &Context, cluster: &str) -> Vec<Arc<AccessClaim>> {
    let known = context.world.accesses.names();
    let claims = known.iter().filter_map(|(namespace, name)| context.world.accesses.get(&(namespace, name)));
    claims.filter(|claim| claim.spec.cluster == cluster).collect()
}

/// Every access that a claim, a living Pod or a Deployment of the contract of 2017 stands for, in all namespaces that are looked after.
async fn live(context: &Context) -> Result<BTreeSet<AccessKey>, CallError> {
    let client = &context.client;
    let reach = &context.world.reach;
    let found = reach.gather(client, |scope| async move { live_within(client, &scope).await }).await?;
    let mut keys: BTreeSet<AccessKey> = found.into_iter().flatten().collect();
    if let Some(default_cluster) = &context.deployments_of_2017 {
        let asking = |scope: Scope| async move { deployments::live(client, &scope, default_cluster).await };
        let asking = reach.gather(client, asking).await?;
        keys.extend(asking.iter().flatten().map(DeploymentFacts::access_key));
    }
    Ok(keys)
}

/// The accesses of one scope. Pods lead to claims: what has a Pod is not missing.
async fn live_within(client: &Client, scope: &Scope) -> Result<BTreeSet<AccessKey>, CallError> {
    let mut keys = BTreeSet::new();
    let claims = within::<AccessClaim>(client, scope);
    pages::each_metadata(&claims, CALL, "list AccessClaims", ListParams::default(), |claim| {
        keys.extend(claim.namespace.zip(claim.name));
    })
    .await?;
    let pods = within::<Pod>(client, scope);
    let running = ListParams::default().labels(ACCESS).fields("status.phase!=Succeeded,status.phase!=Failed");
    pages::each_metadata(&pods, CALL, "list Pods", running, |pod| {
        let access = pod.labels.and_then(|mut labels| labels.remove(ACCESS));
        keys.extend(pod.namespace.zip(access));
    })
    .await?;
    Ok(keys)
}
