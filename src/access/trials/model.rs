//! An access that is played: what the steps of its plans do to Kafka, Secrets and claim, stopped after any of them.

use super::*;
use crate::access::drift::Drift;
use crate::access::look::readers::Found;
use crate::access::password::sought::Sought;
use crate::access::report::said;
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;

/// A Secret, and the version that it has.
#[derive(Debug, Clone)]
struct Written {
    version: u32,
    rotation: i64,
    published: i64,
    data: BTreeMap<String, Secret>,
}

/// An access, and a Pod that reads its Secrets.
#[derive(Debug, Clone)]
struct Played {
    ground: Ground,
    subject: Subject,
    topics: BTreeMap<String, TopicView>,
    claim: Option<AccessClaim>,
    rules: BTreeSet<AclBinding>,
    slots: Vec<(Mechanism, Secret)>,
    quota: Quota,
    secrets: BTreeMap<String, Written>,
    rotate: Option<Request>,
    owner: Ownership,
    /// When the Pod was made.
    pod: i64,
    now: i64,
    versions: u32,
}

/// What the steps of one look hand on to each other.
#[derive(Default)]
struct Work {
    rotation: i64,
    credential: Option<(Mechanism, Secret)>,
    proven: Option<(Mechanism, Secret)>,
    confirmed: bool,
}

impl Played {
    /// All is well, and has been for long.
    fn new(policy: &Value) -> Self {
        let Day { ground, claim, held, seen } = Day::with(policy);
        let data = held.secret.ours().unwrap().data.clone();
        let written = Written { version: 0, rotation: 0, published: 1000, data };
        Self {
            ground,
            subject: seen.subject.unwrap(),
            topics: ["orders", "bills", "more"].map(|name| (name.to_owned(), topic(name, None))).into(),
            claim: Some(claim),
            rules: held.rules,
            slots: vec![(Mechanism::Sha512, Secret::new(PASSWORD))],
            quota: Quota::default(),
            secrets: [(SECRET.to_owned(), written)].into(),
            rotate: None,
            owner: Ownership::Asks,
            pod: 5000,
            now: NOW,
            versions: 0,
        }
    }

    fn claim(&mut self) -> &mut AccessClaim {
        self.claim.as_mut().unwrap()
    }

    fn status(&mut self) -> &mut AccessClaimStatus {
        self.claim().status.get_or_insert_default()
    }

    fn view(&self, name: &str) -> SecretView {
        let Some(written) = self.secrets.get(name) else { return SecretView::Absent };
        SecretView::Ours(Ours {
            uid: name.to_owned(),
            resource_version: written.version.to_string(),
            rotation: written.rotation,
            published: at(written.published),
            data: written.data.clone(),
        })
    }

    fn see(&self) -> Observation {
        let slot = |(mechanism, password): &(Mechanism, Secret)| {
            let iterations = i32::try_from(iterations(password).get()).unwrap();
            StoredCredential { mechanism: *mechanism, iterations }
        };
        let copies = self.claim.iter().flat_map(|claim| &claim.spec.secrets);
        let held = Held {
            rules: self.rules.clone(),
            slots: self.slots.iter().map(slot).collect(),
            quotas: Some(self.quota),
            secret: self.view(SECRET),
            copies: copies.map(|name| (name.clone(), self.view(name))).collect(),
            topics: self.topics.clone(),
            ..Held::default()
        };
        let sought = Sought::of(&held, self.claim.as_ref().and_then(|claim| claim.status.as_ref()), &[]);
        let held = if sought.is_nobody() {
            held
        } else {
            // A Pod starts once there is a Secret.
            let reader = reader(self.pod, self.secrets.contains_key(SECRET));
            sought.found(vec![Found { reader, reads: [SECRET.to_owned()].into() }], held)
        };
        Observation {
            key: ("web".to_owned(), "app".to_owned()),
            claim: self.claim.clone().map(Arc::new),
            asks: Vec::new(),
            subject: self.claim.is_some().then(|| self.subject.clone()),
            accounts: BTreeSet::new(),
            held: Ok((self.ground.clone(), held)),
            credential_doubted: false,
            owners: vec![self.owner],
            labelled: Vec::new(),
            unplaced: false,
            opted_in: true,
            admitted: true,
            let_through: BTreeSet::new(),
            rotate: self.rotate,
            now: at(self.now),
        }
    }

    /// The password that a Secret tells, by which mechanism.
    fn told(&self, name: &str) -> Option<(Mechanism, Secret)> {
        let view = self.view(name);
        Some((view.mechanism()?, view.password()?.clone()))
    }

    fn stands(&self, name: &str, version: Option<&str>) {
        let stands = self.secrets.get(name).map(|written| written.version.to_string());
        assert_eq!(stands.as_deref(), version, "{name} is not as it was seen");
    }

