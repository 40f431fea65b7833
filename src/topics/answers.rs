//! What clusters have answered, believed for a while: many claims ask at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Answers by cluster (`namespace/name`), and when they came.
#[derive(Debug)]
pub struct Answers<T>(Mutex<HashMap<String, (T, Instant)>>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Answers<T> {
    /// What a cluster answered, where it is still believed: for as long as `believed` says of it.
    pub fn recall(&self, cluster: &str, believed: impl Fn(&T) -> Duration) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).copied();
        known.filter(|(answer, since)| since.elapsed() < believed(answer)).map(|(answer, _)| answer)
    }

    /// Notes an answer, and returns it.
    pub fn note(&self, cluster: &str, answer: T) -> T {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.to_owned(), (answer, Instant::now()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_its_time_and_of_its_cluster_alone() {
        let (answers, believed) = (Answers::default(), |answer: &u64| Duration::from_secs(*answer));
        assert_eq!((answers.note("a/b", 5), answers.recall("a/c", believed)), (5, None));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(answers.recall("a/b", believed), Some(5));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answers.recall("a/b", believed), None);
    }
}
