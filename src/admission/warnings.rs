//! Warnings as clients show them. Pure.

use crate::intent::Problem;
use crate::intent::limits::MAX_PROBLEMS;

/// Characters of one warning that clients are promised to see (Kubernetes API documentation of `warnings`).
pub const MAX_WARNING: usize = 120;
/// Warnings of one answer, three for each fault that is named: beyond 4096 characters in all, the API server drops some by its own choice.
pub const MAX_WARNINGS: usize = 3 * MAX_PROBLEMS;

/// A fault as warnings, of which nothing is cut off: one, or where that is too long, first its place, and then the value with the rule.
#[must_use]
pub fn of_problem(introduction: &str, problem: &Problem) -> Vec<String> {
    let whole = format!("{introduction}{problem}");
    if whole.chars().count() <= MAX_WARNING {
        return vec![whole];
    }
    let Problem { reason, place, value, rule } = problem;
    let said = lines(&format!("\"{value}\" {rule}"));
    [format!("{introduction}{reason}: {place}")].into_iter().chain(said).collect()
}

/// A text as lines that are each shown whole, broken between words.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= MAX_WARNING => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text of at most `limit` characters, the last an ellipsis where more was cut off.
pub(super) fn cut(text: String, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotations::CONSUMES;
    use crate::api::reasons::Reason;

    #[test]
    fn a_fault_that_is_short_enough_is_one_warning() {
        let problem = Problem::new(Reason::InvalidTopicName, CONSUMES, "a/b", "may hold no slash");
        assert_eq!(of_problem("no: ", &problem), [format!("no: {problem}")]);
    }

    #[test]
    fn of_a_longer_one_nothing_is_lost() {
        let rule = "is not what it could be, for many reasons that take more room than there is in a line";
        let problem = Problem::new(Reason::InvalidTopicName, CONSUMES, &"é".repeat(60), format!("{rule} of 120"));
        let warnings = of_problem("not injected: ", &problem);
        assert_eq!(warnings[0], format!("not injected: InvalidTopicName: {CONSUMES}"));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.chars().count() <= MAX_WARNING), "{warnings:?}");
        assert_eq!(format!("{}: {} {}", warnings[0], warnings[1], warnings[2]), format!("not injected: {problem}"));
    }
}
