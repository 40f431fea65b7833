//! The connections of a port. It has so many places, and whoever comes when all are taken is given one of the peer's that has most: who opens
//! many connections and says nothing is in nobody's way but his own.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// The places of a port, as the step before all others with a connection. It also has small answers sent at once: Nagle's algorithm holds
/// them back for 40 ms on fresh connections.
#[derive(Debug, Clone)]
pub struct Connections {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    all: usize,
    /// What is dropped tells its connection to go.
    peers: HashMap<IpAddr, BTreeMap<u64, oneshot::Sender<()>>>,
}

impl Connections {
    /// A port with this many places.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    fn enter(&self, peer: IpAddr) -> Place {
        let peer = peer.to_canonical();
        let (stays, told) = oneshot::channel();
        let mut taken = lock(&self.taken);
        if taken.all >= self.most {
            taken.make_room();
        }
        let number = taken.next;
        taken.next += 1;
        taken.all += 1;
        taken.peers.entry(peer).or_default().insert(number, stays);
        Place { taken: self.taken.clone(), peer, number, told: Some(told) }
    }
}

impl Taken {
    /// The oldest connection of the peer that has most goes; where several have as many, of the one that came last: who was there before any
    /// crowd stays.
    fn make_room(&mut self) {
        let weight = |places: &BTreeMap<u64, _>| (places.len(), places.last_key_value().map(|(number, _)| *number));
        let most = self.peers.iter().max_by_key(|(_, places)| weight(places)).map(|(peer, _)| *peer);
        let oldest = most.and_then(|peer| Some((peer, *self.peers.get(&peer)?.first_key_value()?.0)));
        if let Some((peer, number)) = oldest {
            self.leave(peer, number);
        }
    }

    fn leave(&mut self, peer: IpAddr, number: u64) {
        let Some(places) = self.peers.get_mut(&peer) else { return };
        if places.remove(&number).is_some() {
            self.all -= 1;
        }
        if places.is_empty() {
            self.peers.remove(&peer);
        }
    }
}

/// Nothing is left half done under this lock.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
struct Place {
    taken: Arc<Mutex<Taken>>,
    peer: IpAddr,
    number: u64,
    /// Ends when the place is given to somebody else; gone when that has been seen.
    told: Option<oneshot::Receiver<()>>,
}

impl Place {
    /// An error where the place is somebody else's by now.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.told.as_mut().is_some_and(|told| Pin::new(told).poll(context).is_pending()) {
            return Ok(());
        }
        self.told = None;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "all places are taken, and this peer has most of them"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.taken).leave(self.peer, self.number);
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub struct Placed {
    stream: TcpStream,
    place: Place,
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Placed;
    type Service = S;
    type Future = Ready<io::Result<(Placed, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let peer = stream.set_nodelay(true).and_then(|()| stream.peer_addr());
        ready(peer.map(|peer| (Placed { stream, place: self.enter(peer.ip()) }, service)))
    }
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.place.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.place.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.place.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn stays(place: &mut Place) -> bool {
        place.check(&mut Context::from_waker(std::task::Waker::noop())).is_ok()
    }

    #[test]
    fn who_has_most_gives_way_and_nobody_else() {
        let port = Connections::at_most(4);
        let mut server = port.enter(peer(1));
        let mut crowd: Vec<_> = (0..3).map(|_| port.enter(peer(2))).collect();
        let mut late = port.enter("::ffff:10.0.0.3".parse().unwrap());
        assert!(stays(&mut server) && stays(&mut late));
        assert_eq!(crowd.iter_mut().map(stays).collect::<Vec<_>>(), [false, true, true]);
        for _ in 0..10 {
            crowd.push(port.enter(peer(2)));
        }
        assert!(stays(&mut server) && stays(&mut late));
        assert_eq!(crowd.iter_mut().filter_map(|place| stays(place).then_some(())).count(), 2);
        assert_eq!(lock(&port.taken).all, 4);
    }

    #[test]
    fn of_many_with_one_each_the_last_gives_way() {
        let port = Connections::at_most(3);
        let mut places: Vec<_> = (1..6).map(|number| port.enter(peer(number))).collect();
        assert_eq!(places.iter_mut().map(stays).collect::<Vec<_>>(), [true, true, false, false, true]);
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let port = Connections::at_most(1);
        drop(port.enter(peer(1)));
        assert!(lock(&port.taken).peers.is_empty());
        let mut first = port.enter(peer(1));
        let second = port.enter(peer(2));
        assert!(!stays(&mut first) && !stays(&mut first));
        drop(first);
        assert_eq!(lock(&port.taken).all, 1, "its place is another's by now");
        drop(second);
        assert_eq!(lock(&port.taken).all, 0);
    }
}
