//! The probes that a Pod asks for.

/// A set of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// Readiness that is asked for until it has succeeded once, and then stays.
    pub readiness: bool,
    /// Readiness that follows Kafka. Never together with the latched one: a container has a single readiness probe.
    pub readiness_live: bool,
    /// The same check, for a few minutes from the start.
    pub startup: bool,
    /// Whether a consumer is stuck.
    pub liveness: bool,
}

impl Default for Probes {
    fn default() -> Self {
        Self { readiness: true, ..Self::NONE }
    }
}

/// The words of the annotation.
pub(super) const WORDS: &str = "readiness, readiness-live, startup, liveness, none";

impl Probes {
    /// No probe.
    pub const NONE: Self = Self { readiness: false, readiness_live: false, startup: false, liveness: false };

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Reads the words of an annotation.
    ///
    /// # Errors
    /// Each word that is wrong where it stands, with the rule that it breaks; the empty word where there is none at all.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, Vec<(&'a str, String)>> {
        let (mut probes, mut none, mut faults) = (Self::NONE, None, Vec::new());
        for word in words {
            match word {
                "readiness" => probes.readiness = true,
                "readiness-live" => probes.readiness_live = true,
                "startup" => probes.startup = true,
                "liveness" => probes.liveness = true,
                "none" => none = Some(word),
                other => faults.push((other, format!("is not one of: {WORDS}"))),
            }
        }
        match none {
            Some(word) if !probes.is_empty() => faults.push((word, "stands beside other probes".to_owned())),
            None if probes.is_empty() && faults.is_empty() => faults.push(("", format!("is not one of: {WORDS}"))),
            _ => {}
        }
        if probes.readiness && probes.readiness_live {
            let rule = "stands beside \"readiness\": a container has one readiness probe, latched or live";
            faults.push(("readiness-live", rule.to_owned()));
        }
        if faults.is_empty() { Ok(probes) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Probes, Vec<(&str, String)>> {
        Probes::parse(text.split_whitespace())
    }

    #[test]
    fn words_make_a_set() {
        assert_eq!(parse("readiness"), Ok(Probes::default()));
        assert_eq!(parse("none"), Ok(Probes::NONE));
        assert_eq!(parse("none none"), Ok(Probes::NONE));
        let all = Probes { readiness: false, readiness_live: true, startup: true, liveness: true };
        assert_eq!(parse("liveness startup readiness-live startup"), Ok(all));
    }

    #[test]
    fn what_cannot_be_together_is_refused() {
        for (text, word) in [
            ("", ""),
            ("ready", "ready"),
            ("readiness none", "none"),
            ("none liveness", "none"),
            ("readiness readiness-live", "readiness-live"),
            ("readiness Startup", "Startup"),
        ] {
            let faults = parse(text).unwrap_err();
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!(faults[0].0, word, "{text}");
        }
        assert_eq!(parse("x y readiness none").unwrap_err().len(), 3, "all faults, not the first");
    }
}
