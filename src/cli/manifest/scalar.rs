//! What a scalar without quotes means, as kubectl reads it: YAML 1.1 in the dialect of go-yaml 2, which `sigs.k8s.io/yaml` keeps.

use super::node::Value;

/// Words for true; YAML 1.2 knows the last three alone.
const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"];
/// Words for false.
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"];
/// Words for nothing.
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];

/// The value of a scalar without quotes. What is no word and no number is a text; dates and times are texts.
#[must_use]
pub fn plain(text: &str) -> Value {
    if NULL.contains(&text) {
        return Value::Null;
    }
    if TRUE.contains(&text) || FALSE.contains(&text) {
        return Value::Bool(TRUE.contains(&text));
    }
    match number(text) {
        Some(number) => Value::Number(number),
        None => Value::Text(text.to_owned()),
    }
}

/// A number in JSON's spelling: the author's own wherever JSON allows it. JSON has no infinity, so that stays a text.
fn number(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| decimal(&plain))
}

fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, digits)
    } else if let Some(digits) = digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")) {
        (2, digits)
    } else if let Some(digits) = digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")) {
        (8, digits)
    } else if let Some(digits) = digits.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (8, digits)
    } else {
        (10, digits)
    };
    // A sign inside would be taken by the parser.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    if radix == 10 {
        return Some(format!("{sign}{digits}"));
    }
    u128::from_str_radix(digits, radix).ok().map(|value| format!("{sign}{value}"))
}

/// `[-+]? ( . digits | digits ( . digits? )? ) ( e [-+]? digits )?`
fn decimal(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let sound = (digits(whole) || (whole.is_empty() && fraction.is_some_and(digits)))
        && fraction.is_none_or(|fraction| fraction.is_empty() || digits(fraction))
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    if !sound {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.filter(|fraction| !fraction.is_empty());
    let fraction = fraction.map_or_else(String::new, |fraction| format!(".{fraction}"));
    let exponent = exponent.map_or_else(String::new, |exponent| format!("e{exponent}"));
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        super::super::node::Node::new(plain(text)).to_json()
    }

    #[test]
    fn plain_scalars_mean_what_kubectl_sends() {
        for (written, sent) in [
            ("", "null"),
            ("~", "null"),
            ("yes", "true"),
            ("off", "false"),
            ("tRuE", "\"tRuE\""),
            ("7", "7"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0644", "420"),
            ("0o644", "420"),
            ("0x1f", "31"),
            ("1_000", "1000"),
            (
                "12345678901234567890123456789012345678901234567890",
                "12345678901234567890123456789012345678901234567890",
            ),
            ("1.10", "1.10"),
            ("1e3", "1e3"),
            (".5", "0.5"),
            ("1.", "1"),
            ("089", "89"),
            ("1.2.3", "\"1.2.3\""),
            ("10Gi", "\"10Gi\""),
            ("100m", "\"100m\""),
            ("0x", "\"0x\""),
            ("0x-1", "\"0x-1\""),
            ("-", "\"-\""),
            (".", "\".\""),
            (".inf", "\".inf\""),
            ("e3", "\"e3\""),
            ("2001-12-14", "\"2001-12-14\""),
            ("2001-12-14T21:59:43.10-05:00", "\"2001-12-14T21:59:43.10-05:00\""),
            ("12:30:45", "\"12:30:45\""),
        ] {
            assert_eq!(json(written), sent, "{written}");
        }
    }
}
