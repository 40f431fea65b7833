//! Addresses of a cluster. Every cluster has the same ones: each lives in a network of its own.

use std::net::Ipv4Addr;

/// The node, the API server on it, and the DNS server.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
/// The name of the node.
pub const NODE_NAME: &str = "node-1";
/// Where Services live.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The Service of the API server: the first address of the range.
pub const API_SERVICE: &str = "10.96.0.1";
/// The Service of the DNS server.
pub const DNS_SERVICE: &str = "10.96.0.10";
/// Where Pods live: room for the hundreds that a test makes at once.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The port of the API server.
pub const API_PORT: u16 = 6443;
