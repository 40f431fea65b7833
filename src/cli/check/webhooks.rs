//! What stands between the API server and Kafka: the webhook's configurations, its endpoints, and the policies beside it. Pure.

use k8s_openapi::ByteString;
use kube::ResourceExt;

use super::findings::{Judge, logs};
use super::observe::{Seen, claims_webhook_name, webhook_name};

const AREA: &str = "Webhook";

impl Judge {
    pub(super) fn webhook(&mut self, seen: &Seen) {
        let Some(configurations) = self.read(AREA, &seen.configurations) else { return };
        if configurations.is_empty() {
            let says =
                format!("no MutatingWebhookConfiguration has the webhook {}: nothing is injected", webhook_name());
            self.problem(AREA, "", says, format!("helm -n {} status admittance", seen.home));
        }
        for configuration in configurations {
            let name = configuration.name_any();
            for webhook in configuration.webhooks.iter().flatten().filter(|webhook| webhook.name == webhook_name()) {
                let service = webhook.client_config.service.as_ref();
                let (namespace, service) = service.map_or(("", ""), |service| (&service.namespace, &service.name));
                if webhook.client_config.ca_bundle.as_ref().is_none_or(|bundle| bundle.0.is_empty()) {
                    let says = "has no caBundle: the API server cannot trust the webhook";
                    self.problem(AREA, &name, says, logs(namespace, "webhook"));
                } else {
                    self.fine(AREA, &name, "is there, and has a caBundle");
                }
                let policy = webhook.failure_policy.as_deref().unwrap_or("Fail");
                if policy != "Fail" {
                    let says = format!(
                        "failurePolicy is {policy}: while no webhook answers, Pods that ask start without Kafka"
                    );
                    let remedy = "helm upgrade … --reset-then-reuse-values --set webhook.failurePolicy=Fail".to_owned();
                    self.notice(AREA, &name, says, Some(remedy));
                }
                self.claims_webhook(seen, &name, webhook.client_config.ca_bundle.as_ref(), namespace);
                self.endpoints(seen, namespace, service, policy);
            }
        }
    }

    /// The configuration by which claims are judged when they are written; its name is that of the other.
    fn claims_webhook(&mut self, seen: &Seen, name: &str, bundle: Option<&ByteString>, namespace: &str) {
        let Some(configurations) = self.read(AREA, &seen.validating) else { return };
        let subject = format!("{name}, of claims");
        let found = configurations.iter().filter(|configuration| configuration.name_any() == name);
        let mut webhooks = found.flat_map(|configuration| configuration.webhooks.iter().flatten());
        let Some(webhook) = webhooks.find(|webhook| webhook.name == claims_webhook_name()) else {
            let says = "no ValidatingWebhookConfiguration: the operator alone judges claims, after they are written";
            self.notice(AREA, &subject, says, None);
            return;
        };
        match webhook.client_config.ca_bundle.as_ref().filter(|bundle| !bundle.0.is_empty()) {
            None => {
                let says = "has no caBundle: the API server cannot trust the webhook, and claims are written unjudged";
                self.problem(AREA, &subject, says, logs(namespace, "webhook"));
            }
            Some(own) if bundle.is_some_and(|bundle| bundle != own) => {
                let says = "has another caBundle than the configuration of Pods, and both lead to one webhook";
                self.problem(AREA, &subject, says, logs(namespace, "webhook"));
            }
            Some(_) => self.fine(AREA, &subject, "is there, and has a caBundle"),
        }
    }

    fn endpoints(&mut self, seen: &Seen, namespace: &str, service: &str, policy: &str) {
        let Some(slices) = self.read(AREA, &seen.endpoints) else { return };
        let of = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get("kubernetes.io/service-name").is_some_and(|name| name == service)
        };
        let endpoints = slices.iter().filter(|slice| of(slice.labels())).flat_map(|slice| &slice.endpoints);
        // Absent means ready (the API's own rule).
        let ready = endpoints
            .filter(|one| one.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true))
            .count();
        let subject = format!("{namespace}/{service}");
        match ready {
            0 => {
                let pods = if policy == "Fail" { "are refused" } else { "start without Kafka" };
                let says = format!("the Service has no endpoint that is ready: Pods that ask {pods}");
                self.problem(AREA, &subject, says, logs(namespace, "webhook"));
            }
            1 => self.notice(AREA, &subject, "one endpoint is ready: two survive the loss of a node", None),
            several => self.fine(AREA, &subject, format!("{several} endpoints are ready")),
        }
    }

    pub(super) fn policies(&mut self, seen: &Seen) {
        const AREA: &str = "Policies";
        let Some(policies) = self.read(AREA, &seen.policies) else { return };
        let Some(bindings) = self.read(AREA, &seen.bindings) else { return };
        for configuration in seen.configurations.iter().flatten() {
            for end in ["injected", "frozen", "claims"] {
                let name = format!("{}-{end}", configuration.name_any());
                let remedy = format!("helm -n {} upgrade …, which applies it again", seen.home);
                let mut bound = bindings.iter().filter_map(|binding| binding.spec.as_ref());
                let bound = bound.find(|spec| spec.policy_name.as_deref() == Some(&name));
                let actions = bound.and_then(|spec| spec.validation_actions.as_deref()).unwrap_or_default();
                if !policies.iter().any(|policy| policy.name_any() == name) {
                    self.problem(AREA, &name, "is not there", remedy);
                } else if bound.is_none() {
                    self.problem(AREA, &name, "is there, and bound by nothing: it has no effect", remedy);
                } else if actions.iter().any(|action| action == "Deny") {
                    self.fine(AREA, &name, "is bound, and denies");
                } else {
                    let says = format!("is bound, and does not deny: {}", actions.join(", "));
                    self.notice(AREA, &name, says, None);
                }
            }
        }
    }
}
