//! Kafka access, admitted with the Pod.
//!
//! The map. A room that decides does no I/O; a room that acts decides nothing.
//!
//! Vocabulary and rules, pure:
//! - [`api`]: annotations, names, reasons, the Secret's layout, the custom resources.
//! - [`intent`]: what a Pod asks for, from its annotations and its owner; webhook, operator and command line share it.
//! - `ownership`: whose topic it is.
//!
//! The webhook:
//! - `admission`: from an AdmissionReview to its answer; pure, but for its server.
//! - `trust`: how the API server comes to trust the webhook: CA, serving certificate, `caBundle`.
//!
//! The operator, each controller observe → plan → apply → report:
//! - `access`: from Pods to rules, a user and a Secret.
//! - `sweep`: users that Kafka has and nobody stands for.
//! - `topics`: from claims to topics.
//! - `configmaps`: from ConfigMaps of the contract of 2017 to claims on topics.
//! - `clusters`: one client a `BrokerCluster`.
//! - `watch`: what the API server holds, in memory.
//! - `operator`: the watches, queues and controllers, put together.
//!
//! The probe:
//! - `probe`: whether a Pod's Kafka access works, seen from inside the Pod.
//!
//! What they stand on:
//! - `kafka`: our own admin client: wire, admin, batch, proof.
//! - `runtime`: deadlines, queue, lease, shutdown, readiness, telemetry; the loop, the Events and the status of controllers.
//! - [`crypto`]: the one choice of a cryptography provider.
//! - `cli`: the command line, a file a subcommand.

#[cfg(feature = "operator")]
pub mod access;
#[cfg(feature = "webhook")]
pub mod admission;
pub mod api;
#[cfg(all(feature = "webhook", feature = "operator"))]
pub mod cli;
#[cfg(feature = "operator")]
pub mod clusters;
#[cfg(feature = "operator")]
pub mod configmaps;
pub mod crypto;
pub mod intent;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "operator")]
pub mod operator;
#[cfg(feature = "operator")]
pub mod ownership;
#[cfg(feature = "probe")]
pub mod probe;
#[cfg(all(feature = "program", feature = "cluster"))]
pub mod runtime;
#[cfg(feature = "operator")]
pub mod sweep;
#[cfg(feature = "operator")]
pub mod topics;
#[cfg(feature = "webhook")]
pub mod trust;
#[cfg(feature = "operator")]
pub mod watch;
