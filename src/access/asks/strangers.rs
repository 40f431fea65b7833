//! Who asks for an access and is no part of it. Pure.

use std::collections::BTreeMap;

use crate::access::asks::Ask;
use crate::access::seen::Observation;
use crate::api::reasons::Reason;
use crate::api::resources::AccessSource;
use crate::clusters::Unusable;

/// Those whose own words do not lead to this access.
pub(in crate::access) fn strangers(seen: &Observation) -> BTreeMap<String, Unusable> {
    let subject = seen.subject.as_ref();
    let manual = seen.claim.as_ref().is_some_and(|claim| claim.spec.source == AccessSource::Manual);
    let judge = |ask: &Ask| match &ask.intent {
        Err(problems) => {
            let message = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Some(Unusable { reason: problems.first()?.reason, message })
        }
        Ok(intent) if intent.access_name() != seen.key.1 => Some(Unusable {
            reason: Reason::AccessTaken,
            message: format!("the Pod's access is \"{}\", and its label says \"{}\"", intent.access_name(), seen.key.1),
        }),
        Ok(intent) if subject.is_some_and(|subject| !subject.is(intent)) => {
            let (workload, cluster) = subject.map(|subject| (&subject.workload, &subject.cluster))?;
            let message = format!(
                "access \"{}\" belongs to workload \"{workload}\" on {cluster}, not to \"{}\" on {}",
                seen.key.1, intent.workload, intent.cluster
            );
            Some(Unusable { reason: Reason::AccessTaken, message })
        }
        Ok(_) if manual => Some(Unusable {
            reason: Reason::AccessTaken,
            message: format!("AccessClaim \"{}\" was written for a client that is not a Pod", seen.key.1),
        }),
        Ok(_) => None,
    };
    seen.asks.iter().filter_map(|ask| Some((ask.by.uid().to_owned(), judge(ask)?))).collect()
}
