//! What is to become of a ConfigMap: the claim that it is to have, and what its author is to be told. Pure.

use super::declaration::{self, Declaration};
use super::observe::{Content, Observation};
use crate::api::reasons::Reason;
use crate::api::resources::{READY, TopicClaim, TopicClaimSpec, TopicSource, condition};

/// The kind of what a claim is made from.
pub const KIND: &str = "ConfigMap";

/// The decision about one ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to do about its claim; nothing at rest.
    pub step: Option<Step>,
    /// What is in the way, or worth saying.
    pub said: Vec<Said>,
    /// Whether the claim is that of an earlier ConfigMap of the name, which Kubernetes is about to collect.
    pub waits: bool,
}

/// What to do about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make it.
    Create(Box<TopicClaimSpec>),
    /// Bring it to what the ConfigMap says, and make it the ConfigMap's.
    Update(Box<TopicClaimSpec>),
}

/// Something to tell the author of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The stable code.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// Whether it is the same to the author whatever the words: the claim's own are not repeated when they change.
    pub by_reason: bool,
}

impl Said {
    fn new(reason: Reason, message: String) -> Self {
        Self { reason, message, by_reason: false }
    }
}

/// Whose a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// This ConfigMap's.
    Ours,
    /// An earlier ConfigMap's of the same name.
    Earlier,
    /// The operator's, for Pods that named the topic before it was declared.
    Implicit,
    /// Somebody else's.
    Foreign,
}

/// Decides about one ConfigMap.
#[must_use]
pub fn plan(seen: &Observation) -> Plan {
    let declared = match &seen.content {
        Content::TooLarge(bytes) => {
            let message = format!("it holds {bytes} bytes; a topic is described in far less");
            return refused(vec![Said::new(Reason::ConfigMapTooLarge, message)]);
        }
        Content::Data(data) => declaration::read(&seen.name.1, data),
    };
    let declared = match declared {
        Ok(declared) => declared,
        Err(faults) => {
            return refused(faults.into_iter().map(|fault| Said::new(fault.reason, fault.message)).collect());
        }
    };
    let mut said = unknown(&declared);
    let wanted = wanted(&declared, seen);
    let Some(claim) = seen.claim.as_deref() else {
        return Plan { step: Some(Step::Create(Box::new(wanted))), said, waits: false };
    };
    match ownership(seen, claim, &wanted) {
        Ownership::Earlier => return Plan { waits: true, ..Plan::default() },
        Ownership::Foreign => {
            let message = format!("TopicClaim {} is there already, and was not made of this ConfigMap", seen.name.1);
            return refused(vec![Said::new(Reason::TopicClaimNotOurs, message)]);
        }
        Ownership::Ours if wanted == claim.spec => {
            said.extend(mirrored(claim));
            return Plan { step: None, said, waits: false };
        }
        Ownership::Ours | Ownership::Implicit => {}
    }
    if let Some(fault) = impossible(&wanted, &claim.spec) {
        return refused(vec![fault]);
    }
    Plan { step: Some(Step::Update(Box::new(wanted))), said, waits: false }
}

/// Nothing is done: what was declared last stays.
fn refused(said: Vec<Said>) -> Plan {
    Plan { said, ..Plan::default() }
}

fn unknown(declared: &Declaration) -> Vec<Said> {
    if declared.unknown.is_empty() {
        return Vec::new();
    }
    let message = format!("ignored, since they say nothing about a topic: {}", declared.unknown.join(", "));
    vec![Said::new(Reason::UnknownConfigMapKey, message)]
}

/// The whole specification: what people write into the claim by hand is not in it.
fn wanted(declared: &Declaration, seen: &Observation) -> TopicClaimSpec {
    let before = seen.claim.as_deref().map(|claim| &claim.spec);
    // Neither can be taken back: the cluster never changes, and partitions that were counted once stay counted.
    let cluster = before.map_or(&seen.cluster, |before| &before.cluster);
    TopicClaimSpec {
        partitions: declared.partitions.or(before.and_then(|before| before.partitions)),
        replicas: declared.replicas,
        config: declared.config.clone(),
        ..TopicClaimSpec::of(&declared.topic, cluster, TopicSource::Declared)
    }
}

fn ownership(seen: &Observation, claim: &TopicClaim, wanted: &TopicClaimSpec) -> Ownership {
    let owners = || claim.metadata.owner_references.iter().flatten();
    match owners().find(|owner| owner.kind == KIND && owner.controller == Some(true)) {
        Some(owner) if owner.uid == seen.uid => Ownership::Ours,
        Some(owner) if owner.name == seen.name.1 => Ownership::Earlier,
        None if claim.spec.source != TopicSource::Declared && claim.spec.topic_name == wanted.topic_name => {
            Ownership::Implicit
        }
        _ => Ownership::Foreign,
    }
}

/// What the API server would refuse, in words that speak of the ConfigMap.
fn impossible(wanted: &TopicClaimSpec, before: &TopicClaimSpec) -> Option<Said> {
    if wanted.topic_name != before.topic_name {
        let (from, to) = (&before.topic_name, &wanted.topic_name);
        let message = format!("name: topic {from} cannot be renamed to {to}; make another ConfigMap for {to}");
        return Some(Said::new(Reason::InvalidValue, message));
    }
    let (less, more) = (wanted.partitions?, before.partitions?);
    let message = format!("partitions: {less} is less than {more}, as declared before: Kafka cannot take one away");
    (less < more).then(|| Said::new(Reason::InvalidValue, message))
}

