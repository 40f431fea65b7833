//! The contract of 2017 (nbogojevic/kafka-operator), where a Pod template carries it: other spellings of ours, under a label.

use super::problem::shown;
use super::{Intent, PodMeta};
use crate::api::annotations::{CONSUMES_2017, LABEL_2017, LABEL_2017_VALUES, PRODUCES_2017, SECRET_2017};

/// Keys of one meaning.
type Spellings = &'static [&'static str];

/// The spellings for consumed and for produced topics that count for a Pod: none without the label.
pub(super) fn spellings(pod: &PodMeta<'_>) -> (Spellings, Spellings) {
    if is_worn(pod) { (CONSUMES_2017, PRODUCES_2017) } else { (&[], &[]) }
}

fn is_worn(pod: &PodMeta<'_>) -> bool {
    pod.labels.get(LABEL_2017).is_some_and(|value| LABEL_2017_VALUES.contains(value))
}

/// What to tell an author who named the Secret, as the contract allowed. Ours is named after the workload: see
/// docs/decisions/0030-contract-of-2017.md.
pub(super) fn another_secret(pod: &PodMeta<'_>, intent: &Intent) -> Option<String> {
    let named = pod.annotations.get(SECRET_2017).filter(|_| is_worn(pod))?.trim();
    let ours = intent.secret_name();
    (named != ours)
        .then(|| format!("topic-secret \"{}\" is not made: the Secret is \"{}\"", shown(named), shown(&ours)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotations::CONSUMES;
    use crate::api::names::ClusterRef;
    use crate::intent::request;

    const ANNOTATIONS: &[(&str, &str)] =
        &[("consumes", "a"), ("topic.kafka.nb/consumes-topics", "b,c"), ("topic.kafka.nb/produces", "d")];

    fn read(label: Option<&str>, more: &[(&str, &str)]) -> Option<Intent> {
        let home = ClusterRef { namespace: "admittance".into(), name: "default".into() };
        let annotations = ANNOTATIONS.iter().chain(more).copied().collect();
        let labels = label.into_iter().map(|value| (LABEL_2017, value)).collect();
        request::read(&PodMeta { name: Some("web"), labels, annotations, ..PodMeta::default() }, &home).unwrap()
    }

    fn topics(intent: Option<Intent>) -> [String; 2] {
        let intent = intent.unwrap();
        let names = [intent.consumes, intent.produces].map(|names| names.into_iter().map(|name| name.to_string()));
        names.map(|names| names.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn its_keys_count_under_its_label_alone() {
        assert_eq!(topics(read(Some("inject-credentials"), &[])), ["a b c", "d"]);
        assert_eq!(topics(read(Some("inject-creds"), &[(CONSUMES, "c, e")])), ["a b c e", "d"]);
        assert_eq!(topics(read(None, &[(CONSUMES, "e")])), ["e", ""]);
        assert_eq!(topics(read(Some("true"), &[(CONSUMES, "e")])), ["e", ""]);
        assert_eq!(read(None, &[]), None);
    }

    #[test]
    fn a_secret_that_is_not_made_is_named() {
        let warnings = |label, secret| read(label, &[(CONSUMES, "e"), (SECRET_2017, secret)]).unwrap().warnings;
        let told = "topic-secret \"mine\" is not made: the Secret is \"web-kafka-credentials\"";
        assert_eq!(warnings(Some("inject-creds"), " mine "), [told]);
        assert_eq!(warnings(Some("inject-creds"), "web-kafka-credentials"), [""; 0]);
        assert_eq!(warnings(None, "mine"), [""; 0]);
    }
}
