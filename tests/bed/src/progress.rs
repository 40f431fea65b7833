//! What the person at the terminal sees: one line for each step, with what it is and how long it took.
//!
//! On a terminal the lines move; anywhere else (a log of CI) each step writes one line when it begins and one when it ends.
//! All of it goes to standard error: standard output belongs to results.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Lines of a failed program's output that are repeated in the error.
const TAIL: usize = 25;

/// The lines of one run. Cheap to share by reference; steps may run in parallel.
#[derive(Debug, Default)]
pub struct Progress {
    lines: MultiProgress,
}

/// One line. Dropped without [`Step::done`], it shows as failed.
#[derive(Debug)]
pub struct Step {
    bar: ProgressBar,
    label: String,
    began: Instant,
    finished: bool,
}

/// Writes a line to standard error. A closed standard error is no reason to stop.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Progress {
    /// Begins a step of unknown length.
    pub fn step(&self, label: impl Into<String>) -> Step {
        let bar =
            ProgressBar::new_spinner().with_style(look("{spinner:.cyan} {prefix}  {elapsed:.dim} {wide_msg:.dim}"));
        self.begin(bar, label.into())
    }

    /// Begins a step that counts up to about `total`.
    pub fn counted(&self, label: impl Into<String>, total: u64) -> Step {
        let bar = ProgressBar::new(total)
            .with_style(look("{spinner:.cyan} {prefix}  {bar:24.cyan/dim} {elapsed:.dim} {wide_msg:.dim}"));
        self.begin(bar, label.into())
    }

    fn begin(&self, bar: ProgressBar, label: String) -> Step {
        let bar = self.lines.add(bar);
        bar.set_prefix(label.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        if !std::io::stderr().is_terminal() {
            note(&format!("  … {label}"));
        }
        Step { bar, label, began: Instant::now(), finished: false }
    }
}

impl Step {
    /// Says what is happening right now.
    pub fn say(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Ends the step well.
    pub fn done(mut self) {
        self.finished = true;
        self.end(&style("✓").green().to_string());
    }

    /// Ends a step that found nothing to do, without a trace.
    pub fn skip(mut self) {
        self.finished = true;
        self.bar.finish_and_clear();
    }

    fn end(&self, mark: &str) {
        let took = style(format!("{:.1} s", self.began.elapsed().as_secs_f64())).dim();
        self.bar.finish_and_clear();
        note(&format!("  {mark} {}  {took}", self.label));
    }

    /// Runs a program to its end with its output in the file `log`, its newest line beside the step.
    ///
    /// A line that is one word counts as one unit of a counted step: `go build -v` names each package as it begins it.
    ///
    /// # Errors
    /// When the program cannot be started or fails; the error carries the end of its output.
    pub fn run(&self, command: &mut Command, log: &Path) -> Result<()> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let (reader, writer) = std::io::pipe()?;
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        // The command holds the pipe's writing ends: without this the reader would never see its end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut tail = Vec::new();
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(file, "{line}")?;
            if !line.is_empty() && !line.contains(' ') {
                self.bar.inc(1);
            }
            self.say(line.clone());
            if tail.len() == TAIL {
                tail.remove(0);
            }
            tail.push(line);
        }
        self.say("");
        let status = child.wait()?;
        if !status.success() {
            bail!(
                "{name} failed ({status}). All of its output is in {}; the end of it:\n{}",
                log.display(),
                tail.join("\n")
            );
        }
        Ok(())
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.end(&style("✗").red().to_string());
        }
    }
}

/// The template is a constant of this file, so a mistake in it falls back to the plain look instead of failing a start.
fn look(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
