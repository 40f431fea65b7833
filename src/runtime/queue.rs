//! A queue of keys to reconcile: each key at most once, and never twice at the same time.
//!
//! What arrives for a key while it waits is folded into one; what arrives while it is worked on makes it run once more
//! afterwards. So a burst costs memory for its keys only, and nothing is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// When a key wants to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Only when something happens.
    Idle,
    /// After this long, if nothing happens before.
    After(Duration),
    /// After a pause that doubles with each failure in a row.
    Failed,
}

/// First pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The queue. Clones share it.
#[derive(Debug)]
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

#[derive(Debug)]
struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    ready: VecDeque<K>,
    keys: HashMap<K, Phase>,
    timers: BTreeMap<(Instant, u64), K>,
    /// The one timer that a key has: its latest word counts.
    due: HashMap<K, (Instant, u64)>,
    tickets: u64,
    failures: HashMap<K, u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Ready,
    Running(Meanwhile),
}

/// What happened while a key is worked on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Meanwhile {
    again: bool,
    /// Versions of the key's object that somebody told of, and those that the work itself has written.
    told: BTreeSet<u64>,
    written: BTreeSet<u64>,
}

impl Meanwhile {
    /// Whether there is more to see than the work's own doing.
    fn is_news(&self) -> bool {
        self.again || !self.told.is_subset(&self.written)
    }
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Clone + Eq + Hash + Ord + Send + 'static> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            keys: HashMap::new(),
            timers: BTreeMap::new(),
            due: HashMap::new(),
            tickets: 0,
            failures: HashMap::new(),
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }) }
    }
}

