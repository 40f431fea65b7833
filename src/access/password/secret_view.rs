//! A credential Secret, as it stands towards an access. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use k8s_openapi::jiff::Timestamp;

use crate::api::annotations::{ACCESS, MANAGED_BY, MANAGER, PUBLISHED, ROTATION};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::kafka::scram::Mechanism;

/// A Secret that we look for.
#[derive(Debug, Clone, Default)]
pub enum SecretView {
    /// There is none.
    #[default]
    Absent,
    /// There is one, and it is not ours.
    Foreign,
    /// There is one of ours.
    Ours(Ours),
}

/// A Secret of ours.
#[derive(Debug, Clone)]
pub struct Ours {
    /// For a conditional replacement or removal.
    pub uid: String,
    /// For a conditional replacement or removal.
    pub resource_version: String,
    /// How many new passwords it has seen since the first.
    pub rotation: i64,
    /// When its password was published, by the API server's clock.
    pub published: Timestamp,
    /// What it holds.
    pub data: BTreeMap<String, Secret>,
}

/// A Secret as it stands towards an access, given by its name and the name of its own Secret, at this time.
pub(in crate::access) fn view(secret: KubeSecret, (access, own_name): (&str, &str), now: Timestamp) -> SecretView {
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
    SecretView::Ours(Ours {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        rotation,
        published,
        data,
    })
}

impl SecretView {
    /// The Secret, where it is ours.
    #[must_use]
    pub const fn ours(&self) -> Option<&Ours> {
        match self {
            Self::Ours(ours) => Some(ours),
            Self::Absent | Self::Foreign => None,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether it is another's.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign)
    }

    /// The mechanism that it tells clients to use.
    #[must_use]
    pub fn mechanism(&self) -> Option<Mechanism> {
        self.text(keys::SASL_MECHANISM)?.parse().ok()
    }

    /// The consumer group that it tells.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.text(keys::GROUP_ID)
    }

    /// The transactional id that it tells.
    #[must_use]
    pub fn transactional_id(&self) -> Option<&str> {
        self.text(keys::TRANSACTIONAL_ID)
    }

    /// The password that was published; nothing where there is none that Kafka would take.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        self.ours()?.data.get(keys::PASSWORD).filter(|password| !password.expose().is_empty())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.ours()?.data.get(key).map(Secret::expose)
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
        matches!(view(secret, ("web", "web-kafka-credentials"), Timestamp::UNIX_EPOCH), SecretView::Ours(_))
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
