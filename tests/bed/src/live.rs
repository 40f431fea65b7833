//! The live tests: each a process of its own, by as many clusters as there are, one after the other on each.
//!
//! They change what a whole cluster has, so no two of them run on one at a time; and they wait more than they work, so clusters beside each
//! other take little more than their share of what one does.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{iter, thread};

use anyhow::{Result, ensure};
use console::style;

use crate::bed::{Bed, output};
use crate::demo;
use crate::images::project;
use crate::progress::note;

/// What the test program says of itself when one test was run and passed.
const PASSED: &str = "test result: ok. 1 passed; 0 failed";

/// What `cargo bed demo` shows, by the name it has among the tests.
const DEMONSTRATION: &str = "demo";

/// Those that take longest, and do it by waiting. One cluster begins with them, the others at the other end, and they meet at short ones:
/// so there is work beside what waits, and no cluster is still at a long one when the others have nothing left.
const LONG: [&str; 9] = [
    "crash::stopped_after_any_write_it_ends_the_same",
    "topics::what_somebody_changes_by_hand_is_put_right_or_told",
    "rest::at_rest_nothing_is_written_for_what_is_content_and_for_what_is_not",
    "clients::clients_of_every_family_work_from_the_mounted_files_through_a_rotation",
    "tenancy::what_the_refusal_says_lends_to_one_after_the_other",
    "deletion::a_group_that_reads_a_topic_holds_it",
    "rotation::what_has_the_old_password_is_rolled_out_anew_once",
    "policy::an_operator_of_some_namespaces_works_there_and_touches_nobody_elsewhere",
    "rotation::a_rotation_under_load_fails_no_login_and_the_old_password_goes_with_the_old_pods",
];

/// From which end of the list a cluster takes its tests.
#[derive(Clone, Copy)]
enum End {
    Long,
    Short,
}

impl End {
    fn next(self, waiting: &mut VecDeque<String>) -> Option<String> {
        match self {
            Self::Long => waiting.pop_front(),
            Self::Short => waiting.pop_back(),
        }
    }
}

/// Runs every test of the program whose name `wanted` takes, and then the demonstration on the cluster that first has no more of them: while
/// another is at its last. What a test that failed has said is shown as soon as it has.
///
/// # Errors
/// A test or the demonstration failed, or no test was wanted.
pub fn run(program: &Path, beds: &[Bed], wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut list = std::process::Command::new(program);
    let listed = output(list.args(["--list", "--format=terse"]))?;
    let names = longest_first(names(&listed).filter(|name| wanted(name)).collect());
    let stale = LONG.iter().find(|long| !listed.lines().any(|line| line.strip_suffix(": test") == Some(long)));
    ensure!(
        stale.is_none(),
        "no test is called {}, which tests/bed/src/live.rs has among the longest",
        stale.unwrap_or(&"")
    );
    ensure!(!names.is_empty(), "no test of {} is wanted", program.display());
    note(&format!("running {} tests on {} cluster(s)", names.len(), beds.len()));
    let (count, began) = (names.len() + 1, Instant::now());
    let (waiting, failed) = (Mutex::new(names), Mutex::new(Vec::new()));
    let demonstrated = AtomicBool::new(false);
    thread::scope(|scope| {
        for (bed, end) in beds.iter().zip(iter::once(End::Long).chain(iter::repeat(End::Short))) {
            let (waiting, failed, demonstrated) = (&waiting, &failed, &demonstrated);
            scope.spawn(move || {
                while let Some(name) = { end.next(&mut all(waiting)) } {
                    if !passes(program, bed, &name) {
                        all(failed).push(name);
                    }
                }
                if !demonstrated.swap(true, Ordering::Relaxed) && !demonstration_passes(bed) {
                    all(failed).push(DEMONSTRATION.to_owned());
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

/// In the order in which they begin.
fn longest_first(mut names: Vec<&str>) -> VecDeque<String> {
    names.sort_by_key(|name| LONG.iter().position(|long| long == name).unwrap_or(LONG.len()));
    names.into_iter().map(str::to_owned).collect()
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
    tell(bed, name, began, if passed { Ok(()) } else { Err(said) })
}

/// Shows the demonstration, and tries what it tells to try next: on an installation that is there, so that nothing is built.
fn demonstration_passes(bed: &Bed) -> bool {
    let began = Instant::now();
    tell(bed, DEMONSTRATION, began, demo::try_all(bed).map_err(|error| format!("{error:#}")))
}

/// Tells what came of a test that began then; whether it passed.
fn tell(bed: &Bed, name: &str, began: Instant, outcome: Result<(), String>) -> bool {
    let passed = outcome.is_ok();
    let word = if passed { style("ok").green() } else { style("FAILED").red() };
    let took = began.elapsed().as_secs_f64();
    let said = outcome.err().map(|said| format!("\n{said}")).unwrap_or_default();
    note(&format!("test {name} ... {word}  {took:.1} s on {}{said}", bed.name()));
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

    #[test]
    fn what_takes_longest_begins_first_and_the_rest_keeps_its_order() {
        let begin = longest_first(vec!["access::b", "access::a", LONG[1], LONG[0]]);
        assert_eq!(begin, [LONG[0], LONG[1], "access::b", "access::a"]);
    }
}
