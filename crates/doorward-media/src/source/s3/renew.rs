//! Credentials that run out, and whoever issues new ones.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use doorward_guard::Clock;
use doorward_guard::clock::Moment;
use tokio::sync::Mutex;

use super::credentials::Credentials;
use crate::defaults;
use crate::error::MediaError;

/// What a provider is doing.
pub type Providing<'a> = Pin<Box<dyn Future<Output = Result<Issued, MediaError>> + Send + 'a>>;

/// Something that issues credentials: a profile, a token service, a keyring.
pub trait Provide: fmt::Debug + Send + Sync {
    /// Issues new ones. Called by one request at a time, and given up after
    /// [`defaults::ISSUED_WITHIN`]; what it fails with must hold no secret.
    fn provide(&self) -> Providing<'_>;
}

/// Credentials that were issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Not renewed ones again: those are refused.
    pub credentials: Credentials,
    /// When they run out, where that is known.
    pub expires: Option<SystemTime>,
    /// The region that goes with them.
    pub region: Option<String>,
}

/// Issued credentials, kept until shortly before they run out.
#[derive(Debug)]
pub struct Renewed {
    provider: Arc<dyn Provide>,
    held: Mutex<Held>,
}

/// What one request signs with.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) credentials: Credentials,
    pub(super) region: Option<String>,
    serial: u64,
}

#[derive(Debug, Default)]
struct Held {
    current: Option<(Current, Option<Life>)>,
    serial: u64,
    /// A provider that just failed is not asked again for every thumbnail.
    failed: Option<(Moment, MediaError)>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    renew_at: SystemTime,
    ends: SystemTime,
}

// === impl Renewed ===

impl Renewed {
    pub(super) fn new(provider: Arc<dyn Provide>) -> Self {
        Self {
            provider,
            held: Mutex::default(),
        }
    }

    /// What is held, while it lasts; new ones otherwise.
    async fn current(&self, clock: &Clock) -> Result<Current, MediaError> {
        let mut held = self.held.lock().await;
        let now = clock.wall();
        let known = held.current.clone();
        if let Some((current, life)) = &known
            && life.is_none_or(|life| now < life.renew_at)
        {
            return Ok(current.clone());
        }
        match (self.issue(&mut held, clock).await, known) {
            // Early is no harm: what is held still works.
            (Err(_), Some((current, Some(life)))) if now < life.ends => Ok(current),
            (issued, _) => issued,
        }
    }

    /// New ones, because the store does not take `spent` any more. Whoever comes
    /// second gets what the first was issued.
    async fn renew(&self, spent: &Current, clock: &Clock) -> Result<Current, MediaError> {
        let mut held = self.held.lock().await;
        match &held.current {
            Some((current, _)) if current.serial != spent.serial => Ok(current.clone()),
            _ => self.issue(&mut held, clock).await,
        }
    }

    async fn issue(&self, held: &mut Held, clock: &Clock) -> Result<Current, MediaError> {
        if let Some((until, error)) = &held.failed
            && clock.now() < *until
        {
            return Err(error.clone());
        }
        let asked = tokio::time::timeout(defaults::ISSUED_WITHIN, self.provider.provide()).await;
        let slow = || {
            let why = "Whoever issues the credentials of this source did not answer in time.";
            MediaError::CredentialsUnavailable(why, "timeout".to_owned())
        };
        let issued = match asked.unwrap_or_else(|_| Err(slow())) {
            Ok(issued) => issued,
            Err(error) => {
                let until = clock.now().plus(defaults::ISSUE_AGAIN);
                held.failed = Some((until, error.clone()));
                return Err(error);
            }
        };
        let now = clock.wall();
        held.failed = None;
        held.serial += 1;
        let current = Current {
            credentials: issued.credentials,
            region: issued.region,
            serial: held.serial,
        };
        let life = issued.expires.map(|ends| {
            let left = ends.duration_since(now).unwrap_or_default();
            // Of short ones a quarter, or they were renewed for every request.
            let early = defaults::RENEW_BEFORE.min(left / 4);
            Life {
                renew_at: ends.checked_sub(early).unwrap_or(ends),
                ends,
            }
        });
        held.current = Some((current.clone(), life));
        Ok(current)
    }
}

// === impl Credentials ===

impl Credentials {
    pub(super) async fn current(&self, clock: &Clock) -> Result<Current, MediaError> {
        match self {
            Self::Renewed(renewed) => renewed.current(clock).await,
            fixed => Ok(Current {
                credentials: fixed.clone(),
                region: None,
                serial: 0,
            }),
        }
    }

    /// New ones in place of `spent`; `None` if there is nobody to ask.
    pub(super) async fn renew(
        &self,
        spent: &Current,
        clock: &Clock,
    ) -> Option<Result<Current, MediaError>> {
        match self {
            Self::Renewed(renewed) => Some(renewed.renew(spent, clock).await),
            _ => None,
        }
    }
}
