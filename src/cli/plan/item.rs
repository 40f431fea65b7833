//! What would change, as data and as a person reads it.

use serde::Serialize;

use crate::api::reasons::Reason;
use crate::cli::print::{Paint, tame};

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Something that comes to be.
    Add,
    /// Something that changes.
    Change,
    /// Something that goes.
    Remove,
    /// Something that is asked for and will not be.
    Refused,
    /// Something that differs, and is left as it is.
    Kept,
    /// Something that is not known here.
    Unknown,
}

impl Mark {
    const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Remove => "-",
            Self::Refused => "!",
            Self::Kept => "=",
            Self::Unknown => "?",
        }
    }

    /// By SGR: green, yellow, red, red and bold, faint, cyan.
    const fn colour(self) -> &'static str {
        match self {
            Self::Add => "32",
            Self::Change => "33",
            Self::Remove => "31",
            Self::Refused => "1;31",
            Self::Kept => "2",
            Self::Unknown => "36",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it tells of.
    pub mark: Mark,
    /// What it says.
    pub says: String,
    /// The stable code, of what is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Line {
    /// A line that says something.
    #[must_use]
    pub fn new(mark: Mark, says: impl Into<String>) -> Self {
        Self { mark, says: says.into(), reason: None, remedy: None }
    }

    /// A line of what is refused, with the remedy of its reason.
    #[must_use]
    pub fn refused(reason: &str, says: impl Into<String>) -> Self {
        let remedy = Reason::of_code(reason).map(|reason| reason.remedy().to_owned());
        Self { mark: Mark::Refused, says: says.into(), reason: Some(reason.to_owned()), remedy }
    }
}

/// What would become of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The object: kind, namespace and name.
    pub object: String,
    /// Where it is written.
    pub source: String,
    /// The `BrokerCluster`, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// What would change, in order; nothing where nothing would.
    pub changes: Vec<Line>,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// What comes to be.
    pub add: usize,
    /// What changes.
    pub change: usize,
    /// What goes.
    pub remove: usize,
    /// What is refused.
    pub refused: usize,
    /// What is not known.
    pub unknown: usize,
    /// Objects of which nothing changes.
    pub unchanged: usize,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of(items: &[Item]) -> Self {
        let count = |mark| items.iter().flat_map(|item| &item.changes).filter(|line| line.mark == mark).count();
        Self {
            add: count(Mark::Add),
            change: count(Mark::Change),
            remove: count(Mark::Remove),
            refused: count(Mark::Refused),
            unknown: count(Mark::Unknown),
            unchanged: items.iter().filter(|item| item.changes.is_empty()).count(),
        }
    }

    /// Whether there is something to do.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.add + self.change + self.remove > 0
    }

    fn sentence(&self) -> String {
        let unchanged = format!("{} unchanged", self.unchanged);
        if !self.changes() && self.refused == 0 && self.unknown == 0 {
            return format!("nothing to do: {unchanged}");
        }
        let parts = [
            (self.add, "to add"),
            (self.change, "to change"),
            (self.remove, "to remove"),
            (self.refused, "refused"),
            (self.unknown, "not known here"),
        ];
        let told = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        told.chain([unchanged]).collect::<Vec<_>>().join(", ")
    }
}

/// The page that a person reads.
#[must_use]
pub fn page(items: &[Item], summary: &Summary, paint: Paint) -> String {
    let mut out = String::new();
    for item in items.iter().filter(|item| !item.changes.is_empty()) {
        let source =
            if item.cluster.is_empty() { item.source.clone() } else { format!("{} on {}", item.source, item.cluster) };
        out.push_str(&format!("{}  {}\n", paint.bold(&tame(&item.object)), paint.dim(&tame(&source))));
        for Line { mark, says, reason, remedy } in &item.changes {
            let reason = reason.as_ref().map(|reason| format!("{reason}: ")).unwrap_or_default();
            let line = format!("{} {}{}", mark.sign(), tame(&reason), tame(says));
            out.push_str(&format!("  {}\n", paint.with(mark.colour(), &line)));
            if let Some(remedy) = remedy {
                out.push_str(&format!("      → {}\n", tame(remedy)));
            }
        }
        out.push('\n');
    }
    out.push_str(&format!("{}\n", paint.bold(&summary.sentence())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(changes: Vec<Line>) -> Item {
        Item { object: "TopicClaim shop/orders".into(), source: "a.yaml:1".into(), cluster: "a/b".into(), changes }
    }

    #[test]
    fn a_page_is_a_diff_with_a_sum() {
        let items = [
            item(vec![
                Line::new(Mark::Add, "create topic orders: 12 partitions"),
                Line::refused("TopicConflict", "claimed already"),
            ]),
            item(Vec::new()),
        ];
        let text = page(&items, &Summary::of(&items), Paint::new(false));
        let wanted = "TopicClaim shop/orders  a.yaml:1 on a/b\n  + create topic orders: 12 partitions\n  ! TopicConflict: claimed already\n      \
                      → Remove one of the two TopicClaims.\n\n1 to add, 1 refused, 1 unchanged\n";
        assert_eq!(text, wanted);
        let coloured = page(&items, &Summary::of(&items), Paint::new(true));
        assert!(coloured.contains("\u{1b}[32m+ create topic"), "{coloured}");
        let idle = [item(Vec::new())];
        assert_eq!(page(&idle, &Summary::of(&idle), Paint::new(false)), "nothing to do: 1 unchanged\n");
    }
}
