//! `admittance webhook`: answers AdmissionReviews.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use kube::Client;
use prometheus_client::registry::Registry;

use super::install::{Invalid, Way};
use super::terms::Watched;
use crate::admission::claims::Terms;
use crate::admission::decide::{Gates, Settings};
use crate::admission::server::{self, Closing};
use crate::api::names::ClusterRef;
use crate::runtime::health::{self, Health};
use crate::runtime::readiness::Readiness;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::{kubernetes, listen, metrics};
use crate::trust::folder::Folder;
use crate::trust::keeper::{Keeper, Memory};
use crate::trust::leaf::service_names;
use crate::trust::metrics::Expiry;
use crate::trust::publish::Publisher;
use crate::trust::resolver::{Resolver, server_config};
use crate::trust::store::Store;

/// How long reviews are answered after being told to stop, until every API server has heard of it. The chart's
/// `terminationGracePeriodSeconds` has room for it.
const DRAIN: Duration = Duration::from_secs(5);

/// Answers the API server's AdmissionReviews.
///
/// Every replica is active. Each signs a serving certificate for itself, by a CA that all of them keep in one Secret, and writes
/// the CA's certificate into its webhook configurations. Nothing else is written, and Kafka is never spoken to.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    /// The namespace of this installation.
    #[arg(long, env = "POD_NAMESPACE")]
    namespace: String,
    /// The Service by which the API server calls: the serving certificate is made out to it.
    #[arg(long, value_name = "NAME")]
    service_name: String,
    /// The MutatingWebhookConfiguration whose caBundle is kept.
    #[arg(long, value_name = "NAME", required_unless_present = "tls_dir")]
    configuration: Option<String>,
    /// Judge claims too, by the limits of their BrokerClusters: the ValidatingWebhookConfiguration whose caBundle is kept.
    #[arg(long, value_name = "NAME", requires = "configuration")]
    claims_configuration: Option<String>,
    /// The Secret that holds the CA. One that does not exist is made; a CA of your own in it (ca.crt, ca.key) is used.
    #[arg(long, value_name = "NAME", required_unless_present = "tls_dir")]
    ca_secret: Option<String>,
    /// Serve the certificate in this folder (tls.crt, tls.key) instead, and leave CA and caBundle to whoever keeps it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["configuration", "ca_secret", "claims_configuration"])]
    tls_dir: Option<PathBuf>,
    /// The BrokerCluster of Pods that name none: name, or namespace/name.
    #[arg(long, value_name = "CLUSTER", default_value = "default")]
    default_cluster: String,
    /// The image that holds the probe.
    #[arg(long, value_name = "IMAGE")]
    probe_image: String,
    /// How the probe comes into a Pod.
    #[arg(long, value_enum, default_value_t = Way::Copy)]
    probe_delivery: Way,
    /// Pods may wait at a scheduling gate: the operator was given the right to open it.
    #[arg(long)]
    gates: bool,
    /// What becomes of a Pod whose annotations cannot be understood.
    #[arg(long, value_enum, default_value_t = Invalid::Deny)]
    on_invalid: Invalid,
    /// The port for AdmissionReviews over HTTPS.
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// The port for /livez, /readyz and /metrics over plain HTTP.
    #[arg(long, default_value_t = 8080)]
    health_port: u16,
}

enum Trust {
    Keeper(Box<Keeper>, Option<Arc<Watched>>, Client),
    Folder(Folder),
}

impl Trust {
    async fn run(self) -> Infallible {
        match self {
            Self::Keeper(keeper, None, _) => keeper.run().await,
            Self::Keeper(keeper, Some(clusters), client) => tokio::select! {
                never = keeper.run() => never,
                never = clusters.follow(client) => never,
            },
            Self::Folder(folder) => folder.run().await,
        }
    }
}

/// Runs the webhook until it is told to stop.
///
/// # Errors
/// A port is taken, there is no access to the API server, or an argument makes no sense.
pub async fn run(args: WebhookArgs) -> anyhow::Result<()> {
    let settings = settings(&args)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let mut registry = metrics::registry();
    let mut readiness = Readiness::default();
    let open = readiness.open_gate("the program is stopping");
    let resolver = Arc::new(Resolver::default());
    let counts = server::Metrics::register(&mut registry);
    let trust = trust(&args, resolver.clone(), &mut readiness, &mut registry).await?;
    let closing = Closing { shutdown, open, drain: DRAIN };
    let listener = listen::everywhere(args.port).with_context(|| format!("cannot listen on port {}", args.port))?;
    let health_listener =
        listen::everywhere(args.health_port).with_context(|| format!("cannot listen on port {}", args.health_port))?;
    tracing::info!(version = settings.version, port = args.port, default_cluster = %settings.default_cluster, "starting");
    let terms = match &trust {
        Trust::Keeper(_, Some(clusters), _) => {
            Some(Terms { default_cluster: settings.default_cluster.clone(), clusters: clusters.clone() })
        }
        _ => None,
    };
    let router = server::router(settings, terms, counts);
    tokio::select! {
        served = server::serve(listener, server_config(resolver)?, router, closing) => served.context("the webhook's port"),
        served = health::serve(health_listener, Health { readiness, registry }) => served.context("the health port"),
        never = trust.run() => match never {},
    }
}

fn settings(args: &WebhookArgs) -> anyhow::Result<Settings> {
    let default_cluster = ClusterRef::parse(&args.default_cluster, &args.namespace)
        .with_context(|| format!("--default-cluster \"{}\"", args.default_cluster))?;
    Ok(Settings {
        default_cluster,
        on_invalid: args.on_invalid.into(),
        probe_image: args.probe_image.clone(),
        probe_delivery: args.probe_delivery.into(),
        gates: if args.gates { Gates::Offered } else { Gates::NotOffered },
        version: env!("CARGO_PKG_VERSION"),
    })
}

async fn trust(
    args: &WebhookArgs,
    resolver: Arc<Resolver>,
    readiness: &mut Readiness,
    registry: &mut Registry,
) -> anyhow::Result<Trust> {
    let expiry = Expiry::default();
    expiry.register(registry);
    let certified = readiness.gate("there is no serving certificate yet");
    let (Some(configuration), Some(secret)) = (&args.configuration, &args.ca_secret) else {
        let path = args.tls_dir.clone().context("--tls-dir, or --configuration with --ca-secret")?;
        return Ok(Trust::Folder(Folder::new(path, resolver, certified, expiry)));
    };
    let client = kubernetes::client().await?;
    let claims = args.claims_configuration.as_deref();
    let keeper = Keeper {
        store: Store::new(client.clone(), &args.namespace, secret),
        publisher: Publisher::mutating(client.clone(), configuration),
        claims: claims.map(|name| Publisher::validating(client.clone(), name)),
        names: service_names(&args.service_name, &args.namespace),
        resolver,
        certified,
        published: readiness.gate("the caBundle is not published yet"),
        expiry,
        remembered: Memory::default(),
    };
    Ok(Trust::Keeper(Box::new(keeper), claims.map(|_| Watched::new()), client))
}
