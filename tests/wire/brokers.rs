//! Brokers that die without a word, while others live: what is asked is answered by those.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use admittance::kafka::{
    admin::{Admin, BrokerId, configs::AllowEveryone},
    config::{ClientConfig, Endpoint},
    scram::Mechanism,
};
use kafka_protocol::messages::ApiKey;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    config,
    fake::{Fake, Fault, Script},
    store::Store,
};

/// Accepts connections and says nothing; counts them.
async fn silent() -> (Endpoint, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    });
    (endpoint, count)
}

/// A port whose SYNs are dropped: its queue is full, and nobody takes anything out of it. It is so for as long as the rest is held.
async fn unheard() -> (Endpoint, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 64, "this system never drops a SYN");
    }
    (address.to_string().parse().unwrap(), listener, queued)
}

fn listed(first: Endpoint, fake: &Fake) -> Admin {
    let mut limits = config(&[fake]);
    limits.bootstrap.insert(0, first);
    Admin::new(limits).unwrap()
}

/// Whatever of this must not be waited for: the time that one broker alone is given to be connected to.
const ONE_CONNECT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_silent_broker_in_front_costs_a_look_little_and_the_next_look_nothing() {
    let (fake, (endpoint, connections)) = (Fake::start(Script::default()).await, silent().await);
    let admin = listed(endpoint, &fake);
    let begun = Instant::now();
    assert_eq!(admin.mechanisms(Mechanism::Sha256).await.unwrap(), [Mechanism::Sha256]);
    admin.describe_cluster().await.unwrap();
    assert!(begun.elapsed() < ONE_CONNECT, "{:?}", begun.elapsed());
    admin.mechanisms(Mechanism::Sha256).await.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), 1, "who answered at last is asked first");
}

#[tokio::test]
async fn a_broker_that_cannot_even_be_connected_to_costs_no_more() {
    let fake = Fake::start(Script::default()).await;
    let (endpoint, _listener, _queued) = unheard().await;
    let admin = listed(endpoint, &fake);
    let begun = Instant::now();
    admin.describe_cluster().await.unwrap();
    admin.mechanisms(Mechanism::Sha256).await.unwrap();
    assert!(begun.elapsed() < ONE_CONNECT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_left_for_another_broker() {
    let (first, second) = (Fake::start(Script::default()).await, Fake::start(Script::default()).await);
    let brokers = vec![(1, first.endpoint.clone()), (2, second.endpoint.clone())];
    for fake in [&first, &second] {
        fake.script.lock().unwrap().cluster = brokers.clone();
    }
    let admin = Admin::new(config(&[&first, &second])).unwrap();
    admin.describe_cluster().await.unwrap();
    assert_eq!((first.seen(ApiKey::DescribeCluster).len(), second.seen(ApiKey::DescribeCluster).len()), (1, 0));
    first.script.lock().unwrap().faults = HashMap::from([(ApiKey::DescribeCluster, (usize::MAX, Fault::Silence))]);
    let begun = Instant::now();
    admin.describe_cluster().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // It still has connections opened to it, and is asked last nevertheless.
    for _ in 0..3 {
        admin.mechanisms(Mechanism::Sha256).await.unwrap();
        admin.describe_cluster().await.unwrap();
    }
    assert_eq!((first.seen(ApiKey::DescribeCluster).len(), second.seen(ApiKey::DescribeCluster).len()), (2, 4));
}

#[tokio::test]
async fn an_answer_that_is_slow_is_still_taken() {
    let fault = Fault::Drip(Duration::from_millis(12));
    let fake = Fake::with_fault(ApiKey::DescribeCluster, fault).await;
    let limits = ClientConfig { request_timeout: Duration::from_millis(2000), ..config(&[&fake]) };
    let cluster = Admin::new(limits).unwrap().describe_cluster().await.unwrap();
    assert_eq!(cluster.brokers.len(), 1);
    assert_eq!(fake.seen(ApiKey::DescribeCluster).len(), 2, "it was asked on another connection meanwhile");
}

#[tokio::test]
async fn what_brokers_are_configured_with_is_told_by_one_that_lives() {
    let (fake, (dead, _)) =
        (Fake::start(Script { store: Some(Store::new()), ..Script::default() }).await, silent().await);
    fake.script.lock().unwrap().cluster = vec![(1, dead), (2, fake.endpoint.clone())];
    let admin = Admin::new(config(&[&fake])).unwrap();
    let begun = Instant::now();
    let security = admin.broker_security(vec![BrokerId(1), BrokerId(2)]).await.unwrap();
    assert_eq!(security.allow_everyone, AllowEveryone::Unset);
    assert!(begun.elapsed() < ONE_CONNECT, "{:?}", begun.elapsed());
}
