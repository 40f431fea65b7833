//! `admittance check`: whether an installation is sound.

mod claims;
pub mod findings;
pub mod nodes;
pub mod observe;
mod webhooks;

use anyhow::Context;
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::exit::{Exit, Try};
use super::install::NAMESPACE;
use super::print::{self, Format, Paint, Sign, tame};
use crate::runtime::kubernetes;
use findings::{Finding, findings};

const AFTER_HELP: &str = "\
Examples:
  admittance check
  admittance check --output json | jq '.findings[] | select(.sign == \"problem\")'

✓ is as it should be, ✗ is a problem and says what to do, ! is worth to know. What you may not look
at is said with !. No Secret is read, and nothing is written.

Exit codes:
  0  the installation is sound
  1  there are problems
  2  wrong usage, or no access to the cluster";

/// The arguments of `admittance check`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// The namespace of the installation, where no webhook configuration tells it.
    #[arg(short, long, value_name = "NAMESPACE", default_value = NAMESPACE)]
    namespace: String,
    /// Print for a program to read.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What a program reads.
#[derive(Debug, Serialize)]
struct Report {
    sound: bool,
    findings: Vec<Finding>,
}

/// Checks, and prints.
///
/// # Errors
/// There is no access to the cluster, or standard output cannot be written to.
pub async fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    let hint = || Try("kubectl config current-context; kubectl get --raw /version".to_owned());
    let client = kubernetes::client().await.with_context(hint)?;
    let seen = Box::pin(observe::observe(&client, &args.namespace)).await.with_context(hint)?;
    let findings = findings(&seen, Timestamp::now());
    let report = Report { sound: !findings.iter().any(|finding| finding.sign == Sign::Problem), findings };
    match args.output {
        Some(format) => print::value(&report, format)?,
        None => print::text(&table(&report.findings, Paint::of_stdout()))?,
    }
    Ok(if report.sound { Exit::Fine } else { Exit::Problems })
}

/// The table that a person reads.
#[must_use]
pub fn table(findings: &[Finding], paint: Paint) -> String {
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    let mut before = "";
    for Finding { area, subject, sign, says, remedy } in findings {
        let label = if *area == before { "" } else { area };
        before = area;
        let (label, subject) = (paint.bold(&format!("{label:<11}")), tame(subject));
        out.push_str(&format!("{} {label}  {subject:<width$}  {}\n", paint.sign(*sign), tame(says)));
        if let Some(remedy) = remedy {
            out.push_str(&format!("{:15}→ {}\n", "", tame(remedy)));
        }
    }
    let count = |sign| findings.iter().filter(|finding| finding.sign == sign).count();
    let verdict = match count(Sign::Problem) {
        0 => "sound".to_owned(),
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    };
    out.push_str(&format!("\n{}\n", paint.bold(&verdict)));
    out
}
