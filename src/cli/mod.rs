//! The command line, a file a subcommand. Each runs what the cluster runs: it calls the same functions.

pub mod asks;
pub mod check;
pub mod claims;
pub mod completion;
pub mod crds;
pub mod exit;
pub mod explain;
pub mod export;
pub mod import;
pub mod inject;
pub mod injection;
pub mod install;
pub mod kafka;
pub mod manifest;
pub mod operator;
pub mod plan;
pub mod print;
pub mod source;
pub mod terms;
pub mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use exit::Exit;

/// Kafka access, admitted with the Pod.
///
/// A Pod says by annotations which topics it consumes and produces. Admittance creates the topics, gives the workload a Kafka
/// user of its own with exactly those rights, and mounts its client configuration.
#[derive(Debug, Parser)]
#[command(name = "admittance", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log to standard error: a level (error, warn, info, debug, trace), or levels by module, such as
    /// info,admittance::trust=debug. Without it webhook and operator log info, the others warn.
    #[arg(long, global = true, env = "ADMITTANCE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

const AFTER_HELP: &str = "\
Examples:
  admittance inject -f deployment.yaml --probe-image IMAGE | kubectl apply -f -
  admittance explain -f deployment.yaml
  admittance check
  admittance plan -f manifests/
  admittance export -n shop > claims.yaml
  admittance import topics > topics.yaml
  admittance crds | kubectl apply --server-side -f -
  source <(admittance completion bash)

The Helm chart runs `webhook` and `operator`; the other subcommands are for people and pipelines.
`admittance help COMMAND` has examples and the exit codes of each.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add to manifests what the webhook would add to their Pods.
    ///
    /// Reads YAML or JSON, calls the same functions as the webhook, and prints the manifests; comments, order and everything that
    /// the author wrote stay. Needs no cluster. Warnings go to standard error.
    Inject(inject::InjectArgs),
    /// Explain what would happen to a manifest or a living Pod, step by step and why.
    ///
    /// Calls the same functions as the webhook and the operator. With a cluster at hand it also tells how claims, topics, the
    /// Secret and the Pod stand, what is missing, and which command to try next.
    Explain(explain::ExplainArgs),
    /// Tell what applying manifests would change, in the cluster and in Kafka.
    ///
    /// Reads TopicClaims, AccessClaims, ConfigMaps of 2017 and workloads, compares them with what is there, and asks the functions by
    /// which the operator decides. Reads only: it needs no right to write, neither in Kubernetes nor in Kafka.
    Plan(Box<plan::PlanArgs>),
    /// Check whether an installation is sound.
    ///
    /// Looks at definitions, webhook, policies, operator, BrokerClusters, opted-in namespaces, accesses, topics and nodes, and says
    /// of each problem what to do.
    Check(check::CheckArgs),
    /// Print the topics and accesses of a cluster as manifests that another cluster takes.
    ///
    /// Only what people decided: no status, no ids, no defaults, in a stable order, for a repository and `kubectl apply`.
    Export(export::ExportArgs),
    /// Print claims for what is there already.
    #[command(subcommand)]
    Import(import::Import),
    /// Print the custom resource definitions as YAML.
    #[command(after_help = CRDS_HELP)]
    Crds,
    /// Print the script by which a shell completes admittance's arguments.
    Completion(completion::CompletionArgs),
    /// Answer the API server's AdmissionReviews: patch Pods that ask for Kafka.
    ///
    /// Every replica is active. Each signs a serving certificate for itself, by a CA that all of them keep in one Secret, and
    /// writes the CA's certificate into its webhook configurations. Nothing else is written, and Kafka is never spoken to.
    #[command(after_help = PROGRAM_HELP)]
    Webhook(Box<webhook::WebhookArgs>),
    /// Make topics, users, rights and Secrets as Pods and claims ask for them.
    ///
    /// Several replicas may run; one leads by a Lease, and the others wait. It is never in the path of a Pod's creation.
    #[command(after_help = PROGRAM_HELP)]
    Operator(operator::OperatorArgs),
}

const CRDS_HELP: &str = "\
Examples:
  admittance crds | kubectl apply --server-side -f -
  admittance crds | kubectl diff --server-side -f -

Exit codes:
  0  the definitions were printed
  2  wrong usage, or standard output cannot be written to";

const PROGRAM_HELP: &str = "\
The Helm chart runs this, with every argument it needs.

Exit codes:
  0  it was told to stop, and stopped
  1  it had to stop: the message on standard error says why
  2  wrong usage";

impl Cli {
    /// Runs the subcommand to its end. What goes wrong is said on standard error.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let serves = matches!(self.command, Command::Webhook(_) | Command::Operator(_));
        let log = self.log.as_deref().unwrap_or(if serves { "info" } else { "warn" });
        let ended = match crate::runtime::telemetry::start(log) {
            Ok(()) => self.command.run(),
            Err(error) => Err(error.into()),
        };
        match ended {
            Ok(exit) => exit.into(),
            Err(error) if serves => {
                print::note(&format!("Error: {error:?}"));
                ExitCode::FAILURE
            }
            Err(error) => {
                print::note(&print::tame(&exit::told(&error)));
                Exit::Unanswered.into()
            }
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Inject(args) => inject::run(&args),
            Self::Explain(args) => block_on(explain::run(args)),
            Self::Plan(args) => block_on(plan::run(*args)),
            Self::Check(args) => block_on(check::run(args)),
            Self::Export(args) => block_on(export::run(args)),
            Self::Import(import) => block_on(import::run(import)),
            Self::Crds => crds::run(),
            Self::Completion(args) => completion::run(&args),
            Self::Webhook(args) => block_on(webhook::run(*args)).map(|()| Exit::Fine),
            Self::Operator(args) => block_on(operator::run(args)).map(|()| Exit::Fine),
        }
    }
}

/// A password's keys are derived on threads of their own: no more at a time than there are cores, or a burst of new accesses would keep
/// hundreds of them from their turn, and each holds memory.
fn block_on<T>(program: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(cores).enable_all().build()?.block_on(program)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_documents_how_it_ends() {
        fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
            let below: Vec<_> = command.get_subcommands().flat_map(leaves).collect();
            if below.is_empty() { vec![command] } else { below }
        }
        for command in leaves(&Cli::command()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Exit codes:\n  0  ") && help.contains("\n  2  "), "{}: {help}", command.get_name());
        }
    }
}
