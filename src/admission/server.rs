//! The door: HTTPS in, one decision, HTTPS out. Nothing is kept between two reviews, and nothing is written but a log line.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde::Deserialize;

use super::answers::Answers;
use super::claims::{self, Judged, Terms};
use super::decide::{self, Answer, Malformed, Outcome, Settings};
use super::review::Told;
use super::room::{Review, Room, Unread};
use crate::api::duration;
use crate::api::reasons::Reason;
use crate::runtime::connections::Connections;
use crate::runtime::metrics;
use crate::runtime::readiness::Gate;
use crate::runtime::shutdown::Shutdown;

/// The path that the webhook configuration calls for Pods.
pub const PATH: &str = "/inject";
/// The path that it calls for claims.
pub const CLAIMS_PATH: &str = "/validate";
/// The largest review: an object may have 3 MiB on its way into the API server, and the review wraps it.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
/// The largest review of a claim: an object as etcd keeps it has 1.5 MiB, and the review has the one before beside it.
pub const MAX_CLAIM: usize = 4 * 1024 * 1024;
/// What the API server allows where it does not say (`timeoutSeconds` of the API, default).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that it ever allows (`timeoutSeconds` of the API, maximum).
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take for its TLS handshake, and then for its first request.
const GREETING: Duration = Duration::from_secs(10);
/// How long a connection may lie idle. Longer than the 90 s after which the API server's client lets go by itself: a server
/// that closes first would meet a review on its way.
const IDLE: Duration = Duration::from_secs(180);
/// Connections at once. An API server speaks HTTP/1.1 to webhooks, so it has one for each review that is under way, and keeps some.
const CONNECTIONS: usize = 384;
/// Bytes that one of them may have sent and nobody has read: of a body that waits for room, and of all together.
const UNREAD_BODY: u32 = 64 * 1024;
const UNREAD: u32 = 128 * 1024;
/// The same for HTTP/1, where nothing is read before it is asked for; the heads of requests must have room in it.
const UNREAD_HEAD: usize = 16 * 1024;
/// Reviews at once on a connection of HTTP/2, which API servers do not speak to webhooks.
const STREAMS: u32 = 16;
/// How long reviews that are being answered may take after everything else has stopped.
const GRACE: Duration = Duration::from_secs(10);

/// The bounds of the durations that are told apart, in seconds.
const BUCKETS: [f64; 13] = [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What the door counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    reviews: Family<Labels, Counter>,
    duration: Durations,
}

type Durations = Family<Webhook, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    webhook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    webhook: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

impl Metrics {
    /// Makes the metrics and adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let duration: Durations = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let counts = Self { reviews: Family::default(), duration };
        metrics::REVIEWS.register(registry, counts.reviews.clone());
        metrics::REVIEW_DURATION.register(registry, counts.duration.clone());
        counts
    }

    fn count(&self, webhook: &'static str, outcome: &'static str, reason: &'static str, took: Duration) {
        self.reviews.get_or_create(&Labels { webhook, outcome, reason }).inc();
        self.duration.get_or_create(&Webhook { webhook }).observe(took.as_secs_f64());
    }
}

#[derive(Debug)]
struct Door {
    settings: Settings,
    metrics: Metrics,
    room: Room,
    answers: Answers,
}

/// Why a review got no answer. The API server's `failurePolicy` decides then, as the administrator wanted it to.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the body must be application/json")]
    MediaType,
    #[error("the body's length must be declared")]
    NoLength,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("{code}: {0}. {remedy}", code = Reason::DeadlineExceeded, remedy = Reason::DeadlineExceeded.remedy())]
    Overdue(Unread),
    #[error("answers are not fetched, to this address or to others; this one would take more memory than is left")]
    Unfetched,
    #[error(transparent)]
    Unread(Unread),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Unanswered {
    fn status(&self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unread(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            // The one status whose text the API server passes on (apimachinery, `NewGenericServerResponse`).
            Self::Overdue(_) | Self::Unfetched => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::MediaType => "MediaType",
            Self::NoLength => "NoLength",
            Self::TooLarge(_) => "TooLarge",
            Self::Unread(_) => "Broken",
            Self::Unfetched => "Unfetched",
            Self::Overdue(_) => Reason::DeadlineExceeded.code(),
            Self::Malformed(_) => Reason::MalformedReview.code(),
        }
    }
}

impl From<Unread> for Unanswered {
    fn from(unread: Unread) -> Self {
        if matches!(unread, Unread::Overdue(_)) { Self::Overdue(unread) } else { Self::Unread(unread) }
    }
}

/// The call's own deadline, which the API server puts into the address.
#[derive(Debug, Deserialize)]
struct Allowance {
    timeout: Option<String>,
}

impl Allowance {
    /// How long an answer may take: nine tenths of what is allowed, the rest is for its way back.
    fn limit(&self) -> Duration {
        let said = self.timeout.as_deref().and_then(|text| duration::parse(text).ok());
        said.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT) * 9 / 10
    }
}

/// The door's routes. Without `claims`, those are nobody's.
pub fn router(settings: Settings, claims: Option<Terms>, metrics: Metrics) -> Router {
    let door = Arc::new(Door { settings, metrics, room: Room::default(), answers: Answers::default() });
    let mut router = Router::new().route(PATH, post(inject));
    if let Some(terms) = claims.map(Arc::new) {
        let judge = async |State(door): State<Arc<Door>>, Query(allowance): Query<Allowance>, request: Request| {
            validate(door, terms, allowance, request).await
        };
        router = router.route(CLAIMS_PATH, post(judge));
    }
    router.with_state(door)
}

