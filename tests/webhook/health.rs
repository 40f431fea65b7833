//! The health port: its pages without a socket, and its connections.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use admittance::runtime::health::{Health, router, serve};
use admittance::runtime::readiness::Readiness;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tower::ServiceExt;

async fn get(readiness: &Readiness, path: &str) -> (StatusCode, String) {
    let mut registry = Registry::with_prefix("admittance");
    registry.register("up", "Whether it is up", prometheus_client::metrics::gauge::ConstGauge::new(1));
    let router = router(Health { readiness: readiness.clone(), registry });
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_program_that_waits_is_alive_and_not_ready() {
    let mut readiness = Readiness::default();
    let gate = readiness.gate("no certificate yet");
    assert_eq!(get(&readiness, "/livez").await.0, StatusCode::OK);
    let (status, text) = get(&readiness, "/readyz").await;
    assert_eq!((status, &*text), (StatusCode::SERVICE_UNAVAILABLE, "not ready: no certificate yet\n"));
    gate.open();
    assert_eq!(get(&readiness, "/readyz").await, (StatusCode::OK, "ready\n".into()));
}

#[tokio::test]
async fn metrics_are_shown_as_openmetrics() {
    let (status, text) = get(&Readiness::default(), "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("admittance_up 1\n") && text.ends_with("# EOF\n"), "{text}");
}

/// A port with the pages, on a free port.
fn listening() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Health { readiness: Readiness::default(), registry: Registry::default() }));
    address
}

/// A connection from one of the loopback's addresses.
async fn connected(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether the other side lets go before anything was said, in this time.
async fn is_closed(connection: &mut TcpStream, within: Duration) -> bool {
    let read = tokio::time::timeout(within, connection.read(&mut [0; 16])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test(start_paused = true)]
async fn who_connects_and_says_nothing_is_let_go() {
    let address = listening();
    let mut silent = connected([127, 0, 0, 1], address).await;
    assert!(is_closed(&mut silent, Duration::from_secs(15)).await);
    let mut slow = connected([127, 0, 0, 1], address).await;
    slow.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    assert!(is_closed(&mut slow, Duration::from_secs(15)).await);
}

#[tokio::test]
async fn a_crowd_of_connections_is_in_its_own_way_alone() {
    let address = listening();
    let mut kept = connected([127, 0, 0, 1], address).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(connected([127, 0, 0, 2], address).await);
    }
    assert!(is_closed(&mut crowd[0], Duration::from_secs(8)).await, "the first of the crowd had to go");
    let asked = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut late = connected([127, 0, 0, 3], address).await;
    for connection in [&mut kept, &mut late] {
        connection.write_all(asked.as_bytes()).await.unwrap();
        let mut said = String::new();
        connection.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("alive\n"), "{said}");
    }
}
