//! The check: does this Pod's access to Kafka work?

use std::{path::Path, time::Duration};

use kafka_protocol::{
    error::ResponseError,
    messages::{MetadataRequest, MetadataResponse, TopicName, metadata_request::MetadataRequestTopic},
    protocol::StrBytes,
};
use tokio::time::{Instant, timeout_at};

use super::settings::{Settings, SettingsError};
use crate::kafka::{
    acl::Operation,
    config::{ClientConfig, Endpoint},
    error::Error,
    wire::connector::Connector,
};

/// What is asked of one Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The topics that it reads itself: the Secret may be from before it asked for them.
    pub consumes: Vec<String>,
    /// Those that it writes.
    pub produces: Vec<String>,
    /// For all of it.
    pub timeout: Duration,
}

/// Why the Pod is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The Secret is not there or not whole.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Kafka cannot be asked.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// Kafka refuses the login.
    #[error(
        "{0}; the password in the mounted Secret may be an older one: the kubelet refreshes it within two minutes; see the AccessClaim"
    )]
    Login(Error),
    /// A topic is not as declared.
    #[error("topic `{topic}` at {broker}: {reason}")]
    Topic {
        /// Which.
        topic: String,
        /// Who said so.
        broker: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// Time is up.
    #[error("no answer from {brokers} within {within:?}; is Kafka up, and does a NetworkPolicy allow the way to it?")]
    Timeout {
        /// Who was asked.
        brokers: String,
        /// The time there was.
        within: Duration,
    },
}

/// Connects as the application would, and checks the topics that the Secret lists and those of the Pod. Gives a line that says what was
/// seen.
///
/// # Errors
/// [`NotReady`]
pub async fn check(directory: &Path, terms: &Terms) -> Result<String, NotReady> {
    let timeout = terms.timeout;
    let deadline = Instant::now() + timeout;
    let mut settings = Settings::read(directory)?;
    settings.consumes.extend_from_slice(&terms.consumes);
    settings.produces.extend_from_slice(&terms.produces);
    let connector = Connector::new(&ClientConfig {
        tls: settings.tls.clone(),
        client_id: "admittance-probe".into(),
        // One broker that does not answer leaves time for two others.
        connect_timeout: timeout / u32::try_from(settings.bootstrap.len().clamp(1, 3)).unwrap_or(1),
        request_timeout: timeout,
        ..ClientConfig::new(settings.bootstrap.clone())
    })?;
    let late = |_| NotReady::Timeout { brokers: join(settings.bootstrap.iter()), within: timeout };
    timeout_at(deadline, first_answer(&connector, &settings, deadline)).await.map_err(late)?
}

/// Asks the brokers in turn; one that can be reached has the say.
async fn first_answer(connector: &Connector, settings: &Settings, deadline: Instant) -> Result<String, NotReady> {
    let mut last = None;
    for endpoint in &settings.bootstrap {
        match ask(connector, settings, endpoint, deadline).await {
            Err(NotReady::Kafka(error)) if error.is_retriable() => last = Some(error),
            answer => return answer,
        }
    }
    Err(last.map_or_else(|| Error::invalid("bootstrap", "", "no broker is named").into(), NotReady::Kafka))
}

async fn ask(
    connector: &Connector,
    settings: &Settings,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<String, NotReady> {
    let connection = connector.open(endpoint, settings.sasl.as_ref()).await.map_err(|error| match error.code() {
        Some(ResponseError::SaslAuthenticationFailed) => NotReady::Login(error),
        _ => NotReady::Kafka(error),
    })?;
    let mut names: Vec<_> = settings.consumes.iter().chain(&settings.produces).collect();
    names.sort();
    names.dedup();
    let topic = |name: &&String| {
        MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string((*name).clone()))))
    };
    let request = MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
        .with_include_topic_authorized_operations(true);
    let version = connection.version_of::<MetadataRequest>()?;
    let reply = connection.call(&request, version, deadline).await?;
    judge(&reply, settings, connection.peer())?;
    Ok(format!("ready: {} topics at {}", names.len(), connection.peer()))
}

/// Compares what a broker says about the topics with what is declared.
fn judge(reply: &MetadataResponse, settings: &Settings, broker: &str) -> Result<(), NotReady> {
    let consumed = settings.consumes.iter().map(|name| (name, Operation::Read));
    let produced = settings.produces.iter().map(|name| (name, Operation::Write));
    for (name, wanted) in consumed.chain(produced) {
        let wrong = |reason: String| NotReady::Topic { topic: name.clone(), broker: broker.into(), reason };
        let topic = reply
            .topics
            .iter()
            .find(|topic| topic.name.as_ref().is_some_and(|found| found.as_str() == name))
            .ok_or_else(|| wrong("the broker says nothing about it".into()))?;
        match ResponseError::try_from_code(topic.error_code) {
            None => {}
            Some(ResponseError::UnknownTopicOrPartition) => {
                return Err(wrong("does not exist; see its TopicClaim".into()));
            }
            Some(ResponseError::TopicAuthorizationFailed) => {
                return Err(wrong(format!("not even visible, {wanted:?} is needed; see the AccessClaim")));
            }
            Some(code) => return Err(wrong(code.to_string())),
        }
        if !Operation::from_bits(topic.topic_authorized_operations).contains(&wanted) {
            return Err(wrong(format!("{wanted:?} is not allowed; see the AccessClaim for who can grant it")));
        }
    }
    Ok(())
}

fn join<'a>(endpoints: impl Iterator<Item = &'a Endpoint>) -> String {
    endpoints.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::MetadataResponseTopic;

    use super::*;

    fn judged(error_code: i16, operations: &[Operation]) -> Result<(), String> {
        let bits = operations.iter().fold(0, |bits, operation| bits | 1 << operation.code());
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("payments"))))
            .with_error_code(error_code)
            .with_topic_authorized_operations(bits);
        let settings = Settings {
            bootstrap: vec![],
            tls: None,
            sasl: None,
            consumes: vec!["payments".into()],
            produces: vec!["payments".into()],
            group: None,
        };
        let reply = MetadataResponse::default().with_topics(vec![topic]);
        judge(&reply, &settings, "kafka:9093").map_err(|error| error.to_string())
    }

    #[test]
    fn both_rights_are_needed() {
        assert_eq!(judged(0, &[Operation::Read, Operation::Write, Operation::Describe]), Ok(()));
        let error = judged(0, &[Operation::Read]).unwrap_err();
        assert!(error.starts_with("topic `payments` at kafka:9093: Write is not allowed"), "{error}");
        assert!(judged(0, &[Operation::Write]).unwrap_err().contains("Read is not allowed"));
    }

    #[test]
    fn what_is_not_there_or_not_visible_is_told_apart() {
        assert!(judged(3, &[]).unwrap_err().contains("does not exist"));
        assert!(judged(29, &[]).unwrap_err().contains("not even visible"));
        assert!(judged(5, &[]).unwrap_err().contains("LeaderNotAvailable"));
    }
}
