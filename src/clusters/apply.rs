//! Carries out the steps of a plan: one small function a step, each safe to do twice.

use std::sync::Arc;
use std::time::Duration;

use super::claim::Claim;
use super::observe::{Seen, claims};
use super::plan::Step;
use super::{Clusters, Unusable, witness};
use crate::kafka::acl::AclBinding;
use crate::runtime::writes;

/// How long until a rule that was removed is gone from a broker's answers as well.
const GONE: Duration = Duration::from_millis(200);

/// Carries out one step, and looks at what it was about again.
///
/// # Errors
/// Kafka refused or did not answer; the next look goes on from what is there.
pub async fn apply(clusters: &Clusters, seen: &mut Seen, step: Step) -> Result<(), Unusable> {
    let connection = Arc::clone(&seen.connection);
    match step {
        Step::AskWitness => {
            if let Some(open) = clusters.known_open(&seen.kafka.id) {
                seen.open = Some(open);
                return Ok(());
            }
            let open = witness::everyone_allowed(&connection, &seen.kafka).await?;
            clusters.learn_open(&seen.kafka.id, open);
            seen.open = Some(open);
            return Ok(());
        }
        Step::Claim => {
            let rule = vec![connection.claim.rule()];
            connection.batcher.create_acls(rule).await?;
            writes::done("claim_write");
            settle(clusters, seen).await;
        }
        Step::Settle => settle(clusters, seen).await,
        Step::Withdraw => remove(seen, vec![connection.claim.rule()]).await?,
        Step::TakeOver(theirs) => remove(seen, theirs.iter().map(Claim::rule).collect()).await?,
    }
    seen.claims = claims(&connection.admin).await?;
    Ok(())
}

async fn settle(clusters: &Clusters, seen: &mut Seen) {
    tokio::time::sleep(clusters.settle).await;
    seen.settled += 1;
}

async fn remove(seen: &Seen, rules: Vec<AclBinding>) -> Result<(), Unusable> {
    seen.connection.batcher.delete_acls(rules).await?;
    writes::done("claim_remove");
    tokio::time::sleep(GONE).await;
    Ok(())
}
