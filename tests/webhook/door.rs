//! The door without a socket.

use admittance::admission::server::{MAX_BODY, Metrics, router};
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use crate::review::{patched, review, settings};

struct Said {
    status: StatusCode,
    body: Bytes,
    metrics: String,
}

impl Said {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(request: Request<Body>) -> Said {
    let mut registry = Registry::default();
    let router = router(settings(), Metrics::register(&mut registry));
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    Said { status, body, metrics }
}

fn post(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/inject?timeout=5s").header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

/// A body without a declared length, in pieces of 64 KiB.
fn chunks(pieces: usize) -> Body {
    let piece = Bytes::from(vec![b' '; 65_536]);
    Body::from_stream(stream::iter(vec![piece; pieces]).map(Ok::<_, std::io::Error>))
}

#[tokio::test]
async fn a_review_is_answered_and_counted() {
    let said = ask(post(review("u-1"))).await;
    assert_eq!(said.status, StatusCode::OK);
    assert_eq!(patched(&said.body), "u-1");
    assert!(said.metrics.contains("reviews_total{outcome=\"injected\",reason=\"\"} 1"), "{}", said.metrics);
    assert!(said.metrics.contains("review_duration_seconds_bucket{le=\"0.00005\"}"), "{}", said.metrics);
}

#[tokio::test]
async fn a_refusal_is_counted_by_its_reason() {
    let said = ask(post(review("u-1").replace("\"orders\"", "\"or ders/\""))).await;
    assert_eq!(said.status, StatusCode::OK);
    assert!(said.text().contains("\"allowed\":false"), "{}", said.text());
    assert!(said.metrics.contains("{outcome=\"denied\",reason=\"InvalidTopicName\"} 1"), "{}", said.metrics);
}

#[tokio::test]
async fn what_is_no_review_is_a_bad_request() {
    let said = ask(post("{}")).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert!(said.text().starts_with("MalformedReview: "), "{}", said.text());
    assert!(said.metrics.contains("{outcome=\"unanswered\",reason=\"MalformedReview\"} 1"), "{}", said.metrics);
}

#[tokio::test]
async fn other_media_types_methods_and_paths_are_refused() {
    let plain = Request::post("/inject").header("content-type", "text/plain").body(Body::from(review("u"))).unwrap();
    assert_eq!(ask(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(ask(Request::get("/inject").body(Body::empty()).unwrap()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(Request::post("/").body(Body::empty()).unwrap()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_declares_too_much_is_refused_unread() {
    let request = Request::post("/inject")
        .header("content-type", "application/json")
        .header("content-length", (MAX_BODY + 1).to_string())
        .body(Body::from_stream(stream::pending::<std::io::Result<Bytes>>()))
        .unwrap();
    assert_eq!(ask(request).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    let said = ask(post(chunks(MAX_BODY / 65_536 + 1))).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert!(said.text().contains("limit"), "{}", said.text());
    let within_limit = ask(post(chunks(MAX_BODY / 65_536))).await;
    assert!(within_limit.text().starts_with("MalformedReview"), "{}", within_limit.text());
}

#[tokio::test]
async fn a_large_review_is_answered() {
    let padding = "x".repeat(3 * 1024 * 1024);
    let said = ask(post(review("u-1").replace("\"image\":\"shop\"", &format!("\"image\":\"{padding}\"")))).await;
    assert_eq!(patched(&said.body), "u-1");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_within_the_callers_deadline() {
    let began = tokio::time::Instant::now();
    let start = stream::iter([Ok(Bytes::from_static(b"{"))]);
    let body = Body::from_stream(start.chain(stream::pending::<std::io::Result<Bytes>>()));
    let said = ask(post(body)).await;
    assert_eq!(began.elapsed().as_millis(), 4500);
    assert_eq!(said.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(said.text().starts_with("DeadlineExceeded: to read the review took longer than 4.5s. "), "{}", said.text());
    assert!(said.metrics.contains("{outcome=\"unanswered\",reason=\"DeadlineExceeded\"} 1"), "{}", said.metrics);
}
