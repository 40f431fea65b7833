//! What would happen to one Pod, step by step and why. Pure: facts in, sentences out.

use super::gains::gains;
use super::story::{Names, Namespace, Step, Story};
use crate::admission::decide::{Outcome, Settings, decide};
use crate::admission::pod::Pod;
use crate::api::annotations::{INJECTED, INJECTION, WORKLOAD, short};
use crate::cli::asks;
use crate::cli::injection::{Unanswered, ask};
use crate::cli::manifest::pods::{HASH, MINUTE, Site};
use crate::cli::print::Sign;
use crate::intent::limits::MAX_PROBLEMS;
use crate::intent::problem::shown;
use crate::intent::{self, Intent, PodMeta, Problem};

/// Namespaces by which a cluster lives: the webhook's selector leaves them out, whatever their labels say.
const NEVER: [&str; 2] = ["kube-system", "kube-node-lease"];
/// The outcome of what asks for nothing that the webhook hears.
pub(super) const NOT_REQUESTED: &str = "notRequested";
/// Stands for what only the cluster knows.
const SCOPE: &str = "<scope>";

/// Tells what would happen, but for the names of the access: whose Kafka user it is may hang on the cluster.
///
/// # Errors
/// The Pod has not the shape of one.
pub fn tell(
    source: String,
    site: &Site,
    namespace: &str,
    settings: &Settings,
    known: Namespace,
) -> Result<Story, Unanswered> {
    let json = site.pod.to_json();
    let pod: Pod<'_> = serde_json::from_str(&json)?;
    let meta = pod.meta(namespace);
    let verdict = ask(&site.pod, namespace, settings)?;
    let problems = decide(&pod, namespace, settings).err().unwrap_or_default();
    let mut story = Story {
        source,
        kind: site.kind.clone(),
        namespace: namespace.to_owned(),
        name: site.name.clone(),
        outcome: match verdict.outcome {
            Outcome::Injected => "injected",
            Outcome::AlreadyInjected => "complete",
            Outcome::NotRequested => NOT_REQUESTED,
            Outcome::Denied(_) => "refused",
            Outcome::Admitted(_) => "admitted",
        },
        steps: Vec::new(),
        access: None,
        patch: Vec::new(),
        next: Vec::new(),
    };
    if verdict.outcome == Outcome::NotRequested {
        story.not_requested(site, &meta, settings, known);
        return Ok(story);
    }
    story.requested();
    story.namespace_step(known);
    story.annotations(&meta, &problems);
    if let Ok(Some(intent)) = intent::request::read(&meta, &settings.default_cluster) {
        story.identity(&meta, &intent);
    }
    story.webhook(&problems, verdict.outcome);
    if !verdict.additions.is_empty() {
        let says = format!("the webhook adds {} things, and changes nothing that is there", verdict.additions.len());
        story.steps.push(Step::new("Additions", Sign::Fine, says).with(gains(&site.pod, &verdict.additions)));
        story.patch = verdict.additions.iter().map(|addition| addition.operation()).collect();
    } else if verdict.outcome == Outcome::AlreadyInjected {
        story.steps.push(Step::new(
            "Additions",
            Sign::Fine,
            "the webhook adds nothing: all that it would add is there",
        ));
    }
    for warning in verdict.warnings {
        story.steps.push(Step::new("Warning", Sign::Notice, warning));
    }
    Ok(story)
}

impl Story {
    /// What the webhook leaves alone, the operator may hear.
    fn not_requested(&mut self, site: &Site, meta: &PodMeta<'_>, settings: &Settings, known: Namespace) {
        let namespace = self.namespace.clone();
        match asks::of_deployment(site, &namespace, settings) {
            Ok(None) => self.idle(site, meta),
            Err(problems) => self.deployment_at_fault(&problems),
            Ok(Some(asked)) => {
                self.requested_by_deployment();
                self.namespace_step(known);
                if let Some(own) = asks::deployment(site, &namespace) {
                    self.identity(&own, &asked.intent);
                }
            }
        }
    }

