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

/// Those that take longest, and do it by waiting: one cluster begins with them, and the others work meanwhile.
const WAITING: [&str; 6] = [
    "crash::stopped_after_any_write_it_ends_the_same",
    "clients::clients_of_every_family_work_from_the_mounted_files_through_a_rotation",
    "tenancy::what_the_refusal_says_lends_to_one_after_the_other",
    "rest::at_rest_nothing_is_written_for_what_is_content_and_for_what_is_not",
    "topics::what_somebody_changes_by_hand_is_put_right_or_told",
    "tenancy::a_topic_is_lent_by_the_binding_that_the_refusal_names_and_taken_back_within_a_minute",
];

/// Others that take long: the other clusters begin with them, so that nobody is still at one when there is nothing left for the rest.
const LONG: [&str; 5] = [
    "rotation::what_has_the_old_password_is_rolled_out_anew_once",
    "policy::an_operator_of_some_namespaces_works_there_and_touches_nobody_elsewhere",
    "rotation::a_rotation_under_load_fails_no_login_and_the_old_password_goes_with_the_old_pods",
    "moves::a_topic_gets_another_replica_and_gives_it_back_and_no_throttle_is_left",
    "outage::with_all_brokers_down_a_pod_is_created_at_once_and_starts_when_they_return",
];

/// From which end of the list a cluster takes its tests.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl End {
    fn next(self, waiting: &mut VecDeque<String>) -> Option<String> {
        match self {
            Self::First => waiting.pop_front(),
            Self::Last => waiting.pop_back(),
        }
    }
}

/// Runs every test of the program whose name `wanted` takes, and then the demonstration on the cluster that first has no more of them: while
/// another is at its last. What a test that failed has said is shown as soon as it has. Clusters are started one after the other, and each
/// has tests as soon as it can.
///
/// # Errors
/// A cluster did not start, a test or the demonstration failed, or no test was wanted.
pub fn run(
    program: &Path,
    beds: &[Bed],
    start: impl Fn(&Bed) -> Result<()> + Sync,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut list = std::process::Command::new(program);
    let listed = output(list.args(["--list", "--format=terse"]))?;
    let names = in_order(names(&listed).filter(|name| wanted(name)).collect());
    let stale =
        WAITING.iter().chain(&LONG).find(|long| !listed.lines().any(|line| line.strip_suffix(": test") == Some(long)));
    ensure!(
        stale.is_none(),
        "no test is called {}, which tests/bed/src/live.rs has among those that take long",
        stale.unwrap_or(&"")
    );
    ensure!(!names.is_empty(), "no test of {} is wanted", program.display());
    note(&format!("running {} tests on {} cluster(s)", names.len(), beds.len()));
    let began = Instant::now();
    let (waiting, outcomes) = (Mutex::new(names), Mutex::new(Outcomes::default()));
    let (starting, demonstrated) = (Mutex::new(()), AtomicBool::new(false));
    thread::scope(|scope| {
        for (bed, end) in beds.iter().zip(iter::once(End::First).chain(iter::repeat(End::Last))) {
            let (waiting, outcomes, starting, demonstrated) = (&waiting, &outcomes, &starting, &demonstrated);
            let start = &start;
            scope.spawn(move || {
                let told = |name: &str, passed: bool| all(outcomes).note(name, passed);
                let started = {
                    let _alone = all(starting);
                    start(bed)
                };
                if let Err(error) = started {
                    note(&format!("{} cluster `{}`: {error:#}", style("✗").red(), bed.name()));
                    return told(&format!("the start of cluster `{}`", bed.name()), false);
                }
                while let Some(name) = { end.next(&mut all(waiting)) } {
                    told(&name, passes(program, bed, &name));
                }
                if !demonstrated.swap(true, Ordering::Relaxed) {
                    told(DEMONSTRATION, demonstration_passes(bed));
                }
            });
        }
    });
    let Outcomes { passed, failed } = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let took = began.elapsed().as_secs_f64();
    note(&format!("test result: {word}. {passed} passed; {} failed; finished in {took:.2}s", failed.len()));
    ensure!(failed.is_empty(), "these failed: {}", failed.join(", "));
    Ok(())
}

/// What came of all of them.
#[derive(Default)]
struct Outcomes {
    passed: usize,
    failed: Vec<String>,
}

impl Outcomes {
    fn note(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed.push(name.to_owned());
        }
    }
}

fn all<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tests in what `--list` says: `name: test` each.
fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.strip_suffix(": test"))
}

/// Those that take long at both ends.
fn in_order(mut names: Vec<&str>) -> VecDeque<String> {
    let place = |name: &str| {
        let in_list = |list: &[&str]| list.iter().position(|long| *long == name);
        let first = in_list(&WAITING).unwrap_or(WAITING.len());
        (first, in_list(&LONG).map(|from_the_end| LONG.len() - from_the_end))
    };
    names.sort_by_key(|name| place(name));
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
    fn what_takes_long_is_at_both_ends_and_the_rest_keeps_its_order() {
        let begin = in_order(vec!["access::b", LONG[0], "access::a", WAITING[1], LONG[1], WAITING[0]]);
        assert_eq!(begin, [WAITING[0], WAITING[1], "access::b", "access::a", LONG[1], LONG[0]]);
    }
}
