//! Those who have said that they come to a queue: a batch waits for them a little.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

/// How long the first of a batch waits at most for those who are announced. A commit takes longer than that.
const PATIENCE: Duration = Duration::from_millis(15);

/// Those who are announced to one queue.
#[derive(Debug, Clone)]
pub(super) struct Company(Arc<watch::Sender<usize>>);

impl Company {
    /// Nobody yet; and how many they are, for the queue.
    pub(super) fn new() -> (Self, watch::Receiver<usize>) {
        let (sender, expected) = watch::channel(0);
        (Self(Arc::new(sender)), expected)
    }

    pub(super) fn announce(&self) -> Announced {
        self.0.send_modify(|expected| *expected += 1);
        Announced(self.clone())
    }

    #[cfg(test)]
    pub(super) fn expected(&self) -> usize {
        *self.0.borrow()
    }
}

/// The word that somebody comes to a queue. It is withdrawn where this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Announced(Company);

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.0.send_modify(|expected| *expected = expected.saturating_sub(1));
    }
}

/// How long a batch waits for company whose first member arrived then, and which lingers for so long where nobody is announced.
pub(super) fn until(first: Instant, linger: Duration, expected: usize) -> Instant {
    first + if expected == 0 { linger } else { linger.max(PATIENCE) }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::super::samples::{sent, start};
    use super::*;

    /// When the first of two got its answer, and what was sent, where the second comes so late, or never, after it was announced.
    async fn two(announced: bool, comes: bool, late: u64) -> (u128, Vec<Vec<i32>>) {
        let (recorder, queue) = start();
        let began = Instant::now();
        let word = announced.then(|| queue.announce());
        let second = async {
            tokio::time::sleep(Duration::from_millis(late)).await;
            if comes {
                queue.ask_announced(2, word).await.unwrap();
            } else {
                drop(word);
            }
        };
        let first = async {
            queue.ask(1).await.unwrap();
            began.elapsed().as_millis()
        };
        let (answered, ()) = tokio::join!(first, second);
        (answered, sent(&recorder))
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_announced_is_waited_for_a_little_and_no_longer_than_until_the_word_is_withdrawn() {
        let (apart, together) = (vec![vec![1], vec![2]], vec![vec![1, 2]]);
        for (announced, comes, late, answered, requests) in [
            (false, true, 8, 3 + 25, apart.clone()),
            (true, true, 8, 8 + 25, together),
            (true, true, 20, 15 + 25, apart),
            (true, false, 8, 8 + 25, vec![vec![1]]),
            (true, false, 1, 3 + 25, vec![vec![1]]),
            (true, false, 99, 15 + 25, vec![vec![1]]),
        ] {
            let case = format!("{announced} {comes} {late}");
            assert_eq!(two(announced, comes, late).await, (answered, requests), "{case}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn announcements_without_end_do_not_slow_down_a_burst() {
        let (recorder, queue) = start();
        let began = Instant::now();
        let _word = queue.announce();
        // One more every millisecond for a second.
        let all = (100..1100).map(|item| {
            let queue = &queue;
            async move {
                tokio::time::sleep_until(began + Duration::from_millis(item - 100)).await;
                queue.ask(i32::try_from(item).unwrap()).await.unwrap().1
            }
        });
        let requests = join_all(all).await.into_iter().max();
        let (most, took) = (sent(&recorder).iter().map(Vec::len).max(), began.elapsed());
        assert_eq!((requests, most), (Some(100), Some(10)));
        // The first is full after ten, and from then on one follows another.
        assert_eq!(took, Duration::from_millis(9 + 100 * 25));
    }
}
