//! Waits that end.

use std::future::Future;
use std::time::Duration;

/// Something did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} took longer than {limit:?}")]
pub struct Overdue {
    /// What was waited for.
    pub what: &'static str,
    /// How long.
    pub limit: Duration,
}

/// Awaits a future for at most `limit`. `what` names it in the error.
///
/// # Errors
/// [`Overdue`], and the future is dropped.
pub async fn within<T>(limit: Duration, what: &'static str, future: impl Future<Output = T>) -> Result<T, Overdue> {
    tokio::time::timeout(limit, future).await.map_err(|_| Overdue { what, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends() {
        let limit = Duration::from_secs(3);
        let error = within(limit, "the moon", std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.to_string(), "the moon took longer than 3s");
        assert_eq!(within(limit, "this", async { 7 }).await, Ok(7));
    }
}
