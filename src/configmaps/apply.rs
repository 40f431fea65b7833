//! Writes the claim of a ConfigMap. Each write is safe to do twice.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Context;
use super::observe::Observation;
use super::plan::{KIND, Plan, Step};
use crate::api::resources::{TopicClaim, TopicClaimSpec};
use crate::runtime::kubernetes::{CallError, call, merge};
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Carries out a plan.
///
/// # Errors
/// The API server refused, as it does where somebody wrote the claim meanwhile.
pub async fn apply(context: &Context, seen: &Observation, plan: &Plan) -> Result<(), CallError> {
    let api = Api::<TopicClaim>::namespaced(context.client.clone(), &seen.name.0);
    match (&plan.step, &seen.claim) {
        (Some(Step::Create(spec)), _) => create(&api, seen, spec).await,
        (Some(Step::Update(spec)), Some(claim)) => update(&api, seen, claim, spec).await,
        (Some(Step::Update(_)) | None, _) => Ok(()),
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

async fn create(api: &Api<TopicClaim>, seen: &Observation, spec: &TopicClaimSpec) -> Result<(), CallError> {
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
) -> Result<(), CallError> {
    let mut before = claim.spec.clone();
    if before.config_left_out.is_some() {
        // A merge leaves what it does not name, and what is not held cannot be named.
        let there = call(CALL, "read the TopicClaim", api.get_opt(&seen.name.1)).await?;
        before.config = there.map(|there| there.spec.config).unwrap_or_default();
    }
    let patch = json!({
        "metadata": {
            "uid": claim.metadata.uid,
            "resourceVersion": claim.metadata.resource_version,
            "ownerReferences": [owner(seen)],
        },
        "spec": merge(&json!(before), json!(spec)),
    });
    let params = PatchParams::default();
    call(CALL, "update the TopicClaim", api.patch(&seen.name.1, &params, &Patch::Merge(patch))).await?;
    writes::done("topic_claim_update");
    Ok(())
}
