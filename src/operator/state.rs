//! What the operator knows, and what waits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::queues::Queues;
use crate::api::names::ClusterRef;
use crate::watch::World;
use crate::watch::reach::Reach;

/// What the operator knows, and what waits to be looked at.
#[derive(Debug)]
pub struct State {
    /// Whether this replica leads.
    pub leads: AtomicBool,
    /// What is watched; empty where another replica leads.
    pub world: Arc<World>,
    /// What waits to be looked at.
    pub queues: Queues,
}

impl State {
    /// Nothing is known yet of these namespaces. `default_cluster` is that of whatever names none, in namespaces that have none of their own.
    #[must_use]
    pub fn new(default_cluster: ClusterRef, reach: Reach) -> Self {
        let world = Arc::new(World::new(default_cluster, reach));
        Self { leads: AtomicBool::default(), world, queues: Queues::default() }
    }
}
