//! Files that a page sends, in chunks.
//!
//! A chunk is signed with its offset and hashed whole, so each is all there or not at
//! all, and what was lost on the way is sent again from where the upload is. Bytes go
//! to a hidden file beside the target, which takes its name at the end, by one
//! rename, once it is whole and on the disk. It goes on after a restart of doorward.

use std::collections::HashMap;
use std::fs::{File, FileTimes};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cap_std::fs::Dir;
use doorward_guard::{Clock, Moment};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::change::{OnConflict, entry, in_the_way, last, open_up, publish};
use super::entry::{Entry, media_type, told};
use super::error::DriveError;
use super::folders::Folder;
use super::handle::{self, Place};
use super::journal::{Journal, Record, Scratch, Unfinished};
use super::mounts;
use super::path::{NewName, RelPath, spell};
use crate::defaults;
use crate::pairing::FolderName;

/// What is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) path: RelPath,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    pub(super) conflict: OnConflict,
    pub(super) sha256: Option<[u8; 32]>,
}

/// An upload, as its page sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadView {
    /// Its name.
    pub id: String,
    /// Where the next chunk begins.
    pub offset: u64,
    /// Bytes in all.
    pub size: u64,
    /// The longest chunk, in bytes.
    pub chunk_bytes: u64,
}

