//! `admittance explain`: what would happen to a manifest or a living Pod, step by step and why.

pub mod gains;
pub mod home;
pub mod live;
mod request;
pub mod state;
pub mod story;
pub mod tell;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use super::asks::{self, Asked};
use super::exit::{Exit, Try};
use super::injection::Unanswered;
use super::install::Install;
use super::manifest::documents;
use super::manifest::pods::{Site, sites};
use super::print::{self, Format, Paint, Sign, tame};
use super::source;
use crate::admission::decide::{Gates, Settings};
use crate::api::names::Scope;
use crate::runtime::kubernetes;
use live::Cluster;
use story::{Namespace, Step, Story};

const AFTER_HELP: &str = "\
Examples:
  admittance explain checkout-5d4f8c7b9-x7k2p -n shop
  admittance explain -f deployment.yaml
  kubectl -n shop get deployment checkout -o yaml | admittance explain
  helm template shop ./chart | admittance explain --offline --output json | jq '.[].outcome'

A living Pod is read from the cluster. For manifests the cluster is asked too, if KUBECONFIG leads to
one: whether the namespace is opted in, and how claims and topics stand. No Secret's content is read.

Exit codes:
  0  everything was explained, and nothing is in the way
  1  something is in the way: a Pod is refused, or waits, or its namespace is not opted in
  2  wrong usage, an input that cannot be read, or no access to the cluster";

/// The arguments of `admittance explain`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExplainArgs {
    /// A living Pod.
    #[arg(value_name = "POD", conflicts_with_all = ["files", "offline"])]
    pod: Option<String>,
    /// A manifest, or a folder of them; - is standard input, which is read where nothing is named. May be repeated.
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The Pod's namespace, or that of objects that name none [default: the kubeconfig's].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Ask no cluster.
    #[arg(long)]
    offline: bool,
    /// Print for a program to read.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    install: Install,
}

/// Explains, and prints.
///
/// # Errors
/// An input cannot be read, there is no access to the cluster, or standard output cannot be written to.
pub async fn run(args: ExplainArgs) -> anyhow::Result<Exit> {
    let settings = args.install.settings()?;
    let stories = match &args.pod {
        Some(pod) => living(&args, pod, &settings).await?,
        None => written(&args, &settings).await?,
    };
    match args.output {
        Some(format) => print::value(&stories, format)?,
        None => print::text(&page(&stories, Paint::of_stdout()))?,
    }
    let troubled = stories.iter().any(Story::is_troubled);
    Ok(if troubled { Exit::Problems } else { Exit::Fine })
}

async fn living(args: &ExplainArgs, pod: &str, settings: &Settings) -> anyhow::Result<Vec<Story>> {
    let hint = || Try("kubectl config current-context; without a cluster: admittance explain -f FILE".to_owned());
    let client = kubernetes::client().await.context("cannot look at a living Pod").with_context(hint)?;
    let cluster = Cluster::new(client);
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
    let name = pod.strip_prefix("pod/").or_else(|| pod.strip_prefix("pods/")).unwrap_or(pod);
    let found = cluster.pod(&namespace, name).await;
    let node = found.with_context(|| format!("Pod {namespace}/{name}"));
    let node = node.with_context(|| Try(format!("kubectl -n {namespace} get pods")))?;
    // A Pod that has a node has passed its gate; one that waits at it has it.
    let settings = &Settings { gates: Gates::Passed, ..settings.clone() };
    let known = cluster.namespace(&namespace).await.unwrap_or(Namespace::Unknown);
    let scope = cluster.scope().await;
    let mut stories = Vec::new();
    for site in sites(&node) {
        let mut story = tell::tell("the cluster".to_owned(), &site, &namespace, settings, known)?;
        if let Some(mut asked) = asked(&story, &site, settings)? {
            settle(&cluster, &mut story, &mut asked, settings).await;
            let seen = Box::pin(cluster.look(&namespace, &asked.intent, Some(&node))).await;
            story.names(seen.user(&namespace, &asked.intent.access_name(), scope.as_ref()));
            story.continue_with(&seen);
        }
        stories.push(story);
    }
    Ok(stories)
}

/// What is asked for: by the Pods, else by a Deployment of the contract of 2017.
fn asked(story: &Story, site: &Site, settings: &Settings) -> Result<Option<Asked>, Unanswered> {
    let of_pods = asks::of_pods(site, &story.namespace, settings)?;
    let asked = of_pods.or_else(|| asks::of_deployment(site, &story.namespace, settings).ok().flatten());
    // Where there is no access in the story, something is in its way.
    Ok(asked.filter(|_| story.access.is_some()))
}

