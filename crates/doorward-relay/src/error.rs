//! Why there is no tunnel and no answer. Each cause has a name of its own, so
//! that a page can tell a server that is down from a proxy that wants a password.

use doorward_egress::EgressError;
use doorward_guard::{Answer, IntoAnswer, Refusal};
use http::header::{RETRY_AFTER, SEC_WEBSOCKET_VERSION};
use http::{HeaderValue, StatusCode};

use crate::defaults;

/// Why a request is not passed on, or what became of it. The text never holds
/// paths, queries or headers.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// What a grant was to be made of.
    #[error("not an upstream: {0}")]
    InvalidUpstream(&'static str),
    /// A page that is none.
    #[error("not an origin")]
    InvalidOrigin,
    /// The target is no plain path.
    #[error("the target is no plain path")]
    TargetMalformed,
    /// The grant does not open this path.
    #[error("the grant does not open this path")]
    PathNotAllowed,
    /// The WebSocket handshake is not one.
    #[error("the handshake is malformed: {0}")]
    HandshakeMalformed(&'static str),
    /// Another version than 13.
    #[error("the handshake asks for another version")]
    VersionNotSupported,
    /// As many connections as may be are open.
    #[error("too many connections are open")]
    TooManyConnections,
    /// The upstream could not be reached.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// It was reached, and did not answer in time.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// It broke off, or said what is no HTTP.
    #[error("the upstream broke off: {0}")]
    Broken(String),
    /// Its answer is longer than may be.
    #[error("the upstream's answer is too long")]
    TooLarge,
    /// The guard's own tables or rules said no.
    #[error("refused: {}", .0.rule().name())]
    Refused(Refusal),
}

// === impl RelayError ===

impl RelayError {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidUpstream(_) => "invalidUpstream",
            Self::InvalidOrigin => "invalidOrigin",
            Self::TargetMalformed => "targetMalformed",
            Self::PathNotAllowed => "pathNotAllowed",
            Self::HandshakeMalformed(_) => "handshakeMalformed",
            Self::VersionNotSupported => "versionNotSupported",
            Self::TooManyConnections => "tooManyConnections",
            Self::Egress(error) => match error {
                EgressError::AddressRefused { .. } | EgressError::Target(_) => "upstreamNotAllowed",
                EgressError::Resolve { .. } => "upstreamUnresolved",
                EgressError::Tls { .. }
                | EgressError::PinMismatch { .. }
                | EgressError::Roots(_) => "upstreamNotTrusted",
                EgressError::ProxyAuth { .. } => "proxyAuthRequired",
                EgressError::ProxySettings(_)
                | EgressError::Proxy { .. }
                | EgressError::ProxyRefused { .. } => "proxyFailed",
                error if error.is_timeout() => "upstreamTimeout",
                _ => "upstreamUnavailable",
            },
            Self::Timeout => "upstreamTimeout",
            Self::Broken(_) => "upstreamBroken",
            Self::TooLarge => "upstreamTooLarge",
            Self::Refused(refusal) => refusal.rule().name(),
        }
    }

    /// The status. Never 404: livekit-client tries for ever then.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidUpstream(_)
            | Self::InvalidOrigin
            | Self::TargetMalformed
            | Self::HandshakeMalformed(_) => StatusCode::BAD_REQUEST,
            Self::PathNotAllowed => StatusCode::FORBIDDEN,
            Self::VersionNotSupported => StatusCode::UPGRADE_REQUIRED,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::Egress(error) if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Egress(_) | Self::Broken(_) | Self::TooLarge => StatusCode::BAD_GATEWAY,
            Self::Refused(refusal) => refusal.status(),
        }
    }

    fn message(&self) -> &'static str {
        match self.name() {
            "invalidOrigin" => "An origin is scheme://host:port.",
            "targetMalformed" => "The path is malformed.",
            "pathNotAllowed" => "This address does not open that path.",
            "handshakeMalformed" => "The WebSocket handshake is malformed.",
            "versionNotSupported" => "Only WebSocket version 13 is spoken.",
            "tooManyConnections" => "Too many connections of this address are open.",
            "upstreamNotAllowed" => "The upstream is at an address that may not be reached.",
            "upstreamUnresolved" => "The upstream's name does not resolve.",
            "upstreamNotTrusted" => "The upstream's certificate is not trusted.",
            "proxyAuthRequired" => "The proxy does not accept the credentials.",
            "proxyFailed" => "The proxy does not connect to the upstream.",
            "upstreamTimeout" => "The upstream did not answer in time.",
            "upstreamBroken" => "The upstream broke off.",
            "upstreamTooLarge" => "The upstream's answer is too long.",
            _ => "The upstream cannot be reached.",
        }
    }
}

impl From<Refusal> for RelayError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoAnswer for RelayError {
    fn into_answer(self) -> Result<Answer, Refusal> {
        if let Self::Refused(refusal) = self {
            return Err(refusal);
        }
        tracing::debug!(error = %self, "the relay does not answer for its upstream");
        let message = match &self {
            Self::InvalidUpstream(why) => format!("This upstream cannot be opened: {why}."),
            _ => self.message().to_owned(),
        };
        let answer = Answer::denial(self.status(), self.name(), message);
        Ok(match self {
            Self::TooManyConnections => answer.header(
                RETRY_AFTER,
                HeaderValue::from(defaults::RETRY_AFTER.as_secs()),
            ),
            Self::VersionNotSupported => {
                answer.header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            }
            _ => answer,
        })
    }
}
