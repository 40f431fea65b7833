//! Frames: a length of four bytes, then so many bytes of message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{RequestHeader, ResponseHeader},
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::io::{AsyncRead, AsyncReadExt, copy, sink};

use super::guard::{Guard, MOST};

/// The largest reply that is read from a peer which has not proved who it is: an ApiVersions reply is about 700 bytes.
pub const LARGEST_GREETING: usize = 64 * 1024;
/// The largest reply that is read at all: the metadata of some 100 000 partitions.
pub const LARGEST_REPLY: usize = 16 * 1024 * 1024;
/// The largest reply that is thrown away for the sake of those behind it. What is longer is hardly a reply.
pub const LARGEST_PASSED_OVER: usize = 16 * LARGEST_REPLY;
/// How much is allocated on the word of a length alone; more follows only as bytes arrive.
const FIRST_ALLOCATION: usize = 64 * 1024;

/// Bytes that are not the frame, or not the message, that they should be.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The peer closed where a frame could have begun.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer closed within a frame.
    #[error("the peer closed the connection after {got} of {length} bytes of a reply")]
    Truncated {
        /// What came.
        got: usize,
        /// What was announced.
        length: usize,
    },
    /// The length is negative, too short for a header, or above the cap.
    #[error(
        "the peer announces a reply of {length} bytes; 4 to {cap} are accepted. Is this a Kafka listener, and TLS set as it expects?"
    )]
    Length {
        /// What was announced, as the signed number that it is.
        length: i32,
        /// The most that was acceptable.
        cap: usize,
    },
    /// The message does not decode.
    #[error("the reply is malformed: {0}")]
    Malformed(String),
    /// The message decodes no further than to one list or field that has more than is read.
    #[error("one list or field of the answer has {0} elements or bytes; up to {MOST} are read")]
    Beyond(u64),
    /// The message ends before its frame does.
    #[error("the reply is followed by {0} bytes that do not belong to it")]
    Trailing(usize),
    /// The request cannot be written, for example because a text is longer than the protocol allows.
    #[error("the request cannot be encoded: {0}")]
    Encode(String),
}

/// Reads one frame without its length. Nothing is allocated before the length is known to be acceptable.
///
/// Not to be dropped halfway if the stream is to be read again.
///
/// # Errors
/// `Io`, `Closed`, `Truncated`, `Length`
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, cap: impl FnOnce() -> usize) -> Result<Bytes, FrameError> {
    let mut head = [0; 4];
    let mut got = 0;
    while let Some(rest) = head.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest).await? {
            0 if got == 0 => return Err(FrameError::Closed),
            0 => return Err(FrameError::Truncated { got, length: 4 }),
            more => got += more,
        }
    }
    let announced = i32::from_be_bytes(head);
    let cap = cap();
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| (4..=cap).contains(length))
        .ok_or(FrameError::Length { length: announced, cap })?;
    let mut frame = BytesMut::with_capacity(length.min(FIRST_ALLOCATION));
    while frame.len() < length {
        let rest = length - frame.len();
        if stream.read_buf(&mut (&mut frame).limit(rest)).await? == 0 {
            return Err(FrameError::Truncated { got: frame.len(), length });
        }
    }
    Ok(frame.freeze())
}

/// Takes so many bytes off the stream, and keeps none of them.
///
/// # Errors
/// `Io`, `Truncated`
pub async fn pass_over<S: AsyncRead + Unpin>(stream: &mut S, length: usize) -> Result<(), FrameError> {
    let length_64 = u64::try_from(length).unwrap_or(u64::MAX);
    match copy(&mut stream.take(length_64), &mut sink()).await? {
        all if all == length_64 => Ok(()),
        less => Err(FrameError::Truncated { got: usize::try_from(less).unwrap_or_default(), length }),
    }
}

/// Writes a request with its length and header.
///
/// # Errors
/// `Encode`
pub fn encode<R: Request>(request: &R, version: i16, correlation: i32, client_id: &str) -> Result<Bytes, FrameError> {
    let wrong = |error: &dyn std::fmt::Display| FrameError::Encode(error.to_string());
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())))
        .encode(&mut frame, R::header_version(version))
        .map_err(|error| wrong(&error))?;
    request.encode(&mut frame, version).map_err(|error| wrong(&error))?;
    let length = i32::try_from(frame.len() - 4).map_err(|error| wrong(&error))?;
    frame.get_mut(..4).unwrap_or_default().copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

