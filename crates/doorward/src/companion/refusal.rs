//! The core's refusals, as rules of the guard.

use doorward_companion::pairing::PairRefusal;
use doorward_companion::signing::SignRefusal;
use doorward_guard::Rule;

pub(super) fn pair(why: PairRefusal) -> Rule {
    match why {
        PairRefusal::Off => Rule::PairingOff,
        PairRefusal::NotNow => Rule::PairingNotNow,
        PairRefusal::OriginNotAllowed => Rule::OriginNotAllowed,
        PairRefusal::Malformed => Rule::PairingMalformed,
        PairRefusal::VersionMismatch => Rule::VersionMismatch,
        PairRefusal::Full => Rule::TooManyAttempts,
        PairRefusal::Busy => Rule::PairingBusy,
        PairRefusal::GestureNeeded => Rule::GestureNeeded,
        PairRefusal::Gone => Rule::PairingGone,
        PairRefusal::CommitmentMismatch => Rule::CommitmentMismatch,
        PairRefusal::WeakKey => Rule::WeakKey,
        PairRefusal::ProofInvalid => Rule::ProofInvalid,
        PairRefusal::TooSoon => Rule::TooSoon,
        PairRefusal::CodeNeeded => Rule::CodeNeeded,
        PairRefusal::CodeWrong => Rule::CodeWrong,
        PairRefusal::NotAsked => Rule::NotAsked,
        PairRefusal::AlreadyApproved => Rule::AlreadyApproved,
        PairRefusal::NotKept => Rule::PairingNotKept,
        PairRefusal::NobodyToAsk => Rule::ApprovalUnavailable,
        // Among them that the audit cannot be written.
        _ => Rule::Internal,
    }
}

pub(super) fn sign(why: SignRefusal) -> Rule {
    match why {
        SignRefusal::Required => Rule::SignatureRequired,
        SignRefusal::Invalid => Rule::SignatureInvalid,
        SignRefusal::OtherRun => Rule::InstanceChanged,
        SignRefusal::ClockSkew => Rule::ClockSkew,
        SignRefusal::Replayed => Rule::Replayed,
        SignRefusal::TooMany => Rule::RateLimited,
        SignRefusal::BodyMismatch => Rule::BodyMismatch,
        SignRefusal::TicketInvalid => Rule::SocketTicketInvalid,
        _ => Rule::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_their_names_and_sentences() {
        for &why in PairRefusal::ALL {
            let rule = pair(why);
            if why == PairRefusal::NotWritten {
                assert_eq!(rule, Rule::Internal);
                continue;
            }
            assert_eq!(rule.name(), why.name());
            if rule != Rule::OriginNotAllowed {
                assert_eq!(rule.message(), why.sentence());
            }
        }
        for &why in SignRefusal::ALL {
            // The console has another ticket.
            let name = match why {
                SignRefusal::TicketInvalid => "socketTicketInvalid",
                why => why.name(),
            };
            assert_eq!(sign(why).name(), name);
        }
    }
}
