//! What a broker keeps, and who may ask for it: rules, users, quotas, groups, settings.

use std::collections::BTreeMap;

use admittance::kafka::acl::{AclBinding, Operation, PatternType, Permission, ResourceType};
use bytes::Bytes;
use kafka_protocol::{
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse, ApiKey, CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest,
        DeleteAclsResponse, DescribeAclsRequest, DescribeAclsResponse, DescribeClientQuotasRequest,
        DescribeClientQuotasResponse, DescribeConfigsRequest, DescribeConfigsResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
        ListGroupsRequest, ListGroupsResponse, MetadataRequest, MetadataResponse, RequestHeader,
        alter_client_quotas_response,
        alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
        create_acls_response::AclCreationResult,
        delete_acls_response::DeleteAclsFilterResult,
        describe_acls_response::{AclDescription, DescribeAclsResource},
        describe_client_quotas_response,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult},
        list_groups_response::ListedGroup,
        metadata_response::MetadataResponseTopic,
    },
    protocol::{Decodable, StrBytes},
};

use crate::{fake::reply, scram_server::Stored};

/// Who may do everything.
pub(crate) const SUPER: &str = "admin";

/// What is kept.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) rules: Vec<AclBinding>,
    pub(crate) users: BTreeMap<String, Stored>,
    pub(crate) quotas: BTreeMap<String, BTreeMap<String, f64>>,
    /// Id, state, and members by client id.
    pub(crate) groups: Vec<(&'static str, &'static str, Vec<&'static str>)>,
    /// Settings by name; without a value where it is hidden.
    pub(crate) configs: BTreeMap<&'static str, Option<&'static str>>,
    /// What DescribeCluster says may be done, as Kafka's bits.
    pub(crate) operations: i32,
    /// The same of Metadata, on any topic that it shows.
    pub(crate) on_topics: i32,
    /// `allow.everyone.if.no.acl.found`
    pub(crate) everyone: bool,
    /// There is no authorizer.
    pub(crate) disabled: bool,
}

impl Store {
    /// A Kafka on which the super user may do everything.
    pub(crate) fn new() -> Self {
        let operations = Operation::ALL.iter().fold(0, |bits, operation| bits | 1 << operation.code());
        Self { operations, on_topics: operations, ..Self::default() }
    }

    /// What a user's login is checked against.
    pub(crate) fn login(&self, user: &str) -> Option<Stored> {
        if user == SUPER { Some(Stored::of_everybody()) } else { self.users.get(user).cloned() }
    }

    fn affects(&self, kind: ResourceType, name: &str) -> bool {
        let affecting = |rule: &&AclBinding| match rule.pattern_type {
            PatternType::Literal => rule.resource_name == name || rule.resource_name == "*",
            PatternType::Prefixed => name.starts_with(&rule.resource_name),
        };
        self.rules.iter().filter(|rule| rule.resource_type == kind).any(|rule| affecting(&rule))
    }

