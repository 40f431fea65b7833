//! The connections of a port. It has so many places. Whoever comes when all are taken is given one of the peer's that has most: one that lies
//! idle, or, of another peer's, any. Who opens many connections and says nothing is in nobody's way but his own; and a peer that has so much
//! to ask that all its connections are at work waits until one is free, and loses none.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

/// What was answered and is quiet for so long lies idle: a handshake, or a request that follows at once, takes less.
const QUIET: Duration = Duration::from_secs(1);
/// How long a connection waits for a place.
const WAIT: Duration = Duration::from_secs(10);
/// How often the log is told that all places are taken.
const TELL: Duration = Duration::from_secs(60);

/// The places of a port, as the step before all others with a connection. It also has small answers sent at once: Nagle's algorithm holds
/// them back for 40 ms on fresh connections.
#[derive(Debug, Clone)]
pub struct Connections {
    most: usize,
    taken: Arc<Mutex<Taken>>,
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    all: usize,
    waiting: usize,
    told: Option<Instant>,
    peers: HashMap<IpAddr, BTreeMap<u64, Sitting>>,
}

/// A connection that has a place.
#[derive(Debug)]
struct Sitting {
    /// What is dropped tells the connection to go.
    _stays: oneshot::Sender<()>,
    pulse: Arc<Mutex<Pulse>>,
}

/// What a connection did last, and when.
#[derive(Debug)]
struct Pulse {
    heard: bool,
    at: Instant,
}

impl Pulse {
    /// Whether nothing that it said waits for an answer.
    fn is_idle(&self, now: Instant) -> bool {
        !self.heard && now.saturating_duration_since(self.at) >= QUIET
    }
}

impl Connections {
    /// A port with this many places.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { most, taken: Arc::default(), freed: Arc::default() }
    }

    /// A place for a connection of a peer's, as soon as there is one.
    async fn enter(&self, peer: IpAddr) -> io::Result<Place> {
        let peer = peer.to_canonical();
        if let Some(place) = self.try_enter(peer) {
            return Ok(place);
        }
        let Some(_waiting) = Waiting::new(self) else { return Err(full("as many wait for one")) };
        let place = async {
            loop {
                let freed = self.freed.notified();
                if let Some(place) = self.try_enter(peer) {
                    return place;
                }
                // What lies idle by then is not told of.
                let _ = timeout(QUIET, freed).await;
            }
        };
        timeout(WAIT, place).await.map_err(|_| full("none became free in time"))
    }

    fn try_enter(&self, peer: IpAddr) -> Option<Place> {
        let (stays, told) = oneshot::channel();
        let pulse = Arc::new(Mutex::new(Pulse { heard: false, at: Instant::now() }));
        let mut taken = lock(&self.taken);
        if taken.all >= self.most {
            taken.make_room(peer)?;
        }
        let number = taken.next;
        taken.next += 1;
        taken.all += 1;
        taken.peers.entry(peer).or_default().insert(number, Sitting { _stays: stays, pulse: pulse.clone() });
        Some(Place { port: self.clone(), peer, number, told: Some(told), pulse })
    }
}

fn full(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("all places are taken, and {why}"))
}

impl Taken {
    /// Of the peer that has most, the oldest connection that lies idle goes, or, where somebody else comes, the oldest. Where several have as
    /// many, that is the one that came last: who was there before any crowd stays.
    fn make_room(&mut self, newcomer: IpAddr) -> Option<()> {
        let now = Instant::now();
        let weight = |places: &BTreeMap<u64, _>| (places.len(), places.last_key_value().map(|(number, _)| *number));
        let (peer, places) = self.peers.iter().max_by_key(|(_, places)| weight(places))?;
        let (peer, most) = (*peer, places.len());
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL) {
            self.told = Some(now);
            tracing::warn!(%peer, most, all = self.all, %newcomer, "all connections of a port are taken");
        }
        let idle = places.iter().find(|(_, sitting)| lock(&sitting.pulse).is_idle(now));
        let gives_way = idle.or_else(|| places.first_key_value().filter(|_| peer != newcomer));
        let number = *gives_way?.0;
        self.leave(peer, number);
        Some(())
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

/// Nothing is left half done under these locks.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that waits for a place. No more wait than there are places.
struct Waiting<'a>(&'a Connections);

impl<'a> Waiting<'a> {
    fn new(port: &'a Connections) -> Option<Self> {
        let mut taken = lock(&port.taken);
        let fits = taken.waiting < port.most;
        taken.waiting += usize::from(fits);
        drop(taken);
        fits.then(|| Self(port))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.taken).waiting -= 1;
    }
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
struct Place {
    port: Connections,
    peer: IpAddr,
    number: u64,
    /// Ends when the place is given to somebody else; gone when that has been seen.
    told: Option<oneshot::Receiver<()>>,
    pulse: Arc<Mutex<Pulse>>,
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

