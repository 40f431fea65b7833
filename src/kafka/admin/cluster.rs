//! The cluster and its brokers.

use std::fmt;

use kafka_protocol::messages::DescribeClusterRequest;

use super::{Admin, At};
use crate::kafka::{acl::Operation, config::Endpoint, error::Error};

const API: &str = "DescribeCluster";
/// Since this version fenced brokers can be asked for (KIP-1073, Kafka 4.0).
const SHOWS_FENCED: i16 = 2;
/// Kafka's bits of authorised operations where it does not tell them.
pub(super) const NOT_TOLD: i32 = i32::MIN;

/// The number of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A cluster, as one of its brokers sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The id that every node was formatted with.
    pub id: String,
    /// In the order of their numbers.
    pub brokers: Vec<Broker>,
    /// Whether the fenced ones are among them: older brokers than 4.0 leave them out.
    pub shows_fenced: bool,
    /// What we may do on the resource Cluster; empty where we may not even describe it. `None` where the broker does not say.
    pub operations: Option<Vec<Operation>>,
}

/// A broker that is registered with the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: BrokerId,
    /// Where it serves those who connect as we did.
    pub endpoint: Endpoint,
    /// Its place, where it names one.
    pub rack: Option<String>,
    /// It serves nobody: it is down, or has not caught up yet.
    pub fenced: bool,
}

impl Admin {
    /// Describes the cluster. Needs no right; what we may do on it is told to those who have Describe on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_cluster(&self) -> Result<Cluster, Error> {
        let request = |version| {
            DescribeClusterRequest::default()
                .with_include_cluster_authorized_operations(true)
                .with_include_fenced_brokers(version >= SHOWS_FENCED)
        };
        let answer = self.read(At::Any, request).await?;
        let reply = answer.reply;
        Error::check(API, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let mut brokers = Vec::with_capacity(reply.brokers.len());
        for broker in reply.brokers {
            let id = BrokerId(broker.broker_id.0);
            // A fenced broker has no endpoint on our listener: it answers with port -1.
            let port = match u16::try_from(broker.port) {
                Ok(port) => port,
                Err(_) if broker.is_fenced => 0,
                Err(_) => {
                    let reason = format!("broker {id} advertises port {}", broker.port);
                    return Err(Error::protocol(API, &answer.peer, reason));
                }
            };
            brokers.push(Broker {
                id,
                endpoint: Endpoint { host: broker.host.to_string(), port },
                rack: broker.rack.map(|rack| rack.to_string()),
                fenced: broker.is_fenced,
            });
        }
        brokers.sort_by_key(|broker| broker.id);
        let live = brokers.iter().filter(|broker| !broker.fenced);
        self.0.pool.learn(live.map(|broker| (broker.id, broker.endpoint.clone())).collect());
        let operations = Some(reply.cluster_authorized_operations).filter(|bits| *bits != NOT_TOLD);
        let operations = operations.map(Operation::from_bits);
        let shows_fenced = answer.version >= SHOWS_FENCED;
        Ok(Cluster { id: reply.cluster_id.to_string(), brokers, shows_fenced, operations })
    }
}
