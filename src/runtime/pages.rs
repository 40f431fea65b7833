//! Lists that may be long, page by page: neither side has to hold everything at once.

use std::fmt::Debug;
use std::time::Duration;

use kube::Resource;
use kube::api::{Api, ListParams};
use kube::core::{ObjectList, ObjectMeta, Request};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::kubernetes::{CallError, call};

/// Metadata of one answer. What has come in is held as text before it is read, and then as what it was read into: smaller pages cost a list
/// of ten thousand some more calls, and a replica many megabytes less.
pub const PAGE: u32 = 100;
/// Whole objects of one answer. The API server takes a megabyte and a half each, from whoever may write one.
pub const WHOLE: u32 = 10;

/// Hands every object of a list to `take`, read as what of it matters: what `T` does not name is skipped. `what` is a verb with its object,
/// such as "list Pods"; each page may take for `limit`, and holds [`WHOLE`] objects where `params` do not say otherwise.
///
/// # Errors
/// The list is not complete.
pub async fn each<K, T>(
    api: &Api<K>,
    limit: Duration,
    what: &'static str,
    params: ListParams,
    take: impl FnMut(T),
) -> Result<(), CallError>
where
    K: Resource + Clone,
    T: Clone + DeserializeOwned,
{
    each_in_turn(api, limit, what, params, None, take).await
}

/// The same, each page in its turn: who lists much does not keep others waiting until the end of it.
///
/// # Errors
/// The list is not complete.
pub async fn each_in_turn<K, T>(
    api: &Api<K>,
    limit: Duration,
    what: &'static str,
    params: ListParams,
    turns: Option<&Semaphore>,
    take: impl FnMut(T),
) -> Result<(), CallError>
where
    K: Resource + Clone,
    T: Clone + DeserializeOwned,
{
    let (client, path) = (api.clone().into_client(), api.resource_url().to_owned());
    let list = |params: ListParams| {
        let (client, request) = (client.clone(), Request::new(&path).list(&params));
        async move { client.request::<ObjectList<T>>(request.map_err(kube::Error::BuildRequest)?).await }
    };
    let size = params.limit.unwrap_or(WHOLE);
    turn(limit, what, params.limit(size), turns, list, take).await
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
    turn(limit, what, params.limit(PAGE), None, list, |object| take(object.metadata)).await
}

async fn turn<K, L>(
    limit: Duration,
    what: &'static str,
    mut params: ListParams,
    turns: Option<&Semaphore>,
    list: impl Fn(ListParams) -> L,
    mut take: impl FnMut(K),
) -> Result<(), CallError>
where
    K: Clone,
    L: Future<Output = kube::Result<ObjectList<K>>>,
{
    loop {
        // It is held until the page is taken, for the sake of the room. The semaphore is never closed.
        let _turn = match turns {
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        };
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
    use std::sync::{Arc, Mutex};

    use k8s_openapi::api::core::v1::ConfigMap;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::runtime::fake_api::answering;

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
            assert_eq!(params.limit, Some(7));
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
        let (second, params) = (Duration::from_secs(1), ListParams::default().limit(7));
        let error = turn(second, "list ConfigMaps", params, None, list, take).await.unwrap_err();
        assert_eq!(
            (names, asked.into_inner().unwrap()),
            (vec!["a".to_owned(), "b".to_owned()], vec![String::new(), "1".to_owned(), "2".to_owned()])
        );
        assert!(error.to_string().starts_with("cannot list ConfigMaps: "), "{error}");
    }

    #[tokio::test]
    async fn whole_objects_come_a_few_at_a_time_and_are_read_as_what_is_asked_for() {
        #[derive(Deserialize, Clone)]
        struct Named {
            metadata: ObjectMeta,
        }
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let client = answering(move |asked| {
            assert_eq!(asked.path, "/api/v1/namespaces/shop/configmaps");
            kept.lock().unwrap().push(asked.query);
            let items = json!([{"metadata": {"name": "a"}, "data": "read as nothing"}]);
            std::future::ready((200, json!({"metadata": {}, "items": items})))
        });
        let api = Api::<ConfigMap>::namespaced(client, "shop");
        let (second, labelled) = (Duration::from_secs(1), ListParams::default().labels("a=b"));
        let mut names = Vec::new();
        let whole = each(&api, second, "list", labelled.clone(), |object: Named| names.extend(object.metadata.name));
        whole.await.unwrap();
        each(&api, second, "list", labelled.limit(50), |_: Named| {}).await.unwrap();
        each_metadata(&api, second, "list", ListParams::default(), |_| {}).await.unwrap();
        assert_eq!(names, ["a"]);
        assert_eq!(
            *asked.lock().unwrap(),
            ["&labelSelector=a%3Db&limit=10", "&labelSelector=a%3Db&limit=50", "&limit=100"]
        );
    }
}
