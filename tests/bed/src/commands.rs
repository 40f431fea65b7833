//! The command line.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::bed::Bed;
use crate::cluster::{self, components, status};
use crate::floors::Floor;
use crate::images::project::Optimised;
use crate::images::{self, project};
use crate::progress::{Progress, note};
use crate::tools::Tools;
use crate::{bench, demo, floors, host, kafka};

/// A real Kubernetes and a real Kafka on this machine, without a container engine.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bed",
    after_help = "\
The first `up` compiles Kubernetes and the rest from source into a cache: a quarter of an hour on two cores. Later ones take
seconds. Everything a cluster makes is gone after `down`; the cache stays ($BED_CACHE, else ~/.cache/admittance-bed).

Examples:
  cargo bed demo                                    see what the project does
  cargo bed test                                    run all of its tests
  cargo bed up                                      start it, or heal what died
  cargo bed kubectl get pods --all-namespaces       look around
  cargo bed images                                  build the project and load it
  cargo bed exec -- curl -k https://10.79.0.1:6443  be inside: its network, its DNS
  cargo bed --name second up --no-kafka             another one beside it
  cargo bed down                                    leave nothing"
)]
struct Arguments {
    /// Which cluster: several live side by side. `dev` if not said; for `test` and `bench` one of their own, `test`.
    #[arg(long, global = true, env = "BED_NAME")]
    name: Option<String>,
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start the cluster and its Kafka; build first what the cache lacks; heal what died.
    #[command(after_help = "Examples:\n  cargo bed up\n  cargo bed --name small up --no-kafka")]
    Up {
        /// Leave the Kafka brokers out.
        #[arg(long)]
        no_kafka: bool,
    },
    /// Remove the cluster: processes, mounts, networks, cgroups and state. The cache stays.
    Down,
    /// Show components, nodes and brokers, and the next command to try.
    Status,
    /// Run kubectl in the cluster.
    #[command(after_help = "Example:\n  cargo bed kubectl -n kafka get pods -o wide", disable_help_flag = true)]
    Kubectl {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run helm in the cluster.
    #[command(after_help = "Example:\n  cargo bed helm -n admittance get values admittance", disable_help_flag = true)]
    Helm {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print the log of a component, or of a Pod.
    #[command(after_help = "Examples:\n  cargo bed logs kubelet\n  cargo bed logs kafka-0 -n kafka")]
    Logs {
        /// A component's name as `status` shows it, or a Pod's.
        what: String,
        /// The Pod's namespace; without it, the one namespace that has such a Pod.
        #[arg(long, short)]
        namespace: Option<String>,
    },
    /// Run any program inside: the cluster's network and DNS, this machine's files.
    #[command(after_help = "\
The program replaces this one: its exit code and its signals are its own. KUBECONFIG is set. Inside there is no other network than
the cluster's: what is compiled is fetched and built outside. The tests on the cluster are run by `cargo bed test live`.

Examples:
  cargo bed exec -- curl -k https://10.79.0.1:6443
  cargo bed exec -- bash")]
    Exec {
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// Build the project's image from the workspace, load it, and print its reference.
    #[command(after_help = "Example:\n  image=$(cargo bed images)")]
    Images,
    /// Print the reference of the project's image that is loaded.
    ImageRef,
    /// Show the whole thing: a cluster, an installation, two Deployments, messages.
    Demo,
    /// Run the project's tests: all floors, or one.
    #[command(after_help = "Examples:\n  cargo bed test\n  cargo bed test fast")]
    Test {
        /// Which floor; all of them if not said.
        floor: Option<Floor>,
    },
    /// Measure the project against its budgets, side by side with a webhook that does nothing.
    Bench,
}

/// Runs the program: arguments in, exit code out.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{} {error:#}", console::style("error:").red().bold().for_stderr()));
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &Arguments) -> Result<()> {
    let own = matches!(arguments.command, Task::Test { .. } | Task::Bench);
    let bed = Bed::open(arguments.name.as_deref().unwrap_or(if own { "test" } else { "dev" }))?;
    let progress = Progress::default();
    match &arguments.command {
        Task::Up { no_kafka } => {
            up(&bed, !no_kafka, &progress)?;
            note(&format!("Cluster `{0}` is up. Next: cargo bed --name {0} status", bed.name()));
            Ok(())
        }
        Task::Down => down(&bed, &progress),
        Task::Status => print(&status::report(&bed)?),
        Task::Kubectl { arguments } => become_program(&bed, "kubectl", arguments),
        Task::Helm { arguments } => become_program(&bed, "helm", arguments),
        Task::Logs { what, namespace } => logs(&bed, what, namespace.as_deref()),
        Task::Exec { program } => match program.split_first() {
            Some((program, arguments)) => become_program(&bed, program, arguments),
            None => Ok(()),
        },
        Task::Images => {
            bed.ensure_exists()?;
            let image = project::build_and_load(&bed, Optimised::Fully, &progress)?;
            print(&format!("{}\n", image.reference))
        }
        Task::ImageRef => print(&format!("{}\n", project::loaded(&bed)?.reference)),
        Task::Demo => demo::run(&bed, &progress),
        Task::Test { floor } => floors::test(&bed, *floor, &progress),
        Task::Bench => bench::run(&bed, &progress),
    }
}

/// Builds what is missing, starts the cluster, and its brokers if `brokers`.
///
/// # Errors
/// When the machine lacks something, or a part does not come up.
pub fn up(bed: &Bed, brokers: bool, progress: &Progress) -> Result<()> {
    host::ensure_ready(bed.cache(), progress)?;
    let tools = Tools::ensure(bed.cache(), progress)?;
    let images = images::ensure_own(bed.cache(), progress)?;
    let _held = cluster::lock(bed)?;
    cluster::up(bed, &tools, &images, progress)?;
    if brokers {
        kafka::up(bed, progress)?;
    }
    Ok(())
}

/// Removes the cluster and everything it made.
///
/// # Errors
/// When something resists.
pub fn down(bed: &Bed, progress: &Progress) -> Result<()> {
    let _held = cluster::lock(bed)?;
    cluster::down(bed, progress)
}

/// Replaces this process. Returns only if that fails.
fn become_program(bed: &Bed, program: &str, arguments: &[String]) -> Result<()> {
    bed.ensure_exists()?;
    let error = bed.enter_command(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {program} in the cluster"))
}

fn logs(bed: &Bed, what: &str, namespace: Option<&str>) -> Result<()> {
    bed.ensure_exists()?;
    if components::all(bed).iter().any(|component| component.name == what) {
        let path = bed.component_log(what);
        let mut file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        io::copy(&mut file, &mut io::stdout())?;
        return Ok(());
    }
    let found = match namespace {
        Some(namespace) => namespace.to_owned(),
        None => {
            let field = format!("--field-selector=metadata.name={what}");
            let query = "jsonpath={.items[*].metadata.namespace}";
            bed.kubectl(["get", "pods", "--all-namespaces", &field, "--output", query])?
        }
    };
    if found.is_empty() || found.contains(' ') {
        let names: Vec<&str> = components::all(bed).iter().map(|component| component.name).collect();
        anyhow::bail!(
            "`{what}` is neither a component ({}) nor a Pod in exactly one namespace (found in: `{found}`)",
            names.join(", ")
        );
    }
    let error = bed.kubectl_command(["logs", what, "--namespace", &found, "--all-containers"]).exec();
    Err(error).context("cannot run kubectl")
}

/// To standard output: results, and nothing else. A reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
