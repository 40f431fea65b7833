//! Additions written into the author's own text: comments, quotes and order stay as they are.

use super::node::{Node, Place, Value};
use super::{read, write};

/// How a node is written into a line.
type Inline = fn(&Node) -> String;

/// One insertion.
struct Insertion {
    from: usize,
    to: usize,
    text: String,
}

/// The text of a document in which `wanted` is said. `wanted` is what was read from `text`, with additions that stand nowhere yet.
///
/// Where an addition cannot be written into the author's text, as in the middle of an alias, the document is written anew from
/// what it says; comments are lost then.
#[must_use]
pub fn document(text: &str, wanted: &Node) -> String {
    let mut insertions = Vec::new();
    // What is added to a JSON document must be JSON too.
    let inline: Inline = if text.trim_start().starts_with('{') { Node::to_json } else { write::flow };
    if gather(wanted, text, inline, &mut insertions).is_some() {
        // From the back: what comes first in the text is not moved by what comes later. Where an inner collection ends with an
        // outer one, the inner one's additions stand first, so they are written last.
        insertions.reverse();
        insertions.sort_by_key(|insertion| std::cmp::Reverse(insertion.from));
        let mut edited = text.to_owned();
        let fits = insertions.iter().all(|Insertion { from, to, .. }| from <= to && edited.get(*from..*to).is_some());
        if fits {
            for Insertion { from, to, text } in &insertions {
                edited.replace_range(from..to, text);
            }
            // Seen to be right, rather than believed to be.
            if read::document(&edited).is_ok_and(|found| found.as_ref() == Some(wanted)) {
                return edited;
            }
        }
    }
    write::document(wanted)
}

/// Finds where the additions of a node and of all below it go; nothing where one has no place.
fn gather(node: &Node, text: &str, inline: Inline, found: &mut Vec<Insertion>) -> Option<()> {
    let children = members(node);
    let is_old = |child: &&&Node| child.place != Place::New;
    // What comes before the first that stands there; a collection where nothing does is appended to.
    let early = children.iter().position(|child| is_old(&child)).unwrap_or(0);
    let old = early + children.iter().skip(early).take_while(is_old).count();
    if children.iter().skip(old).any(|child| is_old(&child)) {
        return None;
    }
    if early > 0 {
        found.push(prepend(node, early, text, inline)?);
    }
    for child in children.iter().take(old).skip(early) {
        match &child.place {
            Place::Instead(range) => {
                // A value that is not written at all ends right behind the colon.
                let space = if range.is_empty() { " " } else { "" };
                found.push(Insertion { from: range.start, to: range.end, text: space.to_owned() + &inline(child) });
            }
            _ => gather(child, text, inline, found)?,
        }
    }
    if old < children.len() {
        found.push(append(node, old, text, inline)?);
    }
    Some(())
}

/// The first elements of a list, as an insertion before those that stand there.
fn prepend(node: &Node, early: usize, text: &str, inline: Inline) -> Option<Insertion> {
    let Value::List(elements) = &node.value else { return None };
    match &node.place {
        Place::Flow(range) => {
            let added: Vec<String> = elements.iter().take(early).map(inline).collect();
            let at = range.start + 1;
            Some(Insertion { from: at, to: at, text: format!("{}, ", added.join(", ")) })
        }
        Place::Block { column } => {
            let first = start(elements.get(early)?)?;
            let at = text.get(..first)?.rfind('\n').map_or(0, |found| found + 1);
            let mut lines = String::new();
            write::list(elements.iter().take(early), *column, &mut lines);
            Some(Insertion { from: at, to: at, text: lines })
        }
        Place::New | Place::Instead(_) => None,
    }
}

/// What a collection says beyond its first `old` members, as an insertion behind them.
fn append(node: &Node, old: usize, text: &str, inline: Inline) -> Option<Insertion> {
    match &node.place {
        Place::Flow(range) => {
            let at = range.end.checked_sub(1)?;
            let members: Vec<String> = match &node.value {
                Value::List(elements) => elements.iter().skip(old).map(inline).collect(),
                Value::Map(entries) => {
                    let entry =
                        |(key, node): &(String, Node)| format!("{}: {}", inline(&Node::text(key)), inline(node));
                    entries.iter().skip(old).map(entry).collect()
                }
                _ => return None,
            };
            let before = text.get(range.start..at)?.trim_end();
            // Behind the last member, not behind the line break or the space before the bracket.
            let at = range.start + before.len();
            let comma = match before {
                _ if before.len() <= 1 => "",
                _ if before.ends_with(',') => " ",
                _ => ", ",
            };
            Some(Insertion { from: at, to: at, text: format!("{comma}{}", members.join(", ")) })
        }
        Place::Block { column } => {
            let at = end(node)?;
            // Behind the line on which the last member ends, and behind its comment.
            let starts_a_line = at == 0 || text.get(..at)?.ends_with('\n');
            let at =
                if starts_a_line { at } else { text.get(at..)?.find('\n').map_or(text.len(), |found| at + found + 1) };
            let mut lines = String::new();
            if !text.get(..at)?.ends_with('\n') {
                lines.push('\n');
            }
            match &node.value {
                Value::List(elements) => write::list(elements.iter().skip(old), *column, &mut lines),
                Value::Map(entries) => write::map(entries.iter().skip(old), *column, &mut lines),
                _ => return None,
            }
            Some(Insertion { from: at, to: at, text: lines })
        }
        Place::New | Place::Instead(_) => None,
    }
}

