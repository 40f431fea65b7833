//! The health port without a socket.

use admittance::runtime::health::{Health, router};
use admittance::runtime::readiness::Readiness;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

async fn get(readiness: &Readiness, path: &str) -> (StatusCode, String) {
    let mut registry = Registry::with_prefix("admittance");
    registry.register("up", "Whether it is up", prometheus_client::metrics::gauge::ConstGauge::new(1));
    let router = router(Health { readiness: readiness.clone(), registry });
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_program_that_waits_is_alive_and_not_ready() {
    let mut readiness = Readiness::default();
    let gate = readiness.gate("no certificate yet");
    assert_eq!(get(&readiness, "/livez").await.0, StatusCode::OK);
    let (status, text) = get(&readiness, "/readyz").await;
    assert_eq!((status, &*text), (StatusCode::SERVICE_UNAVAILABLE, "not ready: no certificate yet\n"));
    gate.open();
    assert_eq!(get(&readiness, "/readyz").await, (StatusCode::OK, "ready\n".into()));
}

#[tokio::test]
async fn metrics_are_shown_as_openmetrics() {
    let (status, text) = get(&Readiness::default(), "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("admittance_up 1\n") && text.ends_with("# EOF\n"), "{text}");
}
