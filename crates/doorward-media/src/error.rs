//! Everything that a source can answer with but the bytes.
//!
//! Each variant has a stable name, a status, and a sentence for people that
//! says what to do. What only a log may know travels in the note, and even
//! there no key, path, token or secret.

use std::time::Duration;

use doorward_egress::EgressError;
use doorward_guard::{Answer, IntoAnswer, Refusal};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::defaults;
use crate::grant::Cap;

/// The longest that an upstream may tell us to stay away.
const LONGEST_RETRY: Duration = Duration::from_secs(120);

/// Why there are no bytes.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The object is not there.
    #[error("the object does not exist")]
    NotFound,
    /// The object is there, and the source does not let us read it.
    #[error("the source denies access: {0}")]
    AccessDenied(String),
    /// The store does not know our key, or the signature is wrong.
    #[error("the store rejects the credentials: {0}")]
    CredentialsRejected(String),
    /// Temporary credentials have run out.
    #[error("the credentials have expired")]
    CredentialsExpired,
    /// The store and this machine disagree about the time.
    #[error("the clocks disagree")]
    ClockSkew,
    /// The bucket is not there.
    #[error("the bucket does not exist")]
    BucketMissing,
    /// The object was replaced since the grant saw it first.
    #[error("the object changed")]
    Changed,
    /// The object is in an archive and must be restored first.
    #[error("the object is archived")]
    Archived,
    /// It is a folder, a device, a pipe, or the file system refuses.
    #[error("the object cannot be read: {0}")]
    NotReadable(String),
    /// The upstream cannot be reached or fails.
    #[error("the upstream is not available: {0}")]
    UpstreamUnavailable(String),
    /// The upstream answered something that must not be passed on.
    #[error("the upstream's answer is wrong: {0}")]
    UpstreamWrong(String),
    /// The upstream asks us to slow down.
    #[error("the upstream throttles")]
    Throttled(Option<Duration>),
    /// The upstream did not answer in time.
    #[error("the upstream did not answer in time")]
    UpstreamTimeout,
    /// The configured endpoint is an address that may not be reached.
    #[error("the endpoint is not allowed: {0}")]
    EndpointNotAllowed(String),
    /// The caller names a source, key or cursor that cannot be.
    #[error("not a source: {0}")]
    InvalidSource(&'static str),
    /// The grant was made for no more than was had of it.
    #[error("the grant gives no more: {0:?}")]
    Spent(Cap),
    /// Whoever issues the credentials cannot: a sentence for people, a note for
    /// the log.
    #[error("no credentials: {1}")]
    CredentialsUnavailable(&'static str, String),
    /// The source lists nothing; its objects are opened by name.
    #[error("the source cannot be listed")]
    NotListable,
    /// The upstream sends elsewhere, and elsewhere is not configured.
    #[error("the upstream redirects")]
    Redirected,
    /// The guard's own tables or rules said no.
    #[error("refused: {}", .0.rule().name())]
    Refused(Refusal),
}

// === impl MediaError ===

impl MediaError {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "notFound",
            Self::AccessDenied(_) => "accessDenied",
            Self::CredentialsRejected(_) => "credentialsRejected",
            Self::CredentialsExpired => "credentialsExpired",
            Self::ClockSkew => "clockSkew",
            Self::BucketMissing => "bucketMissing",
            Self::Changed => "changed",
            Self::Archived => "archived",
            Self::NotReadable(_) => "notReadable",
            Self::UpstreamUnavailable(_) => "upstreamUnavailable",
            Self::UpstreamWrong(_) => "upstreamWrong",
            Self::Throttled(_) => "throttled",
            Self::UpstreamTimeout => "upstreamTimeout",
            Self::EndpointNotAllowed(_) => "endpointNotAllowed",
            Self::InvalidSource(_) => "invalidSource",
            Self::Spent(Cap::Uses) => "usesSpent",
            Self::Spent(Cap::Bytes) => "bytesSpent",
            Self::Spent(Cap::Streams) => "tooManyStreams",
            Self::CredentialsUnavailable(..) => "credentialsUnavailable",
            Self::NotListable => "notListable",
            Self::Redirected => "redirected",
            Self::Refused(refusal) => refusal.rule().name(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::BucketMissing => StatusCode::NOT_FOUND,
            Self::AccessDenied(_)
            | Self::CredentialsRejected(_)
            | Self::NotReadable(_)
            | Self::EndpointNotAllowed(_)
            | Self::CredentialsUnavailable(..) => StatusCode::FORBIDDEN,
            Self::CredentialsExpired | Self::Archived => StatusCode::GONE,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::UpstreamUnavailable(_)
            | Self::UpstreamWrong(_)
            | Self::Redirected
            | Self::ClockSkew => StatusCode::BAD_GATEWAY,
            Self::NotListable => StatusCode::CONFLICT,
            Self::Throttled(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::InvalidSource(_) => StatusCode::BAD_REQUEST,
            Self::Spent(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(refusal) => refusal.rule().status(),
        }
    }

    /// What happened and what to do, for people.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::NotFound => "This file is not there any more. Reload the list.",
            Self::AccessDenied(_) => {
                "The source does not let these credentials read this. Check the bucket's policy or the file's permissions."
            }
            Self::CredentialsRejected(_) => {
                "The store does not accept the access key or its secret. Check the credentials of this source."
            }
            Self::CredentialsExpired => {
                "The credentials of this source have expired. Sign in to the store again."
            }
            Self::ClockSkew => {
                "The store's clock and this machine's differ too much. Set this machine's clock."
            }
            Self::BucketMissing => "There is no such bucket. Check its name and the endpoint.",
            Self::Changed => "The file was replaced since this address was made. Reload the list.",
            Self::Archived => "The store has archived this file. Restore it there first.",
            Self::NotReadable(_) => "This cannot be read as a file.",
            Self::UpstreamUnavailable(_) => {
                "The store cannot be reached. Check the endpoint and the network, then try again."
            }
            Self::UpstreamWrong(_) => {
                "The store's answer does not fit what was asked, so nothing of it is passed on."
            }
            Self::Throttled(_) => "The store asks to slow down. Try again in a moment.",
            Self::UpstreamTimeout => "The store did not answer in time. Try again.",
            Self::EndpointNotAllowed(_) => {
                "The endpoint of this source is an address that doorward does not connect to."
            }
            Self::InvalidSource(what) => what,
            Self::Spent(Cap::Uses) => {
                "This address was made for fewer requests. Ask for a new one."
            }
            Self::Spent(Cap::Bytes) => "This address was made for fewer bytes. Ask for a new one.",
            Self::Spent(Cap::Streams) => {
                "As many answers of this address as may are on their way. Try again when one has ended."
            }
            Self::CredentialsUnavailable(what, _) => what,
            Self::NotListable => "This source does not list its files. Open one by its name.",
            Self::Redirected => {
                "The source sends this name elsewhere, and doorward asks only where it was told to."
            }
            Self::Refused(refusal) => refusal.rule().message(),
        }
    }

    /// When to try again, where somebody knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled(after) => {
                Some(after.unwrap_or(Duration::from_secs(1)).min(LONGEST_RETRY))
            }
            Self::Spent(Cap::Streams) => Some(defaults::STREAM_RETRY),
            _ => None,
        }
    }
}

