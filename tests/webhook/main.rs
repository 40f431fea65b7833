//! The webhook as the API server meets it, without a cluster: its trust against an API server in memory, its door over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod api_server;
mod claims;
mod door;
mod folder;
mod health;
mod review;
mod tls;
mod trust;