async fn inject(State(door): State<Arc<Door>>, Query(allowance): Query<Allowance>, request: Request) -> Response {
    let answered = |body: &[u8]| Ok(told(decide::answer(body, &door.settings)?, Outcome::told));
    door.answer("pods", MAX_BODY, &allowance, request, answered).await
}

async fn validate(door: Arc<Door>, terms: Arc<Terms>, allowance: Allowance, request: Request) -> Response {
    let answered = |body: &[u8]| Ok(told(claims::answer(body, &terms)?, Judged::told));
    door.answer("claims", MAX_CLAIM, &allowance, request, answered).await
}

/// An answer with the codes of what was decided.
fn told<O>(answer: Answer<O>, codes: impl FnOnce(O) -> Told) -> Answer<Told> {
    let Answer { body, outcome, uid, namespace, name } = answer;
    Answer { body, outcome: codes(outcome), uid, namespace, name }
}

impl Door {
    async fn answer(
        &self,
        webhook: &'static str,
        most: usize,
        allowance: &Allowance,
        request: Request,
        decide: impl Fn(&[u8]) -> Result<Answer<Told>, Malformed>,
    ) -> Response {
        let began = Instant::now();
        let peer = peer(&request);
        let review = self.read_review(most, allowance, request, peer).await;
        // From the body on it takes microseconds: a check of the deadline would take as long as the answer.
        let answered = review.and_then(|review| {
            let Answer { body, outcome, uid, namespace, name } = decide(&review)?;
            let body = self.answers.send(body, peer).ok_or(Unanswered::Unfetched)?;
            Ok((body, outcome, (uid, namespace, name)))
        });
        let took = began.elapsed();
        match answered {
            Ok((body, outcome, (uid, namespace, name))) => {
                let (outcome, reason) = outcome;
                self.metrics.count(webhook, outcome, reason, took);
                tracing::info!(webhook, uid, namespace, name, outcome, reason, micros = micros(took), "review");
                ([(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
            Err(unanswered) => {
                let reason = unanswered.reason();
                self.metrics.count(webhook, "unanswered", reason, took);
                tracing::warn!(webhook, reason, error = %unanswered, micros = micros(took), "a review stays unanswered");
                (unanswered.status(), unanswered.to_string()).into_response()
            }
        }
    }

    async fn read_review(
        &self,
        most: usize,
        allowance: &Allowance,
        request: Request,
        peer: IpAddr,
    ) -> Result<Review, Unanswered> {
        if !is_json(request.headers()) {
            return Err(Unanswered::MediaType);
        }
        let size = declared(request.headers(), most)?;
        Ok(self.room.read(request.into_body(), size, peer, allowance.limit()).await?)
    }
}

/// Who sends a request; all the same one where there is no socket.
fn peer(request: &Request) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The body's size, which the API server always declares.
fn declared(headers: &HeaderMap, most: usize) -> Result<usize, Unanswered> {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let size: usize = value.and_then(|text| text.parse().ok()).ok_or(Unanswered::NoLength)?;
    if size > most { Err(Unanswered::TooLarge(most)) } else { Ok(size) }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// How the door is closed.
#[derive(Debug)]
pub struct Closing {
    /// When the program is told to end.
    pub shutdown: Shutdown,
    /// Closed at once, so that no new connections are sent here.
    pub open: Gate,
    /// How long reviews are answered after that: until every API server and proxy has heard of it.
    pub drain: Duration,
}

/// Answers reviews over TLS until the program is told to end and the last answer is out.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    router: Router,
    closing: Closing,
) -> io::Result<()> {
    let handle = Handle::<SocketAddr>::new();
    let mut server = axum_server::from_tcp(listener)?.handle(handle.clone()).first_request_timeout(GREETING);
    server.http_builder().http1().header_read_timeout(IDLE).max_buf_size(UNREAD_HEAD);
    let mut http2 = server.http_builder().http2();
    http2.keep_alive_interval(IDLE / 6).keep_alive_timeout(GREETING).max_concurrent_streams(STREAMS);
    http2.initial_stream_window_size(UNREAD_BODY).initial_connection_window_size(UNREAD);
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)))
        .handshake_timeout(GREETING)
        .acceptor(Connections::at_most(CONNECTIONS));
    let closed = async {
        closing.shutdown.begun().await;
        closing.open.close();
        tokio::time::sleep(closing.drain).await;
        handle.graceful_shutdown(Some(GRACE));
        std::future::pending::<()>().await;
    };
    let served = server
        .acceptor(acceptor)
        // Port scans and health checks of load balancers end here all day: no business of the log's.
        .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "a connection was not accepted"))
        .serve(router.into_make_service_with_connect_info::<SocketAddr>());
    tokio::select! {
        result = served => result,
        () = closed => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_the_callers_with_a_margin() {
        let limit = |text: Option<&str>| Allowance { timeout: text.map(str::to_owned) }.limit();
        assert_eq!(limit(Some("5s")), Duration::from_millis(4500));
        assert_eq!(limit(None), Duration::from_secs(9));
        assert_eq!(limit(Some("soon")), Duration::from_secs(9));
        assert_eq!(limit(Some("24h")), Duration::from_secs(27));
    }

    #[test]
    fn what_is_counted_is_shown_as_the_table_says() {
        let mut registry = metrics::registry();
        Metrics::register(&mut registry).count("pods", "injected", "", Duration::from_micros(30));
        metrics::assert_shows(&registry, &[metrics::REVIEWS, metrics::REVIEW_DURATION]);
    }

    #[test]
    fn json_is_recognised_with_parameters() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/jsonp", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
