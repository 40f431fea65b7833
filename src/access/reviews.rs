//! Asks the API server whether workloads may use what is another namespace's, as their Pods' service accounts. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::Semaphore;

use super::asks::Asker;
use super::verdicts::{Asked, Verdict, Verdicts};
use crate::api::annotations::GROUP;
use crate::api::resources::Right;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::AccessKey;

const CALL: Duration = Duration::from_secs(5);
/// How many questions of one access are under way at once. Whoever asks for a hundred topics of others must not have all calls.
const AT_ONCE: usize = 4;
/// The account of Pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

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

/// Asks on behalf of one access.
pub struct Reviewer<'r> {
    client: &'r Client,
    verdicts: &'r Verdicts,
    namespace: &'r str,
    accounts: &'r BTreeSet<String>,
    turns: Semaphore,
    /// Why one question had no answer: the others would wait as long for theirs, and the look has other things to do.
    hangs: OnceLock<String>,
}

impl<'r> Reviewer<'r> {
    /// For the service accounts of a namespace.
    #[must_use]
    pub fn new(client: &'r Client, verdicts: &'r Verdicts, namespace: &'r str, accounts: &'r BTreeSet<String>) -> Self {
        Self { client, verdicts, namespace, accounts, turns: Semaphore::new(AT_ONCE), hangs: OnceLock::new() }
    }

    /// Whether any of the accounts may do something with an object of another namespace.
    pub async fn review(&self, right: Right, object: Object<'_>) -> Option<Verdict> {
        let mut said = None;
        for account in self.accounts {
            match self.one(account, right, object).await {
                granted @ Verdict::Granted { .. } => return Some(granted),
                unknown @ Verdict::Unknown(_) => said = Some(unknown),
                denied @ Verdict::Denied { .. } => said = said.or(Some(denied)),
            }
        }
        said
    }

    async fn one(&self, account: &str, right: Right, object: Object<'_>) -> Verdict {
        let asked = Asked {
            namespace: self.namespace.to_owned(),
            account: account.to_owned(),
            verb: right.verb(),
            resource: object.resource,
            object: (object.namespace.to_owned(), object.name.to_owned()),
        };
        if let Some(known) = self.verdicts.known(&asked) {
            return known;
        }
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.ok();
        if let Some(why) = self.hangs.get() {
            return Verdict::Unknown(why.clone());
        }
        let said = one(self.client, self.namespace, account, right, object).await;
        if let Verdict::Unknown(why) = &said {
            // The first one stays.
            let _ = self.hangs.set(why.clone());
        }
        self.verdicts.note(asked, &said);
        said
    }
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::fake_api::answering;

    #[tokio::test(start_paused = true)]
    async fn an_access_has_few_questions_under_way_and_does_not_repeat_them() {
        let (under_way, most, all) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counts = (Arc::clone(&under_way), Arc::clone(&most), Arc::clone(&all));
        let client = answering(move |_| {
            let (under_way, most, all) = counts.clone();
            async move {
                all.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                let status = json!({"allowed": true, "reason": ""});
                let kind = "SubjectAccessReview";
                (201, json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": {}, "status": status}))
            }
        });
        let (verdicts, accounts) = (Verdicts::default(), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let granted = Some(Verdict::Granted { via: binding("") });
        let look = || async {
            let reviewer = Reviewer::new(&client, &verdicts, "web", &accounts);
            let object = |name| Object { resource: "topicclaims", namespace: "shop", name };
            let said = join_all(names.iter().map(|name| reviewer.review(Right::Consume, object(name.as_str())))).await;
            assert!(said.iter().all(|said| *said == granted), "{said:?}");
        };
        look().await;
        look().await;
        assert_eq!((all.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (20, AT_ONCE));
        tokio::time::sleep(Duration::from_secs(20)).await;
        look().await;
        assert_eq!(all.load(Ordering::SeqCst), 40, "a grant that is lost shows at the next look");
    }

    #[tokio::test]
    async fn where_one_question_hangs_the_others_are_not_waited_for() {
        let all = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&all);
        let client = answering(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
            async { (500, Value::Null) }
        });
        let (verdicts, accounts) = (Verdicts::default(), BTreeSet::from(["a".to_owned()]));
        let reviewer = Reviewer::new(&client, &verdicts, "web", &accounts);
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let object = |name| Object { resource: "topicclaims", namespace: "shop", name };
        let said = join_all(names.iter().map(|name| reviewer.review(Right::Consume, object(name.as_str())))).await;
        assert!(said.iter().all(|said| matches!(said, Some(Verdict::Unknown(_)))), "{said:?}");
        assert!(all.load(Ordering::SeqCst) <= AT_ONCE, "{all:?}");
    }

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
