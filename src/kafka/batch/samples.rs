//! A request that takes as long as a commit, and what was asked with it, for tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::queue::{Queue, Sent, Work};
use crate::kafka::error::Error;

/// Records what it is sent. Negative items are refused by Kafka; 13 cannot even be sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(pub(super) Arc<Mutex<Vec<Vec<i32>>>>);

impl Work for Recorder {
    type Item = i32;
    type Output = i32;
    const API: &'static str = "Test";
    const CAP: usize = 10;

    fn key(item: &i32) -> Option<String> {
        Some(item.to_string())
    }

    async fn send(&self, items: &[i32]) -> Sent<i32> {
        self.0.lock().unwrap().push(items.to_vec());
        tokio::time::sleep(Duration::from_millis(25)).await;
        if items.contains(&13) {
            return Err(Error::invalid("Test", "", "unlucky"));
        }
        let refuse = |_| Error::denied("Test", "", "negative");
        Ok(items.iter().map(|item| u32::try_from(*item).map(|_| item * 2).map_err(refuse)).collect())
    }
}

pub(super) fn start() -> (Recorder, Queue<Recorder>) {
    let recorder = Recorder::default();
    let queue = Queue::start(recorder.clone(), Duration::from_millis(3));
    (recorder, queue)
}

pub(super) fn sent(recorder: &Recorder) -> Vec<Vec<i32>> {
    recorder.0.lock().unwrap().clone()
}
