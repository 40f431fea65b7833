//! A page of metrics, in Prometheus' text format.

use crate::cluster::{HOME, kubectl};

/// The name of our webhook.
pub(crate) const OURS: &str = "pods.kafka.admittance.dev";
const REVIEWS: &str = "apiserver_admission_webhook_request_total";

/// One line.
pub(crate) struct Line {
    name: String,
    labels: String,
    value: f64,
}

impl Line {
    fn read(text: &str) -> Option<Self> {
        let (name, labels, value) = match (text.split_once('{'), text.rsplit_once('}')) {
            (Some((name, rest)), Some((_, value))) => (name, rest.rsplit_once('}')?.0, value),
            _ => text.split_once(' ').map(|(name, value)| (name, "", value))?,
        };
        let value = value.split_whitespace().next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), labels: labels.to_owned(), value })
    }

    fn is_ours(&self) -> bool {
        self.label("name") == OURS
    }

    /// The value of a label; empty where there is none.
    pub(crate) fn label(&self, key: &str) -> &str {
        let pairs = self.labels.split("\",").filter_map(|pair| pair.split_once("=\""));
        let mut values = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.trim_end_matches('"'));
        values.next().unwrap_or_default()
    }
}

/// All lines of it.
pub(crate) struct Page(Vec<Line>);

impl Page {
    pub(crate) fn of_api_server() -> Self {
        Self::of("/metrics")
    }

    pub(crate) fn of_pod(name: &str) -> Self {
        Self::of(&format!("/api/v1/namespaces/{HOME}/pods/{name}:8080/proxy/metrics"))
    }

    fn of(path: &str) -> Self {
        let text = kubectl(&["get", "--raw", path]);
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(Line::read).collect())
    }

    /// The sum of the lines of a name that are meant.
    pub(crate) fn sum(&self, name: &str, meant: impl Fn(&Line) -> bool) -> f64 {
        self.0.iter().filter(|line| line.name == name && meant(line)).map(|line| line.value).sum()
    }

    /// What the operator has written since its start, but for its Lease.
    pub(crate) fn writes(&self) -> f64 {
        self.sum("admittance_writes_total", |line| line.label("kind") != "lease")
    }

    /// Calls of our webhook, as the API server saw them.
    pub(crate) fn reviews(&self) -> f64 {
        self.sum(REVIEWS, Line::is_ours)
    }

    /// Those of them that got no answer.
    pub(crate) fn failed_reviews(&self) -> f64 {
        self.sum(REVIEWS, |line| line.is_ours() && line.label("code").starts_with('5'))
            + self.sum("apiserver_admission_webhook_fail_open_count", Line::is_ours)
    }
}
