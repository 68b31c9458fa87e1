//! A file that arrives in one go, of a size that nobody said before.
//!
//! It is written under a name that nobody sees, synced, and put in its place by one
//! rename, over the file that is there. Until then that one stays as it is; what
//! breaks off leaves nothing, and what a crash leaves is in the journal.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, Metadata};
use doorward_guard::audit::Kind;
use serde_json::Value;

use super::at_once::{AtOnce, Spot, make_folders};
use super::change::{OnConflict, entry, in_the_way, last, open_up, publish};
use super::entry::Entry;
use super::error::DriveError;
use super::folders::Folder;
use super::handle::{self, Place};
use super::journal::{Record, Scratch};
use super::path::{NewName, RelPath};
use crate::defaults;
use crate::pairing::Right;

/// A file that is on its way. Dropping it removes what arrived.
#[derive(Debug)]
pub struct Receiving {
    folder: Arc<Folder>,
    path: RelPath,
    file: Option<Arc<File>>,
    scratch: Option<Scratch>,
    size: u64,
    unsynced: u64,
}

impl AtOnce {
    /// Begins a file at a path. Folders on the way to it are made.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `write`; what stands in the way is told
    /// now; and what the drive says.
    pub async fn receive(&self, spot: Spot) -> Result<Receiving, DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Write)?;
        let (parent, _) = path.split().ok_or(DriveError::RootRefused)?;
        self.decide(Kind::FileUploaded, folder)?;
        let record = Record {
            folder: folder.name().as_str().to_owned(),
            within: parent.as_str().to_owned(),
            upload: None,
        };
        let (journal, target) = (self.room.journal.clone(), path.clone());
        let begun = folder.work(move |root| {
            make_folders(root, &parent)?;
            let place = Place::find(root, &target)?;
            match place.look_for()? {
                None => drop(NewName::parse(last(&target))?),
                Some(there) if there.is_dir() => {
                    let exists = DriveError::AlreadyExists(Box::default());
                    return Err(in_the_way(exists, &place, &target, &Value::Null));
                }
                Some(_) => {}
            }
            let scratch = journal.begin(&record)?;
            let file = place.beside(scratch.name())?.create_file()?;
            Ok((scratch, file))
        });
        let (scratch, file) = begun.await?;
        Ok(Receiving {
            folder: Arc::clone(folder),
            path,
            file: Some(Arc::new(file)),
            scratch: Some(scratch),
            size: 0,
            unsynced: 0,
        })
    }
}

impl Receiving {
    /// Writes what arrived next.
    ///
    /// # Errors
    ///
    /// [`DriveError::DiskFull`], and what else the drive says.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), DriveError> {
        let file = Arc::clone(self.file.as_ref().ok_or(DriveError::UploadUnknown)?);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.size = self.size.saturating_add(length);
        self.unsynced = self.unsynced.saturating_add(length);
        let sync = self.unsynced >= defaults::UPLOAD_SYNCED;
        if sync {
            self.unsynced = 0;
        }
        self.folder
            .work(move |_| {
                (&*file).write_all(&bytes)?;
                if sync {
                    file.sync_data()?;
                }
                Ok(())
            })
            .await
    }

    /// Puts it in its place, over the file that is there. Returns what is there now.
    ///
    /// # Errors
    ///
    /// [`DriveError::AlreadyExists`] if a folder is there now, and what the drive
    /// says. What was there is unchanged.
    pub async fn finish(mut self) -> Result<Entry, DriveError> {
        let file = self.file.take().ok_or(DriveError::UploadUnknown)?;
        let (name, path, size) = (self.name()?, self.path.clone(), self.size);
        let finished = self.folder.work(move |root| {
            if file.metadata()?.len() != size {
                return Err(DriveError::ChangedMeanwhile);
            }
            let to = Place::find(root, &path)?;
            let temp = to.beside(&name)?;
            let replaced = to.look_for()?.filter(Metadata::is_file);
            open_up(&file, replaced.as_ref().and_then(mode))?;
            file.sync_all()?;
            let put = publish(&temp, to, &path, OnConflict::Replace, &Value::Null);
            let (place, path) = put.map_err(DriveError::from)?;
            handle::settle(&place.parent);
            entry(&place, &path)
        });
        let finished = finished.await?;
        // Its name is another now.
        self.scratch = None;
        Ok(finished)
    }

    fn name(&self) -> Result<String, DriveError> {
        let scratch = self.scratch.as_ref().ok_or(DriveError::UploadUnknown)?;
        Ok(scratch.name().to_owned())
    }
}

// === impl Drop ===

impl Drop for Receiving {
    fn drop(&mut self) {
        let Some(scratch) = self.scratch.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return scratch.keep();
        };
        let (folder, path) = (Arc::clone(&self.folder), self.path.clone());
        let name = scratch.name().to_owned();
        runtime.spawn(async move {
            let removed =
                folder.work(move |root: &Dir| Place::find(root, &path)?.beside(name)?.remove());
            match removed.await {
                Ok(()) | Err(DriveError::PathUnknown) => drop(scratch),
                // The next run removes it.
                Err(_) => scratch.keep(),
            }
        });
    }
}

#[cfg(unix)]
fn mode(there: &Metadata) -> Option<u32> {
    use cap_std::fs::PermissionsExt as _;
    Some(there.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}
