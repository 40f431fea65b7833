//! The webhook's memory, from the start of a run to its end.

use crate::cluster::pods;
use crate::process::{Memory, Process};
use crate::table::Table;

/// Readings in the order of time, each of the replica that has most.
#[derive(Default)]
pub(crate) struct Readings(Vec<(&'static str, Memory)>);

impl Readings {
    pub(crate) fn take(&mut self, when: &'static str) {
        // The process of one that terminates may be gone already.
        let pods = pods("webhook").into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let replicas = pods.map(|pod| Process::of_pod(&pod).memory()).collect::<Vec<_>>();
        let most = |of: fn(&Memory) -> f64| replicas.iter().map(of).fold(0.0, f64::max);
        self.0.push((when, Memory { resident: most(|memory| memory.resident), peak: most(|memory| memory.peak) }));
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new("The webhook's memory", &["MiB", "resident", "peak", "budget"]);
        for (index, (when, memory)) in self.0.iter().enumerate() {
            let budget = if index == 0 { "≤ 10 resident" } else { "≤ 16 peak" };
            table.row(&[when, &format!("{:.1}", memory.resident), &format!("{:.1}", memory.peak), budget]);
        }
        table.print();
    }
}
