//! Lists as messages have them.

/// The first few of many, and how many more there are.
#[must_use]
pub fn first_of<N: AsRef<str>>(few: usize, all: &[N]) -> String {
    let first: Vec<&str> = all.iter().take(few).map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(few) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beyond_the_first_few_is_counted() {
        let all = ["a", "b", "c", "d"];
        for (count, said) in [(0, ""), (1, "a"), (2, "a, b"), (3, "a, b and 1 more"), (4, "a, b and 2 more")] {
            assert_eq!(first_of(2, &all[..count]), said);
        }
    }
}
