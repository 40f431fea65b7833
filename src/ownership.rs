//! Whose topic it is. Pure; the controllers of accesses and of topics ask the same function.
//!
//! A claim under the namespace's own name (`<namespace>.…`) comes first, a declared one before one that Pods led to. Then comes the
//! namespace that has the topic on record from a claim that was deleted; no other may take it while that record stands. Then claims that
//! produce or declare come before those that only consume, what already made the topic before what has not, and the older before
//! the younger. A claim that the cluster's policy refuses comes behind all others, unless it has the topic from before.

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::resources::{BrokerCluster, TopicClaim, TopicSource};

/// Whose a topic was, by its id: its claim was deleted, and the topic stayed, or stays for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRecord {
    /// The namespace of the claim.
    pub namespace: String,
    /// The topic's id in Kafka: one that is made anew under the same name is another topic.
    pub topic_id: String,
}

/// A record of whose a topic was, in the books of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'b> {
    /// The topic.
    pub topic: &'b str,
    /// The namespace of the claim.
    pub namespace: &'b str,
    /// The topic's id in Kafka.
    pub topic_id: &'b str,
}

/// What the books of a cluster say of topics that are there.
pub fn records(cluster: &BrokerCluster) -> impl Iterator<Item = Record<'_>> {
    let pending = cluster.status.iter().flat_map(|status| &status.deletions).filter(|record| record.deleted.is_none());
    let pending = pending.map(|record| (&record.topic, &record.namespace, &record.topic_id));
    let released = cluster.status.iter().flat_map(|status| &status.released);
    let released = released.map(|record| (&record.topic, &record.namespace, &record.topic_id));
    pending.chain(released).map(|(topic, namespace, topic_id)| Record { topic, namespace, topic_id })
}

/// What the books of a cluster say of one of its topics.
#[must_use]
pub fn on_record(cluster: Option<&BrokerCluster>, topic: &str) -> Vec<OnRecord> {
    let of_it = cluster.into_iter().flat_map(records).filter(|record| record.topic == topic);
    let owned =
        |record: Record<'_>| OnRecord { namespace: record.namespace.to_owned(), topic_id: record.topic_id.to_owned() };
    of_it.map(owned).collect()
}

/// The claim that has the topic, among all claims on it; none where they are all of others than the books name. `refused` is whether the
/// cluster's policy refuses one: by the policy itself, since what its status says of that changes with whose the topic is.
#[must_use]
pub fn owner<'c>(
    claims: &'c [Arc<TopicClaim>],
    books: &[OnRecord],
    refused: impl Fn(&TopicClaim) -> bool,
) -> Option<&'c Arc<TopicClaim>> {
    // A record of whose a topic was ends with whoever has it.
    let over = claims.iter().any(|claim| has(claim) && !names(books, namespace_of(claim)));
    let books = if over { &[] } else { books };
    let free = |claim: &&Arc<TopicClaim>| kept_for(books, &claim.spec.topic_name, namespace_of(claim)).is_none();
    let mut ranked: Vec<_> = claims.iter().filter(free).collect();
    ranked.sort_by(|one, other| rank(other, books).cmp(&rank(one, books)));
    // From the top down: of many claims, few are judged.
    ranked.iter().find(|claim| has(claim) || !refused(claim)).or(ranked.first()).copied()
}

/// The record that keeps a topic from a namespace, if one does: it names another, and the name is not this one's own.
#[must_use]
pub fn kept_for<'b>(books: &'b [OnRecord], topic: &str, namespace: &str) -> Option<&'b OnRecord> {
    books.first().filter(|_| !own_name(topic, namespace) && !names(books, namespace))
}

/// Whether a topic's name is a namespace's own.
#[must_use]
pub fn own_name(topic: &str, namespace: &str) -> bool {
    topic.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('.'))
}

/// The namespace whose own name a topic or a group has, if `exists` knows a namespace of that name.
#[must_use]
pub fn own_namespace(name: &str, exists: impl Fn(&str) -> bool) -> Option<&str> {
    name.split_once('.').map(|(namespace, _)| namespace).filter(|namespace| exists(namespace))
}

fn names(books: &[OnRecord], namespace: &str) -> bool {
    books.iter().any(|record| record.namespace == namespace)
}

fn namespace_of(claim: &TopicClaim) -> &str {
    claim.metadata.namespace.as_deref().unwrap_or_default()
}

