//! Writes the claim of a ConfigMap. Each write is safe to do twice.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use super::observe::Observation;
use super::plan::{KIND, Plan, Step};
use super::{Context, Halt};
use crate::api::resources::{TopicClaim, TopicClaimSpec};
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Carries out a plan.
///
/// # Errors
/// The API server refused, as it does where somebody wrote the claim meanwhile.
pub async fn apply(context: &Context, seen: &Observation, plan: &Plan) -> Result<(), Halt> {
    let api = Api::<TopicClaim>::namespaced(context.client.clone(), &seen.name.0);
    match (&plan.step, &seen.claim) {
        (None, _) => Ok(()),
        (Some(Step::Create(spec)), _) => create(&api, seen, spec).await,
        (Some(Step::Update(spec)), Some(claim)) => update(&api, seen, claim, spec).await,
        (Some(Step::Update(_)), None) => Err(Halt::Failed("there is no claim to bring in line".to_owned())),
    }
}

fn owner(seen: &Observation) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: KIND.to_owned(),
        name: seen.name.1.clone(),
        uid: seen.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

async fn create(api: &Api<TopicClaim>, seen: &Observation, spec: &TopicClaimSpec) -> Result<(), Halt> {
    let mut claim = TopicClaim::new(&seen.name.1, spec.clone());
    claim.metadata.owner_references = Some(vec![owner(seen)]);
    call(CALL, "create the TopicClaim", api.create(&PostParams::default(), &claim)).await?;
    writes::done("topic_claim_create");
    Ok(())
}

async fn update(
    api: &Api<TopicClaim>,
    seen: &Observation,
    claim: &TopicClaim,
    spec: &TopicClaimSpec,
) -> Result<(), Halt> {
    let json = |spec: &TopicClaimSpec| serde_json::to_value(spec).map_err(|error| Halt::Failed(error.to_string()));
    let patch = json!({
        "metadata": {
            "uid": claim.metadata.uid,
            "resourceVersion": claim.metadata.resource_version,
            "ownerReferences": [owner(seen)],
        },
        "spec": difference(&json(&claim.spec)?, &json(spec)?),
    });
    let params = PatchParams::default();
    call(CALL, "update the TopicClaim", api.patch(&seen.name.1, &params, &Patch::Merge(patch))).await?;
    writes::done("topic_claim_update");
    Ok(())
}

/// The merge patch (RFC 7386) that makes one object of another: what is to go is named.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (from, to) else { return to.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, value)| {
        let before = old.get(key).unwrap_or(&Value::Null);
        (key.clone(), difference(before, value))
    });
    Value::Object(gone.chain(changed).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_goes_what_comes_and_what_changes() {
        let from = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": 3});
        let to = json!({"a": 1, "b": {"c": 5}, "f": {"g": 1}});
        assert_eq!(difference(&from, &to), json!({"b": {"c": 5, "d": null}, "e": null, "f": {"g": 1}}));
        assert_eq!(difference(&to, &to), json!({}));
    }
}
