//! How far the log of Kafka's metadata has come: every user, rule, topic and setting is a record in it.

use std::time::Instant;

use crate::cluster::kafka_tool;

/// A place in the log, and when it was the end.
pub(crate) struct Mark {
    offset: f64,
    at: Instant,
}

/// What was appended between two marks.
pub(crate) struct Growth {
    pub(crate) records: f64,
    pub(crate) seconds: f64,
}

impl Mark {
    pub(crate) fn now() -> Self {
        let said = kafka_tool("kafka-metadata-quorum.sh", &["describe", "--status"]);
        let offset = said.lines().find_map(|line| line.strip_prefix("HighWatermark:"));
        let offset = offset.and_then(|offset| offset.trim().parse().ok());
        Self { offset: offset.unwrap_or_else(|| panic!("no HighWatermark in: {said}")), at: Instant::now() }
    }

    /// What was appended since.
    pub(crate) fn growth(&self) -> Growth {
        let now = Self::now();
        Growth { records: now.offset - self.offset, seconds: (now.at - self.at).as_secs_f64() }
    }
}

impl Growth {
    pub(crate) fn a_second(&self) -> f64 {
        self.records / self.seconds
    }
}
