//! How the command line reaches a Kafka: as a `BrokerCluster` says, or as its own arguments do. Nothing is ever written there.

pub mod file;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use kube::Client;
use kube::api::Api;

use super::exit::Try;
use crate::api::names::{ClusterRef, Scope};
use crate::api::resources::BrokerCluster;
use crate::clusters::observe::reach;
use crate::clusters::terms::config;
use crate::kafka::admin::Admin;
use crate::kafka::config::{ClientConfig, Endpoint};
use crate::runtime::kubernetes::call;

/// One read of the API server.
pub const CALL: Duration = Duration::from_secs(10);

/// A way to Kafka that is not the `BrokerCluster`'s.
#[derive(Debug, Args)]
#[command(next_help_heading = "Another way to Kafka than the BrokerCluster's")]
pub struct Way {
    /// Brokers to ask first, as host:port, separated by commas.
    #[arg(long, value_name = "LIST")]
    pub bootstrap_servers: Option<String>,
    /// The settings of a client that may describe topics and their configuration: Java's client.properties or librdkafka's
    /// configuration, with SASL/SCRAM and trust in PEM.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Way {
    /// Whether the arguments name a way at all.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.bootstrap_servers.is_some() || self.config.is_some()
    }

    /// The client that the arguments describe. `servers` are those of the `BrokerCluster`, for arguments that name none.
    ///
    /// # Errors
    /// The file cannot be read or used, or nobody names the brokers.
    pub fn client(&self, servers: Option<&str>) -> anyhow::Result<Admin> {
        let mut read = match &self.config {
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"));
                let text = text.with_context(|| Try(format!("ls -l {name}")))?;
                file::read(&text).with_context(|| format!("{name} cannot be used"))?
            }
            None => ClientConfig::new(Vec::new()),
        };
        let named = self.bootstrap_servers.as_deref().or(if read.bootstrap.is_empty() { servers } else { None });
        if let Some(list) = named {
            read.bootstrap = Endpoint::parse_list(list).with_context(|| format!("brokers \"{list}\""))?;
        }
        if read.bootstrap.is_empty() {
            let none = anyhow!("neither --bootstrap-servers nor bootstrap.servers in --config names a broker");
            return Err(
                none.context(Try("admittance import topics --bootstrap-servers kafka:9092 --config FILE".to_owned()))
            );
        }
        Ok(Admin::new(read)?)
    }
}

/// A `BrokerCluster`, read.
///
/// # Errors
/// There is none of this name, or it may not be read.
pub async fn cluster(client: &Client, name: &ClusterRef) -> anyhow::Result<BrokerCluster> {
    let api = Api::<BrokerCluster>::namespaced(client.clone(), &name.namespace);
    let hint = || Try("kubectl get brokerclusters --all-namespaces".to_owned());
    let found = call(CALL, "read the BrokerCluster", api.get_opt(&name.name)).await.with_context(hint)?;
    found.ok_or_else(|| anyhow!("there is no BrokerCluster {name}").context(hint()))
}

/// The prefix of every user of a `BrokerCluster`: what its operator says, what it names itself, else the default, where that is known.
#[must_use]
pub fn scope(cluster: &BrokerCluster, default: Option<&Scope>) -> Option<Scope> {
    let read = |text: Option<&str>| text.and_then(|scope| Scope::parse(scope).ok());
    let said = read(cluster.status.as_ref().and_then(|status| status.scope.as_deref()));
    said.or_else(|| read(cluster.spec.scope.as_deref())).or_else(|| default.cloned())
}

/// A client as the operator has it, by the Secrets that the `BrokerCluster` names.
///
/// # Errors
/// A Secret cannot be read or used.
pub async fn client(client: &Client, cluster: &BrokerCluster) -> anyhow::Result<Admin> {
    let unusable = |unusable: crate::clusters::Unusable| anyhow!("{}: {}", unusable.reason, unusable.message);
    let (terms, credential) = Box::pin(reach(client, cluster, None)).await.map_err(unusable)?;
    Ok(Admin::new(config(&terms, credential).map_err(unusable)?)?)
}
