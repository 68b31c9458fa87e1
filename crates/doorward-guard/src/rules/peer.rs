//! The process on the other end of the connection.

use crate::guard::Peer;
use crate::policy::PeerRule;
use crate::refusal::{Refusal, Rule};

/// Refuses other users' processes, and those that cannot be told, where the
/// policy asks for the same user. A platform that cannot tell any peer passes:
/// the listener warned of it when it started.
///
/// # Errors
///
/// [`Rule::PeerNotAllowed`].
pub fn check(rule: PeerRule, peer: Peer) -> Result<(), Refusal> {
    match (rule, peer) {
        (PeerRule::Any, _) | (PeerRule::SameUser, Peer::SameUser | Peer::NotChecked) => Ok(()),
        (PeerRule::SameUser, Peer::OtherUser | Peer::Unknown) => {
            Err(Refusal::from(Rule::PeerNotAllowed).note(format!("{peer:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t98_an_unknown_peer_is_not_trusted() {
        assert!(check(PeerRule::SameUser, Peer::SameUser).is_ok());
        assert!(check(PeerRule::SameUser, Peer::NotChecked).is_ok());
        for peer in [Peer::OtherUser, Peer::Unknown] {
            let refused = check(PeerRule::SameUser, peer).map_err(|r| r.rule());
            assert_eq!(refused, Err(Rule::PeerNotAllowed));
            assert!(check(PeerRule::Any, peer).is_ok());
        }
    }
}
