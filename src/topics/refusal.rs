//! What is said of a claim where Kafka refuses what it asks for, and how soon the same is asked again. Pure.

use std::time::Duration;

use kafka_protocol::error::ResponseError as Code;

use super::RESYNC;
use super::moves::Progress;
use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicClaimStatus, TopicLimits};
use crate::clusters::Unusable;
use crate::intent::claim::judge;
use crate::kafka::error::Error;

/// How soon what Kafka denies us is tried again: somebody has to grant it. What it refuses as such waits for the next look.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How soon Kafka is asked again that had too few brokers: they come back by themselves.
const BROKERS_AGAIN: Duration = Duration::from_secs(10);
/// How soon what a quota delays is tried again, whatever Kafka says.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// Puts Kafka's answer into a reason, and words that say what of the claim is meant.
#[must_use]
pub fn of(error: &Error, claim: &TopicClaim) -> Unusable {
    let topic = &claim.spec.topic_name;
    let kafka = &error.context().reason;
    let said = |reason, message| Unusable { reason, message };
    match error.code() {
        Some(Code::InvalidReplicationFactor | Code::InvalidReplicaAssignment) => said(
            Reason::TooManyReplicas,
            format!("topic {topic} cannot have the replicas that are asked for: Kafka says: {kafka}"),
        ),
        // One code for a name that breaks the rules and for one that another topic stands in the way of.
        Some(Code::InvalidTopicException) if kafka.contains("collide") => {
            said(Reason::TopicNameCollides, format!("topic {topic} cannot be made: Kafka says: {kafka}"))
        }
        Some(Code::InvalidTopicException) => {
            said(Reason::InvalidTopicName, format!("topic {topic} cannot be made: Kafka says: {kafka}"))
        }
        Some(Code::InvalidConfig) => {
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let found = judge(&claim.spec, &TopicLimits::default(), namespace);
            let unknown = found.iter().find(|problem| problem.reason == Reason::UnknownTopicConfig);
            match unknown {
                Some(problem) => said(
                    Reason::UnknownTopicConfig,
                    format!("{}: \"{}\" {}; Kafka says: {kafka}", problem.place, problem.value, problem.rule),
                ),
                None => said(
                    Reason::InvalidTopicConfig,
                    format!("a setting of topic {topic} cannot be: Kafka says: {kafka}"),
                ),
            }
        }
        // Without the time that is left: what is said anew with every try is no news.
        Some(Code::ThrottlingQuotaExceeded) => said(
            Reason::Provisioning,
            "Kafka's quota of changes (controller_mutation_rate) is used up; it is tried again when Kafka says"
                .to_owned(),
        ),
        _ => said(error.into(), error.to_string()),
    }
}

/// Whether an error is told of a claim that was ready: Kafka refuses us, or what was asked of it. An answer that has no place is one to what
/// was asked; to a question it says nothing of the topic.
#[must_use]
pub fn is_told(error: &Error, asked: bool) -> bool {
    let lacking = [Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed].map(Some).contains(&error.code());
    lacking || matches!(error, Error::Invalid(_)) || (asked && matches!(error, Error::Unknown(_)))
}

/// What is known of a topic after an error: `before` by the claim's status, `asked` whether Kafka was asked to change something, and `reached`
/// what it has where some of that was done; `progress` is how far replicas have come, where that was looked at.
#[must_use]
pub fn facts_after(
    error: &Error,
    before: TopicClaimStatus,
    asked: bool,
    reached: Option<&TopicClaimStatus>,
    progress: Option<&Progress>,
) -> TopicClaimStatus {
    let mut facts = before;
    if asked && matches!(error, Error::Invalid(_) | Error::Denied(_)) && !brokers_lack(error) {
        // Kafka said no: what comes to be under this name later is not of our making. What is asked again soon stays on record, or each
        // try would write it twice.
        facts.creating = None;
    }
    if let Some(reached) = reached {
        let TopicClaimStatus { topic_id, creating, partitions, replicas, config, managed_config, .. } = reached.clone();
        facts = TopicClaimStatus { topic_id, creating, partitions, replicas, config, managed_config, ..facts };
    }
    if let Some(progress) = progress {
        facts.moving = progress.moving;
    }
    facts
}

