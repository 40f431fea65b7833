//! The door without a socket.

use std::net::SocketAddr;
use std::time::Duration;

use admittance::admission::server::{MAX_BODY, Metrics, router};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
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
    let (router, registry) = door();
    hear(router, request, &registry).await
}

fn door() -> (Router, Registry) {
    let mut registry = Registry::default();
    (router(settings(), None, Metrics::register(&mut registry)), registry)
}

async fn hear(router: Router, request: Request<Body>, registry: &Registry) -> Said {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut metrics = String::new();
    encode(&mut metrics, registry).unwrap();
    Said { status, body, metrics }
}

fn post(body: impl Into<Bytes>) -> Request<Body> {
    let body = body.into();
    declaring(body.len(), "5s", Body::from(body))
}

fn declaring(length: usize, timeout: &str, body: Body) -> Request<Body> {
    let request = Request::post(format!("/inject?timeout={timeout}")).header("content-type", "application/json");
    request.header("content-length", length).body(body).unwrap()
}

/// A body that begins and never ends.
fn hanging() -> Body {
    let start = stream::iter([Ok(Bytes::from_static(b"{"))]);
    Body::from_stream(start.chain(stream::pending::<std::io::Result<Bytes>>()))
}

fn large_review() -> String {
    review("u-1").replace("\"image\":\"shop\"", &format!("\"image\":\"{}\"", "x".repeat(3 * 1024 * 1024)))
}

#[tokio::test]
async fn a_review_is_answered_and_counted() {
    let said = ask(post(review("u-1"))).await;
    assert_eq!(said.status, StatusCode::OK);
    assert_eq!(patched(&said.body), "u-1");
    assert!(
        said.metrics.contains("reviews_total{webhook=\"pods\",outcome=\"injected\",reason=\"\"} 1"),
        "{}",
        said.metrics
    );
    assert!(
        said.metrics.contains("review_duration_seconds_bucket{le=\"0.00005\",webhook=\"pods\"}"),
        "{}",
        said.metrics
    );
}

#[tokio::test]
async fn a_refusal_is_counted_by_its_reason() {
    let said = ask(post(review("u-1").replace("\"orders\"", "\"or ders/\""))).await;
    assert_eq!(said.status, StatusCode::OK);
    assert!(said.text().contains("\"allowed\":false"), "{}", said.text());
    assert!(
        said.metrics.contains("{webhook=\"pods\",outcome=\"denied\",reason=\"InvalidTopicName\"} 1"),
        "{}",
        said.metrics
    );
}

#[tokio::test]
async fn what_is_no_review_is_a_bad_request() {
    let said = ask(post("{}")).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert!(said.text().starts_with("MalformedReview: "), "{}", said.text());
    assert!(
        said.metrics.contains("{webhook=\"pods\",outcome=\"unanswered\",reason=\"MalformedReview\"} 1"),
        "{}",
        said.metrics
    );
}

