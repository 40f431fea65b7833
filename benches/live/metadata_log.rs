//! How far the log of Kafka's metadata has come: every user, rule, topic and setting is a record in it.

use std::time::Instant;

use crate::cluster::in_broker;

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
        let tool = ["kafka-metadata-quorum.sh", "--bootstrap-server", "kafka.kafka:9092"];
        let admin = ["--command-config", "/etc/kafka/admin/client.properties", "describe", "--status"];
        let said = in_broker(&[&tool[..], &admin[..]].concat());
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
