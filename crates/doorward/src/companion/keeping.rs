//! Pairings that outlive a run: the vault has their keys, the register says which
//! of them count.
//!
//! The order of every step is chosen so that whatever is cut off leaves a page that
//! is not paired, never one that nobody approved or that somebody forgot.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_companion::vault::{KeptPage, Trouble, Vault, VaultState};
use serde::Serialize;
use tokio::sync::watch;

use super::register::{Listed, Register, Unlisted};

/// Where pairings are kept between runs.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Has the keys.
    pub vault: Arc<dyn Vault>,
    /// The file that lists what counts. Its folder must be the user's alone; it is
    /// made if it is missing.
    pub register: PathBuf,
}

/// How the vault is, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultView {
    /// See [`VaultState::name`].
    pub state: &'static str,
    /// See [`VaultState::sentence`].
    pub message: &'static str,
    /// Pairings that it should have, and that are not in effect.
    pub missing: Vec<Listed>,
    /// Forgotten pairings whose keys it has not removed yet.
    pub unremoved: usize,
}

#[derive(Debug)]
pub(super) struct Keeping {
    shelf: Option<Shelf>,
    state: watch::Sender<VaultState>,
}

#[derive(Debug)]
struct Shelf {
    vault: Arc<dyn Vault>,
    path: PathBuf,
    register: Mutex<Result<Register, Unlisted>>,
    /// One thing at a time, so that what is being kept is not swept away.
    turn: tokio::sync::Mutex<()>,
}

/// What the vault had.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pages: Vec<KeptPage>,
    /// It works, and does not have these.
    pub(super) lost: Vec<String>,
}

impl Keeping {
    pub(super) fn new(keep: Option<&Keep>) -> Self {
        let shelf = keep.map(|Keep { vault, register }| Shelf {
            vault: Arc::clone(vault),
            register: Mutex::new(Register::open(register)),
            path: register.clone(),
            turn: tokio::sync::Mutex::default(),
        });
        let state = match shelf {
            None => VaultState::Memory,
            Some(_) => VaultState::Asked,
        };
        Self {
            shelf,
            state: watch::Sender::new(state),
        }
    }

    pub(super) fn state(&self) -> VaultState {
        *self.state.borrow()
    }

    /// Waits for the vault's first answer.
    pub(super) async fn answered(&self) {
        let mut state = self.state.subscribe();
        // It cannot fail: we hold the sender.
        let _ = state.wait_for(|state| *state != VaultState::Asked).await;
    }

    /// `in_effect` are the ids that are paired now.
    pub(super) fn view(&self, in_effect: &[String]) -> VaultView {
        let state = self.state();
        let mut view = VaultView {
            state: state.name(),
            message: state.sentence(),
            missing: Vec::new(),
            unremoved: 0,
        };
        if let Some(Ok(register)) = self.shelf.as_ref().map(Shelf::register).as_deref() {
            let missing = register.kept().iter();
            view.missing = missing
                .filter(|listed| !in_effect.contains(&listed.key_id))
                .cloned()
                .collect();
            view.unremoved = register.forgotten().len();
        }
        view
    }

    /// Everything that counts, of what the vault has. Removes what was forgotten.
    pub(super) async fn load(&self) -> Found {
        let Some(shelf) = &self.shelf else {
            return Found::default();
        };
        let (state, found) = shelf.load().await;
        self.state.send_replace(state);
        if state.is_good() || state == VaultState::Emptied {
            shelf.clean().await;
        }
        found
    }

    /// Keeps a page. Once this says so, it counts at the next start too.
    ///
    /// # Errors
    ///
    /// How the vault is. Then the page counts nowhere.
    pub(super) async fn keep(&self, page: &KeptPage) -> Result<(), VaultState> {
        let Some(shelf) = &self.shelf else {
            return Ok(());
        };
        shelf.keep(page).await.inspect_err(|state| {
            tracing::warn!(state = state.name(), "a pairing could not be kept");
        })
    }

