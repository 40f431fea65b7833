//! Manifests as people write them: many documents in a file, YAML or JSON. Pure.
//!
//! What nobody has to change is never read and written again: it stays the text that it was.

pub mod edit;
pub mod node;
pub mod pods;
pub mod read;
pub mod scalar;
pub mod write;

use node::Node;
use read::ReadError;

/// One document of a stream.
#[derive(Debug)]
pub struct Document {
    /// The line that separates it from the one before, if there is one.
    pub head: String,
    /// Its text.
    pub text: String,
    /// What it says; nothing where it holds comments alone.
    pub node: Option<Node>,
    /// The line of the stream on which its text begins, counted from 1.
    pub line: usize,
}

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the document that begins on line {line} cannot be read: {source}")]
pub struct Unreadable {
    line: usize,
    source: ReadError,
}

/// Reads a stream of documents: YAML separated by `---`, or JSON objects one behind the other.
///
/// # Errors
/// [`Unreadable`]: the first document that is neither.
pub fn documents(text: &str) -> Result<Vec<Document>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    for Chunk { head, text, line } in split(text) {
        match read::document(text) {
            Ok(node) if !several(text) => {
                found.push(Document { head: head.to_owned(), text: text.to_owned(), node, line });
            }
            read => match (json_objects(text), read) {
                (Some(objects), _) => {
                    for (index, object) in objects.into_iter().enumerate() {
                        let node = Some(Node::from(&object));
                        let text = node.as_ref().map(|node| node.to_json_pretty() + "\n").unwrap_or_default();
                        let head = if index == 0 { head } else { "---\n" };
                        found.push(Document { head: head.to_owned(), text, node, line });
                    }
                }
                (None, Ok(node)) => found.push(Document { head: head.to_owned(), text: text.to_owned(), node, line }),
                (None, Err(source)) => return Err(Unreadable { line, source }),
            },
        }
    }
    Ok(found)
}

/// The objects of a document, those in Lists one by one.
#[must_use]
pub fn objects(document: &Node) -> Vec<Node> {
    let kind = document.get("kind").and_then(Node::as_text).unwrap_or_default();
    let (Some(of), Some(items)) = (kind.strip_suffix("List"), document.get("items").and_then(Node::elements)) else {
        return vec![document.clone()];
    };
    let inside = items.iter().flat_map(|item| {
        let mut item = item.clone();
        // The members of a list of one kind, as a client may write it, need not say theirs.
        if item.get("kind").is_none() && !of.is_empty() {
            item.set("kind", Node::text(of));
            item.set("apiVersion", document.get("apiVersion").cloned().unwrap_or_else(|| Node::text("")));
        }
        objects(&item)
    });
    inside.collect()
}

struct Chunk<'t> {
    head: &'t str,
    text: &'t str,
    line: usize,
}

/// Cuts a stream at its separators. A line that begins with `---` is one wherever it stands (YAML 1.2, §9.1.2).
fn split(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut head, mut start, mut line) = (0..0, 0, 1);
    let (mut at, mut number) = (0, 1);
    let piece = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    for row in text.split_inclusive('\n') {
        let rest = row.strip_prefix("---");
        // What follows on the line of the separator belongs to the document.
        if rest.is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with('#')) {
            if at > 0 {
                chunks.push(Chunk { head: piece(head), text: piece(start..at), line });
            }
            (head, start, line) = (at..at + row.len(), at + row.len(), number + 1);
        } else if rest.is_some_and(|rest| rest.starts_with([' ', '\t'])) {
            if at > 0 {
                chunks.push(Chunk { head: piece(head), text: piece(start..at), line });
            }
            (head, start, line) = (at..at, at, number);
        }
        at += row.len();
        number += 1;
    }
    chunks.push(Chunk { head: piece(head), text: piece(start..text.len()), line });
    chunks
}

/// Whether a text could be several JSON objects, of which a reader of YAML sees the first alone.
fn several(text: &str) -> bool {
    let text = text.trim_start();
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    text.starts_with('{') && matches!((objects.next(), objects.next()), (Some(Ok(_)), Some(Ok(_))))
}

/// The JSON objects of a text, if it is nothing else.
fn json_objects(text: &str) -> Option<Vec<serde_json::Value>> {
    let text = text.trim_start();
    let objects = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    text.starts_with('{').then(|| objects.collect::<Result<Vec<_>, _>>().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(String, String)> {
        documents(text).unwrap().into_iter().map(|found| (found.head, found.text)).collect()
    }

    #[test]
    fn a_stream_is_the_sum_of_its_documents() {
        for text in [
            "a: 1\n---\nb: 2\n",
            "---\na: 1\n--- # second\nb: |\n  x\n---\n# nothing\n---\n",
            "a: 1",
            "",
            "--- {a: 1}\n---\tb\n",
            "# licence\n---\na: 1\n...\n---\nb: 1\n",
            "a: |\n ---\n x\n----: 1\n",
            "{\"a\": 1}\n",
        ] {
            let whole: String = texts(text).into_iter().map(|(head, text)| head + &text).collect();
            assert_eq!(whole, text);
        }
        assert_eq!(texts("a: 1\n---\nb: 2\n").len(), 2);
        assert_eq!(texts("\u{feff}a: 1\n")[0].1, "a: 1\n");
    }

    #[test]
    fn json_objects_may_follow_each_other() {
        let found = documents("{\"a\": 1}\n{\"b\": \"\\ud83d\\ude00\"}\n").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].node.as_ref().unwrap().to_json(), "{\"b\":\"😀\"}");
        let one = documents("{\"b\": \"\\ud83d\\ude00\"}\n").unwrap();
        assert_eq!(one[0].node.as_ref().unwrap().to_json(), "{\"b\":\"😀\"}");
    }

    #[test]
    fn lists_are_taken_apart() {
        let of = |text: &str| objects(documents(text).unwrap()[0].node.as_ref().unwrap());
        let kinds = |text: &str| -> Vec<String> {
            let found =
                of(text).into_iter().filter_map(|object| object.get("kind").and_then(Node::as_text).map(str::to_owned));
            found.collect()
        };
        assert_eq!(kinds("{kind: List, items: [{kind: A}, {kind: List, items: [{kind: B}]}]}"), ["A", "B"]);
        assert_eq!(kinds("{kind: TopicClaimList, apiVersion: x/v1, items: [{metadata: {}}]}"), ["TopicClaim"]);
        assert_eq!(kinds("{kind: A}"), ["A"]);
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = documents("a: 1\n---\nb: [\n").unwrap_err().to_string();
        assert!(error.starts_with("the document that begins on line 3 cannot be read: line "), "{error}");
    }
}
