//! Events: what people are told beside the object that it is about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::controller::Key;
use super::deadline::within;
use super::writes;
use crate::api::annotations::GROUP;
use crate::api::reasons::Reason;

const CALL: Duration = Duration::from_secs(5);
/// Bytes that a note may have: the API server refuses an Event with more (`NoteLengthLimit` of its validation).
pub const NOTE: usize = 1024;
/// After this long, what still stands is told again: an API server keeps an Event for an hour, and everything is looked at every ten minutes.
pub const REPEAT: Duration = Duration::from_secs(45 * 60);
/// Stands where a note was cut, joined to its last word: a command that lost its end must not look whole.
const CUT: &str = "…";

/// Writes Events. Callers tell what is new, and only that.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    /// Writes as the replica of this name.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: GROUP.to_owned(), instance: Some(identity.to_owned()) };
        Self { client, reporter }
    }

    /// Tells something about an object. An Event is a courtesy: one that is lost, as where the namespace is gone, changes nothing.
    pub async fn tell(&self, about: &ObjectReference, action: &str, reason: Reason, message: &str) {
        let event = Event {
            type_: if reason.is_good() { EventType::Normal } else { EventType::Warning },
            reason: reason.code().to_owned(),
            note: Some(cut(message)),
            action: action.to_owned(),
            secondary: None,
        };
        // A recorder takes Events of one object and one reason for a series, and keeps the first words: ours say something new each time.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        match within(CALL, "writing an Event", recorder.publish(&event, about)).await {
            Ok(Ok(())) => writes::done("event"),
            Ok(Err(error)) => tracing::info!(%error, "an Event was not written"),
            Err(overdue) => tracing::info!("an Event was not written: {overdue}"),
        }
    }
}

fn cut(message: &str) -> String {
    if message.len() <= NOTE {
        return message.to_owned();
    }
    let kept = message.char_indices().take_while(|(at, one)| at + one.len_utf8() <= NOTE - CUT.len());
    let kept: String = kept.map(|(_, one)| one).collect();
    format!("{}{CUT}", kept.trim_end())
}

/// What may be told of a key: the reason, and what tells it from others of this reason.
pub type Entry = (Reason, String);

/// Something that was told.
#[derive(Debug, Clone, Copy)]
struct Word {
    at: Instant,
    /// Whether it was true when the key was last looked at.
    stands: bool,
}

/// What was told of which key, so that each is told once, and again when [`REPEAT`] has passed. As large as what is wrong, or was
/// within that time.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashMap<Key, BTreeMap<Entry, Word>>>);

impl Told {
    /// Puts down all that is true of a key now; returns what of it is to be told: what was not so at the last look, or was told long ago.
    pub fn renew(&self, key: &Key, all: &BTreeSet<Entry>, now: Instant) -> BTreeSet<Entry> {
        self.put(key, all, now, true)
    }

    /// Puts down what a look found that came to no end, and that may come and go with each; returns what of it was not told of late,
    /// whatever was found meanwhile.
    pub fn add(&self, key: &Key, some: &BTreeSet<Entry>, now: Instant) -> BTreeSet<Entry> {
        self.put(key, some, now, false)
    }

    /// Forgets a key that is gone.
    pub fn forget(&self, key: &Key) {
        self.told().remove(key);
    }

