//! One attempt, and how far it is.

use doorward_guard::{Moment, Origin};

use super::keys::{Ephemeral, Keys, Said, commitment};
use super::refusal::PairRefusal;
use super::scope::Scopes;
use super::told::Way;
use super::wire::{Reveal, Start};
use crate::defaults;
use crate::encoding::same;

/// One page's attempt.
pub(super) struct Attempt {
    pub(super) origin: Origin,
    pub(super) until: Moment,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Started(Box<Started>),
    Revealed(At, Box<Shown>),
}

/// How far a revealed attempt is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The window is open.
    Shown,
    /// Both agreed; the vault is writing.
    Keeping,
    /// The page may fetch its proof.
    Paired,
    /// The vault kept nothing: the page is told once.
    NotKept,
}

pub(super) struct Started {
    pub(super) start: Start,
    pub(super) said_start: Vec<u8>,
    pub(super) said_offer: Vec<u8>,
    pub(super) key: Ephemeral,
}

pub(super) struct Shown {
    pub(super) number: u64,
    pub(super) way: Way,
    pub(super) keys: Keys,
    pub(super) label: String,
    pub(super) asked: Scopes,
    /// When the window opened.
    pub(super) since: Moment,
    pub(super) approved: Option<Scopes>,
    pub(super) confirmed: bool,
    pub(super) held: usize,
    /// Since when no request was held.
    pub(super) alone: Moment,
}

// === impl Attempt ===

impl Attempt {
    /// The request while it waits for the two answers.
    pub(super) fn shown(&mut self) -> Option<&mut Shown> {
        match &mut self.stage {
            Stage::Revealed(At::Shown, shown) => Some(shown),
            Stage::Revealed(At::Keeping | At::Paired | At::NotKept, _) | Stage::Started(_) => None,
        }
    }

    pub(super) fn any_shown(&mut self) -> Option<&mut Shown> {
        match &mut self.stage {
            Stage::Revealed(_, shown) => Some(shown),
            Stage::Started(_) => None,
        }
    }

    /// When time alone ends it.
    pub(super) fn ends(&self) -> Moment {
        match &self.stage {
            Stage::Revealed(_, shown) if shown.held == 0 => {
                self.until.min(shown.alone.plus(defaults::GONE_AFTER))
            }
            Stage::Revealed(..) | Stage::Started(_) => self.until,
        }
    }
}

impl Started {
    /// The keys, if `message` opens the commitment.
    pub(super) fn open(
        &self,
        origin: &Origin,
        message: &[u8],
        listen: &str,
    ) -> Result<Keys, PairRefusal> {
        let reveal = Reveal::parse(message)?;
        let opened = commitment(&reveal.public_key.0, &reveal.nonce.0, origin);
        if !same(&opened, &self.start.commitment.0) {
            return Err(PairRefusal::CommitmentMismatch);
        }
        let said = Said {
            start: &self.said_start,
            offer: &self.said_offer,
            reveal: message,
            origin,
            listen,
        };
        let shared = self.key.agree(&reveal.public_key.0);
        shared
            .and_then(|shared| Keys::derive(&shared, said.transcript()))
            .ok_or(PairRefusal::WeakKey)
    }
}
