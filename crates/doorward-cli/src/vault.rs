//! Pairings in the keyring of this user, next to the secrets of sources.

use doorward::companion_core::vault::{Answering, KeptPage, Trouble, Vault};

use crate::keyring::{self, in_thread, of_pairing};

/// See [`keyring`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct InKeyring;

// === impl Vault ===

impl Vault for InKeyring {
    fn keep<'a>(&'a self, page: &'a KeptPage) -> Answering<'a, ()> {
        let (name, text) = (of_pairing(&page.key_id), page.write());
        Box::pin(async move {
            let work = move || {
                // JSON is UTF-8.
                let text = std::str::from_utf8(&text).map_err(|_| keyring::Trouble::Failed)?;
                keyring::write(&name, text).map(drop)
            };
            in_thread(work).await.map_err(trouble)
        })
    }

    fn read<'a>(&'a self, key_ids: &'a [String]) -> Answering<'a, Vec<Option<KeptPage>>> {
        let names: Vec<_> = key_ids.iter().map(|id| of_pairing(id)).collect();
        Box::pin(async move {
            if names.is_empty() {
                // Nobody types a password for nothing.
                return Ok(Vec::new());
            }
            let read = in_thread(move || keyring::read_all(&names)).await;
            let read = read.map_err(trouble)?.into_iter();
            Ok(read.map(|text| KeptPage::read(text?.as_bytes())).collect())
        })
    }

    fn remove<'a>(&'a self, key_id: &'a str) -> Answering<'a, ()> {
        let name = of_pairing(key_id);
        Box::pin(async move {
            let removed = in_thread(move || keyring::remove(&name)).await;
            removed.map(drop).map_err(trouble)
        })
    }
}

fn trouble(trouble: keyring::Trouble) -> Trouble {
    match trouble {
        keyring::Trouble::Absent => Trouble::Absent,
        keyring::Trouble::Locked => Trouble::Locked,
        keyring::Trouble::NotInThisBuild => Trouble::NotInThisBuild,
        // What is missing has no trouble here.
        keyring::Trouble::Missing | keyring::Trouble::Failed => Trouble::Failed,
    }
}
