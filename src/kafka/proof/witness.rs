//! One broker, asked until it shows what is claimed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Claim, Claimed, Unproven,
    ledger::{Ledger, Place},
};
use crate::kafka::{
    acl::{AclBinding, AclFilter},
    admin::{Admin, At, BrokerId, login::Prepared, users::StoredCredential},
    config::Credential,
    error::Error,
    scram::ScramKeys,
};

/// The shortest pause between two looks, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(50);
/// A pause is this part of the time that was waited so far: nobody waits for much longer than it takes.
const PART: u32 = 5;
/// How long a broker has to put a user to use that it shows already: it shows the metadata first, then applies it part by part
/// (`BrokerMetadataPublisher`). A login that comes in between is refused, and stands in its log. A broker that is slow to answer is as slow to
/// apply, so it has this many times as long as it took to answer, up to what a refused login costs.
const PUBLICATION: Duration = Duration::from_millis(10);
const ANSWERS: u32 = 5;
const REFUSAL: Duration = Duration::from_millis(100);
/// How long a broker may be out of reach before proofs go on without it.
const GRACE: Duration = Duration::from_secs(3);

/// What one caller wants to see.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) claims: Arc<Vec<Claim>>,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Testimony>,
}

/// What a broker showed.
#[derive(Debug)]
pub(super) enum Testimony {
    /// All of it.
    Seen,
    /// Nothing: it cannot be asked.
    Unreachable(String),
    /// It can be asked, and does not show it.
    Failed(Unproven),
}

/// What one look at a claim gave.
enum Look {
    Shown,
    /// Not yet; with the broker's refusal where it gave one.
    NotYet(Option<Error>),
    /// The broker could not be asked.
    Unreachable(Error),
    /// Looking again cannot help.
    Failed(Error),
}

#[derive(Debug)]
struct Waiter {
    deadline: Instant,
    reply: oneshot::Sender<Testimony>,
}

/// Looks until nobody waits any more; ends when nobody can ask any more.
pub(super) async fn run(admin: Admin, broker: BrokerId, mut wants: mpsc::Receiver<Want>) {
    let mut ledger: Ledger<Waiter> = Ledger::new();
    let mut down_since: Option<Instant> = None;
    let (mut attempt, mut began) = (0, Instant::now());
    // A connection for the next login, opened while the rest is looked at.
    let mut spare: Option<Prepared> = None;
    loop {
        if ledger.is_empty() {
            spare = None;
            match wants.recv().await {
                Some(want) => enter(&mut ledger, want),
                None => return,
            }
            (attempt, began) = (0, Instant::now());
        }
        while let Ok(want) = wants.try_recv() {
            enter(&mut ledger, want);
        }
        answer(ledger.take_complete(), || Testimony::Seen);

        let mut ready = spare.take().filter(Prepared::is_usable);
        let (mut topics, mut others) = (Vec::new(), Vec::new());
        for (place, claimed) in ledger.round(attempt) {
            match claimed {
                Claimed::Topic(name) => topics.push((place, name)),
                Claimed::Rule(rule) => others.push((place, Other::Rule(rule))),
                Claimed::Login(credential, keys) => others.push((place, Other::Login(credential, keys, ready.take()))),
            }
        }
        let others = join_all(others.into_iter().map(|(place, other)| look(&admin, broker, place, other)));
        let prepare = async {
            match ready {
                None if ledger.awaits_login() => admin.prepare_login(broker).await.ok(),
                ready => ready,
            }
        };
        let (mut looks, others, prepared) =
            tokio::join!(look_at_topics(&admin, broker, topics), others, timeout(GRACE, prepare));
        looks.extend(others);
        spare = prepared.ok().flatten();
        let mut reason = None;
        let mut progress = false;
        let mut unreachable = None;
        for (place, look) in looks {
            match look {
                Look::Shown => {
                    progress = true;
                    ledger.shown(place);
                }
                Look::NotYet(error) => reason = error.or(reason),
                Look::Unreachable(error) => unreachable = Some(error),
                Look::Failed(error) => answer(ledger.take_waiting(|_| true), || failed(error.clone(), false)),
            }
        }
        answer(ledger.take_complete(), || Testimony::Seen);
        match &unreachable {
            None => down_since = None,
            Some(error) => {
                let since = *down_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= GRACE {
                    answer(ledger.take_waiting(|_| true), || Testimony::Unreachable(error.to_string()));
                }
            }
        }
        let now = Instant::now();
        let late = |waiter: &Waiter| waiter.deadline <= now || waiter.reply.is_closed();
        let said = |login| match (&unreachable, &reason) {
            (Some(error), _) => Testimony::Unreachable(error.to_string()),
            (None, reason) => failed(not_shown(broker, reason.as_ref()), login),
        };
        answer(ledger.take_waiting_for_logins(late), || said(true));
        answer(ledger.take_waiting(late), || said(false));

        if progress {
            (attempt, began) = (0, Instant::now());
        } else if !ledger.is_empty() {
            attempt += 1;
            let pause = (began.elapsed() / PART).clamp(FIRST_PAUSE, LAST_PAUSE);
            let earliest = ledger.waiters().map(|waiter| waiter.deadline).min();
            let until = (Instant::now() + pause).min(earliest.unwrap_or_else(Instant::now));
            tokio::select! {
                () = sleep_until(until) => {}
                Some(want) = wants.recv() => enter(&mut ledger, want),
            }
        }
    }
}

