//! The compatible listener: Sambee's own local API, on its fixed port, so that
//! its pages work unchanged. Off unless the configuration says `dangerous_compat`.
//!
//! The rooms behind it are those of the companion: one pairing machine, one vault,
//! the folders that are shared, with the rights that the person approved. Weaker is
//! how a page is paired and proves itself, and only here: `doorward_companion::compat`.
//! What Sambee does for good, or by halves, is done as elsewhere in this house:
//! what is deleted goes to the trash, an upload takes its name when it is whole, and
//! what was begun is finished if the page hangs up.

mod book;
mod browse;
mod ends;
mod knock;
mod reading;
mod upload;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use doorward_companion::compat::{FileInfo, NoPath, drive_id, read_path};
use doorward_companion::defaults;
use doorward_companion::drives::{AtOnce, DriveError, Spot};
use doorward_guard::caller::{Askers, Stamped, Stamps};
use doorward_guard::guard::MountError;
use doorward_guard::{Call, Clock, Guard, IntoAnswer as _, Permit, Refusal, Rule};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Companion;
use super::book::Book;
use book::Roll;
use ends::Spoken;

type Permitted = Permit<Stamped<Roll>>;

/// What the listener keeps besides the rooms.
#[derive(Debug)]
pub(super) struct Compat {
    roll: Arc<Roll>,
    stamps: Stamps<Roll>,
    /// What each page said last of its language, by its origin.
    spoken: Mutex<HashMap<String, Spoken>>,
    uploads: Arc<Semaphore>,
}

impl Compat {
    pub(super) fn new(book: &Arc<Book>, clock: &Clock) -> Self {
        let roll = Arc::new(Roll::new(book));
        Self {
            stamps: Stamps::new(&roll, clock),
            roll,
            spoken: Mutex::default(),
            uploads: Arc::new(Semaphore::new(defaults::COMPAT_UPLOADS)),
        }
    }

    pub(super) fn roll(&self) -> &Roll {
        &self.roll
    }

    /// A pairing ended.
    pub(super) fn forget(&self, key_id: &str) {
        self.roll.revoke(key_id);
        self.stamps.forget(key_id);
    }
}

impl Companion {
    pub(crate) fn mount_compat(self: &Arc<Self>, guard: &mut Guard) -> Result<(), MountError> {
        guard.mount(self.compat_health())?;
        guard.mount(self.compat_pair())?;
        guard.mount(self.compat_test())?;
        guard.mount(self.compat_current())?;
        guard.mount(self.compat_localization())?;
        guard.mount(self.compat_drives())?;
        guard.mount(self.compat_browse())?;
        guard.mount(self.compat_viewer())?;
        guard.mount(self.compat_sockets())
    }

    fn at_once(&self, permit: &Permitted) -> AtOnce {
        self.drives.at_once(&permit.proof().key_id)
    }

    /// The path `text` on the drive with this id, as its page has it.
    async fn spot(&self, permit: &Permitted, drive: &str, text: &str) -> Result<Spot, Refusal> {
        let all = self.at_once(permit).shared().await.map_err(refused)?;
        let at = all
            .into_iter()
            .find(|granted| drive_id(granted.folder().name()) == drive)
            .ok_or(Rule::FolderUnknown)?;
        let path = read_path(text, drive).map_err(no_path)?;
        Ok(Spot { at, path })
    }
}

/// For [`Askers`] of this listener: pages of http and https, as in Sambee.
fn askers() -> Askers {
    Askers::new(&[])
}

/// A body in Sambee's manner: fields that are not known do not matter, one of
/// another type is 422.
fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    let value: Value = call.json()?;
    serde_json::from_value(value)
        .map_err(|error| Refusal::from(Rule::UnexpectedShape).note(error.to_string()))
}

/// A refusal with Sambee's own words for it.
fn said(rule: Rule, detail: impl Into<Value>) -> Refusal {
    Refusal::from(rule).more("detail", detail.into())
}

fn no_path(why: NoPath) -> Refusal {
    let refusal = Refusal::from(Rule::PathRefused);
    match why.detail() {
        Some(detail) => refusal.more("detail", detail.into()),
        None => refusal,
    }
}

fn refused(error: DriveError) -> Refusal {
    let refusal = error.into_answer().err();
    refusal.unwrap_or_else(|| Rule::Internal.into())
}

/// What stands in the way of a copy or move: the page asks its person with both.
fn in_the_way(error: DriveError) -> Refusal {
    let DriveError::AlreadyExists(conflict) = &error else {
        return refused(error);
    };
    let existing = FileInfo::of_conflict(&conflict.existing);
    let incoming = FileInfo::of_conflict(&conflict.incoming);
    match existing.zip(incoming) {
        Some((existing, incoming)) => said(
            Rule::AlreadyExists,
            serde_json::json!({ "existing_file": existing, "incoming_file": incoming }),
        ),
        None => Rule::AlreadyExists.into(),
    }
}