impl IntoAnswer for MediaError {
    fn into_answer(self) -> Result<Answer, Refusal> {
        if let Self::Refused(refusal) = self {
            return Err(refusal);
        }
        let answer = Answer::denial(self.status(), self.name(), self.message());
        Ok(match self.retry_after() {
            Some(after) => answer.header(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1))),
            None => answer,
        })
    }
}

impl From<Refusal> for MediaError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<EgressError> for MediaError {
    fn from(error: EgressError) -> Self {
        match error {
            error if error.is_timeout() => Self::UpstreamTimeout,
            error if error.is_refused() => Self::EndpointNotAllowed(error.to_string()),
            EgressError::Busy => Self::Throttled(None),
            error => Self::UpstreamUnavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m34_every_error_has_a_name_a_status_and_a_sentence() {
        let all = [
            MediaError::NotFound,
            MediaError::AccessDenied(String::new()),
            MediaError::CredentialsRejected(String::new()),
            MediaError::CredentialsExpired,
            MediaError::ClockSkew,
            MediaError::BucketMissing,
            MediaError::Changed,
            MediaError::Archived,
            MediaError::NotReadable(String::new()),
            MediaError::UpstreamUnavailable(String::new()),
            MediaError::UpstreamWrong(String::new()),
            MediaError::Throttled(None),
            MediaError::UpstreamTimeout,
            MediaError::EndpointNotAllowed(String::new()),
            MediaError::Spent(Cap::Uses),
            MediaError::Spent(Cap::Bytes),
            MediaError::Spent(Cap::Streams),
            MediaError::CredentialsUnavailable("Ask again.", String::new()),
            MediaError::NotListable,
            MediaError::Redirected,
        ];
        let mut names = std::collections::HashSet::new();
        for error in all {
            assert!(names.insert(error.name()));
            assert!(error.status().as_u16() >= 400);
            assert!(error.message().ends_with('.'), "{}", error.message());
        }
    }

    #[test]
    fn an_upstream_cannot_send_us_away_for_long() {
        let error = MediaError::Throttled(Some(Duration::from_secs(86_400)));
        assert_eq!(error.retry_after(), Some(LONGEST_RETRY));
        assert_eq!(MediaError::NotFound.retry_after(), None);
    }
}
