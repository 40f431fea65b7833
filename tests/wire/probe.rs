//! The probe's whole way, from a mounted Secret to what it says.

use std::{fs, path::PathBuf, time::Duration};

use admittance::probe::ready;
use kafka_protocol::messages::ApiKey;

use crate::{
    fake::{Fake, Fault, Script},
    scram_server::PASSWORD,
};

/// A directory like the one at which a Secret is mounted; removed at the end.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Mounted {
    pub(crate) fn new(brokers: &str, password: &str) -> Self {
        let id = admittance::crypto::random::<8>().unwrap();
        let directory = std::env::temp_dir().join(format!("probe-wire-{id:02x?}"));
        fs::create_dir(&directory).unwrap();
        for (name, content) in [
            ("bootstrap.servers", brokers),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("username", "shop.checkout"),
            ("password", password),
            ("consumes", "payments"),
        ] {
            fs::write(directory.join(name), content).unwrap();
        }
        Self(directory)
    }

    async fn check(&self) -> Result<String, String> {
        self.check_for(&[], &[]).await
    }

    /// The check of a Pod that asks for these topics.
    async fn check_for(&self, consumes: &[&str], produces: &[&str]) -> Result<String, String> {
        let [consumes, produces] = [consumes, produces].map(|names| names.iter().map(ToString::to_string).collect());
        let terms = ready::Terms { consumes, produces, timeout: Duration::from_millis(500) };
        ready::check(&self.0, &terms).await.map_err(|error| error.to_string())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn ready_means_logged_in_and_allowed() {
    let fake = Fake::start(Script { operations: 1 << 3, ..Script::default() }).await;
    let brokers = fake.endpoint.to_string();
    let mounted = Mounted::new(&brokers, PASSWORD);
    assert_eq!(mounted.check().await, Ok(format!("ready: 1 topics at {brokers}")));
    fake.script.lock().unwrap().operations = 1 << 8;
    let error = mounted.check().await.unwrap_err();
    assert!(error.contains("topic `payments`") && error.contains("Read is not allowed"), "{error}");
}

#[tokio::test]
async fn a_secret_from_before_says_nothing_of_what_the_pod_asks_for_now() {
    let fake = Fake::start(Script { operations: 1 << 3, ..Script::default() }).await;
    let mounted = Mounted::new(&fake.endpoint.to_string(), PASSWORD);
    let error = mounted.check_for(&["payments"], &["audit"]).await.unwrap_err();
    assert!(error.contains("topic `audit`") && error.contains("Write is not allowed"), "{error}");
    let both = mounted.check_for(&["payments", "refunds"], &[]).await;
    assert_eq!(both, Ok(format!("ready: 2 topics at {}", fake.endpoint)), "a topic that both name counts once");
}

#[tokio::test]
async fn a_password_that_is_no_more_is_said_to_be_so() {
    let fake = Fake::start(Script::default()).await;
    let error = Mounted::new(&fake.endpoint.to_string(), "hunter2").check().await.unwrap_err();
    assert!(error.contains("older one") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_broker_that_is_down_is_passed_over_and_one_that_is_silent_costs_the_timeout() {
    let fake = Fake::start(Script { operations: 1 << 3, ..Script::default() }).await;
    Mounted::new(&format!("127.0.0.1:1,{}", fake.endpoint), PASSWORD).check().await.unwrap();

    let fake = Fake::with_fault(ApiKey::Metadata, Fault::Silence).await;
    let error = Mounted::new(&fake.endpoint.to_string(), PASSWORD).check().await.unwrap_err();
    assert!(error.contains("no answer"), "{error}");
}