    fn namespace_step(&mut self, known: Namespace) {
        let name = self.namespace.clone();
        let (sign, says) = match known {
            _ if NEVER.contains(&name.as_str()) => {
                (Sign::Problem, format!("{name} is never served: a cluster lives by it; use another namespace"))
            }
            Namespace::Unknown => (Sign::Notice, format!("{name}; whether it is opted in was not looked at")),
            Namespace::OptedIn => (Sign::Fine, format!("{name} is opted in")),
            Namespace::NotOptedIn => {
                self.advise(format!("kubectl label namespace {name} {INJECTION}=enabled"));
                let says = if self.outcome == NOT_REQUESTED {
                    format!("{name} is not opted in: the operator does not look at its Deployments")
                } else {
                    format!("{name} is not opted in: its Pods are never sent to the webhook, and start without Kafka")
                };
                (Sign::Problem, says)
            }
            Namespace::Missing => {
                self.advise(format!(
                    "kubectl create namespace {name} && kubectl label namespace {name} {INJECTION}=enabled"
                ));
                (Sign::Problem, format!("there is no namespace {name}"))
            }
        };
        self.steps.push(Step::new("Namespace", sign, says));
    }

    fn annotations(&mut self, meta: &PodMeta<'_>, problems: &[Problem]) {
        for (key, value) in &meta.annotations {
            let Some(name) = short(key).filter(|_| INJECTED != *key) else { continue };
            let sign = if problems.iter().any(|problem| problem.place == shown(key)) {
                Sign::Problem
            } else if problems.len() >= MAX_PROBLEMS {
                // No more faults are named: this one may be at fault too.
                Sign::Notice
            } else {
                Sign::Fine
            };
            // Values are somebody's, and may be long: they are shown as a refusal would show them.
            let says = format!("{} = \"{}\"", shown(name), shown(value));
            self.steps.push(Step::new("Annotation", sign, says));
        }
    }

    fn identity(&mut self, meta: &PodMeta<'_>, intent: &Intent) {
        let (workload, access) = (intent.workload.to_string(), intent.access_name());
        self.steps.push(Step::new("Identity", Sign::Fine, format!("{workload}: {}", derivation(meta))));
        let origin =
            if intent.default_cluster { "the installation's default" } else { "as the annotation cluster says" };
        self.steps.push(Step::new("Cluster", Sign::Fine, format!("BrokerCluster {}, {origin}", intent.cluster)));
        self.access = Some(Names {
            workload,
            cluster: intent.cluster.to_string(),
            secret: intent.secret_name(),
            further_secret: intent.secret.clone(),
            user: format!("{SCOPE}.{}.{access}", self.namespace),
            access_claim: access,
            consumes: intent.consumes.iter().map(ToString::to_string).collect(),
            produces: intent.produces.iter().map(ToString::to_string).collect(),
        });
    }

    /// Tells by which names the access is found. `user` is the Kafka user, where it is known.
    pub fn names(&mut self, user: Option<String>) {
        let Some(names) = &mut self.access else { return };
        let unknown = user.is_none();
        names.user = user.unwrap_or_else(|| names.user.clone());
        let mut details = vec![
            format!("AccessClaim {}", names.access_claim),
            format!("Secret {}", names.secret),
            format!("Kafka user {}", names.user),
        ];
        if let Some(further) = &names.further_secret {
            details.insert(2, format!("Secret {further}, which holds the same"));
        }
        if unknown {
            details.push(format!(
                "{SCOPE} is the BrokerCluster's scope; where it names none, it follows from the uid of the namespace kube-system"
            ));
        }
        self.steps.push(Step::new("Names", Sign::Fine, "by which it will be found").with(details));
    }

    fn webhook(&mut self, problems: &[Problem], outcome: Outcome) {
        let says = match outcome {
            Outcome::Denied(_) => {
                "the Pod is refused; a controller tries again and again until the template is corrected"
            }
            Outcome::Admitted(_) => {
                "the Pod is created as it is, without Kafka: the installation admits what it cannot understand"
            }
            _ => return,
        };
        let faults =
            problems.iter().flat_map(|problem| [problem.to_string(), format!("→ {}", problem.reason.remedy())]);
        self.steps.push(Step::new("Webhook", Sign::Problem, says).with(faults.collect()));
        self.advise("correct the Pod or its template, then: admittance explain -f FILE");
    }
}

