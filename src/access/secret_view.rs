//! A credential Secret, as it stands towards an access. Pure.

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use k8s_openapi::jiff::Timestamp;

use super::observe::SecretView;
use crate::api::annotations::{ACCESS, MANAGED_BY, MANAGER, PUBLISHED, ROTATION};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::kafka::scram::Mechanism;

/// A Secret as it stands towards an access, given by its name and the name of its own Secret, at this time.
pub(super) fn view(secret: KubeSecret, (access, own_name): (&str, &str), now: Timestamp) -> SecretView {
    let label = |key: &str| secret.metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let ours = label(MANAGED_BY).is_some_and(|by| by == MANAGER);
    // One from before Secrets carried the label is known by its name.
    let belongs = label(ACCESS).map_or(secret.metadata.name.as_deref() == Some(own_name), |of| of == access);
    if !(ours && belongs) {
        return SecretView::Foreign;
    }
    let annotation = |key: &str| secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
    let rotation = annotation(ROTATION).and_then(|number| number.parse().ok()).unwrap_or(0);
    let made = secret.metadata.creation_timestamp.as_ref().map_or(now, |made| made.0);
    let published = annotation(PUBLISHED).and_then(|time| time.parse().ok()).unwrap_or(made);
    let text = |bytes: Vec<u8>| Secret::new(String::from_utf8(bytes).unwrap_or_default());
    let data = secret.data.into_iter().flatten().map(|(key, bytes)| (key, text(bytes.0))).collect();
    SecretView::Ours {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        rotation,
        published,
        data,
    }
}

impl SecretView {
    /// The mechanism that it tells clients to use.
    #[must_use]
    pub fn mechanism(&self) -> Option<Mechanism> {
        match self {
            Self::Ours { data, .. } => data.get(keys::SASL_MECHANISM)?.expose().parse().ok(),
            Self::Absent | Self::Foreign => None,
        }
    }

    /// The consumer group that it tells.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Ours { data, .. } => data.get(keys::GROUP_ID).map(Secret::expose),
            Self::Absent | Self::Foreign => None,
        }
    }

    /// The transactional id that it tells.
    #[must_use]
    pub fn transactional_id(&self) -> Option<&str> {
        match self {
            Self::Ours { data, .. } => data.get(keys::TRANSACTIONAL_ID).map(Secret::expose),
            Self::Absent | Self::Foreign => None,
        }
    }

    /// The password that was published; nothing where there is none that Kafka would take.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Ours { data, .. } => data.get(keys::PASSWORD).filter(|password| !password.expose().is_empty()),
            Self::Absent | Self::Foreign => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(name: &str, labels: &[(&str, &str)]) -> bool {
        let mut secret = KubeSecret::default();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.labels =
            Some(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        matches!(view(secret, ("web", "web-kafka-credentials"), Timestamp::UNIX_EPOCH), SecretView::Ours { .. })
    }

    #[test]
    fn a_secret_is_ours_by_its_mark_and_its_access() {
        let (mark, own) = ((MANAGED_BY, MANAGER), "web-kafka-credentials");
        assert!(is_ours(own, &[mark, (ACCESS, "web")]));
        assert!(is_ours("mine", &[mark, (ACCESS, "web")]));
        assert!(is_ours(own, &[mark]), "one from before Secrets said whose they are");
        assert!(!is_ours("admittance-webhook-ca", &[mark]), "what we wrote for other ends is no credential");
        assert!(!is_ours(own, &[mark, (ACCESS, "shop")]), "another access has taken the name");
        assert!(!is_ours(own, &[(ACCESS, "web")]));
        assert!(!is_ours(own, &[(MANAGED_BY, "Helm"), (ACCESS, "web")]));
        assert!(!is_ours(own, &[]));
    }
}
