//! Claims, and remarks on what is none, as one stream of documents. Pure.

use super::manifest;
use crate::cli::manifest::node::Node;
use crate::cli::manifest::write;
use crate::cli::print::{Format, tame};

/// What is printed for one object.
#[derive(Debug)]
pub enum Entry {
    /// A manifest.
    Manifest(Node),
    /// A manifest that nobody should apply as it is, and what has to be known first, a line each.
    Remark(Vec<String>, Option<Node>),
}

/// The stream: YAML documents, remarks as comments; or one JSON `List`, which has no place for remarks. Nothing for nothing.
#[must_use]
pub fn stream(entries: &[Entry], format: Format) -> String {
    match format {
        Format::Json => {
            let manifests = entries.iter().filter_map(|entry| match entry {
                Entry::Manifest(node) => Some(node.clone()),
                Entry::Remark(..) => None,
            });
            manifest::list(&manifests.collect::<Vec<_>>()).to_json_pretty() + "\n"
        }
        Format::Yaml => {
            let mut out = String::new();
            for entry in entries {
                if !out.is_empty() {
                    out.push_str("---\n");
                }
                match entry {
                    Entry::Manifest(node) => out.push_str(&write::document(node)),
                    Entry::Remark(lines, node) => {
                        let commented = node.as_ref().map(write::document).unwrap_or_default();
                        for line in lines.iter().flat_map(|line| line.lines()).chain(commented.lines()) {
                            out.push_str(&format!("# {}\n", tame(line)));
                        }
                    }
                }
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn remarks_are_comments_and_manifests_are_documents() {
        let node = Node::from(&json!({"kind": "A"}));
        let entries = [Entry::Remark(vec!["not\nthis".into()], Some(node.clone())), Entry::Manifest(node)];
        assert_eq!(stream(&entries, Format::Yaml), "# not\n# this\n# kind: A\n---\nkind: A\n");
        let json: serde_json::Value = serde_json::from_str(&stream(&entries, Format::Json)).unwrap();
        assert_eq!(json, json!({"apiVersion": "v1", "kind": "List", "items": [{"kind": "A"}]}));
        assert_eq!(stream(&[], Format::Yaml), "");
    }
}
