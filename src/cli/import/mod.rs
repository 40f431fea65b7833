//! `admittance import topics`: what is there already, as claims. Nothing is changed anywhere.

pub mod acls;
pub mod claims;
pub mod configmaps;
pub mod live;
pub mod strimzi;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::claims::live::list;
use super::claims::stream::stream;
use super::exit::{Exit, Try};
use super::kafka::{self, Way};
use super::manifest::{documents, objects};
use super::print::{self, Format, tame};
use super::source;
use crate::api::names::ClusterRef;
use crate::api::resources::TopicClaim;
use crate::cli::install::{DEFAULT_CLUSTER, NAMESPACE};
use crate::runtime::kubernetes;
use claims::{Assignment, Found, Imported};

const AFTER_HELP: &str = "\
Examples:
  admittance import topics > topics.yaml
  admittance import topics 'shop.*' payments -n shop | kubectl apply -f -
  admittance import topics --bootstrap-servers kafka:9092 --config client.properties -n shop
  kubectl -n kafka get kafkatopics,kafkausers -o yaml | admittance import topics --from strimzi
  admittance import topics --from 2017 -f configmaps/

From Kafka: every topic that is not internal, and that no TopicClaim of the cluster covers yet. A topic
goes to the namespace of --namespace; else to the one whose name it bears, as shop.orders goes to
shop; else it is left out and named. What is written as settings is what the topic itself says;
the brokers' defaults are not. A claim takes over a topic that does not bear its namespace's name
only where the BrokerCluster has topics.adopt: Any.

From manifests: a namespace that they name counts where --namespace is absent. KafkaUsers with ACLs
become manual AccessClaims where these say exactly the same. Else the claim is printed as comments,
with what has no equivalent: wildcards, other prefixes and operations, hosts, denials. They log in by
SCRAM and the Secret of their claim, which needs a service account: see --service-account.

Exit codes:
  0  everything that was found was printed as claims
  1  something was left out, or printed as comments; standard error names it
  2  wrong usage, an input that cannot be read, or no access to Kafka; nothing was printed";

/// What to import.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Print TopicClaims for topics that are there already: in a Kafka, as Strimzi's resources, or as ConfigMaps of 2017.
    ///
    /// Changes nothing, neither in Kafka nor in Kubernetes: what is printed is read by people, kept in a repository, and applied.
    Topics(TopicsArgs),
}

/// Where topics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Origin {
    /// In a Kafka that runs.
    Kafka,
    /// In KafkaTopics and KafkaUsers of Strimzi's.
    Strimzi,
    /// In ConfigMaps of the contract of 2017.
    #[value(name = "2017")]
    Of2017,
}

/// The arguments of `admittance import topics`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TopicsArgs {
    /// Topics, by name, with * for any characters; all where none is named.
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where the topics are.
    #[arg(long, value_enum, default_value_t = Origin::Kafka)]
    from: Origin,
    /// A manifest, or a folder of them; - is standard input, which is read where no file is named. Not for --from kafka.
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The namespace of every claim.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The BrokerCluster of the claims: namespace/name, or a name in the namespace admittance.
    #[arg(long, value_name = "CLUSTER", env = DEFAULT_CLUSTER, default_value = "admittance/default")]
    cluster: String,
    /// The service account of manual AccessClaims. Whoever applies them must be allowed to impersonate it.
    #[arg(long, value_name = "NAME", default_value = "default")]
    service_account: String,
    /// In which form the claims are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    output: Format,
    #[command(flatten)]
    way: Way,
}

/// Reads, and prints.
///
/// # Errors
/// An input cannot be read, Kafka cannot be asked, or standard output cannot be written to.
pub async fn run(import: Import) -> anyhow::Result<Exit> {
    let Import::Topics(args) = import;
    let cluster =
        ClusterRef::parse(&args.cluster, NAMESPACE).with_context(|| format!("--cluster \"{}\"", args.cluster))?;
    let imported = match args.from {
        Origin::Kafka => of_kafka(&args, &cluster).await?,
        Origin::Strimzi | Origin::Of2017 => of_manifests(&args, &cluster)?,
    };
    for note in &imported.notes {
        print::note(&tame(note));
    }
    print::text(&stream(&imported.entries, args.output))?;
    Ok(if imported.incomplete { Exit::Problems } else { Exit::Fine })
}

