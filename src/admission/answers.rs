//! Memory for answers that are made and not fetched. Who asks and never reads has a share of it, and what he asks beyond that gets no answer;
//! a few small ones everybody is given, whatever others hold. An API server reads at once, so it has next to none of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;

/// Bytes of answers that all peers together leave unfetched, but for what each is given in any case.
const ALL: usize = 16 * 1024 * 1024;
/// A peer's share. The largest answer has room in it: one to a Pod of 250 containers has half a MiB.
const SHARE: usize = 4 * 1024 * 1024;
/// What each peer is given in any case: the answers to a few usual Pods. No more peers than a port has places can hold any.
const ANY: usize = 64 * 1024;

/// What is held, by whom.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    peers: HashMap<IpAddr, usize>,
}

/// An answer on its way: it counts until whoever sends it has let go of it.
struct Sent {
    answers: Answers,
    peer: IpAddr,
    body: Vec<u8>,
}

impl Answers {
    /// An answer to a peer as it is sent; nothing where he has left too much unfetched.
    #[must_use]
    pub fn send(&self, body: Vec<u8>, peer: IpAddr) -> Option<Bytes> {
        self.count(|held| {
            let his = held.peers.get(&peer).copied().unwrap_or_default() + body.len();
            let fits = his <= ANY || (his <= SHARE && held.all + body.len() <= ALL);
            if fits {
                held.all += body.len();
                held.peers.insert(peer, his);
            }
            fits
        })
        .then(|| Bytes::from_owner(Sent { answers: self.clone(), peer, body }))
    }

    /// Nothing is left half done under this lock.
    fn count<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.answers.count(|held| {
            held.all -= self.body.len();
            let his = held.peers.get(&self.peer).copied().unwrap_or_default().saturating_sub(self.body.len());
            if his == 0 {
                held.peers.remove(&self.peer);
            } else {
                held.peers.insert(self.peer, his);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn who_leaves_his_answers_has_no_more_than_a_share() {
        let answers = Answers::default();
        let half = || vec![0; SHARE / 2];
        let held = [answers.send(half(), peer(1)), answers.send(half(), peer(1))];
        assert!(held.iter().all(Option::is_some));
        assert_eq!(held[0].as_deref().map(<[u8]>::len), Some(SHARE / 2));
        assert!(answers.send(vec![0; 1], peer(1)).is_none());
        assert!(answers.send(half(), peer(2)).is_some());
        drop(held);
        assert!(answers.send(half(), peer(1)).is_some());
        assert!(answers.count(|held| held.all == 0 && held.peers.is_empty()));
    }

    #[test]
    fn a_small_answer_is_given_whatever_others_hold() {
        let answers = Answers::default();
        let held: Vec<_> = (1..=4).map(|number| answers.send(vec![0; SHARE], peer(number))).collect();
        assert!(held.iter().all(Option::is_some));
        let small = answers.send(vec![0; ANY], peer(5));
        assert!(small.is_some() && answers.send(vec![0; 1], peer(5)).is_none());
        assert!(answers.send(vec![0; ANY + 1], peer(6)).is_none());
    }
}
