//! An API server for tests: it takes everything, and answers with what it was sent.

use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

/// What a server was sent: the verb and the body.
pub type Sent = Arc<Mutex<Vec<(String, Value)>>>;

/// A client of such a server, and what it is sent.
pub fn api_server() -> (Client, Sent) {
    answering(|_, sent| sent)
}

/// The same, of a server that answers a patch with this object.
pub fn api_server_of(object: Value) -> (Client, Sent) {
    answering(move |verb, sent| if verb == "PATCH" { object.to_string().into_bytes() } else { sent })
}

fn answering(answer: impl Fn(&str, Vec<u8>) -> Vec<u8> + Clone + Send + Sync + 'static) -> (Client, Sent) {
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (kept, answer) = (Arc::clone(&kept), answer.clone());
        async move {
            let verb = request.method().to_string();
            let bytes = request.into_body().collect_bytes().await?;
            kept.lock().unwrap().push((verb.clone(), serde_json::from_slice(&bytes)?));
            Ok::<_, tower::BoxError>(Response::new(Body::from(answer(&verb, bytes.to_vec()))))
        }
    });
    (Client::new(service, "default"), sent)
}
