//! The nonces of one key, so that a signature is good once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use doorward_guard::Moment;
use foldhash::fast::RandomState;

use super::refusal::SignRefusal;
use crate::defaults;

/// Remembers nonces for [`defaults::NONCE_KEPT`], [`defaults::NONCES`] at most.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    nonces: HashSet<[u8; 16], RandomState>,
    order: VecDeque<(Moment, [u8; 16])>,
}

impl Nonces {
    /// Takes a nonce, once. A full memory refuses: it never forgets early.
    pub(super) fn take(&self, nonce: [u8; 16], now: Moment) -> Result<(), SignRefusal> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(until, old)) = seen.order.front() {
            if until > now {
                break;
            }
            seen.order.pop_front();
            seen.nonces.remove(&old);
        }
        if seen.nonces.len() >= defaults::NONCES {
            let known = seen.nonces.contains(&nonce);
            return Err(if known {
                SignRefusal::Replayed
            } else {
                SignRefusal::TooMany
            });
        }
        if !seen.nonces.insert(nonce) {
            return Err(SignRefusal::Replayed);
        }
        seen.order
            .push_back((now.plus(defaults::NONCE_KEPT), nonce));
        Ok(())
    }
}
