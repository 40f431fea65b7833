//! Asks the API server whether workloads may use what is another namespace's, as their Pods' service accounts. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::verdicts::{Asked, Verdicts, binding};
use crate::access::asks::Asker;
use crate::access::given::lending::Verdict;
use crate::api::annotations::GROUP;
use crate::api::resources::Right;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::AccessKey;

const CALL: Duration = Duration::from_secs(5);
/// How many questions of one access are under way at once. Whoever asks for a hundred topics of others must not have all calls.
pub(super) const AT_ONCE: usize = 4;
/// For how long service accounts are looked at, and then objects asked about. What is not known by then changes nothing, and the look goes on.
const ACCOUNTS: Duration = Duration::from_secs(4);
const QUESTIONS: Duration = Duration::from_secs(4);
/// How long after that the last object, with all its accounts, may take.
const REST: Duration = Duration::from_secs(5);
/// The account of Pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// The service accounts of templates that were looked at. As large as what lives: an access's entry is replaced at each look.
#[derive(Debug, Default)]
pub struct Accounts {
    known: Mutex<HashMap<AccessKey, BTreeMap<String, String>>>,
}

impl Accounts {
    /// The service accounts of Pods, or of those that a Deployment makes: one look a template. Who is gone has none. With them comes why some
    /// could not be looked at; what is learned stays known, so that the next look comes further.
    pub async fn of(
        &self,
        client: &Client,
        key: &AccessKey,
        askers: &[&Asker],
    ) -> (BTreeSet<String>, Option<CallError>) {
        let templates: BTreeMap<String, &Asker> = askers.iter().map(|asker| (asker.template(), *asker)).collect();
        let looks =
            templates.iter().filter(|(template, _)| !self.knows(key, template)).map(|(template, asker)| async move {
                let account = account(client, asker).await?;
                self.with(key, |known| known.extend(account.map(|account| (template.clone(), account))));
                Ok::<_, CallError>(())
            });
        let failed = match timeout(ACCOUNTS, join_all(looks)).await {
            Ok(looked) => looked.into_iter().find_map(Result::err),
            Err(_) => Some(CallError::Overdue { what: "look at all service accounts", limit: ACCOUNTS }),
        };
        let accounts = self.with(key, |known| {
            known.retain(|template, _| templates.contains_key(template));
            known.values().cloned().collect()
        });
        (accounts, failed)
    }

    fn knows(&self, key: &AccessKey, template: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_some_and(|known| known.contains_key(template))
    }

