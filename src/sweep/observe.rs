//! Reads the users of a Kafka, and what the API server says of each. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Context;
use super::cover::{self, Here};
use super::live::{Live, live};
use crate::api::annotations::RELEASE;
use crate::api::names::{MAX_OBJECT, joined_name};
use crate::api::resources::{AbsentUser, AccessClaim, BrokerCluster};
use crate::api::secret_layout::NAME_SUFFIX;
use crate::clusters::{Connection, Halt};
use crate::kafka::acl::{AclBinding, AclFilter};
use crate::kafka::admin::At;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::runtime::kubernetes::CallError;
use crate::watch::AccessKey;
use crate::watch::table::Name;

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
    /// Those that nobody covers, with what Kafka holds of them.
    pub missing: BTreeMap<String, Holding>,
    /// Those on record as missing.
    pub on_record: Vec<AbsentUser>,
    /// The Secrets of those whose names do not follow from the users', as far as they are known.
    pub secrets: BTreeMap<String, String>,
    /// What people have released.
    pub release: Option<String>,
    /// The names of all BrokerClusters, as they were listed; none where nobody had to be.
    pub listed: BTreeSet<Name>,
}

/// Observes one cluster, by what it holds.
///
/// # Errors
/// A list is not complete.
pub async fn observe(
    context: &Context,
    cluster: &BrokerCluster,
    here: &Here,
    mut holdings: BTreeMap<String, Holding>,
    secrets: &BTreeMap<String, String>,
) -> Result<Observation, Halt> {
    // What is not watched is nobody's absence: users of other namespaces are not even counted.
    let reach = &context.world.reach;
    holdings.retain(|user, _| here.scope.access_of(user).is_some_and(|(namespace, _)| reach.includes(namespace)));
    let users = holdings.len();
    let (missing, listed) = missing(context, here, holdings).await?;
    let on_record = cluster.status.as_ref().map(|status| status.absent.clone()).unwrap_or_default();
    let recorded = on_record.iter().filter_map(|absent| Some((absent.user.clone(), absent.secret.clone()?)));
    let mut secrets: BTreeMap<String, String> = recorded.chain(secrets.clone()).collect();
    secrets.retain(|user, _| missing.contains_key(user));
    let release = cluster.metadata.annotations.as_ref().and_then(|annotations| annotations.get(RELEASE).cloned());
    Ok(Observation { users, missing, on_record, secrets, release, listed })
}

/// Those of these users that nobody covers, and, where that had to be looked up, the names of all BrokerClusters.
///
/// # Errors
/// A list is not complete.
pub async fn missing(
    context: &Context,
    here: &Here,
    mut holdings: BTreeMap<String, Holding>,
) -> Result<(BTreeMap<String, Holding>, BTreeSet<Name>), CallError> {
    let world = &context.world;
    let key_of = |user: &str| -> Option<AccessKey> {
        here.scope.access_of(user).map(|(namespace, access)| (namespace.to_owned(), access.to_owned()))
    };
    holdings.retain(|user, _| key_of(user).is_some_and(|key| !cover::has_claim(world, here, user, &key)));
    if holdings.is_empty() {
        return Ok((holdings, BTreeSet::new()));
    }
    // What is watched may lag, or have been cut off: before anything is called missing, everything is listed afresh.
    let wanted = holdings.keys().filter_map(|user| key_of(user)).collect();
    let Live { stands, clusters } = live(context, &wanted).await?;
    let covered = |user: &str, key: &AccessKey| {
        let there = |cluster: &str| cover::there(world, &clusters, cluster);
        stands.get(key).into_iter().flatten().any(|stand| here.is_covered(user, stand, there))
    };
    holdings.retain(|user, _| key_of(user).is_some_and(|key| !covered(user, &key)));
    Ok((holdings, clusters))
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
