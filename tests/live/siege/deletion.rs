//! Topics whose claims go all at once, or with their definition.

use serde_json::json;

use crate::bed::{HOME, Namespace, event_of, kubectl, try_kubectl, unique, wait_ready};
use crate::deletion::{Terms, declare, declared, delete, many_are_held, record, wait_record};
use crate::siege::disaster::install_definitions;

#[test]
fn two_hundred_at_once_wait_for_the_word() {
    let terms = json!({"undo": "8s", "minRecordAge": "0s", "maxAnHour": 10});
    many_are_held("live-del-two-hundred", 200, &terms);
}

/// The definition of TopicClaims, which is there again with the guard.
struct WithoutClaims;

impl WithoutClaims {
    fn delete() -> Self {
        let guard = Self;
        kubectl(&["delete", "crd", "topicclaims.kafka.admittance.dev", "--timeout=60s"]);
        guard
    }
}

impl Drop for WithoutClaims {
    fn drop(&mut self) {
        install_definitions();
    }
}

#[test]
fn claims_that_go_with_their_definition_take_no_topic_with_them() {
    let (first, second) = (Namespace::plain("live-del-crd-a"), Namespace::plain("live-del-crd-b"));
    let _terms = Terms::set("20s", "0s", 10_000);
    let names = [unique("crd-pending"), unique("crd-claimed")];
    let (pending, pending_id) = declared(&first.0, &names[0], "Delete");
    let (claimed, claimed_id) = declared(&second.0, &names[1], "Delete");
    delete(&first.0);
    wait_record("deletions", &names[0]);
    let without = WithoutClaims::delete();
    for (name, id) in [(&names[0], &pending_id), (&names[1], &claimed_id)] {
        assert_eq!(wait_record("released", name)["topicId"], id.as_str());
        assert!(record("deletions", name).is_none());
    }
    event_of(HOME, "default", "DefinitionRemoved");
    drop(without);
    // A claim of the same second as its definition is taken for one that went with another.
    std::thread::sleep(std::time::Duration::from_secs(1));

    // What comes after it shows that the time of the others has passed.
    let later = unique("crd-later");
    let (topic, _) = declared(&second.0, &later, "Delete");
    delete(&second.0);
    crate::bed::wait_for("a claim that somebody deletes is heeded again", || {
        topic.id().map_or(Ok(()), |id| Err(format!("{id}: {:?}", record("deletions", &later))))
    });
    assert_eq!((pending.id(), claimed.id()), (Some(pending_id.clone()), Some(claimed_id.clone())));
    for (space, name, id) in [(&first, &names[0], &pending_id), (&second, &names[1], &claimed_id)] {
        declare(&space.0, "it", name, "Keep");
        assert_eq!(wait_ready("topicclaim", &space.0, "it")["status"]["topicId"], id.as_str());
    }
    let _ = try_kubectl(&["delete", "topicclaims", "--all", "--namespace", &first.0]);
}
