//! An API server for tests, in their own process or behind a socket: it answers as a test says, and keeps what it was sent.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Request, Response};
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::kubernetes::impatient;

/// One request.
#[derive(Debug)]
pub struct Asked {
    /// Its verb.
    pub method: String,
    /// What it is about.
    pub path: String,
    /// What is behind the question mark.
    pub query: String,
    /// Its body; null where it has none.
    pub body: Value,
}

/// What a server was sent: the verb and the body.
pub type Sent = Arc<Mutex<Vec<(String, Value)>>>;

/// A client of a server that takes everything and answers with what it was sent, and what that is.
pub fn api_server() -> (Client, Sent) {
    recording(|asked| ready((200, asked.body)))
}

/// The same, of a server that answers a patch with this object.
pub fn api_server_of(object: Value) -> (Client, Sent) {
    recording(move |asked| ready((200, if asked.method == "PATCH" { object.clone() } else { asked.body })))
}

/// A client of a server that answers so: with a status, and with what stands in the body unless it refuses.
pub fn answering<A>(answer: impl Fn(Asked) -> A + Clone + Send + 'static) -> Client
where
    A: Future<Output = (u16, Value)> + Send + 'static,
{
    recording(answer).0
}

/// The same, and what it is sent.
pub fn recording<A>(answer: impl Fn(Asked) -> A + Clone + Send + 'static) -> (Client, Sent)
where
    A: Future<Output = (u16, Value)> + Send + 'static,
{
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (kept, answer) = (Arc::clone(&kept), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await?;
            let body: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
            let method = head.method.to_string();
            kept.lock().unwrap().push((method.clone(), body.clone()));
            let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
            let (code, body) = answer(Asked { method, path, query, body }).await;
            // What is not found is known by the word, and not by the code.
            let reason = if code == 404 { "NotFound" } else { "" };
            let refusal =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason});
            let body = if code < 300 { body } else { refusal };
            let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            Ok::<_, tower::BoxError>(answer?)
        }
    });
    (Client::new(service, "default"), sent)
}

/// What is said of an object that was deleted.
pub fn deleted() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})
}

/// Answers to come: after so long, these words.
type Script = Arc<Mutex<VecDeque<(Duration, String)>>>;

/// A client as ours is, of a server behind a socket that gives these answers, one for each question, and then none; and the first lines of
/// the questions.
pub async fn on_a_socket<const N: usize>(answers: [(Duration, String); N]) -> (Client, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    // Nothing is trusted, and the machine's own store is not read.
    config.root_cert = Some(Vec::new());
    let (told, asked) = unbounded_channel();
    let script = Script::new(Mutex::new(answers.into()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, script.clone(), told.clone()));
        }
    });
    (Client::try_from(impatient(config)).unwrap(), asked)
}

/// A whole answer of that body.
pub fn in_json(body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Until the other side ends it.
async fn converse(mut stream: TcpStream, script: Script, told: UnboundedSender<String>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let line = String::from_utf8_lossy(&head).lines().next().map(str::to_owned);
        told.send(line.unwrap_or_default()).ok();
        head.clear();
        let next = script.lock().unwrap().pop_front();
        let Some((late, words)) = next else { pending().await };
        sleep(late).await;
        stream.write_all(words.as_bytes()).await.unwrap();
    }
}
