//! How accesses and topics stand, and which topics are about to be deleted. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::findings::{Judge, NAMED, full_name, remedy_of, unready};
use super::observe::{Read, Seen};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, BrokerCluster};

const ACCESSES: &str = "Accesses";
const TOPICS: &str = "Topics";

impl Judge {
    pub(super) fn accesses(&mut self, seen: &Seen) {
        self.stand(ACCESSES, "accessclaims", &seen.accesses, |claim| match &claim.status {
            Some(status) => &status.conditions,
            None => &[],
        });
        self.overdue(seen.accesses.iter().flatten());
    }

    pub(super) fn topics(&mut self, seen: &Seen) {
        self.stand(TOPICS, "topicclaims", &seen.topics, |claim| match &claim.status {
            Some(status) => &status.conditions,
            None => &[],
        });
        if seen.topics.is_ok() {
            for cluster in seen.clusters.iter().flatten() {
                self.deletions(cluster);
            }
        }
    }

    /// How many claims of a kind are ready, and what is in the way of the others.
    fn stand<K: ResourceExt>(
        &mut self,
        area: &'static str,
        plural: &str,
        read: &Read<Vec<K>>,
        conditions: impl Fn(&K) -> &[Condition],
    ) {
        let Some(claims) = self.read(area, read) else { return };
        let troubled: Vec<_> =
            claims.iter().filter_map(|claim| Some((full_name(claim), unready(conditions(claim))?))).collect();
        for (name, (says, remedy)) in troubled.iter().take(NAMED) {
            self.problem(area, name, says, remedy);
        }
        if troubled.len() > NAMED {
            let says = format!("{} more are not ready", troubled.len() - NAMED);
            self.problem(area, "", says, format!("kubectl get {plural} --all-namespaces"));
        }
        let (ready, all) = (claims.len() - troubled.len(), claims.len());
        if ready == all {
            self.fine(area, "", format!("{ready} of {all} ready"));
        } else {
            self.notice(area, "", format!("{ready} of {all} ready"), None);
        }
    }

    /// Accesses that are ready, and of which an old password works for longer than it may.
    fn overdue<'c>(&mut self, claims: impl Iterator<Item = &'c AccessClaim>) {
        let said = |claim: &'c AccessClaim| {
            let mut said = claim.status.iter().flat_map(|status| &status.conditions);
            let said = said.find(|said| said.status == "False" && said.reason == Reason::RotationOverdue.code())?;
            Some((full_name(claim), said))
        };
        let overdue: Vec<_> = claims.filter_map(said).collect();
        for (name, said) in overdue.iter().take(NAMED) {
            self.notice(ACCESSES, name, format!("{}: {}", said.reason, said.message), Some(remedy_of(said)));
        }
        if overdue.len() > NAMED {
            let says = format!("{} more are {}", overdue.len() - NAMED, Reason::RotationOverdue);
            self.notice(ACCESSES, "", says, Some("kubectl get accessclaims --all-namespaces -o yaml".to_owned()));
        }
    }

    /// Topics whose claims are gone, and that go with them unless somebody says otherwise.
    fn deletions(&mut self, cluster: &BrokerCluster) {
        let pending = cluster.status.iter().flat_map(|status| &status.deletions);
        let pending: Vec<_> = pending.filter(|one| one.deleted.is_none()).collect();
        for one in pending.iter().take(NAMED) {
            let says = match &one.held {
                Some(held) => format!("its claim was deleted, and it is kept for now: {held}"),
                None => format!("its claim was deleted; it is deleted at {}", one.due.0),
            };
            let remedy = format!("to keep it, declare TopicClaim {}/{} again", one.namespace, one.claim);
            self.notice(TOPICS, &one.topic, says, Some(remedy));
        }
        if pending.len() > NAMED {
            let (says, name) = (format!("{} more wait for their deletion", pending.len() - NAMED), cluster.name_any());
            let namespace = cluster.namespace().unwrap_or_default();
            let remedy = format!("kubectl -n {namespace} get brokercluster {name} -o jsonpath='{{.status.deletions}}'");
            self.notice(TOPICS, "", says, Some(remedy));
        }
    }
}
