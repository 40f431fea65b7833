//! The connections of a port. It has so many places. Whoever comes when all are taken is given one that lies idle: of the peer that has most,
//! or else of any that has more than half as many as he. Where there is none he is given one that is at work, of a peer that has more than
//! twice as many; and else he waits, in a line in which who has most gives way too. So who opens many connections is in nobody's way but his
//! own, and those who have much to ask, and about as much as each other, lose none of it.

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

/// What was answered and is quiet for so long lies idle.
const QUIET: Duration = Duration::from_secs(1);
/// The same of one that was not answered twice, as its handshake and its first request are: on a busy machine they take a while.
const FIRST: Duration = Duration::from_secs(3);
/// How long a connection waits for a place: an API server's call of the webhook is over after five seconds.
const WAIT: Duration = Duration::from_secs(4);
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
    waiting: HashMap<IpAddr, Vec<Arc<Notify>>>,
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
    answers: u8,
    at: Instant,
}

impl Pulse {
    /// Since when nothing that it said waits for an answer, if that is for long.
    fn idle_since(&self, now: Instant) -> Option<Instant> {
        let long = if self.answers < 2 { FIRST } else { QUIET };
        (!self.heard && now.saturating_duration_since(self.at) >= long).then_some(self.at)
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
        let Some(waiting) = Waiting::new(self, peer) else { return Err(full("as many wait for one")) };
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
        tokio::select! {
            place = timeout(WAIT, place) => place.map_err(|_| full("none became free in time")),
            () = waiting.told.notified() => Err(full("others of this peer wait for one")),
        }
    }

    fn try_enter(&self, peer: IpAddr) -> Option<Place> {
        let (stays, told) = oneshot::channel();
        let pulse = Arc::new(Mutex::new(Pulse { heard: false, answers: 0, at: Instant::now() }));
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
    /// What has lain idle for longest goes, or of the peer that has most the oldest that waits for no answer, or the oldest. Where several have
    /// as many, that is the one that came last: who was there before any crowd stays.
    fn make_room(&mut self, newcomer: IpAddr) -> Option<()> {
        let now = Instant::now();
        let weight = |places: &BTreeMap<u64, _>| (places.len(), places.last_key_value().map(|(number, _)| *number));
        let (peer, places) = self.peers.iter().max_by_key(|(_, places)| weight(places))?;
        let (peer, most) = (*peer, places.len());
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL) {
            self.told = Some(now);
            tracing::warn!(%peer, most, all = self.all, %newcomer, "all connections of a port are taken");
        }
        let idlest = |(peer, places): (&IpAddr, &BTreeMap<u64, Sitting>)| {
            let idle =
                places.iter().filter_map(|(number, sitting)| Some((lock(&sitting.pulse).idle_since(now)?, *number)));
            idle.min().map(|(since, number)| (since, *peer, number))
        };
        let own = self.peers.get(&newcomer).map_or(0, BTreeMap::len);
        let others = self.peers.iter().filter(|(_, places)| 2 * places.len() > own);
        let idle = idlest((&peer, places)).or_else(|| others.filter_map(idlest).min());
        let at_work = |(number, sitting): (&u64, &Sitting)| (lock(&sitting.pulse).heard, *number);
        let oldest = places.iter().map(at_work).min().filter(|_| most > 2 * own).map(|(_, number)| (peer, number));
        let (peer, number) = idle.map(|(_, peer, number)| (peer, number)).or(oldest)?;
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

/// One that waits for a place. No more wait than a third of the places: each has a socket, of which a process may have a thousand. Whoever
/// comes when so many do takes the turn of the last one of the peer that has most of them, unless he would have as many then.
struct Waiting<'a> {
    port: &'a Connections,
    peer: IpAddr,
    told: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn new(port: &'a Connections, peer: IpAddr) -> Option<Self> {
        let mut taken = lock(&port.taken);
        let line = &mut taken.waiting;
        if line.values().map(Vec::len).sum::<usize>() >= port.most.div_ceil(3) {
            let own = line.get(&peer).map_or(0, Vec::len);
            let longest = line.values_mut().max_by_key(|waiting| waiting.len())?;
            if longest.len() <= own + 1 {
                return None;
            }
            longest.pop()?.notify_one();
        }
        let told = Arc::new(Notify::new());
        line.entry(peer).or_default().push(told.clone());
        drop(taken);
        Some(Self { port, peer, told })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut taken = lock(&self.port.taken);
        let Some(waiting) = taken.waiting.get_mut(&self.peer) else { return };
        waiting.retain(|told| !Arc::ptr_eq(told, &self.told));
        if waiting.is_empty() {
            taken.waiting.remove(&self.peer);
        }
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
        let mut pulse = lock(&self.pulse);
        let answers = pulse.answers.saturating_add(u8::from(pulse.heard && !heard));
        *pulse = Pulse { heard, answers, at: Instant::now() };
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

    /// A connection is not read while its review waits for room, and this is the one call that comes.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.place.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod trials;
