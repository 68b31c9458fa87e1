//! Everything a pairing can be refused with.

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal $sentence:literal;)+) => {
        /// Why a step of a pairing was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum PairRefusal {
            $($(#[doc = $doc])+ #[error($sentence)] $variant,)+
        }

        impl PairRefusal {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name that clients see.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The sentence that people see.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

refusals! {
    /// Pairing is switched off in the configuration.
    Off = "pairingOff" "Pairing is switched off on this computer.";
    /// The mode is `window`, and nobody opened one.
    NotNow = "pairingNotNow" "Run `doorward pair allow` on this computer, then try again within two minutes.";
    /// The origin's scheme is neither http nor https, and not named in the
    /// configuration; or it is `null`.
    OriginNotAllowed = "originNotAllowed" "This origin may not ask to be paired.";
    /// A message is not what the protocol says.
    Malformed = "malformed" "The pairing message is not the one that is expected.";
    /// Another version of the protocol, or other algorithms.
    VersionMismatch = "versionMismatch" "The page and the companion speak different versions of the pairing protocol. Update the older one.";
    /// As many attempts run as may.
    Full = "tooManyAttempts" "Too many pages ask to be paired. Try again in ten seconds.";
    /// Another request is being shown, or the place is kept for another origin.
    Busy = "pairingBusy" "Another pairing waits for an answer. Try again when it is over.";
    /// The windows of these ten minutes, or of this day, are used up.
    GestureNeeded = "gestureNeeded" "Too many pairings were asked for. Run `doorward pair allow` on this computer, then try again.";
    /// There is no such pairing: unknown, over, cancelled, or another origin's.
    Gone = "pairingGone" "This pairing is over. Start again.";
    /// What was revealed is not what the page had committed to.
    CommitmentMismatch = "commitmentMismatch" "The page did not keep to its commitment. Start again.";
    /// A public key that gives no secret.
    WeakKey = "weakKey" "The page's public key cannot be used.";
    /// The page's proof that its person confirmed is wrong.
    ProofInvalid = "proofInvalid" "The page's confirmation does not match. Start again.";
    /// An approval in the first second, which no person meant.
    TooSoon = "tooSoon" "The window had only just opened. Look at the code, then approve.";
    /// Write and delete are granted only to a code that was typed.
    CodeNeeded = "codeNeeded" "Type the six digits that the page shows.";
    /// The digits that were typed are not these.
    CodeWrong = "codeWrong" "These are not the digits of this pairing. Something stands between the page and this computer: do not try again before you know what.";
    /// The person approved more than the page had asked for.
    NotAsked = "notAsked" "The page did not ask for this.";
    /// It was approved before.
    AlreadyApproved = "alreadyApproved" "This pairing is approved already.";
    /// The vault did not keep the pairing.
    NotKept = "pairingNotKept" "This computer could not keep the pairing, so there is none. It tells its person why.";
    /// No face can ask the person.
    NobodyToAsk = "approvalUnavailable" "Nobody is asked on this computer: approval is switched off there.";
    /// The decision could not be written into the audit log.
    NotWritten = "auditFailed" "The audit log cannot be written, so nothing was decided.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_name_and_a_sentence() {
        let names: std::collections::HashSet<_> =
            PairRefusal::ALL.iter().map(|why| why.name()).collect();
        assert_eq!(names.len(), PairRefusal::ALL.len());
        assert!(
            PairRefusal::ALL
                .iter()
                .all(|why| why.sentence().ends_with('.'))
        );
    }
}
