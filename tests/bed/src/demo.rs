//! The demonstration: two Deployments, two annotations, messages, and what to try next. A floor of the tests tries all of it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use console::style;
use serde_json::Value;

use crate::bed::Bed;
use crate::commands::up;
use crate::images::project::{self, Optimised};
use crate::install::install;
use crate::progress::{Progress, note};

const NAMESPACE: &str = "demo";
/// How long Pods and messages may take: two JVMs start on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);
/// Messages that are shown.
const MESSAGES: usize = 5;

/// A command to try after it.
struct Next {
    what: &'static str,
    /// The words after `kubectl`: none has a space of its own.
    words: &'static str,
    /// What it says.
    says: &'static str,
    /// Whether that is how it is refused.
    refused: bool,
}

/// In the order in which they are told.
const NEXT: [Next; 6] = [
    Next {
        what: "more Pods, the same user",
        words: "-n demo scale deployment/consumer --replicas=3",
        says: "deployment.apps/consumer scaled",
        refused: false,
    },
    Next {
        what: "what the webhook added",
        words: "-n demo get pod -l app=producer -o yaml",
        says: "secretName: producer-kafka-credentials",
        refused: false,
    },
    Next {
        what: "what is mounted",
        words: "-n demo exec deployment/consumer -- ls /var/run/secrets/kafka",
        says: "librdkafka.conf",
        refused: false,
    },
    Next {
        what: "a topic that is refused",
        words: "-n demo run spy --image=localhost/pause:1 --annotations=kafka.admittance.dev/consumes=__consumer_offsets",
        says: "InternalTopic",
        refused: true,
    },
    Next { what: "who has which access", words: "get accessclaims --all-namespaces", says: "consumer", refused: false },
    Next {
        what: "a new password",
        words: "-n demo annotate accessclaim producer kafka.admittance.dev/rotate=now",
        says: "accessclaim.kafka.admittance.dev/producer annotated",
        refused: false,
    },
];

/// Runs the demonstration from nothing, and leaves the cluster up.
///
/// # Errors
/// When a step fails, or no message arrives.
pub fn run(bed: &Bed, progress: &Progress) -> Result<()> {
    let began = Instant::now();
    heading("1. A Kubernetes and a Kafka of your own");
    up(bed, true, progress)?;
    heading("2. Admittance, from this checkout");
    install(bed, Optimised::Little, progress)?;
    show(bed)?;
    note(&format!("\nDone in {:.0} s. The cluster goes on running.", began.elapsed().as_secs_f64()));
    next_steps(bed);
    Ok(())
}

/// Shows it on a cluster that has an installation, and tries each of the commands that it ends with.
///
/// # Errors
/// When a step fails, no message arrives, or a command does not say what it should.
pub fn try_all(bed: &Bed) -> Result<()> {
    show(bed)?;
    for next in &NEXT {
        next.holds(bed)?;
    }
    Ok(())
}

/// The Deployments, what becomes of them, and their messages.
fn show(bed: &Bed) -> Result<()> {
    heading("3. Two Deployments that say what they consume and produce");
    let labels = "{kafka.admittance.dev/injection: enabled, pod-security.kubernetes.io/enforce: restricted}";
    bed.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}, labels: {labels}}}}}"))?;
    let examples = project::workspace().join("examples");
    note(&style("kubectl apply -n demo -f examples/").cyan().to_string());
    bed.kubectl(["apply", "--namespace", NAMESPACE, "--filename", &examples.display().to_string()])?;
    follow(bed)?;
    note("");
    note(&bed.kubectl(["get", "accessclaim,topicclaim,secret", "--namespace", NAMESPACE])?);
    heading("4. Messages, through credentials that nobody handed out");
    messages(bed)
}

impl Next {
    /// Runs it as it is told, and fails unless it says what it should.
    fn holds(&self, bed: &Bed) -> Result<()> {
        let done = bed.kubectl_command(self.words.split(' ')).stdin(Stdio::null()).output()?;
        let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        ensure!(
            done.status.success() != self.refused && said.contains(self.says),
            "`kubectl {}`, which the demonstration tells to try, should {}say \"{}\" and said ({}): {}",
            self.words,
            if self.refused { "be refused and " } else { "" },
            self.says,
            done.status,
            said.trim()
        );
        note(&format!("  {}  kubectl {}", style("✓").green(), self.words));
        Ok(())
    }
}

