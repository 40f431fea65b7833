//! Arbitrary Pods: every part may be missing, null, empty, ours by name, or of a Kubernetes to come.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// A JSON object from fields that may be absent.
type Fields = Vec<(String, Option<Value>)>;

fn object(fields: Fields) -> Value {
    Value::Object(fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

fn fields(pairs: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    (values, unknown_fields())
        .prop_map(move |(values, unknown)| {
            let known = keys.iter().map(ToString::to_string).zip(values);
            object(known.chain(unknown.into_iter().map(|(key, value)| (key, Some(value)))).collect())
        })
        .boxed()
}

fn always(strategy: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    strategy.prop_map(Some).boxed()
}

/// Missing, null, or there.
fn maybe(strategy: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(Value::Null)), 6 => strategy.prop_map(Some)].boxed()
}

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(".{0,6}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Fields that no Kubernetes of today has, under keys that JSON must escape and JSON pointers too.
fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    btree_map("x-[a~/\"\\\\ä]{0,4}", anything(), 0..3).prop_map(|map| map.into_iter().collect())
}

fn name() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "[a-z][a-z0-9-]{0,10}[a-z0-9]",
        1 => select(vec!["admittance-credentials", "admittance-probe", "app"]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
    .boxed()
}

fn text(strategy: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    strategy.prop_map(Value::from).boxed()
}

fn mount() -> BoxedStrategy<Value> {
    let paths = vec![
        "/data",
        "/var/run/secrets/kafka",
        "/var/run/secrets/kafka/",
        "/var/run/secrets/kafka/deeper",
        "/var/run/secrets/kafkaesque",
        "/var/run/admittance",
        "/var/run",
        "",
    ];
    fields(vec![
        ("name", always(text(name()))),
        ("mountPath", always(prop_oneof![select(paths).prop_map(Value::from), text(".{0,12}")])),
        ("readOnly", maybe(any::<bool>().prop_map(Value::from))),
    ])
}

fn container() -> BoxedStrategy<Value> {
    fields(vec![
        ("name", always(text(name()))),
        ("image", maybe(text("[a-z]{1,8}:[0-9]"))),
        ("volumeMounts", maybe(vec(mount(), 0..4).prop_map(Value::from))),
        ("readinessProbe", maybe(anything())),
        ("startupProbe", prop_oneof![4 => Just(None), 1 => maybe(anything())].boxed()),
        ("livenessProbe", prop_oneof![4 => Just(None), 1 => maybe(anything())].boxed()),
        ("env", maybe(vec(variable(), 0..4).prop_map(Value::from))),
        ("envFrom", prop_oneof![8 => Just(None), 1 => maybe(anything())].boxed()),
        ("restartPolicy", maybe(select(vec!["Always", "OnFailure", ""]).prop_map(Value::from))),
        ("resources", maybe(fields(vec![("requests", maybe(anything())), ("limits", maybe(anything()))]))),
    ])
}

fn variable() -> BoxedStrategy<Value> {
    let names = vec![
        "JAVA_TOOL_OPTIONS",
        "KAFKA_GROUP_ID",
        "KAFKA_NODE_ID",
        "KAFKA_SASL_PASSWORD",
        "SPRING_KAFKA_SECURITY_PROTOCOL",
        "SPRING_KAFKA_CONSUMER_GROUP_ID",
    ];
    fields(vec![
        ("name", always(prop_oneof![3 => select(names).prop_map(Value::from), 1 => text(".{0,8}")])),
        (
            "value",
            maybe(prop_oneof![
                3 => text(".{0,8}"),
                1 => Just(json!("-Djava.security.auth.login.config=/var/run/secrets/kafka/kafka-client-jaas.conf -Dx")),
            ]),
        ),
        ("valueFrom", maybe(anything())),
    ])
}

fn volume() -> BoxedStrategy<Value> {
    fields(vec![
        ("name", always(text(name()))),
        ("secret", maybe(fields(vec![("secretName", maybe(text("[a-z]{1,4}-kafka-credentials")))]))),
        ("emptyDir", maybe(anything())),
        ("image", prop_oneof![4 => Just(None), 1 => maybe(anything())].boxed()),
    ])
}

fn topics() -> BoxedStrategy<String> {
    prop_oneof![9 => "[a-zA-Z0-9.-]{1,8}([, \\n]{1,2}[a-zA-Z0-9.-]{1,8}){0,3}", 1 => "", 1 => ".{0,40}"].boxed()
}

