//! What manifests ask of us. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use serde::de::DeserializeOwned;

use crate::admission::decide::{Gates, Outcome, Settings};
use crate::api::annotations::GROUP;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessSource, TopicClaim, TopicClaimSpec, TopicSource};
use crate::cli::asks::{self, Asked};
use crate::cli::import::claims::Found;
use crate::cli::import::configmaps;
use crate::cli::injection::ask;
use crate::cli::manifest::node::Node;
use crate::cli::manifest::pods::{Site, sites};
use crate::intent::{Problem, Wait, manual};

/// A claim, and where it was written.
#[derive(Debug)]
pub struct Written<K> {
    /// The file and line.
    pub place: String,
    /// The claim, its namespace and cluster filled in.
    pub claim: K,
    /// Of which object it is, where it is not one itself.
    pub of: Option<String>,
    /// Whether it names no cluster: then it carries the installation's default until it is placed.
    pub unnamed: bool,
}

/// What Pods of one identity ask for.
#[derive(Debug)]
pub struct Workload {
    /// Where it was written first.
    pub place: String,
    /// What it is: `Deployment checkout`.
    pub what: Vec<String>,
    /// What each Pod or template asks for.
    pub asked: Vec<Asked>,
    /// The service account of its Pods.
    pub account: String,
}

