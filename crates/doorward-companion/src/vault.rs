//! What outlives a run: the keys of paired pages, in a vault that others bring.
//!
//! A vault is slow, asks people for passwords, and may be emptied by them. So it
//! answers in its own time, every way to fail has a name, and what it does not say
//! it has is not paired.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use doorward_guard::{Origin, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::defaults;
use crate::pairing::{Scopes, Way};

/// The version of [`KeptPage::write`].
const VERSION: u32 = 1;

/// Where pairings are kept: the keyring of a user, mostly. Who reads it can sign as
/// the page.
pub trait Vault: Send + Sync + fmt::Debug {
    /// Keeps one pairing, in place of an earlier one of the same id.
    fn keep<'a>(&'a self, page: &'a KeptPage) -> Answering<'a, ()>;

    /// What it has under these ids, in their order; `None` where it has nothing, or
    /// nothing that can be read.
    fn read<'a>(&'a self, key_ids: &'a [String]) -> Answering<'a, Vec<Option<KeptPage>>>;

    /// Forgets one. One that is not there is forgotten.
    fn remove<'a>(&'a self, key_id: &'a str) -> Answering<'a, ()>;
}

/// What a [`Vault`] will have said.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// Why a vault cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// There is none.
    Absent,
    /// It is locked, and nobody unlocked it in time.
    Locked,
    /// It failed.
    Failed,
    /// This build knows none.
    NotInThisBuild,
}

/// How the vault of a companion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VaultState {
    /// None was wanted: pairings end with this run.
    #[default]
    Memory,
    /// It has not answered yet.
    Asked,
    /// It has what it should have, or the most of it.
    Sound,
    /// It works, and has nothing of what it should have.
    Emptied,
    /// The list of what it should have cannot be read or written.
    Unlisted,
    /// It cannot be asked.
    Troubled(Trouble),
}

/// One pairing, as it is kept.
#[derive(Clone, Debug)]
pub struct KeptPage {
    /// The public name of the pairing.
    pub key_id: String,
    /// The page's origin.
    pub origin: Origin,
    /// What the page called itself, as it may be shown.
    pub label: String,
    /// What the person granted.
    pub scopes: Scopes,
    /// How it was paired.
    pub way: Way,
    /// Signs the page's requests.
    pub request: Secret<32>,
    /// Signs our answers.
    pub response: Secret<32>,
    /// When it was paired, in seconds since 1970.
    pub created: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written<'a> {
    v: u32,
    key_id: &'a str,
    origin: &'a str,
    label: String,
    scopes: Scopes,
    // What a version that does not know it takes for broken: it never counts there.
    #[serde(default, skip_serializing_if = "is_signed")]
    way: Way,
    request: &'a str,
    response: &'a str,
    created: u64,
}

// === impl VaultState ===

impl VaultState {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Asked => "asked",
            Self::Sound => "sound",
            Self::Emptied => "emptied",
            Self::Unlisted => "unlisted",
            Self::Troubled(Trouble::Absent) => "absent",
            Self::Troubled(Trouble::Locked) => "locked",
            Self::Troubled(Trouble::Failed) => "failed",
            Self::Troubled(Trouble::NotInThisBuild) => "notInThisBuild",
        }
    }

    /// What a person is told.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Memory => "Pairings end when doorward stops.",
            Self::Asked => {
                "The keyring has not answered yet. It may wait for its password in a window."
            }
            Self::Sound => "Pairings are kept in the keyring of this user.",
            Self::Emptied => {
                "The keyring works, but has none of the pairings that it kept: it was emptied or replaced. Pair those pages again; `doorward pair forget all` clears the list."
            }
            Self::Unlisted => {
                "The list of pairings in doorward's state folder cannot be read or written, so none counts. Look at its permissions and at the space on its disk."
            }
            Self::Troubled(Trouble::Absent) => {
                "There is no keyring: no Secret Service answers on this session's D-Bus, and the kernel keeps none. Start doorward in a desktop session, or let pairings end with doorward: --vault memory."
            }
            Self::Troubled(Trouble::Locked) => {
                "The keyring is locked. Unlock it, then run `doorward pair check`."
            }
            Self::Troubled(Trouble::Failed) => {
                "The keyring does not work. Look at it with its own program, such as seahorse or kwalletmanager, then run `doorward pair check`."
            }
            Self::Troubled(Trouble::NotInThisBuild) => {
                "This doorward knows no keyring: use one for Linux that is built with the feature keyring, or let pairings end with doorward: --vault memory."
            }
        }
    }

    /// Whether pairings are kept as they were meant to be.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Memory | Self::Sound)
    }
}

fn is_signed(way: &Way) -> bool {
    *way == Way::Signed
}

// === impl KeptPage ===

