//! What the members of a classic group want and are assigned, as they tell each other through the broker:
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment` (`clients/src/main/resources/common/message` in Kafka's sources).
//! Another client wrote it, so no count in it is believed.

use bytes::{Buf, Bytes};

/// Topics and partitions that one member is assigned; nothing where the bytes are no assignment.
#[must_use]
pub fn parse(mut bytes: Bytes) -> Option<Vec<(String, i32)>> {
    let mut found = Vec::new();
    let _version = bytes.try_get_i16().ok()?;
    for _ in 0..bytes.try_get_i32().ok()? {
        let name = text(&mut bytes)?;
        for _ in 0..bytes.try_get_i32().ok()? {
            found.push((name.clone(), bytes.try_get_i32().ok()?));
        }
    }
    Some(found)
}

/// Topics that one member subscribes to; nothing where the bytes are no subscription.
#[must_use]
pub fn subscription(mut bytes: Bytes) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let _version = bytes.try_get_i16().ok()?;
    for _ in 0..bytes.try_get_i32().ok()? {
        found.push(text(&mut bytes)?);
    }
    Some(found)
}

fn text(bytes: &mut Bytes) -> Option<String> {
    let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    if length > bytes.remaining() {
        return None;
    }
    String::from_utf8(bytes.split_to(length).to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x05\0\x01b\0\0\0\0\xff\xff\xff\xff";

    #[test]
    fn partitions_are_read() {
        assert_eq!(parse(Bytes::from_static(TWO)), Some(vec![("a".to_owned(), 0), ("a".to_owned(), 5)]));
        assert_eq!(parse(Bytes::from_static(b"\0\0\0\0\0\0")), Some(Vec::new()));
    }

    #[test]
    fn subscriptions_are_read() {
        const TWO: &[u8] = b"\0\x03\0\0\0\x02\0\x01a\0\x01b\xff\xff\xff\xff";
        assert_eq!(subscription(Bytes::from_static(TWO)), Some(vec!["a".to_owned(), "b".to_owned()]));
        for end in 0..TWO.len() - 4 {
            assert_eq!(subscription(Bytes::copy_from_slice(&TWO[..end])), None, "{end}");
        }
    }

    #[test]
    fn what_cannot_be_true_is_no_assignment() {
        for end in 0..TWO.len() - 4 {
            assert_eq!(parse(Bytes::copy_from_slice(&TWO[..end])), None, "{end}");
        }
        assert_eq!(parse(Bytes::from_static(b"\0\0\x7f\xff\xff\xff\x7f\xff")), None, "a long name");
        assert_eq!(parse(Bytes::from_static(b"\0\0\0\0\0\x01\xff\xff")), None, "a negative length");
        assert_eq!(parse(Bytes::from_static(b"\0\0\0\0\0\x01\0\x01\xff\0\0\0\0")), None, "no text");
    }
}
