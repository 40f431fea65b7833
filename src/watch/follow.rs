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
use crate::runtime::pages::{PAGE, WHOLE};

/// A watch of metadata that lists in pages of the size of all others.
#[must_use]
pub fn paged() -> Config {
    Config::default().page_size(PAGE)
}

/// A watch of all objects of a kind of ours, each of which may be unreadable. They come whole, and a few at a time.
pub fn events<K>(api: Api<Lean<K>>) -> impl Stream<Item = Result<Event<Lean<K>>, Error>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, Config::default().page_size(WHOLE)).default_backoff()
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
    use kube::core::Status;

    use super::*;

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
