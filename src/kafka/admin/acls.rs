//! Access rules.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use kafka_protocol::messages::{
    CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, create_acls_request::AclCreation,
    delete_acls_request::DeleteAclsFilter,
};

use tokio::time::Instant;

use super::{Admin, At, REVOCATIONS, pool::Lane, text};
use crate::kafka::{
    acl::{AclBinding, AclFilter, Operation, PatternType, Permission, ResourceType},
    error::Error,
};

const CREATE: &str = "CreateAcls";
const DESCRIBE: &str = "DescribeAcls";
const DELETE: &str = "DeleteAcls";
/// Kafka's number for "any" in filters.
const ANY: i8 = 1;
/// Kafka's number for "every pattern that matches the name", in filters.
const MATCH: i8 = 2;
/// How long a question is not asked again whose answer was too large: rules do not become few at once.
const TOO_LARGE_FOR: Duration = Duration::from_secs(600);

/// Questions about rules whose answers were too large to be read, and when that was.
#[derive(Debug, Default)]
pub(super) struct TooLarge(Mutex<HashMap<AclFilter, Instant>>);

impl TooLarge {
    fn has(&self, filter: &AclFilter) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < TOO_LARGE_FOR);
        known.contains_key(filter)
    }

    fn note(&self, filter: &AclFilter) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(filter.clone(), Instant::now());
    }
}

