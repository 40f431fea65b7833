//! The command line, a file a subcommand. Each runs what the cluster runs: it calls the same functions.

pub mod crds;
pub mod operator;
pub mod webhook;

use clap::{Parser, Subcommand};

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
    /// What to log: a level (error, warn, info, debug, trace), or levels by module, such as info,admittance::trust=debug.
    #[arg(long, global = true, env = "ADMITTANCE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

const AFTER_HELP: &str = "\
The Helm chart runs `webhook` and `operator`; the other subcommands are for people and pipelines.
Install the custom resources by hand:  admittance crds | kubectl apply --server-side -f -";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the API server's AdmissionReviews: patch Pods that ask for Kafka.
    Webhook(webhook::WebhookArgs),
    /// Make topics, users, rights and Secrets as Pods and claims ask for them.
    Operator(operator::OperatorArgs),
    /// Print the custom resource definitions as YAML.
    Crds,
}

impl Cli {
    /// Runs the subcommand to its end.
    ///
    /// # Errors
    /// Whatever ended it early, with its causes.
    pub fn run(self) -> anyhow::Result<()> {
        crate::runtime::telemetry::start(&self.log)?;
        match self.command {
            Command::Webhook(args) => block_on(webhook::run(args)),
            Command::Operator(args) => block_on(operator::run(args)),
            Command::Crds => crds::print(),
        }
    }
}

fn block_on(program: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(program)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
