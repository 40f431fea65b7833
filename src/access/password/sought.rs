//! Which Pods that read the Secrets of an access are looked for, and what it means that they are found, or cannot be looked at. Pure.

use std::collections::BTreeSet;

use super::rotation;
use super::secret_view::SecretView;
use crate::access::asks::Ask;
use crate::access::look::readers::Found;
use crate::access::seen::Held;
use crate::api::resources::AccessClaimStatus;

/// What is to be known of Pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::access) struct Sought {
    /// Whether it matters who has the password.
    readers: bool,
    /// The copies that nobody asks for any more: whether somebody reads them.
    left: BTreeSet<String>,
}

impl Sought {
    /// Decides about an access that holds this, by what was reported of it last and by who asks for it.
    pub(in crate::access) fn of(held: &Held, status: Option<&AccessClaimStatus>, asks: &[Ask]) -> Self {
        let asked: BTreeSet<&String> =
            asks.iter().filter_map(|ask| ask.intent.as_ref().ok()?.secret.as_ref()).collect();
        // Without anybody who asks nothing is known of what is asked for.
        let left = held.copies.keys().filter(|name| !asks.is_empty() && !asked.contains(name));
        Self { readers: readers_matter(held, status), left: left.cloned().collect() }
    }

    /// Whether nobody has to be looked for.
    pub(in crate::access) fn is_nobody(&self) -> bool {
        !self.readers && self.left.is_empty()
    }

    /// What is held, with the Pods that were found.
    pub(in crate::access) fn found(self, found: Vec<Found>, held: Held) -> Held {
        let is_read = |name: &String| found.iter().any(|found| found.reads.contains(name));
        let read_copies = self.left.into_iter().filter(is_read).collect();
        let readers = self.readers.then(|| found.into_iter().map(|found| found.reader).collect());
        Held { read_copies, readers, ..held }
    }

    /// The same where they could not be looked at: what may be read counts as read. Nothing where no decision can do without them: nothing is
    /// handed out before it is known whether the password of an earlier life has to go.
    pub(in crate::access) fn unread(self, held: Held) -> Option<Held> {
        let earlier = self.readers && held.secret.is_absent();
        (!earlier).then(|| Held { read_copies: self.left, unread: self.readers, ..held })
    }
}

/// Whether it matters who has the password, or one from before.
fn readers_matter(held: &Held, status: Option<&AccessClaimStatus>) -> bool {
    let slots: Vec<_> = held.slots.iter().map(|slot| slot.mechanism).collect();
    match &held.secret {
        // Of an earlier life of the same name. Who has not started by now, after it was seen that there is no Secret, never read one.
        SecretView::Absent => !slots.is_empty() && status.is_none_or(|status| status.secret_name.is_none()),
        SecretView::Ours(ours) => held.secret.mechanism().is_some_and(|active| {
            rotation::needs_readers(&slots, active) || rotation::may_leave_behind(status, ours.rotation, ours.published)
        }),
        SecretView::Foreign => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::super::rotation::Reader;
    use super::super::secret_view::Ours;
    use super::*;
    use crate::access::asks::Asker;
    use crate::api::annotations::{ACCESS, CONSUMES};
    use crate::api::names::ClusterRef;
    use crate::api::secret::Secret;
    use crate::kafka::admin::users::StoredCredential;
    use crate::kafka::scram::Mechanism;
    use crate::watch::PodFacts;

    fn ours(rotation: i64) -> SecretView {
        let data = BTreeMap::from([("sasl.mechanism".to_owned(), Secret::new("SCRAM-SHA-512"))]);
        let (uid, resource_version, published) = (String::new(), String::new(), Timestamp::UNIX_EPOCH);
        SecretView::Ours(Ours { uid, resource_version, rotation, published, data })
    }

    fn held(secret: SecretView, slots: &[Mechanism], copies: &[&str]) -> Held {
        let slot = |mechanism: &Mechanism| StoredCredential { mechanism: *mechanism, iterations: 4096 };
        Held {
            secret,
            slots: slots.iter().map(slot).collect(),
            copies: copies.iter().map(|name| ((*name).to_owned(), ours(0))).collect(),
            ..Held::default()
        }
    }

    fn published() -> AccessClaimStatus {
        AccessClaimStatus { secret_name: Some("web-kafka-credentials".to_owned()), ..AccessClaimStatus::default() }
    }

    /// A Pod that asks for no Secret of a name of its own.
    fn ask() -> Ask {
        let meta = json!({
            "name": "web-0", "namespace": "shop", "uid": "web-0", "labels": {ACCESS: "web"}, "annotations": {CONSUMES: "orders"},
        });
        let default = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let pod = PodFacts::new(&serde_json::from_value(meta).unwrap(), &default).unwrap();
        let intent = Result::clone(pod.intent.as_deref().unwrap());
        Ask { by: Asker::Pod(Arc::new(pod)), intent }
    }

    #[test]
    fn who_reads_the_secret_matters_while_there_is_another_password() {
        use Mechanism::{Sha256, Sha512};
        for (secret, slots, status, matters) in [
            (SecretView::Absent, &[][..], None, false),
            (SecretView::Absent, &[Sha512], None, true),
            (SecretView::Absent, &[Sha512], Some(AccessClaimStatus::default()), true),
            (SecretView::Absent, &[Sha512], Some(published()), false),
            (SecretView::Foreign, &[Sha256, Sha512], None, false),
            (ours(0), &[Sha512], Some(published()), false),
            (ours(0), &[Sha256, Sha512], Some(published()), true),
            (ours(1), &[Sha512], Some(published()), true),
        ] {
            let what = format!("{secret:?} {slots:?} {status:?}");
            assert_eq!(!Sought::of(&held(secret, slots, &[]), status.as_ref(), &[]).is_nobody(), matters, "{what}");
        }
    }

    #[test]
    fn a_copy_that_nobody_asks_for_is_looked_after_once_it_is_known_who_asks() {
        let held = held(ours(0), &[Mechanism::Sha512], &["mine", "yours"]);
        assert!(Sought::of(&held, None, &[]).is_nobody());
        let sought = Sought::of(&held, None, &[ask()]);
        let reader = || Reader { name: "web-0".to_owned(), created: Timestamp::UNIX_EPOCH, started: true };
        let found =
            sought.clone().found(vec![Found { reader: reader(), reads: ["mine".to_owned()].into() }], held.clone());
        assert_eq!((found.read_copies, found.readers.is_none()), (["mine".to_owned()].into(), true));
        let unread = sought.unread(held).unwrap();
        assert_eq!(unread.read_copies, ["mine".to_owned(), "yours".to_owned()].into());
        assert!(!unread.unread, "nobody was looked for who has a password");
    }

    #[test]
    fn what_cannot_be_looked_at_ends_a_look_where_a_first_password_is_to_be_handed_out() {
        let both = [Mechanism::Sha256, Mechanism::Sha512];
        let first = held(SecretView::Absent, &both, &[]);
        assert!(Sought::of(&first, None, &[]).unread(first).is_none());
        let later = held(ours(1), &both, &[]);
        let later = Sought::of(&later, None, &[]).unread(later).unwrap();
        assert!(later.unread && later.readers.is_none());
    }
}