impl Admin {
    /// Adds rules, each with a result of its own, in the order given. A rule that is there already is a success.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn create_acls(&self, rules: &[AclBinding]) -> Result<Vec<Result<(), Error>>, Error> {
        let creations = rules.iter().map(|rule| {
            AclCreation::default()
                .with_resource_type(rule.resource_type.code())
                .with_resource_name(text(&rule.resource_name))
                .with_resource_pattern_type(rule.pattern_type.code())
                .with_principal(text(&rule.principal))
                .with_host(text(&rule.host))
                .with_operation(rule.operation.code())
                .with_permission_type(rule.permission.code())
        });
        let request = CreateAclsRequest::default().with_creations(creations.collect());
        let answer = self.write(Lane::Acls, request).await?;
        let results = answer.reply.results.into_iter();
        let results = results
            .map(|result| Error::check(CREATE, &answer.peer, result.error_code, result.error_message.as_deref()));
        aligned(CREATE, &answer.peer, rules, results.collect())
    }

    /// Removes exactly these rules, each with a result of its own, in the order given. A rule that is not there is a
    /// success. The controller scans all rules for each one: fifty a request are plenty.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn delete_acls(&self, rules: &[AclBinding]) -> Result<Vec<Result<(), Error>>, Error> {
        let filters = rules.iter().map(|rule| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(rule.resource_type.code())
                .with_resource_name_filter(Some(text(&rule.resource_name)))
                .with_pattern_type_filter(rule.pattern_type.code())
                .with_principal_filter(Some(text(&rule.principal)))
                .with_host_filter(Some(text(&rule.host)))
                .with_operation(rule.operation.code())
                .with_permission_type(rule.permission.code())
        });
        let request = DeleteAclsRequest::default().with_filters(filters.collect());
        let turn = self.0.revocations.fetch_add(1, Ordering::Relaxed) % REVOCATIONS;
        let answer = self.write(Lane::Revocations(turn), request).await?;
        let results = answer.reply.filter_results.into_iter().map(|result| {
            Error::check(DELETE, &answer.peer, result.error_code, result.error_message.as_deref())?;
            result
                .matching_acls
                .iter()
                .try_for_each(|rule| Error::check(DELETE, &answer.peer, rule.error_code, rule.error_message.as_deref()))
        });
        aligned(DELETE, &answer.peer, rules, results.collect())
    }

    /// Finds rules, sorted. Rules of kinds that are not granted here (on delegation tokens and users) are left out. Where there are
    /// too many for one answer, narrower questions are asked, one after the other ([`AclFilter::parts`]).
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Denied`] with the code `SecurityDisabled` where the brokers have no authorizer,
    /// [`Error::is_too_large`] where even the narrowest question has too many.
    pub async fn describe_acls(&self, filter: &AclFilter, at: At) -> Result<Vec<AclBinding>, Error> {
        let (mut rules, mut open) = (Vec::new(), vec![filter.clone()]);
        while let Some(filter) = open.pop() {
            let parts = filter.parts();
            match self.rules(&filter, at, |_| true).await {
                Err(error) if error.is_too_large() && !parts.is_empty() => open.extend(parts),
                found => rules.extend(found?),
            }
        }
        rules.sort();
        Ok(rules)
    }

    /// Finds the rules of all of these principals in one question, sorted: those of others are read and left out.
    ///
    /// # Errors
    /// See [`Self::describe_acls`]; [`Error::is_too_large`] where all rules together are, or lately were, too many for one answer.
    pub async fn describe_acls_of(&self, principals: &HashSet<&str>, at: At) -> Result<Vec<AclBinding>, Error> {
        self.rules(&AclFilter::All, at, |principal| principals.contains(principal)).await
    }

    /// One question. One that has narrower ones is not asked again for a while after its answer was too large.
    async fn rules(&self, filter: &AclFilter, at: At, meant: impl Fn(&str) -> bool) -> Result<Vec<AclBinding>, Error> {
        if self.0.too_large.has(filter) {
            return Err(Error::too_large(DESCRIBE, "", "the answer was too large a short while ago"));
        }
        let answer = self.read(at, |_| wire_filter(filter)).await;
        let answer = answer.inspect_err(|error| {
            if error.is_too_large() && !filter.parts().is_empty() {
                tracing::warn!(?filter, %error, "narrower questions are asked instead");
                self.0.too_large.note(filter);
            }
        })?;
        let reply = answer.reply;
        Error::check(DESCRIBE, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let mut rules = Vec::new();
        for resource in &reply.resources {
            for acl in resource.acls.iter().filter(|acl| meant(&acl.principal)) {
                let rule = || {
                    Some(AclBinding {
                        resource_type: ResourceType::from_code(resource.resource_type)?,
                        resource_name: resource.resource_name.to_string(),
                        pattern_type: PatternType::from_code(resource.pattern_type)?,
                        principal: acl.principal.to_string(),
                        host: acl.host.to_string(),
                        operation: Operation::from_code(acl.operation)?,
                        permission: Permission::from_code(acl.permission_type)?,
                    })
                };
                rules.extend(rule());
            }
        }
        rules.sort();
        Ok(rules)
    }
}

fn wire_filter(filter: &AclFilter) -> DescribeAclsRequest {
    let any = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    match filter {
        AclFilter::All => any,
        AclFilter::Principal(principal) => any.with_principal_filter(Some(text(principal))),
        AclFilter::Affecting(resource_type, name) => any
            .with_resource_type_filter(resource_type.code())
            .with_resource_name_filter(Some(text(name)))
            .with_pattern_type_filter(MATCH),
        AclFilter::Named(resource_type, pattern_type) => {
            any.with_resource_type_filter(resource_type.code()).with_pattern_type_filter(pattern_type.code())
        }
        AclFilter::Shape(resource_type, pattern_type, operation) => any
            .with_resource_type_filter(resource_type.code())
            .with_pattern_type_filter(pattern_type.code())
            .with_operation(operation.code()),
        AclFilter::Exact(rule) => any
            .with_resource_type_filter(rule.resource_type.code())
            .with_resource_name_filter(Some(text(&rule.resource_name)))
            .with_pattern_type_filter(rule.pattern_type.code())
            .with_principal_filter(Some(text(&rule.principal)))
            .with_host_filter(Some(text(&rule.host)))
            .with_operation(rule.operation.code())
            .with_permission_type(rule.permission.code()),
    }
}

/// These replies name nothing: the n-th result is that of the n-th member, and there must be as many.
fn aligned<T>(
    api: &str,
    peer: &str,
    asked: &[T],
    results: Vec<Result<(), Error>>,
) -> Result<Vec<Result<(), Error>>, Error> {
    if results.len() == asked.len() {
        return Ok(results);
    }
    Err(Error::protocol(api, peer, format!("{} results for {} rules", results.len(), asked.len())))
}