/// The correlation id that a frame begins with.
#[must_use]
pub fn correlation(frame: &Bytes) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Reads a reply from its whole frame, and demands that nothing is left over. `version` must be a flexible one.
///
/// # Errors
/// `Malformed`, `Beyond`, `Trailing`
pub fn decode<M: Decodable + HeaderVersion>(frame: Bytes, version: i16) -> Result<M, FrameError> {
    let mut guard = Guard::new(frame);
    let header = ResponseHeader::decode(&mut guard, M::header_version(version));
    header.map_err(|error| FrameError::Malformed(error.to_string()))?;
    finish(guard, version)
}

/// Reads a reply whose header has been taken off.
///
/// # Errors
/// `Malformed`, `Beyond`, `Trailing`
pub fn decode_body<M: Decodable>(body: Bytes, version: i16) -> Result<M, FrameError> {
    finish(Guard::new(body), version)
}

fn finish<M: Decodable>(mut guard: Guard, version: i16) -> Result<M, FrameError> {
    let decoded = M::decode(&mut guard, version);
    let wrong = |error: &dyn std::fmt::Display| match guard.beyond() {
        Some(more) => FrameError::Beyond(more),
        None => FrameError::Malformed(error.to_string()),
    };
    let message = decoded.map_err(|error| wrong(&error))?;
    match guard.remaining() {
        0 => Ok(message),
        left => Err(FrameError::Trailing(left)),
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        ApiVersionsResponse, CreateTopicsResponse, DeleteAclsResponse, DescribeAclsResponse, DescribeClusterResponse,
        DescribeConfigsResponse, DescribeUserScramCredentialsResponse, MetadataResponse, SaslAuthenticateResponse,
    };
    use proptest::prelude::*;

    use super::*;

    async fn read_all(bytes: &[u8]) -> Result<Bytes, FrameError> {
        read(&mut &*bytes, || 100).await
    }

    #[tokio::test]
    async fn a_frame_is_what_its_length_says() {
        assert_eq!(read_all(&[0, 0, 0, 4, 1, 2, 3, 4, 5]).await.unwrap(), [1, 2, 3, 4].as_slice());
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_are_refused_before_anything_is_read() {
        for head in [[0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 101], *b"HTTP"] {
            assert!(matches!(read_all(&head).await, Err(FrameError::Length { .. })), "{head:?}");
        }
    }

    #[tokio::test]
    async fn an_early_end_is_told_from_a_clean_one() {
        assert!(matches!(read_all(&[]).await, Err(FrameError::Closed)));
        assert!(matches!(read_all(&[0, 0]).await, Err(FrameError::Truncated { got: 2, length: 4 })));
        assert!(matches!(read_all(&[0, 0, 0, 9, 1]).await, Err(FrameError::Truncated { got: 1, length: 9 })));
    }

    #[tokio::test]
    async fn what_is_passed_over_is_exactly_so_long() {
        let mut stream = &[1_u8, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8][..];
        pass_over(&mut stream, 3).await.unwrap();
        assert_eq!(read(&mut stream, || 100).await.unwrap(), [5, 6, 7, 8].as_slice());
        let cut = pass_over(&mut &[1_u8, 2][..], 3).await;
        assert!(matches!(cut, Err(FrameError::Truncated { got: 2, length: 3 })), "{cut:?}");
    }

    #[test]
    fn what_follows_a_reply_is_an_error() {
        let frame = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        assert!(decode::<DescribeAclsResponse>(Bytes::copy_from_slice(&frame), 3).is_ok());
        let mut longer = frame.to_vec();
        longer.push(0);
        let error = decode::<DescribeAclsResponse>(longer.into(), 3).unwrap_err();
        assert!(matches!(error, FrameError::Trailing(1)), "{error}");
    }

    proptest! {
        /// Arbitrary bytes, and bytes that look like the beginning of a reply, end in a value or an error.
        #[test]
        fn no_frame_makes_a_decoder_panic(
            zeros in 0_usize..24,
            counts in proptest::collection::vec(prop_oneof![Just(0xff_u8), Just(0x80), any::<u8>()], 0..200),
        ) {
            let mut frame = vec![0; zeros];
            frame.extend(counts);
            let frame = Bytes::from(frame);
            let _ = decode::<ApiVersionsResponse>(frame.clone(), 3);
            let _ = decode::<SaslAuthenticateResponse>(frame.clone(), 2);
            let _ = decode::<MetadataResponse>(frame.clone(), 12);
            let _ = decode::<DescribeClusterResponse>(frame.clone(), 2);
            let _ = decode::<CreateTopicsResponse>(frame.clone(), 7);
            let _ = decode::<DescribeAclsResponse>(frame.clone(), 3);
            let _ = decode::<DeleteAclsResponse>(frame.clone(), 3);
            let _ = decode::<DescribeUserScramCredentialsResponse>(frame.clone(), 0);
            let _ = decode::<DescribeConfigsResponse>(frame, 4);
        }
    }
}
