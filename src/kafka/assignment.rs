//! What the members of a classic group want and are assigned, as they tell each other through the broker:
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment` (`clients/src/main/resources/common/message` in Kafka's sources).
//! Another client wrote it, and no broker looks into it: no count in it is believed, and what is read of it borrows its names, so that
//! it takes no more memory than some times its bytes.

/// The longest name that Kafka lets a topic have (`Topic.MAX_NAME_LENGTH`).
const LONGEST_NAME: usize = 249;

/// What one member is assigned: topics, each with its partitions. Nothing where the bytes are no assignment.
#[must_use]
pub fn assigned(bytes: &[u8]) -> Option<Vec<(&str, Vec<i32>)>> {
    let (mut rest, mut found) = (Rest(bytes), Vec::new());
    let _version = rest.i16()?;
    for _ in 0..rest.i32()? {
        let (name, mut partitions) = (rest.name()?, Vec::new());
        for _ in 0..rest.i32()? {
            partitions.push(rest.i32()?);
        }
        found.push((name, partitions));
    }
    Some(found)
}

/// Topics that one member subscribes to. Nothing where the bytes are no subscription.
#[must_use]
pub fn subscribed(bytes: &[u8]) -> Option<Vec<&str>> {
    let (mut rest, mut found) = (Rest(bytes), Vec::new());
    let _version = rest.i16()?;
    for _ in 0..rest.i32()? {
        found.push(rest.name()?);
    }
    Some(found)
}

/// What is left to read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn name(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.i16()?).ok().filter(|length| (1..=LONGEST_NAME).contains(length))?;
        let (name, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x05\0\x01b\0\0\0\0\xff\xff\xff\xff";

    /// A version, and one topic of a name so long.
    fn named(length: i16) -> Vec<u8> {
        let name = vec![b'x'; usize::try_from(length).unwrap()];
        [&[0, 1, 0, 0, 0, 1][..], &length.to_be_bytes(), &name].concat()
    }

    #[test]
    fn partitions_are_read() {
        assert_eq!(assigned(TWO), Some(vec![("a", vec![0, 5]), ("b", vec![])]));
        assert_eq!(assigned(b"\0\0\0\0\0\0"), Some(Vec::new()));
    }

    #[test]
    fn subscriptions_are_read() {
        const TWO: &[u8] = b"\0\x03\0\0\0\x02\0\x01a\0\x01b\xff\xff\xff\xff";
        assert_eq!(subscribed(TWO), Some(vec!["a", "b"]));
        for end in 0..TWO.len() - 4 {
            assert_eq!(subscribed(&TWO[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_cannot_be_true_is_no_assignment() {
        for end in 0..TWO.len() - 4 {
            assert_eq!(assigned(&TWO[..end]), None, "{end}");
        }
        assert_eq!(assigned(b"\0\0\x7f\xff\xff\xff\x7f\xff"), None, "a long name");
        assert_eq!(assigned(b"\0\0\0\0\0\x01\xff\xff"), None, "a negative length");
        assert_eq!(assigned(b"\0\0\0\0\0\x01\0\x01\xff\0\0\0\0"), None, "no text");
    }

    #[test]
    fn a_name_that_no_topic_can_have_is_no_name() {
        for (length, read) in [(0, false), (1, true), (249, true), (250, false), (i16::MAX, false)] {
            assert_eq!(subscribed(&named(length)).is_some(), read, "{length}");
            assert_eq!(assigned(&[named(length), vec![0; 4]].concat()).is_some(), read, "{length}");
        }
    }

    #[test]
    fn a_name_is_kept_once_however_many_partitions_it_has() {
        let (name, count) = (named(249), 200_000);
        let partitions = (0..count).flat_map(i32::to_be_bytes).collect();
        let bytes = [name, count.to_be_bytes().to_vec(), partitions].concat();
        let found = assigned(&bytes).unwrap();
        assert_eq!(found.len(), 1);
        let (name, partitions) = &found[0];
        assert_eq!(partitions.len(), 200_000);
        assert!(bytes.as_ptr_range().contains(&name.as_ptr()), "it is borrowed");
    }
}
