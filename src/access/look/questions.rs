//! What an access asks the API server about, in the order in which the time goes to it. I/O; decides nothing.
//!
//! There may be more questions than a look has time for, and whoever asks chooses how many. What can be lost comes first, for its owner's
//! word is to act.

use std::hash::{BuildHasher, Hasher, RandomState};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::reviews::{AT_ONCE, Object, Reviewer};
use crate::access::given::lending::Verdict;
use crate::api::resources::Right;

/// A right that is another namespace's to give.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Whether the user has it.
    pub(super) held: bool,
    /// The topic, or the group.
    pub(super) name: String,
    /// What is to be done with it.
    pub(super) right: Right,
    /// The namespace that owns it.
    pub(super) namespace: String,
    /// The object there that stands for it.
    pub(super) object: String,
}

/// Asks. What nobody can be asked about has no answer.
pub(super) async fn ask(reviewer: &Reviewer<'_>, questions: Vec<Question>) -> Vec<(Question, Verdict)> {
    let asked: Vec<BoxFuture<'_, _>> =
        in_order(questions).into_iter().map(|one| answer(reviewer, one).boxed()).collect();
    stream::iter(asked).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

async fn answer(reviewer: &Reviewer<'_>, question: Question) -> Option<(Question, Verdict)> {
    let resource = if question.right == Right::Join { "accessclaims" } else { "topicclaims" };
    let object = Object { resource, namespace: &question.namespace, name: &question.object };
    let said = reviewer.review(question.right, object).await;
    said.map(|verdict| (question, verdict))
}

/// What is held before what is not. Whoever asks must not choose what is never asked about: each look begins elsewhere.
fn in_order(questions: Vec<Question>) -> Vec<Question> {
    let (mut held, mut wishes): (Vec<_>, Vec<_>) = questions.into_iter().partition(|question| question.held);
    for part in [&mut held, &mut wishes] {
        let from = RandomState::new().build_hasher().finish() % part.len().max(1) as u64;
        part.rotate_left(usize::try_from(from).unwrap_or_default());
    }
    held.append(&mut wishes);
    held
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::access::look::verdicts::Verdicts;
    use crate::runtime::fake_api::answering;

    fn question(number: usize, held: bool) -> Question {
        let name = format!("topic-{number}");
        Question { held, name: name.clone(), right: Right::Consume, namespace: "shop".to_owned(), object: name }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_lost_however_many_accounts_and_objects_are_asked_about() {
        for wait in [10, 150] {
            let client = answering(move |_| async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                let (version, kind) = ("authorization.k8s.io/v1", "SubjectAccessReview");
                (201, json!({"apiVersion": version, "kind": kind, "spec": {}, "status": {"allowed": false}}))
            });
            let verdicts = Verdicts::default();
            let accounts: BTreeSet<String> = (0..100).map(|number| format!("account-{number}")).collect();
            for look in 0..3 {
                let reviewer = Reviewer::new(&client, &verdicts, "web", (&accounts, None));
                let questions = (0..100).map(|number| question(number, number == 70)).collect();
                let began = Instant::now();
                let said = ask(&reviewer, questions).await;
                assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
                let denied = said.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Denied { .. })).count();
                let unasked = said.iter().filter(|(_, verdict)| *verdict == Verdict::Unasked).count();
                assert_eq!(denied + unasked, 100, "{said:?}");
                assert!(denied > 1 || wait > 10, "there is time for wishes too");
                let held = said.iter().find(|(question, _)| question.held).map(|(_, verdict)| verdict);
                assert!(matches!(held, Some(Verdict::Denied { .. })), "look {look}, {wait} ms each: {held:?}");
            }
        }
    }

    #[test]
    fn what_is_held_comes_first_and_each_look_begins_elsewhere() {
        let order = || in_order((0..100).map(|number| question(number, number % 2 == 0)).collect());
        assert!(order().iter().take(50).all(|question| question.held));
        for first in [0, 50] {
            let firsts: BTreeSet<String> = (0..50).map(|_| order()[first].name.clone()).collect();
            assert!(firsts.len() > 1, "{firsts:?}");
        }
    }
}
