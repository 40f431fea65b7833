//! The client of the API server, and calls that end.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::deadline::within;

/// No API server can be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a service account nor a kubeconfig was found.
    #[error(
        "no access to a cluster: inside a Pod the service account's token must be mounted, elsewhere KUBECONFIG must \
         name a file: {0}"
    )]
    Config(#[from] kube::config::InferConfigError),
    /// What was found cannot be used.
    #[error("the access to the cluster cannot be used: {0}")]
    Client(#[from] kube::Error),
}

/// For how long a connection may bring nothing. A node or a NAT that goes away closes no connection, and who awaits something of it would wait
/// for ever. A living API server takes less: it ends what takes it a minute (`--request-timeout`), and watches are told to end earlier too.
pub const SILENCE: Duration = Duration::from_secs(70);

/// A client by the service account's token, or by the kubeconfig outside of a cluster.
///
/// It gives up a connection that is silent for [`SILENCE`]. It tries again for minutes when the API server is overloaded, and of that it has no
/// limit: callers set one on every call ([`call`]).
///
/// # Errors
/// [`ClientError`] where there is no access, or one that cannot be used.
pub async fn client() -> Result<Client, ClientError> {
    Ok(Client::try_from(impatient(Config::infer().await?))?)
}

/// A configuration by which no connection is waited for without end.
pub(crate) fn impatient(mut config: Config) -> Config {
    config.read_timeout = Some(SILENCE);
    // It counts from the question, and not from the answer before on the same connection, which has one question at a time (HTTP/1.1).
    config.reset_reader_on_write = true;
    config
}

/// A call of the API server that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused, or was not reached.
    #[error("cannot {what}: {source}")]
    Failed {
        /// What was tried, as a verb with its object.
        what: &'static str,
        /// What the client says.
        source: Box<kube::Error>,
    },
    /// There was no answer in time.
    #[error("cannot {what}: no answer within {limit:?}")]
    Overdue {
        /// What was tried, as a verb with its object.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
}

impl CallError {
    /// The HTTP status that the API server answered with, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Failed { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Overdue { .. } => None,
        }
    }
}

/// Calls that are under way at the same time. What goes beyond waits here rather than in the API server, where it would keep our own Lease
/// waiting and let deadlines pass: a thousand accesses that begin at once have thousands of calls.
const TOGETHER: usize = 64;
static SLOTS: Semaphore = Semaphore::const_new(TOGETHER);

/// Calls the API server once it is its turn, which comes because every call before it ends, and waits for at most `limit` then. `what` is a verb with its object, such as "read the Secret".
///
/// # Errors
/// [`CallError`].
pub fn call<T>(
    limit: Duration,
    what: &'static str,
    call: impl Future<Output = kube::Result<T>>,
) -> impl Future<Output = Result<T, CallError>> {
    // Its state is large, and would lie in that of whoever waits for it once for each layer.
    let call = Box::pin(call);
    async move { in_turn(&SLOTS, at_once(limit, what, call)).await }
}

/// The semaphore is never closed, so there always is a permit in the end.
async fn in_turn<T>(slots: &Semaphore, call: impl Future<Output = T>) -> T {
    let _slot = slots.acquire().await.ok();
    call.await
}

/// Calls the API server whatever else is under way, and waits for at most `limit`: for what must not be late.
///
/// # Errors
/// [`CallError`].
pub async fn at_once<T>(
    limit: Duration,
    what: &'static str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    let answer =
        within(limit, what, call).await.map_err(|overdue| CallError::Overdue { what, limit: overdue.limit })?;
    answer.map_err(|source| CallError::Failed { what, source: Box::new(source) })
}

/// Deletes an object if it is still the one that was read: by its uid, and of that version. What is gone already is gone.
///
/// # Errors
/// [`CallError`]; its code is 409 where the object is another by now, or somebody wrote it.
pub async fn delete_exactly<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    (limit, what): (Duration, &'static str),
    name: &str,
    uid: &str,
    version: &str,
) -> Result<(), CallError> {
    let exactly = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
    let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
    match call(limit, what, api.delete(name, &params)).await {
        Err(error) if error.code() == Some(404) => Ok(()),
        answer => answer.map(drop),
    }
}

/// What a merge patch must say to make `after` of `before`: it leaves what it does not name, so what is gone is named.
#[must_use]
pub fn merge(before: &Value, mut after: Value) -> Value {
    if let (Value::Object(before), Value::Object(after)) = (before, &mut after) {
        for (key, before) in before {
            let after = after.entry(key.as_str()).or_insert(Value::Null);
            if after.is_object() {
                *after = merge(before, after.take());
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures::FutureExt;
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::ListParams;
    use serde_json::json;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::runtime::fake_api::{deleted, in_json, on_a_socket, recording};

    #[tokio::test]
    async fn what_goes_beyond_the_calls_that_are_under_way_waits() {
        let slots = Semaphore::new(1);
        let held = slots.acquire().await;
        assert!(in_turn(&slots, ready(())).now_or_never().is_none());
        drop(held);
        assert!(in_turn(&slots, ready(())).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_falls_silent_is_given_up() {
        let (client, mut asked) = on_a_socket([]).await;
        let began = Instant::now();
        let listed = timeout(2 * SILENCE, Api::<Namespace>::all(client).list(&ListParams::default())).await.unwrap();
        listed.unwrap_err();
        assert!((SILENCE..SILENCE + Duration::from_secs(1)).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(asked.try_recv().unwrap().starts_with("GET /api/v1/namespaces"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_rested_is_as_good_as_a_new_one() {
        let late = SILENCE * 9 / 10;
        let list = || in_json(&json!({"metadata": {}, "items": []}));
        let (client, _asked) = on_a_socket([(Duration::ZERO, list()), (late, list()), (late, list())]).await;
        let namespaces = Api::<Namespace>::all(client);
        // The second question comes on the connection of the first; that of the third has had its time.
        for rest in [Duration::ZERO, late, SILENCE * 2] {
            sleep(rest).await;
            let listed = timeout(SILENCE, namespaces.list(&ListParams::default())).await;
            listed.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn only_the_very_object_that_was_read_is_deleted() {
        for (code, outcome) in [(200, Ok(())), (404, Ok(())), (409, Err(Some(409))), (500, Err(Some(500)))] {
            let (client, sent) = recording(move |_| ready((code, deleted())));
            let namespaces = Api::<Namespace>::all(client);
            let done = delete_exactly(&namespaces, (SILENCE, "delete it"), "shop", "uid-1", "7").await;
            assert_eq!(done.map_err(|error| error.code()), outcome, "{code}");
            let exactly = json!({"uid": "uid-1", "resourceVersion": "7"});
            let (verb, body) = sent.lock().unwrap().pop().unwrap();
            assert_eq!((verb.as_str(), &body["preconditions"]), ("DELETE", &exactly), "{body}");
        }
    }

    #[test]
    fn what_is_gone_is_named() {
        let before = json!({"adopted": "a", "brokers": 1, "config": {"kept": "1", "gone": "2"}, "list": [1, 2]});
        let after = json!({"brokers": 2, "config": {"kept": "1"}, "list": [1]});
        let merged = merge(&before, after);
        assert_eq!(merged, json!({"adopted": null, "brokers": 2, "config": {"kept": "1", "gone": null}, "list": [1]}));
        assert_eq!(merge(&Value::Null, json!({"a": 1})), json!({"a": 1}));
    }
}
