//! One queue: members in, requests out.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::kafka::error::Error;

/// How many members may wait; who comes later waits for a place.
const CAPACITY: usize = 4096;

/// A request that several callers can share.
pub(super) trait Work: Send + Sync + 'static {
    /// What one caller asks.
    type Item: Send + Sync + fmt::Debug;
    /// What one caller gets.
    type Output: Send + fmt::Debug;
    /// The name, for errors.
    const API: &'static str;
    /// The most that a request may weigh; a member that is heavier goes alone.
    const CAP: usize;

    /// How many requests may be under way at once. More than one only where their order does not matter.
    const UNDER_WAY: usize = 1;

    /// What a member counts for.
    fn weight(_item: &Self::Item) -> usize {
        1
    }

    /// Members with the same key never share a request; they keep their order.
    fn key(item: &Self::Item) -> Option<String>;

    /// Sends one request; as many results as items, in their order.
    fn send(&self, items: &[Self::Item]) -> impl Future<Output = Sent<Self::Output>> + Send;
}

/// The outcome of a request, and within it that of each member.
pub(super) type Sent<T> = Result<Vec<Result<T, Error>>, Error>;

/// The callers' end.
#[derive(Debug)]
pub(super) struct Queue<W: Work>(mpsc::Sender<Member<W>>);

impl<W: Work> Clone for Queue<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct Member<W: Work> {
    item: W::Item,
    arrived: Instant,
    reply: Reply<W>,
}

/// The result, and the number of the request that it came with.
type Reply<W> = oneshot::Sender<Result<(<W as Work>::Output, u64), Error>>;

impl<W: Work> Queue<W> {
    pub(super) fn start(work: W, linger: Duration) -> Self {
        let (sender, members) = mpsc::channel(CAPACITY);
        tokio::spawn(run(work, members, linger));
        Self(sender)
    }