    fn set(&mut self, (mechanism, password): (Mechanism, Secret)) {
        self.slots.retain(|(slot, _)| *slot != mechanism);
        self.slots.push((mechanism, password));
    }

    fn write(&mut self, name: &str, rotation: Option<i64>, handout: &Handout, password: &Secret) {
        self.versions += 1;
        let data = data(handout, (USER, password), &self.ground.terms);
        let before = self.secrets.get(name).map_or((0, self.now), |written| (written.rotation, written.published));
        let (rotation, published) = rotation.map_or(before, |number| (number, self.now));
        let data = data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.secrets.insert(name.to_owned(), Written { version: self.versions, rotation, published, data });
    }

    /// What becomes of a step; what must hold wherever it is done.
    fn apply(&mut self, step: &Step, work: &mut Work) {
        match step {
            Step::ForgetRules => self.status().rules = None,
            Step::Grant(rules) => {
                assert_eq!(self.status().rules, None, "rules change while they are on record");
                self.rules.extend(rules.iter().cloned());
            }
            Step::Revoke(rules) => self.rules.retain(|rule| !rules.contains(rule)),
            Step::SetQuotas(quotas) => self.quota = Quota::from(*quotas),
            Step::RemoveQuotas => self.quota = Quota::default(),
            Step::RecordRotation { count, clear } => {
                let before = self.status().rotations;
                self.status().rotations = count.unwrap_or(before);
                self.rotate = self.rotate.filter(|_| !clear);
            }
            Step::SetCredential { mechanism, fresh } => {
                self.versions += 1;
                let made = Secret::new(format!("pw{}", self.versions));
                let password = self.told(SECRET).filter(|_| !fresh).map_or(made, |(_, password)| password);
                work.credential = Some((*mechanism, password.clone()));
                self.set((*mechanism, password));
            }
            Step::Prove { rules, mechanism, .. } => {
                assert!(rules.iter().all(|rule| self.rules.contains(rule)), "no broker shows what is not granted");
                let password = work.credential.clone().or(self.told(SECRET)).unwrap().1;
                assert!(self.slots.contains(&(*mechanism, password.clone())), "it does not log in");
                work.proven = Some((*mechanism, password));
            }
            Step::Publish { replaces, rotation, handout } => {
                let (mechanism, password) = work.proven.clone().expect("published without a proof");
                assert_eq!(handout.mechanism, mechanism, "another was proven");
                self.stands(SECRET, replaces.as_deref());
                self.write(SECRET, *rotation, handout, &password);
            }
            Step::Copy { name, replaces, anew, handout } => {
                let (mechanism, password) = work.proven.clone().or(self.told(SECRET)).unwrap();
                assert_eq!(handout.mechanism, mechanism, "another was proven");
                self.stands(name, replaces.as_deref());
                self.write(name, anew.then_some(work.rotation), handout, &password);
                assert_eq!(self.secrets[name].data, self.secrets[SECRET].data, "a copy says something else");
            }
            Step::RemoveCredential(slots) => {
                self.slots.retain(|(slot, _)| !slots.contains(slot));
                for name in self.secrets.keys() {
                    let told = self.told(name).map(|(mechanism, _)| mechanism);
                    assert!(told.is_none_or(|told| !slots.contains(&told)), "{name} tells of a slot that is gone");
                }
            }
            Step::Unpublish { name, resource_version, .. } => {
                self.stands(name, Some(resource_version));
                self.secrets.remove(name);
            }
            Step::ConfirmEnd => work.confirmed = true,
            Step::DeleteClaim => {
                assert!(work.confirmed && self.rules.is_empty() && self.slots.is_empty() && self.secrets.is_empty());
                self.claim = None;
            }
            Step::Restart(_) => {}
            Step::CreateClaim(_)
            | Step::UpdateClaim(_)
            | Step::RecordCluster
            | Step::ClaimTopic { .. }
            | Step::OpenGates { .. } => panic!("nobody asks for {step:?}"),
        }
    }

    /// One look, stopped after so many writes, the report among them; returns how many there were to do.
    fn look(&mut self, writes: usize) -> usize {
        let seen = self.see();
        let Some(plan) = plan(&seen) else { return 0 };
        assert_eq!(plan.drift, Drift::default(), "nobody else has changed anything");
        let rotation = seen.held().and_then(|held| held.secret.ours()).map_or(0, |ours| ours.rotation);
        let mut work = Work { rotation, ..Work::default() };
        plan.steps.iter().take(writes).for_each(|step| self.apply(step, &mut work));
        let now = Time(at(self.now));
        if plan.steps.len() < writes
            && let Some(claim) = &mut self.claim
        {
            claim.status = Some(said(&seen, &plan, claim, None, now).status);
        }
        plan.steps.len()
    }

