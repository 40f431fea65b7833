//! The testbed: a real Kubernetes and a real Kafka on one machine, without a container engine.
//!
//! `cargo bed up` is all that is needed. The first call compiles what it lacks into a cache outside the checkout, which
//! takes about a quarter of an hour on two cores; after that a cluster is up in seconds. Run as root on Linux.
//!
//! A cluster is four things, all of its own, so that several live side by side and none leaves a trace:
//!
//! - a **network namespace**, in which every cluster may use the same addresses;
//! - a **mount namespace**, so that what the kubelet and containerd mount is gone when it is;
//! - a **cgroup** that holds every process, so that the end of a cluster needs no list of them;
//! - a **folder** under `/var/lib/admittance-bed`, with all state. It goes with the cluster; the cache stays.
//!
//! The rooms:
//!
//! - [`bed`]: a cluster's paths, and the ways into it: what other modules and tests call.
//! - [`cache`]: built once, keyed by what it was built from.
//! - [`host`]: what the machine must bring, and how to get it.
//! - [`progress`]: what the person at the terminal sees.
//! - [`tools`]: the programs: Kubernetes, etcd, containerd, CoreDNS, helm.
//! - [`images`]: container images without a registry or a builder.
//! - [`cluster`]: start, heal, look at and remove a cluster.
//! - [`kafka`]: the three brokers in it.
//! - [`install`]: the project in the cluster, as a user would install it.
//! - [`demo`], [`floors`] with [`live`], [`bench`]: what is done with all that: show, test, measure.
//! - [`selfcheck`]: the testbed's own test: it heals, and it leaves nothing.
//! - [`commands`]: the command line.

pub mod bed;
pub mod bench;
pub mod cache;
pub mod cluster;
pub mod commands;
pub mod demo;
pub mod floors;
pub mod host;
pub mod images;
pub mod install;
pub mod kafka;
pub mod live;
pub mod progress;
pub mod selfcheck;
pub mod tools;