impl<K: Clone + Eq + Hash + Ord + Send + 'static> Queue<K> {
    /// Asks for a key to be looked at.
    pub fn push(&self, key: K) {
        self.state().enqueue(key);
        self.shared.changed.notify_one();
    }

    /// Asks for a key to be looked at because its object has come to this version; not where the work that is under way wrote that itself.
    pub fn push_version(&self, key: K, version: u64) {
        self.state().told(key, version);
        self.shared.changed.notify_one();
    }

    /// The work on a key has written this version of its object, on top of all that it had seen.
    pub fn wrote(&self, key: &K, version: u64) {
        if let Some(Phase::Running(meanwhile)) = self.state().keys.get_mut(key) {
            meanwhile.written.insert(version);
        }
    }

    /// Keys that wait or run.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.state().keys.len()
    }

    /// Works on keys until the future is dropped: at most `concurrency` at a time.
    pub async fn run<F, W>(self, concurrency: usize, work: F)
    where
        F: Fn(K) -> W,
        W: Future<Output = Next> + Send + 'static,
    {
        let mut running = JoinSet::new();
        let mut keys = HashMap::new();
        loop {
            while running.len() < concurrency {
                // Not in the loop's head, where the lock would be held while the work begins.
                let Some(key) = self.state().start() else { break };
                let task = running.spawn(work(key.clone()));
                keys.insert(task.id(), key);
            }
            let due = self.state().next_due();
            tokio::select! {
                Some(finished) = running.join_next_with_id(), if !running.is_empty() => {
                    let (id, next) = match finished {
                        Ok(finished) => finished,
                        // A key whose work broke off is tried again, or nobody would look at it any more.
                        Err(broken) => {
                            tracing::error!(error = %broken, "a reconciliation broke off");
                            (broken.id(), Next::Failed)
                        }
                    };
                    if let Some(key) = keys.remove(&id) {
                        self.state().finish(key, next, Instant::now());
                    }
                }
                () = self.shared.changed.notified(), if running.len() < concurrency => {}
                () = sleep_until(due), if due.is_some() => self.state().fire(Instant::now()),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn enqueue(&mut self, key: K) {
        match self.keys.get_mut(&key) {
            Some(Phase::Running(meanwhile)) => meanwhile.again = true,
            Some(Phase::Ready) => {}
            None => {
                self.keys.insert(key.clone(), Phase::Ready);
                self.ready.push_back(key);
            }
        }
    }

    fn told(&mut self, key: K, version: u64) {
        match self.keys.get_mut(&key) {
            Some(Phase::Running(meanwhile)) => _ = meanwhile.told.insert(version),
            _ => self.enqueue(key),
        }
    }

    fn start(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.keys.insert(key.clone(), Phase::Running(Meanwhile::default()));
        Some(key)
    }

    fn finish(&mut self, key: K, next: Next, now: Instant) {
        let again = matches!(self.keys.remove(&key), Some(Phase::Running(meanwhile)) if meanwhile.is_news());
        let failures = if next == Next::Failed { self.failures.get(&key).copied().unwrap_or(0) + 1 } else { 0 };
        if failures == 0 {
            self.failures.remove(&key);
        } else {
            self.failures.insert(key.clone(), failures);
        }
        if again {
            self.enqueue(key.clone());
        }
        if let Some(earlier) = self.due.remove(&key) {
            self.timers.remove(&earlier);
        }
        let pause = match next {
            Next::Idle => return,
            Next::After(pause) => pause,
            Next::Failed => LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1))),
        };
        self.tickets += 1;
        let timer = (now + pause, self.tickets);
        self.due.insert(key.clone(), timer);
        self.timers.insert(timer, key);
    }

    fn next_due(&self) -> Option<Instant> {
        self.timers.keys().next().map(|(due, _)| *due)
    }

    fn fire(&mut self, now: Instant) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.due.remove(&key);
            self.enqueue(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_folded_and_a_key_never_runs_beside_itself() {
        let queue = Queue::<u8>::default();
        let (runs, at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            queue.push(1);
        }
        let worker = queue.clone().run(4, |_| {
            let (runs, at_once, queue) = (runs.clone(), at_once.clone(), queue.clone());
            async move {
                assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0);
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    queue.push(1);
                    queue.push(1);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                Next::Idle
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2, "a hundred pushes are one run, those while it ran one more");
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_work_wrote_itself_is_no_reason_to_look_again() {
        for (told, written, runs) in [
            (vec![], vec![], 1),
            (vec![7], vec![], 2),
            (vec![7], vec![7], 1),
            (vec![7, 9], vec![9], 2),
            (vec![7, 9], vec![9, 7], 1),
            (vec![], vec![9], 1),
        ] {
            let queue = Queue::<u8>::default();
            let counted = Arc::new(AtomicUsize::new(0));
            queue.push_version(1, 3);
            let worker = queue.clone().run(1, |key| {
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                // The echo may come before the answer, and after it.
                let [early, late] = [true, false].map(|early| told.iter().filter(move |n| (**n < 9) == early));
                if first {
                    early.for_each(|version| queue.push_version(key, *version));
                    written.iter().for_each(|version| queue.wrote(&key, *version));
                    late.for_each(|version| queue.push_version(key, *version));
                }
                async { Next::Idle }
            });
            let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
            assert_eq!(counted.load(Ordering::SeqCst), runs, "told of {told:?}, wrote {written:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_has_one_timer_whatever_happens() {
        let queue = Queue::<u8>::default();
        let runs = Arc::new(AtomicUsize::new(0));
        let worker = queue.clone().run(1, |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            async { Next::After(Duration::from_secs(60)) }
        });
        let events = async {
            for _ in 0..5 {
                queue.push(1);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(130), async { tokio::join!(worker, events) }).await;
        assert_eq!(runs.load(Ordering::SeqCst), 7, "five events, and one look after each full minute");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_breaks_off_is_tried_again() {
        let queue = Queue::<u8>::default();
        let runs = Arc::new(AtomicUsize::new(0));
        queue.push(1);
        let worker = queue.clone().run(1, |_| {
            let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!first, "the first one breaks off");
                Next::Idle
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(5), worker).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_after_growing_pauses() {
        let queue = Queue::<u8>::default();
        let times = Arc::new(Mutex::new(Vec::new()));
        queue.push(1);
        let began = Instant::now();
        let worker = queue.clone().run(1, |_| {
            let times = times.clone();
            async move {
                let mut times = times.lock().unwrap();
                times.push(began.elapsed().as_millis());
                if times.len() < 4 { Next::Failed } else { Next::Idle }
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(60), worker).await;
        assert_eq!(*times.lock().unwrap(), [0, 200, 600, 1400]);
    }
}
