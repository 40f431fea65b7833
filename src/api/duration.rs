//! Durations as Kubernetes writes them: Go's syntax (`time.ParseDuration`), of which a duration is a sequence of decimal numbers
//! with a unit each, such as `5s`, `1.5h` or `2m30s`; and days beside Go's units, of 24 hours each: `7d`.

use std::time::Duration;

/// The text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write numbers with a unit (ns, us, ms, s, m, h, d), such as 500ms, 2m30s or 7d")]
pub struct NotADuration;

const UNITS: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6), // U+00B5, the micro sign
    ("μs", 1e-6), // U+03BC, the Greek letter
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// Reads a duration. Negative ones, which Go allows, make no sense where this is used and are refused.
///
/// # Errors
/// [`NotADuration`] where the text is none, or is longer than a [`Duration`] can be.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(NotADuration);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, behind) = split_before(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, behind) = split_before(behind, |c| c.is_ascii_digit() || c == '.');
        let value: f64 = number.parse().map_err(|_| NotADuration)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NotADuration)?;
        seconds += value * factor;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| NotADuration)
}

fn split_before(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_and_days_are_read() {
        for (text, millis) in [
            ("0", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            (".5s", 500),
            ("2000us", 2),
            ("2000µs", 2),
            ("1h1m1s1ms", 3_661_001),
            ("7d", 604_800_000),
            ("1d12h", 129_600_000),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "+5s",
            "1.2.3s",
            ".s",
            "5x",
            "1e3s",
            "inf",
            "NaNs",
            "5s;",
            "ß",
            "99999999999999999999h",
        ] {
            assert_eq!(parse(text), Err(NotADuration), "{text:?}");
        }
    }
}
