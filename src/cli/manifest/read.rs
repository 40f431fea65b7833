//! One document of YAML or JSON, read into a tree that knows where everything stands.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use super::node::{Node, Place, Value};
use super::scalar::plain;

/// Nodes of one document, aliases written out: a document of a few lines can stand for billions.
const MAX_NODES: usize = 2_000_000;
/// Levels of one document: deeper ones would overflow the stack of whoever walks them.
const MAX_DEPTH: usize = 200;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no YAML.
    #[error("line {line}, column {column}: {info}")]
    Syntax {
        /// The line, counted from 1 in the document.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What the parser says.
        info: String,
    },
    /// A key is a list or a map.
    #[error("line {0}: a key of a map must be a plain text")]
    Key(usize),
    /// `<<` stands before something else than a map.
    #[error("line {0}: only maps can be merged by \"<<\"")]
    Merge(usize),
    /// It holds more than anybody can want.
    #[error("it has more than {MAX_NODES} values or {MAX_DEPTH} levels, once its aliases are written out")]
    TooLarge,
}

impl From<ScanError> for ReadError {
    fn from(error: ScanError) -> Self {
        let mark = error.marker();
        Self::Syntax { line: mark.line(), column: mark.col() + 1, info: error.info() }
    }
}

/// Reads the first document of a text; nothing where there is none.
///
/// # Errors
/// [`ReadError`].
pub fn document(text: &str) -> Result<Option<Node>, ReadError> {
    let mut builder = Builder { text, open: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

/// How much a node is, aliases written out.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

const SCALAR: Size = Size { nodes: 1, depth: 0 };

/// A collection that is not complete yet.
struct Open {
    place: Place,
    anchor: usize,
    kind: Kind,
    size: Size,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<(String, Node)>, key: Option<Key>, merged: Vec<Node> },
}

struct Key {
    text: String,
    merges: bool,
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ReadError> {
        let range = span.byte_range().unwrap_or_default();
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = tag.as_deref().and_then(|tag| tag.core_suffix());
                let is_plain = style == ScalarStyle::Plain && kind != Some("str");
                let value = if is_plain { plain(&text) } else { Value::Text(text.to_string()) };
                let node = Node { value, place: Place::Flow(range) };
                if anchor > 0 {
                    self.anchors.insert(anchor, (node.clone(), SCALAR));
                }
                self.nodes += 1;
                if self.wants_key() {
                    self.key(&text, is_plain && *text == *"<<")
                } else {
                    self.finish(node, SCALAR, line)
                }
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
                self.nodes += size.nodes;
                if !self.wants_key() {
                    return self.finish(node, size, line);
                }
                let Value::Text(text) = &node.value else { return Err(ReadError::Key(line)) };
                self.key(text, false)
            }
            Event::SequenceStart(style, anchor, _) => self.begin(style, &span, anchor, Kind::List(Vec::new())),
            Event::MappingStart(style, anchor, _) => {
                self.begin(style, &span, anchor, Kind::Map { entries: Vec::new(), key: None, merged: Vec::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { place, anchor, kind, size }) = self.open.pop() else { return Ok(()) };
                let place = match place {
                    Place::Flow(from) => Place::Flow(from.start..range.end),
                    other => other,
                };
                let value = match kind {
                    Kind::List(elements) => Value::List(elements),
                    Kind::Map { entries, merged, .. } => Value::Map(merge(entries, merged, line)?),
                };
                let node = Node { value, place };
                if anchor > 0 {
                    self.anchors.insert(anchor, (node.clone(), size));
                }
                self.finish(node, size, line)
            }
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, merges: bool) -> Result<(), ReadError> {
        if let Some(Open { kind: Kind::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(Key { text: text.to_owned(), merges });
        }
        self.within_limits(0)
    }

    fn begin(&mut self, style: StructureStyle, span: &Span, anchor: usize, kind: Kind) -> Result<(), ReadError> {
        if self.wants_key() {
            return Err(ReadError::Key(span.start.line()));
        }
        let place = match style {
            StructureStyle::Block => Place::Block { column: self.column(span, &kind) },
            StructureStyle::Flow => Place::Flow(span.byte_range().unwrap_or_default()),
        };
        self.nodes += 1;
        self.open.push(Open { place, anchor, kind, size: SCALAR });
        self.within_limits(0)
    }

    /// The column of a collection's keys or dashes. Of a list whose dashes stand right below its key, the parser tells the column
    /// behind the first dash.
    fn column(&self, span: &Span, kind: &Kind) -> usize {
        let found = span.start.col();
        let (Kind::List(_), Some(Open { place: Place::Block { column }, kind: Kind::Map { .. }, .. })) =
            (kind, self.open.last())
        else {
            return found;
        };
        let before = span.start.byte_offset().and_then(|at| self.text.get(..at)).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let margin = line.chars().take_while(|c| *c == ' ').count();
        if margin == *column && line.trim_start().starts_with('-') { margin } else { found }
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, size: Size, line: usize) -> Result<(), ReadError> {
        self.within_limits(size.depth)?;
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.size.nodes += size.nodes;
        parent.size.depth = parent.size.depth.max(size.depth + 1);
        match &mut parent.kind {
            Kind::List(elements) => elements.push(node),
            Kind::Map { entries, key, merged } => match key.take() {
                Some(Key { merges: true, .. }) => match &node.value {
                    Value::Map(_) => merged.push(node),
                    Value::List(maps) => merged.extend(maps.iter().cloned()),
                    _ => return Err(ReadError::Merge(line)),
                },
                // The last one counts, as for kubectl.
                Some(Key { text, .. }) => match entries.iter_mut().find(|(found, _)| *found == text) {
                    Some((_, old)) => *old = node,
                    None => entries.push((text, node)),
                },
                None => {}
            },
        }
        Ok(())
    }

    fn within_limits(&self, below: usize) -> Result<(), ReadError> {
        let sound = self.nodes <= MAX_NODES && self.open.len() + below <= MAX_DEPTH;
        if sound { Ok(()) } else { Err(ReadError::TooLarge) }
    }
}

/// A map with what it merges: its own keys come first, then those of earlier maps.
fn merge(mut entries: Vec<(String, Node)>, merged: Vec<Node>, line: usize) -> Result<Vec<(String, Node)>, ReadError> {
    for node in merged {
        let Value::Map(more) = node.value else { return Err(ReadError::Merge(line)) };
        for (key, node) in more {
            if !entries.iter().any(|(found, _)| *found == key) {
                entries.push((key, node));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        document(text).unwrap().unwrap().to_json()
    }

    #[test]
    fn values_are_what_kubectl_sends() {
        let text =
            "a: [yes, \"yes\", 'y', 0644, !!str 7, 1e3, \"0x1f\"]\nb: |\n  x\n\n  y\nc: >-\n  x\n  y\n? d\n: ~\n1: x\n";
        assert_eq!(
            json(text),
            r#"{"a":[true,"yes","y",420,"7",1e3,"0x1f"],"b":"x\n\ny\n","c":"x y","d":null,"1":"x"}"#
        );
        assert_eq!(json("a: 1\na: 2\n"), r#"{"a":2}"#);
        assert!(document("# nothing\n").unwrap().is_none());
        assert_eq!(json(r#"{"a": "\u00fc\/", "b": [1.50, true]}"#), "{\"a\":\"ü/\",\"b\":[1.50,true]}");
    }

    #[test]
    fn aliases_and_merges_are_written_out() {
        let text = "base: &b {x: 1, y: 2}\nall: *b\nown:\n  <<: *b\n  y: 3\nboth:\n  <<: [{y: 4}, *b]\n";
        let wanted = r#"{"base":{"x":1,"y":2},"all":{"x":1,"y":2},"own":{"y":3,"x":1},"both":{"y":4,"x":1}}"#;
        assert_eq!(json(text), wanted);
        assert_eq!(json("a: &k key\nb: {*k : 1}\n\"<<\": 2\n"), r#"{"a":"key","b":{"key":1},"<<":2}"#);
    }

    #[test]
    fn places_lead_back_into_the_text() {
        let text = "a:\n  b: [x, yz]\n  c:\n  - d: 1\n";
        let node = document(text).unwrap().unwrap();
        assert_eq!(node.place, Place::Block { column: 0 });
        assert_eq!(node.get("a").unwrap().place, Place::Block { column: 2 });
        let list = node.at(&["a", "b"]).unwrap();
        let Place::Flow(range) = &list.place else { panic!("{:?}", list.place) };
        assert_eq!(text.get(range.clone()), Some("[x, yz]"));
        let block = node.at(&["a", "c"]).unwrap();
        assert_eq!(block.place, Place::Block { column: 2 });
        assert_eq!(block.elements().unwrap()[0].place, Place::Block { column: 4 });
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |text: &str| document(text).unwrap_err().to_string();
        assert!(error("a: [1\nb: 2\n").starts_with("line "), "{}", error("a: [1\nb: 2\n"));
        assert!(error("{[a]: 1}").contains("must be a plain text"));
        assert!(error("<<: 1").contains("only maps"));
        let bomb: String = (1..12).fold("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned(), |text, n| {
            let alias = format!("*a{}", n - 1);
            format!("{text}a{n}: &a{n} [{}]\n", vec![alias; 8].join(", "))
        });
        assert!(error(&bomb).contains("more than"), "{}", error(&bomb));
        assert!(document(&"[".repeat(5000)).is_err());
        assert!(document(&format!("{}{}", "[".repeat(300), "]".repeat(300))).is_err());
    }
}
