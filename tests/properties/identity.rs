//! The webhook sees a Pod before it has a name, the operator afterwards: both must come to the same identity.

use admittance::admission::decide::Outcome;
use admittance::api::names::ClusterRef;
use admittance::intent::{Owner, PodMeta, request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pods::pod;
use crate::review::{NAMESPACE, send};

/// The operator's view of a Pod, built here from the document: not by the webhook's own code.
fn meta(pod: &Value) -> PodMeta<'_> {
    let pairs = |field: &str| {
        let map = pod["metadata"][field].as_object().into_iter().flatten();
        map.map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect()
    };
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    PodMeta {
        namespace: NAMESPACE,
        name: pod["metadata"]["name"].as_str(),
        generate_name: pod["metadata"]["generateName"].as_str(),
        labels: pairs("labels"),
        annotations: pairs("annotations"),
        owner: owners
            .filter(|owner| owner["controller"] == true)
            .map(|owner| {
                let text = |field: &str| owner[field].as_str().unwrap();
                Owner::new(text("apiVersion"), text("kind"), text("name"))
            })
            .next(),
    }
}

proptest! {
    #[test]
    fn operator_and_webhook_agree_about_every_injected_pod(mut author in pod(), end in "[bcdfghjklmnpqrstvwxz2456789]{5}") {
        let verdict = send(&author);
        let mut live = verdict.apply(&author);
        // What the API server does between admission and storage.
        let metadata = live["metadata"].as_object_mut().unwrap();
        let named = metadata.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        if let (false, Some(prefix)) = (named, metadata.get("generateName").and_then(Value::as_str)) {
            let name = format!("{}{end}", prefix.chars().take(58).collect::<String>());
            metadata.insert("name".into(), json!(name));
        }
        metadata.insert("namespace".into(), json!(NAMESPACE));
        metadata.insert("uid".into(), json!("6b1f2a52-0d1d-4b0e-8f53-1f1c0f9b6f10"));

        let home = ClusterRef { namespace: "admittance".into(), name: "default".into() };
        let intent = request::read(&meta(&live), &home);
        if verdict.patch.is_empty() {
            // Nothing was promised to this Pod: for both nothing is asked, or the request is wrong, or only the Pod is.
            match intent {
                Ok(None) => prop_assert_eq!(verdict.outcome, Outcome::NotRequested),
                Ok(Some(_)) => prop_assert_eq!(verdict.outcome == Outcome::AlreadyInjected, verdict.allowed),
                Err(problems) => prop_assert_eq!(verdict.outcome, Outcome::Denied(problems[0].reason)),
            }
            return Ok(());
        }
        let intent = intent.unwrap().unwrap();
        prop_assert_eq!(&live["metadata"]["labels"]["kafka.admittance.dev/access"], &json!(intent.access_name()));
        let volumes = live["spec"]["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == "admittance-credentials").unwrap();
        prop_assert_eq!(&volume["secret"]["secretName"], &json!(intent.secret_name()));

        // The finished Pod, sent again by a restore or a second round, is the same workload still.
        author["metadata"] = live["metadata"].clone();
        let again = send(&author);
        prop_assert!(again.allowed, "{:?}", again.status);
    }
}
