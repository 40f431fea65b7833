//! `admittance import topics` from manifests, compared with golden files. `UPDATE_GOLDEN=1` writes them.

use std::path::PathBuf;

use crate::program::run;

fn golden(name: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/import");
    let input = folder.join(format!("{name}.yaml"));
    let ended = run(&[&["import", "topics", "-f", input.to_str().unwrap()], arguments].concat(), "");
    let path = folder.join(format!("{name}.golden.yaml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &ended.out).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(ended.out, wanted, "UPDATE_GOLDEN=1 writes {}; {}", path.display(), ended.err);
    (ended.code, ended.out, ended.err)
}

#[test]
fn strimzis_resources_become_claims_where_they_say_the_same() {
    let (code, out, err) = golden("strimzi", &["--from", "strimzi", "-n", "shop", "--service-account", "billing"]);
    assert_eq!(code, 1, "a user cannot be said: {err}");
    for told in ["topics that begin with shop.", "group *: wildcards", "a denial of Read on topic secrets"] {
        assert!(err.contains(told) && out.contains(told), "{told}: {err}");
    }
    assert!(!out.contains("__consumer_offsets") && !err.contains("__consumer_offsets"));
    let active: Vec<_> = out.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!active.iter().any(|line| line.contains("audit")), "what is not the same is a comment: {out}");
}

#[test]
fn config_maps_of_2017_become_claims() {
    let (code, out, err) = golden("2017", &["--from", "2017"]);
    assert_eq!((code, out.contains("not-a-topic")), (0, false), "{err}");
}

#[test]
fn patterns_and_namespaces_pick() {
    let input = include_str!("import/strimzi.yaml");
    let ended = run(&["import", "topics", "shop.*", "--from", "strimzi", "-n", "shop", "-o", "json"], input);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let items = found["items"].as_array().unwrap();
    assert_eq!((ended.code, items.len()), (0, 1), "{}", ended.err);
    assert_eq!(items[0]["spec"]["topicName"], "shop.orders");
    assert_eq!(items[0]["metadata"]["namespace"], "shop");
}

#[test]
fn an_import_without_a_source_says_what_to_try() {
    for (arguments, input, told) in [
        (&["import", "topics"][..], "", "--bootstrap-servers kafka:9092 --config FILE"),
        (&["import", "topics", "--config", "/nonexistent"], "", "cannot read /nonexistent"),
        (&["import", "topics", "--bootstrap-servers", "kafka"], "", "not host:port"),
        (&["import", "topics", "--from", "2017"], "kind: Pod\n", "no ConfigMap"),
        (&["import", "topics", "--from", "strimzi"], "a: [", "cannot be read"),
        (&["import", "topics", "-f", "x.yaml"], "", "--from"),
    ] {
        let ended = run(arguments, input);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.contains(told) && ended.err.contains("try: "), "{arguments:?}: {}", ended.err);
    }
}
