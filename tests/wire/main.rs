//! Our client against a broker that we wrote, and that can be told to misbehave. Loopback only, no cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test's helper functions fail the test by panicking"
)]

mod activity;
#[cfg(feature = "probe")]
mod alive;
mod brokers;
mod claims;
mod deletion;
mod existence;
mod fake;
mod folding;
mod group_broker;
mod hostile;
mod login;
mod many_rules;
mod move_broker;
mod moves;
mod nouns;
mod offers;
#[cfg(feature = "probe")]
mod probe;
mod replicas;
mod scram_server;
mod settings;
mod store;
#[cfg(feature = "webhook")]
mod tls;
mod topic_broker;

use std::time::Duration;

use admittance::kafka::{
    admin::Admin,
    config::{ClientConfig, Endpoint},
};

/// A client with short limits.
fn config(brokers: &[&fake::Fake]) -> ClientConfig {
    let endpoints: Vec<Endpoint> = brokers.iter().map(|fake| fake.endpoint.clone()).collect();
    ClientConfig {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(2),
        ..ClientConfig::new(endpoints)
    }
}

fn admin(fake: &fake::Fake) -> Admin {
    Admin::new(config(&[fake])).unwrap()
}
