//! `admittance plan`: what applying manifests would change.

pub mod access;
mod held;
pub mod input;
pub mod item;
pub mod judge;
pub mod observe;
pub mod place;
pub mod topics;
pub mod view;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::exit::{Exit, Try};
use super::install::Install;
use super::kafka::Way;
use super::manifest::{documents, objects};
use super::print::{self, Format, Paint, tame};
use super::source;
use crate::runtime::kubernetes;
use input::Input;
use item::{Item, Summary};
use view::Evidence;

const AFTER_HELP: &str = "\
Examples:
  admittance plan -f manifests/
  kustomize build overlays/prod | admittance plan
  admittance plan -f claims.yaml --config client.properties
  admittance plan -f manifests/ --output json | jq -e '.summary.refused == 0'

It reads TopicClaims, manual AccessClaims, everything with annotations on a Pod or Pod template, and
Deployments and ConfigMaps of 2017; other objects are passed over. + comes to be, ~ changes, - goes,
! is refused, with reason and remedy, = differs and is left so, ? is not known here. What is missing
from the manifests is not deleted by applying them, and so is no part of a plan.

It only reads. In Kubernetes: list TopicClaims and AccessClaims, and if it may, get the BrokerCluster
and list Namespaces. In Kafka: Describe and DescribeConfigs on the topics, by --config, else by the
BrokerCluster's own Secrets, if they may be read. Without Kafka, what the claims' status says of their
topics is believed, and standard error says so.

Exit codes:
  0  nothing to do
  1  something is refused, whatever else would change
  2  wrong usage, an input that cannot be read, or no access to the cluster
  3  something would change, and nothing is refused";

/// The arguments of `admittance plan`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PlanArgs {
    /// A manifest, or a folder of them; - is standard input, which is read where no file is named. May be repeated.
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The namespace of objects that name none [default: the kubeconfig's].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Do not speak to Kafka: believe the claims' status.
    #[arg(long, conflicts_with_all = ["bootstrap_servers", "config"])]
    without_kafka: bool,
    /// Print for a program to read.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    install: Install,
}

/// What a program reads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// `nothing`, `changes` or `refused`.
    outcome: &'static str,
    summary: Summary,
    /// How each Kafka was seen: `live`, `status`, or `missing`.
    kafka: Vec<Known>,
    /// What could not be looked at.
    notes: Vec<String>,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Known {
    cluster: String,
    by: &'static str,
}

/// Plans, and prints.
///
/// # Errors
/// An input cannot be read, there is no access to the cluster, or standard output cannot be written to.
pub async fn run(args: PlanArgs) -> anyhow::Result<Exit> {
    let settings = args.install.settings()?;
    let hint =
        || Try("kubectl config current-context; kubectl auth can-i list topicclaims --all-namespaces".to_owned());
    let client = kubernetes::client().await.with_context(hint)?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let mut input = Input::default();
    for source in source::read(&args.files)? {
        for document in documents(&source.text).with_context(|| source.name.clone())? {
            let place = format!("{}:{}", source.name, document.line);
            for object in document.node.iter().flat_map(objects) {
                let taken = input.take(&object, &place, &namespace, &settings);
                taken
                    .with_context(|| place.clone())
                    .with_context(|| Try("kubectl explain topicclaim.spec".to_owned()))?;
            }
        }
    }
    let nothing_of_ours =
        input.topics.is_empty() && input.accesses.is_empty() && input.workloads.is_empty() && input.faults.is_empty();
    if nothing_of_ours {
        let none = anyhow!("the input has {} objects, and none that concerns Kafka", input.passed_over);
        return Err(
            none.context(Try("admittance explain -f FILE, of a workload whose annotations are not seen".to_owned()))
        );
    }
    let looked = observe::observe(&client, &mut input, &args.way, !args.without_kafka, &settings.default_cluster);
    let seen = Box::pin(looked).await.with_context(hint)?;
    let items = judge::judge(&input, &seen, &settings.default_cluster, Timestamp::now());
    let summary = Summary::of(&items);
    let (outcome, exit) = match (summary.refused, summary.changes()) {
        (0, false) => ("nothing", Exit::Fine),
        (0, true) => ("changes", Exit::Changes),
        _ => ("refused", Exit::Problems),
    };
    for note in &seen.notes {
        print::note(&tame(&format!("note: {note}")));
    }
    match args.output {
        Some(format) => {
            let by = |view: &Result<view::View, _>| match view.as_ref().map(|view| &view.evidence) {
                Ok(Evidence::Live) => "live",
                Ok(Evidence::Status(_)) => "status",
                Err(_) => "missing",
            };
            let kafka = seen.clusters.iter().map(|(cluster, view)| Known { cluster: cluster.clone(), by: by(view) });
            let report = Report { outcome, summary, kafka: kafka.collect(), notes: seen.notes.clone(), items };
            print::value(&report, format)?;
        }
        None => print::text(&item::page(&items, &summary, Paint::of_stdout()))?,
    }
    Ok(exit)
}
