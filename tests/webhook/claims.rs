//! Claims that are sent to be judged.

use std::sync::Arc;

use admittance::admission::claims::{Clusters, Found, Terms};
use admittance::admission::server::{MAX_CLAIM, Metrics, router};
use admittance::admission::warnings::MAX_WARNINGS;
use admittance::api::names::ClusterRef;
use admittance::api::resources::BrokerCluster;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::review::settings;

/// One cluster that is known by name, or none as long as they have not been listed.
#[derive(Debug)]
struct One(Option<Arc<BrokerCluster>>);

impl Clusters for One {
    fn find(&self, cluster: &ClusterRef) -> Found {
        match &self.0 {
            None => Found::Unread,
            Some(found) if cluster.to_string() == "admittance/default" => Found::There(found.clone()),
            Some(_) => Found::Missing,
        }
    }
}

fn strict() -> Option<Arc<BrokerCluster>> {
    let limits = json!({"maxPartitions": 12, "maxRetention": "7d", "names": ["{namespace}.*"]});
    let external = json!({"bootstrapServers": "kafka:9092", "adminSecret": {"name": "admin"}});
    let spec = json!({"external": external, "topics": {"limits": limits}});
    let cluster =
        json!({"apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {}, "spec": spec});
    Some(Arc::new(serde_json::from_value(cluster).unwrap()))
}

struct Said {
    status: StatusCode,
    body: Bytes,
    metrics: String,
}

impl Said {
    fn response(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        let answer: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(answer["response"]["uid"], "u-1");
        assert!(answer["response"].get("patch").is_none(), "nothing is patched here");
        answer["response"].clone()
    }
}

async fn send(body: impl Into<Bytes>, cluster: Option<Arc<BrokerCluster>>) -> Said {
    let default_cluster = ClusterRef { namespace: "admittance".into(), name: "default".into() };
    let terms = Terms { default_cluster, clusters: Arc::new(One(cluster)) };
    let mut registry = Registry::default();
    let router = router(settings(), Some(terms), Metrics::register(&mut registry));
    let body = body.into();
    let request = Request::post("/validate?timeout=3s").header("content-type", "application/json");
    let request = request.header("content-length", body.len()).body(Body::from(body)).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    Said { status, body, metrics }
}

fn review(kind: &str, name: &str, spec: &Value, old: Option<&Value>) -> String {
    let object = |spec: &Value| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec, "status": {"conditions": []}});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1",
        "kind": {"group": "kafka.admittance.dev", "version": "v1alpha1", "kind": kind},
        "namespace": "shop",
        "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
        "object": object(spec),
        "oldObject": old.map(object),
    }})
    .to_string()
}

fn topic(more: &Value) -> Value {
    let mut spec = json!({"topicName": "shop.orders", "cluster": "admittance/default", "source": "Declared"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

async fn judge_topic(more: &Value) -> Value {
    send(review("TopicClaim", "orders", &topic(more), None), strict()).await.response()
}

#[tokio::test]
async fn a_claim_above_the_limits_is_refused_by_field_value_rule_and_owner() {
    let response = judge_topic(&json!({"partitions": 64, "retention": {"time": "30d"}})).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["reason"], "TopicLimitExceeded");
    assert_eq!(
        response["status"]["message"],
        "TopicLimitExceeded: spec.partitions: \"64\" is more than the 12 partitions of the BrokerCluster's topics.limits; \
         TopicLimitExceeded: spec.retention.time: \"30d\" is longer than the 7d of the BrokerCluster's topics.limits.maxRetention. \
         Ask for what the message allows, or have the BrokerCluster's topics.limits changed. \
         The limits are those of BrokerCluster admittance/default: your platform's operators can change them."
    );
    assert_eq!(response["auditAnnotations"], json!({"outcome": "denied", "reason": "TopicLimitExceeded"}));
}

#[tokio::test]
async fn what_may_be_right_elsewhere_is_a_warning() {
    let response = judge_topic(&json!({"config": {"retention.mss": "1"}})).await;
    assert_eq!((&response["allowed"], &response["status"]), (&json!(true), &Value::Null));
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("UnknownTopicConfig: spec.config[retention.mss]"), "{warning}");
    let response = judge_topic(&json!({"cluster": "kafka/second", "partitions": 64})).await;
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("ClusterNotFound: spec.cluster: \"kafka/second\""), "{warning}");
    let response = judge_topic(&json!({"cluster": format!("kafka/{}", "x".repeat(50))})).await;
    let warnings = [0, 1].map(|line| response["warnings"][line].as_str().unwrap().to_owned());
    assert_eq!(warnings[0], "ClusterNotFound: spec.cluster");
    assert!(warnings[1].ends_with("is no BrokerCluster that is there: the claim waits for it"), "{warnings:?}");
}

#[tokio::test]
async fn who_names_no_cluster_may_be_on_another_and_is_warned() {
    let spec = topic(&json!({"cluster": "", "partitions": 64, "config": {"cleanup.policy": "compact"}}));
    let response = send(review("TopicClaim", "orders", &spec, None), strict()).await.response();
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("TopicLimitExceeded: spec.partitions: \"64\""), "{warning}");
    let spec = topic(&json!({"cluster": "", "partitions": 64, "config": {"cleanup.policy": "burn"}}));
    let response = send(review("TopicClaim", "orders", &spec, None), strict()).await.response();
    assert_eq!(response["status"]["reason"], "InvalidTopicConfig", "no cluster's Kafka takes it");
    let spec = json!({"source": "Manual", "workload": "other", "serviceAccount": "batch"});
    let response = send(review("AccessClaim", "batch", &spec, None), strict()).await.response();
    assert_eq!(response["allowed"], true);
    assert_eq!(response["auditAnnotations"], json!({"outcome": "warned", "reason": "AccessTaken"}));
}