/// The members of a collection.
fn members(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::List(elements) => elements.iter().collect(),
        Value::Map(entries) => entries.iter().map(|(_, node)| node).collect(),
        _ => Vec::new(),
    }
}

/// Where a node begins in the text, as far as its scalars tell.
fn start(node: &Node) -> Option<usize> {
    match &node.place {
        Place::Flow(range) | Place::Instead(range) => Some(range.start),
        Place::Block { .. } => members(node).into_iter().filter_map(start).min(),
        Place::New => None,
    }
}

/// Where a node ends in the text, without what is new in it.
fn end(node: &Node) -> Option<usize> {
    match &node.place {
        Place::Flow(range) | Place::Instead(range) => Some(range.end),
        Place::Block { .. } => {
            let old = members(node).into_iter().filter(|child| child.place != Place::New);
            old.map(end).collect::<Option<Vec<usize>>>()?.into_iter().max()
        }
        Place::New => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Adds to what a text says, and checks that the text then says it.
    fn add(text: &str, additions: &[(&str, serde_json::Value)]) -> String {
        let mut node = read::document(text).unwrap().unwrap();
        for (path, value) in additions {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            node.add(&path, Node::from(value)).unwrap();
        }
        let edited = document(text, &node);
        assert_eq!(read::document(&edited).unwrap().unwrap(), node, "{edited}");
        edited
    }

    #[test]
    fn comments_quotes_and_order_stay() {
        let text = "# head\nspec:   # here\n  list:\n    - name: 'a'   # first\n      value: \"yes\"\n\n  # below\n  z: 0x1f\nkind: Pod\n";
        let found = add(
            text,
            &[("spec/list/-", json!({"name": "b"})), ("spec/list/0/x", json!([1])), ("spec/new", json!("n"))],
        );
        let wanted = "# head\nspec:   # here\n  list:\n    - name: 'a'   # first\n      value: \"yes\"\n      x:\n      - 1\n    - name: b\n\n  # below\n  z: 0x1f\n  new: \"n\"\nkind: Pod\n";
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_element_can_come_before_others() {
        assert_eq!(add("a:\n- k\n- l\n", &[("a/0", json!("j"))]), "a:\n- j\n- k\n- l\n");
        assert_eq!(
            add("a:\n  # first\n  - n: k # here\n", &[("a/0", json!("j")), ("a/1/m", json!(1))]),
            "a:\n  # first\n  - j\n  - n: k # here\n    m: 1\n"
        );
        assert_eq!(add("a: [k]\n", &[("a/0", json!("j"))]), "a: [j, k]\n");
    }

    #[test]
    fn brackets_stay_brackets() {
        assert_eq!(
            add("{\"a\": [1, 2], \"b\": {}}", &[("a/-", json!(3)), ("b/c", json!("d"))]),
            "{\"a\": [1, 2, 3], \"b\": {\"c\": \"d\"}}"
        );
        assert_eq!(add("a: {b: [\n  x,\n]}\n", &[("a/b/-", json!("y"))]), "a: {b: [\n  x, \"y\"\n]}\n");
        assert_eq!(add("a: null\nb: ~ # c\n", &[("a", json!({"k": 1})), ("b", json!([]))]), "a: {k: 1}\nb: [] # c\n");
    }

    #[test]
    fn block_texts_and_missing_line_breaks_are_no_trouble() {
        assert_eq!(add("a:\n  b: |\n    x\n    y", &[("a/c", json!(1))]), "a:\n  b: |\n    x\n    y\n  c: 1\n");
        let found = add("a:\n- b: |\n    x\n\n    y\n\nc: 1\n", &[("a/0/d", json!(1)), ("a/-", json!({"e": 2}))]);
        assert!(found.contains("    y\n"), "{found}");
        assert_eq!(
            add("a:\r\n  b: 1\r\nc: 2\r\n", &[("a/d", json!(3))]).replace('\r', ""),
            "a:\n  b: 1\n  d: 3\nc: 2\n"
        );
        add("a: |+\n  x\n\n\nb: |2\n    y\n", &[("c", json!(1))]);
        add("a:\nb:\n", &[("a/c", json!(1)), ("b", json!({"d": 1}))]);
    }

    #[test]
    fn what_others_share_is_not_changed_for_them() {
        let text = "one: &x\n  list: [1]\ntwo: *x\nthree:\n  <<: *x\n  k: v\n";
        for path in ["one/list/-", "two/list/-", "three/list/-"] {
            let found = add(text, &[(path, json!(2))]);
            assert!(!found.contains('*'), "the document must be written anew: {found}");
        }
        let found = add(text, &[("three/new", json!(2))]);
        assert_eq!(found, format!("{text}  new: 2\n"));
    }
}
