//! Which namespaces are looked after: all of them, or some.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::{Client, Resource};

use crate::runtime::kubernetes::{CallError, call};

const CALL: Duration = Duration::from_secs(5);

/// What one watch or one list covers: a namespace, or everything.
pub type Scope = Option<String>;

/// Which namespaces are looked after. What lies in others is not seen, and what is not seen there says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach(BTreeSet<String>);

impl Reach {
    /// These namespaces, and the one of the installation; all of them where none is named.
    #[must_use]
    pub fn of(namespaces: impl IntoIterator<Item = String>, home: &str) -> Self {
        let mut named: BTreeSet<String> = namespaces.into_iter().collect();
        if !named.is_empty() {
            named.insert(home.to_owned());
        }
        Self(named)
    }

    /// Whether a namespace is looked after.
    #[must_use]
    pub fn includes(&self, namespace: &str) -> bool {
        self.0.is_empty() || self.0.contains(namespace)
    }

    /// What is to be watched or listed, one by one, to see everything.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        if self.0.is_empty() { vec![None] } else { self.0.iter().cloned().map(Some).collect() }
    }

    /// What `list` finds in each scope. With a namespace went the right to list in it, and all that it held.
    ///
    /// # Errors
    /// A list is not complete: that of one scope failed.
    pub async fn gather<T, L: Future<Output = Result<T, CallError>>>(
        &self,
        client: &Client,
        list: impl Fn(Scope) -> L,
    ) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        for scope in self.scopes() {
            match list(scope.clone()).await {
                Ok(found) => all.push(found),
                Err(error) if error.code() == Some(403) && is_gone(client, &scope).await => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// The objects of a scope.
#[must_use]
pub fn within<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Whether the namespace of a scope is known to be gone: with it went the right to look into it, and all that it held. Everything
/// as a whole is never gone.
pub async fn is_gone(client: &Client, scope: &Scope) -> bool {
    let Some(namespace) = scope else { return false };
    let namespaces = Api::<Namespace>::all(client.clone());
    matches!(call(CALL, "read a Namespace", namespaces.get_metadata_opt(namespace)).await, Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_named_means_all() {
        let all = Reach::of([], "admittance");
        assert!(all.includes("shop") && all.scopes() == [None]);
        let some = Reach::of(["shop".to_owned()], "admittance");
        assert!(some.includes("shop") && some.includes("admittance") && !some.includes("web"));
        assert_eq!(some.scopes(), [Some("admittance".to_owned()), Some("shop".to_owned())]);
    }
}
