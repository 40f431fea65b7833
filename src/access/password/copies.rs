//! Further Secrets of an access, under names that Deployments of the contract of 2017 give it: each holds what the first one does, and
//! goes with it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::secret_view::SecretView;
use crate::access::asks::wishes::Wishes;
use crate::access::plan::Plan;
use crate::access::seen::Held;
use crate::access::step::{Handout, Step};
use crate::api::resources::AccessClaim;

/// When it is seen that a copy that was deleted is gone.
const SOON: Duration = Duration::from_secs(1);
/// How often Pods are looked for that still read a copy which nobody asks for any more.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The names that the claim is to keep on record: those that are asked for, and those of copies that are still there.
pub(in crate::access) fn on_record(
    asked: &Wishes,
    claim: Option<&AccessClaim>,
    held: Option<&Held>,
) -> BTreeSet<String> {
    let before = claim.into_iter().flat_map(|claim| &claim.spec.secrets);
    let there = |name: &&String| held.is_none_or(|held| held.copy(name).is_some());
    asked.secrets.iter().chain(before.filter(there)).cloned().collect()
}

/// Plans the copies: `handout` is what the first Secret holds or is about to hold, and `renewed` whether it is about to.
pub(in crate::access) fn keep(held: &Held, asked: &Wishes, handout: &Handout, renewed: bool, plan: &mut Plan) {
    let Some(first) = held.secret.ours() else {
        let names = asked.secrets.iter().filter(|_| renewed);
        plan.steps.extend(names.filter_map(|name| copy(held, name, true, handout)));
        return;
    };
    let fresh = plan.steps.iter().any(|step| matches!(step, Step::SetCredential { fresh: true, .. }));
    let password = held.secret.password().filter(|_| !fresh);
    for (name, view) in &held.copies {
        let wanted = asked.secrets.contains(name);
        match view {
            SecretView::Ours(ours) if !wanted && !held.read_copies.contains(name) => {
                plan.steps.push(Step::unpublish(name, ours));
                look_again(plan, SOON);
            }
            SecretView::Ours(ours) => {
                if !wanted {
                    look_again(plan, LOOK_AGAIN);
                }
                // Pods that read the same password there have it, whatever else is new.
                let tells = view.password().is_some_and(|told| Some(told) == password);
                let anew = !tells || view.mechanism() != Some(handout.mechanism);
                if renewed || ours.data != first.data {
                    plan.steps.extend(copy(held, name, anew, handout));
                }
            }
            SecretView::Absent if wanted => plan.steps.extend(copy(held, name, true, handout)),
            SecretView::Absent | SecretView::Foreign => {}
        }
    }
}

fn look_again(plan: &mut Plan, after: Duration) {
    plan.next = Some(plan.next.map_or(after, |next| next.min(after)));
}

