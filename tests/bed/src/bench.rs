//! The project's measurements: in the process, and through a real API server and Kafka.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::bed::Bed;
use crate::commands::{down, up};
use crate::floors::build;
use crate::images::project::{self, Optimised};
use crate::install::install;
use crate::progress::Progress;

/// Runs all measurements, prints their tables, and removes the cluster.
///
/// # Errors
/// When something does not build or a measured call fails.
pub fn run(bed: &Bed, progress: &Progress) -> Result<()> {
    let admission = build(&["bench", "--no-run", "--bench", "admission"], progress, bed)?;
    up(bed, true, progress)?;
    install(bed, Optimised::Fully, progress)?;
    let live = build(&["bench", "--no-run", "--bench", "live"], progress, bed)?;
    let workspace = project::workspace();
    let alone = Command::new(admission).current_dir(&workspace).arg("--bench").status()?;
    ensure!(alone.success(), "the benchmark in the process failed ({alone})");
    let measured = bed
        .enter_command(live)
        .current_dir(&workspace)
        .env("BED_AUDIT_LOG", bed.audit_log())
        .env("BED_PROBE", project::program("probe", "admittance-probe")?)
        .status()?;
    ensure!(measured.success(), "the benchmark on the cluster failed ({measured})");
    down(bed, progress)
}
