//! The Secret Service by D-Bus, else the kernel's keyring.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{Kept, Trouble};

/// What our entries are filed under.
const SERVICE: &str = "doorward";

/// The secret called `name`.
///
/// # Errors
///
/// Any [`Trouble`].
pub(crate) fn read(name: &str) -> Result<Zeroizing<String>, Trouble> {
    Keyring::find()?.read(name)
}

/// The secrets of these names, in their order; `None` for those that are not
/// there.
///
/// # Errors
///
/// Any [`Trouble`] but [`Trouble::Missing`].
pub(crate) fn read_all(names: &[String]) -> Result<Vec<Option<Zeroizing<String>>>, Trouble> {
    let keyring = Keyring::find()?;
    let read = names.iter().map(|name| match keyring.read(name) {
        Ok(secret) => Ok(Some(secret)),
        Err(Trouble::Missing) => Ok(None),
        Err(trouble) => Err(trouble),
    });
    read.collect()
}

/// Keeps the secret called `name`, in place of an earlier one.
///
/// # Errors
///
/// Any [`Trouble`] but [`Trouble::Missing`].
pub(crate) fn write(name: &str, secret: &str) -> Result<Kept, Trouble> {
    let keyring = Keyring::find()?;
    let (entry, kept) = (keyring.entry(name)?, keyring.kept);
    match (entry.set_password(secret), kept) {
        (Ok(()), _) => Ok(kept),
        (Err(error), Kept::Desktop) => Err(trouble(&error)),
        (Err(_), Kept::Kernel) => {
            // It may have got half of the way.
            let _ = entry.delete_credential();
            Err(Trouble::Absent)
        }
    }
}

/// Forgets the secret called `name`. Whether there was one.
///
/// # Errors
///
/// Any [`Trouble`] but [`Trouble::Missing`].
pub(crate) fn remove(name: &str) -> Result<bool, Trouble> {
    match Keyring::find()?.entry(name)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(trouble(&error)),
    }
}

/// The keyring that works.
struct Keyring {
    store: Arc<CredentialStore>,
    kept: Kept,
}

impl Keyring {
    fn find() -> Result<Self, Trouble> {
        if let Ok(store) = zbus_secret_service_keyring_store::Store::new() {
            let kept = Kept::Desktop;
            return Ok(Self { store, kept });
        }
        let store = linux_keyutils_keyring_store::Store::new();
        let kept = Kept::Kernel;
        store
            .map(|store| Self { store, kept })
            .map_err(|_| Trouble::Absent)
    }

    /// The entry called `name`, there or not.
    fn entry(&self, name: &str) -> Result<Entry, Trouble> {
        let entry = self.store.build(SERVICE, name, None);
        entry.map_err(|error| match self.kept {
            Kept::Desktop => trouble(&error),
            Kept::Kernel => Trouble::Absent,
        })
    }

    fn read(&self, name: &str) -> Result<Zeroizing<String>, Trouble> {
        match (self.entry(name)?.get_password(), self.kept) {
            (Ok(secret), _) => Ok(Zeroizing::new(secret)),
            // It may be in the one that does not answer.
            (Err(Error::NoEntry), Kept::Kernel) => Err(Trouble::Absent),
            (Err(error), _) => Err(trouble(&error)),
        }
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::NoEntry => Trouble::Missing,
        Error::NoStorageAccess(_) => Trouble::Locked,
        _ => Trouble::Failed,
    }
}