/// Something that will not be.
#[derive(Debug)]
pub struct Fault {
    /// Where it was written.
    pub place: String,
    /// Its kind, namespace and name.
    pub object: (String, String, String),
    /// The stable code, where there is one.
    pub reason: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Everything that manifests ask of us.
#[derive(Debug, Default)]
pub struct Input {
    /// Claims on topics.
    pub topics: Vec<Written<TopicClaim>>,
    /// Accesses of clients that are not Pods.
    pub accesses: Vec<Written<AccessClaim>>,
    /// Accesses of Pods, by namespace and name.
    pub workloads: BTreeMap<(String, String), Workload>,
    /// What is refused before anybody looks at a cluster.
    pub faults: Vec<Fault>,
    /// Objects that are of no concern to us.
    pub passed_over: usize,
    /// What the plan rests on and cannot see, a sentence each.
    pub notes: BTreeSet<&'static str>,
}

/// What serves Deployments of the contract of 2017.
const DEPLOYMENTS_2017: &str =
    "Deployments that ask by the contract of 2017 are served where contract2017.deployments is on: it is taken to be";
/// What opens scheduling gates.
const GATES: &str = "Pods with wait: gate are admitted where gates.enabled is on: it is taken to be (--gates says so)";
/// What makes topics of ConfigMaps.
const CONFIG_MAPS_2017: &str = "ConfigMaps are topics where contract2017.configMaps is on: it is taken to be";

impl Input {
    /// Takes in one object. `namespace` is that of objects that name none.
    ///
    /// # Errors
    /// A Pod has not the shape of one, or a claim has not the fields of one.
    pub fn take(&mut self, object: &Node, place: &str, namespace: &str, settings: &Settings) -> anyhow::Result<()> {
        let text = |path: &[&str]| object.at(path).and_then(Node::as_text).unwrap_or_default();
        let ours = text(&["apiVersion"]).split('/').next() == Some(GROUP);
        match text(&["kind"]) {
            "TopicClaim" if ours => {
                let mut claim: TopicClaim = parse(object)?;
                claim.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
                let unnamed = claim.spec.cluster.is_empty();
                match manual::cluster(&claim.spec.cluster, &settings.default_cluster) {
                    Ok(cluster) => {
                        claim.spec.cluster = cluster.to_string();
                        self.topics.push(Written { place: place.to_owned(), claim, of: None, unnamed });
                    }
                    Err(rule) => self.no_cluster(place, "TopicClaim", &claim, &claim.spec.cluster, rule),
                }
            }
            "AccessClaim" if ours => {
                let mut claim: AccessClaim = parse(object)?;
                claim.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
                let unnamed = claim.spec.cluster.is_empty();
                match manual::cluster(&claim.spec.cluster, &settings.default_cluster) {
                    _ if claim.spec.source == AccessSource::Pods => {
                        let message = "an AccessClaim of Pods follows from their annotations: apply the workload";
                        let namespace = claim.namespace().unwrap_or_default();
                        self.fault(place, "AccessClaim", &namespace, &claim.name_any(), None, message.to_owned());
                    }
                    Ok(cluster) => {
                        claim.spec.cluster = cluster.to_string();
                        self.accesses.push(Written { place: place.to_owned(), claim, of: None, unnamed });
                    }
                    Err(rule) => self.no_cluster(place, "AccessClaim", &claim, &claim.spec.cluster, rule),
                }
            }
            _ => {
                let found = sites(object);
                match configmaps::read(object, place) {
                    Some(Found::Topic(topic)) => self.config_map(object, place, namespace, topic.spec, settings),
                    Some(Found::Unreadable(why)) => {
                        self.fault(place, "ConfigMap", namespace, text(&["metadata", "name"]), None, why);
                    }
                    Some(Found::Access(_)) | None if found.is_empty() => self.passed_over += 1,
                    Some(Found::Access(_)) | None => {
                        for site in &found {
                            self.site(site, place, namespace, settings)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A ConfigMap leads to the claim of its own name.
    fn config_map(
        &mut self,
        object: &Node,
        place: &str,
        namespace: &str,
        mut spec: TopicClaimSpec,
        settings: &Settings,
    ) {
        let text = |key: &str| object.at(&["metadata", key]).and_then(Node::as_text);
        let name = text("name").unwrap_or_default();
        self.notes.insert(CONFIG_MAPS_2017);
        spec.cluster = settings.default_cluster.to_string();
        spec.source = TopicSource::Declared;
        let mut claim = TopicClaim::new(name, spec);
        claim.metadata.namespace = Some(text("namespace").unwrap_or(namespace).to_owned());
        self.topics.push(Written {
            place: place.to_owned(),
            claim,
            of: Some(format!("ConfigMap {name}")),
            unnamed: true,
        });
    }

    fn site(&mut self, site: &Site, place: &str, namespace: &str, settings: &Settings) -> anyhow::Result<()> {
        let namespace = site.namespace.as_deref().unwrap_or(namespace);
        let verdict = ask(&site.pod, namespace, settings)?;
        if let Outcome::Denied(reason) | Outcome::Admitted(reason) = verdict.outcome {
            self.fault(place, &site.kind, namespace, &site.name, Some(reason.code().to_owned()), verdict.message);
            return Ok(());
        }
        let of_pods = asks::of_pods(site, namespace, settings)?;
        let of_2017 = match asks::of_deployment(site, namespace, settings) {
            Ok(found) => found,
            Err(problems) => {
                let reason = problems.first().map(|problem| problem.reason.code().to_owned());
                let message: Vec<_> = problems
                    .iter()
                    .map(|fault| format!("{}: \"{}\" {}", fault.place, fault.value, fault.rule))
                    .collect();
                self.fault(place, &site.kind, namespace, &site.name, reason, message.join("; "));
                None
            }
        };
        if of_2017.is_some() {
            self.notes.insert(DEPLOYMENTS_2017);
        }
        if settings.gates == Gates::Unknown && of_pods.as_ref().is_some_and(|asked| asked.intent.wait == Wait::Gate) {
            self.notes.insert(GATES);
        }
        if of_pods.is_none() && of_2017.is_none() {
            self.passed_over += 1;
        }
        for asked in of_pods.into_iter().chain(of_2017) {
            self.workload(site, place, namespace, asked);
        }
        Ok(())
    }

    fn workload(&mut self, site: &Site, place: &str, namespace: &str, asked: Asked) {
        let account = site.pod.at(&["spec", "serviceAccountName"]).and_then(Node::as_text).unwrap_or("default");
        let key = (namespace.to_owned(), asked.intent.access_name());
        let workload = self.workloads.entry(key).or_insert_with(|| Workload {
            place: place.to_owned(),
            what: Vec::new(),
            asked: Vec::new(),
            account: account.to_owned(),
        });
        let what = format!("{} {}", site.kind, site.name);
        if workload.what.last() != Some(&what) {
            workload.what.push(what);
        }
        workload.asked.push(asked);
    }

    /// A claim whose cluster's name is none, as the webhook says it.
    fn no_cluster(&mut self, place: &str, kind: &str, claim: &impl ResourceExt, named: &str, rule: String) {
        let problem = Problem::new(Reason::InvalidValue, "spec.cluster", named, rule);
        let message = format!("{}: \"{}\" {}", problem.place, problem.value, problem.rule);
        let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
        self.fault(place, kind, &namespace, &name, Some(problem.reason.code().to_owned()), message);
    }

    pub(super) fn fault(
        &mut self,
        place: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        reason: Option<String>,
        message: String,
    ) {
        let object = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.faults.push(Fault { place: place.to_owned(), object, reason, message });
    }

    /// Every cluster that is spoken of, with the topics that are: an access may ask for none.
    #[must_use]
    pub fn topics_by_cluster(&self) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |cluster: String, topics: Vec<String>| found.entry(cluster).or_default().extend(topics);
        for Written { claim, .. } in &self.topics {
            add(claim.spec.cluster.clone(), vec![claim.spec.topic_name.clone()]);
        }
        for Written { claim, .. } in &self.accesses {
            let topics = claim.spec.consumes.iter().chain(&claim.spec.produces);
            add(claim.spec.cluster.clone(), topics.cloned().collect());
        }
        for Asked { intent, .. } in self.workloads.values().flat_map(|workload| &workload.asked) {
            let topics = intent.consumes.iter().chain(&intent.produces);
            add(intent.cluster.to_string(), topics.map(ToString::to_string).collect());
        }
        for names in found.values_mut() {
            names.sort();
            names.dedup();
        }
        found
    }

    /// The accesses on a cluster, by namespace and name.
    #[must_use]
    pub fn accesses_of(&self, cluster: &str) -> Vec<(String, String)> {
        let manual = self.accesses.iter().filter(|written| written.claim.spec.cluster == cluster);
        let manual = manual.map(|written| {
            let metadata = &written.claim.metadata;
            (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
        });
        let on_it =
            |workload: &Workload| workload.asked.iter().any(|asked| asked.intent.cluster.to_string() == cluster);
        let workloads = self.workloads.iter().filter(|(_, workload)| on_it(workload)).map(|(key, _)| key.clone());
        manual.chain(workloads).collect()
    }

    /// The namespaces that are spoken of.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let topics = self.topics.iter().filter_map(|written| written.claim.metadata.namespace.clone());
        let accesses = self.accesses.iter().filter_map(|written| written.claim.metadata.namespace.clone());
        let mut found: Vec<String> =
            topics.chain(accesses).chain(self.workloads.keys().map(|key| key.0.clone())).collect();
        found.sort();
        found.dedup();
        found
    }
}

fn parse<K: DeserializeOwned>(object: &Node) -> anyhow::Result<K> {
    Ok(serde_json::from_str(&object.to_json())?)
}
