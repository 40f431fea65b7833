//! The plain-HTTP port beside a program's work: `/livez`, `/readyz`, `/metrics`.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::readiness::Readiness;

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
    axum_server::from_tcp(listener)?.serve(router(health).into_make_service()).await
}
