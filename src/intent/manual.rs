//! What an `AccessClaim` that somebody wrote asks for, as far as it can be judged without Kafka. Pure; the operator and the webhook that
//! judges claims call the same functions.

use super::naming::{access_name, application, named_after};
use super::problem::{Problem, shown};
use crate::api::names::{ClusterRef, GroupName, NameError, TopicName, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaimSpec, Right};

/// Judges a claim of a namespace. Nothing is returned where all is well; what is wrong is named field by field.
///
/// `name` is the claim's own, absent while it is to be generated; `default` is the cluster of claims that name none.
#[must_use]
pub fn judge(spec: &AccessClaimSpec, name: Option<&str>, namespace: &str, default: &ClusterRef) -> Vec<Problem> {
    let mut found = Vec::new();
    identity(spec, name, default, &mut found);
    for (place, names, right) in [
        ("spec.consumes", &spec.consumes, Right::Consume),
        ("spec.produces", &spec.produces, Right::Produce),
        ("spec.groups", &spec.groups, Right::Join),
    ] {
        let faults = names.iter().filter_map(|name| Some((name, check(name, right)?)));
        found.extend(faults.map(|(name, (reason, error))| Problem::new(reason, place, name, error.to_string())));
    }
    for text in &spec.streams {
        if let Err(rule) = application(text, namespace) {
            found.push(Problem::new(Reason::InvalidGroupName, "spec.streams", text, rule));
        }
    }
    found
}

fn identity(spec: &AccessClaimSpec, name: Option<&str>, default: &ClusterRef, found: &mut Vec<Problem>) {
    let workload = WorkloadName::parse(&spec.workload);
    let workload = workload.map_err(|error| ("spec.workload", &spec.workload, error.to_string()));
    let cluster = cluster(&spec.cluster, default).map_err(|rule| ("spec.cluster", &spec.cluster, rule));
    for (place, value, rule) in workload.as_ref().err().into_iter().chain(cluster.as_ref().err()) {
        found.push(Problem::new(Reason::InvalidValue, place, value, rule.as_str()));
    }
    let (Ok(workload), Ok(cluster), Some(name)) = (workload, cluster, name) else { return };
    if named_after(name, &workload, &cluster, default).is_none() {
        let wanted = access_name(&workload, &cluster, default);
        let rule = format!("must be \"{wanted}\", as it follows from spec.workload and spec.cluster");
        found.push(Problem::new(Reason::AccessTaken, "metadata.name", name, rule));
    }
}

/// The cluster that a claim names, or the default. A claim's cluster is looked for by its text, so there is no short form as in a Pod's
/// annotation.
///
/// # Errors
/// The rule that the name breaks, as the end of a sentence that begins with it.
pub fn cluster(text: &str, default: &ClusterRef) -> Result<ClusterRef, String> {
    match text.split_once('/') {
        None if text.is_empty() => Ok(default.clone()),
        None => Err(format!("must be namespace/name, such as \"{}/{}\"", default.namespace, shown(text))),
        Some(_) => ClusterRef::parse(text, "").map_err(|error| error.to_string()),
    }
}

fn check(name: &str, right: Right) -> Option<(Reason, NameError)> {
    let checked = match right {
        Right::Consume | Right::Produce => TopicName::parse(name).map(|_| ()),
        Right::Join => GroupName::parse(name).map(|_| ()),
    };
    let error = checked.err()?;
    let reason = match (right, error) {
        (_, NameError::Internal) => Reason::InternalTopic,
        (Right::Join, _) => Reason::InvalidGroupName,
        _ => Reason::InvalidTopicName,
    };
    Some((reason, error))
}

/// What is wrong with a name that a claim carries: people write claims too, and a rule on `*` would be one on everything.
#[must_use]
pub fn fault(name: &str, right: Right) -> Option<(Reason, String)> {
    check(name, right).map(|(reason, error)| (reason, format!("\"{name}\" {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::AccessSource;

    fn home() -> ClusterRef {
        ClusterRef { namespace: "admittance".to_owned(), name: "default".to_owned() }
    }

    fn said(change: impl FnOnce(&mut AccessClaimSpec)) -> Vec<String> {
        let mut spec = AccessClaimSpec {
            source: AccessSource::Manual,
            workload: "batch".to_owned(),
            service_account: Some("batch".to_owned()),
            ..AccessClaimSpec::empty()
        };
        change(&mut spec);
        judge(&spec, Some("batch"), "shop", &home()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_means_everything_is_no_name() {
        assert_eq!(fault("*", Right::Consume).unwrap().0, Reason::InvalidTopicName);
        assert_eq!(fault("*", Right::Join).unwrap().0, Reason::InvalidGroupName);
        assert_eq!(fault("__consumer_offsets", Right::Produce).unwrap().0, Reason::InternalTopic);
        assert_eq!(fault("orders", Right::Produce), None);
    }

    #[test]
    fn every_field_is_judged_by_name() {
        let list = |text: &str| vec![text.to_owned()];
        assert_eq!(said(|spec| spec.consumes = list("orders")), [""; 0]);
        assert_eq!(said(|spec| spec.streams = list("shop.totals")), [""; 0]);
        assert_eq!(said(|spec| spec.cluster = "kafka/second".to_owned()), [""; 0], "the name of who names no cluster");
        for (found, expected) in [
            (
                said(|spec| spec.consumes = list("__consumer_offsets")),
                "InternalTopic: spec.consumes: \"__consumer_offsets\"",
            ),
            (said(|spec| spec.produces = list("..")), "InvalidTopicName: spec.produces: \"..\""),
            (said(|spec| spec.groups = list("*")), "InvalidGroupName: spec.groups: \"*\""),
            (said(|spec| spec.streams = list("web.totals")), "InvalidGroupName: spec.streams: \"web.totals\""),
            (said(|spec| spec.workload = "A".to_owned()), "InvalidValue: spec.workload: \"A\""),
            (said(|spec| spec.cluster = "a/B".to_owned()), "InvalidValue: spec.cluster: \"a/B\""),
            (said(|spec| spec.cluster = "a/b/c".to_owned()), "InvalidValue: spec.cluster: \"a/b/c\""),
            (
                said(|spec| spec.cluster = "second".to_owned()),
                "InvalidValue: spec.cluster: \"second\" must be namespace/name, such as \"admittance/second\"",
            ),
            (
                said(|spec| spec.workload = "other".to_owned()),
                "AccessTaken: metadata.name: \"batch\" must be \"other\"",
            ),
            (
                said(|spec| (spec.workload, spec.cluster) = ("other".to_owned(), "kafka/second".to_owned())),
                "AccessTaken: metadata.name: \"batch\" must be \"other-second\"",
            ),
        ] {
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }
}
