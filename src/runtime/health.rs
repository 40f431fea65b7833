//! The plain-HTTP port beside a program's work: `/livez`, `/readyz`, `/metrics`.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::connections::Connections;
use super::readiness::Readiness;

/// Connections at once: a few of kubelets and of those who collect metrics.
const CONNECTIONS: usize = 64;
/// How long a client may take for a request.
const GREETING: Duration = Duration::from_secs(10);
/// How long a connection may lie idle between two; who collects metrics comes every minute or so.
const IDLE: Duration = Duration::from_secs(180);
/// Requests at once on a connection.
const STREAMS: u32 = 8;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the port shows.
#[derive(Debug)]
pub struct Health {
    /// The conditions of readiness.
    pub readiness: Readiness,
    /// The program's metrics.
    pub registry: Registry,
}

/// The three pages.
///
/// `/livez` answers as long as the program is scheduled at all: a program that waits for Kafka or a certificate is alive, and
/// to restart it would help nobody.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health))
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let missing = health.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ready\n".into())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", ")))
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], String::new())
        }
    }
}

/// Serves the pages until the caller drops the future: the last thing that a program does.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(listener: TcpListener, health: Health) -> io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?.first_request_timeout(GREETING);
    server.http_builder().http1().header_read_timeout(IDLE);
    let mut http2 = server.http_builder().http2();
    http2.keep_alive_interval(IDLE / 6).keep_alive_timeout(GREETING).max_concurrent_streams(STREAMS);
    server.acceptor(Connections::at_most(CONNECTIONS)).serve(router(health).into_make_service()).await
}
