//! What a `TopicClaim` asks for: the settings that it comes to, and whether the cluster's limits and Kafka's own rules allow them.
//! Pure; the operator and the webhook that judges claims call the same functions.

pub mod quantity;
pub mod refusal;
pub mod settings;

use std::collections::BTreeMap;

use self::settings::Wrong;
use super::problem::Problem;
use crate::api::duration;
use crate::api::reasons::Reason;
use crate::api::resources::{MAX_CONFIG, TopicClaimSpec, TopicLimits};

/// How long records are kept, in Kafka's words.
pub const RETENTION_MS: &str = "retention.ms";
/// How much of a partition is kept, in Kafka's words.
pub const RETENTION_BYTES: &str = "retention.bytes";
const MIN_IN_SYNC: &str = "min.insync.replicas";
const FOREVER: &str = "forever";

/// Judges a claim of a namespace. Nothing is returned where all is well; what is wrong is named field by field.
///
/// A setting that no Kafka has that we know ([`Reason::UnknownTopicConfig`]) may be one of a newer Kafka: worth a warning, and left for
/// Kafka to decide. Everything else here is certain: see [`refuses`].
#[must_use]
pub fn judge(spec: &TopicClaimSpec, limits: &TopicLimits, namespace: &str) -> Vec<Problem> {
    let mut found = certain(spec, limits, namespace);
    if spec.config_bytes() <= MAX_CONFIG {
        let unknown = spec.config.iter().filter(|(key, value)| settings::judge(key, value) == Err(Wrong::Unknown));
        found.extend(unknown.map(|(key, _)| {
            let rule = format!("is no setting of a topic that is known here{}", settings::hint(key));
            Problem::new(Reason::UnknownTopicConfig, &format!("spec.config[{key}]"), key, rule)
        }));
    }
    found
}

/// What of that is certain. Nothing is looked for beyond it: others' claims are judged by this too, and there may be many of them.
#[must_use]
pub fn certain(spec: &TopicClaimSpec, limits: &TopicLimits, namespace: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    name(spec, limits, namespace, &mut found);
    counts(spec, limits, &mut found);
    retention(spec, limits, &mut found);
    config(spec, &mut found);
    found
}

/// Whether a problem is reason enough to refuse the claim.
#[must_use]
pub fn refuses(problem: &Problem) -> bool {
    problem.reason != Reason::UnknownTopicConfig
}

/// The settings that a claim declares, as Kafka names and writes them: its `config`, and what its `retention` comes to. `share` is
/// what `retention.diskFraction` comes to in bytes a partition, where that is known. What cannot be read is left out: [`judge`] names it.
#[must_use]
pub fn declared(spec: &TopicClaimSpec, share: Option<i64>) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> =
        spec.config.iter().map(|(key, value)| (key.clone(), value.trim().to_owned())).collect();
    if let Some(retention) = &spec.retention {
        let time = retention.time.as_deref().and_then(|time| millis(time).ok());
        let size = retention.size.as_deref().and_then(|size| quantity::bytes(size).ok());
        let size = size.or(share.filter(|_| retention.disk_fraction.is_some()));
        settings.extend(time.map(|time| (RETENTION_MS.to_owned(), time.to_string())));
        settings.extend(size.map(|size| (RETENTION_BYTES.to_owned(), size.to_string())));
    }
    settings
}

/// `retention.ms` of a retention time: -1 for `forever`.
fn millis(time: &str) -> Result<i64, duration::NotADuration> {
    if time == FOREVER {
        return Ok(-1);
    }
    i64::try_from(duration::parse(time)?.as_millis()).map_err(|_| duration::NotADuration)
}

