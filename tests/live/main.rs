//! The product on a real Kubernetes with a real Kafka. Run by `cargo bed test live`, inside the testbed's network, on an installation
//! made by the chart; one test at a time, since some of them stop what the others use. Those of `siege` are long, and run by
//! `cargo bed test siege`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(missing_docs, reason = "a test's name is its documentation")]

mod access;
mod admission;
mod alive;
mod attacks;
mod bed;
mod borrowers;
mod chart;
mod cli;
mod clients;
mod clusters;
mod contract_2017;
mod crash;
mod deletion;
mod delivery;
mod drift;
mod examples;
mod life;
mod moves;
mod objects;
mod operator;
mod outage;
mod owners;
mod policy;
mod quotas;
mod rest;
mod rights;
mod rotation;
mod schemas;
mod siege;
mod steady;
mod tenancy;
mod tools;
mod topics;
mod trust;
