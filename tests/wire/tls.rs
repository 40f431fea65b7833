//! A broker behind TLS, and whom we take it for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use admittance::{
    api::{reasons::Reason, secret::Secret},
    clusters::Unusable,
    kafka::{
        admin::Admin,
        config::{ClientConfig, Credential, Endpoint, Tls},
        scram::Mechanism,
    },
    trust::{
        authority::Authority,
        leaf::Leaf,
        resolver::{Resolver, server_config},
    },
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    fake::{Fake, Script, serve},
    scram_server::PASSWORD,
};

fn authority() -> Authority {
    Authority::generate(SystemTime::now()).unwrap()
}

/// A broker whose certificate is of this authority, and for this name.
async fn start(authority: &Authority, name: &str) -> Fake {
    let resolver = Arc::new(Resolver::default());
    resolver.set(Leaf::sign(authority, &[name.to_owned()], SystemTime::now()).unwrap().certified);
    let acceptor = TlsAcceptor::from(Arc::new(server_config(resolver).unwrap()));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let endpoint: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let script = Arc::new(Mutex::new(Script::default()));
    let (shared, own) = (Arc::clone(&script), endpoint.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script, own) = (acceptor.clone(), Arc::clone(&shared), own.clone());
            tokio::spawn(async move {
                // Who does not trust us hangs up.
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, script, own).await;
                }
            });
        }
    });
    Fake { endpoint, script }
}

async fn look(fake: &Fake, trusted: &Authority, password: &str) -> Result<(), Unusable> {
    let password = Secret::new(password);
    let credential = Credential { mechanism: Mechanism::Sha256, username: "admin".into(), password };
    let settings = ClientConfig {
        tls: Some(Tls { ca_pem: trusted.certificate.pem().to_owned() }),
        sasl: Some(credential),
        ..crate::config(&[fake])
    };
    let told = Admin::new(settings).unwrap().describe_cluster().await;
    Ok(told.map(|_| ())?)
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_and_a_wrong_password_are_no_missing_right() {
    let (ours, other) = (authority(), authority());
    let fake = start(&ours, "127.0.0.1").await;
    assert_eq!(look(&fake, &ours, PASSWORD).await, Ok(()));
    let elsewhere = start(&ours, "kafka.example.org").await;
    for (fake, trusted, password, words) in [
        (&fake, &other, PASSWORD, "check that ca.crt is the cluster's CA"),
        (&elsewhere, &ours, PASSWORD, "that the certificate names this host"),
        (&fake, &ours, "hunter2", "SaslAuthenticate"),
    ] {
        let refused = look(fake, trusted, password).await.unwrap_err();
        assert_eq!(refused.reason, Reason::KafkaAuthenticationFailed, "{}", refused.message);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
}