    /// Joins the next request, and gives its number with the result. May be dropped at any time.
    pub(super) async fn ask(&self, item: W::Item) -> Result<(W::Output, u64), Error> {
        let (reply, result) = oneshot::channel();
        let ended = || Error::unreachable(W::API, "", "the batch queue has ended");
        self.0.send(Member { item, arrived: Instant::now(), reply }).await.map_err(|_| ended())?;
        result.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run<W: Work>(work: W, mut members: mpsc::Receiver<Member<W>>, linger: Duration) {
    let work = Arc::new(work);
    let number = Arc::new(AtomicU64::new(0));
    let mut under_way = JoinSet::new();
    let mut held = VecDeque::new();
    loop {
        while under_way.len() >= W::UNDER_WAY {
            under_way.join_next().await;
        }
        let mut batch = Batch::from_held(&mut held);
        if batch.members.is_empty() {
            match members.recv().await {
                Some(member) => batch.add(member, &mut held),
                None => break,
            }
        }
        let until = batch.members.first().map_or_else(Instant::now, |first| first.arrived + linger);
        // What has queued up while the last request was under way is taken at once: its time to linger is over.
        while batch.weight < W::CAP && held.len() < W::CAP {
            // A timer fires with the next millisecond at the earliest.
            let next = if Instant::now() < until {
                timeout_at(until, members.recv()).await.ok().flatten()
            } else {
                members.try_recv().ok()
            };
            match next {
                Some(member) => batch.add(member, &mut held),
                None => break,
            }
        }
        under_way.spawn(send(Arc::clone(&work), batch.members, Arc::clone(&number)));
    }
    under_way.join_all().await;
}

struct Batch<W: Work> {
    members: Vec<Member<W>>,
    keys: HashSet<String>,
    /// Keys of members that are held back: whoever shares one must not overtake them.
    held_keys: HashSet<String>,
    weight: usize,
}

impl<W: Work> Batch<W> {
    /// Begins a batch with those who had to wait.
    fn from_held(held: &mut VecDeque<Member<W>>) -> Self {
        let mut batch = Self { members: Vec::new(), keys: HashSet::new(), held_keys: HashSet::new(), weight: 0 };
        for member in std::mem::take(held) {
            batch.add(member, held);
        }
        batch
    }

    /// Takes a member in, or holds it back for the next batch.
    fn add(&mut self, member: Member<W>, held: &mut VecDeque<Member<W>>) {
        if member.reply.is_closed() {
            return;
        }
        let weight = W::weight(&member.item);
        let key = W::key(&member.item);
        let clash = key.as_ref().is_some_and(|key| self.keys.contains(key) || self.held_keys.contains(key));
        if clash || (!self.members.is_empty() && self.weight + weight > W::CAP) {
            self.held_keys.extend(key);
            held.push_back(member);
            return;
        }
        self.keys.extend(key);
        self.weight += weight;
        self.members.push(member);
    }
}

/// Sends a batch, and tells everybody. Where the request itself is invalid one member spoils it: it is halved until that
/// member is alone.
async fn send<W: Work>(work: Arc<W>, members: Vec<Member<W>>, numbers: Arc<AtomicU64>) {
    let mut parts = vec![members];
    while let Some(mut part) = parts.pop() {
        part.retain(|member| !member.reply.is_closed());
        if part.is_empty() {
            continue;
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (items, replies): (Vec<_>, Vec<_>) =
            part.into_iter().map(|member| (member.item, (member.arrived, member.reply))).unzip();
        match work.send(&items).await {
            Ok(results) => {
                for ((_, reply), result) in replies.into_iter().zip(results) {
                    // Whoever has gone needs no result.
                    let _ = reply.send(result.map(|output| (output, number)));
                }
            }
            Err(Error::Invalid(_)) if items.len() > 1 => {
                let members = items.into_iter().zip(replies);
                let mut first: Vec<_> =
                    members.map(|(item, (arrived, reply))| Member { item, arrived, reply }).collect();
                let second = first.split_off(first.len() / 2);
                parts.push(second);
                parts.push(first);
            }
            Err(error) => {
                for (_, reply) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;

    use super::*;

    /// Records what it is sent. Negative items are refused by Kafka; 13 cannot even be sent.
    #[derive(Debug, Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<Vec<i32>>>>);

    impl Work for Recorder {
        type Item = i32;
        type Output = i32;
        const API: &'static str = "Test";
        const CAP: usize = 10;

        fn key(item: &i32) -> Option<String> {
            Some(item.to_string())
        }

        async fn send(&self, items: &[i32]) -> Sent<i32> {
            self.0.lock().unwrap().push(items.to_vec());
            tokio::time::sleep(Duration::from_millis(25)).await;
            if items.contains(&13) {
                return Err(Error::invalid("Test", "", "unlucky"));
            }
            let refuse = |_| Error::denied("Test", "", "negative");
            Ok(items.iter().map(|item| u32::try_from(*item).map(|_| item * 2).map_err(refuse)).collect())
        }
    }

    fn start() -> (Recorder, Queue<Recorder>) {
        let recorder = Recorder::default();
        let queue = Queue::start(recorder.clone(), Duration::from_millis(3));
        (recorder, queue)
    }

    fn sent(recorder: &Recorder) -> Vec<Vec<i32>> {
        recorder.0.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_together_goes_together_up_to_the_cap() {
        let (recorder, queue) = start();
        let results = join_all((20..45).map(|item| queue.ask(item))).await;
        let numbers: Vec<_> = results.iter().map(|result| result.as_ref().unwrap().1).collect();
        assert_eq!(sent(&recorder).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!((numbers[0], numbers[9], numbers[10], numbers[24]), (1, 1, 2, 3));
        assert_eq!(results[24].as_ref().unwrap().0, 88);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_member_does_not_touch_the_others() {
        let (recorder, queue) = start();
        let results = join_all([1, -2, 3].map(|item| queue.ask(item))).await;
        assert!(results[0].is_ok() && results[2].is_ok());
        assert!(matches!(results[1], Err(Error::Denied(_))));
        assert_eq!(sent(&recorder).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_spoils_the_request_is_found_and_left_alone() {
        let (recorder, queue) = start();
        let results = join_all([11, 12, 13, 14, 15, 16].map(|item| queue.ask(item))).await;
        let failed: Vec<_> = results.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, false, true, false, false, false]);
        assert_eq!(sent(&recorder)[0].len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn members_with_one_key_wait_for_each_other_in_order() {
        let (recorder, queue) = start();
        join_all([5, 6, 5, 7, 5].map(|item| queue.ask(item))).await;
        assert_eq!(sent(&recorder), [vec![5, 6, 7], vec![5], vec![5]]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_batch_collects_while_one_is_under_way() {
        let (recorder, queue) = start();
        let later = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            join_all((2..6).map(|item| queue.ask(item))).await
        };
        let (first, _) = tokio::join!(queue.ask(1), later);
        assert_eq!(first.unwrap(), (2, 1));
        assert_eq!(sent(&recorder), [vec![1], vec![2, 3, 4, 5]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_harms_nobody() {
        let (recorder, queue) = start();
        // Given up before it is sent: nothing is.
        assert!(tokio::time::timeout(Duration::from_millis(1), queue.ask(1)).await.is_err());
        // Given up while it is under way.
        let (gone, stays) = tokio::join!(tokio::time::timeout(Duration::from_millis(10), queue.ask(2)), queue.ask(3));
        assert!(gone.is_err());
        assert_eq!(stays.unwrap().0, 6);
        assert_eq!(sent(&recorder), [vec![2, 3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_last_caller() {
        let (recorder, queue) = start();
        let shared = Arc::downgrade(&recorder.0);
        drop((recorder, queue));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(shared.strong_count(), 0);
    }
}