/// Whether there are too few brokers for now.
fn brokers_lack(error: &Error) -> bool {
    let codes = [Code::InvalidReplicationFactor, Code::InvalidReplicaAssignment];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// How long Kafka is not asked the same again; `None` where another try may succeed at any time.
#[must_use]
pub fn pause(error: &Error) -> Option<Duration> {
    match error {
        Error::Retriable(_) | Error::Fenced(_) => error.retry_after().map(|wait| wait.max(LEAST_WAIT)),
        _ if brokers_lack(error) => Some(BROKERS_AGAIN),
        Error::Invalid(_) => Some(RESYNC),
        Error::Denied(_) | Error::Unknown(_) => Some(ASK_AGAIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicIntent};

    fn error(code: i16) -> Error {
        Error::check("CreateTopics", "b:1", code, None).unwrap_err()
    }

    #[test]
    fn what_was_about_to_be_made_is_forgotten_only_where_kafka_said_no_for_good() {
        let creating = || Some(TopicIntent { partitions: 3, replicas: -1, config: None });
        let before = || TopicClaimStatus { creating: creating(), partitions: Some(1), ..TopicClaimStatus::default() };
        for (code, asked, stands, case) in [
            (40, true, false, "a setting that cannot be"),
            (17, true, false, "a name that cannot be"),
            (29, true, false, "a right is lacking"),
            (40, false, true, "nothing was asked for: a question was refused"),
            (38, true, true, "too few brokers for now: it is asked again soon, and would be written each time"),
            (39, true, true, "no such assignment for now"),
            (7, true, true, "no answer in time: it may have been made"),
            (-1, true, true, "an error of the broker's own: nobody knows what it did"),
            (89, true, true, "a quota is used up"),
        ] {
            let facts = facts_after(&error(code), before(), asked, None, None);
            assert_eq!((facts.creating.is_some(), facts.partitions), (stands, Some(1)), "{case}");
        }
    }

    #[test]
    fn what_was_done_in_part_is_known_and_the_rest_of_the_status_stands() {
        let before = TopicClaimStatus {
            creating: Some(TopicIntent { partitions: 3, replicas: -1, config: None }),
            cluster: Some("a/b".to_owned()),
            moving: Some(2),
            ..TopicClaimStatus::default()
        };
        let reached =
            TopicClaimStatus { topic_id: Some("id".to_owned()), partitions: Some(3), ..TopicClaimStatus::default() };
        let facts = facts_after(&error(40), before.clone(), true, Some(&reached), None);
        assert_eq!((facts.topic_id.as_deref(), facts.partitions, facts.creating), (Some("id"), Some(3), None));
        assert_eq!((facts.cluster.as_deref(), facts.moving), (Some("a/b"), Some(2)), "nobody looked at replicas");
        let progress = Progress { moving: Some(1), ..Progress::default() };
        assert_eq!(facts_after(&error(40), before.clone(), true, None, Some(&progress)).moving, Some(1));
        assert_eq!(facts_after(&error(40), before, true, None, Some(&Progress::default())).moving, None, "it is done");
    }

    #[test]
    fn the_same_is_asked_again_as_soon_as_it_may_succeed() {
        for (code, again, case) in [
            (38, Some(BROKERS_AGAIN), "brokers come back by themselves"),
            (39, Some(BROKERS_AGAIN), "and so does an assignment that can be"),
            (40, Some(RESYNC), "a setting that cannot be"),
            (29, Some(ASK_AGAIN), "somebody has to grant it"),
            (-1, Some(ASK_AGAIN), "an error of the broker's own"),
            (7, None, "no answer in time: at any time"),
        ] {
            assert_eq!(pause(&error(code)), again, "{case}");
        }
        for (millis, waits) in [(0, LEAST_WAIT), (3000, Duration::from_secs(3))] {
            assert_eq!(pause(&error(89).throttled_for(millis)), Some(waits), "a quota that is used up for {millis} ms");
        }
    }

    fn reason(code: i16, words: &str, config: &str) -> Reason {
        let json = serde_json::json!({"topicName": "a.b", "cluster": "a/b", "config": {config: "1"}});
        let claim = TopicClaim::new("a", serde_json::from_value::<TopicClaimSpec>(json).unwrap());
        let error = Error::check("CreateTopics", "b:1", code, Some(words)).unwrap_err();
        let said = of(&error, &claim);
        assert!(said.reason == Reason::Provisioning || said.message.contains(words), "{}", said.message);
        said.reason
    }

    #[test]
    fn what_kafka_refuses_is_told_of_a_topic_that_is_ready_and_an_outage_is_not() {
        for (code, asked, told, case) in [
            (29, false, true, "a right on the topic is lacking"),
            (31, true, true, "a right on the cluster is lacking"),
            (40, true, true, "a setting that cannot be"),
            (-1, true, true, "an edit that ends in an error of the broker's own"),
            (-1, false, false, "a question that does"),
            (7, true, false, "no answer in time"),
            (89, true, false, "a quota is used up"),
            (58, true, false, "our password is wrong"),
        ] {
            let error = Error::check("IncrementalAlterConfigs", "b:1", code, None).unwrap_err();
            assert_eq!(is_told(&error, asked), told, "{case}");
        }
    }

    #[test]
    fn kafkas_codes_have_reasons_of_their_own() {
        for (code, words, config, expected) in [
            (38, "Unable to replicate the partition 4 time(s)", "flush.ms", Reason::TooManyReplicas),
            (17, "Topic 'a.b' collides with existing topics: a_b", "flush.ms", Reason::TopicNameCollides),
            (17, "too long", "flush.ms", Reason::InvalidTopicName),
            (40, "Unknown topic config name: colour", "colour", Reason::UnknownTopicConfig),
            (40, "Invalid value", "flush.ms", Reason::InvalidTopicConfig),
            (89, "", "flush.ms", Reason::Provisioning),
            (44, "no", "flush.ms", Reason::KafkaRefused),
            (7, "", "flush.ms", Reason::KafkaUnreachable),
        ] {
            assert_eq!(reason(code, words, config), expected, "{code} {words}");
        }
    }
}
