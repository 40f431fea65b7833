//! Room for the bodies of reviews. It is taken when the first of a body has arrived, so who announces much and sends nothing holds none; for
//! the whole of it at once, so two that are half read never wait for each other; and small bodies, which nearly all are, have room of their
//! own, so the large ones of somebody who sends slowly keep no Pod from starting.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::runtime::deadline::{Overdue, within};

/// Bytes of all large bodies that are held at once; further ones wait for their turn until their deadline.
const LARGE: usize = 24 * 1024 * 1024;
/// Bytes of all small bodies.
const SMALL: usize = 8 * 1024 * 1024;
/// The largest small body: the review of a usual Pod has about 10 KiB.
const SMALL_BODY: usize = 64 * 1024;
/// In what both are counted out.
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
pub struct Room {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self { small: Semaphore::new(SMALL / UNIT), large: Semaphore::new(LARGE / UNIT) }
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
        let (mut review, mut patience, mut held) = (Vec::new(), PATIENCE, None);
        let room = if announced > SMALL_BODY { &self.large } else { &self.small };
        let units = u32::try_from(announced.div_ceil(UNIT)).unwrap_or(u32::MAX);
        loop {
            let asked = Instant::now();
            let Ok(arrived) = within(patience, "to send the review", chunks.next()).await else {
                return Err(Overdue { what: "to send the review", limit: PATIENCE }.into());
            };
            let Some(chunk) = arrived.transpose()? else { return Ok(review) };
            patience = patience.saturating_sub(asked.elapsed());
            if review.len() + chunk.len() > announced {
                return Err(Unread::Longer(announced));
            }
            if held.is_none() {
                // The semaphore is never closed, so there always is a permit in the end.
                held = room.acquire_many(units).await.ok();
            }
            review.extend_from_slice(&chunk);
        }
    }
}
