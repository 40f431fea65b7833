//! Lists that may be long, page by page: neither side has to hold everything at once.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Api, ListParams};
use kube::core::{ObjectList, ObjectMeta};
use serde::de::DeserializeOwned;

use super::kubernetes::{CallError, call};

/// Objects of one answer. What has come in is held as text and as a tree before it is read, ten times its size: smaller pages cost a list
/// of ten thousand some more calls, and a replica many megabytes less.
pub const PAGE: u32 = 100;

/// Hands every object of a list to `take`. `what` is a verb with its object, such as "list Pods"; each page may take for `limit`.
///
/// # Errors
/// The list is not complete.
pub async fn each<K>(
    api: &Api<K>,
    limit: Duration,
    what: &'static str,
    params: ListParams,
    take: impl FnMut(K),
) -> Result<(), CallError>
where
    K: Clone + Debug + DeserializeOwned,
{
    turn(limit, what, params, |params| async move { api.list(&params).await }, take).await
}

/// The same with nothing but the objects' metadata.
///
/// # Errors
/// The list is not complete.
pub async fn each_metadata<K>(
    api: &Api<K>,
    limit: Duration,
    what: &'static str,
    params: ListParams,
    mut take: impl FnMut(ObjectMeta),
) -> Result<(), CallError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let list = |params: ListParams| async move { api.list_metadata(&params).await };
    turn(limit, what, params, list, |object| take(object.metadata)).await
}

async fn turn<K, L>(
    limit: Duration,
    what: &'static str,
    params: ListParams,
    list: impl Fn(ListParams) -> L,
    mut take: impl FnMut(K),
) -> Result<(), CallError>
where
    K: Clone,
    L: Future<Output = kube::Result<ObjectList<K>>>,
{
    let mut params = params.limit(PAGE);
    loop {
        let page = call(limit, what, list(params.clone())).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn page(name: &str, next: &str) -> ObjectList<ConfigMap> {
        serde_json::from_value(json!({
            "metadata": {"continue": next}, "items": [{"metadata": {"name": name}}],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn every_page_is_asked_for_and_one_that_fails_is_told() {
        let asked = Mutex::new(Vec::new());
        let list = |params: ListParams| {
            assert_eq!(params.limit, Some(PAGE));
            let token = params.continue_token.unwrap_or_default();
            asked.lock().unwrap().push(token.clone());
            async move {
                match token.as_str() {
                    "" => Ok(page("a", "1")),
                    "1" => Ok(page("b", "2")),
                    _ => Err(kube::Error::TlsRequired),
                }
            }
        };
        let mut names = Vec::new();
        let take = |object: ConfigMap| names.extend(object.metadata.name);
        let error =
            turn(Duration::from_secs(1), "list ConfigMaps", ListParams::default(), list, take).await.unwrap_err();
        assert_eq!(
            (names, asked.into_inner().unwrap()),
            (vec!["a".to_owned(), "b".to_owned()], vec![String::new(), "1".to_owned(), "2".to_owned()])
        );
        assert!(error.to_string().starts_with("cannot list ConfigMaps: "), "{error}");
    }
}
