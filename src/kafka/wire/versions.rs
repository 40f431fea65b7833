//! Which version of each API a broker and we both speak.

use std::{any::type_name, collections::HashMap};

use bytes::{Buf, Bytes};
use kafka_protocol::{
    messages::ApiVersionsResponse,
    protocol::{Message, Request, VersionRange},
};

/// The ApiVersions version that is tried first; every Kafka since 2.4 answers it.
pub const FIRST_TRY: i16 = 3;
/// A broker that does not know the version asked for answers in version 0 (KIP-511), with this code.
const UNSUPPORTED_VERSION: i16 = 35;

/// What a broker says it speaks.
#[derive(Debug, Clone, Default)]
pub struct Versions(HashMap<i16, VersionRange>);

/// There is no common version of an API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCommonVersion {
    /// The broker does not have the API at all.
    #[error("the broker does not offer {0}; it needs a newer Kafka, or another listener")]
    Absent(&'static str),
    /// The ranges do not meet, or only in versions from before KIP-482.
    #[error("the broker offers {api} {least} to {most}; {ours_least} to {ours_most} are spoken here")]
    Apart {
        /// The API.
        api: &'static str,
        /// The broker's range.
        least: i16,
        /// The broker's range.
        most: i16,
        /// Ours, of which only flexible versions count.
        ours_least: i16,
        /// Ours.
        ours_most: i16,
    },
}

impl Versions {
    /// Keeps what an ApiVersions reply says.
    #[must_use]
    pub fn from_reply(reply: &ApiVersionsResponse) -> Self {
        let ranges =
            reply.api_keys.iter().map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }));
        Self(ranges.collect())
    }

    /// The newest version that both sides speak, and that is flexible.
    ///
    /// # Errors
    /// [`NoCommonVersion`]
    pub fn pick<R: Request>(&self) -> Result<i16, NoCommonVersion> {
        let theirs = self.0.get(&R::KEY).ok_or(NoCommonVersion::Absent(api_name::<R>()))?;
        let ours = <R as Message>::VERSIONS;
        let common = ours.intersect(theirs);
        if !common.is_empty() && is_flexible::<R>(common.max) {
            return Ok(common.max);
        }
        let ours_least = (ours.min..=ours.max).find(|version| is_flexible::<R>(*version)).unwrap_or(ours.max);
        Err(NoCommonVersion::Apart {
            api: api_name::<R>(),
            least: theirs.min,
            most: theirs.max,
            ours_least,
            ours_most: ours.max,
        })
    }
}

/// Request header 2 came with flexible versions.
fn is_flexible<R: Request>(version: i16) -> bool {
    R::header_version(version) >= 2
}

/// `CreateTopics` for `CreateTopicsRequest`.
#[must_use]
pub fn api_name<R: Request>() -> &'static str {
    let path = type_name::<R>();
    let name = path.rsplit("::").next().unwrap_or(path);
    name.strip_suffix("Request").unwrap_or(name)
}

/// Reads the version 0 answer of a broker that does not know the ApiVersions version it was asked: which it does know.
/// `None` if this is not such an answer.
#[must_use]
pub fn fallback(body: &Bytes) -> Option<VersionRange> {
    let mut body = body.clone();
    if body.try_get_i16().ok()? != UNSUPPORTED_VERSION {
        return None;
    }
    let count = body.try_get_i32().ok()?;
    for _ in 0..count {
        let (key, min, max) = (body.try_get_i16().ok()?, body.try_get_i16().ok()?, body.try_get_i16().ok()?);
        if key == kafka_protocol::messages::ApiKey::ApiVersions as i16 {
            return Some(VersionRange { min, max });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        CreateTopicsRequest, MetadataRequest, SaslHandshakeRequest, api_versions_response::ApiVersion,
    };

    use super::*;

    fn offering(key: i16, min: i16, max: i16) -> Versions {
        let api = ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max);
        Versions::from_reply(&ApiVersionsResponse::default().with_api_keys(vec![api]))
    }

    #[test]
    fn the_newest_common_version_is_taken() {
        assert_eq!(offering(3, 0, 99).pick::<MetadataRequest>(), Ok(13));
        assert_eq!(offering(3, 0, 12).pick::<MetadataRequest>(), Ok(12));
    }

    #[test]
    fn old_encodings_and_foreign_ranges_are_refused() {
        let error = offering(3, 0, 8).pick::<MetadataRequest>().unwrap_err();
        assert_eq!(error.to_string(), "the broker offers Metadata 0 to 8; 9 to 13 are spoken here");
        assert!(offering(3, 40, 50).pick::<MetadataRequest>().is_err());
        assert!(offering(17, 0, 1).pick::<SaslHandshakeRequest>().is_err(), "it has no flexible version");
        assert_eq!(offering(3, 0, 12).pick::<CreateTopicsRequest>(), Err(NoCommonVersion::Absent("CreateTopics")));
    }

    #[test]
    fn the_answer_of_kip_511_is_read() {
        let body = [0, 35, 0, 0, 0, 2, 0, 3, 0, 0, 0, 9, 0, 18, 0, 0, 0, 7];
        assert_eq!(fallback(&Bytes::copy_from_slice(&body)), Some(VersionRange { min: 0, max: 7 }));
        assert_eq!(fallback(&Bytes::from_static(&[0, 0, 0, 0, 0, 0])), None);
        assert_eq!(fallback(&Bytes::from_static(&[0, 35, 0x7f, 0xff, 0xff, 0xff, 1])), None);
    }
}
