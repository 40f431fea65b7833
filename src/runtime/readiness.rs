//! What has to hold before a program may be sent work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The conditions of a program's readiness, each with a name that `/readyz` shows. A program without conditions is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Vec<Gate>);

/// One condition. Clones are the same condition.
#[derive(Debug, Clone)]
pub struct Gate {
    name: &'static str,
    open: Arc<AtomicBool>,
}

impl Readiness {
    /// Adds a condition that does not hold yet.
    pub fn gate(&mut self, name: &'static str) -> Gate {
        self.add(name, false)
    }

    /// Adds a condition that holds until it is closed.
    pub fn open_gate(&mut self, name: &'static str) -> Gate {
        self.add(name, true)
    }

    fn add(&mut self, name: &'static str, open: bool) -> Gate {
        let gate = Gate { name, open: Arc::new(AtomicBool::new(open)) };
        self.0.push(gate.clone());
        gate
    }

    /// The names of the conditions that do not hold: none of them means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|gate| !gate.is_open()).map(|gate| gate.name).collect()
    }
}

impl Gate {
    /// The condition holds.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// The condition holds no longer.
    pub fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    /// Whether the condition holds.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_must_hold() {
        let mut readiness = Readiness::default();
        assert!(readiness.missing().is_empty());
        let (one, two) = (readiness.gate("one"), readiness.open_gate("two"));
        assert_eq!(readiness.clone().missing(), ["one"]);
        one.open();
        assert!(readiness.missing().is_empty());
        two.close();
        assert_eq!(readiness.missing(), ["two"]);
    }
}
