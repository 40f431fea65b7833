//! The webhook as the API server meets it, without a cluster: its trust against an API server in memory, its door over TLS.

mod api_server;
mod door;
mod folder;
mod health;
mod review;
mod tls;
mod trust;
