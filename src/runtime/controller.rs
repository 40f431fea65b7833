//! How controllers run: one loop over keys for all that have some, and looks that end for those that go round by themselves.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use super::deadline::within;
use super::looks::{self, Look};
use super::queue::{Next, Queue};

/// What a controller is asked to look at: namespace and name.
pub type Key = (String, String);

/// What reconciles one kind of object. Clones share what they need.
pub trait Controller: Clone + Send + Sync + 'static {
    /// Why a look stopped before its end.
    type Halt: Display + Send + 'static;
    /// What the keys name, for the log.
    const KIND: &'static str;
    /// Keys that are worked on at the same time.
    const CONCURRENCY: usize;
    /// One look ends after this, whatever it waits for.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// Looks at one key, and does what follows: observe → plan → apply → report.
    ///
    /// # Errors
    /// What stopped it. The key is looked at again, less and less soon.
    fn look(&self, key: &Key) -> impl Future<Output = Result<Next, Self::Halt>> + Send;

    /// Whether somebody else merely wrote first: everything is looked at afresh, and nobody needs to be told.
    fn is_race(_halt: &Self::Halt) -> bool {
        false
    }

    /// Tells of a look that took longer than it may, and says when the next one is; `why` says so in words.
    fn overdue(&self, _key: &Key, _why: String) -> impl Future<Output = Next> + Send {
        async { Next::Failed }
    }

    /// Tells of a look that stopped, and says when the next one is.
    fn halted(&self, _key: &Key, _halt: Self::Halt) -> impl Future<Output = Next> + Send {
        async { Next::Failed }
    }
}

/// Works on keys until the future is dropped.
pub async fn run<C: Controller>(controller: C, queue: Queue<Key>) {
    queue
        .run(C::CONCURRENCY, move |key| {
            let controller = controller.clone();
            async move { once(&controller, &key).await }
        })
        .await;
}

async fn once<C: Controller>(controller: &C, key: &Key) -> Next {
    let (kind, namespace, name) = (C::KIND, &key.0, &key.1);
    match within(C::DEADLINE, "the reconciliation", controller.look(key)).await {
        Ok(Ok(next)) => next,
        // Looked at afresh, less and less soon: what keeps conflicting is no race.
        Ok(Err(halt)) if C::is_race(&halt) => Next::Failed,
        Ok(Err(halt)) => {
            tracing::warn!(kind, namespace, name, error = %halt, "not as it should be yet");
            controller.halted(key, halt).await
        }
        Err(overdue) => {
            tracing::warn!(kind, namespace, name, "{overdue}; it starts again");
            controller.overdue(key, format!("{overdue}; it starts again")).await
        }
    }
}

/// One look of a controller that goes round by itself; `None` where it stopped before its end or took longer than `limit`: the next
/// round looks again. One that keeps failing is warned of.
pub async fn attempt<T, E: Display>(
    limit: Duration,
    look: Look,
    cluster: &str,
    looking: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    let why = match within(limit, look.what, looking).await {
        Ok(Ok(found)) => {
            looks::ended(look, cluster);
            return Some(found);
        }
        Ok(Err(error)) => format!("{} broke off: {error}", look.what),
        Err(overdue) => overdue.to_string(),
    };
    if looks::failed(look, cluster) {
        tracing::warn!(cluster, "{why}; it starts again, and has failed several times in a row");
    } else {
        tracing::info!(cluster, "{why}; it starts again");
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Notes what it is asked, and does what the key's name says.
    #[derive(Clone, Default)]
    struct Noting(Arc<Mutex<Vec<&'static str>>>);

    impl Controller for Noting {
        type Halt = &'static str;
        const KIND: &'static str = "Test";
        const CONCURRENCY: usize = 1;

        async fn look(&self, key: &Key) -> Result<Next, &'static str> {
            self.0.lock().unwrap().push("look");
            match key.1.as_str() {
                "well" => Ok(Next::Idle),
                "broken" => Err("broken"),
                "race" => Err("race"),
                _ => pending().await,
            }
        }

        fn is_race(halt: &&'static str) -> bool {
            *halt == "race"
        }

        async fn overdue(&self, _key: &Key, why: String) -> Next {
            assert_eq!(why, "the reconciliation took longer than 30s; it starts again");
            self.0.lock().unwrap().push("overdue");
            Next::Failed
        }

        async fn halted(&self, _key: &Key, halt: &'static str) -> Next {
            self.0.lock().unwrap().push(halt);
            Next::After(Duration::from_secs(7))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_of_a_look_says_when_the_next_one_is() {
        for (name, next, noted) in [
            ("well", Next::Idle, &["look"][..]),
            ("broken", Next::After(Duration::from_secs(7)), &["look", "broken"]),
            ("race", Next::Failed, &["look"]),
            ("hanging", Next::Failed, &["look", "overdue"]),
        ] {
            let noting = Noting::default();
            assert_eq!(once(&noting, &("shop".to_owned(), name.to_owned())).await, next, "{name}");
            assert_eq!(*noting.0.lock().unwrap(), noted, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_hangs_is_looked_at_again_and_holds_up_no_other() {
        let (noting, queue) = (Noting::default(), Queue::default());
        for name in ["hanging", "broken"] {
            queue.push(("shop".to_owned(), name.to_owned()));
        }
        let _ = within(Duration::from_secs(35), "the loop", run(noting.clone(), queue)).await;
        assert_eq!(*noting.0.lock().unwrap(), ["look", "overdue", "look", "broken", "look"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_ends_and_gives_what_it_found() {
        let limit = Duration::from_secs(1);
        assert_eq!(attempt(limit, looks::USERS, "a/b", async { Ok::<_, &str>(7) }).await, Some(7));
        assert_eq!(attempt(limit, looks::USERS, "a/b", async { Err::<u8, _>("away") }).await, None);
        assert_eq!(attempt(limit, looks::USERS, "a/b", pending::<Result<u8, &str>>()).await, None);
        // Two failed: the next is one too many, unless one comes to its end before.
        assert!(looks::failed(looks::USERS, "a/b"));
        assert_eq!(attempt(limit, looks::USERS, "a/b", async { Ok::<_, &str>(7) }).await, Some(7));
        assert!(!looks::failed(looks::USERS, "a/b"));
    }
}