/// Every upload that is not finished.
#[derive(Debug)]
pub(super) struct Uploads {
    clock: Clock,
    table: Mutex<HashMap<String, Arc<Upload>>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Upload {
    key_id: String,
    folder: FolderName,
    announced: Announced,
    scratch: Mutex<Option<Scratch>>,
    id: String,
    name: String,
    /// Held while its file is touched, by the thread that does.
    at: Arc<tokio::sync::Mutex<At>>,
    touched: Mutex<Moment>,
}

/// Where an upload is.
#[derive(Debug, Default)]
pub(super) struct At {
    offset: u64,
    synced: u64,
    /// Of everything before the offset, while that was written by this run.
    hash: Sha256,
    hashed: u64,
    over: bool,
}

impl Uploads {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            table: Mutex::default(),
        }
    }

    /// Whether one more of this pairing fits.
    pub(super) fn has_room(&self, key_id: &str) -> Result<(), DriveError> {
        let table = self.table();
        let own = table
            .values()
            .filter(|upload| upload.key_id == key_id)
            .count();
        match own < defaults::UPLOADS_PER_KEY && table.len() < defaults::UPLOADS {
            true => Ok(()),
            false => Err(DriveError::Full),
        }
    }

    /// An upload whose file was made.
    pub(super) fn add(
        &self,
        key_id: &str,
        folder: &FolderName,
        announced: Announced,
        scratch: Scratch,
        offset: u64,
    ) -> Arc<Upload> {
        let upload = Arc::new(Upload {
            key_id: key_id.to_owned(),
            folder: folder.clone(),
            announced,
            id: scratch.id().to_owned(),
            name: scratch.name().to_owned(),
            scratch: Mutex::new(Some(scratch)),
            at: Arc::new(tokio::sync::Mutex::new(At {
                offset,
                synced: offset,
                ..At::default()
            })),
            touched: Mutex::new(self.clock.now()),
        });
        self.table().insert(upload.id.clone(), Arc::clone(&upload));
        upload
    }

    /// The upload called `id`, of this pairing.
    pub(super) fn find(&self, key_id: &str, id: &str) -> Result<Arc<Upload>, DriveError> {
        let table = self.table();
        let upload = table.get(id).filter(|upload| upload.key_id == key_id);
        let upload = upload.cloned().ok_or(DriveError::UploadUnknown)?;
        *upload.touched() = self.clock.now();
        Ok(upload)
    }

    /// It is over. Its record goes with it, if its file has.
    pub(super) fn end(&self, upload: &Upload, is_gone: bool) {
        self.table().remove(&upload.id);
        let scratch = upload
            .scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match scratch {
            Some(scratch) if !is_gone => scratch.keep(),
            _ => {}
        }
    }

    /// What nothing was added to for too long, or is of a pairing that ended.
    pub(super) fn due(&self, ended: Option<&str>) -> Vec<Arc<Upload>> {
        let now = self.clock.now();
        let table = self.table();
        let is_due = |upload: &&Arc<Upload>| match ended {
            Some(key_id) => upload.key_id == key_id,
            None => now.since(*upload.touched()) > defaults::UPLOAD_KEPT,
        };
        table.values().filter(is_due).cloned().collect()
    }

    /// Leaves the records of all to the next run.
    pub(super) fn close(&self) {
        for (_, upload) in self.table().drain() {
            let scratch = upload
                .scratch
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(scratch) = scratch {
                scratch.keep();
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announced {
    /// Reads what was written down of it.
    pub(super) fn read(record: &Unfinished) -> Option<Self> {
        let sha256 = match &record.sha256 {
            Some(text) => Some(from_hex(text)?),
            None => None,
        };
        let modified = match &record.modified_at {
            Some(text) => Some(from_rfc3339(text)?),
            None => None,
        };
        Some(Self {
            path: RelPath::parse(&record.path).ok()?,
            size: record.size,
            modified,
            conflict: record.on_conflict,
            sha256,
        })
    }

    fn record(&self, folder: &FolderName, key_id: &str, begun: u64) -> Option<Record> {
        let (within, _) = self.path.split()?;
        Some(Record {
            folder: folder.as_str().to_owned(),
            within: within.as_str().to_owned(),
            upload: Some(Unfinished {
                key_id: key_id.to_owned(),
                path: self.path.as_str().to_owned(),
                size: self.size,
                modified_at: self.modified.and_then(told),
                on_conflict: self.conflict,
                sha256: self.sha256.map(|digest| hex(&digest)),
                begun,
                boot: super::journal::boot(),
            }),
        })
    }

    /// As it will be, for a page that has to decide.
    fn incoming(&self) -> Value {
        let Some((_, name)) = self.path.split() else {
            return Value::Null;
        };
        json!({
            "name": spell(&name),
            "path": self.path.as_str(),
            "kind": "file",
            "size": self.size,
            "modifiedAt": self.modified.and_then(told),
            "mediaType": media_type(&name),
        })
    }
}

/// Makes the hidden file. Says now what would stand in the way at the end.
pub(super) fn begin(
    root: &Dir,
    announced: &Announced,
    (journal, folder, key_id, begun): (&Journal, &FolderName, &str, u64),
) -> Result<Scratch, DriveError> {
    let place = Place::find(root, &announced.path)?;
    match place.look_for()? {
        None => drop(NewName::parse(last(&announced.path))?),
        Some(_) if announced.conflict == OnConflict::KeepBoth => {}
        Some(there) if announced.conflict == OnConflict::Fail || there.is_dir() => {
            let exists = DriveError::AlreadyExists(Box::default());
            let incoming = announced.incoming();
            return Err(in_the_way(exists, &place, &announced.path, &incoming));
        }
        Some(_) => {}
    }
    if mounts::space(root).is_some_and(|space| space.free < announced.size) {
        return Err(DriveError::DiskFull);
    }
    let record = announced
        .record(folder, key_id, begun)
        .ok_or(DriveError::RootRefused)?;
    let scratch = journal.begin(&record)?;
    place.beside(scratch.name())?.create_file()?;
    Ok(scratch)
}

/// How many bytes an earlier run left of an upload. What may have been lost with the
/// system's run is not counted.
pub(super) fn resume(
    root: &Dir,
    announced: &Announced,
    name: &str,
    same_boot: bool,
) -> Result<u64, DriveError> {
    let file = Place::find(root, &announced.path)?
        .beside(name)?
        .reopen_file()?;
    if !same_boot || file.metadata()?.len() > announced.size {
        file.set_len(0)?;
    }
    Ok(file.metadata()?.len())
}

impl Upload {
    pub(super) fn folder(&self) -> &FolderName {
        &self.folder
    }

    pub(super) async fn view(&self) -> UploadView {
        self.shown(self.at.lock().await.offset)
    }

    pub(super) fn shown(&self, offset: u64) -> UploadView {
        UploadView {
            id: self.id.clone(),
            offset,
            size: self.announced.size,
            chunk_bytes: u64::try_from(defaults::CHUNK).unwrap_or(u64::MAX),
        }
    }

    /// Writes a chunk; returns where the next begins. It is written to the end even
    /// if the page hangs up.
    pub(super) async fn write(
        self: &Arc<Self>,
        folder: &Arc<Folder>,
        offset: u64,
        bytes: bytes::Bytes,
    ) -> Result<u64, DriveError> {
        let mut at = Arc::clone(&self.at).lock_owned().await;
        let upload = Arc::clone(self);
        folder
            .work(move |root| upload.write_at(root, &mut at, offset, &bytes))
            .await
    }

    fn write_at(
        &self,
        root: &Dir,
        at: &mut At,
        offset: u64,
        bytes: &[u8],
    ) -> Result<u64, DriveError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if at.over {
            return Err(DriveError::UploadUnknown);
        }
        if offset != at.offset {
            return Err(DriveError::OffsetMismatch(at.offset));
        }
        let end = offset.saturating_add(length);
        if length == 0 || end > self.announced.size {
            return Err(DriveError::ChunkRefused);
        }
        let file = self.place(root)?.reopen_file()?;
        if file.metadata()?.len() < offset {
            return Err(DriveError::ChangedMeanwhile);
        }
        if let Err(error) = write_all_at(&file, bytes, offset) {
            // The part of it gives back its space.
            let _ = file.set_len(offset);
            return Err(error.into());
        }
        if self.announced.sha256.is_some() && at.hashed == offset {
            at.hash.update(bytes);
            at.hashed = end;
        }
        at.offset = end;
        if end.saturating_sub(at.synced) >= defaults::UPLOAD_SYNCED {
            file.sync_data()?;
            at.synced = end;
        }
        Ok(end)
    }

    /// Gives the whole its name.
    pub(super) async fn finish(
        self: &Arc<Self>,
        folder: &Arc<Folder>,
        conflict: Option<OnConflict>,
    ) -> Result<Entry, DriveError> {
        let mut at = Arc::clone(&self.at).lock_owned().await;
        let upload = Arc::clone(self);
        folder
            .work(move |root| upload.finish_at(root, &mut at, conflict))
            .await
    }

    fn finish_at(
        &self,
        root: &Dir,
        at: &mut At,
        conflict: Option<OnConflict>,
    ) -> Result<Entry, DriveError> {
        if at.over {
            return Err(DriveError::UploadUnknown);
        }
        if at.offset != self.announced.size {
            return Err(DriveError::UploadIncomplete(at.offset));
        }
        let temp = self.place(root)?;
        let file = temp.reopen_file()?;
        if file.metadata()?.len() != self.announced.size {
            return Err(DriveError::ChangedMeanwhile);
        }
        if let Some(announced) = self.announced.sha256 {
            let digest: [u8; 32] = match at.hashed == at.offset {
                true => at.hash.clone().finalize().into(),
                false => digest(&file)?,
            };
            if digest != announced {
                return Err(DriveError::DigestMismatch);
            }
        }
        let path = &self.announced.path;
        let to = Place::find(root, path)?;
        let conflict = conflict.unwrap_or(self.announced.conflict);
        let replaced = to
            .look_for()?
            .filter(|there| there.is_file() && conflict == OnConflict::Replace);
        open_up(&file, replaced.as_ref().and_then(mode))?;
        if let Some(modified) = self.announced.modified {
            // A drive that keeps no such time keeps its own.
            let _ = file.set_times(FileTimes::new().set_modified(modified));
        }
        file.sync_all()?;
        let put = publish(&temp, to, path, conflict, &self.announced.incoming());
        let (place, path) = put.map_err(DriveError::from)?;
        at.over = true;
        handle::settle(&place.parent);
        entry(&place, &path)
    }

    /// Removes the hidden file. Whether it is gone.
    pub(super) async fn discard(self: &Arc<Self>, folder: &Arc<Folder>) -> bool {
        let mut at = Arc::clone(&self.at).lock_owned().await;
        let upload = Arc::clone(self);
        let removed = folder.work(move |root| {
            if std::mem::replace(&mut at.over, true) {
                return Err(DriveError::UploadUnknown);
            }
            upload.place(root)?.remove()
        });
        matches!(removed.await, Ok(()) | Err(DriveError::PathUnknown))
    }

    fn place(&self, root: &Dir) -> Result<Place, DriveError> {
        Place::find(root, &self.announced.path)?.beside(&self.name)
    }

    fn touched(&self) -> MutexGuard<'_, Moment> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn mode(there: &cap_std::fs::Metadata) -> Option<u32> {
    use cap_std::fs::PermissionsExt as _;
    Some(there.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &cap_std::fs::Metadata) -> Option<u32> {
    None
}

fn digest(file: &File) -> Result<[u8; 32], DriveError> {
    use io::{Read as _, Seek as _};
    let mut file = file;
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            Some([]) | None => return Ok(hash.finalize().into()),
            Some(bytes) => hash.update(bytes),
        }
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use io::{Seek as _, Write as _};
    let mut file = file;
    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// Reads an RFC 3339 time.
pub(super) fn from_rfc3339(text: &str) -> Option<SystemTime> {
    let at = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(SystemTime::from(at))
}

/// Reads 64 hexadecimal digits in small letters.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let small = text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !small {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
