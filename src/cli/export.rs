//! `admittance export`: the claims of a cluster as manifests that another one takes.

use anyhow::Context;
use clap::Args;
use kube::ResourceExt;

use super::claims::live::list;
use super::claims::manifest;
use super::claims::stream::{Entry, stream};
use super::exit::{Exit, Try};
use super::print::{self, Format, tame};
use crate::api::resources::{AccessClaim, AccessSource, TopicClaim, TopicSource};
use crate::runtime::kubernetes;

const AFTER_HELP: &str = "\
Examples:
  admittance export -n shop > claims.yaml
  admittance export -n shop-dev --without-namespace | kubectl --context prod apply -n shop -f -
  admittance export --all-namespaces --output json | jq '.items[].spec.topicName'

TopicClaims and manual AccessClaims are printed as their authors would write them: no status, no ids,
no defaults, sorted by namespace, kind and name. What follows from other objects is left out, for it
follows from them elsewhere too: topics that Pods or ConfigMaps led to, and the accesses of Pods.
With --implicit such topics become declared ones, as a house needs that sets topics.undeclared to
Refuse; accesses of Pods are then named in comments, and are never manifests.

Exit codes:
  0  the claims were printed, or there are none
  2  wrong usage, or no access to the cluster; nothing was printed";

/// The arguments of `admittance export`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExportArgs {
    /// The namespace [default: the kubeconfig's].
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Every namespace.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Leave the namespace out of the manifests: `kubectl apply --namespace` says it.
    #[arg(long, conflicts_with = "all_namespaces")]
    without_namespace: bool,
    /// Also what Pods and ConfigMaps led to: topics as declared claims, accesses as comments.
    #[arg(long)]
    implicit: bool,
    /// In which form the manifests are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

/// Reads, and prints.
///
/// # Errors
/// There is no access to the cluster, or standard output cannot be written to.
pub async fn run(args: ExportArgs) -> anyhow::Result<Exit> {
    let hint = || Try("kubectl config current-context; kubectl auth can-i list topicclaims".to_owned());
    let client = kubernetes::client().await.with_context(hint)?;
    let namespace =
        (!args.all_namespaces).then(|| args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned()));
    let topics = list::<TopicClaim>(&client, namespace.as_deref(), "list the TopicClaims").await.with_context(hint)?;
    let accesses =
        list::<AccessClaim>(&client, namespace.as_deref(), "list the AccessClaims").await.with_context(hint)?;
    let (entries, left_out) = entries(&topics, &accesses, args.implicit, !args.without_namespace);
    print::text(&stream(&entries, args.output))?;
    let place = namespace.map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
    if left_out > 0 {
        print::note(&format!("left out, since they follow from Pods or ConfigMaps: {left_out}; see --implicit"));
    } else if entries.is_empty() {
        print::note(&tame(&format!("there are no claims in {place}")));
    }
    Ok(Exit::Fine)
}

/// What is printed, in its order, and how many claims are left out because they follow from other objects.
#[must_use]
pub fn entries(
    topics: &[TopicClaim],
    accesses: &[AccessClaim],
    implicit: bool,
    with_namespace: bool,
) -> (Vec<Entry>, usize) {
    let mut left_out = 0;
    let mut found = Vec::new();
    for claim in topics {
        let follows = claim.spec.source != TopicSource::Declared || !claim.owner_references().is_empty();
        if follows && !implicit {
            left_out += 1;
            continue;
        }
        found.push((place(claim, 0), Entry::Manifest(manifest::topic(claim, with_namespace))));
    }
    for claim in accesses {
        let entry = match claim.spec.source {
            AccessSource::Manual => Entry::Manifest(manifest::access(claim, with_namespace)),
            AccessSource::Pods if implicit => Entry::Remark(remark(claim), None),
            AccessSource::Pods => {
                left_out += 1;
                continue;
            }
        };
        found.push((place(claim, 1), entry));
    }
    found.sort_by(|(one, _), (two, _)| one.cmp(two));
    (found.into_iter().map(|(_, entry)| entry).collect(), left_out)
}

fn place(claim: &impl ResourceExt, kind: u8) -> (String, u8, String) {
    (claim.namespace().unwrap_or_default(), kind, claim.name_any())
}

/// What is told of an access that follows its Pods.
fn remark(claim: &AccessClaim) -> Vec<String> {
    let mut lines = vec![format!(
        "AccessClaim {}/{} follows from the annotations of its Pods:",
        claim.namespace().unwrap_or_default(),
        claim.name_any()
    )];
    let spec = &claim.spec;
    for (what, names) in [
        ("consumes", &spec.consumes),
        ("produces", &spec.produces),
        ("groups", &spec.groups),
        ("streams", &spec.streams),
    ] {
        if !names.is_empty() {
            lines.push(format!("  {what}: {}", names.join(", ")));
        }
    }
    lines
}
