//! The contract of 2017 (nbogojevic/kafka-operator): other spellings of ours, under a label, on a Pod template or on a Deployment.

use super::problem::shown;
use super::{Intent, PodMeta, Problem, request};
use crate::api::annotations::{
    CONSUMES_2017, CONTAINERS, ENV, LABEL_2017, LABEL_2017_VALUES, PROBE, PRODUCES_2017, SECRET_2017, WAIT,
};
use crate::api::names::{ClusterRef, check_object};
use crate::api::reasons::Reason;

/// Keys of one meaning.
type Spellings = &'static [&'static str];

/// Keys that say what a Pod is given: where nothing is put into Pods they would be heeded by nobody.
const OF_PODS_ALONE: &[&str] = &[CONTAINERS, ENV, PROBE, WAIT];

/// The spellings for consumed and for produced topics that count for a Pod: none without the label.
pub(super) fn spellings(pod: &PodMeta<'_>) -> (Spellings, Spellings) {
    if is_worn(pod) { (CONSUMES_2017, PRODUCES_2017) } else { (&[], &[]) }
}

fn is_worn(meta: &PodMeta<'_>) -> bool {
    meta.labels.get(LABEL_2017).is_some_and(|value| LABEL_2017_VALUES.contains(value))
}

/// What to tell an author who named the Secret, as the contract allowed. Ours is named after the workload: see
/// docs/decisions/0030-contract-of-2017.md.
pub(super) fn another_secret(pod: &PodMeta<'_>, intent: &Intent) -> Option<String> {
    let named = pod.annotations.get(SECRET_2017).filter(|_| is_worn(pod))?.trim();
    let ours = intent.secret_name();
    (named != ours)
        .then(|| format!("topic-secret \"{}\" is not made: the Secret is \"{}\"", shown(named), shown(&ours)))
}

/// Whether a Deployment itself asks, by its own label and annotations.
#[must_use]
pub fn deployment_asks(deployment: &PodMeta<'_>) -> bool {
    is_worn(deployment) && request::asks(deployment)
}

/// Reads what a Deployment itself asks for; nothing where it has not the label, or asks for nothing. Its metadata stand in the place
/// of a Pod's, with the Deployment as the owner.
///
/// # Errors
/// What is wrong with the request.
pub fn of_deployment(deployment: &PodMeta<'_>, default_cluster: &ClusterRef) -> Result<Option<Intent>, Vec<Problem>> {
    if !is_worn(deployment) {
        return Ok(None);
    }
    let Some(mut intent) = request::read(deployment, default_cluster)? else { return Ok(None) };
    let misplaced = OF_PODS_ALONE.iter().filter_map(|key| Some((*key, *deployment.annotations.get(key)?)));
    let rule =
        "says what a Pod is given, and a Deployment's own annotations give it nothing: annotate the Pod template";
    let mut problems: Vec<Problem> =
        misplaced.map(|(key, value)| Problem::new(Reason::UnknownAnnotation, key, value, rule)).collect();
    if let Some(named) = deployment.annotations.get(SECRET_2017).map(|named| named.trim()) {
        match check_object(named) {
            Err(error) => problems.push(Problem::new(Reason::InvalidValue, SECRET_2017, named, error.to_string())),
            Ok(()) => intent.secret = (named != intent.secret_name()).then(|| named.to_owned()),
        }
    }
    // What a Pod's author is warned of does not hold here.
    intent.warnings.clear();
    if problems.is_empty() { Ok(Some(intent)) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotations::{CONSUMES, INJECTION};
    use crate::intent::Owner;

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

    fn of(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Result<Option<Intent>, Vec<Problem>> {
        let home = ClusterRef { namespace: "admittance".into(), name: "default".into() };
        let owner = Some(Owner { group: "apps", kind: "Deployment", name: "web" });
        let (labels, annotations) = (labels.iter().copied().collect(), annotations.iter().copied().collect());
        of_deployment(&PodMeta { namespace: "shop", labels, annotations, owner, ..PodMeta::default() }, &home)
    }

    #[test]
    fn a_deployment_asks_for_itself_under_its_label_alone() {
        let worn = [(LABEL_2017, "inject-credentials")];
        let intent = of(&worn, ANNOTATIONS).unwrap().unwrap();
        assert_eq!((intent.access_name().as_str(), &intent.secret), ("web", &None));
        assert_eq!(topics(Some(intent)), ["a b c", "d"]);
        assert_eq!(of(&[], &[(CONSUMES, "e")]).unwrap(), None, "ours count on Pods, unless the label says otherwise");
        assert_eq!(of(&worn, &[]).unwrap(), None);
        assert_eq!(of(&[worn[0], (INJECTION, "disabled")], ANNOTATIONS).unwrap(), None);
    }

    #[test]
    fn a_deployment_may_name_its_secret() {
        let secret = |name| of(&[(LABEL_2017, "inject-creds")], &[("consumes", "a"), (SECRET_2017, name)]);
        assert_eq!(secret(" mine ").unwrap().unwrap().secret.as_deref(), Some("mine"));
        assert_eq!(secret("web-kafka-credentials").unwrap().unwrap().secret, None);
        for bad in ["", "My_Secret", "a/b", &"x".repeat(254)] {
            assert_eq!(secret(bad).unwrap_err()[0].reason, Reason::InvalidValue, "{bad}");
        }
    }

    #[test]
    fn what_speaks_of_pods_is_refused_on_a_deployment() {
        for key in OF_PODS_ALONE {
            let value = if *key == PROBE || *key == ENV { "none" } else { "secret" };
            let problems = of(&[(LABEL_2017, "inject-creds")], &[("consumes", "a"), (key, value)]).unwrap_err();
            assert_eq!((problems[0].reason, problems[0].place.as_str()), (Reason::UnknownAnnotation, *key));
        }
    }
}