async fn of_kafka(args: &TopicsArgs, cluster: &ClusterRef) -> anyhow::Result<Imported> {
    if !args.files.is_empty() {
        let hint = Try("admittance import topics --from strimzi -f FILE".to_owned());
        return Err(anyhow!("-f is for manifests: name their kind with --from").context(hint));
    }
    // With a way of one's own, Kubernetes need not be there.
    let client = match kubernetes::client().await {
        Ok(client) => Some(client),
        Err(_) if args.way.is_named() => None,
        Err(error) => {
            let hint = Try("admittance import topics --bootstrap-servers kafka:9092 --config FILE".to_owned());
            return Err(anyhow::Error::from(error).context(hint));
        }
    };
    let admin = match &client {
        _ if args.way.is_named() => args.way.client(None)?,
        Some(client) => {
            let resource = kafka::cluster(client, cluster).await?;
            let hint = || Try("admittance import topics --bootstrap-servers kafka:9092 --config FILE".to_owned());
            kafka::client(client, &resource).await.with_context(hint)?
        }
        None => bail!("there is no way to Kafka"),
    };
    print::progress("reading the topics");
    let (topics, mut notes) = live::topics(&admin, |name| claims::wanted(name, &args.topics)).await?;
    let (mut namespaces, mut claimed) = (None, Vec::new());
    if let Some(client) = &client {
        namespaces = known_namespaces(client).await;
        match list::<TopicClaim>(client, None, "list the TopicClaims").await {
            Ok(found) => claimed = found,
            Err(error) => notes.push(format!("note: {error}: topics that have a claim already are printed too")),
        }
    }
    let assignment = Assignment { named: args.namespace.clone(), known: namespaces, cluster: cluster.to_string() };
    let mut imported = claims::import(topics, &assignment, &claimed);
    imported.notes.splice(0..0, notes);
    Ok(imported)
}

/// The names of the namespaces, if they may be listed.
async fn known_namespaces(client: &Client) -> Option<BTreeSet<String>> {
    let all = ListParams::default();
    let api = Api::<Namespace>::all(client.clone());
    let found = kubernetes::call(kafka::CALL, "list the Namespaces", api.list_metadata(&all)).await.ok()?;
    Some(found.items.iter().map(ResourceExt::name_any).collect())
}

fn of_manifests(args: &TopicsArgs, cluster: &ClusterRef) -> anyhow::Result<Imported> {
    let mut found = Vec::new();
    for source in source::read(&args.files)? {
        for document in documents(&source.text).with_context(|| source.name.clone())? {
            let place = format!("{}:{}", source.name, document.line);
            for object in document.node.iter().flat_map(objects) {
                let read = match args.from {
                    Origin::Strimzi => strimzi::read(&object, &place, &args.service_account),
                    Origin::Kafka | Origin::Of2017 => configmaps::read(&object, &place),
                };
                found.extend(read);
            }
        }
    }
    found.retain(|found| match found {
        Found::Topic(topic) => claims::wanted(&topic.spec.topic_name, &args.topics),
        Found::Access(_) => args.topics.is_empty(),
        Found::Unreadable(_) => true,
    });
    if found.is_empty() {
        let kinds = if args.from == Origin::Strimzi {
            "KafkaTopic or KafkaUser"
        } else {
            "ConfigMap with the label config: kafka-topic"
        };
        let hint = Try("kubectl get -o yaml … | admittance import topics --from strimzi".to_owned());
        return Err(anyhow!("there is no {kinds} in the input").context(hint));
    }
    let assignment = Assignment { named: args.namespace.clone(), known: None, cluster: cluster.to_string() };
    Ok(claims::import(found, &assignment, &[]))
}
