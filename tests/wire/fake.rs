//! A broker written from the broker half of the codecs: it answers well, unless it is told to answer badly.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use admittance::kafka::config::Endpoint;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        AlterUserScramCredentialsRequest, ApiKey, ApiVersionsRequest, BrokerId, CreateAclsRequest, CreateAclsResponse,
        CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
        DescribeAclsResponse, DescribeClusterRequest, DescribeClusterResponse, DescribeUserScramCredentialsRequest,
        DescribeUserScramCredentialsResponse, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader,
        SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, TopicName,
        alter_user_scram_credentials_response::{AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult},
        create_acls_response::AclCreationResult,
        create_topics_response::CreatableTopicResult,
        delete_acls_response::DeleteAclsFilterResult,
        describe_acls_response::{AclDescription, DescribeAclsResource},
        describe_cluster_response::DescribeClusterBroker,
        describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult},
        metadata_response::MetadataResponseTopic,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

use crate::{
    group_broker, move_broker, offers,
    scram_server::{Session, Stored},
    store::{self, Store},
    topic_broker,
};

/// How a reply goes wrong.
#[derive(Clone)]
pub(crate) enum Fault {
    /// These bytes instead of a reply, length and all.
    Raw(Vec<u8>),
    /// These bytes in place of the reply's body, in a frame that is right.
    Body(Vec<u8>),
    /// These bytes after the body, in the same frame.
    Trailing(Vec<u8>),
    /// The right reply to another question.
    Correlation(i32),
    /// The right reply, cut off after so many bytes; then the connection is closed.
    Cut(usize),
    /// The right reply, a byte at a time with this pause.
    Drip(Duration),
    /// No reply at all.
    Silence,
    /// The connection is closed instead.
    Close,
}

/// What the broker does, and what it has seen.
#[derive(Default)]
pub(crate) struct Script {
    /// By API: how often, and how, the next replies go wrong.
    pub(crate) faults: HashMap<ApiKey, (usize, Fault)>,
    /// What the SCRAM server does wrong.
    pub(crate) scram: crate::scram_server::Flaw,
    /// Names that requests refuse, with this error code; for changes of topics also as `CreatePartitions name`, for one kind alone.
    pub(crate) refused: HashMap<String, i16>,
    /// Versions that differ from the codecs' own.
    pub(crate) versions: HashMap<ApiKey, (i16, i16)>,
    /// The brokers of the cluster; empty for just this one.
    pub(crate) cluster: Vec<(i32, Endpoint)>,
    /// Those of them that are fenced.
    pub(crate) fenced: Vec<i32>,
    /// What Metadata says may be done, as Kafka's bits.
    pub(crate) operations: i32,
    /// How much longer than needed a Metadata reply is.
    pub(crate) padding: usize,
    /// The groups that it coordinates, by name.
    pub(crate) groups: HashMap<String, group_broker::Group>,
    /// What it keeps of topics.
    pub(crate) topics: topic_broker::Topics,
    /// What is being moved, and the disks.
    pub(crate) moves: move_broker::Moves,
    /// What the broker keeps; without it, it keeps nothing and agrees to everything.
    pub(crate) store: Option<Store>,
    /// How many members each request had, by API, in order.
    pub(crate) seen: HashMap<ApiKey, Vec<Vec<String>>>,
}

/// A broker on a loopback port. It lives as long as its runtime.
pub(crate) struct Fake {
    pub(crate) endpoint: Endpoint,
    pub(crate) script: Arc<Mutex<Script>>,
}

impl Fake {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let endpoint: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
        let script = Arc::new(Mutex::new(script));
        let (shared, own) = (Arc::clone(&script), endpoint.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared), own.clone()));
            }
        });
        Self { endpoint, script }
    }

    /// A broker whose replies to one API go wrong, always.
    pub(crate) async fn with_fault(api: ApiKey, fault: Fault) -> Self {
        Self::start(Script { faults: HashMap::from([(api, (usize::MAX, fault))]), ..Script::default() }).await
    }

    /// The members of each request to an API, in the order of the requests.
    pub(crate) fn seen(&self, api: ApiKey) -> Vec<Vec<String>> {
        self.script.lock().unwrap().seen.get(&api).cloned().unwrap_or_default()
    }
}

