//! What a cluster looks like right now.

use std::fmt::Write;

use anyhow::Result;
use console::{Alignment, pad_str, style};
use serde_json::Value;

use super::{cgroup, components, process};
use crate::bed::Bed;
use crate::kafka::NAMESPACE;

/// The state of a line, which is its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Bad,
}

struct Line {
    name: String,
    health: Health,
    state: &'static str,
    detail: String,
}

/// A table of components, nodes and brokers, and the next command to try.
///
/// # Errors
/// When kubectl's answer is not what it should be.
pub fn report(bed: &Bed) -> Result<String> {
    let name = bed.name();
    if !bed.exists() {
        return Ok(format!("Cluster `{name}` is down.\n\nNext: cargo bed --name {name} up\n"));
    }
    let components: Vec<Line> = components::all(bed).iter().map(|component| component_line(bed, component)).collect();
    let mut sections = vec![("Components", components)];
    if let Ok(text) = bed.kubectl(["get", "nodes", "--request-timeout=5s", "--output=json"]) {
        sections.push(("Nodes", ready_lines(&text)?));
    }
    let brokers =
        ["get", "pods", "--request-timeout=5s", "--namespace", NAMESPACE, "--selector=app=kafka", "--output=json"];
    if let Ok(text) = bed.kubectl(brokers) {
        sections.push(("Kafka", ready_lines(&text)?));
    }
    let healthy = sections.iter().flat_map(|(_, lines)| lines).all(|line| line.health == Health::Good);
    let brokers = sections.iter().any(|(title, lines)| *title == "Kafka" && !lines.is_empty());
    let mut text = format!("Cluster `{name}` in {}\n", bed.folder().display());
    for (title, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        writeln!(text, "\n{}", style(title).bold())?;
        for line in lines {
            text.push_str(&render(line));
        }
    }
    writeln!(text, "\nNext: {}", next(name, healthy, brokers))?;
    Ok(text)
}

fn next(name: &str, healthy: bool, brokers: bool) -> String {
    let tail = match (healthy, brokers) {
        (false, _) => "up   (heals what died)",
        (true, false) => "up   (adds the Kafka brokers)",
        (true, true) => "kubectl get pods --all-namespaces",
    };
    format!("cargo bed --name {name} {tail}")
}

fn render(line: &Line) -> String {
    let mark = match line.health {
        Health::Good => style("●").green(),
        Health::Bad => style("●").red(),
    };
    let name = pad_str(&line.name, 26, Alignment::Left, None);
    let state = pad_str(line.state, 12, Alignment::Left, None);
    format!("  {mark} {name}{state}{}\n", style(&line.detail).dim())
}

fn component_line(bed: &Bed, component: &components::Component) -> Line {
    let pid = process::pid(bed, component.name);
    let (health, state) = match pid {
        Some(_) if component.answers(bed) => (Health::Good, "answers"),
        Some(_) => (Health::Bad, "silent"),
        None => (Health::Bad, "dead"),
    };
    let mut detail = pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
    if let Some(nanoseconds) = cgroup::cpu_time(bed.name(), component.name) {
        detail.push_str(&format!(", {:.1} s of CPU", std::time::Duration::from_nanos(nanoseconds).as_secs_f64()));
    }
    Line { name: component.name.to_owned(), health, state, detail }
}

/// A line for each object of a list, by its condition Ready.
fn ready_lines(list: &str) -> Result<Vec<Line>> {
    let list: Value = serde_json::from_str(list)?;
    let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(items.iter().map(ready_line).collect())
}

fn ready_line(object: &Value) -> Line {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ready =
        conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let address = [text("/status/podIP"), text("/status/addresses/0/address")].concat();
    let detail = [address, text("/status/nodeInfo/kubeletVersion"), text("/spec/containers/0/image")];
    let detail: Vec<String> = detail.into_iter().filter(|part| !part.is_empty()).collect();
    let (health, state) = if ready { (Health::Good, "ready") } else { (Health::Bad, "not ready") };
    Line { name: text("/metadata/name"), health, state, detail: detail.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_ready_by_its_condition_alone() {
        let list = r#"{"items": [
            {"metadata": {"name": "a"}, "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}},
            {"metadata": {"name": "b"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}}]}"#;
        let lines = ready_lines(list).unwrap();
        assert_eq!(lines.iter().map(|line| line.health).collect::<Vec<_>>(), [Health::Good, Health::Bad]);
        assert_eq!(lines[0].detail, "10.0.0.1");
    }

    #[test]
    fn the_next_command_fits_the_state() {
        assert!(next("dev", false, true).contains("up"));
        assert!(next("dev", true, false).contains("up"));
        assert!(next("dev", true, true).contains("kubectl"));
    }
}
