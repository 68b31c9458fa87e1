//! Everything a signed request can be refused with.

/// Why a signed request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignRefusal {
    /// No signature.
    #[error("Sign the request: this page has to be paired.")]
    Required,
    /// The signature is wrong, not in the profile, of an unknown key, or of another
    /// origin's. Which of them is not told.
    #[error("The signature does not match the request.")]
    Invalid,
    /// Signed for another run of the companion: say hello again.
    #[error("The companion was started again. Say hello, then sign again.")]
    OtherRun,
    /// The signature is too old, or from the future, or good for too long. Told
    /// only to who has the key.
    #[error("The clocks of page and companion differ, or the request was on its way for too long.")]
    ClockSkew,
    /// This signature was used before.
    #[error("This request was sent before.")]
    Replayed,
    /// More requests in forty seconds than can be remembered.
    #[error("Too many requests. Wait, then try again.")]
    TooMany,
    /// The body is not the one that was signed.
    #[error("The body is not the one that was signed.")]
    BodyMismatch,
    /// The ticket is unknown, used, too old, or for something else.
    #[error("This ticket is not good here. Ask for a new one.")]
    TicketInvalid,
}

impl SignRefusal {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Required,
        Self::Invalid,
        Self::OtherRun,
        Self::ClockSkew,
        Self::Replayed,
        Self::TooMany,
        Self::BodyMismatch,
        Self::TicketInvalid,
    ];

    /// The stable name that clients see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "signatureRequired",
            Self::Invalid => "signatureInvalid",
            Self::OtherRun => "instanceChanged",
            Self::ClockSkew => "clockSkew",
            Self::Replayed => "replayed",
            Self::TooMany => "rateLimited",
            Self::BodyMismatch => "bodyMismatch",
            Self::TicketInvalid => "ticketInvalid",
        }
    }
}
