//! Keeps a table equal to what the API server holds.

use std::fmt::Debug;
use std::hash::Hash;

use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::watcher::{Config, Error, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::lean::Lean;
use super::reach::{Scope, is_gone};
use super::table::{Name, Table, name_of};
use crate::runtime::kubernetes::SILENCE;
use crate::runtime::pages::{PAGE, WHOLE};

/// After so many seconds the API server ends a watch, which then goes on where it was. One that is not ended either has lost its connection, and
/// is known by that: where nothing changes, nothing else tells the two apart.
const WATCH: u32 = 60;
// Else what is quiet would pass for what is lost.
const _: () = assert!((WATCH as u64) < SILENCE.as_secs());

/// A watch of metadata that lists in pages of the size of all others.
#[must_use]
pub fn paged() -> Config {
    Config::default().page_size(PAGE).timeout(WATCH)
}

/// A watch of all objects of a kind of ours, each of which may be unreadable. They come whole, and a few at a time.
pub fn events<K>(api: Api<Lean<K>>) -> impl Stream<Item = Result<Event<Lean<K>>, Error>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, Config::default().page_size(WHOLE).timeout(WATCH)).default_backoff()
}

/// Where a watch looks.
#[derive(Clone)]
pub struct Place {
    /// The API server.
    pub client: Client,
    /// The namespace, or everything.
    pub scope: Scope,
}

impl Place {
    /// All namespaces, and what lies in none.
    #[must_use]
    pub fn everywhere(client: &Client) -> Self {
        Self { client: client.clone(), scope: None }
    }
}

/// Feeds the events of a watch into a table until the stream ends, which a watch with back-off does not.
///
/// `row` makes the table's row of an object, or nothing where the object is of no interest (or cannot be read: the watch of
/// its neighbours goes on). `changed` is told each object that came, changed or went, with the groups it belongs or belonged to.
pub async fn follow<K, T, G>(
    events: impl Stream<Item = Result<Event<K>, Error>>,
    place: &Place,
    table: &Table<T, G>,
    row: impl Fn(K) -> Option<T>,
    changed: impl Fn(&Name, Vec<G>),
) where
    K: Resource<DynamicType: Default> + Debug,
    T: PartialEq,
    G: Clone + Eq + Hash,
{
    let told = |name: &Name, change: Change<G>| match change {
        Change::News(groups) => changed(name, groups),
        Change::Echo(_) => {}
    };
    follow_all(events, place, table, row, told).await;
}

/// What the watch says of an object, with the groups that it belongs or belonged to.
pub enum Change<G> {
    /// It came, changed or went.
    News(Vec<G>),
    /// It is as the table has it, by a write of ours: who wrote knows, and others may not.
    Echo(Vec<G>),
}

/// The same as [`follow`], and `told` hears of echoes too.
pub async fn follow_all<K, T, G>(
    events: impl Stream<Item = Result<Event<K>, Error>>,
    place: &Place,
    table: &Table<T, G>,
    row: impl Fn(K) -> Option<T>,
    told: impl Fn(&Name, Change<G>),
) where
    K: Resource<DynamicType: Default> + Debug,
    T: PartialEq,
    G: Clone + Eq + Hash,
{
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => table.listing_begins(&place.scope),
            Ok(Event::InitApply(object)) => {
                let name = name_of(&object);
                table.listed(&name);
                put(table, &name, row(object), &told);
            }
            Ok(Event::Apply(object)) => put(table, &name_of(&object), row(object), &told),
            Ok(Event::Delete(object)) => put(table, &name_of(&object), None, &told),
            Ok(Event::InitDone) => {
                for name in table.listing_ends(&place.scope) {
                    put(table, &name, None, &told);
                }
            }
            // Nothing can be listed in a namespace that is gone, and nothing is left in it.
            Err(_) if is_gone(&place.client, &place.scope).await => {
                table.listing_begins(&place.scope);
                for name in table.listing_ends(&place.scope) {
                    put(table, &name, None, &told);
                }
            }
            Err(error) if is_forbidden(&error) => {
                table.is_forbidden(&place.scope);
                tracing::warn!(
                    "{}",
                    refusal(&K::plural(&K::DynamicType::default()), &place.scope, table.is_complete())
                );
            }
            Err(error) => {
                let namespace = place.scope.as_deref().unwrap_or_default();
                tracing::warn!(namespace, %error, "a watch was interrupted; it goes on by itself");
            }
        }
    }
}

