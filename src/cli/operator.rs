//! `admittance operator`: all Kafka work.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use crate::access;
use crate::api::names::{ClusterRef, check_object};
use crate::operator::{self, LEASE, Settings, State};
use crate::runtime::health::{self, Health};
use crate::runtime::looks;
use crate::runtime::readiness::Readiness;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::writes::WRITES;
use crate::runtime::{kubernetes, listen, metrics};
use crate::topics;
use crate::watch::reach::Reach;

/// Makes topics, users, rights and Secrets as Pods and claims ask for them.
///
/// Several replicas may run; one leads by a Lease, and the others wait. It is never in the path of a Pod's creation.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// The namespace of this installation: the Lease lies there.
    #[arg(long, env = "POD_NAMESPACE")]
    namespace: String,
    /// The Lease by which one replica leads: one for each installation in the namespace.
    #[arg(long, value_name = "NAME", default_value = LEASE)]
    lease: String,
    /// The name that tells this replica from the others.
    #[arg(long, env = "POD_NAME")]
    identity: String,
    /// The BrokerCluster of Pods that name none: name, or namespace/name.
    #[arg(long, value_name = "CLUSTER", default_value = "default")]
    default_cluster: String,
    /// The only namespaces to look after, besides that of the installation: a list with commas. Without it, all of them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Serve Deployments that ask by their own label and annotations, as the contract of 2017 has it.
    #[arg(long)]
    deployments_2017: bool,
    /// Make topics of the ConfigMaps with these labels, as the contract of 2017 has it: config=kafka-topic.
    #[arg(long, value_name = "SELECTOR")]
    topic_config_maps: Option<String>,
    /// The port for /livez, /readyz and /metrics over plain HTTP.
    #[arg(long, default_value_t = 8080)]
    health_port: u16,
}

/// Runs the operator until it is told to stop, or loses the Lease.
///
/// # Errors
/// A port is taken, there is no access to the API server, the Lease is lost, or an argument makes no sense.
pub async fn run(args: OperatorArgs) -> anyhow::Result<()> {
    let default_cluster = ClusterRef::parse(&args.default_cluster, &args.namespace)
        .with_context(|| format!("--default-cluster \"{}\"", args.default_cluster))?;
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let mut registry = metrics::registry();
    metrics::WRITES.register(&mut registry, WRITES.clone());
    metrics::FAILED_LOOKS.register(&mut registry, looks::FAILED.clone());
    access::metrics::register(&mut registry);
    topics::metrics::register(&mut registry);
    if let Some(bad) = args.namespaces.iter().find(|name| check_object(name).is_err()) {
        anyhow::bail!("--namespaces: \"{bad}\" is no name of a namespace");
    }
    let reach = Reach::of(args.namespaces, &args.namespace);
    let state = Arc::new(State::new(default_cluster, reach));
    registry.register_collector(Box::new(state.clone()));
    let listener =
        listen::everywhere(args.health_port).with_context(|| format!("cannot listen on port {}", args.health_port))?;
    let client = kubernetes::client().await?;
    let default_cluster = state.world.install();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), identity = args.identity, %default_cluster, "starting");
    let settings = Settings {
        namespace: args.namespace,
        lease: args.lease,
        identity: args.identity,
        deployments_of_2017: args.deployments_2017,
        config_maps: args.topic_config_maps,
    };
    tokio::select! {
        worked = operator::run(client, settings, &state, async { shutdown.begun().await }) => Ok(worked?),
        // A replica that waits for the Lease is as ready as it can be.
        served = health::serve(listener, Health { readiness: Readiness::default(), registry }) => served.context("the health port"),
    }
}