/// Who is at the other end of a connection.
#[derive(Default)]
struct Peer {
    user: String,
    session: Option<Session>,
}

pub(crate) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Arc<Mutex<Script>>, own: Endpoint) {
    let mut peer = Peer::default();
    while let Ok(length) = stream.read_u32().await {
        let mut frame = vec![0; length as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let mut frame = Bytes::from(frame);
        let header = kafka_protocol::protocol::decode_request_header_from_buffer(&mut frame).unwrap();
        let api = ApiKey::try_from(header.request_api_key).unwrap();
        let reply = answer(api, &header, frame, &script, &own, &mut peer);
        let fault = {
            let mut script = script.lock().unwrap();
            script.faults.get_mut(&api).filter(|(left, _)| *left > 0).map(|(left, fault)| {
                *left -= 1;
                fault.clone()
            })
        };
        let framed = |bytes: &[u8]| {
            let mut framed = BytesMut::new();
            framed.put_u32(u32::try_from(bytes.len()).unwrap());
            framed.extend_from_slice(bytes);
            framed
        };
        match fault {
            None => stream.write_all(&framed(&reply)).await.unwrap(),
            Some(Fault::Raw(bytes)) => stream.write_all(&bytes).await.unwrap(),
            Some(Fault::Body(body)) => {
                let mut bytes = header.correlation_id.to_be_bytes().to_vec();
                bytes.extend(body);
                stream.write_all(&framed(&bytes)).await.unwrap();
            }
            Some(Fault::Trailing(more)) => {
                stream.write_all(&framed(&[&reply[..], &more[..]].concat())).await.unwrap();
            }
            Some(Fault::Correlation(id)) => {
                stream.write_all(&framed(&[&id.to_be_bytes()[..], &reply[4..]].concat())).await.unwrap();
            }
            Some(Fault::Cut(after)) => {
                stream.write_all(&framed(&reply)[..after]).await.unwrap();
                return;
            }
            Some(Fault::Drip(pause)) => {
                for byte in framed(&reply) {
                    if stream.write_u8(byte).await.is_err() {
                        return;
                    }
                    sleep(pause).await;
                }
            }
            Some(Fault::Silence) => {}
            Some(Fault::Close) => return,
        }
    }
}

/// A reply with its header.
fn answer(
    api: ApiKey,
    header: &RequestHeader,
    mut body: Bytes,
    script: &Mutex<Script>,
    own: &Endpoint,
    peer: &mut Peer,
) -> Bytes {
    let (version, mut members) = (header.request_api_version, Vec::new());
    let mut script = script.lock().unwrap();
    let Script { store, topics, refused, moves, .. } = &mut *script;
    let kept = store.as_mut().and_then(|store| store::answer(store, &peer.user, header, &body, &mut members));
    let kept = kept.or_else(|| move_broker::answer(api, header, &body, moves, &mut members));
    if let Some(reply) = kept.or_else(|| topic_broker::answer(api, header, &body, (topics, refused), &mut members)) {
        script.seen.entry(api).or_default().push(members);
        return reply;
    }
    let reply = match api {
        ApiKey::ApiVersions => reply::<ApiVersionsRequest>(header, &offers::versions(&script)),
        ApiKey::SaslHandshake => {
            let asked = SaslHandshakeRequest::decode(&mut body, version).unwrap().mechanism;
            members.push(asked.to_string());
            let known = asked.as_str() == "SCRAM-SHA-256";
            // SaslHandshake 1 is an old-fashioned reply: code, then an array with a count of four bytes.
            let mut bytes = BytesMut::new();
            bytes.put_i32(header.correlation_id);
            bytes.put_i16(if known { 0 } else { 33 });
            bytes.put_i32(1);
            bytes.put_i16(13);
            bytes.put_slice(b"SCRAM-SHA-256");
            bytes.freeze()
        }
        ApiKey::SaslAuthenticate => {
            let request = SaslAuthenticateRequest::decode(&mut body, version).unwrap();
            let message = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
            members.push(message.clone());
            let result = match peer.session.take() {
                None => {
                    let user = message.trim_start_matches("n,,n=").split(',').next().unwrap().to_owned();
                    let stored = script.store.as_ref().map_or(Some(Stored::of_everybody()), |store| store.login(&user));
                    peer.user = user;
                    stored.ok_or("Authentication failed").map(|stored| {
                        let (started, first) = Session::start(&message, script.scram, stored);
                        peer.session = Some(started);
                        first
                    })
                }
                Some(running) => running.finish(&message, script.scram),
            };
            let response = match result {
                Ok(text) => SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(text)),
                Err(text) => SaslAuthenticateResponse::default()
                    .with_error_code(58)
                    .with_error_message(Some(StrBytes::from_static_str(text))),
            };
            reply::<SaslAuthenticateRequest>(header, &response)
        }
        ApiKey::DescribeCluster => {
            let cluster = if script.cluster.is_empty() { vec![(1, own.clone())] } else { script.cluster.clone() };
            let brokers = cluster.into_iter().map(|(id, endpoint)| {
                DescribeClusterBroker::default()
                    .with_broker_id(BrokerId(id))
                    .with_host(StrBytes::from_string(endpoint.host))
                    .with_port(if script.fenced.contains(&id) { -1 } else { i32::from(endpoint.port) })
                    .with_is_fenced(script.fenced.contains(&id))
            });
            let response = DescribeClusterResponse::default()
                .with_error_message(None)
                .with_cluster_id(StrBytes::from_static_str("fake"))
                .with_cluster_authorized_operations(script.store.as_ref().map_or(i32::MIN, |store| store.operations))
                .with_brokers(brokers.collect());
            reply::<DescribeClusterRequest>(header, &response)
        }
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(&mut body, version).unwrap();
            let (moved, kept) = (script.moves.running.keys().map(|(topic, _)| topic), script.topics.kept.keys());
            let all = || moved.chain(kept).cloned().map(|name| StrBytes::from_string(name).into()).collect();
            let asked = request.topics.map(|asked| asked.into_iter().filter_map(|topic| topic.name).collect());
            members.extend(asked.iter().flatten().map(|name: &TopicName| name.to_string()));
            let names: Vec<TopicName> = asked.unwrap_or_else(all);
            let mut topics: Vec<_> = names
                .into_iter()
                .map(|name| {
                    let code = script.refused.get(name.as_str()).copied().unwrap_or_default();
                    let of_groups = group_broker::partitions(&script.groups, name.as_str());
                    let mut own = topic_broker::partitions(&script.topics, name.as_str());
                    if own.is_empty() {
                        own = script.moves.partitions(name.as_str()).collect();
                    }
                    MetadataResponseTopic::default()
                        .with_partitions([of_groups, own].concat())
                        .with_name(Some(name))
                        .with_error_code(code)
                        .with_topic_authorized_operations(script.operations)
                })
                .collect();
            topics.extend((0..script.padding / 100).map(|_| {
                MetadataResponseTopic::default().with_name(Some(StrBytes::from_string("x".repeat(100)).into()))
            }));
            let response = MetadataResponse::default().with_brokers(group_broker::brokers(own)).with_topics(topics);
            reply::<MetadataRequest>(header, &response)
        }
        ApiKey::CreateTopics => {
            let request = CreateTopicsRequest::decode(&mut body, version).unwrap();
            let results = request.topics.into_iter().map(|topic| {
                members.push(format!("{}:{}", topic.name.as_str(), topic.num_partitions));
                let code = script.refused.get(topic.name.as_str()).copied().unwrap_or_default();
                CreatableTopicResult::default().with_name(topic.name).with_error_code(code)
            });
            let throttle = script.topics.throttle;
            let response =
                CreateTopicsResponse::default().with_topics(results.collect()).with_throttle_time_ms(throttle);
            reply::<CreateTopicsRequest>(header, &response)
        }
        ApiKey::CreateAcls => {
            let request = CreateAclsRequest::decode(&mut body, version).unwrap();
            let results = request.creations.into_iter().map(|acl| {
                members.push(acl.resource_name.to_string());
                let code = script.refused.get(acl.resource_name.as_str()).copied().unwrap_or_default();
                AclCreationResult::default().with_error_code(code)
            });
            reply::<CreateAclsRequest>(header, &CreateAclsResponse::default().with_results(results.collect()))
        }
        ApiKey::DeleteAcls => {
            let request = DeleteAclsRequest::decode(&mut body, version).unwrap();
            let results = request.filters.into_iter().map(|filter| {
                let exact = filter.resource_name_filter.unwrap();
                assert!(filter.principal_filter.is_some() && filter.host_filter.is_some(), "a bulk deletion");
                members.push(exact.to_string());
                DeleteAclsFilterResult::default()
            });
            let response = DeleteAclsResponse::default().with_filter_results(results.collect());
            reply::<DeleteAclsRequest>(header, &response)
        }
        ApiKey::DescribeAcls => {
            let request = DescribeAclsRequest::decode(&mut body, version).unwrap();
            let name = request.resource_name_filter.unwrap_or_default();
            members.push(name.to_string());
            let acl = AclDescription::default()
                .with_principal(request.principal_filter.unwrap_or_default())
                .with_host(StrBytes::from_static_str("*"))
                .with_operation(request.operation)
                .with_permission_type(request.permission_type);
            let resource = DescribeAclsResource::default()
                .with_resource_type(request.resource_type_filter)
                .with_resource_name(name)
                .with_pattern_type(request.pattern_type_filter)
                .with_acls(vec![acl]);
            let response = DescribeAclsResponse::default().with_error_message(None).with_resources(vec![resource]);
            reply::<DescribeAclsRequest>(header, &response)
        }
        ApiKey::AlterUserScramCredentials => {
            let request = AlterUserScramCredentialsRequest::decode(&mut body, version).unwrap();
            let upserted = request.upsertions.into_iter().map(|change| change.name);
            let names = upserted.chain(request.deletions.into_iter().map(|change| change.name));
            let results = names.map(|name| {
                members.push(name.to_string());
                let code = script.refused.get(name.as_str()).copied().unwrap_or_default();
                AlterUserScramCredentialsResult::default().with_user(name).with_error_code(code)
            });
            let response = AlterUserScramCredentialsResponse::default().with_results(results.collect());
            reply::<AlterUserScramCredentialsRequest>(header, &response)
        }
        ApiKey::DescribeUserScramCredentials => {
            let request = DescribeUserScramCredentialsRequest::decode(&mut body, version).unwrap();
            let results = request.users.unwrap_or_default().into_iter().map(|user| {
                members.push(user.name.to_string());
                let slot = CredentialInfo::default().with_mechanism(1).with_iterations(4096);
                DescribeUserScramCredentialsResult::default().with_user(user.name).with_credential_infos(vec![slot])
            });
            let response = DescribeUserScramCredentialsResponse::default().with_results(results.collect());
            reply::<DescribeUserScramCredentialsRequest>(header, &response)
        }
        other => group_broker::answer(other, header, &mut body, &mut script.groups, own),
    };
    script.seen.entry(api).or_default().push(members);
    reply
}

pub(crate) fn reply<R: Request>(header: &RequestHeader, response: &R::Response) -> Bytes {
    let mut bytes = BytesMut::new();
    let version = header.request_api_version;
    ResponseHeader::default()
        .with_correlation_id(header.correlation_id)
        .encode(&mut bytes, R::Response::header_version(version))
        .unwrap();
    response.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}
