//! Claims as people keep them in files: read from a cluster, written as manifests.

pub mod live;
pub mod manifest;
pub mod stream;