#[tokio::test]
async fn clusters_that_are_not_read_yet_refuse_nothing() {
    let spec = topic(&json!({"partitions": 64}));
    let response = send(review("TopicClaim", "orders", &spec, None), None).await.response();
    assert_eq!((&response["allowed"], response.get("warnings")), (&json!(true), None));
    let spec = topic(&json!({"config": {"cleanup.policy": "burn"}}));
    let response = send(review("TopicClaim", "orders", &spec, None), None).await.response();
    assert_eq!(response["status"]["reason"], "InvalidTopicConfig", "Kafka's own rules need no cluster");
}

#[tokio::test]
async fn limits_that_were_lowered_keep_nobody_from_other_changes() {
    let old = topic(&json!({"partitions": 64}));
    let changed = topic(&json!({"partitions": 64, "config": {"cleanup.policy": "compact"}}));
    let said = send(review("TopicClaim", "orders", &changed, Some(&old)), strict()).await;
    assert_eq!(said.response()["allowed"], true);
    let warning = said.response()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.starts_with("TopicLimitExceeded"), "{warning}");
    assert!(
        said.metrics.contains("{webhook=\"claims\",outcome=\"warned\",reason=\"TopicLimitExceeded\"} 1"),
        "{}",
        said.metrics
    );
    let worse = topic(&json!({"partitions": 65}));
    let response = send(review("TopicClaim", "orders", &worse, Some(&old)), strict()).await.response();
    assert_eq!(response["allowed"], false);
}

#[tokio::test]
async fn manual_accesses_are_judged_and_those_of_pods_are_not() {
    let manual = |more: &Value| {
        let mut spec = json!({"source": "Manual", "workload": "batch", "serviceAccount": "batch"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (spec, reason) in [
        (manual(&json!({"consumes": ["__consumer_offsets"]})), "InternalTopic"),
        (manual(&json!({"groups": ["*"]})), "InvalidGroupName"),
        (manual(&json!({"streams": ["web.totals"]})), "InvalidGroupName"),
        (manual(&json!({"workload": "other", "cluster": "admittance/default"})), "AccessTaken"),
        (manual(&json!({"cluster": "default"})), "InvalidValue"),
    ] {
        let response = send(review("AccessClaim", "batch", &spec, None), strict()).await.response();
        assert_eq!(response["status"]["reason"], reason, "{spec}");
    }
    let fine = manual(&json!({"consumes": ["orders"], "produces": ["payments"]}));
    let response = send(review("AccessClaim", "batch", &fine, None), strict()).await.response();
    assert_eq!(response["auditAnnotations"], json!({"outcome": "accepted"}));
    let of_pods = json!({"source": "Pods", "workload": "batch", "consumes": [".."]});
    assert_eq!(send(review("AccessClaim", "batch", &of_pods, None), strict()).await.response()["allowed"], true);
}

#[tokio::test]
async fn what_is_no_claim_stays_unanswered() {
    let claim = review("TopicClaim", "orders", &topic(&json!({})), None);
    for body in [
        String::new(),
        "{}".to_owned(),
        "[".repeat(100_000),
        claim.replace("\"CREATE\"", "\"DELETE\""),
        claim.replace("\"TopicClaim\"", "\"Pod\""),
        claim.replace("\"TopicClaim\"", "\"AccessClaim\""),
        claim.replace("\"kafka.admittance.dev\"", "\"kafka.strimzi.io\""),
        claim.replace("\"shop.orders\"", "[\"shop.orders\"]"),
        claim.replace("\"u-1\"", "7"),
        crate::review::review("u-1"),
    ] {
        let said = send(body, strict()).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST);
        assert!(said.body.starts_with(b"MalformedReview: ") && said.body.len() < 600, "{:?}", said.body);
        assert!(
            said.metrics.contains("{webhook=\"claims\",outcome=\"unanswered\",reason=\"MalformedReview\"} 1"),
            "{}",
            said.metrics
        );
    }
    assert_eq!(send("x".repeat(MAX_CLAIM + 1), strict()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn messages_are_bounded_and_repeat_no_control_characters() {
    // As many as may be, and more than a claim may have.
    for (settings, warned) in [(60, true), (1000, false)] {
        let config: serde_json::Map<String, Value> =
            (0..settings).map(|n| (format!("\u{1b}[31m{n}{}", "x".repeat(200)), json!("\n"))).collect();
        let spec = topic(&json!({"config": config, "cluster": "\u{202e}/\n", "topicName": "\u{7}".repeat(10_000)}));
        let response = send(review("TopicClaim", "orders", &spec, None), strict()).await.response();
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
        assert_eq!(message.contains("bytes of names and values are too many"), !warned, "{message:?}");
        let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
        assert_eq!(!warnings.is_empty(), warned);
        assert!(
            warnings.len() <= MAX_WARNINGS
                && warnings.iter().all(|warning| warning.as_str().unwrap().chars().count() <= 120)
        );
    }
}