fn annotations() -> BoxedStrategy<Value> {
    let ours = |short: &str| format!("kafka.admittance.dev/{short}");
    let probes = vec![
        "readiness",
        "none",
        "always",
        "readiness-live",
        "startup, liveness",
        "readiness liveness",
        "startup",
        "liveness",
        "readiness,readiness-live",
    ];
    let rare = |strategy: BoxedStrategy<String>| option::weighted(0.1, strategy);
    let old_key = select(vec!["consumes", "topic.kafka.nb/produces-topics", "topic.kafka.nb/topic-secret"]);
    let old_key = old_key.prop_map(str::to_owned);
    let others = btree_map(
        prop_oneof![8 => "[a-z]{1,8}/[a-z~]{1,8}", 2 => old_key, 1 => "kafka\\.admittance\\.dev/[a-z]{0,10}", 1 => ".{0,20}"],
        ".{0,20}",
        0..4,
    );
    (
        (option::weighted(0.9, topics()), option::weighted(0.6, topics())),
        rare(prop_oneof!["[a-z]{1,6}(/[a-z]{1,6})?", ".{0,8}"].boxed()),
        rare(prop_oneof!["[a-z]{1,6}", "[a-z]{70,120}", ".{0,8}"].boxed()),
        rare(prop_oneof![Just("app".to_owned()), ".{0,30}".boxed()].boxed()),
        option::weighted(0.3, select(probes).prop_map(str::to_owned)),
        (
            option::weighted(
                0.4,
                select(vec!["none", "generic", "spring", "jaas", "jaas", "jess"]).prop_map(str::to_owned),
            ),
            option::weighted(
                0.3,
                select(vec!["secret", "gate", "gate", "gate", "secret", "never"]).prop_map(str::to_owned),
            ),
            rare(prop_oneof![4 => "shop\\.[a-z]{1,6}", 1 => ".{0,8}"].boxed()),
            rare(prop_oneof![4 => "[a-zA-Z.]{1,6}( [a-z_-]{1,6}){0,3}", 1 => ".{0,8}"].boxed()),
            rare(select(vec!["enabled", "disabled", "yes"]).prop_map(str::to_owned).boxed()),
        ),
        others,
    )
        .prop_map(move |((consumes, produces), cluster, workload, containers, probe, more, others)| {
            let (env, wait, streams, groups, transactions) = more;
            let mut map: Map<String, Value> = others.into_iter().map(|(key, value)| (key, json!(value))).collect();
            for (key, value) in [
                ("consumes", consumes),
                ("produces", produces),
                ("cluster", cluster),
                ("workload", workload),
                ("containers", containers),
                ("probe", probe),
                ("env", env),
                ("wait", wait),
                ("streams", streams),
                ("groups", groups),
                ("transactions", transactions),
            ] {
                map.extend(value.map(|value| (ours(key), json!(value))));
            }
            Value::Object(map)
        })
        .boxed()
}

fn labels() -> BoxedStrategy<Value> {
    let key = prop_oneof![
        9 => "[a-z]{1,8}",
        2 => Just("pod-template-hash".to_owned()),
        1 => Just("kafka.admittance.dev/access".to_owned()),
    ];
    let old = option::weighted(0.3, select(vec!["inject-credentials", "inject-creds", "no"]));
    (btree_map(key, "[a-z0-9]{0,6}", 0..4), old)
        .prop_map(|(mut map, old)| {
            map.extend(old.map(|value| ("kafka-operator".to_owned(), value.to_owned())));
            json!(map)
        })
        .boxed()
}

fn owner() -> BoxedStrategy<Value> {
    let kinds = vec!["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController", "Database", "\u{1b}[0m"];
    let versions = vec!["apps/v1", "batch/v1", "v1", "apps.kruise.io/v1beta1", "\u{1b}[0m/v1"];
    fields(vec![
        ("apiVersion", always(select(versions).prop_map(Value::from))),
        ("kind", always(select(kinds).prop_map(Value::from))),
        ("name", always(text("[a-z]{1,8}(-[a-z0-9]{1,8}){0,2}"))),
        ("controller", maybe(any::<bool>().prop_map(Value::from))),
    ])
}

fn gate() -> BoxedStrategy<Value> {
    let names = prop_oneof![Just("kafka.admittance.dev/access".to_owned()), "[a-z]{1,6}"];
    fields(vec![("name", always(text(names)))])
}

/// A Pod of which anything may be missing or odd, and most can be injected.
pub fn pod() -> BoxedStrategy<Value> {
    let metadata = fields(vec![
        ("name", maybe(text(prop_oneof!["[a-z]{1,12}", Just(String::new())]))),
        ("generateName", maybe(text("[a-z]{1,12}-"))),
        ("labels", maybe(labels())),
        ("annotations", always(annotations())),
        ("ownerReferences", maybe(vec(owner(), 0..3).prop_map(Value::from))),
    ]);
    let spec = fields(vec![
        ("containers", maybe(vec(container(), 0..4).prop_map(Value::from))),
        ("initContainers", maybe(vec(container(), 0..3).prop_map(Value::from))),
        ("volumes", maybe(vec(volume(), 0..4).prop_map(Value::from))),
        ("securityContext", maybe(fields(vec![("runAsUser", maybe((0_i64..3).prop_map(Value::from)))]))),
        ("schedulingGates", prop_oneof![3 => Just(None), 1 => maybe(vec(gate(), 0..3).prop_map(Value::from))].boxed()),
        ("nodeName", prop_oneof![8 => Just(None), 1 => maybe(text("[a-z]{0,4}"))].boxed()),
        ("hostNetwork", prop_oneof![3 => Just(None), 1 => maybe(any::<bool>().prop_map(Value::from))].boxed()),
        ("os", maybe(fields(vec![("name", always(select(vec!["linux", "windows"]).prop_map(Value::from)))]))),
    ]);
    fields(vec![("metadata", always(metadata)), ("spec", always(spec))])
}
