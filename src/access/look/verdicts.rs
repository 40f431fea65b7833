//! Grants that the API server told of, kept for a moment: accesses that share an account, and an access that is looked at again because
//! its Pods come and go, ask the same. A denial takes rights away, so it is never an old one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::given::lending::Verdict;

/// How old what is said may be. An access is looked at every 30 s where this matters, so that the right to what is lent no more goes
/// within 45 s.
const VALID: Duration = Duration::from_secs(15);

/// What was asked. The groups of a service account follow from its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The namespace of the service account.
    pub namespace: String,
    /// Its name.
    pub account: String,
    /// What it is to do.
    pub verb: &'static str,
    /// With an object of this kind, in lower case and the plural.
    pub resource: &'static str,
    /// Namespace and name of the object.
    pub object: (String, String),
}

/// What was said lately.
#[derive(Debug, Default)]
pub struct Verdicts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    said: HashMap<Asked, (Instant, Verdict)>,
    cleared: Option<Instant>,
}

impl Verdicts {
    /// What was said, if that is not too long ago.
    #[must_use]
    pub fn known(&self, asked: &Asked) -> Option<Verdict> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, verdict) = known.said.get(asked)?;
        (when.elapsed() < VALID).then(|| verdict.clone())
    }

    /// Remembers what is granted; all else is asked again.
    pub fn note(&self, asked: Asked, verdict: &Verdict) {
        if !matches!(verdict, Verdict::Granted { .. }) {
            return;
        }
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.cleared.is_none_or(|then| now - then >= VALID) {
            known.said.retain(|_, (when, _)| now - *when < VALID);
            known.cleared = Some(now);
        }
        known.said.insert(asked, (now, verdict.clone()));
    }
}

/// The binding that Kubernetes' RBAC authorizer names: `RBAC: allowed by RoleBinding "readers/shop" of Role …`, name before namespace.
pub(super) fn binding(reason: &str) -> String {
    let Some((kind, rest)) = reason.strip_prefix("RBAC: allowed by ").and_then(|rest| rest.split_once(" \"")) else {
        return if reason.is_empty() { "another authorizer than RBAC".to_owned() } else { reason.to_owned() };
    };
    let name = rest.split('"').next().unwrap_or_default();
    match name.split_once('/') {
        Some((name, namespace)) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> Asked {
        let object = ("shop".to_owned(), name.to_owned());
        Asked { namespace: "web".into(), account: "default".into(), verb: "consume", resource: "topicclaims", object }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_is_known_for_a_moment_and_then_forgotten() {
        let (verdicts, granted) = (Verdicts::default(), Verdict::Granted { via: "x".to_owned() });
        verdicts.note(asked("a"), &granted);
        verdicts.note(asked("b"), &Verdict::Unknown("away".to_owned()));
        verdicts.note(asked("d"), &Verdict::Denied { account: "default".to_owned() });
        assert_eq!(verdicts.known(&asked("a")), Some(granted.clone()));
        assert_eq!(verdicts.known(&asked("b")), None, "it is asked again");
        assert_eq!(verdicts.known(&asked("d")), None, "a binding may have been replaced");
        assert_eq!(verdicts.known(&Asked { verb: "produce", ..asked("a") }), None);
        tokio::time::advance(VALID).await;
        assert_eq!(verdicts.known(&asked("a")), None);
        verdicts.note(asked("c"), &granted);
        assert_eq!(verdicts.0.lock().unwrap().said.len(), 1);
    }

    #[test]
    fn the_binding_is_read_from_kubernetes_words() {
        let said = "RBAC: allowed by RoleBinding \"readers/shop\" of Role \"consume-orders\" to ServiceAccount \"default/web\"";
        assert_eq!(binding(said), "RoleBinding shop/readers");
        let cluster = "RBAC: allowed by ClusterRoleBinding \"all\" of ClusterRole \"x\" to Group \"y\"";
        assert_eq!(binding(cluster), "ClusterRoleBinding all");
        assert_eq!(binding(""), "another authorizer than RBAC");
        assert_eq!(binding("webhook said so"), "webhook said so");
    }
}
