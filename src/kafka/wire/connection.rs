//! One connection to one broker, shared by everybody who asks that broker something.
//!
//! Two tasks own the two halves of the stream: a writer, so that a caller who gives up cannot leave half a frame behind,
//! and a reader, which hands each reply to whoever waits for its correlation id. A broker answers one connection in order,
//! so an answer that does not come in time holds up all behind it: the connection is given up, and everybody on it is told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes};
use kafka_protocol::protocol::Request;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    frame::{self, FrameError, LARGEST_GREETING, LARGEST_PASSED_OVER, LARGEST_REPLY},
    versions::{Versions, api_name},
};
use crate::kafka::error::Error;

/// How many requests may await their answers; more wait their turn.
const IN_FLIGHT: usize = 64;

/// What a connection runs over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to a broker. Closed when dropped.
#[derive(Debug)]
pub struct Connection {
    link: Arc<Link>,
    to_writer: mpsc::Sender<Bytes>,
    permits: Arc<Semaphore>,
    peer: String,
    client_id: String,
    versions: OnceLock<Versions>,
    expires: OnceLock<Instant>,
    tasks: [AbortHandle; 2],
}

/// What callers and the two tasks share.
#[derive(Debug)]
struct Link {
    waiting: Mutex<Waiting>,
    next: AtomicI32,
    cap: AtomicUsize,
}

#[derive(Debug)]
enum Waiting {
    Open(HashMap<i32, Waiter>),
    /// Why nobody can wait any longer.
    Closed(String),
}

#[derive(Debug)]
struct Waiter {
    reply: oneshot::Sender<Reply>,
    /// Held until the reply is here, even if the caller has gone: it is the broker's work that is limited.
    _permit: OwnedSemaphorePermit,
}

/// A reply's frame, or the length of one that is not kept.
type Reply = Result<Bytes, usize>;

// === impl Connection ===

impl Connection {
    /// Takes over a stream that is ready for the first Kafka request. Must be called within a runtime.
    #[must_use]
    pub fn new(stream: Box<dyn Stream>, peer: &str, client_id: &str) -> Self {
        let link = Arc::new(Link {
            waiting: Mutex::new(Waiting::Open(HashMap::new())),
            next: AtomicI32::new(0),
            cap: AtomicUsize::new(LARGEST_GREETING),
        });
        let (read_half, write_half) = tokio::io::split(stream);
        let (to_writer, frames) = mpsc::channel(IN_FLIGHT);
        let reader = tokio::spawn(read_replies(Arc::clone(&link), BufReader::new(read_half))).abort_handle();
        let writer = tokio::spawn(write_requests(Arc::clone(&link), frames, write_half)).abort_handle();
        Self {
            link,
            to_writer,
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            peer: peer.to_owned(),
            client_id: client_id.to_owned(),
            versions: OnceLock::new(),
            expires: OnceLock::new(),
            tasks: [reader, writer],
        }
    }

    /// Who is at the other end, as `host:port`.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The peer has proved who it is: from now on replies may be large.
    pub(super) fn trust(&self) {
        self.link.cap.store(LARGEST_REPLY, Ordering::Relaxed);
    }

    pub(super) fn set_versions(&self, versions: Versions) {
        // Set once, while the connection is opened.
        let _ = self.versions.set(versions);
    }

    /// The broker ends the session after this time unless we log in anew (KIP-368). We open another connection instead,
    /// well before.
    pub(super) fn expire_after(&self, lifetime: Duration) {
        let _ = self.expires.set(Instant::now() + lifetime.mul_f32(0.8));
    }