    fn may(&self, who: &str, kind: ResourceType, name: &str) -> bool {
        who == SUPER || (self.everyone && !self.affects(kind, name))
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The answer to a request about what is kept; nothing where the request is about something else.
pub(crate) fn answer(
    store: &mut Store,
    who: &str,
    header: &RequestHeader,
    body: &Bytes,
    members: &mut Vec<String>,
) -> Option<Bytes> {
    let (version, mut body) = (header.request_api_version, body.clone());
    Some(match ApiKey::try_from(header.request_api_key).unwrap() {
        ApiKey::CreateAcls => {
            let request = CreateAclsRequest::decode(&mut body, version).unwrap();
            for acl in &request.creations {
                members.push(acl.resource_name.to_string());
                let rule = AclBinding {
                    resource_type: ResourceType::from_code(acl.resource_type).unwrap(),
                    resource_name: acl.resource_name.to_string(),
                    pattern_type: PatternType::from_code(acl.resource_pattern_type).unwrap(),
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: Operation::from_code(acl.operation).unwrap(),
                    permission: Permission::from_code(acl.permission_type).unwrap(),
                };
                if !store.rules.contains(&rule) {
                    store.rules.push(rule);
                }
            }
            let results = vec![AclCreationResult::default(); request.creations.len()];
            reply::<CreateAclsRequest>(header, &CreateAclsResponse::default().with_results(results))
        }
        ApiKey::DeleteAcls => {
            let request = DeleteAclsRequest::decode(&mut body, version).unwrap();
            for filter in &request.filters {
                let (name, principal) =
                    (filter.resource_name_filter.clone().unwrap(), filter.principal_filter.clone().unwrap());
                members.push(name.to_string());
                store.rules.retain(|rule| rule.resource_name != *name || rule.principal != *principal);
            }
            let results = vec![DeleteAclsFilterResult::default(); request.filters.len()];
            reply::<DeleteAclsRequest>(header, &DeleteAclsResponse::default().with_filter_results(results))
        }
        ApiKey::DescribeAcls => {
            let filter = DescribeAclsRequest::decode(&mut body, version).unwrap();
            members.push(filter.resource_name_filter.clone().unwrap_or_default().to_string());
            let code = if store.disabled { 54 } else { 0 };
            let found = store.rules.iter().filter(|rule| matches(rule, &filter));
            let resources = found.map(|rule| {
                let acl = AclDescription::default()
                    .with_principal(text(&rule.principal))
                    .with_host(text(&rule.host))
                    .with_operation(rule.operation.code())
                    .with_permission_type(rule.permission.code());
                DescribeAclsResource::default()
                    .with_resource_type(rule.resource_type.code())
                    .with_resource_name(text(&rule.resource_name))
                    .with_pattern_type(rule.pattern_type.code())
                    .with_acls(vec![acl])
            });
            let response = DescribeAclsResponse::default().with_error_code(code).with_error_message(None);
            reply::<DescribeAclsRequest>(header, &response.with_resources(resources.collect()))
        }
        ApiKey::AlterUserScramCredentials => {
            let request = AlterUserScramCredentialsRequest::decode(&mut body, version).unwrap();
            let mut results = Vec::new();
            for change in request.upsertions {
                members.push(format!("+{}", change.name));
                results.push(AlterUserScramCredentialsResult::default().with_user(change.name.clone()));
                let iterations = change.iterations.try_into().unwrap();
                let stored = Stored { salt: change.salt.to_vec(), salted: change.salted_password.to_vec(), iterations };
                store.users.insert(change.name.to_string(), stored);
            }
            for change in request.deletions {
                members.push(format!("-{}", change.name));
                store.users.remove(change.name.as_str());
                results.push(AlterUserScramCredentialsResult::default().with_user(change.name));
            }
            let response = AlterUserScramCredentialsResponse::default().with_results(results);
            reply::<AlterUserScramCredentialsRequest>(header, &response)
        }
        ApiKey::DescribeUserScramCredentials => {
            let request = DescribeUserScramCredentialsRequest::decode(&mut body, version).unwrap();
            let asked: Option<Vec<String>> =
                request.users.map(|users| users.iter().map(|user| user.name.to_string()).collect());
            let found = store.users.iter().filter(|(name, _)| asked.as_ref().is_none_or(|asked| asked.contains(name)));
            let results = found.map(|(name, stored)| {
                let slot =
                    CredentialInfo::default().with_mechanism(1).with_iterations(stored.iterations.try_into().unwrap());
                DescribeUserScramCredentialsResult::default().with_user(text(name)).with_credential_infos(vec![slot])
            });
            let response = DescribeUserScramCredentialsResponse::default().with_results(results.collect());
            reply::<DescribeUserScramCredentialsRequest>(header, &response.with_error_message(None))
        }
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(&mut body, version).unwrap();
            let names = request.topics.unwrap_or_default().into_iter().filter_map(|topic| topic.name);
            let topics = names.map(|name| {
                let code = if store.may(who, ResourceType::Topic, name.as_str()) { 3 } else { 29 };
                MetadataResponseTopic::default()
                    .with_name(Some(name))
                    .with_error_code(code)
                    .with_topic_authorized_operations(store.on_topics)
            });
            reply::<MetadataRequest>(header, &MetadataResponse::default().with_topics(topics.collect()))
        }
        ApiKey::DescribeConfigs => {
            let request = DescribeConfigsRequest::decode(&mut body, version).unwrap();
            let keys = request.resources.into_iter().next().unwrap().configuration_keys.unwrap();
            let known = |key: &StrBytes| Some((key.clone(), *store.configs.get(key.as_str())?));
            let configs = keys.iter().filter_map(known).map(|(name, value)| {
                let value = value.map(text);
                DescribeConfigsResourceResult::default()
                    .with_name(name)
                    .with_is_sensitive(value.is_none())
                    .with_value(value)
            });
            let result = DescribeConfigsResult::default().with_error_message(None).with_configs(configs.collect());
            reply::<DescribeConfigsRequest>(header, &DescribeConfigsResponse::default().with_results(vec![result]))
        }
        ApiKey::AlterClientQuotas => {
            let request = AlterClientQuotasRequest::decode(&mut body, version).unwrap();
            let mut entries = Vec::new();
            for entry in request.entries {
                let user = entry.entity[0].entity_name.clone().unwrap();
                members.push(user.to_string());
                let quota = store.quotas.entry(user.to_string()).or_default();
                for op in entry.ops {
                    if op.remove {
                        quota.remove(op.key.as_str());
                    } else {
                        quota.insert(op.key.to_string(), op.value);
                    }
                }
                let entity = alter_client_quotas_response::EntityData::default()
                    .with_entity_type(entry.entity[0].entity_type.clone())
                    .with_entity_name(Some(user));
                entries.push(
                    alter_client_quotas_response::EntryData::default()
                        .with_error_message(None)
                        .with_entity(vec![entity]),
                );
            }
            store.quotas.retain(|_, quota| !quota.is_empty());
            reply::<AlterClientQuotasRequest>(header, &AlterClientQuotasResponse::default().with_entries(entries))
        }
        ApiKey::DescribeClientQuotas => {
            let request = DescribeClientQuotasRequest::decode(&mut body, version).unwrap();
            assert!(request.strict, "others' limits would be mixed in");
            let asked = request.components[0]._match.clone();
            let found =
                store.quotas.iter().filter(|(user, _)| asked.as_ref().is_none_or(|asked| asked.as_str() == *user));
            let entries = found.map(|(user, quota)| {
                let entity = describe_client_quotas_response::EntityData::default()
                    .with_entity_type(text("user"))
                    .with_entity_name(Some(text(user)).filter(|user| !user.is_empty()));
                let values = quota.iter().map(|(key, value)| {
                    describe_client_quotas_response::ValueData::default().with_key(text(key)).with_value(*value)
                });
                describe_client_quotas_response::EntryData::default()
                    .with_entity(vec![entity])
                    .with_values(values.collect())
            });
            let response = DescribeClientQuotasResponse::default().with_error_message(None);
            reply::<DescribeClientQuotasRequest>(header, &response.with_entries(Some(entries.collect())))
        }
        ApiKey::ListGroups => {
            let states = ListGroupsRequest::decode(&mut body, version).unwrap().states_filter;
            let wanted = store.groups.iter();
            let wanted =
                wanted.filter(|(_, state, _)| states.is_empty() || states.iter().any(|one| one.as_str() == *state));
            let groups = wanted.map(|(id, state, _)| {
                ListedGroup::default()
                    .with_group_id(text(id).into())
                    .with_protocol_type(text("consumer"))
                    .with_group_state(text(state))
            });
            reply::<ListGroupsRequest>(header, &ListGroupsResponse::default().with_groups(groups.collect()))
        }
        ApiKey::DescribeGroups => {
            let request = DescribeGroupsRequest::decode(&mut body, version).unwrap();
            let groups = request.groups.into_iter().map(|id| {
                members.push(id.to_string());
                let known = store.groups.iter().find(|(known, ..)| *known == id.as_str());
                let code = match known {
                    _ if !store.may(who, ResourceType::Group, id.as_str()) => 30,
                    Some(_) => 0,
                    None => 69,
                };
                let (state, clients) = known.map_or(("", &[][..]), |(_, state, clients)| (*state, clients));
                let member = |client: &&str| {
                    DescribedGroupMember::default().with_client_id(text(client)).with_client_host(text("/10.0.0.1"))
                };
                DescribedGroup::default()
                    .with_error_code(code)
                    .with_error_message(None)
                    .with_group_id(id)
                    .with_group_state(text(state))
                    .with_members(clients.iter().map(member).collect())
            });
            let response = DescribeGroupsResponse::default().with_groups(groups.collect());
            reply::<DescribeGroupsRequest>(header, &response)
        }
        _ => return None,
    })
}

fn matches(rule: &AclBinding, filter: &DescribeAclsRequest) -> bool {
    let any_or = |wanted: i8, code: i8| wanted == 1 || wanted == code;
    let name_matches = match (&filter.resource_name_filter, filter.pattern_type_filter) {
        (None, pattern) => any_or(pattern, rule.pattern_type.code()),
        (Some(name), 2) => match rule.pattern_type {
            PatternType::Literal => rule.resource_name == "*" || rule.resource_name == **name,
            PatternType::Prefixed => name.starts_with(&rule.resource_name),
        },
        (Some(name), pattern) => any_or(pattern, rule.pattern_type.code()) && rule.resource_name == **name,
    };
    name_matches
        && any_or(filter.resource_type_filter, rule.resource_type.code())
        && any_or(filter.operation, rule.operation.code())
        && any_or(filter.permission_type, rule.permission.code())
        && filter.principal_filter.as_ref().is_none_or(|principal| rule.principal == **principal)
        && filter.host_filter.as_ref().is_none_or(|host| rule.host == **host)
}
