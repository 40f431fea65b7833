//! A document as a tree: the values that Kubernetes reads, and where each of them stands in the text.

use std::fmt::Write;
use std::ops::Range;

/// A value and its place. Two nodes are equal where Kubernetes reads the same: places and the order of keys are nobody's business.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it says.
    pub value: Value,
    /// Where it says so.
    pub place: Place,
}

/// What Kubernetes reads.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as JSON spells it: never through a float, which would change it.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the document; each key once.
    Map(Vec<(String, Node)>),
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere yet.
    New,
    /// Nowhere yet; it takes the place of what stands here.
    Instead(Range<usize>),
    /// A scalar, or a collection in brackets.
    Flow(Range<usize>),
    /// A collection by indentation: the column of its keys or dashes.
    Block {
        /// The column, counted from 0 in characters.
        column: usize,
    },
}

impl Node {
    /// A node that stands nowhere yet.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value, place: Place::New }
    }

    /// A text that stands nowhere yet.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Value::Text(text.into()))
    }

    /// A map that stands nowhere yet.
    #[must_use]
    pub fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Node)>) -> Self {
        Self::new(Value::Map(entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect()))
    }

    /// The value of a key, where this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(found, _)| found == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The value at the end of a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text, where this is one that is not empty.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The elements, where this is a list.
    #[must_use]
    pub fn elements(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// Sets a key of a map; anything else becomes a map with this key.
    pub fn set(&mut self, key: &str, node: Node) {
        if !matches!(self.value, Value::Map(_)) {
            *self = Node { value: Value::Map(Vec::new()), place: self.vacated() };
        }
        if let Value::Map(entries) = &mut self.value {
            match entries.iter_mut().find(|(found, _)| found == key) {
                Some((_, old)) => *old = Node { place: old.vacated(), ..node },
                None => entries.push((key.to_owned(), node)),
            }
        }
    }

    /// The place for what comes instead of this node.
    fn vacated(&self) -> Place {
        match &self.place {
            Place::Flow(range) | Place::Instead(range) => Place::Instead(range.clone()),
            Place::New | Place::Block { .. } => Place::New,
        }
    }

    /// Carries out an `add` (RFC 6902). Maps on the way that are not there are made: a template may lack what a Pod has.
    ///
    /// # Errors
    /// The path leads through a scalar, or to an element that a list does not have.
    pub fn add(&mut self, path: &[String], added: Node) -> Result<(), String> {
        let Some((key, rest)) = path.split_first() else {
            *self = Node { place: self.vacated(), ..added };
            return Ok(());
        };
        if let (Value::Null, false) = (&self.value, rest.is_empty() && key == "-") {
            *self = Node { value: Value::Map(Vec::new()), place: self.vacated() };
        }
        match &mut self.value {
            Value::Map(entries) => match entries.iter_mut().find(|(found, _)| found == key) {
                Some((_, node)) => node.add(rest, added),
                None => {
                    let mut node = Node::new(Value::Null);
                    node.add(rest, added)?;
                    entries.push((key.clone(), node));
                    Ok(())
                }
            },
            Value::List(elements) if rest.is_empty() && key == "-" => {
                elements.push(added);
                Ok(())
            }
            Value::List(elements) if rest.is_empty() => {
                let index = key.parse().ok().filter(|index| *index <= elements.len());
                elements.insert(index.ok_or_else(|| format!("there is no place {key}"))?, added);
                Ok(())
            }
            Value::List(elements) => {
                let element = key.parse().ok().and_then(|index: usize| elements.get_mut(index));
                element.ok_or_else(|| format!("there is no element {key}"))?.add(rest, added)
            }
            _ => Err(format!("there is no place for {key}")),
        }
    }

    /// The node as JSON in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, None);
        out
    }

    /// The node as JSON over several lines, without a line break at its end.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, Some(0));
        out
    }

    fn write_json(&self, out: &mut String, indent: Option<usize>) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => out.push_str(number),
            Value::Text(text) => out.push_str(&quoted(text)),
            Value::List(elements) => {
                let write = |element: &Node, out: &mut String, indent| element.write_json(out, indent);
                brackets(out, indent, ['[', ']'], elements, write);
            }
            Value::Map(entries) => {
                let write = |(key, node): &(String, Node), out: &mut String, indent: Option<usize>| {
                    out.push_str(&quoted(key));
                    out.push_str(if indent.is_some() { ": " } else { ":" });
                    node.write_json(out, indent);
                };
                brackets(out, indent, ['{', '}'], entries, write);
            }
        }
    }
}

fn brackets<T>(
    out: &mut String,
    indent: Option<usize>,
    [open, close]: [char; 2],
    items: &[T],
    write: impl Fn(&T, &mut String, Option<usize>),
) {
    let line = |out: &mut String, indent: Option<usize>| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", indent));
        }
    };
    out.push(open);
    let inner = indent.map(|indent| indent + 1);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(out, inner);
        write(item, out, inner);
    }
    if !items.is_empty() {
        line(out, indent);
    }
    out.push(close);
}

/// A text in double quotes: JSON and YAML read the same.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What YAML counts as a line break, a mark of byte order or not printable.
            '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other if other.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::Number(one), Value::Number(two)) | (Value::Text(one), Value::Text(two)) => one == two,
            (Value::List(one), Value::List(two)) => one == two,
            (Value::Map(one), Value::Map(two)) => {
                one.len() == two.len() && one.iter().all(|(key, node)| other.get(key) == Some(node))
            }
            _ => false,
        }
    }
}

impl From<&serde_json::Value> for Node {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        Self::new(match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.to_string()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(elements) => Value::List(elements.iter().map(Node::from).collect()),
            Json::Object(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.clone(), Node::from(value))).collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn additions_make_what_is_missing_on_their_way() {
        let mut node = Node::from(&json!({"spec": {"containers": [{"name": "a"}], "volumes": null}}));
        node.add(&path("metadata/labels/x"), Node::text("y")).unwrap();
        node.add(&path("spec/containers/0/volumeMounts"), Node::from(&json!([1]))).unwrap();
        node.add(&path("spec/containers/0/volumeMounts/-"), Node::from(&json!(2))).unwrap();
        node.add(&path("spec/volumes"), Node::from(&json!([]))).unwrap();
        let wanted = json!({
            "metadata": {"labels": {"x": "y"}},
            "spec": {"containers": [{"name": "a", "volumeMounts": [1, 2]}], "volumes": []},
        });
        assert_eq!(node, Node::from(&wanted));
        assert!(node.add(&path("spec/containers/7/x"), Node::text("")).is_err());
        assert!(node.add(&path("spec/containers/0/name/x"), Node::text("")).is_err());
    }

    #[test]
    fn equal_is_what_kubernetes_reads() {
        let (one, two) = (Node::from(&json!({"a": 1, "b": [2]})), Node::from(&json!({"b": [2], "a": 1})));
        assert_eq!(one, two);
        assert_ne!(one, Node::from(&json!({"a": "1", "b": [2]})));
        assert_ne!(one, Node::from(&json!({"a": 1, "b": [2], "c": null})));
    }

    #[test]
    fn json_is_read_back_by_others() {
        let value = json!({"a": [1, true, null, {}, []], "quote\"\\": "line\nbreak\u{7f}\u{2028}ü", "n": 1.5});
        let node = Node::from(&value);
        for text in [node.to_json(), node.to_json_pretty()] {
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value, "{text}");
        }
        assert_eq!(Node::from(&json!({"a": [1]})).to_json_pretty(), "{\n  \"a\": [\n    1\n  ]\n}");
    }
}
