//! What can go wrong between us and Kafka, sorted by what the caller should do about it.

use std::time::Duration;

use kafka_protocol::error::ResponseError;

/// A call to Kafka failed. The variant says what to do; the text says what, where and, if Kafka said so, why.
///
/// No variant ever carries a password, a key or a SASL message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Trying again may succeed: the network, a deadline, an election, a quota. If [`Error::outcome_unknown`] is true, a
    /// write may have happened: observe before you write again.
    #[error("{0} (temporary: try again)")]
    Retriable(Context),
    /// Somebody newer has taken over what the call spoke for: stop, and observe afresh.
    #[error("{0} (superseded: observe afresh)")]
    Fenced(Context),
    /// Kafka refuses us: the credential is wrong or the principal lacks a right. Somebody has to act.
    #[error("{0}")]
    Denied(Context),
    /// The request cannot succeed as it is, however often it is sent.
    #[error("{0}")]
    Invalid(Context),
    /// Kafka answered with something that has no place here: an unexpected code, or bytes that are not Kafka's protocol.
    #[error("{0}")]
    Unknown(Context),
}

/// Where a call failed, and why.
#[derive(Debug, Clone)]
pub struct Context {
    /// The API or the step, for example `CreateTopics` or `TLS handshake`.
    pub api: String,
    /// Who was asked, as `host:port`; empty where no broker was asked at all.
    pub broker: String,
    /// Kafka's error code, where Kafka sent one.
    pub code: Option<ResponseError>,
    /// The reason in words.
    pub reason: String,
    /// The request left us, and no answer to it came.
    pub outcome_unknown: bool,
    /// The answer came, and is larger than what is read.
    pub too_large: bool,
    /// How long Kafka asks to wait before the next try, where a quota is used up.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.api)?;
        if !self.broker.is_empty() {
            write!(formatter, " at {}", self.broker)?;
        }
        match &self.code {
            Some(code) if self.reason.is_empty() => write!(formatter, ": {code}"),
            Some(code) => write!(formatter, ": {code}: {}", self.reason),
            None => write!(formatter, ": {}", self.reason),
        }
    }
}

impl Error {
    /// Where and why, whatever the kind.
    #[must_use]
    pub fn context(&self) -> &Context {
        let (Self::Retriable(context)
        | Self::Fenced(context)
        | Self::Denied(context)
        | Self::Invalid(context)
        | Self::Unknown(context)) = self;
        context
    }

    /// Kafka's own code, where Kafka sent one.
    #[must_use]
    pub fn code(&self) -> Option<ResponseError> {
        self.context().code
    }

    /// Whether the request was sent and no answer came: a write may have happened or not.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        self.context().outcome_unknown
    }

    /// Whether the answer was too large to be read: a narrower question may be answered.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.context().too_large
    }

    /// How long Kafka asks to wait before the next try, where it refused because a quota is used up (KIP-599).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.context().retry_after
    }

    /// With the delay that the answer asks for, in milliseconds: meant for those whom a quota refused, and for nobody else.
    pub(crate) fn throttled_for(mut self, millis: i32) -> Self {
        if self.code() == Some(ResponseError::ThrottlingQuotaExceeded)
            && let Self::Retriable(context) = &mut self
        {
            context.retry_after = Some(Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
        }
        self
    }

    /// Whether trying the same again may succeed.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Retriable(_))
    }

    /// An error that Kafka reported by its code; `message` is Kafka's text about it, often empty.
    pub(crate) fn from_code(api: &str, broker: &str, code: ResponseError, message: &str) -> Self {
        let advice = advice(code);
        let reason = match (message.is_empty(), advice.is_empty()) {
            (_, true) => message.to_owned(),
            (true, false) => advice.to_owned(),
            (false, false) => format!("{message} {advice}"),
        };
        sort(code)(Context { code: Some(code), ..plain(api, broker, reason) })
    }

    /// `Ok` for code 0, else the error of that code.
    pub(crate) fn check(api: &str, broker: &str, code: i16, message: Option<&str>) -> Result<(), Self> {
        match ResponseError::try_from_code(code) {
            None => Ok(()),
            Some(code) => Err(Self::from_code(api, broker, code, message.unwrap_or_default())),
        }
    }

    /// A failure of the network or of time, before anything was sent.
    pub(crate) fn unreachable(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Retriable(plain(api, broker, reason))
    }

    /// A failure of the network or of time, after the request was sent.
    pub(crate) fn unanswered(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Retriable(Context { outcome_unknown: true, ..plain(api, broker, reason) })
    }

    /// The answer to a request that was carried out is larger than what is read. The same request is answered no better.
    pub(crate) fn too_large(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Invalid(Context { too_large: true, outcome_unknown: true, ..plain(api, broker, reason) })
    }

    /// The peer did not speak Kafka's protocol as we know it.
    pub(crate) fn protocol(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Unknown(plain(api, broker, reason))
    }

    /// What we were asked to do, or were configured with, cannot work.
    pub(crate) fn invalid(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Invalid(plain(api, broker, reason))
    }

    /// We are refused, or refuse the peer.
    pub(crate) fn denied(api: &str, broker: &str, reason: impl Into<String>) -> Self {
        Self::Denied(plain(api, broker, reason))
    }
}

