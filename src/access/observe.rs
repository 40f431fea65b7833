//! Reads everything that a decision about one access needs, into plain data. I/O; decides nothing.

use std::sync::Arc;

use super::Context;
use super::asks::wishes::Wishes;
use super::asks::{self, Ask};
use super::life::Ownership;
use super::look::foreign;
use super::look::held::{Whose, held};
use super::look::owners;
use super::password::rotation::Request;
use super::seen::{Held, Observation, Subject};
use crate::api::annotations::ROTATE;
use crate::api::names::{ClusterRef, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::AccessClaim;
use crate::clusters::{Connection, Halt, Unusable, scope_of};
use crate::intent::request::{access_name, named_after, secret_name};
use crate::watch::AccessKey;

/// Observes one access, and how to speak to its cluster where that works. What cannot be seen ends no look by which something is to be
/// taken: see [`Held::unseen`].
///
/// # Errors
/// Nothing can be judged: it is nobody's access, or Kafka does not tell the rules of the user. The queue tries again.
pub async fn observe(
    context: &Context,
    key: &AccessKey,
    credential_doubted: bool,
) -> Result<(Observation, Option<Arc<Connection>>), Halt> {
    let claim = context.world.accesses.get(&(&key.0, &key.1));
    let asks = asks::of(context, key, claim.as_deref());
    let whose = (key, claim.as_deref(), asks.as_slice());
    let (subject, misnamed) = subject(context, whose)?;
    let opted_in = context.world.opted_in(&key.0);
    let connection = match &subject {
        None => Err(Unusable { reason: Reason::NoWorkload, message: "nobody asks for this access".to_owned() }),
        Some(subject) => context.clusters.get(&subject.cluster),
    };
    let (owners, seen) = tokio::join!(owners(context, whose), async {
        let (Some(subject), Ok(connection)) = (&subject, &connection) else { return Ok(Default::default()) };
        let wishes = wanted(claim.as_deref(), &asks);
        let mut held = held(context, connection, whose, subject, &wishes).await?;
        let accounts = foreign::review(context, whose, (subject, &wishes), &mut held).await;
        Ok::<_, Halt>((held, accounts))
    });
    let (held, accounts) = seen?;
    // The labels of a namespace that opted out are not watched.
    let admits = |connection: &Arc<Connection>| connection.terms.admit(&context.world.labels_of(&key.0));
    let admitted = !opted_in || connection.as_ref().map_or(true, admits);
    let unseen = misnamed.or(held.unseen.clone());
    let held = connection.as_ref().map(|connection| (connection.ground(), Held { unseen, ..held }));
    let held = held.map_err(Clone::clone);
    let rotate = claim.as_deref().and_then(request);
    let now = context.clock.now();
    let living = asks.iter().map(|ask| ask.by.uid().to_owned()).collect();
    let let_through = context.gates.let_through(key, &living);
    let recorded = claim.as_ref().and_then(|claim| claim.status.as_ref()?.cluster.as_ref());
    let unplaced = recorded.is_none() && context.world.unnamed_accesses.has(key);
    let mut labelled: Vec<String> = context.world.pods.of(key).iter().map(|pod| pod.name.clone()).collect();
    labelled.sort();
    let key = key.clone();
    let seen = Observation {
        key,
        unplaced,
        claim,
        asks,
        subject,
        accounts,
        held,
        credential_doubted,
        owners,
        labelled,
        opted_in,
        admitted,
        let_through,
        rotate,
        now,
    };
    Ok((seen, connection.ok()))
}

fn request(claim: &AccessClaim) -> Option<Request> {
    match claim.metadata.annotations.as_ref()?.get(ROTATE)?.as_str() {
        "force" => Some(Request::Force),
        // An empty or unknown word is a wish as well; the annotation goes, so that nobody waits for nothing.
        _ => Some(Request::Now),
    }
}

async fn owners(context: &Context, (key, claim, asks): Whose<'_>) -> Vec<Ownership> {
    let on_record = claim.and_then(|claim| claim.status.as_ref()).map(|status| &status.owners);
    match on_record.filter(|_| asks.is_empty()) {
        Some(on_record) => owners::look(&context.client, &key.0, on_record).await,
        None => Vec::new(),
    }
}

/// Nobody where the namespace is not opted in and nothing was given before. With it comes what is wrong with the claim, where it was right
/// once: what it has is judged all the same.
fn subject(context: &Context, (key, claim, asks): Whose<'_>) -> Result<(Option<Subject>, Option<Unusable>), Halt> {
    let first = asks.iter().find_map(|ask| ask.intent.as_ref().ok().filter(|intent| intent.access_name() == key.1));
    let (workload, cluster) = match (claim, first) {
        (Some(claim), _) => {
            let invalid = |error| Halt::refused(Reason::InvalidValue, format!("the AccessClaim's spec {error}"));
            let workload = WorkloadName::parse(&claim.spec.workload).map_err(invalid)?;
            (workload, ClusterRef::parse(&claim.spec.cluster, &context.world.install().namespace).map_err(invalid)?)
        }
        (None, Some(intent)) => (intent.workload.clone(), intent.cluster.clone()),
        (None, None) => return Ok((None, None)),
    };
    // Two claims of one name would write one Secret in turn.
    let default = context.world.install();
    let Some(named) = named_after(&key.1, &workload, &cluster, default) else {
        let name = access_name(&workload, &cluster, default);
        let message = format!("the access of workload {workload} on {cluster} is named {name}");
        let misnamed = Unusable { reason: Reason::AccessTaken, message };
        // The default, after which accesses are named, was another when this one was given something.
        let status = claim.and_then(|claim| claim.status.as_ref());
        let Some((username, secret_name)) = status.and_then(|s| s.username.clone().zip(s.secret_name.clone())) else {
            return Err(Halt::Unusable(misnamed));
        };
        let (workload, cluster) = (workload.to_string(), cluster.to_string());
        return Ok((Some(Subject { workload, cluster, username, secret_name }), Some(misnamed)));
    };
    // The connection's own scope, where there is one: the resource may be gone already.
    let scope = match context.clusters.get(&cluster.to_string()) {
        Ok(connection) => connection.claim.scope.clone(),
        Err(_) => {
            let resource = context.world.clusters.get(&(&cluster.namespace, &cluster.name));
            scope_of(resource.as_deref(), &context.scope)
        }
    };
    let subject = Subject {
        secret_name: secret_name(&workload, named, default),
        username: scope.username(&key.0, &key.1),
        workload: workload.to_string(),
        cluster: cluster.to_string(),
    };
    Ok((Some(subject), None))
}

fn wanted(claim: Option<&AccessClaim>, asks: &[Ask]) -> Wishes {
    let mut wishes = Wishes::of_intents(asks.iter().filter_map(|ask| ask.intent.as_ref().ok()));
    if let Some(claim) = claim {
        let recorded = Wishes::of_claim(&claim.spec);
        recorded.rights().for_each(|(name, right)| wishes.add(name, right));
        wishes.secrets.extend(recorded.secrets);
        wishes.transactions |= recorded.transactions;
    }
    wishes
}
