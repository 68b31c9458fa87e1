//! Where bytes come from: one enum, three verbs.
//!
//! [`list`](Source::list) names what is there, [`place`](Source::place) parses a
//! name, and [`open`](Place::open) gives an [`Object`] to read from. An object
//! is always one version: what changes underneath is an error, never a mixture.

mod folder;
mod listing;
mod s3;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use doorward_guard::Raw;
use http::HeaderValue;

pub use folder::{FileChunks, Folder, OpenFile};
pub use listing::{Item, Listing, MOST, Query, USUAL};
pub use s3::{
    Addressing, Bearer, Credentials, Dialect, Headers, Issued, Keys, Provide, Providing, Renewed,
    Sas, ServiceAccount, Store, StoreConfig, Stored,
};

use crate::content_type::ContentType;
use crate::error::MediaError;
pub use crate::fetch::Body as StoredChunks;
use crate::fetch::FetchStats;
use crate::name::{Key, RelPath};
use crate::range::{ByteRange, RangeSpec};
use crate::validator::EntityTag;

/// A place with objects in it. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A folder of this machine.
    Folder(Arc<Folder>),
    /// A bucket, or a prefix of one, in a store that is spoken to by one of the
    /// [`Dialect`]s.
    Store(Arc<Store>),
}

/// The name of one object, tied to its source so that neither can be mistaken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Place {
    /// A file.
    File(Arc<Folder>, RelPath),
    /// An object of a store.
    Stored(Arc<Store>, Key),
}

/// One version of one object, as far as its headers tell.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its size in bytes, as stored.
    pub size: u64,
    /// Its entity tag, where the source gives one.
    pub etag: Option<EntityTag>,
    /// When it was last modified, where the source says.
    pub modified: Option<SystemTime>,
    /// What it is.
    pub content_type: ContentType,
    /// How it is encoded in the store, such as `gzip`. Such an object is only
    /// ever sent whole: ranges of it mean nothing to a browser.
    pub encoding: Option<HeaderValue>,
}

/// An object that was opened, pinned to one version.
#[derive(Debug)]
pub enum Object {
    /// A file, open.
    File(OpenFile),
    /// An object of a store; nothing was asked yet.
    Stored(Stored),
}

/// What reading gives.
#[derive(Debug)]
pub enum Read {
    /// Bytes.
    Bytes(Reading),
    /// No byte lies in the range.
    Unsatisfiable {
        /// The size of the object.
        size: u64,
    },
}

/// A body on its way.
#[derive(Debug)]
pub struct Reading {
    /// What is read.
    pub version: Arc<Version>,
    /// Which bytes; everything if `None`. This is what the source really gives,
    /// which may be everything although a range was asked for.
    pub range: Option<ByteRange>,
    /// The bytes.
    pub chunks: Chunks,
}

/// Bytes, chunk by chunk, read only as they are asked for.
#[derive(Debug)]
pub enum Chunks {
    /// From a file.
    File(FileChunks),
    /// From a store.
    Stored(StoredChunks),
}

// === impl Source ===

impl Source {
    /// Parses the name of an object. Nothing is asked of the source.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`] for a name that cannot be one here: it tells no
    /// more than a name that is free.
    pub fn place(&self, name: &str) -> Result<Place, MediaError> {
        match self {
            Self::Folder(folder) => RelPath::parse(name)
                .map(|path| Place::File(Arc::clone(folder), path))
                .ok_or(MediaError::NotFound),
            Self::Store(store) => Key::parse(name)
                .filter(|key| store.holds(key.as_str()))
                .map(|key| Place::Stored(Arc::clone(store), key))
                .ok_or(MediaError::NotFound),
        }
    }

    /// One page of what lies under a prefix.
    ///
    /// # Errors
    ///
    /// Any [`MediaError`] of the source.
    pub async fn list(&self, query: Query) -> Result<Listing, MediaError> {
        match self {
            Self::Folder(folder) => folder::list(Arc::clone(folder), query).await,
            Self::Store(store) => store.list(&query).await,
        }
    }

    /// What reading from a store came to; `None` for a folder, which is read
    /// directly.
    #[must_use]
    pub fn fetch_stats(&self) -> Option<FetchStats> {
        match self {
            Self::Folder(_) => None,
            Self::Store(store) => Some(store.fetch_stats()),
        }
    }

    /// Asks the source for a sign of life.
    ///
    /// # Errors
    ///
    /// Why it is not ready.
    pub async fn check(&self) -> Result<(), MediaError> {
        match self {
            Self::Folder(folder) => {
                let one = Query {
                    limit: 1,
                    ..Query::default()
                };
                folder::list(Arc::clone(folder), one).await.map(|_| ())
            }
            Self::Store(store) => store.check().await,
        }
    }
}

// === impl Place ===

impl Place {
    /// Opens the object at the version `pin`, or at the one that is found.
    ///
    /// # Errors
    ///
    /// [`MediaError::Changed`] if a file is not at `pin` any more; a store is
    /// asked when reading.
    pub async fn open(&self, pin: Option<Arc<Version>>) -> Result<Object, MediaError> {
        match self {
            Self::File(folder, path) => folder::open(Arc::clone(folder), path.clone(), pin)
                .await
                .map(Object::File),
            Self::Stored(store, key) => Ok(Object::Stored(Stored::new(
                Arc::clone(store),
                key.clone(),
                pin,
            ))),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::File(_, path) => path.as_str(),
            Self::Stored(_, key) => key.as_str(),
        }
    }
}

// === impl Object ===

impl Object {
    /// The version; a store is asked for it if it is not pinned yet, without
    /// any byte of the body.
    ///
    /// # Errors
    ///
    /// Any [`MediaError`] of the source.
    pub async fn version(&mut self) -> Result<Arc<Version>, MediaError> {
        match self {
            Self::File(file) => Ok(Arc::clone(file.version())),
            Self::Stored(stored) => stored.version().await,
        }
    }

    /// Reads everything, or one range.
    ///
    /// # Errors
    ///
    /// Any [`MediaError`] of the source; [`MediaError::Changed`] when the
    /// version is not the pinned one.
    pub async fn read(self, range: Option<RangeSpec>) -> Result<Read, MediaError> {
        match self {
            Self::File(file) => Ok(file.read(range)),
            Self::Stored(stored) => stored.read(range).await,
        }
    }
}

// === impl Version ===

impl Version {
    /// Whether both are the same version, as far as the source lets us know.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.size == other.size
            && match (&self.etag, &other.etag) {
                (Some(one), Some(two)) => one == two,
                (None, None) => self.modified == other.modified,
                _ => false,
            }
    }
}

// === impl Chunks ===

impl Chunks {
    /// What lets a listener fetch the bytes itself, where it could.
    #[must_use]
    pub fn raw(&self) -> Option<Raw> {
        match self {
            Self::File(chunks) => chunks.raw(),
            Self::Stored(_) => None,
        }
    }

    /// The next chunk. Of a file nothing is read ahead.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MediaError>>> {
        match self {
            Self::File(chunks) => chunks.poll_next(cx),
            Self::Stored(chunks) => chunks.poll_next(cx),
        }
    }
}