fn plain(api: &str, broker: &str, reason: impl Into<String>) -> Context {
    Context {
        api: api.into(),
        broker: broker.into(),
        code: None,
        reason: reason.into(),
        outcome_unknown: false,
        too_large: false,
        retry_after: None,
    }
}

/// Which kind of error a code is. Codes that an admin client can never meet are `Unknown`.
fn sort(code: ResponseError) -> fn(Context) -> Error {
    use ResponseError as Code;
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::SecurityDisabled => Error::Denied,
        Code::StaleControllerEpoch
        | Code::StaleBrokerEpoch
        | Code::FencedLeaderEpoch
        | Code::BrokerIdNotRegistered
        | Code::InconsistentClusterId => Error::Fenced,
        Code::InvalidTopicException
        | Code::UnsupportedSaslMechanism
        | Code::IllegalSaslState
        | Code::UnsupportedVersion
        | Code::TopicAlreadyExists
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::PolicyViolation
        | Code::TopicDeletionDisabled
        | Code::InvalidPrincipalType
        | Code::ResourceNotFound
        | Code::DuplicateResource
        | Code::UnacceptableCredential
        | Code::MessageTooLarge => Error::Invalid,
        Code::BrokerNotAvailable | Code::OperationNotAttempted => Error::Retriable,
        other if other.is_retriable() => Error::Retriable,
        _ => Error::Unknown,
    }
}

/// What somebody could do about it, where the code alone says so.
fn advice(code: ResponseError) -> &'static str {
    match code {
        ResponseError::ClusterAuthorizationFailed => {
            "Grant the principal the operation on Cluster, or list it in the brokers' super.users."
        }
        ResponseError::SecurityDisabled => "The brokers have no authorizer: set authorizer.class.name.",
        ResponseError::UnsupportedSaslMechanism => "Add the mechanism to the brokers' sasl.enabled.mechanisms.",
        ResponseError::TopicDeletionDisabled => "The brokers have delete.topic.enable=false.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_sort_by_what_to_do() {
        let of = |code| Error::check("CreateTopics", "b:1", code, None).unwrap_err();
        assert!(matches!(of(7), Error::Retriable(_)));
        assert!(matches!(of(89), Error::Retriable(_)));
        assert!(matches!(of(29), Error::Denied(_)));
        assert!(matches!(of(77), Error::Fenced(_)));
        assert!(matches!(of(36), Error::Invalid(_)));
        assert!(matches!(of(-1), Error::Unknown(_)));
        assert!(matches!(of(9999), Error::Unknown(_)));
        assert!(Error::check("CreateTopics", "b:1", 0, None).is_ok());
    }

    #[test]
    fn the_delay_is_for_whom_a_quota_refused() {
        let of = |code| Error::check("CreateTopics", "b:1", code, None).unwrap_err().throttled_for(1500);
        assert_eq!(of(89).retry_after(), Some(Duration::from_millis(1500)));
        assert_eq!(of(7).retry_after(), None);
        assert_eq!(of(36).retry_after(), None);
    }

    #[test]
    fn the_text_says_what_where_and_why() {
        let error = Error::check("CreateAcls", "kafka-0:9093", 31, Some("Request not allowed.")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("CreateAcls at kafka-0:9093: ClusterAuthorizationFailed: Request not allowed. "),
            "{text}"
        );
        assert!(text.contains("super.users"), "{text}");
    }
}
