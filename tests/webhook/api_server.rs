//! As much of an API server as trust needs: one Secret and two webhook configurations, with resource versions, uids and conflicts
//! as the real one has them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use kube::Client;
use serde_json::{Value, json};

pub const NAMESPACE: &str = "admittance";
pub const SECRET: &str = "webhook-ca";
pub const CONFIGURATION: &str = "admittance";

#[derive(Debug, Default)]
pub struct World {
    pub secret: Option<Value>,
    pub configuration: Option<Value>,
    /// By which claims are sent.
    pub claims: Option<Value>,
    /// Every write that was carried out, as method and kind.
    pub writes: Vec<String>,
    /// Answer everything with 500.
    pub broken: bool,
    /// For how long it does not answer.
    pub slow: Duration,
    /// How often it was asked.
    pub asked: usize,
    version: u64,
}

impl World {
    /// With a configuration as the chart renders it: no caBundle.
    pub fn installed() -> Arc<Mutex<Self>> {
        let webhook = json!({"name": "pods.kafka.admittance.dev", "clientConfig": {"service": {"name": "hook"}}});
        let configuration = json!({"metadata": {"name": CONFIGURATION, "uid": "c-1"}, "webhooks": [webhook]});
        let webhook = json!({"name": "claims.kafka.admittance.dev", "clientConfig": {"service": {"name": "hook"}}});
        let claims = json!({"metadata": {"name": CONFIGURATION, "uid": "c-2"}, "webhooks": [webhook]});
        Arc::new(Mutex::new(Self { configuration: Some(configuration), claims: Some(claims), ..Self::default() }))
    }

    fn stamp(&mut self, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, body: Value) -> Result<Value, (u16, &'static str)> {
        if self.broken {
            return Err((500, "InternalError"));
        }
        let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
        let secret = format!("{secrets}/{SECRET}");
        let configuration =
            format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{CONFIGURATION}");
        let claims = configuration.replace("mutating", "validating");
        match (method.as_str(), path) {
            ("GET", path) if path == secret => self.secret.clone().ok_or((404, "NotFound")),
            ("GET", path) if path == claims => self.claims.clone().ok_or((404, "NotFound")),
            ("GET", path) if path == configuration => self.configuration.clone().ok_or((404, "NotFound")),
            ("POST", path) if path == secrets => {
                if self.secret.is_some() {
                    return Err((409, "AlreadyExists"));
                }
                self.writes.push("POST secret".into());
                let made = self.stamp(body);
                Ok(self.secret.insert(made).clone())
            }
            ("PUT", path) if path == secret => {
                let held = self.secret.as_ref().ok_or((404, "NotFound"))?;
                if held["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] {
                    return Err((409, "Conflict"));
                }
                self.writes.push("PUT secret".into());
                let made = self.stamp(body);
                Ok(self.secret.insert(made).clone())
            }
            ("PATCH", path) if path == configuration || path == claims => {
                let pods = path == configuration;
                let held = if pods { self.configuration.as_mut() } else { self.claims.as_mut() };
                let held = held.ok_or((409, "Conflict"))?;
                let kind = if pods { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
                assert_eq!(body["kind"], kind);
                if held["metadata"]["uid"] != body["metadata"]["uid"] {
                    return Err((409, "Conflict"));
                }
                self.writes.push(if pods { "PATCH configuration" } else { "PATCH claims" }.into());
                for applied in body["webhooks"].as_array().unwrap() {
                    let webhooks = held["webhooks"].as_array_mut().unwrap();
                    let webhook = webhooks.iter_mut().find(|webhook| webhook["name"] == applied["name"]).unwrap();
                    webhook["clientConfig"]["caBundle"] = applied["clientConfig"]["caBundle"].clone();
                }
                Ok(held.clone())
            }
            _ => panic!("the webhook's account may not {method} {path}"),
        }
    }
}

/// A client of this world. Each call gives way to other tasks first, so that callers meet in the middle.
pub fn client(world: &Arc<Mutex<World>>) -> Client {
    let world = world.clone();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let world = world.clone();
        async move {
            tokio::task::yield_now().await;
            let slow = {
                let mut world = world.lock().unwrap();
                world.asked += 1;
                world.slow
            };
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let answer = world.lock().unwrap().answer(&head.method, head.uri.path(), body);
            let (code, body) = match answer {
                Ok(object) => (200, object),
                Err((code, reason)) => (
                    code,
                    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
                ),
            };
            let response = Response::builder().status(StatusCode::from_u16(code).unwrap());
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body.to_string()))).unwrap())
        }
    });
    Client::new(service, NAMESPACE)
}
