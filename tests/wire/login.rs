//! SCRAM against a server that does it right, and against servers that do not.

use std::time::{Duration, Instant};

use admittance::{
    api::secret::Secret,
    kafka::{
        admin::Admin,
        config::{ClientConfig, Credential},
        error::Error,
        scram::Mechanism,
    },
};
use kafka_protocol::messages::ApiKey;

use crate::{
    config,
    fake::{Fake, Script},
    scram_server::{Flaw, PASSWORD},
};

async fn connect(fake: &Fake, mechanism: Mechanism, password: &str) -> Result<(), Error> {
    let credential = Credential { mechanism, username: "shop.checkout".into(), password: Secret::new(password) };
    let settings = ClientConfig { sasl: Some(credential), ..config(&[fake]) };
    Admin::new(settings)?.describe_cluster().await.map(|_| ())
}

async fn against(flaw: Flaw) -> Error {
    let fake = Fake::start(Script { scram: flaw, ..Script::default() }).await;
    let error = connect(&fake, Mechanism::Sha256, PASSWORD).await.unwrap_err();
    assert!(!error.to_string().contains(PASSWORD));
    assert!(fake.seen(ApiKey::DescribeCluster).is_empty(), "nothing is asked of a server that is not ours");
    error
}

#[tokio::test]
async fn the_right_password_is_let_in_and_never_sent() {
    let fake = Fake::start(Script::default()).await;
    connect(&fake, Mechanism::Sha256, PASSWORD).await.unwrap();
    let messages = fake.seen(ApiKey::SaslAuthenticate).concat();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| !message.contains(PASSWORD)));
}

#[tokio::test]
async fn a_wrong_password_is_denied() {
    let fake = Fake::start(Script::default()).await;
    let error = connect(&fake, Mechanism::Sha256, "hunter2").await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_mechanism_that_is_off_is_named_with_those_that_are_on() {
    let fake = Fake::start(Script::default()).await;
    let error = connect(&fake, Mechanism::Sha512, PASSWORD).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Invalid(_)), "{text}");
    assert!(text.contains("SCRAM-SHA-512 is not among the enabled [SCRAM-SHA-256]"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_not_believed() {
    let error = against(Flaw::Signature).await;
    assert!(error.to_string().contains("signature is wrong"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_too_little_or_too_much_work_gets_none() {
    let begun = Instant::now();
    for count in [0, 1, 4095, 65_537, u32::MAX] {
        let error = against(Flaw::Iterations(count)).await;
        assert!(error.to_string().contains(&format!("asks for {count} iterations")), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "the last is work for most of an hour");
}

#[tokio::test]
async fn a_nonce_that_does_not_extend_ours_is_refused() {
    for flaw in [Flaw::ForeignNonce, Flaw::BareNonce] {
        let error = against(flaw).await;
        assert!(error.to_string().contains("nonce does not extend ours"), "{error}");
    }
}

#[tokio::test]
async fn a_message_that_is_no_text_is_refused() {
    let error = against(Flaw::NotText).await;
    assert!(matches!(error, Error::Unknown(_)) && error.to_string().contains("not text"), "{error}");
}