fn enter(ledger: &mut Ledger<Waiter>, want: Want) {
    ledger.add(want.claims, Waiter { deadline: want.deadline, reply: want.reply });
}

fn answer(waiters: Vec<Waiter>, testimony: impl Fn() -> Testimony) {
    for waiter in waiters {
        // Whoever has gone needs no answer.
        let _ = waiter.reply.send(testimony());
    }
}

fn failed(error: Error, login: bool) -> Testimony {
    Testimony::Failed(Unproven { error, login })
}

fn not_shown(broker: BrokerId, reason: Option<&Error>) -> Error {
    let reason = reason.map_or_else(|| "it does not show what was committed".into(), Error::to_string);
    Error::unreachable("proof", &format!("broker {broker}"), format!("not served in time: {reason}"))
}

/// What is looked at one by one.
enum Other {
    Rule(AclBinding),
    Login(Credential, Option<ScramKeys>, Option<Prepared>),
}

/// All topics in one question.
async fn look_at_topics(admin: &Admin, broker: BrokerId, topics: Vec<(Place, String)>) -> Vec<(Place, Look)> {
    if topics.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<_> = topics.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    names.dedup();
    let found = match timeout(GRACE, admin.describe_topics(&names, At::Broker(broker))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return topics.into_iter().map(|(place, _)| (place, Look::failed(error.clone()))).collect(),
        Err(_) => return topics.into_iter().map(|(place, _)| (place, Look::late(broker))).collect(),
    };
    let found: HashMap<_, _> = names.into_iter().zip(found).collect();
    let look = |name: &String| match found.get(name) {
        Some(Ok(Some(_))) => Look::Shown,
        Some(Ok(None)) | None => Look::NotYet(None),
        Some(Err(error)) => Look::failed(error.clone()),
    };
    topics.iter().map(|(place, name)| (*place, look(name))).collect()
}

async fn look(admin: &Admin, broker: BrokerId, place: Place, other: Other) -> (Place, Look) {
    let is_login = matches!(other, Other::Login(..));
    let look = match timeout(GRACE, seen(admin, broker, other)).await {
        Ok(Ok(true)) => Look::Shown,
        Ok(Ok(false)) => Look::NotYet(None),
        // A login that is refused may be accepted a moment later.
        Ok(Err(error @ Error::Denied(_))) if is_login => Look::NotYet(Some(error)),
        Ok(Err(error)) => Look::failed(error),
        Err(_) => Look::late(broker),
    };
    (place, look)
}

async fn seen(admin: &Admin, broker: BrokerId, other: Other) -> Result<bool, Error> {
    let at = At::Broker(broker);
    match other {
        Other::Rule(rule) => Ok(!admin.describe_acls(&AclFilter::Exact(rule), at).await?.is_empty()),
        Other::Login(credential, keys, prepared) => {
            // Asked first, because a refused login takes 100 ms: metadata shows a user a moment before logins work.
            let asked = Instant::now();
            let found = admin.describe_users(std::slice::from_ref(&credential.username), at).await?;
            let slots = found.into_iter().next().transpose()?.unwrap_or_default();
            // A slot that is written anew shows its predecessor until then.
            let iterations = keys.as_ref().and_then(|keys| i32::try_from(keys.iterations()).ok());
            let shown = |slot: &StoredCredential| {
                slot.mechanism == credential.mechanism && iterations.is_none_or(|wanted| slot.iterations == wanted)
            };
            if !slots.iter().any(shown) {
                return Ok(false);
            }
            if keys.is_some() {
                sleep((asked.elapsed() * ANSWERS).clamp(PUBLICATION, REFUSAL)).await;
            }
            let prepared = match prepared {
                Some(prepared) => prepared,
                None => admin.prepare_login(broker).await?,
            };
            admin.login(prepared, &credential, keys.as_ref()).await.map(|()| true)
        }
    }
}

impl Look {
    fn failed(error: Error) -> Self {
        match error {
            // Without a code it is the network that speaks, not the broker.
            Error::Retriable(_) if error.code().is_none() => Self::Unreachable(error),
            Error::Retriable(_) => Self::NotYet(Some(error)),
            _ => Self::Failed(error),
        }
    }

    fn late(broker: BrokerId) -> Self {
        Self::Unreachable(Error::unreachable("proof", &format!("broker {broker}"), "no answer in time"))
    }
}