/// How an identity follows from a Pod.
fn derivation(meta: &PodMeta<'_>) -> String {
    if meta.annotations.contains_key(WORKLOAD) {
        return "as the annotation workload says".to_owned();
    }
    let Some(owner) = meta.owner else {
        let from = if meta.generate_name.is_some() { "generateName" } else { "name" };
        return format!("the Pod's own {from}, for it has no controller");
    };
    let name = shown(owner.name).replace(HASH, "<hash>").replace(MINUTE, "<minute>");
    let derived = intent::identity::derive(meta).map_or(owner.name, |derived| derived.name);
    let without = match owner.kind {
        _ if derived == owner.name => "",
        "ReplicaSet" => " without the hash of its Pod template",
        "Job" => " without the minute for which a CronJob made it",
        _ => " by the DeploymentConfig behind it",
    };
    format!("the name of the Pod's controller, {} \"{name}\"{without}", shown(&owner.shown_kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::decide::OnInvalid;
    use crate::api::names::ClusterRef;
    use crate::cli::manifest::{pods, read};

    fn told(text: &str, known: Namespace, on_invalid: OnInvalid) -> Story {
        told_in("shop", text, known, on_invalid)
    }

    fn told_in(namespace: &str, text: &str, known: Namespace, on_invalid: OnInvalid) -> Story {
        let default_cluster = ClusterRef { namespace: "admittance".into(), name: "default".into() };
        let settings = Settings {
            default_cluster,
            on_invalid,
            probe_image: "p".into(),
            probe_delivery: crate::admission::delivery::Delivery::Copy,
            gates: crate::admission::decide::Gates::Offered,
            version: "0",
        };
        let site = pods::sites(&read::document(text).unwrap().unwrap()).remove(0);
        tell("x".into(), &site, namespace, &settings, known).unwrap()
    }

    fn object(kind: &str, annotations: &str) -> String {
        let annotations = format!("annotations: {{kafka.admittance.dev/consumes: orders{annotations}}}");
        format!(
            "{{kind: {kind}, metadata: {{name: web}}, spec: {{template: {{metadata: {{{annotations}}}, spec: {{containers: [{{name: app}}]}}}}}}}}"
        )
    }

    fn says<'s>(story: &'s Story, step: &str) -> &'s str {
        story.steps.iter().find(|found| found.step == step).map_or("", |found| &found.says)
    }

    #[test]
    fn an_identity_is_told_with_its_derivation() {
        let told = |kind, more| told(&object(kind, more), Namespace::OptedIn, OnInvalid::Deny);
        let identity = |kind, more| says(&told(kind, more), "Identity").to_owned();
        assert!(identity("Deployment", "").ends_with("ReplicaSet \"web-<hash>\" without the hash of its Pod template"));
        assert!(identity("StatefulSet", "").ends_with("StatefulSet \"web\""));
        assert!(
            identity("DeploymentConfig", "")
                .ends_with("ReplicationController \"web-1\" by the DeploymentConfig behind it")
        );
        assert_eq!(identity("Job", ", kafka.admittance.dev/workload: other"), "other: as the annotation workload says");
        let names = told("Deployment", ", kafka.admittance.dev/cluster: eu").access.unwrap();
        assert_eq!((names.cluster.as_str(), names.access_claim.as_str()), ("admittance/eu", "web-eu"));
    }

    #[test]
    fn an_owner_of_another_group_is_told_with_it_and_with_what_is_not_known() {
        let object = object("StatefulSet", "");
        let of = |version: &str| object.replacen("{kind:", &format!("{{apiVersion: {version}, kind:"), 1);
        let warns = |story: &Story| story.steps.iter().any(|step| step.says.contains("lives by its Pods alone"));
        for (text, kind, warned) in [
            (of("apps.kruise.io/v1beta1"), "StatefulSet.apps.kruise.io", true),
            (of("apps/v1"), "StatefulSet", false),
            (object.clone(), "StatefulSet", false),
            (format!("{{apiVersion: apps/v1, kind: StatefulSetList, items: [{object}]}}"), "StatefulSet", false),
        ] {
            let story = told(&text, Namespace::OptedIn, OnInvalid::Deny);
            let identity = says(&story, "Identity");
            assert!(identity.ends_with(&format!("controller, {kind} \"web\"")), "{identity}");
            assert_eq!(warns(&story), warned, "{text}");
        }
    }

    #[test]
    fn a_key_that_leads_to_nothing_is_a_problem() {
        let pod = |metadata: &str| {
            let text =
                format!("{{kind: Pod, metadata: {{name: web, {metadata}}}, spec: {{containers: [{{name: app}}]}}}}");
            let story = told(&text, Namespace::OptedIn, OnInvalid::Deny);
            assert_eq!(story.outcome, "notRequested");
            (story.is_troubled(), story.steps[0].details.clone())
        };
        let (troubled, details) = pod("annotations: {kafka.admittance.dev/groups: '*'}");
        assert!(troubled, "{details:?}");
        assert_eq!(details, ["groups says nothing without consumes, produces or streams"]);
        for idle in [
            "annotations: {other/groups: g}",
            "annotations: {kafka.admittance.dev/injected: '1'}",
            "labels: {kafka.admittance.dev/injection: disabled}, annotations: {kafka.admittance.dev/groups: g}",
        ] {
            assert_eq!(pod(idle), (false, Vec::new()), "{idle}");
        }
    }

    #[test]
    fn a_deployment_of_2017_is_the_operators_to_hear() {
        let of = |annotations: &str, known| {
            let labels = "labels: {kafka-operator: inject-creds}";
            let metadata = format!("{{name: relay, {labels}, annotations: {{{annotations}}}}}");
            told(
                &format!(
                    "{{kind: Deployment, metadata: {metadata}, spec: {{template: {{spec: {{containers: [{{name: app}}]}}}}}}}}"
                ),
                known,
                OnInvalid::Deny,
            )
        };
        let mut story = of("consumes: orders, topic.kafka.nb/topic-secret: mine", Namespace::OptedIn);
        story.names(Some("k.shop.relay".into()));
        assert!(!story.is_troubled() && says(&story, "Request").contains("nothing is mounted"), "{story:?}");
        let names = story.steps.last().unwrap();
        let wanted = [
            "AccessClaim relay",
            "Secret relay-kafka-credentials",
            "Secret mine, which holds the same",
            "Kafka user k.shop.relay",
        ];
        assert_eq!(names.details, wanted);
        assert!(says(&of("consumes: orders", Namespace::NotOptedIn), "Namespace").ends_with("look at its Deployments"));
        let wrong = of("consumes: '*'", Namespace::OptedIn);
        assert!(wrong.is_troubled() && wrong.access.is_none(), "{wrong:?}");
        assert!(wrong.steps[0].details[0].starts_with("InvalidTopicName: "), "{wrong:?}");
    }

    #[test]
    fn what_is_in_the_way_is_a_problem_and_says_what_to_do() {
        let story = told(&object("Deployment", ""), Namespace::OptedIn, OnInvalid::Deny);
        assert!(!story.is_troubled() && story.next.is_empty(), "{story:?}");
        for known in [Namespace::NotOptedIn, Namespace::Missing] {
            let story = told(&object("Deployment", ""), known, OnInvalid::Deny);
            assert!(story.is_troubled() && story.next[0].starts_with("kubectl "), "{story:?}");
        }
        let admitted =
            told(&object("Deployment", ", kafka.admittance.dev/probe: x"), Namespace::OptedIn, OnInvalid::Admit);
        assert_eq!(admitted.outcome, "admitted");
        assert!(admitted.is_troubled() && says(&admitted, "Webhook").contains("without Kafka"), "{admitted:?}");
    }
}