    /// Does something with what is known of an access.
    fn with<T>(&self, key: &AccessKey, act: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let accounts = known.entry(key.clone()).or_default();
        let done = act(accounts);
        if accounts.is_empty() {
            known.remove(key);
        }
        done
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
    /// Why there may be more accounts: what these may not do is not refused then.
    untold: Option<String>,
    until: Instant,
    turns: Semaphore,
    /// Why one question had no answer: the others would wait as long for theirs, and the look has other things to do.
    hangs: OnceLock<String>,
}

impl<'r> Reviewer<'r> {
    /// For the service accounts of a namespace, and why some of them are not known.
    #[must_use]
    pub fn new(
        client: &'r Client,
        verdicts: &'r Verdicts,
        namespace: &'r str,
        (accounts, untold): (&'r BTreeSet<String>, Option<String>),
    ) -> Self {
        let (until, turns, hangs) = (Instant::now() + QUESTIONS, Semaphore::new(AT_ONCE), OnceLock::new());
        Self { client, verdicts, namespace, accounts, untold, until, turns, hangs }
    }

    /// Whether any of the accounts may do something with an object of another namespace. An object that has begun is asked about to its end:
    /// who has a hundred accounts must not have a hundred objects of which each lacks its last answer.
    pub async fn review(&self, right: Right, object: Object<'_>) -> Option<Verdict> {
        let known = |account: &String| self.verdicts.known(&self.asked(account, right, object));
        if let Some(known) = self.accounts.iter().find_map(known) {
            return Some(known);
        }
        let turns = self.accounts.len().min(AT_ONCE);
        // The semaphore is never closed, and a few turns are a number that it takes.
        let _turns = self.turns.acquire_many(u32::try_from(turns).unwrap_or(1)).await.ok();
        let said = if Instant::now() < self.until {
            timeout_at(self.until + REST, self.of_all(right, object)).await.unwrap_or(Some(Verdict::Unasked))
        } else {
            Some(Verdict::Unasked).filter(|_| !self.accounts.is_empty())
        };
        match (&self.untold, said) {
            (Some(why), None | Some(Verdict::Denied { .. })) => Some(Verdict::Unknown(why.clone())),
            (_, said) => said,
        }
    }

    /// Asks for one account, which most often is granted what the others are, and then for the others.
    async fn of_all(&self, right: Right, object: Object<'_>) -> Option<Verdict> {
        let mut accounts = self.accounts.iter();
        let mut said = self.one(accounts.next()?, right, object).await;
        let others: Vec<BoxFuture<'_, Verdict>> =
            accounts.map(|account| self.one(account, right, object).boxed()).collect();
        let mut others = stream::iter(others).buffer_unordered(AT_ONCE);
        while !matches!(said, Verdict::Granted { .. })
            && let Some(more) = others.next().await
        {
            // What is not known outweighs a denial.
            if !matches!(more, Verdict::Denied { .. }) {
                said = more;
            }
        }
        Some(said)
    }

    fn asked(&self, account: &str, right: Right, object: Object<'_>) -> Asked {
        Asked {
            namespace: self.namespace.to_owned(),
            account: account.to_owned(),
            verb: right.verb(),
            resource: object.resource,
            object: (object.namespace.to_owned(), object.name.to_owned()),
        }
    }

    async fn one(&self, account: &str, right: Right, object: Object<'_>) -> Verdict {
        if let Some(why) = self.hangs.get() {
            return Verdict::Unknown(why.clone());
        }
        let said = one(self.client, self.namespace, account, right, object).await;
        if let Verdict::Unknown(why) = &said {
            // The first one stays.
            let _ = self.hangs.set(why.clone());
        }
        self.verdicts.note(self.asked(account, right, object), &said);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::annotations::ACCESS;
    use crate::api::names::ClusterRef;
    use crate::runtime::fake_api::answering;
    use crate::watch::PodFacts;

    fn review(allowed: bool) -> Value {
        let (version, kind) = ("authorization.k8s.io/v1", "SubjectAccessReview");
        json!({"apiVersion": version, "kind": kind, "spec": {}, "status": {"allowed": allowed, "reason": ""}})
    }

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
                (201, review(true))
            }
        });
        let (verdicts, accounts) = (Verdicts::default(), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let granted = Some(Verdict::Granted { via: binding("") });
        let look = || async {
            let reviewer = Reviewer::new(&client, &verdicts, "web", (&accounts, None));
            let object = |name| Object { resource: "topicclaims", namespace: "shop", name };
            let said = join_all(names.iter().map(|name| reviewer.review(Right::Consume, object(name.as_str())))).await;
            assert!(said.iter().all(|said| *said == granted), "{said:?}");
        };
        look().await;
        look().await;
        let objects = AT_ONCE / accounts.len();
        assert_eq!((all.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (20, objects));
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
        let reviewer = Reviewer::new(&client, &verdicts, "web", (&accounts, None));
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let object = |name| Object { resource: "topicclaims", namespace: "shop", name };
        let said = join_all(names.iter().map(|name| reviewer.review(Right::Consume, object(name.as_str())))).await;
        assert!(said.iter().all(|said| matches!(said, Some(Verdict::Unknown(_)))), "{said:?}");
        assert!(all.load(Ordering::SeqCst) <= AT_ONCE, "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_are_too_many_questions_the_look_goes_on() {
        let client = answering(|_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            (201, review(true))
        });
        let (verdicts, accounts) = (Verdicts::default(), BTreeSet::from(["a".to_owned()]));
        let reviewer = Reviewer::new(&client, &verdicts, "web", (&accounts, None));
        let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let object = |name| Object { resource: "topicclaims", namespace: "shop", name };
        let began = Instant::now();
        let said = join_all(names.iter().map(|name| reviewer.review(Right::Consume, object(name.as_str())))).await;
        let granted = said.iter().filter(|said| matches!(said, Some(Verdict::Granted { .. }))).count();
        let unasked = said.iter().filter(|said| matches!(said, Some(Verdict::Unasked))).count();
        assert_eq!((granted, unasked), (160, 840), "four at once, for four seconds");
        assert!(began.elapsed() < QUESTIONS + Duration::from_secs(1), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn where_an_account_is_not_known_nothing_is_refused() {
        let untold = || Some("it is away".to_owned());
        for (allowed, account, untold, expected) in [
            (true, Some("a"), untold(), Some(Verdict::Granted { via: binding("") })),
            (false, Some("a"), untold(), Some(Verdict::Unknown("it is away".to_owned()))),
            (false, Some("a"), None, Some(Verdict::Denied { account: "a".to_owned() })),
            (false, None, untold(), Some(Verdict::Unknown("it is away".to_owned()))),
            (false, None, None, None),
        ] {
            let client = answering(move |_| std::future::ready((201, review(allowed))));
            let (verdicts, accounts) = (Verdicts::default(), account.map(str::to_owned).into_iter().collect());
            let reviewer = Reviewer::new(&client, &verdicts, "web", (&accounts, untold));
            let object = Object { resource: "topicclaims", namespace: "shop", name: "orders" };
            assert_eq!(reviewer.review(Right::Consume, object).await, expected, "{allowed} {account:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_learned_of_accounts_stays_known_where_one_cannot_be_looked_at() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&asked);
        let client = answering(move |asked| {
            counts.fetch_add(1, Ordering::SeqCst);
            async move {
                let name = asked.path.rsplit('/').next().unwrap_or_default();
                if name == "web-3" {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                let metadata = json!({"name": name, "namespace": "web", "uid": name});
                (
                    200,
                    json!({"metadata": metadata, "spec": {"containers": [], "serviceAccountName": format!("of-{name}")}}),
                )
            }
        });
        let install = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let askers: Vec<Asker> = (0..4)
            .map(|number| {
                let name = format!("web-{number}");
                let meta = json!({"name": name, "namespace": "web", "uid": name, "labels": {ACCESS: "web"}});
                Asker::Pod(Arc::new(PodFacts::new(&serde_json::from_value(meta).unwrap(), &install).unwrap()))
            })
            .collect();
        let askers: Vec<&Asker> = askers.iter().collect();
        let (key, accounts) = (("web".to_owned(), "web".to_owned()), Accounts::default());
        for (look, more) in [(0, 4), (1, 1)] {
            let before = asked.load(Ordering::SeqCst);
            let (found, failed) = accounts.of(&client, &key, &askers).await;
            assert_eq!(found.into_iter().collect::<Vec<_>>(), ["of-web-0", "of-web-1", "of-web-2"], "look {look}");
            assert!(matches!(failed, Some(CallError::Overdue { .. })), "{failed:?}");
            assert_eq!(asked.load(Ordering::SeqCst) - before, more, "look {look}");
        }
        let (found, failed) = accounts.of(&client, &key, &askers[..1]).await;
        assert_eq!((found, failed.is_none()), (["of-web-0".to_owned()].into(), true), "who is gone counts no more");
    }
}