/// Whether the API server answered that we may not do this.
fn is_forbidden(error: &Error) -> bool {
    let code = match error {
        Error::InitialListFailed(kube::Error::Api(status)) | Error::WatchStartFailed(kube::Error::Api(status)) => {
            status.code
        }
        Error::WatchError(status) => status.code,
        _ => return false,
    };
    code == 403
}

fn refusal(resources: &str, scope: &Scope, complete: bool) -> String {
    let (place, binding) = match scope {
        Some(namespace) => (format!("in namespace {namespace}"), "RoleBinding there"),
        None => ("in all namespaces".to_owned(), "ClusterRoleBinding"),
    };
    let consequence = if complete {
        "what is known of them is kept, and nothing new is seen"
    } else {
        "nothing is done in any namespace until they are listed"
    };
    format!("no right to list and watch {resources} {place}: restore the operator's {binding}; {consequence}")
}

fn put<T: PartialEq, G: Clone + Eq + Hash>(
    table: &Table<T, G>,
    name: &Name,
    row: Option<T>,
    told: &impl Fn(&Name, Change<G>),
) {
    let change = match row {
        Some(row) if table.get(&(&name.0, &name.1)).as_deref() == Some(&row) => Change::Echo(table.groups(&row)),
        Some(row) => Change::News(table.put(name.clone(), row)),
        None => Change::News(table.remove(name)),
    };
    told(name, change);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::TryStreamExt;
    use futures::future::{Either, ready, select};
    use k8s_openapi::api::core::v1::Namespace;
    use kube::core::{PartialObjectMeta, Status};
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::api::resources::BrokerCluster;
    use crate::runtime::fake_api::{in_json, on_a_socket};

    /// Follows a server that answers a list and the head of a watch, and falls silent then.
    async fn meets_silence<S: Stream<Item = Result<(), Error>>>(watch: impl FnOnce(Client) -> S) {
        let list = in_json(&json!({"metadata": {"resourceVersion": "7"}, "items": []}));
        let watched = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let answers = [list, watched.to_owned()].map(|answer| (Duration::ZERO, answer));
        let (client, mut asked) = on_a_socket(answers).await;
        let asked = async {
            let mut line = async || timeout(SILENCE + Duration::from_secs(5), asked.recv()).await.unwrap().unwrap();
            assert!(line().await.contains("&limit="));
            // The second is in place of the first, of which nothing came; the third in place of the second, which was never answered.
            for _ in 0..3 {
                let line = line().await;
                let timeout = format!("timeoutSeconds={WATCH}");
                assert!(["watch=true", "resourceVersion=7", &timeout].iter().all(|part| line.contains(part)), "{line}");
            }
        };
        let events = watch(client).for_each(|_| ready(()));
        assert!(matches!(select(Box::pin(asked), Box::pin(events)).await, Either::Left(_)), "a watch ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_of_which_nothing_is_heard_is_soon_begun_anew() {
        meets_silence(|client| {
            let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
            watcher(namespaces, paged()).default_backoff().map_ok(|_| ())
        })
        .await;
        meets_silence(|client| events(Api::<Lean<BrokerCluster>>::all(client)).map_ok(|_| ())).await;
    }

    #[test]
    fn a_missing_right_is_told_by_what_it_is_about_and_how_it_is_mended() {
        let api = |code| kube::Error::Api(Box::new(Status { code, ..Status::default() }));
        for (error, forbidden) in [
            (Error::InitialListFailed(api(403)), true),
            (Error::WatchStartFailed(api(403)), true),
            (Error::WatchError(Box::new(Status { code: 403, ..Status::default() })), true),
            (Error::InitialListFailed(api(404)), false),
            (Error::WatchError(Box::new(Status { code: 410, ..Status::default() })), false),
            (Error::NoResourceVersion, false),
        ] {
            assert_eq!(is_forbidden(&error), forbidden, "{error}");
        }
        for (scope, complete, words) in [
            (
                Some("shop".to_owned()),
                false,
                ["list and watch pods in namespace shop", "RoleBinding", "nothing is done"],
            ),
            (None, true, ["list and watch pods in all namespaces", "ClusterRoleBinding", "is kept"]),
        ] {
            let told = refusal("pods", &scope, complete);
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
    }
}
