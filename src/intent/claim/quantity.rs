//! Numbers of bytes as Kubernetes writes quantities: `512Mi`, `10G`, `1.5Ti`. Pure.

/// The text is no number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a number of bytes: write a number, with k, M, G, T, P or Ki, Mi, Gi, Ti, Pi behind it, such as 512Mi or 10G"
)]
pub struct NotAQuantity;

const UNITS: [(&str, u128); 11] = [
    ("", 1),
    ("k", 1000),
    ("M", 1000 * 1000),
    ("G", 1000 * 1000 * 1000),
    ("T", 1000 * 1000 * 1000 * 1000),
    ("P", 1000 * 1000 * 1000 * 1000 * 1000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
];
/// Digits behind the point that can count: a pebibyte has sixteen.
const FRACTION: usize = 18;

/// Reads a number of bytes; what is less than a byte is cut off.
///
/// # Errors
/// [`NotAQuantity`] where the text is none, or is more than Kafka can count.
pub fn bytes(text: &str) -> Result<i64, NotAQuantity> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NotAQuantity)?;
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(|fraction| digits(fraction) && fraction.len() <= FRACTION) {
        return Err(NotAQuantity);
    }
    let read = |text: &str| text.parse::<u128>().map_err(|_| NotAQuantity);
    let mut total = read(whole)?.checked_mul(*factor).ok_or(NotAQuantity)?;
    if let Some(fraction) = fraction {
        let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
        total = total.checked_add(read(fraction)? * factor / scale).ok_or(NotAQuantity)?;
    }
    i64::try_from(total).map_err(|_| NotAQuantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        for (text, value) in [
            ("0", 0),
            ("1024", 1024),
            ("10k", 10_000),
            ("512Mi", 512 << 20),
            ("1.5Gi", 3 << 29),
            ("0.1G", 100_000_000),
            ("1.0000000001k", 1000),
            ("2Pi", 2 << 50),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["", "Mi", "-1", "+1", "1 Mi", "1mi", "1KB", "1.", ".5", "1..5", "1e3", "9223372036854775808", "9999999P"]
        {
            assert_eq!(bytes(text), Err(NotAQuantity), "{text:?}");
        }
    }
}