fn heading(text: &str) {
    note(&format!("\n{}", style(text).bold()));
}

/// Tells what happens to Pods, topics, accesses and Secrets, each once, until both Deployments are available.
fn follow(bed: &Bed) -> Result<()> {
    let began = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let found = bed.kubectl([
            "get",
            "pods,topicclaims,accessclaims,secrets,deployments",
            "--namespace",
            NAMESPACE,
            "--output=json",
        ])?;
        let found: Value = serde_json::from_str(&found)?;
        let items = found.get("items").and_then(Value::as_array).context("kubectl lists no items")?;
        for fact in items.iter().filter_map(fact).filter(|fact| told.insert(fact.clone())) {
            note(&format!("  {}  {fact}", style(format!("{:5.1} s", began.elapsed().as_secs_f64())).dim()));
        }
        let available =
            |item: &Value| at(item, "/kind") == "Deployment" && item.pointer("/status/availableReplicas").is_some();
        if items.iter().filter(|item| available(item)).count() == 2 {
            return Ok(());
        }
        if began.elapsed() > LIMIT {
            bail!(
                "the Pods are not ready after {} s: cargo bed --name {} kubectl -n {NAMESPACE} describe pods",
                LIMIT.as_secs(),
                bed.name()
            );
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// What is worth telling of an object, as it stands now.
fn fact(item: &Value) -> Option<String> {
    let name = style(at(item, "/metadata/name")).bold();
    let ready = item.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let ready = ready.clone().find(|condition| at(condition, "/type") == "Ready");
    let holds = ready.is_some_and(|ready| at(ready, "/status") == "True");
    match at(item, "/kind") {
        "Pod" if holds => Some(format!("Pod {name} is ready: its access works")),
        "Pod" => Some(format!("Pod {name} is {}", at(item, "/status/phase").to_lowercase())),
        "TopicClaim" if holds => Some(format!(
            "topic {name} exists: {} partition(s), {} replicas",
            number(item, "/status/partitions"),
            number(item, "/status/replicas")
        )),
        "AccessClaim" => {
            ready.map(|ready| format!("access {name}: {}, {}", at(ready, "/reason"), at(ready, "/message")))
        }
        "Secret" => Some(format!("Secret {name} is published")),
        _ => None,
    }
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// Shows what the consumer prints.
fn messages(bed: &Bed) -> Result<()> {
    let mut logs =
        bed.kubectl_command(["logs", "--follow", "--tail=1", "--namespace", NAMESPACE, "deployment/consumer"]);
    let mut child = logs.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = child.stdout.take().context("kubectl has no standard output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let deadline = Instant::now() + LIMIT;
    let mut shown = 0;
    while shown < MESSAGES {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = receiver.recv_timeout(left) else { break };
        note(&format!("  {} {line}", style("consumer │").green()));
        shown += 1;
    }
    child.kill()?;
    child.wait()?;
    if shown < MESSAGES {
        bail!(
            "only {shown} messages arrived: cargo bed --name {} kubectl -n {NAMESPACE} logs deployment/producer",
            bed.name()
        );
    }
    Ok(())
}

fn next_steps(bed: &Bed) {
    note("\nTry next:");
    let tell = |what: &str, words: &str| {
        let call = style(format!("cargo bed --name {} {words}", bed.name())).cyan();
        note(&format!("  {what:<26}  {call}"));
    };
    for next in &NEXT {
        tell(next.what, &format!("kubectl {}", next.words));
    }
    tell("stop, and leave nothing", "down");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_try_is_what_a_shell_would_run() {
        for next in &NEXT {
            let plain = |word: &str| !word.is_empty() && !word.contains(['\'', '"', '$', '*', '|', '>', '<', ';']);
            assert!(next.words.split(' ').all(plain), "{}", next.words);
            assert!(!next.says.is_empty(), "{} would pass whatever it says", next.words);
        }
    }
}
