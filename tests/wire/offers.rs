//! The requests that a broker of ours offers, and in which versions.

use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, CreateAclsRequest, CreateTopicsRequest, DeleteAclsRequest,
        DescribeAclsRequest, DescribeClusterRequest, MetadataRequest, SaslAuthenticateRequest,
        api_versions_response::ApiVersion,
    },
    protocol::Message,
};

use crate::{fake::Script, group_broker, move_broker, topic_broker};

/// The versions of the codecs themselves.
pub(crate) fn own<M: Message>() -> (i16, i16) {
    (M::VERSIONS.min, M::VERSIONS.max)
}

/// What a broker offers.
pub(crate) fn versions(script: &Script) -> ApiVersionsResponse {
    let offer = |api: ApiKey, (min, max): (i16, i16)| {
        let (min, max) = script.versions.get(&api).copied().unwrap_or((min, max));
        ApiVersion::default().with_api_key(api as i16).with_min_version(min).with_max_version(max)
    };
    let known = [
        offer(ApiKey::Metadata, own::<MetadataRequest>()),
        offer(ApiKey::SaslHandshake, (0, 1)),
        offer(ApiKey::ApiVersions, own::<ApiVersionsRequest>()),
        offer(ApiKey::CreateTopics, own::<CreateTopicsRequest>()),
        offer(ApiKey::DescribeAcls, own::<DescribeAclsRequest>()),
        offer(ApiKey::CreateAcls, own::<CreateAclsRequest>()),
        offer(ApiKey::DeleteAcls, own::<DeleteAclsRequest>()),
        offer(ApiKey::SaslAuthenticate, own::<SaslAuthenticateRequest>()),
        offer(ApiKey::DescribeUserScramCredentials, (0, 0)),
        offer(ApiKey::AlterUserScramCredentials, (0, 0)),
        offer(ApiKey::DescribeCluster, own::<DescribeClusterRequest>()),
        offer(ApiKey::DescribeConfigs, (1, 4)),
        offer(ApiKey::DescribeClientQuotas, (0, 1)),
        offer(ApiKey::AlterClientQuotas, (0, 1)),
        offer(ApiKey::ListGroups, (0, 5)),
    ];
    let of_groups = group_broker::versions().into_iter().chain(topic_broker::versions()).chain(move_broker::versions());
    let of_groups = of_groups.map(|(api, range)| offer(api, range));
    ApiVersionsResponse::default().with_api_keys(known.into_iter().chain(of_groups).collect())
}
