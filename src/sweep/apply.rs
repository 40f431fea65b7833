//! Takes away what Kafka holds of users that nobody stands for, and their Secrets. Each step is safe to do twice.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;

use super::Context;
use super::cover::{self, Here};
use super::observe::{self, Holding, Observation};
use super::plan::Plan;
use crate::api::annotations::{ACCESS, MANAGED_BY, MANAGER};
use crate::clusters::{Connection, Halt, verify_claim};
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::UserChange;
use crate::runtime::kubernetes::{CallError, call, delete_exactly};
use crate::runtime::writes;
use crate::watch::AccessKey;
use crate::watch::reach::is_gone;

const CALL: Duration = Duration::from_secs(5);

/// Sweeps: rights first, which acts on live connections; then limits and Secrets, and passwords last.
///
/// # Errors
/// The first that failed; the next look goes on from there.
pub async fn apply(
    context: &Context,
    connection: &Connection,
    here: &Here,
    seen: &Observation,
    plan: &Plan,
) -> Result<(), Halt> {
    if plan.sweep.is_empty() {
        return Ok(());
    }
    // Whose users these are is looked at live, before the first of them is touched.
    verify_claim(connection).await.map_err(Halt::Unusable)?;
    let each = plan.sweep.iter().filter_map(|user| Some((user, seen.missing.get(user)?)));
    let swept = join_all(each.map(async |(user, holding)| {
        let Some((namespace, access)) = connection.claim.scope.access_of(user) else { return Ok(()) };
        let key = (namespace.to_owned(), access.to_owned());
        // Somebody may have come back since the lists were read.
        if cover::is_asked_for(&context.world, here, &seen.listed, user, &key) {
            return Ok(());
        }
        sweep(context, connection, (user, seen.secrets.get(user)), key, holding).await
    }))
    .await;
    swept.into_iter().collect()
}

async fn sweep(
    context: &Context,
    connection: &Connection,
    (user, secret_name): (&str, Option<&String>),
    key: AccessKey,
    holding: &Holding,
) -> Result<(), Halt> {
    let (namespace, access) = (key.0.as_str(), key.1.as_str());
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
    secret(&context.client, (namespace, &name), access).await?;
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
async fn secret(client: &Client, (namespace, name): (&str, &str), access: &str) -> Result<(), CallError> {
    let api = Api::<KubeSecret>::namespaced(client.clone(), namespace);
    let found: Option<PartialObjectMeta<KubeSecret>> =
        match call(CALL, "read a credential Secret", api.get_metadata_opt(name)).await {
            // With a namespace goes the right to look into it, and all that it held.
            Err(error) if error.code() == Some(403) && is_gone(client, &Some(namespace.to_owned())).await => None,
            found => found?,
        };
    let ours = |found: &PartialObjectMeta<KubeSecret>| {
        let labels = found.metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        label(MANAGED_BY).is_some_and(|by| by == MANAGER) && label(ACCESS).is_none_or(|of| of == access)
    };
    let Some(found) = found.filter(ours) else { return Ok(()) };
    // There is no object without these; of one that has none, the API server deletes nothing.
    let uid = found.metadata.uid.unwrap_or_default();
    let version = found.metadata.resource_version.unwrap_or_default();
    delete_exactly(&api, (CALL, "delete a credential Secret"), name, &uid, &version).await?;
    writes::done("secret_delete");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::fake_api::{answering, deleted, recording};

    #[tokio::test]
    async fn only_the_very_secret_that_was_read_goes_and_only_if_it_is_ours() {
        let exactly = json!({"uid": "s", "resourceVersion": "7"});
        for (labels, goes, case) in [
            (json!({(MANAGED_BY): MANAGER, (ACCESS): "app"}), true, "the access's own"),
            (json!({(MANAGED_BY): MANAGER}), true, "one of before there was a label for it"),
            (json!({(MANAGED_BY): MANAGER, (ACCESS): "other"}), false, "another access's"),
            (json!({(MANAGED_BY): "helm", (ACCESS): "app"}), false, "somebody else's"),
            (json!({}), false, "nobody says whose"),
        ] {
            let meta = json!({"uid": "s", "resourceVersion": "7", "labels": labels});
            let (client, sent) = recording(move |asked| {
                let found = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta});
                ready((200, if asked.method == "DELETE" { deleted() } else { found }))
            });
            secret(&client, ("shop", "app-kafka-credentials"), "app").await.unwrap();
            let sent = sent.lock().unwrap();
            let deletes = sent.iter().filter(|(verb, _)| verb == "DELETE");
            let deletes: Vec<&Value> = deletes.map(|(_, body)| &body["preconditions"]).collect();
            assert_eq!(deletes, if goes { vec![&exactly] } else { vec![] }, "{case}");
        }
    }

    #[tokio::test]
    async fn a_secret_went_with_its_namespace_and_the_right_to_read_it() {
        for (secrets, namespace, done) in [
            (403, 404, true),
            (403, 200, false),
            (403, 403, false),
            (403, 500, false),
            (500, 404, false),
            (404, 200, true),
            (200, 200, true),
        ] {
            let client = answering(move |asked| async move {
                let meta = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {}});
                (if asked.path.contains("/secrets/") { secrets } else { namespace }, meta)
            });
            let swept = secret(&client, ("shop", "app-kafka-credentials"), "app").await;
            assert_eq!(swept.is_ok(), done, "a Secret {secrets}, its namespace {namespace}: {swept:?}");
        }
    }
}
