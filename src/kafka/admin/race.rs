//! Several that could answer, and the first that does.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::{task::JoinSet, time::timeout};

use crate::kafka::error::Error;

/// How long one is waited for alone: a broker that is well has a connection ready in a fraction of that, TLS and login included.
const STAGGER: Duration = Duration::from_millis(500);

/// Asks the first candidate, and the next as well when one has failed or is silent for a while; takes what comes first and drops the
/// rest. A dead one among them costs little time so, wherever it stands.
///
/// # Errors
/// After a refusal nobody else is asked, for others would say the same, and a login that fails is counted; who was asked before is heard.
/// Else why the last one failed.
pub(super) async fn first<C, T, F>(candidates: Vec<C>, ask: impl Fn(C) -> F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut waiting = candidates.into_iter();
    let mut asked = JoinSet::new();
    let (mut last, mut refusal) = (None, None);
    loop {
        if refusal.is_none()
            && let Some(next) = waiting.next()
        {
            asked.spawn(ask(next));
        }
        let ended = match waiting.len() {
            _ if refusal.is_some() => asked.join_next().await,
            0 => asked.join_next().await,
            // The next is asked as well.
            _ => match timeout(STAGGER, asked.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        let broken = |error: &dyn Display| Error::unreachable("connect", "", error.to_string());
        match ended {
            Some(Ok(Ok(answer))) => return Ok(answer),
            Some(Ok(Err(error @ (Error::Denied(_) | Error::Invalid(_))))) => refusal = refusal.or(Some(error)),
            Some(Ok(Err(error))) => last = Some(error),
            Some(Err(error)) => last = Some(broken(&error)),
            None => return Err(refusal.or(last).unwrap_or_else(|| broken(&"no broker to connect to"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::{Instant, sleep};

    use super::*;

    /// What a candidate does: after so many milliseconds it answers, or fails.
    type Candidate = (u64, Result<&'static str, Error>);

    fn lost(reason: &str) -> Error {
        Error::unreachable("connect", "b:1", reason)
    }

    /// Who was taken, or why nobody was; who was asked, and when; and how long it took. In milliseconds.
    async fn run(candidates: Vec<Candidate>) -> (Result<&'static str, String>, Vec<u128>, u128) {
        let (begun, asked) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let taken = first(candidates, |(millis, said)| {
            asked.lock().unwrap().push(begun.elapsed().as_millis());
            async move {
                sleep(Duration::from_millis(millis)).await;
                said
            }
        });
        let taken = taken.await.map_err(|error| error.context().reason.clone());
        let times = asked.lock().unwrap().clone();
        (taken, times, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_well_is_asked_alone() {
        assert_eq!(run(vec![(400, Ok("a")), (0, Ok("b"))]).await, (Ok("a"), vec![0], 400));
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_are_overtaken_and_those_that_fail_are_followed_at_once() {
        let (never, error) = (60_000, Err(lost("gone")));
        let (taken, asked, took) = run(vec![(never, Ok("a")), (never, Ok("b")), (100, Ok("c"))]).await;
        assert_eq!((taken, asked), (Ok("c"), vec![0, 500, 1000]));
        assert_eq!(took, 1100);
        let (taken, asked, took) = run(vec![(10, error.clone()), (10, error), (10, Ok("c")), (10, Ok("d"))]).await;
        assert_eq!((taken, asked, took), (Ok("c"), vec![0, 10, 20], 30));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_slow_is_still_heard() {
        assert_eq!(run(vec![(700, Ok("a")), (60_000, Ok("b"))]).await, (Ok("a"), vec![0, 500], 700));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_it_and_otherwise_the_last_failure_is_told() {
        let denied = || Err(Error::denied("SaslAuthenticate", "b:1", "wrong password"));
        let (taken, asked, _) = run(vec![(10, denied()), (0, Ok("b"))]).await;
        assert_eq!((taken, asked), (Err("wrong password".to_owned()), vec![0]));
        let (taken, asked, took) = run(vec![(700, Ok("a")), (10, denied()), (0, Ok("c"))]).await;
        assert_eq!((taken, asked, took), (Ok("a"), vec![0, 500], 700), "one that has just started may not know us yet");
        let (taken, ..) = run(vec![(2000, Err(lost("late"))), (10, Err(lost("early")))]).await;
        assert_eq!(taken, Err("late".to_owned()));
        assert_eq!(run(Vec::new()).await.0, Err("no broker to connect to".to_owned()));
    }
}
