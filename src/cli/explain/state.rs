//! How the access of a workload stands in a cluster, step by step. Pure: what was read in, sentences out.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::story::{Step, Story};
use super::tell::NOT_REQUESTED;
use crate::api::annotations::ACCESS;
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, BrokerCluster, READY, TopicClaim, condition};
use crate::cli::kafka;
use crate::cli::print::Sign;

/// What was read of a cluster.
#[derive(Debug, Default)]
pub struct Seen {
    /// The `BrokerCluster` that is asked for.
    pub cluster: Look<BrokerCluster>,
    /// The `AccessClaim` of the workload.
    pub claim: Look<AccessClaim>,
    /// The namespace's `TopicClaims`.
    pub topics: Look<Vec<TopicClaim>>,
    /// Whether the Secret is there; what it holds is not read.
    pub secret: Look<()>,
    /// The Pod, where a living one is explained.
    pub pod: Option<PodState>,
    /// Events of the Pod and of the `AccessClaim`, the latest last.
    pub events: Vec<String>,
}

/// One look at the cluster.
#[derive(Debug, Default)]
pub enum Look<T> {
    /// Nobody looked.
    #[default]
    Not,
    /// It is there.
    Found(T),
    /// It is not there.
    Missing,
    /// It could not be looked at, and why.
    Failed(String),
}

/// A living Pod.
#[derive(Debug, Clone, Default)]
pub struct PodState {
    /// Its phase.
    pub phase: String,
    /// The value of its access label.
    pub access: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Containers that wait, and what for.
    pub waiting: Vec<String>,
}

impl Seen {
    /// The Kafka user of an access: as its claim has it, else by the scope of its cluster, of which `default` is that of clusters that name
    /// none. Nothing where the cluster was not seen: it may have a scope of its own.
    #[must_use]
    pub fn user(&self, namespace: &str, access: &str, default: Option<&Scope>) -> Option<String> {
        let recorded = match &self.claim {
            Look::Found(claim) => claim.status.as_ref().and_then(|status| status.username.clone()),
            _ => None,
        };
        let by_scope = || match &self.cluster {
            Look::Found(cluster) => kafka::scope(cluster, default),
            Look::Missing => default.cloned(),
            Look::Not | Look::Failed(_) => None,
        };
        recorded.or_else(|| Some(by_scope()?.username(namespace, access)))
    }
}