/// Has a Pod that names no cluster go where the live cluster sends it.
async fn settle(cluster: &Cluster, story: &mut Story, asked: &mut Asked, settings: &Settings) {
    if asked.names_cluster {
        return;
    }
    if let Some(home) = cluster.home(&story.namespace, &asked.intent.access_name()).await {
        story.settle(&home, &settings.default_cluster, &mut asked.intent);
    }
}

async fn written(args: &ExplainArgs, settings: &Settings) -> anyhow::Result<Vec<Story>> {
    let mut found = Vec::new();
    for source in source::read(&args.files)? {
        for document in documents(&source.text).with_context(|| source.name.clone())? {
            let place = format!("{}:{}", source.name, document.line);
            found.extend(document.node.iter().flat_map(sites).map(|site| (place.clone(), site)));
        }
    }
    if found.is_empty() {
        let none = anyhow!("there is neither a Pod nor a Pod template in the input");
        return Err(none.context(Try("kubectl get deployment NAME -o yaml | admittance explain".to_owned())));
    }
    let cluster = if args.offline { None } else { kubernetes::client().await.ok().map(Cluster::new) };
    let named = args.namespace.clone();
    let fallback = named.unwrap_or_else(|| cluster.as_ref().map_or("default", Cluster::default_namespace).to_owned());
    let mut reached = Reached { cluster, scope: None, silent: None };
    let mut stories = Vec::new();
    for (place, site) in found {
        stories.push(reached.explain(place, &site, &fallback, settings).await?);
    }
    Ok(stories)
}

/// A cluster that may be away: after its first silence it is not asked again.
struct Reached {
    cluster: Option<Cluster>,
    scope: Option<Scope>,
    silent: Option<String>,
}

impl Reached {
    async fn explain(
        &mut self,
        place: String,
        site: &Site,
        fallback: &str,
        settings: &Settings,
    ) -> anyhow::Result<Story> {
        let namespace = site.namespace.as_deref().unwrap_or(fallback);
        let known = match &self.cluster {
            None => Namespace::Unknown,
            Some(cluster) => match cluster.namespace(namespace).await {
                Ok(known) => {
                    if self.scope.is_none() {
                        self.scope = cluster.scope().await;
                    }
                    known
                }
                Err(error) => {
                    if error.code().is_none() {
                        self.cluster = None;
                    }
                    self.silent = Some(error.to_string());
                    Namespace::Unknown
                }
            },
        };
        let about = format!("{place}: {} {namespace}/{}", site.kind, site.name);
        let told = tell::tell(place, site, namespace, settings, known);
        let mut story = told.with_context(|| about)?;
        if let Some(why) = &self.silent {
            story.names(None);
            story.steps.push(Step::new("Live state", Sign::Notice, format!("the cluster was not asked: {why}")));
        } else if let (Some(cluster), Some(mut asked)) = (&self.cluster, asked(&story, site, settings)?) {
            settle(cluster, &mut story, &mut asked, settings).await;
            let seen = Box::pin(cluster.look(namespace, &asked.intent, None)).await;
            story.names(seen.user(namespace, &asked.intent.access_name(), self.scope.as_ref()));
            story.continue_with(&seen);
        } else {
            story.names(None);
        }
        Ok(story)
    }
}

/// The page that a person reads.
#[must_use]
pub fn page(stories: &[Story], paint: Paint) -> String {
    let mut out = String::new();
    for story in stories {
        if !out.is_empty() {
            out.push('\n');
        }
        let name = if story.name.is_empty() { "(generated name)" } else { &story.name };
        let title = format!("{} {}/{name}", story.kind, story.namespace);
        out.push_str(&format!("{}  {}\n", paint.bold(&tame(&title)), paint.dim(&tame(&story.source))));
        let mut before = "";
        for step in &story.steps {
            let label = if step.step == before { "" } else { step.step };
            before = step.step;
            let label = paint.dim(&format!("{label:<13}"));
            out.push_str(&format!("  {} {label} {}\n", paint.sign(step.sign), tame(&step.says)));
            for detail in &step.details {
                out.push_str(&format!("      {:<11} {}\n", "", tame(detail)));
            }
        }
        if !story.next.is_empty() {
            out.push_str(&format!("  {}\n", paint.bold("Next")));
            for command in &story.next {
                out.push_str(&format!("      {}\n", tame(command)));
            }
        }
    }
    out
}
