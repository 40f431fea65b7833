//! What is written is what was meant, for any value that a manifest can hold.

use admittance::cli::manifest::node::Node;
use admittance::cli::manifest::{documents, edit, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts that readers of YAML like to take for something else, and any others.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "~",
        "null",
        "yes",
        "No",
        "on",
        "y",
        "1e3",
        "0x1f",
        "0o7",
        "012",
        "1_0",
        ".5",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "&a",
        "*a",
        "!t",
        "|",
        ">",
        "%",
        "@",
        "`",
        "\"",
        "'",
        "{",
        "[",
        "]",
        ",",
        "?",
        "? a",
        ":",
        "<<",
        "=",
        "---",
        "...",
        "2001-12-14",
        "12:30",
        " a",
        "a ",
        "a\nb",
        "a\n\n",
        "\t",
        "ü",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "😀",
        "true",
        ".inf",
        "-.nan",
        "+1",
    ];
    prop_oneof![prop::sample::select(odd.to_vec()).prop_map(str::to_owned), "[ -~]{0,12}", "\\PC{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn yaml_that_is_written_is_read_as_it_was_meant(value in value()) {
        let node = Node::from(&value);
        let text = write::document(&node);
        prop_assert_eq!(read::document(&text).unwrap().unwrap(), node, "{}", text);
        prop_assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value, "another reader: {}", text);
    }

    #[test]
    fn json_that_is_written_is_read_as_it_was_meant(value in value()) {
        let node = Node::from(&value);
        for text in [node.to_json(), node.to_json_pretty()] {
            prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value, "{}", text);
            prop_assert_eq!(read::document(&text).unwrap().unwrap(), Node::from(&value), "{}", text);
        }
    }

    #[test]
    fn an_addition_says_no_more_and_no_less(before in value(), added in value(), below in value()) {
        let pod = json!({"metadata": {"labels": before, "x": [below]}, "spec": [{"name": "a"}]});
        for text in [write::document(&Node::from(&pod)), Node::from(&pod).to_json_pretty()] {
            let mut node = read::document(&text).unwrap().unwrap();
            let path = |text: &str| -> Vec<String> { text.split('/').map(str::to_owned).collect() };
            for place in ["metadata/x/-", "metadata/y", "spec/0/volumeMounts", "spec/-"] {
                node.add(&path(place), Node::from(&added)).unwrap();
            }
            let edited = edit::document(&text, &node);
            prop_assert_eq!(read::document(&edited).unwrap().unwrap(), node, "{}", edited);
        }
    }

    #[test]
    fn no_input_makes_the_reader_panic(text in "(---|[-a:&*<{}\\[\\]\"'|>#!? \n]){0,60}") {
        if let Ok(found) = documents(&text) {
            let whole: String = found.iter().map(|found| found.head.clone() + &found.text).collect();
            prop_assert!(whole == text || text.trim_start().starts_with('{'), "{:?}", found);
        }
    }
}
