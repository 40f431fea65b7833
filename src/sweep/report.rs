//! Says who is missing, and what is held: in the status of the cluster, each only when it changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::Context;
use super::plan::Plan;
use crate::api::annotations::RELEASE;
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, Conditions};
use crate::clusters::Halt;
use crate::runtime::status::{self, Base};
use crate::watch::table::Name;

/// The condition type that says that too many users are missing.
pub const HELD: &str = "SweepHeld";

/// Writes down who is missing.
///
/// # Errors
/// The status was not written, as it is not where somebody else wrote first.
pub async fn report(context: &Context, name: &Name, cluster: &BrokerCluster, plan: &Plan) -> Result<(), Halt> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut status = before.clone();
    status.absent.clone_from(&plan.absent);
    let now = Time(Timestamp::now());
    let mut conditions = Conditions::new(&mut status.conditions, cluster.metadata.generation, now);
    match &plan.held {
        Some(held) => {
            let message = format!(
                "{} of {} users in Kafka have no AccessClaim: {}. If that is right, release exactly these: kubectl annotate brokercluster {} \
                 --namespace {} --overwrite {RELEASE}={}",
                held.count, held.users, held.named, name.1, name.0, held.word
            );
            conditions.say(HELD, true, Reason::SweepHeld, &message);
        }
        None => conditions.end(HELD, false, Reason::Ready, "nothing is held"),
    }
    if status == before {
        return Ok(());
    }
    let status = json!({"absent": status.absent, "conditions": status.conditions});
    let words = ("write the BrokerCluster's status", "broker_cluster_status");
    status::write(&context.client, cluster, Base::Unchanged, status, words).await?;
    Ok(())
}