    /// Takes note of bytes that came, or went.
    fn beat(&self, heard: bool) {
        *lock(&self.pulse) = Pulse { heard, at: Instant::now() };
    }

    fn wrote(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(done, Poll::Ready(Ok(_))) {
            self.beat(false);
        }
        done
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.port.taken).leave(self.peer, self.number);
        self.port.freed.notify_one();
    }
}

/// A connection with its place.
#[derive(Debug)]
pub struct Placed {
    stream: TcpStream,
    place: Place,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Connections {
    type Stream = Placed;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Placed, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let port = self.clone();
        Box::pin(async move {
            stream.set_nodelay(true)?;
            let place = port.enter(stream.peer_addr()?.ip()).await?;
            Ok((Placed { stream, place }, service))
        })
    }
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.place.check(context)?;
        let before = into.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(context, into);
        if into.filled().len() > before {
            self.place.beat(true);
        }
        done
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.place.check(context)?;
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.place.wrote(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.place.check(context)?;
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.place.wrote(done)
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

    #[tokio::test(start_paused = true)]
    async fn who_has_most_gives_way_and_nobody_else() {
        let port = Connections::at_most(4);
        let mut server = port.enter(peer(1)).await.unwrap();
        let mut crowd = Vec::new();
        for _ in 0..3 {
            crowd.push(port.enter(peer(2)).await.unwrap());
        }
        let mut late = port.enter("::ffff:10.0.0.3".parse().unwrap()).await.unwrap();
        assert!(stays(&mut server) && stays(&mut late));
        assert_eq!(crowd.iter_mut().map(stays).collect::<Vec<_>>(), [false, true, true]);
        for _ in 0..10 {
            crowd.push(port.enter(peer(2)).await.unwrap());
        }
        assert!(stays(&mut server) && stays(&mut late));
        assert_eq!(crowd.iter_mut().filter_map(|place| stays(place).then_some(())).count(), 2);
        assert_eq!(lock(&port.taken).all, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_with_one_each_the_last_gives_way() {
        let port = Connections::at_most(3);
        let mut places = Vec::new();
        for number in 1..6 {
            places.push(port.enter(peer(number)).await.unwrap());
        }
        assert_eq!(places.iter_mut().map(stays).collect::<Vec<_>>(), [true, true, false, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_more_to_ask_than_there_are_places_loses_no_question() {
        let port = Connections::at_most(3);
        let mut busy = Vec::new();
        for _ in 0..3 {
            busy.push(port.enter(peer(1)).await.unwrap());
        }
        busy.iter().for_each(|place| place.beat(true));
        let began = Instant::now();
        let fourth = tokio::spawn({
            let port = port.clone();
            async move { port.enter(peer(1)).await }
        });
        tokio::time::sleep(3 * QUIET).await;
        assert!(busy.iter_mut().all(stays) && !fourth.is_finished());
        // The second is answered, and has nothing more to ask.
        busy[1].beat(false);
        let mut fourth = fourth.await.unwrap().unwrap();
        assert!(began.elapsed() < 6 * QUIET, "{:?}", began.elapsed());
        assert_eq!(busy.iter_mut().map(stays).collect::<Vec<_>>(), [true, false, true]);
        assert!(stays(&mut fourth));
        fourth.beat(true);
        // One that ends makes room at once; and where none does, nobody waits for ever.
        let waits = tokio::spawn({
            let port = port.clone();
            async move { (port.enter(peer(1)).await.map(|_| ()), Instant::now()) }
        });
        tokio::time::sleep(QUIET / 2).await;
        let ended = Instant::now();
        drop(busy.remove(0));
        let (entered, at) = waits.await.unwrap();
        assert!(entered.is_ok() && at - ended < QUIET / 2);
        let fifth = port.enter(peer(1)).await.unwrap();
        fifth.beat(true);
        let refused = port.enter(peer(1)).await.unwrap_err();
        assert!(refused.to_string().contains("none became free in time"), "{refused}");
        assert_eq!(lock(&port.taken).waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_there_are_places() {
        let port = Connections::at_most(1);
        let busy = port.enter(peer(1)).await.unwrap();
        busy.beat(true);
        let (first, second) = tokio::join!(port.enter(peer(1)), port.enter(peer(1)));
        assert!(first.unwrap_err().to_string().contains("in time"));
        assert!(second.unwrap_err().to_string().contains("as many wait"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_its_connection_ends() {
        let port = Connections::at_most(1);
        drop(port.enter(peer(1)).await.unwrap());
        assert!(lock(&port.taken).peers.is_empty());
        let mut first = port.enter(peer(1)).await.unwrap();
        let second = port.enter(peer(2)).await.unwrap();
        assert!(!stays(&mut first) && !stays(&mut first));
        drop(first);
        assert_eq!(lock(&port.taken).all, 1, "its place is another's by now");
        drop(second);
        assert_eq!(lock(&port.taken).all, 0);
    }
}
