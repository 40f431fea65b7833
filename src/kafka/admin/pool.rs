//! Connections, opened when first needed and replaced when broken.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout_at},
};

use super::{Admin, BrokerId, race};
use crate::kafka::{config::Endpoint, error::Error, wire::connection::Connection};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Lane(Lane),
    Broker(BrokerId),
}

/// Requests that may wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Reads,
    Topics,
    Acls,
    Users,
    /// Several, since deletions of rules may overtake each other.
    Revocations(usize),
}

impl Lane {
    /// How far into the list of brokers the lane's own is.
    fn turn(self) -> usize {
        match self {
            Self::Reads => 0,
            Self::Topics => 1,
            Self::Acls => 2,
            Self::Users => 3,
            Self::Revocations(number) => number,
        }
    }
}

/// One place for a connection; the lock is held while it is opened, so that it is opened once.
type Place = Arc<AsyncMutex<Option<Arc<Connection>>>>;

#[derive(Debug, Default)]
pub(super) struct Pool {
    places: Mutex<HashMap<Slot, Place>>,
    brokers: Mutex<BTreeMap<BrokerId, Endpoint>>,
    favour: Mutex<Favour>,
}

/// Whom reads go to, as far as experience has shown.
#[derive(Debug, Default)]
struct Favour {
    /// Who answered at last.
    first: Option<Endpoint>,
    /// Who was silent at last: a broker can be dead, or stand still, and have connections opened to it all the same.
    last: Option<Endpoint>,
}

impl Favour {
    fn order(&self, endpoint: &Endpoint) -> u8 {
        match Some(endpoint) {
            silent if silent == self.last.as_ref() => 2,
            answered if answered == self.first.as_ref() => 0,
            _ => 1,
        }
    }
}

impl Pool {
    /// Remembers where brokers are, and drops the connections to those that are no more.
    pub(super) fn learn(&self, brokers: BTreeMap<BrokerId, Endpoint>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|slot, _| match slot {
            Slot::Lane(_) => true,
            Slot::Broker(id) => brokers.contains_key(id),
        });
        *self.brokers.lock().unwrap_or_else(PoisonError::into_inner) = brokers;
    }

    fn known(&self) -> BTreeMap<BrokerId, Endpoint> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has this one asked first from now on.
    pub(super) fn prefer(&self, endpoint: Endpoint) {
        self.favour.lock().unwrap_or_else(PoisonError::into_inner).first = Some(endpoint);
    }

    /// Gives up a connection whose broker is silent, for whoever asks next. Those that wait on it may still have their answer.
    pub(super) async fn leave(&self, slot: Slot, connection: &Arc<Connection>) {
        if let Ok(silent) = connection.peer().parse() {
            self.favour.lock().unwrap_or_else(PoisonError::into_inner).last = Some(silent);
        }
        // Another may have been quicker: its new connection stays.
        self.place(slot).lock().await.take_if(|held| Arc::ptr_eq(held, connection));
    }

    /// The same endpoints, each once, whoever answered at last in front.
    fn in_favour(&self, endpoints: impl Iterator<Item = Endpoint>) -> Vec<Endpoint> {
        let mut seen = HashSet::new();
        let mut endpoints: Vec<_> = endpoints.filter(|endpoint| seen.insert(endpoint.clone())).collect();
        let favour = self.favour.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.sort_by_key(|endpoint| favour.order(endpoint));
        endpoints
    }

    fn place(&self, slot: Slot) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(slot).or_default())
    }
}

impl Admin {
    /// The connection for a slot, opened if there is none that can be used.
    pub(super) async fn connection(&self, slot: Slot) -> Result<Arc<Connection>, Error> {
        let place = self.0.pool.place(slot);
        // Whoever holds the place asks every candidate at most, one soon after the other, each within the connect timeout.
        let patience = Instant::now() + self.0.config.connect_timeout + self.0.config.request_timeout;
        let Ok(mut place) = timeout_at(patience, place.lock()).await else {
            return Err(Error::unreachable("connect", "", "others are still trying to connect"));
        };
        if let Some(connection) = place.as_ref().filter(|connection| connection.is_usable()) {
            return Ok(Arc::clone(connection));
        }
        *place = None;
        let (endpoint, connection) = race::first(self.candidates(slot).await?, |endpoint| {
            let admin = self.clone();
            async move {
                let connection = admin.0.connector.open(&endpoint, admin.0.config.sasl.as_ref()).await?;
                Ok((endpoint, Arc::new(connection)))
            }
        })
        .await?;
        if slot == Slot::Lane(Lane::Reads) {
            self.0.pool.prefer(endpoint);
        }
        *place = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Where a broker is, as it advertises itself.
    pub(super) async fn endpoint_of(&self, id: BrokerId) -> Result<Endpoint, Error> {
        if let Some(endpoint) = self.0.pool.known().remove(&id) {
            return Ok(endpoint);
        }
        Box::pin(self.describe_cluster()).await?;
        let unknown = || Error::unreachable("connect", "", format!("broker {id} is not registered with the cluster"));
        self.0.pool.known().remove(&id).ok_or_else(unknown)
    }

    /// Whom to ask, the most promising first.
    pub(super) async fn candidates(&self, slot: Slot) -> Result<Vec<Endpoint>, Error> {
        let bootstrap = self.0.config.bootstrap.iter().cloned();
        match slot {
            Slot::Broker(id) => Ok(vec![self.endpoint_of(id).await?]),
            // The first connection of all: nothing is known yet.
            Slot::Lane(Lane::Reads) => Ok(self.0.pool.in_favour(bootstrap.chain(self.0.pool.known().into_values()))),
            Slot::Lane(lane) => {
                if self.0.pool.known().is_empty() {
                    Box::pin(self.describe_cluster()).await?;
                }
                let mut brokers: Vec<_> = self.0.pool.known().into_values().collect();
                let turn = lane.turn() % brokers.len().max(1);
                brokers.rotate_left(turn);
                Ok(brokers.into_iter().chain(bootstrap).collect())
            }
        }
    }
}
