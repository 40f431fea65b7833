//! Asks the API server whether workloads may use what is another namespace's, as their Pods' service accounts. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::asks::Asker;
use crate::api::annotations::GROUP;
use crate::api::resources::Right;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::AccessKey;

const CALL: Duration = Duration::from_secs(5);
/// The account of Pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// What the API server says of one right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is granted.
    Granted {
        /// By what, in Kubernetes' words.
        via: String,
    },
    /// It is not granted.
    Denied {
        /// The account that lacks it.
        account: String,
    },
    /// It cannot be told now.
    Unknown(String),
}

/// The service accounts of templates that were looked at. As large as what lives: an access's entry is replaced at each look.
#[derive(Debug, Default)]
pub struct Accounts {
    known: Mutex<HashMap<AccessKey, BTreeMap<String, String>>>,
}

impl Accounts {
    /// The service accounts of Pods, or of those that a Deployment makes: one look a template. Who is gone has none.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn of(&self, client: &Client, key: &AccessKey, askers: &[&Asker]) -> Result<BTreeSet<String>, CallError> {
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned().unwrap_or_default();
        let templates: BTreeMap<String, &Asker> = askers.iter().map(|asker| (asker.template(), *asker)).collect();
        let looks = templates.into_iter().map(|(template, asker)| {
            let known = before.get(&template).cloned();
            async move {
                let account = match known {
                    Some(known) => Some(known),
                    None => account(client, asker).await?,
                };
                Ok::<_, CallError>(account.map(|account| (template, account)))
            }
        });
        let found: BTreeMap<String, String> = try_join_all(looks).await?.into_iter().flatten().collect();
        let accounts = found.values().cloned().collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() {
            known.remove(key)
        } else {
            known.insert(key.clone(), found)
        };
        Ok(accounts)
    }

    /// Forgets an access that has ended.
    pub fn forget(&self, key: &AccessKey) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

async fn account(client: &Client, asker: &Asker) -> Result<Option<String>, CallError> {
    let found = match asker {
        Asker::Pod(pod) => {
            let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace);
            let found = call(CALL, "read the Pod's service account", api.get_opt(&pod.name)).await?;
            found.map(|found| (found.metadata.uid, found.spec))
        }
        Asker::Deployment(deployment) => {
            let api = Api::<Deployment>::namespaced(client.clone(), &deployment.namespace);
            let found = call(CALL, "read the Deployment's service account", api.get_opt(&deployment.name)).await?;
            found.map(|found| (found.metadata.uid, found.spec.and_then(|spec| spec.template.spec)))
        }
    };
    let found = found.filter(|(uid, _)| uid.as_deref() == Some(asker.uid()));
    Ok(found.map(|(_, spec)| {
        let named = spec.and_then(|spec| spec.service_account_name).filter(|name| !name.is_empty());
        named.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned())
    }))
}

/// An object of another namespace that stands for what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Object<'o> {
    /// Its kind, in lower case and the plural.
    pub resource: &'static str,
    /// Its namespace.
    pub namespace: &'o str,
    /// Its name.
    pub name: &'o str,
}

/// Whether any of a namespace's service accounts may do something with an object of another namespace.
pub async fn review(
    client: &Client,
    namespace: &str,
    accounts: &BTreeSet<String>,
    right: Right,
    object: Object<'_>,
) -> Option<Verdict> {
    let mut said = None;
    for account in accounts {
        match one(client, namespace, account, right, object).await {
            granted @ Verdict::Granted { .. } => return Some(granted),
            unknown @ Verdict::Unknown(_) => said = Some(unknown),
            denied @ Verdict::Denied { .. } => said = said.or(Some(denied)),
        }
    }
    said
}

async fn one(client: &Client, namespace: &str, account: &str, right: Right, object: Object<'_>) -> Verdict {
    let review = SubjectAccessReview {
        metadata: ObjectMeta::default(),
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                version: Some("*".to_owned()),
                resource: Some(object.resource.to_owned()),
                namespace: Some(object.namespace.to_owned()),
                name: Some(object.name.to_owned()),
                verb: Some(right.verb().to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        status: None,
    };
    let api = Api::<SubjectAccessReview>::all(client.clone());
    let answer =
        call(CALL, "ask who may use what is another namespace's", api.create(&PostParams::default(), &review)).await;
    match answer.map(|answer| answer.status.unwrap_or_default()) {
        Ok(status) if status.allowed => Verdict::Granted { via: binding(&status.reason.unwrap_or_default()) },
        // Kubernetes: with an error on record, a "no" may be a "not known".
        Ok(status) => match status.evaluation_error.filter(|_| status.denied != Some(true)) {
            Some(error) => Verdict::Unknown(error),
            None => Verdict::Denied { account: account.to_owned() },
        },
        Err(error) => Verdict::Unknown(error.to_string()),
    }
}

/// The binding that Kubernetes' RBAC authorizer names: `RBAC: allowed by RoleBinding "readers/shop" of Role …`, name before namespace.
fn binding(reason: &str) -> String {
    let Some((kind, rest)) = reason.strip_prefix("RBAC: allowed by ").and_then(|rest| rest.split_once(" \"")) else {
        return if reason.is_empty() { "another authorizer than RBAC".to_owned() } else { reason.to_owned() };
    };
    let name = rest.split('"').next().unwrap_or_default();
    match name.split_once('/') {
        Some((name, namespace)) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::binding;

    #[test]
    fn the_binding_is_read_from_kubernetes_words() {
        let said = "RBAC: allowed by RoleBinding \"readers/shop\" of Role \"consume-orders\" to ServiceAccount \"default/web\"";
        assert_eq!(binding(said), "RoleBinding shop/readers");
        let cluster = "RBAC: allowed by ClusterRoleBinding \"all\" of ClusterRole \"x\" to Group \"y\"";
        assert_eq!(binding(cluster), "ClusterRoleBinding all");
        assert_eq!(binding(""), "another authorizer than RBAC");
        assert_eq!(binding("webhook said so"), "webhook said so");
    }
}
