//! Nodes as YAML, in the plain style that people and kubectl write.

use super::node::{Node, Value, quoted};
use super::scalar::plain;

/// A node as the lines of a document, each with a line break.
#[must_use]
pub fn document(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => map(entries, 0, &mut out),
        Value::List(elements) if !elements.is_empty() => list(elements, 0, &mut out),
        _ => {
            out.push_str(&inline(node));
            out.push('\n');
        }
    }
    out
}

/// The lines of entries of a map, at this column.
pub fn map<'n>(entries: impl IntoIterator<Item = &'n (String, Node)>, column: usize, out: &mut String) {
    for (key, node) in entries {
        indent(column, out);
        entry(key, node, column, out);
    }
}

/// The lines of elements of a list, whose dashes stand at this column.
pub fn list<'n>(elements: impl IntoIterator<Item = &'n Node>, column: usize, out: &mut String) {
    for element in elements {
        indent(column, out);
        out.push('-');
        match &element.value {
            Value::Map(entries) if !entries.is_empty() => {
                let mut first = true;
                for (key, node) in entries {
                    if first {
                        out.push(' ');
                    } else {
                        indent(column + 2, out);
                    }
                    first = false;
                    entry(key, node, column + 2, out);
                }
            }
            Value::List(elements) if !elements.is_empty() => {
                out.push('\n');
                list(elements, column + 2, out);
            }
            _ => {
                out.push(' ');
                out.push_str(&inline(element));
                out.push('\n');
            }
        }
    }
}

/// A node in one line.
#[must_use]
pub fn flow(node: &Node) -> String {
    match &node.value {
        Value::List(elements) => format!("[{}]", elements.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| format!("{}: {}", text(key), flow(node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        _ => inline(node),
    }
}

fn entry(key: &str, node: &Node, column: usize, out: &mut String) {
    out.push_str(&text(key));
    out.push(':');
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            map(entries, column + 2, out);
        }
        // As kubectl writes it: the dashes stand below the key.
        Value::List(elements) if !elements.is_empty() => {
            out.push('\n');
            list(elements, column, out);
        }
        _ => {
            out.push(' ');
            out.push_str(&inline(node));
            out.push('\n');
        }
    }
}

fn indent(column: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', column));
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Text(value) => text(value),
        _ => node.to_json(),
    }
}

/// A text, in quotes wherever any reader could take it for something else.
fn text(value: &str) -> String {
    let safe = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte))
        && matches!(plain(value), Value::Text(_));
    if safe { value.to_owned() } else { quoted(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        let value = json!({
            "yes": "yes", "n": "1e3", "hex": "0x1f", "date": "2001-12-14", "empty": "", "plain": "a/b-c.d_e", "path": "/var/run",
            "colon": "a: b", "dash": "- a", "hash": "a #b", "lines": "a\nb\n", "null": "null", "star": "*a", "space": " a",
        });
        let text = document(&Node::from(&value));
        let wanted = "colon: \"a: b\"\ndash: \"- a\"\ndate: \"2001-12-14\"\nempty: \"\"\nhash: \"a #b\"\nhex: \"0x1f\"\n\
                      lines: \"a\\nb\\n\"\n\"n\": \"1e3\"\n\"null\": \"null\"\npath: /var/run\nplain: a/b-c.d_e\nspace: \" a\"\n\
                      star: \"*a\"\n\"yes\": \"yes\"\n";
        assert_eq!(text, wanted);
        assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn structures_are_written_as_kubectl_does() {
        let value = json!({"a": {"b": [{"c": 1, "d": [2, 3]}, [4, []], {}]}, "e": {}});
        let text = document(&Node::from(&value));
        assert_eq!(text, "a:\n  b:\n  - c: 1\n    d:\n    - 2\n    - 3\n  -\n    - 4\n    - []\n  - {}\ne: {}\n");
        assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(document(&Node::from(&json!([]))), "[]\n");
    }
}
