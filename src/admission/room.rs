//! Room for the bodies of reviews: what has arrived is counted, not what was announced, so that nobody can hold room that he does not use.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::runtime::deadline::{Overdue, within};

/// Bytes of all bodies that are held at once; further ones wait for their turn until their deadline.
const SIZE: usize = 32 * 1024 * 1024;
/// In what `SIZE` is counted out.
const UNIT: usize = 1024;
/// How long a sender may take for his body, beside the time that it waits for room here. An API server sends it with its request.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The connection ended within it.
    #[error("the body broke off: {0}")]
    Broken(#[from] axum::Error),
    /// More came than was announced.
    #[error("the body is larger than the {0} bytes that were announced")]
    Longer(usize),
    /// It did not come in time, or there was no room in time.
    #[error(transparent)]
    Overdue(#[from] Overdue),
}

/// Memory for bodies that are read at the same time.
#[derive(Debug)]
pub struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(SIZE / UNIT))
    }
}

impl Room {
    /// Reads a body of at most `announced` bytes, for which there is time until `limit` has passed.
    ///
    /// # Errors
    /// It did not come as announced, or not in time.
    pub async fn read(&self, body: Body, announced: usize, limit: Duration) -> Result<Vec<u8>, Unread> {
        within(limit, "to read the review", self.receive(body, announced)).await?
    }

    async fn receive(&self, body: Body, announced: usize) -> Result<Vec<u8>, Unread> {
        let mut chunks = body.into_data_stream();
        let (mut review, mut permits, mut patience) = (Vec::new(), Vec::new(), PATIENCE);
        loop {
            let asked = Instant::now();
            let Ok(arrived) = within(patience, "to send the review", chunks.next()).await else {
                return Err(Overdue { what: "to send the review", limit: PATIENCE }.into());
            };
            let Some(chunk) = arrived.transpose()? else { return Ok(review) };
            patience = patience.saturating_sub(asked.elapsed());
            let total = review.len() + chunk.len();
            if total > announced {
                return Err(Unread::Longer(announced));
            }
            let more = total.div_ceil(UNIT) - review.len().div_ceil(UNIT);
            // The semaphore is never closed, so there always is a permit in the end.
            permits.push(self.0.acquire_many(u32::try_from(more).unwrap_or(u32::MAX)).await.ok());
            review.extend_from_slice(&chunk);
        }
    }
}
