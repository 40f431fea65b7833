//! What an administrator asks of Kafka: a file a noun.
//!
//! [`Admin`] is a handle to the cluster: cheap to clone, shared by everybody. It opens connections when they are first
//! needed and replaces those that break.
//!
//! A broker works off one connection in order, and forwards writes to the controller one at a time. Writes of different
//! nouns therefore travel in lanes: each has a connection of its own, to a broker of its own where there are several, so
//! that a topic, its rules and its user are committed side by side.

pub mod acls;
pub mod activity;
pub mod cluster;
pub mod configs;
#[cfg(feature = "operator")]
mod existence;
pub mod groups;
pub mod log_dirs;
pub mod login;
pub mod mechanisms;
mod pool;
pub mod quotas;
mod race;
pub mod reassignments;
pub mod records;
pub mod settings;
pub mod topics;
pub mod users;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, atomic::AtomicUsize},
};

use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::{Instant, timeout};

pub use self::cluster::BrokerId;
use self::pool::{Lane, Pool, Slot};
use super::{
    config::ClientConfig,
    error::Error,
    wire::{connection::Connection, connector::Connector},
};

/// How many deletions of rules may be under way at once, each on a connection of its own.
pub(super) const REVOCATIONS: usize = 3;
/// After this part of the time for a request, a broker that any other could stand in for counts as silent: 3 s, where an answer takes
/// milliseconds, and well within what a look at a cluster may take.
const SILENT: u32 = 5;

/// Bytes of the longest text that Kafka reads (every generated message refuses a longer one, in compact form as well).
const LONGEST_TEXT: usize = i16::MAX as usize;

/// Which broker answers a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Whichever is at hand.
    Any,
    /// This one, from what it knows itself.
    Broker(BrokerId),
}

/// A handle to a Kafka cluster.
#[derive(Debug, Clone)]
pub struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    connector: Connector,
    pool: Pool,
    /// Counts deletions of rules, to spread them.
    revocations: AtomicUsize,
    too_large: acls::TooLarge,
}

/// A reply, and who gave it: for the text of errors within it.
struct Answer<T> {
    reply: T,
    peer: String,
    /// In which both spoke.
    version: i16,
}

impl Admin {
    /// Prepares a client. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the list of brokers is empty or the CA cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        if config.bootstrap.is_empty() {
            return Err(Error::invalid("bootstrap", "", "no broker is named"));
        }
        let connector = Connector::new(&config)?;
        Ok(Self(Arc::new(Inner {
            config,
            connector,
            pool: Pool::default(),
            revocations: AtomicUsize::new(0),
            too_large: acls::TooLarge::default(),
        })))
    }

    fn slot(at: At) -> Slot {
        match at {
            At::Any => Slot::Lane(Lane::Reads),
            At::Broker(id) => Slot::Broker(id),
        }
    }

    /// Asks something that changes nothing, and asks once more if the first connection was a dead one.
    async fn read<R: Request>(&self, at: At, request: impl Fn(i16) -> R) -> Result<Answer<R::Response>, Error> {
        let slot = Self::slot(at);
        let answer = match at {
            At::Any => self.ask_any(slot, &request).await,
            At::Broker(_) => self.send(slot, &request).await,
        };
        match answer {
            Err(error) if error.is_retriable() && error.code().is_none() => self.send(slot, &request).await,
            other => other,
        }
    }

    /// Asks one broker, and another as well if that is silent: its connection may have died without a word.
    async fn ask_any<R: Request>(&self, slot: Slot, request: &impl Fn(i16) -> R) -> Result<Answer<R::Response>, Error> {
        let connection = self.connection(slot).await?;
        let mut first = pin!(self.send_on(&connection, request));
        if let Ok(answer) = timeout(self.0.config.request_timeout / SILENT, &mut first).await {
            return answer;
        }
        let mut second = pin!(async {
            self.0.pool.leave(slot, &connection).await;
            self.send(slot, request).await
        });
        // A broker that is merely slow is still heard.
        tokio::select! {
            answer = &mut first => match answer {
                Err(_) => second.await,
                answered => answered,
            },
            answer = &mut second => match answer {
                Err(_) => first.await,
                answered => answered,
            },
        }
    }

    /// Asks for a change. It is sent again only if it certainly never left.
    async fn write<R: Request + Clone>(&self, lane: Lane, request: R) -> Result<Answer<R::Response>, Error> {
        let request = |_| request.clone();
        match self.send(Slot::Lane(lane), &request).await {
            Err(error) if error.is_retriable() && !error.outcome_unknown() => {
                self.send(Slot::Lane(lane), &request).await
            }
            other => other,
        }
    }

    async fn send<R: Request>(&self, slot: Slot, request: &impl Fn(i16) -> R) -> Result<Answer<R::Response>, Error> {
        self.send_on(&*self.connection(slot).await?, request).await
    }

    async fn send_on<R: Request>(
        &self,
        connection: &Connection,
        request: &impl Fn(i16) -> R,
    ) -> Result<Answer<R::Response>, Error> {
        let version = connection.version_of::<R>()?;
        let deadline = Instant::now() + self.0.config.request_timeout;
        let reply = connection.call(&request(version), version, deadline).await?;
        Ok(Answer { reply, peer: connection.peer().to_owned(), version })
    }

    /// How long a broker may take for a change, in milliseconds: less than we wait for its answer.
    fn server_timeout(&self) -> i32 {
        i32::try_from(self.0.config.request_timeout.as_millis() * 4 / 5).unwrap_or(i32::MAX)
    }
}

/// Refuses what Kafka does not read: at a longer text it closes the connection, and everybody on it would be told of an outage.
fn readable<'t>(api: &str, texts: impl IntoIterator<Item = &'t str>) -> Result<(), Error> {
    match texts.into_iter().map(str::len).find(|length| *length > LONGEST_TEXT) {
        Some(length) => {
            Err(Error::invalid(api, "", format!("a text has {length} bytes; Kafka reads {LONGEST_TEXT} at most")))
        }
        None => Ok(()),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn missing(api: &str, peer: &str, what: impl fmt::Display) -> Error {
    Error::protocol(api, peer, format!("the reply says nothing about `{what}`"))
}