    fn put(&self, key: &Key, entries: &BTreeSet<Entry>, now: Instant, all: bool) -> BTreeSet<Entry> {
        let mut told = self.told();
        let words = told.entry(key.clone()).or_default();
        words.retain(|_, word| now.duration_since(word.at) < REPEAT);
        let is_due = |entry: &&Entry| words.get(*entry).is_none_or(|word| all && !word.stands && !passes(entry.0));
        let due: BTreeSet<Entry> = entries.iter().filter(is_due).cloned().collect();
        if all {
            // What is found behind an outage is not mended by it.
            let passing = entries.iter().any(|entry| passes(entry.0));
            words
                .iter_mut()
                .for_each(|(entry, word)| word.stands = entries.contains(entry) || (passing && word.stands));
        }
        words.extend(due.iter().map(|entry| (entry.clone(), Word { at: now, stands: all })));
        if words.is_empty() {
            told.remove(key);
        }
        due
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Key, BTreeMap<Entry, Word>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a reason comes and goes by itself, with the connection: that it was away for a while is no news.
const fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KafkaUnreachable
            | Reason::KafkaRefused
            | Reason::KafkaAuthenticationFailed
            | Reason::KafkaAuthorizationFailed
            | Reason::ReviewFailed
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::fake_api::api_server;

    #[tokio::test]
    async fn other_words_with_the_same_reason_are_told_too() {
        let (client, sent) = api_server();
        let events = Events::new(client, "operator-1");
        let about = ObjectReference { name: Some("orders".to_owned()), ..ObjectReference::default() };
        events.tell(&about, "ProvideTopic", Reason::TopicDrifted, "partitions").await;
        events.tell(&about, "ProvideTopic", Reason::TopicDrifted, "retention.ms").await;
        events.tell(&about, "ProvideTopic", Reason::Ready, &"ä".repeat(2000)).await;
        let sent = sent.lock().unwrap();
        let told: Vec<_> = sent.iter().map(|(verb, event)| (verb.as_str(), &event["type"], &event["note"])).collect();
        let (warning, normal, long) = (json!("Warning"), json!("Normal"), json!(format!("{}{CUT}", "ä".repeat(510))));
        let [first, second] = [json!("partitions"), json!("retention.ms")];
        assert_eq!(told, [("POST", &warning, &first), ("POST", &warning, &second), ("POST", &normal, &long)]);
    }

    #[test]
    fn a_command_that_was_cut_does_not_look_whole() {
        let fits = "x".repeat(NOTE);
        assert_eq!(cut(&fits), fits);
        for end in ["=orders-eu", " --and-more"] {
            let long = format!("{}{end}", "x".repeat(NOTE - CUT.len() - 1));
            let cut = cut(&long);
            assert!(cut.len() <= NOTE && cut.ends_with(&format!("{}{CUT}", cut.chars().nth_back(1).unwrap())), "{cut}");
            assert!(!cut.contains(' '), "{cut}");
        }
    }

    fn key() -> Key {
        ("shop".to_owned(), "checkout".to_owned())
    }

    fn entries<const N: usize>(all: [Reason; N]) -> BTreeSet<Entry> {
        all.map(|reason| (reason, "a".to_owned())).into()
    }

    #[test]
    fn what_stands_is_told_once_and_again_before_the_api_server_forgets_it() {
        let (told, one, none) = (Told::default(), entries([Reason::TopicMissing]), BTreeSet::new());
        let began = Instant::now();
        let after = |minutes: u64| began + Duration::from_secs(minutes * 60);
        assert_eq!(told.renew(&key(), &one, began), one);
        for (minutes, due) in [(10, &none), (44, &none), (45, &one), (55, &none), (89, &none), (90, &one)] {
            assert_eq!(told.renew(&key(), &one, after(minutes)), *due, "after {minutes} minutes");
        }
        assert_eq!(told.renew(&key(), &none, after(91)), none);
        assert_eq!(told.renew(&key(), &one, after(92)), one, "it was mended meanwhile: it is news again");
        told.forget(&key());
        assert_eq!(told.renew(&key(), &one, after(93)), one);
    }

    #[test]
    fn nothing_is_kept_for_long_of_a_key_of_which_nothing_is_told() {
        let (told, none, began) = (Told::default(), BTreeSet::new(), Instant::now());
        assert_eq!(told.renew(&key(), &none, began), none);
        assert!(told.told().is_empty());
        told.renew(&key(), &entries([Reason::TopicMissing]), began);
        told.add(&key(), &entries([Reason::KafkaRefused]), began);
        assert_eq!(told.renew(&key(), &none, began + REPEAT), none);
        assert!(told.told().is_empty());
    }

    #[test]
    fn an_outage_makes_no_news_of_itself_nor_of_what_it_hides() {
        let (told, began) = (Told::default(), Instant::now());
        let (away, owned) = (entries([Reason::KafkaUnreachable]), entries([Reason::TopicOwnedElsewhere]));
        let mut written = told.add(&key(), &away, began).len();
        for turn in 0..160 {
            let now = began + Duration::from_secs(turn * 15);
            written += told.renew(&key(), if turn % 2 == 0 { &away } else { &owned }, now).len();
        }
        assert_eq!(written, 2, "each once within {REPEAT:?}");
    }

    #[test]
    fn what_comes_and_goes_is_told_as_seldom_as_what_stays() {
        let (told, none, began) = (Told::default(), BTreeSet::new(), Instant::now());
        let (refused, away) = (entries([Reason::KafkaRefused]), entries([Reason::KafkaUnreachable]));
        let stands = entries([Reason::TopicOwnedElsewhere]);
        let mut written = 0;
        // Looks that end in turn, and every quarter of a minute, for four hours.
        for turn in 0..16 * 60 {
            let now = began + Duration::from_secs(turn * 15);
            written += match turn % 4 {
                0 => told.add(&key(), &refused, now),
                1 => told.add(&key(), &away, now),
                2 => told.renew(&key(), &stands, now),
                _ => told.add(&key(), &none, now),
            }
            .len();
        }
        assert_eq!(written, 3 * 6, "three reasons, every three quarters of an hour");
    }
}
