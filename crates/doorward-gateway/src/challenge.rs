//! What an account's key has to sign: made for one flow, good once and not for long.
//!
//! To sign in, 32 random bytes; for more time, a sentence that says so and 32 bytes
//! more. So a signature for the one is none for the other, however it was come by,
//! and whoever signs can read what for.

use aws_lc_rs::digest::{Context, SHA256};
use doorward_guard::{Moment, Secret};
use doorward_operator::rpc::gateway_capnp::auth_step;

use crate::accounts::{Accounts, Profile};
use crate::defaults;

/// What begins a challenge for more time.
pub(crate) const MORE_TIME: &[u8] = b"doorward gateway: more time for a session\n";

/// A challenge. Answering it takes it.
pub(crate) struct Challenge {
    bytes: Vec<u8>,
    until: Moment,
}

impl Challenge {
    /// For signing in.
    pub(crate) fn to_sign_in(now: Moment) -> Self {
        Self::of(Secret::<32>::random().bytes().to_vec(), now)
    }

    /// For more time for this session and no other. Its id is in it, and cannot be
    /// read from it: whoever is shown the challenge need not know that.
    pub(crate) fn for_more_time(session: &Secret<16>, now: Moment) -> Self {
        let mut bound = Context::new(&SHA256);
        bound.update(session.bytes());
        bound.update(Secret::<32>::random().bytes());
        Self::of([MORE_TIME, bound.finish().as_ref()].concat(), now)
    }

    /// Asks for the signature.
    pub(crate) fn ask(&self, prompt: &str, mut step: auth_step::Builder<'_>) {
        step.set_prompt(prompt);
        step.set_challenge(&self.bytes);
        let ms = defaults::CHALLENGE.as_millis();
        step.set_remaining_ms(u64::try_from(ms).unwrap_or(u64::MAX));
    }

    /// The profile of `account`, if `signature` is its key's and came in time.
    pub(crate) fn answered(
        self,
        accounts: &Accounts,
        account: &str,
        signature: &[u8],
        now: Moment,
    ) -> Option<Profile> {
        let signed = accounts.signed(account, &self.bytes, signature);
        signed.filter(|_| self.until > now)
    }

    fn of(bytes: Vec<u8>, now: Moment) -> Self {
        Self {
            bytes,
            until: now.plus(defaults::CHALLENGE),
        }
    }
}
