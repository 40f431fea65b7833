//! A webhook that does nothing: the least that a call of any webhook costs, to compare ours with.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use axum::Router;
use axum::body::Bytes;
use axum::response::Json;
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What it reads of a review; it passes over the rest.
#[derive(Deserialize)]
struct Review {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    uid: String,
}

/// The server, in a task of this process. It ends with it.
pub(crate) struct Responder {
    address: SocketAddr,
    certificate: String,
    server: JoinHandle<()>,
}

impl Responder {
    /// Starts it where the API server reaches it: the two have one network, and so one loopback, and no proxy between them.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let made = rcgen::generate_simple_self_signed([address.ip().to_string()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let config = RustlsConfig::from_pem(certificate.clone().into_bytes(), key.into_bytes()).await.unwrap();
        // As ours: small answers are not held back.
        let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
        let routes = Router::new().route("/", post(allow)).into_make_service();
        let server = axum_server::from_tcp(listener).unwrap().acceptor(acceptor);
        let server = tokio::spawn(async move { server.serve(routes).await.unwrap() });
        Self { address, certificate, server }
    }

    /// The `clientConfig` by which an API server calls it.
    pub(crate) fn client_config(&self) -> Value {
        json!({"url": format!("https://{}/", self.address), "caBundle": STANDARD.encode(&self.certificate)})
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Allowed, and nothing else.
async fn allow(body: Bytes) -> Json<Value> {
    let review: Review = serde_json::from_slice(&body).unwrap();
    let response = json!({"uid": review.request.uid, "allowed": true});
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}