    /// A page counts no longer. The vault is told by [`Keeping::clean`].
    ///
    /// # Errors
    ///
    /// The register cannot be written: it may come back.
    pub(super) fn forget(&self, key_id: &str) -> Result<(), Unlisted> {
        let Some(shelf) = &self.shelf else {
            return Ok(());
        };
        match &mut *shelf.register() {
            Ok(register) => register.forget(key_id),
            Err(unlisted) => Err(*unlisted),
        }
    }

    /// Ids that the register has, in effect or not.
    pub(super) fn listed(&self) -> Vec<String> {
        match self.shelf.as_ref().map(Shelf::register).as_deref() {
            Some(Ok(register)) => {
                let kept = register.kept().iter();
                kept.map(|listed| listed.key_id.clone()).collect()
            }
            Some(Err(_)) | None => Vec::new(),
        }
    }

    /// Removes from the vault what was forgotten; what it does not remove now waits
    /// for the next time.
    pub(super) async fn clean(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.clean().await;
        }
    }

    /// Removes `key_id` from the vault, although the register cannot be written.
    /// Whether it did.
    pub(super) async fn remove(&self, key_id: &str) -> bool {
        match &self.shelf {
            Some(shelf) => shelf.vault.remove(key_id).await.is_ok(),
            None => true,
        }
    }
}

// === impl Shelf ===

impl Shelf {
    async fn load(&self) -> (VaultState, Found) {
        let _turn = self.turn.lock().await;
        let mut found = Found::default();
        let listed = {
            let mut register = self.register();
            if register.is_err() {
                // Somebody may have mended it.
                *register = Register::open(&self.path);
            }
            match &*register {
                Ok(register) => register.kept().to_vec(),
                Err(Unlisted) => return (VaultState::Unlisted, found),
            }
        };
        let ids: Vec<_> = listed.iter().map(|page| page.key_id.clone()).collect();
        let read = match self.vault.read(&ids).await {
            Ok(read) => read,
            Err(trouble) => return (VaultState::Troubled(trouble), found),
        };
        let mut read = read.into_iter();
        for Listed { key_id, origin } in listed {
            // Another page under this id is not the one that was approved.
            let page = read.next().flatten();
            match page.filter(|page| page.key_id == key_id && page.origin.as_str() == origin) {
                Some(page) => found.pages.push(page),
                None => found.lost.push(key_id),
            }
        }
        let emptied = found.pages.is_empty() && !found.lost.is_empty();
        let state = match emptied {
            true => VaultState::Emptied,
            false => VaultState::Sound,
        };
        (state, found)
    }

    async fn keep(&self, page: &KeptPage) -> Result<(), VaultState> {
        let _turn = self.turn.lock().await;
        let unlisted = |Unlisted| VaultState::Unlisted;
        self.change(|register| register.expect(&page.key_id))
            .map_err(unlisted)?;
        self.vault.keep(page).await.map_err(VaultState::Troubled)?;
        let listed = Listed {
            key_id: page.key_id.clone(),
            origin: page.origin.to_string(),
        };
        // If this fails, the next start removes it.
        self.change(|register| register.keep(listed))
            .map_err(unlisted)
    }

    async fn clean(&self) {
        let _turn = self.turn.lock().await;
        let forgotten = match &*self.register() {
            Ok(register) => register.forgotten().to_vec(),
            Err(Unlisted) => return,
        };
        for key_id in forgotten {
            match self.vault.remove(&key_id).await {
                Ok(()) => {
                    // At worst it is removed once more.
                    let _ = self.change(|register| register.removed(&key_id));
                }
                // It asks people for passwords: once is enough.
                Err(Trouble::Absent | Trouble::Locked | Trouble::NotInThisBuild) => return,
                Err(_) => {}
            }
        }
    }

    fn change(
        &self,
        how: impl FnOnce(&mut Register) -> Result<(), Unlisted>,
    ) -> Result<(), Unlisted> {
        match &mut *self.register() {
            Ok(register) => how(register),
            Err(unlisted) => Err(*unlisted),
        }
    }

    fn register(&self) -> MutexGuard<'_, Result<Register, Unlisted>> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
