//! The program, run.

use std::io::Write;
use std::process::{Command, Stdio};

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program with these arguments, and with this text on its standard input.
pub fn run(arguments: &[&str], input: &str) -> Ended {
    run_with(arguments, input, &[])
}

/// Runs the program with variables of its environment; of our own it gets no other that it would read.
pub fn run_with(arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Ended {
    let mut program = Command::new(env!("CARGO_BIN_EXE_admittance"));
    for name in [
        "ADMITTANCE_DEFAULT_CLUSTER",
        "ADMITTANCE_LOG",
        "ADMITTANCE_PROBE_IMAGE",
        "KUBERNETES_SERVICE_HOST",
        "NO_COLOR",
    ] {
        program.env_remove(name);
    }
    program.env("HOME", "/nonexistent").env("KUBECONFIG", "/nonexistent/kubeconfig");
    program.args(arguments).envs(environment.iter().copied());
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that ends before it has read everything is no fault of the test's.
    let _ = writer.join().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["inject", "--output", "xml"][..], &["frobnicate"], &["completion", "tcsh"], &[]] {
        let ended = run(arguments, "");
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn completion_is_offered_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(&["completion", shell], "");
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.contains("inject") && ended.err.is_empty(), "{shell}");
    }
}

#[test]
fn definitions_are_printed_and_nothing_else() {
    let ended = run(&["crds", "--log", "trace"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.out, admittance::cli::crds::yaml().unwrap());
}

#[test]
fn the_installations_default_cluster_is_said_once_for_all_commands() {
    const POD: &str = "{kind: Pod, metadata: {name: a, annotations: {kafka.admittance.dev/consumes: b}}, spec: {containers: [{name: c}]}}";
    let topics = include_str!("import/strimzi.yaml");
    let import = ["import", "topics", "--from", "strimzi", "-n", "shop"];
    let told = |arguments: &[&str], input: &str, flag: &[&str]| {
        let set = [("ADMITTANCE_DEFAULT_CLUSTER", "kafka-system/main")];
        [run(&[arguments, flag].concat(), input).out, run_with(&[arguments, flag].concat(), input, &set).out]
    };
    let [without, with] = told(&["explain", "--offline"], POD, &[]);
    assert!(without.contains("admittance/default") && !without.contains("kafka-system/main"), "{without}");
    assert!(with.contains("kafka-system/main") && !with.contains("admittance/default"), "{with}");
    let [without, with] = told(&import, topics, &[]);
    assert_eq!(without.replace("admittance/default", "kafka-system/main"), with);
    assert!(with.contains("cluster: kafka-system/main"), "{with}");
    for (arguments, input, flag) in [
        (&["explain", "--offline"][..], POD, ["--default-cluster", "ops/eu"]),
        (&import, topics, ["--cluster", "ops/eu"]),
    ] {
        let [without, with] = told(arguments, input, &flag);
        assert!(with == without && with.contains("ops/eu"), "what is said by an option holds: {with}");
    }
}