fn name(spec: &TopicClaimSpec, limits: &TopicLimits, namespace: &str, found: &mut Vec<Problem>) {
    let fits = |pattern: &String| matches(&pattern.replace("{namespace}", namespace), &spec.topic_name);
    if !limits.names.is_empty() && !limits.names.iter().any(fits) {
        let patterns = limits.names.join(", ").replace("{namespace}", namespace);
        let rule = format!("is no name that the BrokerCluster allows here; those are: {patterns}");
        found.push(Problem::new(Reason::TopicNameNotAllowed, "spec.topicName", &spec.topic_name, rule));
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
    // The first place that fits leaves the most for what comes behind.
    for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

fn counts(spec: &TopicClaimSpec, limits: &TopicLimits, found: &mut Vec<Problem>) {
    let mut over = |place: &str, count: Option<i32>, limit: Option<i32>, least: bool, what: &str| {
        let (Some(count), Some(limit)) = (count, limit) else { return };
        if (least && count < limit) || (!least && count > limit) {
            let side = if least { "fewer than" } else { "more than" };
            let rule = format!("is {side} the {limit} {what} of the BrokerCluster's topics.limits");
            found.push(Problem::new(Reason::TopicLimitExceeded, place, &count.to_string(), rule));
        }
    };
    over("spec.partitions", spec.partitions, limits.max_partitions, false, "partitions");
    over("spec.replicas", spec.replicas, limits.max_replicas, false, "replicas");
    over("spec.replicas", spec.replicas, limits.min_replicas, true, "replicas");
}

/// The longest `retention.ms` that a cluster's limits allow; `None` where they allow any.
#[must_use]
pub fn most_millis(limits: &TopicLimits) -> Option<i64> {
    let most = duration::parse(limits.max_retention.as_deref()?).ok()?;
    Some(i64::try_from(most.as_millis()).unwrap_or(i64::MAX))
}

fn retention(spec: &TopicClaimSpec, limits: &TopicLimits, found: &mut Vec<Problem>) {
    let most = most_millis(limits);
    let mut within = |place: &str, value: &str, millis: i64| {
        let Some(most) = most else { return };
        if millis < 0 || millis > most {
            let limit = limits.max_retention.as_deref().unwrap_or_default();
            let rule = format!("is longer than the {limit} of the BrokerCluster's topics.limits.maxRetention");
            found.push(Problem::new(Reason::TopicLimitExceeded, place, value, rule));
        }
    };
    if let Some(Ok(millis)) = spec.config.get(RETENTION_MS).map(|value| value.trim().parse::<i64>()) {
        within("spec.config[retention.ms]", &millis.to_string(), millis);
    }
    let Some(retention) = &spec.retention else { return };
    if let Some(time) = &retention.time {
        match millis(time) {
            Ok(millis) => within("spec.retention.time", time, millis),
            Err(error) => found.push(invalid("spec.retention.time", time, format!("is {error}; or forever"))),
        }
    }
    if let Some(size) = &retention.size
        && let Err(error) = quantity::bytes(size)
    {
        found.push(invalid("spec.retention.size", size, format!("is {error}")));
    }
}

fn config(spec: &TopicClaimSpec, found: &mut Vec<Problem>) {
    let bytes = spec.config_bytes();
    if bytes > MAX_CONFIG {
        let rule = format!(
            "bytes of names and values are too many; all settings of a claim have {MAX_CONFIG} together at most"
        );
        found.push(invalid("spec.config", &bytes.to_string(), rule));
        return;
    }
    for (key, value) in &spec.config {
        match settings::judge(key, value) {
            Ok(()) | Err(Wrong::Unknown) => {}
            Err(Wrong::Value(rule)) => found.push(invalid(&format!("spec.config[{key}]"), value, rule)),
            Err(Wrong::Key(rule)) => found.push(invalid("spec.config", key, rule)),
        }
    }
    let in_sync = spec.config.get(MIN_IN_SYNC).and_then(|value| value.trim().parse::<i32>().ok());
    if let (Some(in_sync), Some(replicas)) = (in_sync, spec.replicas)
        && in_sync > replicas
    {
        let rule = format!("is more than the {replicas} of spec.replicas: nothing could be written");
        found.push(invalid("spec.config[min.insync.replicas]", &in_sync.to_string(), rule));
    }
}

fn invalid(place: &str, value: &str, rule: String) -> Problem {
    Problem::new(Reason::InvalidTopicConfig, place, value, rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{Retention, TopicSource};

    fn spec(json: serde_json::Value) -> TopicClaimSpec {
        let mut all = serde_json::json!({"topicName": "shop.orders", "cluster": "a/b"});
        let serde_json::Value::Object(more) = json else { panic!("{json}") };
        all.as_object_mut().unwrap().extend(more);
        serde_json::from_value(all).unwrap()
    }

    fn limits(json: serde_json::Value) -> TopicLimits {
        serde_json::from_value(json).unwrap()
    }

    fn said(spec: &TopicClaimSpec, limits: &TopicLimits) -> Vec<String> {
        judge(spec, limits, "shop").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_claim_that_says_nothing_is_right_anywhere() {
        let bare = TopicClaimSpec::of("orders", "a/b", TopicSource::Declared);
        let strict = limits(
            serde_json::json!({"maxPartitions": 1, "maxReplicas": 1, "minReplicas": 3, "maxRetention": "1h", "names": ["*"]}),
        );
        assert_eq!(said(&bare, &strict), [""; 0]);
        assert_eq!(said(&bare, &TopicLimits::default()), [""; 0]);
    }

    #[test]
    fn limits_are_named_with_field_and_value() {
        let strict = limits(serde_json::json!({
            "maxPartitions": 12, "maxReplicas": 4, "minReplicas": 2, "maxRetention": "7d", "names": ["{namespace}.*", "public-*"]
        }));
        for (asked, reason, place) in [
            (
                serde_json::json!({"partitions": 13}),
                "TopicLimitExceeded",
                "spec.partitions: \"13\" is more than the 12",
            ),
            (serde_json::json!({"replicas": 5}), "TopicLimitExceeded", "spec.replicas: \"5\" is more than the 4"),
            (serde_json::json!({"replicas": 1}), "TopicLimitExceeded", "spec.replicas: \"1\" is fewer than the 2"),
            (
                serde_json::json!({"retention": {"time": "7d1ms"}}),
                "TopicLimitExceeded",
                "spec.retention.time: \"7d1ms\" is longer",
            ),
            (
                serde_json::json!({"retention": {"time": "forever"}}),
                "TopicLimitExceeded",
                "spec.retention.time: \"forever\"",
            ),
            (
                serde_json::json!({"config": {"retention.ms": "-1"}}),
                "TopicLimitExceeded",
                "spec.config[retention.ms]: \"-1\"",
            ),
            (serde_json::json!({"config": {"retention.ms": "604800001"}}), "TopicLimitExceeded", "than the 7d of"),
            (serde_json::json!({"topicName": "web.orders"}), "TopicNameNotAllowed", "those are: shop.*, public-*"),
        ] {
            let found = said(&spec(asked.clone()), &strict);
            assert_eq!(found.len(), 1, "{asked}: {found:?}");
            assert!(found[0].starts_with(&format!("{reason}: ")) && found[0].contains(place), "{asked}: {found:?}");
        }
        for asked in [
            serde_json::json!({"partitions": 12, "replicas": 4, "retention": {"time": "7d"}}),
            serde_json::json!({"replicas": 2, "config": {"retention.ms": "604800000"}}),
            serde_json::json!({"topicName": "public-prices", "retention": {"size": "1Gi"}}),
        ] {
            assert_eq!(said(&spec(asked.clone()), &strict), [""; 0], "{asked}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let wrong = spec(serde_json::json!({
            "replicas": 2, "retention": {"time": "soon", "size": "big"},
            "config": {"cleanup.policy": "burn", "min.insync.replicas": "3", "retention.mss": "1", "segment.bytes": "-1"}
        }));
        let found = judge(&wrong, &TopicLimits::default(), "shop");
        let places: Vec<_> = found.iter().map(|problem| (problem.place.as_str(), refuses(problem))).collect();
        assert_eq!(
            places,
            [
                ("spec.retention.time", true),
                ("spec.retention.size", true),
                ("spec.config[cleanup.policy]", true),
                ("spec.config[segment.bytes]", true),
                ("spec.config[min.insync.replicas]", true),
                ("spec.config[retention.mss]", false),
            ]
        );
    }

    #[test]
    fn what_is_longer_than_kafka_reads_is_refused_even_of_a_setting_that_is_unknown_here() {
        let of =
            |key: &str, value: &str| said(&spec(serde_json::json!({"config": {key: value}})), &TopicLimits::default());
        // Two bytes each.
        let (most, more) = ("é".repeat(127), "é".repeat(128));
        assert!(of(&most, "1")[0].starts_with("UnknownTopicConfig: "), "a newer Kafka may have it");
        let found = of(&more, "1");
        assert!(found[0].starts_with("InvalidTopicConfig: spec.config: \"é"), "{found:?}");
        assert!(found[0].ends_with("has 256 bytes; the name of a setting has 255 at most"), "{found:?}");
        for key in ["cleanup.policy", "shiny.new"] {
            let found = of(key, &"é".repeat(2049));
            assert!(found[0].starts_with(&format!("InvalidTopicConfig: spec.config[{key}]: \"é")), "{found:?}");
            assert!(found[0].ends_with("has 4098 bytes; the value of a setting has 4096 at most"), "{found:?}");
        }
        assert!(of("shiny.new", &"x".repeat(4096))[0].starts_with("UnknownTopicConfig: "));
        let padded = format!("5{}", " ".repeat(4000));
        assert_eq!(of("flush.ms", &padded), [""; 0], "white space around a value is not sent");
    }

    #[test]
    fn settings_that_are_too_many_together_are_refused_whether_they_are_held_or_left_out() {
        // Ten bytes of a name, and the rest.
        let of = |bytes: usize| {
            let config: BTreeMap<_, _> =
                (0..4).map(|n| (format!("shiny.new{n}"), "x".repeat(bytes / 4 - 10))).collect();
            spec(serde_json::json!({"config": config, "partitions": 2}))
        };
        let most = of(MAX_CONFIG);
        let mut held = most.clone();
        held.bound();
        assert_eq!(held, most);
        assert!(judge(&most, &TopicLimits::default(), "shop").iter().all(|problem| !refuses(problem)));

        let mut more = of(MAX_CONFIG + 4);
        let before = judge(&more, &TopicLimits::default(), "shop");
        more.bound();
        assert_eq!((more.config.len(), more.config_bytes()), (0, MAX_CONFIG + 4));
        let after = judge(&more, &TopicLimits::default(), "shop");
        assert_eq!(after, before);
        let [problem] = after.as_slice() else { panic!("{after:?}") };
        assert!(refuses(problem));
        let said = "InvalidTopicConfig: spec.config: \"16388\" bytes of names and values are too many; all settings of a claim have 16384 together at most";
        assert_eq!(problem.to_string(), said);
        // What was left out stays so when the claim is placed anew.
        more.bound();
        assert_eq!(more.config_bytes(), MAX_CONFIG + 4);
        assert_eq!(serde_json::to_value(&more).unwrap().get("configLeftOut"), None);
    }

    #[test]
    fn retention_becomes_settings() {
        let settings = |retention: Retention, share| {
            let mut claim = spec(serde_json::json!({"config": {"cleanup.policy": " compact "}}));
            claim.retention = Some(retention);
            declared(&claim, share)
                .into_iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let of = |time: Option<&str>, size: Option<&str>, share: Option<&str>| Retention {
            time: time.map(str::to_owned),
            size: size.map(str::to_owned),
            disk_fraction: share.map(str::to_owned),
        };
        assert_eq!(
            settings(of(Some("7d"), Some("1Gi"), None), Some(9)),
            "cleanup.policy=compact retention.bytes=1073741824 retention.ms=604800000"
        );
        assert_eq!(settings(of(Some("forever"), None, None), None), "cleanup.policy=compact retention.ms=-1");
        assert_eq!(settings(of(None, None, Some("0.1")), Some(4096)), "cleanup.policy=compact retention.bytes=4096");
        assert_eq!(settings(of(Some("soon"), None, Some("0.1")), None), "cleanup.policy=compact");
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*.b", "a.b", true),
            ("*.b", "a.bc", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*-*-*", "a-b-c", true),
            ("*-*-*", "a-b", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
            ("*a*a", "ba", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
