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
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::company::{Announced, Company, until};
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
pub(super) struct Queue<W: Work> {
    members: mpsc::Sender<Member<W>>,
    company: Company,
}

impl<W: Work> Clone for Queue<W> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone(), company: self.company.clone() }
    }
}

#[derive(Debug)]
struct Member<W: Work> {
    item: W::Item,
    arrived: Instant,
    /// That it comes stands until it is taken in.
    announced: Option<Announced>,
    reply: Reply<W>,
}

/// The result, and the number of the request that it came with.
type Reply<W> = oneshot::Sender<Result<(<W as Work>::Output, u64), Error>>;

impl<W: Work> Queue<W> {
    pub(super) fn start(work: W, linger: Duration) -> Self {
        let (sender, members) = mpsc::channel(CAPACITY);
        let (company, expected) = Company::new();
        tokio::spawn(run(work, members, expected, linger));
        Self { members: sender, company }
    }

    /// Says that somebody is about to ask: a batch waits a little longer for whoever is announced.
    pub(super) fn announce(&self) -> Announced {
        self.company.announce()
    }

    /// How many are announced.
    #[cfg(test)]
    pub(super) fn expected(&self) -> usize {
        self.company.expected()
    }

    /// Joins the next request, and gives its number with the result. May be dropped at any time.
    pub(super) async fn ask(&self, item: W::Item) -> Result<(W::Output, u64), Error> {
        self.ask_announced(item, None).await
    }

    /// The same, of somebody who was announced.
    pub(super) async fn ask_announced(
        &self,
        item: W::Item,
        announced: Option<Announced>,
    ) -> Result<(W::Output, u64), Error> {
        let (reply, result) = oneshot::channel();
        let ended = || Error::unreachable(W::API, "", "the batch queue has ended");
        let member = Member { item, arrived: Instant::now(), announced, reply };
        self.members.send(member).await.map_err(|_| ended())?;
        result.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run<W: Work>(
    work: W,
    mut members: mpsc::Receiver<Member<W>>,
    mut expected: watch::Receiver<usize>,
    linger: Duration,
) {
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
        let first = batch.members.first().map_or_else(Instant::now, |first| first.arrived);
        // What has queued up while the last request was under way is taken at once: its time to linger is over.
        while batch.weight < W::CAP && held.len() < W::CAP {
            match next(&mut members, &mut expected, first, linger).await {
                Some(member) => batch.add(member, &mut held),
                None => break,
            }
        }
        under_way.spawn(send(Arc::clone(&work), batch.members, Arc::clone(&number)));
    }
    under_way.join_all().await;
}

/// The next one of a batch whose first member arrived then; nobody where it waits no longer.
async fn next<W: Work>(
    members: &mut mpsc::Receiver<Member<W>>,
    expected: &mut watch::Receiver<usize>,
    first: Instant,
    linger: Duration,
) -> Option<Member<W>> {
    loop {
        let until = until(first, linger, *expected.borrow_and_update());
        // A timer fires with the next millisecond at the earliest.
        if Instant::now() >= until {
            return members.try_recv().ok();
        }
        tokio::select! {
            biased;
            member = members.recv() => return member,
            Ok(()) = expected.changed() => {}
            () = sleep_until(until) => {}
        }
    }
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
    fn add(&mut self, mut member: Member<W>, held: &mut VecDeque<Member<W>>) {
        member.announced = None;
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
                    members.map(|(item, (arrived, reply))| Member { item, arrived, announced: None, reply }).collect();
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
    use futures::future::join_all;

    use super::*;
    use crate::kafka::batch::samples::{sent, start};

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
