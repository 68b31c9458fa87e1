//! What a page is told of a file.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::{Dir, FileType, Metadata};
use doorward_guard::clock::rfc3339;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::path::{RelPath, spell};

/// A file, folder or link, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name. Bytes that are no text are written `\xHH`.
    pub name: String,
    /// Where it is in its folder: what other requests take.
    pub path: String,
    /// What it is itself: a link is a link.
    pub kind: EntryKind,
    /// Of a link: what it leads to inside of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<EntryKind>,
    /// Bytes of a file, or of the one that a link leads to.
    pub size: Option<u64>,
    /// RFC 3339.
    pub modified_at: Option<String>,
    /// RFC 3339, where the drive keeps it.
    pub created_at: Option<String>,
    /// Whether desktops show it only when asked.
    pub hidden: bool,
    /// Whether nobody may write to it.
    pub read_only: bool,
    /// By its name.
    pub media_type: Option<String>,
    /// Changes with a file's bytes; the same as that of its media URL.
    pub etag: Option<String>,
}

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe: listed, never opened.
    Other,
}

impl Entry {
    /// What is called `name` in `parent`, the folder at `path`. `None` if it is gone
    /// or cannot be addressed.
    pub(super) fn look(parent: &Dir, path: &RelPath, name: &OsStr) -> Option<Self> {
        let metadata = parent.symlink_metadata(name).ok()?;
        let address = path.join(name)?;
        let kind = EntryKind::of(metadata.file_type());
        // It leads out, or nowhere, or to something that is looked at as itself.
        let target = (kind == EntryKind::Symlink)
            .then(|| parent.metadata(name).ok())
            .flatten();
        let shown = target.as_ref().unwrap_or(&metadata);
        let is_file = shown.is_file();
        Some(Self {
            name: spell(name)?,
            path: address.as_str().to_owned(),
            kind,
            leads_to: target
                .as_ref()
                .map(|target| EntryKind::of(target.file_type())),
            size: is_file.then(|| shown.len()),
            modified_at: shown.modified().ok().and_then(|at| told(at.into_std())),
            created_at: shown.created().ok().and_then(|at| told(at.into_std())),
            hidden: is_hidden(name, &metadata),
            read_only: shown.permissions().readonly(),
            media_type: is_file.then(|| media_type(name)).flatten(),
            etag: is_file.then(|| etag(shown)),
        })
    }
}

impl EntryKind {
    pub(super) fn of(kind: FileType) -> Self {
        match () {
            () if kind.is_dir() => Self::Directory,
            () if kind.is_file() => Self::File,
            () if kind.is_symlink() => Self::Symlink,
            () => Self::Other,
        }
    }
}

/// What a name says that is in it.
pub(super) fn media_type(name: &OsStr) -> Option<String> {
    let guess = mime_guess::from_path(name);
    guess.first_raw().map(str::to_owned)
}

/// Whether desktops show it only when asked.
#[cfg(not(windows))]
pub(super) fn is_hidden(name: &OsStr, _: &Metadata) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether desktops show it only when asked.
#[cfg(windows)]
pub(super) fn is_hidden(name: &OsStr, metadata: &Metadata) -> bool {
    use std::os::windows::fs::MetadataExt as _;
    const HIDDEN: u32 = 0x2;
    name.as_encoded_bytes().starts_with(b".") || metadata.file_attributes() & HIDDEN != 0
}

/// As a page reads it; `None` outside of the years that RFC 3339 can write.
pub(super) fn told(at: SystemTime) -> Option<String> {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    const FIRST: Duration = Duration::from_secs(62_135_596_800);
    let sound = match at.duration_since(UNIX_EPOCH) {
        Ok(since) => since < LAST,
        Err(before) => before.duration() < FIRST,
    };
    sound.then(|| rfc3339(at))
}

/// The tag that the media room gives the same bytes: of size, time and inode, hashed
/// because inode numbers are nobody's business.
fn etag(metadata: &Metadata) -> String {
    let nanos = metadata
        .modified()
        .ok()
        .and_then(|at| at.into_std().duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let mut hash = Sha256::new();
    hash.update(metadata.len().to_le_bytes());
    hash.update(nanos.to_le_bytes());
    hash.update(metadata.ino().to_le_bytes());
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_cannot_be_written_are_not_told() {
        let at = |secs| UNIX_EPOCH.checked_add(Duration::from_secs(secs)).unwrap();
        assert_eq!(told(at(0)).unwrap(), "1970-01-01T00:00:00.000Z");
        assert!(told(at(253_402_300_798)).unwrap().starts_with("9999-12-31"));
        assert_eq!(told(at(253_402_300_799)), None);
        assert_eq!(told(at(1 << 60)), None);
        let before = UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 60));
        assert_eq!(told(before.unwrap()), None);
    }
}