impl KeptPage {
    /// As text for a vault. Wiped when dropped.
    #[must_use]
    pub fn write(&self) -> Zeroizing<Vec<u8>> {
        let (request, response) = (self.request.reveal(), self.response.reveal());
        let written = Written {
            v: VERSION,
            key_id: &self.key_id,
            origin: self.origin.as_str(),
            label: self.label.clone(),
            scopes: self.scopes.clone(),
            way: self.way,
            request: &request,
            response: &response,
            created: self.created,
        };
        // It never grows: a copy that is left behind would not be wiped.
        let mut text = Zeroizing::new(Vec::with_capacity(defaults::KEPT_PAGE));
        // Writing to memory does not fail, and these maps have text keys.
        let _ = serde_json::to_writer(&mut *text, &written);
        text
    }

    /// Reads what [`KeptPage::write`] wrote; `None` for anything else.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        if text.len() > defaults::KEPT_PAGE {
            return None;
        }
        let written: Written<'_> = serde_json::from_slice(text).ok()?;
        if written.v != VERSION || Secret::<16>::parse(written.key_id).is_none() {
            return None;
        }
        Some(Self {
            key_id: written.key_id.to_owned(),
            origin: Origin::parse(written.origin)?,
            label: written.label,
            scopes: written.scopes,
            way: written.way,
            request: Secret::parse(written.request)?,
            response: Secret::parse(written.response)?,
            created: written.created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> KeptPage {
        KeptPage {
            key_id: Secret::<16>::random().reveal().to_string(),
            origin: Origin::parse("https://app.example").unwrap(),
            label: "A \"quoted\" name".to_owned(),
            scopes: serde_json::from_str(r#"[{"folder":"A","rights":["read"]}]"#).unwrap(),
            way: Way::Signed,
            request: Secret::random(),
            response: Secret::random(),
            created: 1_790_000_000,
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let page = page();
        let read = KeptPage::read(&page.write()).unwrap();
        assert_eq!((read.request, read.response), (page.request, page.response));
        assert_eq!(
            (read.key_id, read.origin, read.label, read.scopes),
            (page.key_id, page.origin, page.label, page.scopes)
        );
        assert_eq!(read.created, page.created);
    }

    #[test]
    fn a_weaker_pairing_stays_one_and_others_are_written_as_ever() {
        let text = String::from_utf8(page().write().to_vec()).unwrap();
        assert!(!text.contains("way"));
        let stamped = KeptPage {
            way: Way::Stamped,
            ..page()
        };
        let text = stamped.write();
        assert_eq!(KeptPage::read(&text).unwrap().way, Way::Stamped);
        let text = String::from_utf8(text.to_vec()).unwrap();
        let other = text.replace("stamped", "other");
        assert!(text != other && KeptPage::read(other.as_bytes()).is_none());
    }

    #[test]
    fn what_somebody_changed_is_not_read() {
        let text = String::from_utf8(page().write().to_vec()).unwrap();
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("https://app.example", "null"),
            ("\"created\"", "\"admin\":true,\"created\""),
            ("\"read\"", "\"everything\""),
            ("{\"v\"", "[{\"v\""),
        ] {
            assert!(text.contains(from));
            assert!(KeptPage::read(text.replace(from, to).as_bytes()).is_none());
        }
        assert!(KeptPage::read(b"").is_none());
    }

    #[test]
    fn t61_secrets_of_a_kept_page_are_not_printed() {
        let page = page();
        let told = format!("{page:?}");
        for secret in [&page.request, &page.response] {
            assert!(!told.contains(secret.reveal().as_str()));
        }
    }

    #[test]
    fn the_largest_page_fits_without_growing() {
        let mut page = page();
        page.label = "\u{1f6aa}".repeat(64);
        let folders: Vec<_> = (0..defaults::FOLDERS)
            .map(|at| {
                let name = format!("{at:02}{}", "\u{1f6aa}".repeat(defaults::FOLDER_NAME - 2));
                serde_json::json!({ "folder": name, "rights": ["read", "write", "delete"] })
            })
            .collect();
        page.scopes = serde_json::from_value(folders.into()).unwrap();
        let text = page.write();
        assert!(text.len() < defaults::KEPT_PAGE, "{}", text.len());
        assert_eq!(text.capacity(), defaults::KEPT_PAGE);
        assert!(KeptPage::read(&text).is_some());
    }

    #[test]
    fn every_state_has_a_name_and_a_sentence() {
        let all = [
            VaultState::Memory,
            VaultState::Asked,
            VaultState::Sound,
            VaultState::Emptied,
            VaultState::Unlisted,
            VaultState::Troubled(Trouble::Absent),
            VaultState::Troubled(Trouble::Locked),
            VaultState::Troubled(Trouble::Failed),
            VaultState::Troubled(Trouble::NotInThisBuild),
        ];
        let names: std::collections::HashSet<_> = all.iter().map(|state| state.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|state| state.sentence().ends_with('.')));
    }
}
