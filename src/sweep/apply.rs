//! Takes away what Kafka holds of users that nobody stands for, and their Secrets. Each step is safe to do twice.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::core::PartialObjectMeta;

use super::Context;
use super::observe::{self, Holding, Observation};
use super::plan::Plan;
use crate::api::annotations::{ACCESS, MANAGED_BY, MANAGER};
use crate::clusters::{Connection, Halt, verify_claim};
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::UserChange;
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Sweeps: rights first, which acts on live connections; then limits and Secrets, and passwords last.
///
/// # Errors
/// The first that failed; the next look goes on from there.
pub async fn apply(context: &Context, connection: &Connection, seen: &Observation, plan: &Plan) -> Result<(), Halt> {
    if plan.sweep.is_empty() {
        return Ok(());
    }
    // Whose users these are is looked at live, before the first of them is touched.
    verify_claim(connection).await.map_err(Halt::Unusable)?;
    let each = plan.sweep.iter().filter_map(|user| Some((user, seen.missing.get(user)?)));
    let swept =
        join_all(each.map(|(user, holding)| sweep(context, connection, (user, seen.secrets.get(user)), holding))).await;
    swept.into_iter().collect()
}

async fn sweep(
    context: &Context,
    connection: &Connection,
    (user, secret_name): (&str, Option<&String>),
    holding: &Holding,
) -> Result<(), Halt> {
    let Some((namespace, access)) = connection.claim.scope.access_of(user) else { return Ok(()) };
    let key = (namespace.to_owned(), access.to_owned());
    // Somebody may have come back since the lists were read.
    if context.world.accesses.get(&(namespace, access)).is_some() || context.world.is_asked_for(&key) {
        return Ok(());
    }
    if !holding.rules.is_empty() {
        connection.batcher.delete_acls(holding.rules.clone()).await?;
        writes::done("acls_delete");
    }
    // The passwords are the last: a user that is left half swept is found again by them.
    if holding.quota.is_some_and(|quota| quota != Quota::default()) {
        connection.batcher.alter_quota(user.to_owned(), Quota::default()).await?;
        writes::done("quotas_alter");
    }
    let name = secret_name.cloned().unwrap_or_else(|| observe::secret_name(access));
    secret(context, (namespace, &name), access).await?;
    for slot in &holding.slots {
        let change = UserChange::Delete { user: user.to_owned(), mechanism: slot.mechanism };
        connection.batcher.alter_user(change).await?;
        writes::done("scram_delete");
    }
    context.accesses.push(key);
    tracing::info!(user, "removed a user that nobody stands for any more");
    Ok(())
}

/// Deletes the Secret that went with an access, where the namespace still has it and it is ours.
async fn secret(context: &Context, (namespace, name): (&str, &str), access: &str) -> Result<(), Halt> {
    let api = Api::<KubeSecret>::namespaced(context.client.clone(), namespace);
    let found: Option<PartialObjectMeta<KubeSecret>> =
        call(CALL, "read a credential Secret", api.get_metadata_opt(name)).await?;
    let ours = |found: &PartialObjectMeta<KubeSecret>| {
        let labels = found.metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        label(MANAGED_BY).is_some_and(|by| by == MANAGER) && label(ACCESS).is_none_or(|of| of == access)
    };
    let Some(found) = found.filter(ours) else { return Ok(()) };
    let preconditions = Preconditions { uid: found.metadata.uid, resource_version: found.metadata.resource_version };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match call(CALL, "delete a credential Secret", api.delete(name, &params)).await {
        Err(error) if error.code() != Some(404) => Err(error.into()),
        _ => {
            writes::done("secret_delete");
            Ok(())
        }
    }
}
