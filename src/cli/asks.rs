//! Who of a manifest asks for an access. Pure.

use super::injection::Unanswered;
use super::manifest::pods::Site;
use crate::admission::decide::Settings;
use crate::admission::pod::Pod;
use crate::api::annotations::CLUSTER;
use crate::intent::{Intent, PodMeta, Problem, contract_2017, request};
use crate::watch::deployments;

/// A request that can be understood.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is asked for.
    pub intent: Intent,
    /// Whether a cluster is named. Where none is, the intent says the installation's default, and so do the names.
    pub names_cluster: bool,
}

/// What the Pods of a manifest ask for, if they ask and can be understood.
///
/// # Errors
/// The Pod has not the shape of one.
pub fn of_pods(site: &Site, namespace: &str, settings: &Settings) -> Result<Option<Asked>, Unanswered> {
    let json = site.pod.to_json();
    let pod: Pod<'_> = serde_json::from_str(&json)?;
    let meta = pod.meta(namespace);
    let names_cluster = meta.annotations.contains_key(CLUSTER);
    let intent = request::read(&meta, &settings.default_cluster).ok().flatten();
    Ok(intent.map(|intent| Asked { intent, names_cluster }))
}

/// A Deployment's own metadata, as its request is read from them; nothing for other kinds, to which the contract of 2017 gave no meaning.
#[must_use]
pub fn deployment<'s>(site: &'s Site, namespace: &'s str) -> Option<PodMeta<'s>> {
    let is_one = site.kind == "Deployment" && !site.name.is_empty();
    is_one.then(|| deployments::asking(namespace, &site.name, Some(&site.labels), Some(&site.annotations)))
}

/// What a Deployment itself asks for, by the contract of 2017; nothing where it does not ask.
///
/// # Errors
/// What is wrong with the request.
pub fn of_deployment(site: &Site, namespace: &str, settings: &Settings) -> Result<Option<Asked>, Vec<Problem>> {
    let Some(meta) = deployment(site, namespace) else { return Ok(None) };
    let intent = contract_2017::of_deployment(&meta, &settings.default_cluster)?;
    Ok(intent.map(|intent| Asked { intent, names_cluster: meta.annotations.contains_key(CLUSTER) }))
}
