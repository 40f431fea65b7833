//! Memory for answers that are made and not fetched. Nobody may hold more of it than is left then: one who never reads has half of it, two
//! have a third each, and as much is left for the next. What somebody asks beyond that gets no answer. A few small ones everybody is given,
//! whatever others hold. An API server reads at once, so it has next to none of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;

/// Bytes of answers that all peers together leave unfetched, but for what each is given in any case. The largest, to a Pod of 250 containers,
/// has half a MiB.
const ALL: usize = 16 * 1024 * 1024;
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
            let fits = his <= ANY || his <= ALL.saturating_sub(held.all + body.len());
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

    fn peer(number: u16) -> IpAddr {
        IpAddr::from([10, 0, 0, 0, 0, 0, 0, number])
    }

    #[test]
    fn nobody_holds_more_than_is_left_for_others() {
        let answers = Answers::default();
        let fill = |number: u16| {
            let fill: Vec<_> = std::iter::from_fn(|| answers.send(vec![0; ANY], peer(number))).collect();
            (fill.len() * ANY, fill)
        };
        let (first, held) = fill(1);
        assert_eq!((first, held[0].len()), (ALL / 2, ANY));
        let (second, others) = fill(2);
        assert_eq!(second, ALL / 4);
        drop(held);
        assert_eq!(fill(3).0, (ALL - ALL / 4) / 2);
        drop(others);
        assert!(answers.count(|held| held.all == 0 && held.peers.is_empty()));
    }

    #[test]
    fn a_small_answer_is_given_whatever_others_hold() {
        let answers = Answers::default();
        let held: Vec<_> = (0..256).map(|number| answers.send(vec![0; ANY], peer(number))).collect();
        assert!(held.iter().all(Option::is_some));
        let small = answers.send(vec![0; ANY], peer(256));
        assert!(small.is_some() && answers.send(vec![0; 1], peer(256)).is_none());
        assert!(answers.send(vec![0; 8 * ANY], peer(257)).is_none());
    }
}