    /// Whether a call now can hope for an answer.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let open = matches!(*self.link.lock(), Waiting::Open(_));
        open && self.expires.get().is_none_or(|expires| Instant::now() < *expires)
    }

    /// The newest version of an API that both sides speak.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none.
    pub fn version_of<R: Request>(&self) -> Result<i16, Error> {
        let api = api_name::<R>();
        let versions = self.versions.get().ok_or_else(|| Error::unreachable(api, &self.peer, "not negotiated yet"))?;
        versions.pick::<R>().map_err(|error| Error::invalid(api, &self.peer, error.to_string()))
    }

    /// Sends a request in a version that [`Connection::version_of`] gave, and awaits its reply.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a reply that does not decode, [`Error::Invalid`] for a request that does not encode and for a
    /// reply that is too large ([`Error::is_too_large`]), [`Error::Retriable`] for everything that the network and time can do. Error codes within the reply are the
    /// caller's to read.
    pub async fn call<R: Request>(&self, request: &R, version: i16, deadline: Instant) -> Result<R::Response, Error> {
        let frame = self.exchange(request, version, deadline).await?;
        frame::decode(frame, version).map_err(|error| match error {
            // Clients can make some fields that long: the broker is well, and so are all others on the connection.
            FrameError::Beyond(_) => Error::too_large(api_name::<R>(), &self.peer, error.to_string()),
            error => self.give_up(api_name::<R>(), &error),
        })
    }

    /// Sends a request and gives the bytes that follow the reply's header, which must be of version 0.
    pub(super) async fn call_raw<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let mut frame = self.exchange(request, version, deadline).await?;
        // The reader has seen to it that a correlation id is there.
        frame.advance(4.min(frame.len()));
        Ok(frame)
    }

    /// A peer whose reply makes no sense is not asked again.
    pub(super) fn give_up(&self, api: &str, error: &FrameError) -> Error {
        self.link.close(&format!("given up after a reply to {api} that makes no sense"));
        Error::protocol(api, &self.peer, error.to_string())
    }

    async fn exchange<R: Request>(&self, request: &R, version: i16, deadline: Instant) -> Result<Bytes, Error> {
        let api = api_name::<R>();
        let id = self.link.next.fetch_add(1, Ordering::Relaxed);
        let frame = frame::encode(request, version, id, &self.client_id)
            .map_err(|error| Error::invalid(api, &self.peer, error.to_string()))?;
        let not_sent = |reason: String| Error::unreachable(api, &self.peer, reason);
        let permit = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(not_sent(
                "too many requests are unanswered; the deadline passed before this one could be sent".into(),
            ));
        };
        let reply = self.link.expect(id, permit).map_err(not_sent)?;
        if timeout_at(deadline, self.to_writer.send(frame)).await.is_err() {
            self.link.close("requests could not be written in time");
        }
        match timeout_at(deadline, reply).await {
            Ok(Ok(Ok(frame))) => Ok(frame),
            Ok(Ok(Err(length))) => {
                let reason = format!("the answer has {length} bytes; up to {LARGEST_REPLY} are read");
                Err(Error::too_large(api, &self.peer, reason))
            }
            Ok(Err(_)) => Err(Error::unanswered(api, &self.peer, self.link.close("closed"))),
            Err(_) => {
                self.link.close(&format!("no answer to {api} in time"));
                Err(Error::unanswered(api, &self.peer, "no answer in time"))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

// === impl Link ===

impl Link {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a waiter, or says why there is nothing to wait for.
    fn expect(&self, id: i32, permit: OwnedSemaphorePermit) -> Result<oneshot::Receiver<Reply>, String> {
        match &mut *self.lock() {
            Waiting::Closed(reason) => Err(reason.clone()),
            Waiting::Open(waiters) => {
                let (reply, receiver) = oneshot::channel();
                waiters.insert(id, Waiter { reply, _permit: permit });
                Ok(receiver)
            }
        }
    }

    /// Lets everybody go. The first reason stays, and is returned.
    fn close(&self, reason: &str) -> String {
        let mut waiting = self.lock();
        if let Waiting::Closed(first) = &*waiting {
            return first.clone();
        }
        *waiting = Waiting::Closed(reason.to_owned());
        reason.to_owned()
    }

    /// Hands a reply over.
    fn deliver(&self, id: i32, reply: Reply) -> Result<(), FrameError> {
        let waiter = match &mut *self.lock() {
            Waiting::Closed(_) => return Ok(()),
            Waiting::Open(waiters) => waiters.remove(&id),
        };
        let waiter = waiter.ok_or_else(|| FrameError::Malformed(format!("nobody asked with correlation id {id}")))?;
        // A caller that has gone needs no answer.
        let _ = waiter.reply.send(reply);
        Ok(())
    }
}

async fn read_replies(link: Arc<Link>, mut stream: BufReader<ReadHalf<Box<dyn Stream>>>) {
    let reason = loop {
        let delivered = match frame::read(&mut stream, || link.cap.load(Ordering::Relaxed)).await {
            Ok(frame) => match frame::correlation(&frame) {
                Some(id) => link.deliver(id, Ok(frame)),
                None => Err(FrameError::Malformed("no correlation id".into())),
            },
            Err(FrameError::Length { length, cap: cap @ LARGEST_REPLY }) => match usize::try_from(length) {
                Ok(length) if length > cap && length <= LARGEST_PASSED_OVER => {
                    pass_over(&link, &mut stream, length).await
                }
                _ => Err(FrameError::Length { length, cap }),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = delivered {
            break error.to_string();
        }
    };
    link.close(&reason);
}

/// Who is known may answer at greater length than is kept: only whoever asked is told, and all behind it are still answered.
async fn pass_over(
    link: &Link,
    stream: &mut BufReader<ReadHalf<Box<dyn Stream>>>,
    length: usize,
) -> Result<(), FrameError> {
    let id = stream.read_i32().await?;
    link.deliver(id, Err(length))?;
    frame::pass_over(stream, length - 4).await
}

async fn write_requests(link: Arc<Link>, mut frames: mpsc::Receiver<Bytes>, mut stream: WriteHalf<Box<dyn Stream>>) {
    while let Some(frame) = frames.recv().await {
        let written = async {
            stream.write_all(&frame).await?;
            // What has queued up in the meantime goes out with it.
            while let Ok(frame) = frames.try_recv() {
                stream.write_all(&frame).await?;
            }
            stream.flush().await
        };
        if let Err(error) = written.await {
            link.close(&error.to_string());
            return;
        }
    }
}
