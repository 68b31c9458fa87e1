//! Folders of this machine.
//!
//! Every path is resolved by cap-std below an open directory: neither `..`, nor
//! a symbolic link, nor a swap between check and open leads out of it. Only
//! regular files are read; a pipe cannot hang us, because nothing waits for its
//! other end.

mod chunks;
mod list;
mod quick;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest as _, Sha256};

use chunks::Cache;
pub use chunks::FileChunks;
pub(super) use list::list;

use super::{Chunks, Read, Reading, Version};
use crate::content_type::{ContentType, SNIFF};
use crate::error::MediaError;
use crate::name::RelPath;
use crate::range::{RangeSpec, Unsatisfiable};
use crate::validator::EntityTag;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
    root: PathBuf,
    cache: Cache,
}

/// An open file and the version that it is.
#[derive(Debug)]
pub struct OpenFile {
    file: Arc<std::fs::File>,
    stamp: Stamp,
    cache: Cache,
    version: Arc<Version>,
}

/// What tells two versions of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

// === impl Folder ===

impl Folder {
    /// Whether `other` is this very folder, whatever either is called by now.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.identity(), other.identity()) {
            (Some(own), Some(other)) => own == other,
            _ => false,
        }
    }

    #[cfg(unix)]
    fn identity(&self) -> Option<(u64, u64)> {
        use cap_std::fs::MetadataExt as _;
        let metadata = self.dir.dir_metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Elsewhere no two are known to be the same.
    #[cfg(not(unix))]
    fn identity(&self) -> Option<(u64, u64)> {
        None
    }

    /// Opens the folder at `path`, which may be relative to the working
    /// directory. Symbolic links on the way to it are followed; those inside of
    /// it only as far as they stay inside.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`], [`MediaError::AccessDenied`],
    /// [`MediaError::NotReadable`] if it is not a folder.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let root = path.canonicalize().map_err(from_io)?;
        if !root.is_dir() {
            return Err(MediaError::NotReadable("not a folder".to_owned()));
        }
        let dir = Dir::open_ambient_dir(&root, ambient_authority()).map_err(from_io)?;
        let cache = Cache::of(&dir);
        Ok(Self { dir, root, cache })
    }

    /// Opens the folder around the file at `path`, and names the file in it.
    ///
    /// # Errors
    ///
    /// As [`Folder::open`]; [`MediaError::NotFound`] if there is no such file.
    pub fn around(path: &Path) -> Result<(Self, RelPath), MediaError> {
        let file = path.canonicalize().map_err(from_io)?;
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(RelPath::parse);
        match (file.parent(), name) {
            (Some(parent), Some(name)) => Ok((Self::open(parent)?, name)),
            _ => Err(MediaError::NotFound),
        }
    }

    /// Where it is, with every link resolved.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn open_file(
        &self,
        path: &RelPath,
        pin: Option<&Arc<Version>>,
    ) -> Result<OpenFile, MediaError> {
        let mut options = OpenOptions::new();
        options.read(true);
        without_waiting(&mut options);
        let file = self
            .dir
            .open_with(path.as_str(), &options)
            .map_err(from_io)?
            .into_std();
        let cache = Cache::of(&file);
        Self::opened(file, cache, path, pin)
    }

    /// The same without waiting for a disk; `None` where that takes one.
    fn open_quickly(
        &self,
        path: &RelPath,
        pin: Option<&Arc<Version>>,
    ) -> Option<Result<OpenFile, MediaError>> {
        if pin.is_none() && ContentType::needs_head(None, path.as_str()) {
            return None;
        }
        let file = quick::open(&self.dir, self.cache, path.as_str())?;
        // On the same mount, so behind the same cache.
        Some(Self::opened(file, self.cache, path, pin))
    }

    fn opened(
        file: std::fs::File,
        cache: Cache,
        path: &RelPath,
        pin: Option<&Arc<Version>>,
    ) -> Result<OpenFile, MediaError> {
        let metadata = file.metadata().map_err(from_io)?;
        if !metadata.is_file() {
            return Err(MediaError::NotReadable("not a regular file".to_owned()));
        }
        let stamp = Stamp::of(&metadata);
        let etag = stamp.etag();
        if let Some(pin) = pin {
            // The type was settled at first sight and stays.
            if pin.etag != etag {
                return Err(MediaError::Changed);
            }
            return Ok(OpenFile {
                file: Arc::new(file),
                stamp,
                cache,
                version: Arc::clone(pin),
            });
        }
        let head = ContentType::needs_head(None, path.as_str())
            .then(|| chunks::read_at(&file, 0, SNIFF.min(stamp.size)).ok())
            .flatten();
        let content_type = ContentType::settle(None, path.as_str(), head.as_deref());
        let version = Version {
            size: stamp.size,
            etag,
            modified: stamp.modified,
            content_type,
            encoding: None,
        };
        Ok(OpenFile {
            file: Arc::new(file),
            stamp,
            cache,
            version: Arc::new(version),
        })
    }
}

