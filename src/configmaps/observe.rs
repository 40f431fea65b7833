//! Reads a ConfigMap and the claim of its name. I/O; decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;

use super::Context;
use crate::api::annotations::{TOPICS, TOPICS_CONFIG_MAPS};
use crate::api::resources::TopicClaim;
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::table::Name;

const CALL: Duration = Duration::from_secs(10);
/// Bytes that a ConfigMap may hold: a topic with a hundred settings has a tenth of it to say.
const MAX_BYTES: usize = 64 * 1024;

/// What a ConfigMap holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Its data.
    Data(BTreeMap<String, String>),
    /// More bytes than any topic needs; they are not kept.
    TooLarge(usize),
}

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// Namespace and name, of the ConfigMap and of its claim.
    pub name: Name,
    /// The ConfigMap's uid.
    pub uid: String,
    /// What it holds.
    pub content: Content,
    /// The claim of that name.
    pub claim: Option<Arc<TopicClaim>>,
    /// The cluster that topics of ConfigMaps are made on.
    pub cluster: String,
}

/// Observes one ConfigMap; nothing where there is none, or its namespace is not labelled for it.
///
/// # Errors
/// The API server did not answer; the queue tries again.
pub async fn observe(context: &Context, name: &Name) -> Result<Option<Observation>, CallError> {
    let world = &context.world;
    let labelled = world.labels_of(&name.0).get(TOPICS).is_some_and(|value| value == TOPICS_CONFIG_MAPS);
    let Some(known) = world.config_maps.get(&(&name.0, &name.1)).filter(|_| labelled) else { return Ok(None) };
    let api = Api::<ConfigMap>::namespaced(context.client.clone(), &name.0);
    let Some(found) = call(CALL, "read a ConfigMap", api.get_opt(&name.1)).await? else { return Ok(None) };
    // Another one by now: its event is on the way.
    if found.metadata.uid.as_ref() != Some(&known.uid) {
        return Ok(None);
    }
    Ok(Some(Observation {
        name: name.clone(),
        uid: known.uid.clone(),
        content: content(found),
        claim: world.topics.get(&(&name.0, &name.1)),
        cluster: world.default_of(&name.0),
    }))
}

fn content(found: ConfigMap) -> Content {
    let (data, binary) = (found.data.unwrap_or_default(), found.binary_data.unwrap_or_default());
    let bytes = data.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        + binary.iter().map(|(key, value)| key.len() + value.0.len()).sum::<usize>();
    if bytes > MAX_BYTES { Content::TooLarge(bytes) } else { Content::Data(data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_dropped() {
        let with = |length: usize| ConfigMap {
            data: Some([("properties".to_owned(), "x".repeat(length))].into()),
            ..ConfigMap::default()
        };
        assert!(matches!(content(with(60 * 1024)), Content::Data(_)));
        assert_eq!(content(with(900 * 1024)), Content::TooLarge(900 * 1024 + "properties".len()));
    }
}