#[tokio::test]
async fn other_media_types_methods_and_paths_are_refused() {
    let plain = Request::post("/inject").header("content-type", "text/plain").body(Body::from(review("u"))).unwrap();
    assert_eq!(ask(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(ask(Request::get("/inject").body(Body::empty()).unwrap()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(Request::post("/").body(Body::empty()).unwrap()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_declares_too_much_or_nothing_is_refused_unread() {
    assert_eq!(ask(declaring(MAX_BODY + 1, "5s", hanging())).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut silent = post(review("u-1"));
    silent.headers_mut().remove("content-length");
    assert_eq!(ask(silent).await.status, StatusCode::LENGTH_REQUIRED);
}

#[tokio::test]
async fn a_body_that_is_longer_than_declared_is_cut_off() {
    let said = ask(declaring(10, "5s", Body::from(review("u-1")))).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert_eq!(said.text(), "the body is larger than the 10 bytes that were announced");
}

#[tokio::test]
async fn a_large_review_is_answered() {
    assert_eq!(patched(&ask(post(large_review())).await.body), "u-1");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_before_the_callers_deadline() {
    for (timeout, took, words) in
        [("5s", 2000, "send the review took longer than 2s"), ("1s", 900, "read the review took longer than 900ms")]
    {
        let began = tokio::time::Instant::now();
        let said = ask(declaring(100, timeout, hanging())).await;
        assert_eq!(began.elapsed().as_millis(), took);
        assert_eq!(said.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(said.text().starts_with(&format!("DeadlineExceeded: to {words}. ")), "{}", said.text());
        assert!(
            said.metrics.contains("{webhook=\"pods\",outcome=\"unanswered\",reason=\"DeadlineExceeded\"} 1"),
            "{}",
            said.metrics
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_announces_much_and_sends_little_keeps_no_pod_waiting() {
    let (router, registry) = door();
    let silent = || Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    for _ in 0..100 {
        tokio::spawn(router.clone().oneshot(declaring(MAX_BODY, "30s", silent())));
    }
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    assert_eq!(patched(&hear(router.clone(), post(large_review()), &registry).await.body), "u-1", "nothing is held");
    for _ in 0..100 {
        tokio::spawn(router.clone().oneshot(declaring(MAX_BODY, "30s", hanging())));
    }
    tokio::task::yield_now().await;
    assert_eq!(patched(&hear(router, post(review("u-1")), &registry).await.body), "u-1", "what is small has room");
    assert!(began.elapsed().is_zero(), "it waited");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_arrive_in_parts_never_wait_for_each_other() {
    let (router, registry) = door();
    let reviews = (0..12).map(|_| {
        let whole = large_review().into_bytes();
        let length = whole.len();
        let (first, rest) = whole.split_at(length / 2);
        let parts = [first, rest].map(|part| Ok::<_, std::io::Error>(Bytes::copy_from_slice(part)));
        let slowly = stream::iter(parts).then(|part| async {
            tokio::task::yield_now().await;
            part
        });
        hear(router.clone(), declaring(length, "30s", Body::from_stream(slowly)), &registry)
    });
    for said in futures::future::join_all(reviews).await {
        assert_eq!(patched(&said.body), "u-1");
    }
}

#[tokio::test(start_paused = true)]
async fn reviews_wait_for_room_instead_of_taking_all_memory() {
    let (router, registry) = door();
    for _ in 0..3 {
        let all_but_the_end = stream::iter([Ok(Bytes::from(vec![b' '; MAX_BODY - 1]))]);
        let body = Body::from_stream(all_but_the_end.chain(stream::pending::<std::io::Result<Bytes>>()));
        tokio::spawn(router.clone().oneshot(declaring(MAX_BODY, "20s", body)));
    }
    tokio::task::yield_now().await;
    let small = hear(router.clone(), post(review("u-1")), &registry).await;
    assert_eq!(patched(&small.body), "u-1", "there is room for a small one");
    let request = declaring(large_review().len(), "200ms", Body::from(large_review()));
    let large = hear(router.clone(), request, &registry).await;
    assert!(
        large.text().starts_with("DeadlineExceeded: to read the review took longer than 180ms"),
        "{}",
        large.text()
    );
    let request = declaring(large_review().len(), "30s", Body::from(large_review()));
    assert_eq!(patched(&hear(router, request, &registry).await.body), "u-1", "the others ended and made room");
}

/// A request from one of the cluster's addresses.
fn from(peer: u8, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, peer], 4000))));
    request
}

/// Until everybody waits for something: only then does a clock go on that is paused.
async fn all_begun() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_many_small_bodies_keeps_nobody_elses_waiting() {
    let (router, registry) = door();
    for _ in 0..1000 {
        tokio::spawn(router.clone().oneshot(from(2, declaring(64 * 1024, "30s", hanging()))));
    }
    all_begun().await;
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        let said = hear(router.clone(), from(1, post(review("u-1"))), &registry).await;
        assert_eq!(patched(&said.body), "u-1");
    }
    assert!(began.elapsed().is_zero(), "it waited for {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_has_less_time_where_somebody_waits() {
    let (router, registry) = door();
    // More peers than there are shares: all of the room is taken, and twice as much is waited for.
    for peer in 2..26 {
        for _ in 0..16 {
            tokio::spawn(router.clone().oneshot(from(peer, declaring(64 * 1024, "30s", hanging()))));
        }
    }
    all_begun().await;
    let began = tokio::time::Instant::now();
    assert_eq!(patched(&hear(router, from(1, post(review("u-1"))), &registry).await.body), "u-1");
    let waited = began.elapsed();
    assert!(!waited.is_zero() && waited <= Duration::from_secs(1), "it waited for {waited:?}");
}

/// One byte now and then is no haste: what a sender takes in all counts.
#[tokio::test(start_paused = true)]
async fn who_sends_a_byte_now_and_then_is_slow() {
    let (router, registry) = door();
    for _ in 0..16 {
        let drops = stream::repeat(()).then(async |()| {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b" "))
        });
        tokio::spawn(router.clone().oneshot(from(1, declaring(64 * 1024, "30s", Body::from_stream(drops)))));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(patched(&hear(router, from(1, post(review("u-1"))), &registry).await.body), "u-1");
    assert!(began.elapsed() <= Duration::from_millis(500), "it waited for {:?}", began.elapsed());
}

/// The clock is not asked before the data: a review that is there is answered, late as it came.
#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_taken_though_somebody_waits() {
    let (router, registry) = door();
    let mut whole = review("u-1");
    whole.push_str(&" ".repeat(64 * 1024 - whole.len()));
    let late = (0..16).map(|_| {
        let (first, rest) = whole.split_at(32 * 1024);
        let parts = [(Duration::ZERO, first.to_owned()), (Duration::from_millis(250), rest.to_owned())];
        let parts = stream::iter(parts).then(async |(after, part)| {
            tokio::time::sleep(after).await;
            Ok::<_, std::io::Error>(Bytes::from(part))
        });
        hear(router.clone(), from(1, declaring(whole.len(), "30s", Body::from_stream(parts))), &registry)
    });
    let waits = async {
        all_begun().await;
        hear(router.clone(), from(1, post(review("u-1"))), &registry).await
    };
    let (late, waited) = tokio::join!(futures::future::join_all(late), waits);
    for said in late.iter().chain([&waited]) {
        assert_eq!(patched(&said.body), "u-1", "{}", said.text());
    }
}