/// What keeps the claim from being ready, which its author looks for at the ConfigMap.
fn mirrored(claim: &TopicClaim) -> Option<Said> {
    let status = claim.status.as_ref()?;
    let ready = condition(&status.conditions, READY).filter(|ready| ready.status == "False")?;
    let reason = Reason::of_code(&ready.reason).filter(|reason| *reason != Reason::Provisioning)?;
    Some(Said { reason, message: ready.message.clone(), by_reason: true })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::resources::{Conditions, Deletion, TopicClaimStatus};

    fn seen(data: &[(&str, &str)], claim: Option<TopicClaim>) -> Observation {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Observation {
            name: ("shop".into(), "orders".into()),
            uid: "u1".into(),
            content: Content::Data(data),
            claim: claim.map(Arc::new),
            cluster: "admittance/default".into(),
        }
    }

    fn spec(partitions: Option<i32>, source: TopicSource) -> TopicClaimSpec {
        TopicClaimSpec { partitions, ..TopicClaimSpec::of("orders", "admittance/default", source) }
    }

    fn claim(spec: TopicClaimSpec, owner: Option<&str>) -> TopicClaim {
        let mut claim = TopicClaim::new("orders", spec);
        claim.metadata.owner_references = owner.map(|uid| {
            vec![OwnerReference {
                kind: KIND.into(),
                name: "orders".into(),
                uid: uid.into(),
                controller: Some(true),
                ..OwnerReference::default()
            }]
        });
        claim
    }

    fn declared(partitions: Option<i32>) -> TopicClaim {
        claim(spec(partitions, TopicSource::Declared), Some("u1"))
    }

    #[track_caller]
    fn updated(plan: Plan) -> TopicClaimSpec {
        let Some(Step::Update(spec)) = plan.step else { panic!("{plan:?}") };
        *spec
    }

    fn reasons(plan: &Plan) -> Vec<Reason> {
        plan.said.iter().map(|said| said.reason).collect()
    }

    #[test]
    fn a_config_map_becomes_a_claim_once() {
        let Some(Step::Create(made)) = plan(&seen(&[("partitions", "3"), ("properties", "a=b")], None)).step else {
            panic!()
        };
        assert_eq!((made.partitions, &made.config["a"], made.deletion), (Some(3), &"b".to_owned(), Deletion::Keep));
        let again = seen(&[("partitions", "3"), ("properties", "a=b")], Some(claim(*made, Some("u1"))));
        assert_eq!(plan(&again), Plan::default(), "nothing at rest");
    }

    #[test]
    fn what_is_left_out_later_stays_as_it_is() {
        assert_eq!(plan(&seen(&[], Some(declared(Some(3))))), Plan::default());
        assert_eq!(updated(plan(&seen(&[("partitions", "6")], Some(declared(Some(3)))))).partitions, Some(6));
    }

    #[test]
    fn edits_of_the_claim_are_reverted() {
        let mut edited = declared(Some(3));
        edited.spec.deletion = Deletion::Delete;
        edited.spec.config.insert("retention.ms".into(), "1".into());
        assert_eq!(updated(plan(&seen(&[("partitions", "3")], Some(edited)))), declared(Some(3)).spec);
    }

    #[test]
    fn what_cannot_be_is_told_and_nothing_is_done() {
        for (data, reason) in [
            (("partitions", "2"), Reason::InvalidValue),
            (("name", "other"), Reason::InvalidValue),
            (("partitions", "none"), Reason::InvalidValue),
            (("properties", "a=1\na=2"), Reason::InvalidProperties),
        ] {
            let plan = plan(&seen(&[data], Some(declared(Some(3)))));
            assert_eq!((plan.step.is_none(), reasons(&plan)), (true, vec![reason]), "{data:?}");
        }
        let large = Observation { content: Content::TooLarge(900_000), ..seen(&[], Some(declared(Some(3)))) };
        assert_eq!((plan(&large).step, reasons(&plan(&large))), (None, vec![Reason::ConfigMapTooLarge]));
    }

    #[test]
    fn only_its_own_claim_or_one_of_pods_is_written() {
        let data = [("partitions", "6")];
        let by_hand = plan(&seen(&data, Some(claim(spec(None, TopicSource::Declared), None))));
        assert_eq!((by_hand.step.is_none(), reasons(&by_hand)), (true, vec![Reason::TopicClaimNotOurs]));
        let earlier = plan(&seen(&data, Some(claim(spec(None, TopicSource::Declared), Some("u0")))));
        assert_eq!(earlier, Plan { waits: true, ..Plan::default() });
        let implicit = plan(&seen(&data, Some(claim(spec(None, TopicSource::Producer), None))));
        assert_eq!(updated(implicit), spec(Some(6), TopicSource::Declared));
        let other = plan(&seen(&[("name", "x")], Some(claim(spec(None, TopicSource::Producer), None))));
        assert_eq!(reasons(&other), [Reason::TopicClaimNotOurs]);
    }

    #[test]
    fn what_keeps_the_claim_back_is_told() {
        let mut held = declared(None);
        let mut status = TopicClaimStatus::default();
        let now = Time(Timestamp::now());
        Conditions::new(&mut status.conditions, None, now).say(READY, false, Reason::TopicOwnedElsewhere, "theirs");
        held.status = Some(status);
        let plan = plan(&seen(&[("partition", "3")], Some(held)));
        assert_eq!(reasons(&plan), [Reason::UnknownConfigMapKey, Reason::TopicOwnedElsewhere]);
    }
}
