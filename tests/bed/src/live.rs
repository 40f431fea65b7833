//! The live tests: each a process of its own, by as many clusters as there are, one after the other on each.
//!
//! They change what a whole cluster has, so no two of them run on one at a time; and they wait more than they work, so two clusters beside
//! each other take little more than half as long as one.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use console::style;

use crate::bed::{Bed, output};
use crate::images::project;
use crate::progress::note;

/// What the test program says of itself when one test was run and passed.
const PASSED: &str = "test result: ok. 1 passed; 0 failed";

/// Runs every test of the program whose name `wanted` takes. What a test that failed has said is shown as soon as it has.
///
/// # Errors
/// A test failed, or none was wanted.
pub fn run(program: &Path, beds: &[Bed], wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut list = std::process::Command::new(program);
    let listed = output(list.args(["--list", "--format=terse"]))?;
    let names: VecDeque<String> = names(&listed).filter(|name| wanted(name)).map(str::to_owned).collect();
    ensure!(!names.is_empty(), "no test of {} is wanted", program.display());
    note(&format!("running {} tests on {} cluster(s)", names.len(), beds.len()));
    let (count, began) = (names.len(), Instant::now());
    let (waiting, failed) = (Mutex::new(names), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for bed in beds {
            scope.spawn(|| {
                while let Some(name) = { all(&waiting).pop_front() } {
                    if !passes(program, bed, &name) {
                        all(&failed).push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = count - failed.len();
    let took = began.elapsed().as_secs_f64();
    note(&format!("test result: {word}. {passed} passed; {} failed; finished in {took:.2}s", failed.len()));
    ensure!(failed.is_empty(), "these tests failed: {}", failed.join(", "));
    Ok(())
}

fn all<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tests in what `--list` says: `name: test` each.
fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.strip_suffix(": test"))
}

/// Runs one test, and tells what came of it.
fn passes(program: &Path, bed: &Bed, name: &str) -> bool {
    let began = Instant::now();
    let mut test = bed.enter_command(program);
    test.current_dir(project::workspace()).args(["--exact", name, "--nocapture"]).env("BED_AUDIT_LOG", bed.audit_log());
    let (passed, said) = match test.stdin(Stdio::null()).output() {
        Ok(Output { status, stdout, stderr }) => {
            let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            (status.success() && said.contains(PASSED), said)
        }
        Err(error) => (false, error.to_string()),
    };
    let word = if passed { style("ok").green() } else { style("FAILED").red() };
    let took = began.elapsed().as_secs_f64();
    let told = if passed { String::new() } else { format!("\n{said}") };
    note(&format!("test {name} ... {word}  {took:.1} s on {}{told}", bed.name()));
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_tests_are_read_from_their_list() {
        let listed = "access::a: test\nsiege::b: test\nbench_c: benchmark\n\n2 tests, 1 benchmark\n";
        assert_eq!(names(listed).collect::<Vec<_>>(), ["access::a", "siege::b"]);
    }
}
