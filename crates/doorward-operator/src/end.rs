//! The end of a link: told once, heard by whoever waits for it.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::denial::{Denial, Denied};

/// Tells of the end. Cloned for everyone who may notice it.
#[derive(Clone, Debug)]
pub(crate) struct End(watch::Sender<Option<Denied>>);

/// A session that ends by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting(Instant);

// === impl End ===

impl End {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The first reason stays.
    pub(crate) fn tell(&self, denied: Denied) {
        self.0.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(denied);
            first
        });
    }

    /// What was told, if anything.
    pub(crate) fn told(&self) -> Option<Denied> {
        self.0.borrow().clone()
    }

    /// Comes with the end.
    pub(crate) fn comes(&self) -> LocalBoxFuture<'static, Denied> {
        let mut heard = self.0.subscribe();
        Box::pin(async move {
            let told = heard.wait_for(Option::is_some).await;
            let told = told.ok().and_then(|denied| denied.clone());
            told.unwrap_or_else(|| Denial::UpstreamDisconnected.into())
        })
    }

    /// Tells that the session is over once `lasting` is. Ends with the thread.
    pub(crate) fn tell_after(&self, lasting: Lasting) {
        let end = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep_until(lasting.0).await;
            end.tell(Denial::StaleSession.because("its time is over"));
        });
    }
}

// === impl Lasting ===

impl Lasting {
    /// From now on.
    pub(crate) fn from_now(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The time that is left.
    ///
    /// # Errors
    ///
    /// `StaleSession` when there is none.
    pub(crate) fn remaining(self) -> Result<Duration, Denied> {
        let remaining = self.0.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(Denial::StaleSession.because("its time is over"));
        }
        Ok(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn op_r6_a_session_is_over_when_its_time_is_and_the_first_reason_stays() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let end = End::new();
                let lasting = Lasting::from_now(Duration::from_secs(60));
                end.tell_after(lasting);
                assert_eq!(lasting.remaining().unwrap(), Duration::from_secs(60));
                assert_eq!(end.comes().await.denial, Denial::StaleSession);
                assert_eq!(
                    lasting.remaining().unwrap_err().denial,
                    Denial::StaleSession
                );
                end.tell(Denial::UpstreamDisconnected.into());
                assert_eq!(end.told().unwrap().denial, Denial::StaleSession);
            })
            .await;
    }
}
