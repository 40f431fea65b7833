//! The door over real TLS on the loopback.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use admittance::admission::server::{Closing, Metrics, router, serve};
use admittance::crypto;
use admittance::runtime::readiness::{Gate, Readiness};
use admittance::runtime::shutdown::{Shutdown, Trigger};
use admittance::trust::authority::Authority;
use admittance::trust::leaf::{Leaf, service_names};
use admittance::trust::resolver::{Resolver, server_config};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::review::{patched, review, settings};

const NAME: &str = "hook.ns.svc";

struct Webhook {
    address: SocketAddr,
    resolver: Arc<Resolver>,
    open: Gate,
    stop: Trigger,
    served: JoinHandle<std::io::Result<()>>,
}

/// Serves on a free port, with the leaf that `authority` signs.
fn start(authority: &Authority, drain: Duration) -> Webhook {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let resolver = Arc::new(Resolver::default());
    resolver.set(leaf(authority).certified);
    let (stop, shutdown) = Shutdown::manual();
    let open = Readiness::default().open_gate("stopping");
    let closing = Closing { shutdown, open: open.clone(), drain };
    let router = router(settings(), None, Metrics::register(&mut Registry::default()));
    let served = tokio::spawn(serve(listener, server_config(resolver.clone()).unwrap(), router, closing));
    Webhook { address, resolver, open, stop, served }
}

fn leaf(authority: &Authority) -> Leaf {
    Leaf::sign(authority, &service_names("hook", "ns"), SystemTime::now()).unwrap()
}

fn authority() -> Authority {
    Authority::generate(SystemTime::now()).unwrap()
}

async fn connect(address: SocketAddr, trusted: &Authority, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    greet(TcpStream::connect(address).await?, trusted, alpn).await
}

async fn greet(stream: TcpStream, trusted: &Authority, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsConnector::from(Arc::new(config)).connect(NAME.try_into().unwrap(), stream).await
}

fn post(uid: &str) -> Request<Full<Bytes>> {
    send(review(uid))
}

fn send(review: String) -> Request<Full<Bytes>> {
    let request = Request::post(format!("https://{NAME}/inject?timeout=5s")).header("host", NAME);
    request.header("content-type", "application/json").body(Full::from(review)).unwrap()
}

async fn http1(stream: TlsStream<TcpStream>) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

macro_rules! ask {
    ($sender:expr, $uid:expr) => {{
        let response = $sender.send_request(post($uid)).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        assert_eq!(patched(&response.into_body().collect().await.unwrap().to_bytes()), $uid);
    }};
}