    /// Minutes pass, in which it is looked at and the Pod is made anew, until there is nothing to do.
    fn settle(&mut self) {
        for round in 0..6 {
            self.now += 120;
            let steps = self.look(usize::MAX);
            if round == 2 {
                self.pod = self.now;
            }
            assert!(round < 5 || steps == 0, "it does not come to rest: {:?}", self.see());
        }
    }

    /// What it has come to, but for the passwords' letters and for when it was.
    fn end(&self) -> impl PartialEq + std::fmt::Debug {
        let told = self.told(SECRET);
        assert!(told.iter().all(|told| self.slots.contains(told)), "who reads the Secret does not log in");
        let copies = self.secrets.values().all(|written| written.data == self.secrets[SECRET].data);
        assert!(copies, "a copy says something else");
        // Nobody reads the number of a copy.
        let rotation = self.secrets.get(SECRET).map(|written| written.rotation);
        let names: Vec<_> = self.secrets.keys().cloned().collect();
        let slots: BTreeSet<_> = self.slots.iter().map(|(mechanism, _)| mechanism.name()).collect();
        let status = self.claim.as_ref().and_then(|claim| claim.status.clone());
        let status =
            status.map(|status| (status.rules, status.rotations, status.secret_name, status.mechanism, status.quotas));
        let mechanism = told.map(|(mechanism, _)| mechanism);
        (self.rules.clone(), slots, (mechanism, rotation), names, (status, self.quota))
    }
}

/// Something that happens to an access that is well.
type Change = fn(&mut Played);

/// It is new: nothing is there but its claim.
fn begins(played: &mut Played) {
    (played.rules, played.slots) = Default::default();
    played.secrets.clear();
    played.claim().status = None;
    played.pod = NOW - 5;
}

const CHANGES: [(&str, Change); 13] = [
    ("it begins", begins),
    ("it begins with a copy", |played| {
        begins(played);
        played.claim().spec.secrets = vec!["mine".to_owned()];
    }),
    ("it begins where an earlier life left a password", |played| {
        begins(played);
        played.slots = vec![(Mechanism::Sha256, Secret::new("then"))];
    }),
    ("a new password, beside the one in use", |played| played.rotate = Some(Request::Now)),
    ("a new password, in its place", |played| {
        played.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
        played.rotate = Some(Request::Now);
    }),
    ("a new password, of a Secret with a copy", |played| {
        played.claim().spec.secrets = vec!["mine".to_owned()];
        let first = played.secrets[SECRET].clone();
        played.secrets.insert("mine".to_owned(), first);
        played.rotate = Some(Request::Now);
    }),
    ("other rights", |played| {
        played.claim().metadata.generation = Some(2);
        played.claim().spec.consumes.clear();
        played.claim().spec.produces.push("more".to_owned());
    }),
    ("other rights and a new password", |played| {
        played.claim().metadata.generation = Some(2);
        played.claim().spec.produces.push("more".to_owned());
        played.rotate = Some(Request::Now);
    }),
    ("its Secret is lost", |played| played.secrets.clear()),
    ("its Secret is lost while an older password works", |played| {
        played.secrets.clear();
        played.slots.push((Mechanism::Sha256, Secret::new("then")));
    }),
    ("its Secret is lost where there is one mechanism", |played| {
        played.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
        played.secrets.clear();
    }),
    ("its mechanism is given up", |played| {
        played.ground.terms.mechanism = SaslMechanism::ScramSha256;
        played.ground.terms.mechanisms = vec![SaslMechanism::ScramSha256];
    }),
    ("it ends", |played| {
        played.owner = Ownership::Gone;
        played.status().idle_since = Some(Time(at(0)));
        played.claim().spec.secrets = vec!["mine".to_owned()];
        let first = played.secrets[SECRET].clone();
        played.secrets.insert("mine".to_owned(), first);
        played.slots.push((Mechanism::Sha256, Secret::new("then")));
    }),
];

#[test]
fn stopped_after_any_two_writes_it_comes_to_the_same_end() {
    for policy in [
        json!({}),
        json!({"credentials": {"drift": "Report"}}),
        json!({"quotas": {"default": {"requestPercentage": 50}}}),
    ] {
        for (what, change) in CHANGES {
            let mut whole = Played::new(&policy);
            // A cluster's quotas have been there as long as the access.
            whole.settle();
            assert_eq!(whole.look(0), 0, "at rest there is nothing to do");
            change(&mut whole);
            let begun = whole.clone();
            let writes = whole.look(usize::MAX);
            assert!(writes > 0, "{what} changes something");
            whole.settle();
            for first in 1..=writes {
                for second in 0..=writes + 1 {
                    let mut stopped = begun.clone();
                    stopped.look(first);
                    stopped.now += 1;
                    stopped.look(second);
                    stopped.settle();
                    assert_eq!(stopped.end(), whole.end(), "{what}, stopped after {first} and {second}, {policy}");
                }
            }
        }
    }
}
