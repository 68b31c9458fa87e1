//! Everything a gateway can say no with: one closed list for all kinds.
//!
//! A gateway's own words never pass as they are. They may stand beside a denial,
//! for the operator's log, cut and escaped there; the browser reads our sentence.

use doorward_guard::audit::{redact, sanitise};
use doorward_guard::{Answer, IntoAnswer, Refusal, Rule};

/// Why a gateway did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Denial {
    /// The arguments do not fit the operation.
    BadRequest,
    /// Policy has no such way to sign in; says nothing about an account.
    DisabledAuthMethod,
    /// Unknown account or wrong proof, which is not told.
    AuthenticationDenied,
    /// No session.
    Unauthenticated,
    /// No such capability.
    UnknownCap,
    /// A capability of another kind.
    InterfaceMismatch,
    /// The session is over.
    StaleSession,
    /// Not allowed, or no such operation.
    MethodDenied,
    /// Nothing there that could do it now.
    ServiceUnavailable,
    /// No answer in time.
    UpstreamTimeout,
    /// No connection, or it broke off: the session is lost.
    UpstreamDisconnected,
    /// The answer is over the limit.
    ResultTooLarge,
    /// The other side is not the one that was pinned.
    HostKeyMismatch,
    /// Somebody else holds it over there.
    NotOwner,
}

/// A denial, and what the gateway said about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .denial.rule().name())]
pub struct Denied {
    /// Which.
    pub denial: Denial,
    /// For the log alone, cut and escaped there: the browser never reads it, in no
    /// answer and in no audit.
    pub note: Option<String>,
}

impl Denial {
    /// Every denial.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::DisabledAuthMethod,
        Self::AuthenticationDenied,
        Self::Unauthenticated,
        Self::UnknownCap,
        Self::InterfaceMismatch,
        Self::StaleSession,
        Self::MethodDenied,
        Self::ServiceUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamDisconnected,
        Self::ResultTooLarge,
        Self::HostKeyMismatch,
        Self::NotOwner,
    ];

    /// The guard's rule, which has its status, name and sentence.
    #[must_use]
    pub fn rule(self) -> Rule {
        match self {
            Self::BadRequest => Rule::BadRequest,
            Self::DisabledAuthMethod => Rule::DisabledAuthMethod,
            Self::AuthenticationDenied => Rule::AuthenticationDenied,
            Self::Unauthenticated => Rule::Unauthenticated,
            Self::UnknownCap => Rule::UnknownCap,
            Self::InterfaceMismatch => Rule::InterfaceMismatch,
            Self::StaleSession => Rule::StaleSession,
            Self::MethodDenied => Rule::MethodDenied,
            Self::ServiceUnavailable => Rule::ServiceUnavailable,
            Self::UpstreamTimeout => Rule::UpstreamTimeout,
            Self::UpstreamDisconnected => Rule::UpstreamDisconnected,
            Self::ResultTooLarge => Rule::ResultTooLarge,
            Self::HostKeyMismatch => Rule::HostKeyMismatch,
            Self::NotOwner => Rule::NotOwner,
        }
    }

    /// Whether the session on the gateway is gone with it. The room then gives the
    /// slot back.
    #[must_use]
    pub fn ends_the_session(self) -> bool {
        matches!(
            self,
            Self::StaleSession | Self::UpstreamDisconnected | Self::HostKeyMismatch
        )
    }

    /// With what the gateway said.
    #[must_use]
    pub fn because(self, note: impl Into<String>) -> Denied {
        Denied {
            denial: self,
            note: Some(note.into()),
        }
    }
}

// === impl Denied ===

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self { denial, note: None }
    }
}

/// What the gateway said goes to the log, and no further: the console reads audits.
impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let rule = denied.denial.rule();
        if let Some(note) = &denied.note {
            let said = redact(note);
            let said = sanitise(&said);
            tracing::debug!(denial = rule.name(), %said, "a gateway says no");
        }
        Self::from(rule)
    }
}

impl IntoAnswer for Denied {
    fn into_answer(self) -> Result<Answer, Refusal> {
        Err(self.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_m1_every_denial_has_its_status() {
        for (denial, status) in [
            (Denial::BadRequest, 400),
            (Denial::DisabledAuthMethod, 403),
            (Denial::AuthenticationDenied, 403),
            (Denial::Unauthenticated, 401),
            (Denial::UnknownCap, 404),
            (Denial::InterfaceMismatch, 409),
            (Denial::StaleSession, 410),
            (Denial::MethodDenied, 403),
            (Denial::ServiceUnavailable, 503),
            (Denial::UpstreamTimeout, 504),
            (Denial::UpstreamDisconnected, 502),
            (Denial::ResultTooLarge, 502),
            (Denial::HostKeyMismatch, 502),
            (Denial::NotOwner, 409),
        ] {
            assert_eq!(denial.rule().status().as_u16(), status, "{denial:?}");
        }
        let names: std::collections::BTreeSet<_> = Denial::ALL
            .iter()
            .map(|denial| denial.rule().name())
            .collect();
        assert_eq!(names.len(), Denial::ALL.len());
    }

    #[test]
    fn op_d5_the_gateways_words_are_for_the_log_alone() {
        let denied = Denial::MethodDenied.because("cap 7 of 0xfbbdc602980cb986");
        assert!(!denied.to_string().contains('7'));
        let refusal = Refusal::from(denied);
        assert!(refusal.note.is_none());
        assert!(!refusal.to_string().contains("cap 7"));
    }
}