/// Opens a file, on a thread that may block if anything has to wait.
pub(super) async fn open(
    folder: Arc<Folder>,
    path: RelPath,
    pin: Option<Arc<Version>>,
) -> Result<OpenFile, MediaError> {
    if let Some(opened) = folder.open_quickly(&path, pin.as_ref()) {
        return opened;
    }
    blocking(move || folder.open_file(&path, pin.as_ref())).await
}

// === impl OpenFile ===

impl OpenFile {
    /// The version that is open.
    #[must_use]
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// Everything, or one range.
    #[must_use]
    pub fn read(self, range: Option<RangeSpec>) -> Read {
        let size = self.stamp.size;
        let range = match range.map(|spec| spec.within(size)) {
            None | Some(Ok(None)) => None,
            Some(Ok(Some(range))) => Some(range),
            Some(Err(Unsatisfiable)) => return Read::Unsatisfiable { size },
        };
        let (first, length) = range.map_or((0, size), |range| (range.first(), range.len()));
        let chunks = Chunks::File(FileChunks::new(
            self.file, self.stamp, self.cache, first, length,
        ));
        Read::Bytes(Reading {
            version: self.version,
            range,
            chunks,
        })
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: inode(metadata),
        }
    }

    /// A strong tag: equal stamps are the same bytes as far as a file system
    /// can tell. Hashed, because inode numbers are nobody's business.
    fn etag(&self) -> Option<EntityTag> {
        let nanos = self
            .modified
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_nanos());
        let mut hash = Sha256::new();
        hash.update(self.size.to_le_bytes());
        hash.update(nanos.to_le_bytes());
        hash.update(self.inode.to_le_bytes());
        let mut text = String::with_capacity(32);
        for byte in hash.finalize().iter().take(16) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        EntityTag::strong(&text)
    }
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Elsewhere the creation time stands in: a replaced file is a new one.
#[cfg(not(unix))]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    metadata
        .created()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_nanos()).ok())
        .unwrap_or(0)
}

/// Opening a named pipe must not wait for its writer.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
}

#[cfg(not(unix))]
fn without_waiting(_: &mut OpenOptions) {}

/// What a file system error means. Paths that lead out look like absent ones.
#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn from_io(error: io::Error) -> MediaError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MediaError::NotFound,
        // cap-std's answer to a link that leads out.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => MediaError::NotFound,
        io::ErrorKind::PermissionDenied => MediaError::AccessDenied("permissions".to_owned()),
        kind => match error.raw_os_error() {
            // A file where a folder should be, too many links, a name too long.
            Some(_) => MediaError::NotReadable(kind.to_string()),
            None => MediaError::NotFound,
        },
    }
}

/// Runs `work` where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MediaError> + Send + 'static,
) -> Result<T, MediaError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(MediaError::NotReadable("the reader stopped".to_owned())))
}
