//! A table of objects by namespace and name, with one secondary index. Several watches may feed it, each with a scope of its own.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use kube::Resource;
use tokio::sync::watch;
use tokio::time::Instant;

use super::reach::Scope;

/// Namespace and name; the namespace is empty for what has none.
pub type Name = (String, String);

/// What an object is called.
pub fn name_of<K: Resource>(object: &K) -> Name {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// How a `BrokerCluster` is named wherever a cluster is: `namespace/name`.
#[must_use]
pub fn cluster_id(name: &Name) -> String {
    format!("{}/{}", name.0, name.1)
}

/// How long a refusal to be listed is believed: longer than a watch takes to try again, for one that goes on says nothing of itself.
const REFUSED_FOR: Duration = Duration::from_secs(120);

/// Objects by name, and by the groups that each belongs to.
pub struct Table<T, G> {
    groups_of: fn(&T) -> Vec<G>,
    rows: RwLock<Rows<T, G>>,
    complete: watch::Sender<bool>,
}

struct Rows<T, G> {
    objects: HashMap<Name, Arc<T>>,
    /// The names are sorted. Most groups have one, and a tree would take the room of eleven.
    groups: HashMap<G, Vec<Name>>,
    /// Names not yet seen again by the listings that run, each in its scope.
    unseen: HashMap<Scope, BTreeSet<Name>>,
    /// The scopes that have never been listed to their end.
    pending: BTreeSet<Scope>,
    /// The scopes that may not be read, and when that was said last.
    forbidden: HashMap<Scope, Instant>,
}

/// Lets a table be asked with borrowed names.
trait Named {
    fn parts(&self) -> (&str, &str);
}

impl Named for Name {
    fn parts(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl Named for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Named + '_ {}

impl<'a> Borrow<dyn Named + 'a> for Name {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl<T, G: Clone + Eq + Hash> Table<T, G> {
    /// An empty table that one watch feeds; `groups_of` says to which groups an object belongs.
    #[must_use]
    pub fn new(groups_of: fn(&T) -> Vec<G>) -> Self {
        Self::fed_by(&[None], groups_of)
    }

    /// An empty table that a watch for each of these scopes feeds.
    #[must_use]
    pub fn fed_by(scopes: &[Scope], groups_of: fn(&T) -> Vec<G>) -> Self {
        let pending = scopes.iter().cloned().collect();
        let (unseen, forbidden) = (HashMap::new(), HashMap::new());
        let rows = Rows { objects: HashMap::new(), groups: HashMap::new(), unseen, pending, forbidden };
        Self { groups_of, rows: RwLock::new(rows), complete: watch::Sender::new(false) }
    }

    /// One object.
    #[must_use]
    pub fn get(&self, name: &(&str, &str)) -> Option<Arc<T>> {
        self.read().objects.get(name as &dyn Named).cloned()
    }

    /// The objects of a group, in the order of their names.
    #[must_use]
    pub fn of(&self, group: &G) -> Vec<Arc<T>> {
        let rows = self.read();
        let names = rows.groups.get(group).into_iter().flatten();
        names.filter_map(|name| rows.objects.get(name)).cloned().collect()
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<T>> {
        self.read().objects.values().cloned().collect()
    }

    /// The names of all objects.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.read().objects.keys().cloned().collect()
    }

    /// The groups that an object belongs to.
    #[must_use]
    pub fn groups(&self, object: &T) -> Vec<G> {
        (self.groups_of)(object)
    }

    /// Stores an object; returns the groups that it belongs or belonged to.
    pub fn put(&self, name: Name, object: T) -> Vec<G> {
        let mut rows = self.write();
        let mut touched = rows.remove(&name, self.groups_of);
        let groups = self.groups(&object);
        for group in &groups {
            rows.join(group, &name);
        }
        touched.extend(groups);
        rows.objects.insert(name, Arc::new(object));
        touched
    }

    /// Replaces an object by what a write of ours returned, ahead of the watch, where `is_newer` says so of the one that is there; one
    /// that the watch does not know is left to it, and so is one that belongs to other groups now: the watch tells them.
    pub fn renew(&self, name: &Name, object: T, is_newer: impl FnOnce(&T) -> bool) {
        let mut rows = self.write();
        if let Some(there) = rows.objects.get_mut(name)
            && is_newer(there)
            && self.groups(there) == self.groups(&object)
        {
            *there = Arc::new(object);
        }
    }

    /// Forgets an object; returns the groups that it belonged to.
    pub fn remove(&self, name: &Name) -> Vec<G> {
        self.write().remove(name, self.groups_of)
    }

    /// A new listing of a scope begins: what it does not name is gone at its end.
    pub fn listing_begins(&self, scope: &Scope) {
        let mut rows = self.write();
        let within = |name: &&Name| scope.as_ref().is_none_or(|namespace| *namespace == name.0);
        let unseen = rows.objects.keys().filter(within).cloned().collect();
        rows.unseen.insert(scope.clone(), unseen);
    }

    /// A listing names an object.
    pub fn listed(&self, name: &Name) {
        self.write().seen(name);
    }

    /// The listing of a scope is complete; returns what it did not name.
    pub fn listing_ends(&self, scope: &Scope) -> Vec<Name> {
        let mut rows = self.write();
        let gone = rows.unseen.remove(scope).unwrap_or_default();
        rows.pending.remove(scope);
        rows.forbidden.remove(scope);
        if rows.pending.is_empty() {
            self.complete.send_replace(true);
        }
        gone.into_iter().collect()
    }

    /// A scope may not be read: what is known of it stays, and what is not known is waited for.
    pub fn is_forbidden(&self, scope: &Scope) {
        self.write().forbidden.insert(scope.clone(), Instant::now());
    }

    /// The scopes that may not be read, as far as was said of late.
    #[must_use]
    pub fn unreadable(&self) -> BTreeSet<Scope> {
        let rows = self.read();
        let lately = rows.forbidden.iter().filter(|(_, said)| said.elapsed() < REFUSED_FOR);
        lately.map(|(scope, _)| scope.clone()).collect()
    }

    /// Whether the first listing of each scope is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Waits until the first listing of each scope is complete.
    pub async fn complete(&self) {
        // The sender lives as long as the table: waiting cannot fail.
        let _ = self.complete.subscribe().wait_for(|complete| *complete).await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows<T, G>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows<T, G>> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, G: Clone + Eq + Hash> Rows<T, G> {
    /// An object was named, by whichever listing covers it.
    fn seen(&mut self, name: &Name) {
        for unseen in self.unseen.values_mut() {
            unseen.remove(name);
        }
    }

    fn join(&mut self, group: &G, name: &Name) {
        let Some(names) = self.groups.get_mut(group) else {
            self.groups.insert(group.clone(), vec![name.clone()]);
            return;
        };
        if let Err(place) = names.binary_search(name) {
            names.insert(place, name.clone());
        }
    }

    fn remove(&mut self, name: &Name, groups_of: fn(&T) -> Vec<G>) -> Vec<G> {
        self.seen(name);
        let Some(object) = self.objects.remove(name) else { return Vec::new() };
        let groups = groups_of(&object);
        for group in &groups {
            let Some(names) = self.groups.get_mut(group) else { continue };
            if let Ok(place) = names.binary_search(name) {
                names.remove(place);
            }
            if names.is_empty() {
                self.groups.remove(group);
            }
        }
        groups
    }
}

impl<T, G> std::fmt::Debug for Table<T, G> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_struct("Table").field("objects", &rows.objects.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        ("ns".to_owned(), text.to_owned())
    }

    fn table() -> Table<u8, u8> {
        Table::new(|value| vec![value % 2])
    }

    #[test]
    fn groups_follow_the_objects() {
        let table = table();
        table.put(name("a"), 1);
        table.put(name("b"), 3);
        assert_eq!(table.of(&1).iter().map(|v| **v).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(table.put(name("a"), 2), [1, 0], "both the group it left and the one it joined");
        assert_eq!(table.of(&1).len(), 1);
        table.remove(&name("b"));
        assert!(table.of(&1).is_empty());
        assert_eq!(table.get(&("ns", "a")).as_deref(), Some(&2));
        assert_eq!(table.get(&("ns", "b")), None);
    }

    #[test]
    fn what_we_wrote_is_known_ahead_of_the_watch_where_nobody_else_must_be_told() {
        let table = table();
        table.renew(&name("a"), 1, |_| true);
        assert_eq!(table.get(&("ns", "a")), None, "the watch does not know it");
        table.put(name("a"), 1);
        table.renew(&name("a"), 3, |_| false);
        assert_eq!(table.get(&("ns", "a")).as_deref(), Some(&1), "the one that is there is newer");
        table.renew(&name("a"), 3, |_| true);
        assert_eq!(table.get(&("ns", "a")).as_deref(), Some(&3));
        table.renew(&name("a"), 4, |_| true);
        assert_eq!(table.get(&("ns", "a")).as_deref(), Some(&3), "the group that it left is told by the watch");
        assert_eq!(table.of(&1).len(), 1);
    }

    #[test]
    fn a_listing_tells_what_is_gone() {
        let table = table();
        table.put(name("a"), 1);
        table.put(name("b"), 2);
        table.listing_begins(&None);
        table.listed(&name("a"));
        assert_eq!(table.listing_ends(&None), [name("b")]);
        assert!(table.get(&("ns", "b")).is_some(), "the caller removes it, and tells whom it concerns");
    }

    #[test]
    fn a_listing_says_nothing_of_other_namespaces() {
        let scopes = ["ns", "other"].map(|namespace| Some(namespace.to_owned()));
        let table: Table<u8, u8> = Table::fed_by(&scopes, |_| Vec::new());
        let elsewhere = ("other".to_owned(), "a".to_owned());
        table.put(name("a"), 1);
        table.put(name("b"), 1);
        table.put(elsewhere.clone(), 2);
        table.listing_begins(&scopes[0]);
        table.listing_begins(&scopes[1]);
        table.listed(&name("a"));
        assert_eq!(table.listing_ends(&scopes[0]), [name("b")]);
        assert!(!table.is_complete(), "one of two has never been listed to its end");
        assert_eq!(table.listing_ends(&scopes[1]), [elsewhere]);
        assert!(table.is_complete());
        table.listing_begins(&scopes[0]);
        assert!(table.is_complete(), "a listing anew is no beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scope_that_may_not_be_read_is_waited_for_and_told() {
        let scopes = ["ns", "other"].map(|namespace| Some(namespace.to_owned()));
        let table: Table<u8, u8> = Table::fed_by(&scopes, |_| Vec::new());
        table.listing_ends(&scopes[0]);
        table.is_forbidden(&scopes[1]);
        assert!(!table.is_complete(), "nobody knows what is in it");
        assert_eq!(table.unreadable(), [scopes[1].clone()].into());
        table.listing_ends(&scopes[1]);
        assert!(table.is_complete() && table.unreadable().is_empty());
        table.is_forbidden(&scopes[0]);
        tokio::time::advance(REFUSED_FOR).await;
        assert!(table.unreadable().is_empty(), "a watch that goes on does not say so");
    }
}
