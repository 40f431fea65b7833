//! A buffer that refuses counts which cannot be true.
//!
//! `kafka-protocol` allocates an array before it has seen one element, as large as the peer says: four bytes can ask for
//! hundreds of gigabytes, and an allocation that fails ends the process. The codecs offer no limit, but they are generic
//! over the buffer they read from. In flexible versions (KIP-482), the only ones we speak, every count and length is an
//! unsigned varint, and the codecs read varints byte by byte with [`Buf::try_get_u8`]. So the buffer sees each of them
//! before it is acted upon, and can compare it with what is left to read. See `docs/decisions/0003-hostile-frames.md`.

use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;

/// Varints of one byte (up to 127) pass unchecked: they ask for a few kilobytes at most, and may be tags.
const SMALL: u64 = 127;
/// The most that a count or length may claim, whatever is there: an element may be one byte on the wire, and takes some 200 in memory. No
/// text of a reply comes near it; bytes may that members of a group tell each other, for these are as long as clients like.
pub const MOST: u64 = 4 * 1024 * 1024;

/// Reads one frame, and nothing beyond it.
#[derive(Debug)]
pub struct Guard {
    rest: Bytes,
    /// The varint being read: its value so far and how many of its bytes have come.
    varint: (u64, u32),
    /// A count or length that can be true, and is beyond [`MOST`].
    beyond: Option<u64>,
}

impl Guard {
    /// Guards the reading of a frame.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        Self { rest: frame, varint: (0, 0), beyond: None }
    }

    /// What was refused although it can be true: the reply has more in one piece than is read.
    #[must_use]
    pub fn beyond(&self) -> Option<u64> {
        self.beyond
    }

    /// Whether a count or length of `claimed` can be true with what is left. Compact ones are stored plus one.
    fn plausible(&self, claimed: u64) -> bool {
        claimed <= SMALL || claimed - 1 <= self.rest.len() as u64
    }
}

impl Buf for Guard {
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.rest
    }

    fn advance(&mut self, count: usize) {
        self.varint = (0, 0);
        self.rest.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let (value, bytes) = self.varint;
        let byte = self.rest.try_get_u8()?;
        let value = value | u64::from(byte & 0x7f) << (7 * bytes);
        if byte >= 0x80 && bytes < 4 {
            self.varint = (value, bytes + 1);
            return Ok(byte);
        }
        self.varint = (0, 0);
        match self.plausible(value) {
            true if value <= MOST => return Ok(byte),
            true => self.beyond = Some(value - 1),
            false => {}
        }
        Err(TryGetError { requested: usize::try_from(value).unwrap_or(usize::MAX), available: self.rest.len() })
    }
}

impl ByteBuf for Guard {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.rest.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.varint = (0, 0);
        self.rest.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{
        messages::{DescribeAclsResponse, DescribeGroupsResponse, MetadataResponse},
        protocol::Decodable,
    };

    use super::*;

    fn varint(mut value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    fn read(guard: &mut Guard, bytes: usize) -> Result<u8, TryGetError> {
        (0..bytes).map(|_| guard.try_get_u8()).last().unwrap()
    }

    #[test]
    fn a_count_that_fits_passes_and_one_that_does_not_is_refused() {
        for (claimed, rest, fits) in [
            (128, 127, true),
            (128, 126, false),
            (65_536, 65_535, true),
            (70_001, 70_000, true),
            (70_001, 69_999, false),
            (4_194_304, 4_194_303, true),
        ] {
            let mut frame = varint(claimed);
            let length = frame.len();
            frame.resize(length + rest, 0);
            let mut guard = Guard::new(frame.into());
            assert_eq!(read(&mut guard, length).is_ok(), fits, "{claimed} of {rest}");
            assert_eq!(guard.beyond(), None);
        }
    }

    #[test]
    fn more_than_is_read_is_told_from_more_than_is_there() {
        for (rest, beyond) in [(4_194_304, Some(4_194_304)), (4_194_303, None)] {
            let mut frame = varint(4_194_305);
            let length = frame.len();
            frame.resize(length + rest, 0);
            let mut guard = Guard::new(frame.into());
            assert!(read(&mut guard, length).is_err());
            assert_eq!(guard.beyond(), beyond, "with {rest} bytes");
        }
    }

    #[test]
    fn the_largest_count_is_refused_however_it_is_written() {
        for frame in [[0xff, 0xff, 0xff, 0xff, 0x0f], [0xff; 5]] {
            assert!(read(&mut Guard::new(frame.to_vec().into()), 5).is_err());
        }
    }

    #[test]
    fn other_reads_begin_a_varint_afresh() {
        let mut guard = Guard::new(vec![0x80, 0, 0, 0x81, 0x01, 9].into());
        guard.try_get_u8().unwrap();
        guard.try_get_i16().unwrap();
        assert!(read(&mut guard, 2).is_err(), "129 of one byte");
    }

    #[test]
    fn the_codecs_give_up_before_they_allocate() {
        // DescribeAcls 3: throttle, error, null message, then 2^28 resources in a frame of 12 bytes.
        let frame = [0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x01];
        assert!(DescribeAclsResponse::decode(&mut Guard::new(frame.to_vec().into()), 3).is_err());
        // Metadata 12: throttle, then 2^32 - 2 brokers.
        let frame = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(MetadataResponse::decode(&mut Guard::new(frame.to_vec().into()), 12).is_err());
        // DescribeGroups 6: throttle, one group without error, message or any text, then more members than are read: a gigabyte and a half.
        let frame = [&[0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 1, 1][..], &varint(8_000_001), &vec![0; 8_000_000]].concat();
        let mut guard = Guard::new(frame.into());
        assert!(DescribeGroupsResponse::decode(&mut guard, 6).is_err());
        assert_eq!(guard.beyond(), Some(8_000_000), "it is the guard that gives up");
    }
}
