//! Why a look stopped before its end, in all controllers that speak to Kafka.

use kafka_protocol::error::ResponseError as Code;

use super::Unusable;
use crate::api::reasons::Reason;
use crate::kafka::error::Error;
use crate::kafka::proof::Unproven;
use crate::runtime::kubernetes::CallError;

/// Why a look stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The API server refused or was not reached.
    #[error(transparent)]
    Kubernetes(#[from] CallError),
    /// Kafka refused or was not reached.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// Brokers do not serve what should be there.
    #[error("not every broker serves the access yet: {0}")]
    Unproven(#[from] Unproven),
    /// The cluster cannot be worked with, or what is asked for cannot be.
    #[error("{}", .0.message)]
    Unusable(Unusable),
    /// Somebody wrote meanwhile what the decision rests on; the words say what.
    #[error("{0}")]
    Changed(&'static str),
    /// Something failed that has no code of its own.
    #[error("{0}")]
    Failed(String),
}

impl Halt {
    /// What is asked for cannot be, for this reason.
    #[must_use]
    pub fn refused(reason: Reason, message: String) -> Self {
        Self::Unusable(Unusable { reason, message })
    }

    /// Somebody else wrote first: everything must be looked at afresh, and nobody needs to be told.
    #[must_use]
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Changed(_)) || matches!(self, Self::Kubernetes(error) if error.code() == Some(409))
    }

    /// As it is told to whom it concerns.
    #[must_use]
    pub fn unusable(&self) -> Unusable {
        let reason = match self {
            Self::Kafka(error) | Self::Unproven(Unproven { error, .. }) => error.into(),
            Self::Unusable(unusable) => unusable.reason,
            Self::Kubernetes(_) | Self::Failed(_) | Self::Changed(_) => Reason::Provisioning,
        };
        Unusable { reason, message: self.to_string() }
    }
}

/// What an error of Kafka means for what was asked of it.
impl From<&Error> for Unusable {
    fn from(error: &Error) -> Self {
        Self { reason: error.into(), message: error.to_string() }
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        match (error, error.code()) {
            (_, Some(Code::SaslAuthenticationFailed)) => Self::KafkaAuthenticationFailed,
            (_, Some(Code::UnsupportedSaslMechanism)) => Self::MechanismNotOffered,
            (_, Some(Code::SecurityDisabled)) => Self::NoAuthorizer,
            (Error::Denied(_), Some(_)) => Self::KafkaAuthorizationFailed,
            // A right is always refused by a code: without one it is the certificate, or the login.
            (Error::Denied(_), None) => Self::KafkaAuthenticationFailed,
            (Error::Retriable(_), _) => Self::KafkaUnreachable,
            _ => Self::KafkaRefused,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> Halt {
        let status = Status::failure("no", "Conflict").with_code(code).boxed();
        CallError::Failed { what: "write it", source: Box::new(kube::Error::Api(status)) }.into()
    }

    #[test]
    fn who_is_not_known_is_told_apart_from_who_lacks_a_right() {
        let by_code = |code: Code| Error::check("Test", "b:1", code.code(), None).unwrap_err();
        for (error, reason) in [
            (Error::denied("TLS handshake", "b:1", "unknown issuer"), Reason::KafkaAuthenticationFailed),
            (by_code(Code::SaslAuthenticationFailed), Reason::KafkaAuthenticationFailed),
            (by_code(Code::UnsupportedSaslMechanism), Reason::MechanismNotOffered),
            (by_code(Code::SecurityDisabled), Reason::NoAuthorizer),
            (by_code(Code::ClusterAuthorizationFailed), Reason::KafkaAuthorizationFailed),
            (by_code(Code::GroupAuthorizationFailed), Reason::KafkaAuthorizationFailed),
            (Error::unreachable("TCP connect", "b:1", "refused"), Reason::KafkaUnreachable),
            (by_code(Code::TopicDeletionDisabled), Reason::KafkaRefused),
        ] {
            assert_eq!(Unusable::from(&error).reason, reason, "{error}");
        }
    }

    #[test]
    fn who_merely_wrote_second_is_told_nothing() {
        for (halt, race, reason) in [
            (answered(409), true, Reason::Provisioning),
            (answered(403), false, Reason::Provisioning),
            (Halt::Changed("it has changed"), true, Reason::Provisioning),
            (Halt::Failed("no random numbers".to_owned()), false, Reason::Provisioning),
            (Halt::refused(Reason::AccessTaken, "two have it".to_owned()), false, Reason::AccessTaken),
        ] {
            assert_eq!((halt.is_race(), halt.unusable().reason), (race, reason), "{halt}");
        }
    }
}