fn copy(held: &Held, name: &str, anew: bool, handout: &Handout) -> Option<Step> {
    let replaces = match held.copies.get(name)? {
        SecretView::Ours(ours) => Some(ours.resource_version.clone()),
        SecretView::Absent => None,
        SecretView::Foreign => return None,
    };
    Some(Step::Copy { name: name.to_owned(), replaces, anew, handout: handout.clone() })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::super::secret_view::Ours;
    use super::*;
    use crate::api::secret::Secret;
    use crate::kafka::scram::Mechanism;

    const HANDOUT: Handout = Handout {
        mechanism: Mechanism::Sha512,
        group: String::new(),
        transactional_id: None,
        consumes: Vec::new(),
        produces: Vec::new(),
    };

    fn ours(password: &str, published: i64) -> SecretView {
        SecretView::Ours(Ours {
            uid: "u".into(),
            resource_version: "1".into(),
            rotation: 0,
            published: Timestamp::from_second(published).unwrap(),
            data: [("password", password), ("sasl.mechanism", "SCRAM-SHA-512")]
                .map(|(key, text)| (key.to_owned(), Secret::new(text.to_owned())))
                .into(),
        })
    }

    fn held(secret: SecretView, copies: &[(&str, SecretView)]) -> Held {
        Held {
            secret,
            copies: copies.iter().map(|(name, view)| ((*name).to_owned(), view.clone())).collect(),
            ..Held::default()
        }
    }

    fn asked(names: &[&str]) -> Wishes {
        Wishes { secrets: names.iter().map(|name| (*name).to_owned()).collect(), ..Wishes::default() }
    }

    fn planned(held: &Held, names: &[&str], renewed: bool) -> (Vec<String>, Option<Duration>) {
        let mut plan = Plan::default();
        keep(held, &asked(names), &HANDOUT, renewed, &mut plan);
        (words(&plan), plan.next)
    }

    fn words(plan: &Plan) -> Vec<String> {
        let said = plan.steps.iter().map(|step| match step {
            Step::Copy { name, replaces: None, .. } => format!("make {name}"),
            Step::Copy { name, anew: true, .. } => format!("write {name} anew"),
            Step::Copy { name, .. } => format!("write {name}"),
            Step::Unpublish { name, .. } => format!("delete {name}"),
            other => format!("{other:?}"),
        });
        said.collect()
    }

    #[test]
    fn a_copy_follows_the_first_secret() {
        let first = ours("p", 1);
        let absent = held(first.clone(), &[("mine", SecretView::Absent)]);
        assert_eq!(planned(&absent, &["mine"], false), (vec!["make mine".into()], None));
        let same = held(first.clone(), &[("mine", ours("p", 2))]);
        assert_eq!(planned(&same, &["mine"], false), (vec![], None), "nothing at rest");
        assert_eq!(planned(&same, &["mine"], true).0, ["write mine"]);
        let stale = held(first, &[("mine", ours("old", 1))]);
        assert_eq!(planned(&stale, &["mine"], false).0, ["write mine anew"]);
        let none = held(SecretView::Absent, &[("mine", SecretView::Absent)]);
        assert_eq!(planned(&none, &["mine"], true).0, ["make mine"]);
        assert!(planned(&none, &["mine"], false).0.is_empty(), "there is nothing to copy yet");
    }

    #[test]
    fn a_copy_counts_as_published_anew_where_it_tells_another_password() {
        let held = held(ours("p", 1), &[("mine", ours("p", 1))]);
        for (fresh, mechanism, writes) in [
            (None, Mechanism::Sha512, "write mine"),
            (Some(false), Mechanism::Sha512, "write mine"),
            (Some(true), Mechanism::Sha512, "write mine anew"),
            (None, Mechanism::Sha256, "write mine anew"),
        ] {
            let mut plan = Plan::default();
            plan.steps.extend(fresh.map(|fresh| Step::SetCredential { mechanism, fresh }));
            keep(&held, &asked(&["mine"]), &Handout { mechanism, ..HANDOUT }, true, &mut plan);
            assert_eq!(words(&plan).last().map(String::as_str), Some(writes), "{fresh:?} {mechanism:?}");
        }
    }

    #[test]
    fn a_copy_that_is_not_asked_for_goes_when_no_pod_reads_it() {
        let mut held = held(ours("p", 1), &[("mine", ours("p", 1))]);
        assert_eq!(planned(&held, &[], false), (vec!["delete mine".into()], Some(SOON)));
        held.read_copies.insert("mine".into());
        assert_eq!(planned(&held, &[], false), (vec![], Some(LOOK_AGAIN)));
        assert_eq!(planned(&held, &[], true).0, ["write mine"], "it is kept in step as long as it is read");
        assert_eq!(on_record(&asked(&[]), None, Some(&held)), BTreeSet::new());
    }

    #[test]
    fn what_is_another_s_is_left_and_told() {
        let held = held(ours("p", 1), &[("mine", SecretView::Foreign)]);
        assert_eq!(planned(&held, &["mine"], true), (vec![], None));
        assert_eq!(held.taken(&asked(&["mine"])), Some("mine"));
        assert_eq!(held.taken(&asked(&[])), None);
    }

    #[test]
    fn the_record_keeps_what_is_still_there() {
        let mut spec = crate::api::resources::AccessClaimSpec::empty();
        spec.secrets = vec!["gone".into(), "there".into()];
        let claim = AccessClaim::new("web", spec);
        let held = held(ours("p", 1), &[("gone", SecretView::Absent), ("there", ours("p", 1))]);
        let names = |held| on_record(&asked(&["new"]), Some(&claim), held).into_iter().collect::<Vec<_>>();
        assert_eq!(names(Some(&held)), ["new", "there"]);
        assert_eq!(names(None), ["gone", "new", "there"], "what cannot be looked at is not forgotten");
    }
}