#[tokio::test]
async fn both_protocols_are_spoken_and_connections_kept() {
    let ca = authority();
    let webhook = start(&ca, Duration::ZERO);
    let mut one = http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await;
    let stream = connect(webhook.address, &ca, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut two, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for uid in ["a", "b", "c"] {
        ask!(one, uid);
        ask!(two, uid);
    }
}

#[tokio::test]
async fn a_new_certificate_is_served_without_breaking_a_connection() {
    let (old, new) = (authority(), authority());
    let webhook = start(&old, Duration::ZERO);
    let mut kept = http1(connect(webhook.address, &old, b"http/1.1").await.unwrap()).await;
    ask!(kept, "before");
    webhook.resolver.set(leaf(&new).certified);
    ask!(kept, "after");
    assert!(connect(webhook.address, &old, b"http/1.1").await.is_err(), "new connections get the new certificate");
    ask!(http1(connect(webhook.address, &new, b"http/1.1").await.unwrap()).await, "new");
}

/// Two answers in a row on one connection: with Nagle's algorithm the second waits until the client acknowledges the first, and a
/// client that has nothing to send takes 40 ms for that.
#[tokio::test]
async fn small_answers_are_not_held_back() {
    let ca = authority();
    let webhook = start(&ca, Duration::ZERO);
    let mut stream = connect(webhook.address, &ca, b"http/1.1").await.unwrap();
    let body = review("u");
    let head = format!("host: {NAME}\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    let request = format!("POST /inject HTTP/1.1\r\n{head}\r\n\r\n{body}");
    let mut slow = 0;
    for _ in 0..20 {
        let began = Instant::now();
        stream.write_all(request.repeat(2).as_bytes()).await.unwrap();
        let mut heard = String::new();
        while heard.matches("HTTP/1.1 200 OK").count() < 2 || !heard.ends_with("}}") {
            let mut buffer = [0; 16_384];
            let size = stream.read(&mut buffer).await.unwrap();
            heard.push_str(std::str::from_utf8(&buffer[..size]).unwrap());
        }
        slow += usize::from(began.elapsed() > Duration::from_millis(38));
    }
    assert!(slow < 5, "{slow} of 20 pairs of answers were held back");
}

#[tokio::test]
async fn a_webhook_that_stops_answers_on_and_then_lets_go() {
    let ca = authority();
    let webhook = start(&ca, Duration::from_secs(2));
    let mut kept = http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await;
    ask!(kept, "before");
    webhook.stop.pull();
    while webhook.open.is_open() {
        tokio::task::yield_now().await;
    }
    assert!(!webhook.served.is_finished());
    ask!(kept, "draining");
    ask!(http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await, "late");
    webhook.served.await.unwrap().unwrap();
    assert!(connect(webhook.address, &ca, b"http/1.1").await.is_err());
}

/// A connection of another peer's.
async fn from_elsewhere(address: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// A Pod that much is made of.
fn many_containers() -> String {
    let mut review: Value = serde_json::from_str(&review("many")).unwrap();
    let containers = (0..250).map(|number| json!({"name": format!("c{number}"), "image": "shop"}));
    review["request"]["object"]["spec"]["containers"] = containers.collect();
    review.to_string()
}

/// Asks by HTTP/2 and takes no answer, but for its head: flow control leaves the rest with who made it.
#[tokio::test]
async fn who_fetches_no_answer_is_given_no_more_of_them_and_is_in_nobodys_way() {
    let ca = authority();
    let webhook = start(&ca, Duration::ZERO);
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(0);
    let (mut senders, mut unfetched) = (Vec::new(), Vec::new());
    let refused = loop {
        if unfetched.len() % 10 == 0 {
            let stream = greet(from_elsewhere(webhook.address).await, &ca, b"h2").await.unwrap();
            let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            senders.push(sender);
        }
        let response = senders.last_mut().unwrap().send_request(send(many_containers())).await.unwrap();
        if !response.status().is_success() {
            break response;
        }
        unfetched.push(response);
        assert!(unfetched.len() < 50, "all of them are kept");
    };
    assert_eq!(refused.status(), 500);
    assert!(unfetched.len() > 4, "{}", unfetched.len());
    ask!(http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await, "beside");
    drop((senders, refused, unfetched));
    let mut again = http1(greet(from_elsewhere(webhook.address).await, &ca, b"http/1.1").await.unwrap()).await;
    let mut answered = false;
    for _ in 0..50 {
        let response = again.send_request(send(many_containers())).await.unwrap();
        answered = response.status().is_success();
        response.into_body().collect().await.unwrap();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(answered, "what was let go of counts no more");
}

/// Connections that are made and say nothing, or hold on to what they have: the API server's are others'.
#[tokio::test]
async fn a_crowd_of_connections_does_not_shut_the_door() {
    let ca = authority();
    let webhook = start(&ca, Duration::ZERO);
    let mut kept = http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await;
    ask!(kept, "before");
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(from_elsewhere(webhook.address).await);
    }
    let gone = tokio::time::timeout(Duration::from_secs(8), crowd[0].read(&mut [0; 16])).await;
    assert!(matches!(gone, Ok(Ok(0) | Err(_))), "the first of the crowd had to go: {gone:?}");
    ask!(kept, "beside");
    ask!(http1(connect(webhook.address, &ca, b"http/1.1").await.unwrap()).await, "late");
}