fn has(claim: &TopicClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| status.topic_id.is_some())
}

type Rank<'c> = ((bool, bool), bool, bool, bool, Reverse<Option<&'c Time>>, Reverse<Option<&'c str>>);

fn rank<'c>(claim: &'c TopicClaim, books: &[OnRecord]) -> Rank<'c> {
    let namespace = namespace_of(claim);
    let own = own_name(&claim.spec.topic_name, namespace);
    (
        (own, own && claim.spec.source == TopicSource::Declared),
        names(books, namespace),
        claim.spec.source != TopicSource::Consumer,
        has(claim),
        Reverse(claim.metadata.creation_timestamp.as_ref()),
        Reverse(claim.metadata.uid.as_deref()),
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicClaimStatus};

    fn claim(namespace: &str, source: TopicSource, created: i64) -> TopicClaim {
        let spec = TopicClaimSpec::of("shop.orders", "a/b", source);
        let mut claim = TopicClaim::new("orders", spec);
        claim.metadata.namespace = Some(namespace.to_owned());
        claim.metadata.uid = Some(format!("{namespace}-{created}"));
        claim.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        claim
    }

    fn winner(claims: Vec<TopicClaim>) -> String {
        winner_by(claims, &[]).unwrap()
    }

    fn winner_by(claims: Vec<TopicClaim>, books: &[&str]) -> Option<String> {
        let claims: Vec<_> = claims.into_iter().map(Arc::new).collect();
        let record = |namespace: &&str| OnRecord { namespace: (*namespace).to_owned(), topic_id: "id".to_owned() };
        let books: Vec<_> = books.iter().map(record).collect();
        owner(&claims, &books, |_| false).map(|claim| claim.metadata.namespace.clone().unwrap())
    }

    #[test]
    fn a_refused_claim_that_waited_does_not_take_what_is_on_record_for_another() {
        let refused = || claim("b", TopicSource::Declared, 1);
        let anew = |source| claim("a", source, 9);
        assert_eq!(winner_by(vec![refused(), anew(TopicSource::Declared)], &[]).unwrap(), "b", "the older has it");
        for source in [TopicSource::Declared, TopicSource::Producer, TopicSource::Consumer] {
            assert_eq!(winner_by(vec![refused(), anew(source)], &["a"]).unwrap(), "a", "declared again, by whatever");
        }
        assert_eq!(winner_by(vec![refused()], &["a"]), None, "nor while its owner has no claim at all");
        assert_eq!(winner_by(vec![refused()], &["b"]).unwrap(), "b", "its own record keeps nothing from it");
    }

    #[test]
    fn a_record_keeps_nothing_from_the_namespace_of_the_name_or_from_who_has_the_topic() {
        let shop = || claim("shop", TopicSource::Consumer, 9);
        assert_eq!(winner_by(vec![claim("a", TopicSource::Declared, 1), shop()], &["a"]).unwrap(), "shop");
        let mut made = claim("b", TopicSource::Producer, 5);
        made.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
        let anew = || claim("a", TopicSource::Declared, 9);
        assert_eq!(winner_by(vec![made, anew()], &["a"]).unwrap(), "b", "the record is about to end");
        let mut again = claim("a", TopicSource::Consumer, 9);
        again.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
        let refused = || claim("b", TopicSource::Declared, 1);
        assert_eq!(winner_by(vec![refused(), again.clone()], &["a"]).unwrap(), "a", "the record is the namespace's");
        assert_eq!(winner_by(vec![refused(), again], &[]).unwrap(), "b", "a consumer yields to who produces");
    }

    #[test]
    fn the_books_name_topics_that_are_there() {
        let cluster: BrokerCluster = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "main", "namespace": "kafka"},
            "spec": {"external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}}},
            "status": {
                "conditions": [],
                "released": [
                    {"topic": "orders", "topicId": "1", "namespace": "a", "claim": "c", "since": "2026-01-01T00:00:00Z"},
                    {"topic": "others", "topicId": "2", "namespace": "b", "claim": "c", "since": "2026-01-01T00:00:00Z"},
                ],
                "deletions": [
                    {"topic": "orders", "topicId": "3", "namespace": "c", "claim": "c", "definition": "d",
                     "since": "2026-01-01T00:00:00Z", "due": "2026-01-02T00:00:00Z"},
                    {"topic": "orders", "topicId": "4", "namespace": "d", "claim": "c", "definition": "d",
                     "since": "2026-01-01T00:00:00Z", "due": "2026-01-02T00:00:00Z", "deleted": "2026-01-02T00:00:00Z"},
                ],
            },
        }))
        .unwrap();
        let found: Vec<_> =
            on_record(Some(&cluster), "orders").into_iter().map(|one| one.namespace + &one.topic_id).collect();
        assert_eq!(found, ["c3", "a1"], "what was deleted is nobody's");
        assert_eq!(on_record(None, "orders"), []);
    }

    #[test]
    fn what_policy_refuses_comes_behind_all_others_unless_it_has_the_topic() {
        let having = |mut claim: TopicClaim| {
            claim.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
            claim
        };
        let waits = |namespace| claim(namespace, TopicSource::Consumer, 9);
        for (refused, other, wins, case) in [
            (claim("no", TopicSource::Declared, 1), waits("b"), "b", "older and declared"),
            (claim("no", TopicSource::Declared, 1), having(waits("b")), "b", "over one that has the topic"),
            (claim("no", TopicSource::Declared, 1), waits("no-b"), "no", "among those who are refused nothing changes"),
            (having(claim("no", TopicSource::Declared, 1)), waits("b"), "no", "it has the topic from before"),
        ] {
            let claims: Vec<_> = [refused, other].into_iter().map(Arc::new).collect();
            let refused = |claim: &TopicClaim| namespace_of(claim).starts_with("no");
            assert_eq!(owner(&claims, &[], refused).map(|claim| namespace_of(claim)), Some(wins), "{case}");
        }
        let own: Vec<_> = [claim("shop", TopicSource::Declared, 1), waits("b")].into_iter().map(Arc::new).collect();
        let refused = |claim: &TopicClaim| namespace_of(claim) == "shop";
        assert_eq!(owner(&own, &[], refused).map(|claim| namespace_of(claim)), Some("b"), "its own name");
    }

    #[test]
    fn of_many_claims_few_are_judged() {
        let claims: Vec<_> = (0..1000).map(|age| Arc::new(claim("b", TopicSource::Declared, age))).collect();
        let judged = std::cell::Cell::new(0);
        let refused = |_: &TopicClaim| {
            judged.set(judged.get() + 1);
            false
        };
        assert_eq!(owner(&claims, &[], refused).unwrap().metadata.uid.as_deref(), Some("b-0"));
        assert_eq!(judged.get(), 1);
    }

    #[test]
    fn the_older_of_equals_has_it() {
        assert_eq!(winner(vec![claim("b", TopicSource::Producer, 2), claim("a", TopicSource::Producer, 1)]), "a");
        assert_eq!(winner(vec![claim("b", TopicSource::Declared, 1), claim("a", TopicSource::Producer, 2)]), "b");
    }

    #[test]
    fn a_consumer_yields_to_a_producer() {
        assert_eq!(winner(vec![claim("old", TopicSource::Consumer, 1), claim("new", TopicSource::Producer, 9)]), "new");
    }

    #[test]
    fn a_declared_own_name_comes_first() {
        let claims = vec![claim("squatter", TopicSource::Declared, 1), claim("shop", TopicSource::Declared, 9)];
        assert_eq!(winner(claims), "shop");
        let lookalike = vec![claim("squatter", TopicSource::Declared, 1), claim("sho", TopicSource::Declared, 9)];
        assert_eq!(winner(lookalike), "squatter", "a prefix counts only up to its dot");
    }

    #[test]
    fn a_squatter_yields_to_the_namespace_of_the_name() {
        let claims = vec![claim("squatter", TopicSource::Declared, 1), claim("shop", TopicSource::Consumer, 9)];
        assert_eq!(winner(claims), "shop");
        assert_eq!(own_namespace("shop.orders", |name| name == "shop"), Some("shop"));
        assert_eq!(own_namespace("shop.orders", |_| false), None);
        assert_eq!(own_namespace("orders", |_| true), None);
    }

    #[test]
    fn in_the_same_second_the_one_that_made_the_topic_keeps_it() {
        let mut made = claim("z", TopicSource::Producer, 5);
        made.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
        assert_eq!(winner(vec![claim("a", TopicSource::Producer, 5), made]), "z");
    }
}