impl Story {
    /// Adds what was seen of the cluster.
    pub fn continue_with(&mut self, seen: &Seen) {
        let Some(names) = self.access.clone() else { return };
        let injected = seen.pod.as_ref().is_none_or(|pod| pod.access.is_some());
        self.look(&seen.cluster, "BrokerCluster", &names.cluster, |story, cluster| {
            let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice());
            let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
            let name = cluster.metadata.name.as_deref().unwrap_or_default();
            if !story.ready("BrokerCluster", &names.cluster, conditions.unwrap_or_default()) {
                story.advise(format!("kubectl -n {namespace} describe brokercluster {name}"));
            }
        });
        if let Look::Missing = seen.cluster {
            self.advise("kubectl get brokerclusters --all-namespaces");
        }
        match (&seen.claim, &seen.pod) {
            (Look::Missing, None) => {
                // Without a request of its Pods, it is the Deployment that asks.
                let when =
                    if self.outcome == NOT_REQUESTED { "once it hears the Deployment" } else { "with the first Pod" };
                let says = format!("{} is not there yet: the operator makes it {when}", names.access_claim);
                self.steps.push(Step::new("AccessClaim", Sign::Notice, says));
            }
            (Look::Missing, Some(_)) if injected => {
                let says = format!("{} is not there: the operator has not seen the Pod", names.access_claim);
                self.steps.push(Step::new("AccessClaim", Sign::Problem, says));
                self.advise("admittance check");
            }
            _ => self.look(&seen.claim, "AccessClaim", &names.access_claim, |story, claim| story.claim(claim)),
        }
        self.topics(seen, names.consumes.iter().chain(&names.produces));
        match (&seen.secret, &seen.claim) {
            (Look::Missing, Look::Found(_)) => {
                let says = format!("{} is not there yet: containers start once it is", names.secret);
                self.steps.push(Step::new("Secret", Sign::Problem, says));
            }
            (Look::Missing, _) => {}
            _ => self.look(&seen.secret, "Secret", &names.secret, |story, ()| {
                story.steps.push(Step::new("Secret", Sign::Fine, format!("{} is there", names.secret)));
            }),
        }
        if let Some(pod) = &seen.pod {
            self.pod(pod, &names.access_claim);
        }
        if !seen.events.is_empty() {
            let step = Step::new("Events", Sign::Notice, "the latest last").with(seen.events.clone());
            self.steps.push(step);
        }
    }

    fn look<T>(&mut self, look: &Look<T>, step: &'static str, name: &str, found: impl FnOnce(&mut Self, &T)) {
        match look {
            Look::Not => {}
            Look::Found(object) => found(self, object),
            Look::Missing => self.steps.push(Step::new(step, Sign::Problem, format!("{name} is not there"))),
            Look::Failed(why) => {
                self.steps.push(Step::new(step, Sign::Notice, format!("{name} was not looked at: {why}")));
            }
        }
    }

    /// Tells a `Ready` condition; whether it holds.
    fn ready(&mut self, step: &'static str, name: &str, conditions: &[Condition]) -> bool {
        let (sign, says, details) = match condition(conditions, READY) {
            None => (Sign::Problem, format!("{name}: the operator has not said anything of it"), Vec::new()),
            Some(said) if said.status == "True" => {
                (Sign::Fine, format!("{name} is ready: {}", said.message), Vec::new())
            }
            Some(said) => {
                let remedy = Reason::of_code(&said.reason).map(|reason| format!("→ {}", reason.remedy()));
                let says = format!("{name} is not ready: {}: {}", said.reason, said.message);
                (Sign::Problem, says, remedy.into_iter().collect())
            }
        };
        if condition(conditions, READY).is_none() {
            self.advise("admittance check");
        }
        self.steps.push(Step::new(step, sign, says).with(details));
        sign == Sign::Fine
    }

    fn claim(&mut self, claim: &AccessClaim) {
        let (namespace, name) = (self.namespace.clone(), claim.metadata.name.clone().unwrap_or_default());
        let status = claim.status.clone().unwrap_or_default();
        let ready = self.ready("AccessClaim", &name, &status.conditions);
        for refusal in &status.refused {
            let remedy = Reason::of_code(&refusal.reason).map(|reason| format!("→ {}", reason.remedy()));
            let says = format!("{} is refused: {}: {}", refusal.name, refusal.reason, refusal.message);
            self.steps.push(Step::new("Topic", Sign::Problem, says).with(remedy.into_iter().collect()));
        }
        if !ready || !status.refused.is_empty() {
            self.advise(format!("kubectl -n {namespace} describe accessclaim {name}"));
        }
    }

    /// Tells the namespace's own claims on the topics that are asked for.
    fn topics<'t>(&mut self, seen: &Seen, wanted: impl Iterator<Item = &'t String>) {
        let claims = match &seen.topics {
            Look::Found(claims) => claims,
            Look::Failed(why) => {
                self.steps.push(Step::new("Topic", Sign::Notice, format!("TopicClaims were not looked at: {why}")));
                return;
            }
            Look::Not | Look::Missing => return,
        };
        let mut told = std::collections::BTreeSet::new();
        for topic in wanted.filter(|topic| told.insert(topic.as_str())) {
            for claim in claims.iter().filter(|claim| claim.spec.topic_name == *topic) {
                let conditions = claim.status.as_ref().map(|status| status.conditions.as_slice());
                if !self.ready("Topic", topic, conditions.unwrap_or_default()) {
                    let (namespace, name) = (self.namespace.clone(), claim.metadata.name.clone().unwrap_or_default());
                    self.advise(format!("kubectl -n {namespace} describe topicclaim {name}"));
                }
            }
        }
    }

    fn pod(&mut self, pod: &PodState, wanted: &str) {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        let describe = format!("kubectl -n {namespace} describe pod {name}");
        let (sign, says) = match &pod.access {
            None => {
                self.advise(format!(
                    "kubectl -n {namespace} delete pod {name}   # its controller makes it anew, and it is injected"
                ));
                (Sign::Problem, "it was not injected when it was created: neither label nor Secret".to_owned())
            }
            Some(found) if found != wanted => {
                self.advise(describe);
                (Sign::Problem, format!("its label {ACCESS} is \"{found}\" and should be \"{wanted}\""))
            }
            Some(_) if pod.ready => (Sign::Fine, format!("{}, and ready", pod.phase)),
            Some(_) if pod.phase == "Succeeded" => (Sign::Fine, pod.phase.clone()),
            Some(_) => {
                self.advise(describe);
                (Sign::Problem, format!("{}, and not ready", pod.phase))
            }
        };
        self.steps.push(Step::new("Pod", sign, says).with(pod.waiting.clone()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::story::Names;
    use super::*;

    fn told(seen: &Seen) -> Story {
        let names = Names {
            workload: "web".into(),
            cluster: "admittance/default".into(),
            access_claim: "web".into(),
            secret: "web-kafka-credentials".into(),
            further_secret: None,
            user: "k.shop.web".into(),
            consumes: vec!["orders".into()],
            produces: vec!["orders".into()],
        };
        let mut story = Story {
            source: String::new(),
            kind: "Pod".into(),
            namespace: "shop".into(),
            name: "web-0".into(),
            outcome: "complete",
            steps: Vec::new(),
            access: Some(names),
            patch: Vec::new(),
            next: Vec::new(),
        };
        story.continue_with(seen);
        story
    }

    fn topic(status: &str) -> TopicClaim {
        let ready = json!({
            "type": "Ready", "status": status, "reason": "TopicConflict", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json!({
            "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim", "metadata": {"name": "o", "namespace": "shop"},
            "spec": {"topicName": "orders", "cluster": "admittance/default"}, "status": {"conditions": [ready]},
        }))
        .unwrap()
    }

    #[test]
    fn a_user_is_named_as_it_is_or_will_be() {
        let cluster = |spec: Option<&str>, status: Option<&str>| -> Look<BrokerCluster> {
            let external = json!({"bootstrapServers": "k:9092", "insecure": true, "adminSecret": {"name": "a"}});
            let cluster = json!({
                "metadata": {}, "spec": {"scope": spec, "external": external}, "status": {"conditions": [], "scope": status},
            });
            Look::Found(serde_json::from_value(cluster).unwrap())
        };
        let claim = |username: Option<&str>| -> Look<AccessClaim> {
            let spec = json!({"source": "Pods", "workload": "web"});
            Look::Found(
                serde_json::from_value(json!({"metadata": {}, "spec": spec, "status": {"username": username}}))
                    .unwrap(),
            )
        };
        let default = Scope::parse("kdefault").unwrap();
        for (cluster, claim, wanted) in [
            (cluster(None, None), Look::Missing, Some("kdefault.shop.web")),
            (cluster(Some("own"), None), claim(None), Some("own.shop.web")),
            (cluster(Some("own"), Some("old")), Look::Missing, Some("old.shop.web")),
            (cluster(Some("own"), None), claim(Some("was.shop.web")), Some("was.shop.web")),
            (Look::Missing, Look::Missing, Some("kdefault.shop.web")),
            (Look::Failed(String::new()), Look::Missing, None),
            (Look::Failed(String::new()), claim(Some("was.shop.web")), Some("was.shop.web")),
        ] {
            let seen = Seen { cluster, claim, ..Seen::default() };
            assert_eq!(seen.user("shop", "web", Some(&default)).as_deref(), wanted, "{seen:?}");
        }
        let unknown = Seen { cluster: cluster(None, None), ..Seen::default() };
        assert_eq!(unknown.user("shop", "web", None), None);
    }

    #[test]
    fn a_topic_is_told_once_with_its_remedy() {
        let story = told(&Seen { topics: Look::Found(vec![topic("False")]), ..Seen::default() });
        assert_eq!(story.steps.len(), 1, "{:?}", story.steps);
        assert_eq!(story.steps[0].details, ["→ Remove one of the two TopicClaims."]);
        assert_eq!(story.next, ["kubectl -n shop describe topicclaim o"]);
        assert!(!told(&Seen { topics: Look::Found(vec![topic("True")]), ..Seen::default() }).is_troubled());
    }

    #[test]
    fn what_may_not_be_looked_at_is_no_problem() {
        let why = || "forbidden".to_owned();
        let seen = Seen {
            cluster: Look::Failed(why()),
            claim: Look::Failed(why()),
            topics: Look::Failed(why()),
            secret: Look::Failed(why()),
            ..Seen::default()
        };
        let story = told(&seen);
        assert_eq!(story.steps.len(), 4);
        assert!(!story.is_troubled() && story.steps.iter().all(|step| step.says.ends_with("forbidden")), "{story:?}");
    }

    #[test]
    fn an_injected_pod_without_a_claim_means_that_no_operator_looks() {
        let pod = PodState { access: Some("web".into()), phase: "Pending".into(), ..PodState::default() };
        let story = told(&Seen { claim: Look::Missing, pod: Some(pod), ..Seen::default() });
        assert!(story.is_troubled() && story.next.contains(&"admittance check".to_owned()), "{story:?}");
        let done = PodState { access: Some("web".into()), phase: "Succeeded".into(), ..PodState::default() };
        assert!(!told(&Seen { pod: Some(done), ..Seen::default() }).is_troubled());
    }
}
