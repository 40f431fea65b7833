//! What is said of a claim where Kafka refuses what it asks for. Pure.

use kafka_protocol::error::ResponseError as Code;

use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicLimits};
use crate::clusters::Unusable;
use crate::intent::claim::judge;
use crate::kafka::error::Error;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::TopicClaimSpec;

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
