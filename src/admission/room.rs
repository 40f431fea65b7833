//! Room for the bodies of reviews. It is taken when the first of a body has arrived, so who announces much and sends nothing holds none; for
//! the whole of it at once, so two that are half read never wait for each other; and small bodies, which nearly all are, have room of their
//! own, so the large ones of somebody who sends slowly keep no Pod from starting. Each peer has a share of it, so who holds much waits for
//! himself; and where somebody waits, who is slow has less time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::server::MAX_BODY;
use crate::runtime::deadline::{Overdue, within};

/// Bytes of all large bodies that are held at once; further ones wait for their turn until their deadline.
const LARGE: usize = 24 * 1024 * 1024;
/// Bytes of all small bodies.
const SMALL: usize = 8 * 1024 * 1024;
/// The largest small body: the review of a usual Pod has about 10 KiB.
const SMALL_BODY: usize = 64 * 1024;
/// A peer's share of the room for large bodies: the largest has room in it.
const LARGE_SHARE: usize = 12 * 1024 * 1024;
/// A peer's share of the room for small bodies. An API server sends a body at once, and then it is held for microseconds: a hundred usual
/// ones at the same moment are more than one of them ever has.
const SMALL_SHARE: usize = 1024 * 1024;
/// Every body has room in a share, or it would wait for ever.
const _: () = assert!(SMALL_BODY <= SMALL_SHARE && MAX_BODY <= LARGE_SHARE);
/// In what all are counted out.
const UNIT: usize = 1024;
/// How long a sender may take for his body, beside the time that it waits for room here. An API server sends it with its request.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same, where somebody waits for the room that he holds.
const HURRY: Duration = Duration::from_millis(250);
/// What a sender is to do in that time.
const SEND: &str = "to send the review";

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The connection ended within it.
    #[error("the body broke off: {0}")]
    Broken(#[from] axum::Error),
    /// More came than was announced.
    #[error("the body is larger than the {0} bytes that were announced")]
    Longer(usize),
    /// It did not come in time, or there was no room in time.
    #[error(transparent)]
    Overdue(#[from] Overdue),
}

/// Memory for bodies that are read at the same time.
#[derive(Debug)]
pub struct Room {
    small: Part,
    large: Part,
}

/// The room for bodies of one size, and the shares of those who have any of it.
#[derive(Debug)]
struct Part {
    whole: Arc<Space>,
    share: usize,
    peers: Mutex<HashMap<IpAddr, Arc<Space>>>,
}

#[derive(Debug)]
struct Space {
    units: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A body that was read, with the room that it takes: until nothing is made of it any more.
#[derive(Debug)]
pub struct Review {
    body: Vec<u8>,
    _held: Option<Held>,
}

impl Deref for Review {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.body
    }
}

/// Room that is taken: of a peer's share, and of the whole.
#[derive(Debug)]
struct Held {
    spaces: [Arc<Space>; 2],
    _units: [Option<OwnedSemaphorePermit>; 2],
}

impl Default for Room {
    fn default() -> Self {
        Self { small: Part::new(SMALL, SMALL_SHARE), large: Part::new(LARGE, LARGE_SHARE) }
    }
}

impl Room {
    /// Reads a body of at most `announced` bytes from a peer, for which there is time until `limit` has passed.
    ///
    /// # Errors
    /// It did not come as announced, or not in time.
    pub async fn read(&self, body: Body, announced: usize, peer: IpAddr, limit: Duration) -> Result<Review, Unread> {
        within(limit, "to read the review", self.receive(body, announced, peer)).await?
    }

    async fn receive(&self, body: Body, announced: usize, peer: IpAddr) -> Result<Review, Unread> {
        let part = if announced > SMALL_BODY { &self.large } else { &self.small };
        let mut chunks = body.into_data_stream();
        let (mut body, mut spent, mut held) = (Vec::new(), Duration::ZERO, None);
        while let Some(chunk) = next(&mut chunks, &mut spent, held.as_ref()).await? {
            if body.len() + chunk.len() > announced {
                return Err(Unread::Longer(announced));
            }
            if held.is_none() {
                held = Some(part.take(announced, peer).await);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Review { body, _held: held })
    }
}

/// What comes next of a body, in what its sender has left of his time.
async fn next(chunks: &mut BodyDataStream, spent: &mut Duration, held: Option<&Held>) -> Result<Option<Bytes>, Unread> {
    loop {
        let limit = if held.is_some_and(Held::is_wanted) { HURRY } else { PATIENCE };
        let left = limit.saturating_sub(*spent);
        let asked = Instant::now();
        // What is there already is taken, however late it is asked for. More of it may lie where the connection's own turn brings it from.
        if left.is_zero() {
            yield_now().await;
        }
        let arrived = within(HURRY.min(left), SEND, chunks.next()).await;
        *spent += asked.elapsed();
        if let Ok(chunk) = arrived {
            return Ok(chunk.transpose()?);
        }
        if left.is_zero() {
            return Err(Overdue { what: SEND, limit }.into());
        }
    }
}

impl Part {
    fn new(bytes: usize, share: usize) -> Self {
        Self { whole: Arc::new(Space::new(bytes)), share, peers: Mutex::default() }
    }

    /// Takes room when it is there: of the share first, so that of one peer no more than its share waits for the whole.
    async fn take(&self, bytes: usize, peer: IpAddr) -> Held {
        let share = self.share_of(peer);
        let units = [share.take(bytes).await, self.whole.take(bytes).await];
        Held { spaces: [share, self.whole.clone()], _units: units }
    }

    fn share_of(&self, peer: IpAddr) -> Arc<Space> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if !peers.contains_key(&peer) {
            // Those that nobody holds anything of.
            peers.retain(|_, space| Arc::strong_count(space) > 1);
        }
        peers.entry(peer).or_insert_with(|| Arc::new(Space::new(self.share))).clone()
    }
}

impl Space {
    fn new(bytes: usize) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes / UNIT)), waiting: AtomicUsize::new(0) }
    }

    /// The semaphore is never closed, so there always is a permit in the end.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        if let Ok(permit) = self.units.clone().try_acquire_many_owned(units) {
            return Some(permit);
        }
        let _waiting = Waiting::new(&self.waiting);
        self.units.clone().acquire_many_owned(units).await.ok()
    }
}

impl Held {
    /// Whether somebody waits for any of it.
    fn is_wanted(&self) -> bool {
        self.spaces.iter().any(|space| space.waiting.load(Ordering::Relaxed) > 0)
    }
}

/// One that waits, until it is dropped.
struct Waiting<'w>(&'w AtomicUsize);

impl<'w> Waiting<'w> {
    fn new(waiting: &'w AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_shares_of_peers_that_are_gone_are_forgotten() {
        let part = Part::new(SMALL, SMALL_SHARE);
        let peer = |number| IpAddr::from([10, 0, 0, number]);
        let kept = part.take(1, peer(0)).await;
        for number in 1..=255 {
            drop(part.take(1, peer(number)).await);
        }
        assert_eq!(part.peers.lock().unwrap().len(), 2);
        drop(kept);
    }
}
