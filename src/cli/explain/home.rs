//! Where a Pod goes that names no cluster: only the live cluster knows.

use super::story::{Step, Story};
use crate::api::annotations::CLUSTER;
use crate::api::names::ClusterRef;
use crate::cli::print::Sign;
use crate::intent::Intent;

/// What decides in the place of the installation's default, where anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// The access is there, on this cluster.
    Access(String),
    /// The namespace says so.
    Namespace(String),
}

impl Story {
    /// Tells where the Pod goes, and has the intent go there.
    pub fn settle(&mut self, home: &Home, install: &ClusterRef, intent: &mut Intent) {
        let (text, why) = match home {
            Home::Access(text) => (text, "where its access is already: a default that changes moves nothing"),
            Home::Namespace(text) => (text, "the namespace's default"),
        };
        match ClusterRef::parse(text.trim(), &install.namespace) {
            Ok(cluster) if cluster == intent.cluster => {}
            Ok(cluster) => {
                self.steps.push(Step::new(
                    "Cluster",
                    Sign::Notice,
                    format!("BrokerCluster {cluster} in its place, {why}"),
                ));
                if let Some(names) = &mut self.access {
                    names.cluster = cluster.to_string();
                }
                intent.cluster = cluster;
            }
            Err(error) => {
                let says = format!("the Namespace's annotation {CLUSTER} \"{text}\" {error}");
                self.steps.push(Step::new("Cluster", Sign::Problem, says));
            }
        }
    }
}
