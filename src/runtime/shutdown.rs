//! The one way in which a program ends.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells every task that the program is to end. Clones see the same end.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Starts the end.
#[derive(Debug, Clone)]
pub struct Trigger(Arc<watch::Sender<bool>>);

impl Trigger {
    /// Tells everybody. Telling twice is the same as once.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// An end that the program itself decides.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(Arc::new(sender)), Self(receiver))
    }

    /// An end by SIGTERM (the kubelet) or SIGINT (a terminal).
    ///
    /// # Errors
    /// The system refuses to deliver signals.
    pub fn on_signals() -> io::Result<Self> {
        let (trigger, shutdown) = Self::manual();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop");
            trigger.pull();
        });
        Ok(shutdown)
    }

    /// Waits for the end. A trigger that is dropped unpulled counts as one: nobody is left to pull it.
    pub async fn begun(&self) {
        let mut receiver = self.0.clone();
        // An error says that the trigger is gone, which is an end too.
        let _end = receiver.wait_for(|begun| *begun).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_clones_see_the_end() {
        let (trigger, shutdown) = Shutdown::manual();
        let other = shutdown.clone();
        assert_eq!(other.begun().now_or_never(), None);
        trigger.pull();
        assert_eq!([shutdown, other].map(|one| one.begun().now_or_never()), [Some(()); 2]);
    }

    #[tokio::test]
    async fn a_lost_trigger_is_an_end() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        assert_eq!(shutdown.begun().now_or_never(), Some(()));
    }
}
