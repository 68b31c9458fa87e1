//! The folders of this computer, as far as the person allowed.
//!
//! Nothing here can leave a folder: every path is resolved below its open handle at
//! use, every change is made by name in an open parent, and links are followed for
//! reading alone, inside the folder. Nothing is lost: what replaces a file is written
//! beside it, synced, and renamed over it.
//!
//! | route | body or query | answer |
//! |---|---|---|
//! | `GET /drives` | | `{folders: [`[`FolderView`]`]}` |
//! | `GET /drives/{folder}/list` | `path sort order after limit hidden` | [`Listing`] |
//! | `GET /drives/{folder}/info` | `path` | [`Entry`] |
//! | `GET /drives/{folder}/search` | `q path limit hidden` | [`Found`] |
//! | `POST /drives/{folder}/create` | `{path, kind}` | 201 [`Entry`] |
//! | `POST /drives/{folder}/rename` | `{path, name}` | [`Entry`] |
//! | `POST /drives/{folder}/copy` | `{path, to: {folder?, path}, onConflict?}` | [`Entry`] of a file of at most 1 MiB or a link; else 202 `{job}` |
//! | `POST /drives/{folder}/move` | the same | [`Entry`] on one drive; else 202 `{job}` |
//! | `POST /drives/{folder}/delete` | `{path, permanently?}` | `{path, trashed}`; 202 `{job}` of a folder for good |
//! | `POST /drives/{folder}/open` | `{path}` | `{opened: `[`Entry`]`}` |
//! | `POST /drives/{folder}/grants` | `{paths, download?}` | 201 `{grants: [`[`Link`]`], refused: [{path, denial}]}` |
//! | `POST /drives/{folder}/uploads` | `{path, size, modifiedAt?, onConflict?, sha256?}` | 201 [`UploadView`] |
//! | `GET /drives/uploads/{id}` | | [`UploadView`] |
//! | `PUT /drives/uploads/{id}` | a chunk as `application/octet-stream`, its offset signed | [`UploadView`] |
//! | `POST /drives/uploads/{id}/finish` | `onConflict` in the query | 201 [`Entry`] |
//! | `DELETE /drives/uploads/{id}` | | `{ended: true}` |
//! | `GET /jobs` | | `{jobs: [`[`JobView`]`]}` |
//! | `GET /jobs/{id}` | | [`JobView`] |
//! | `DELETE /jobs/{id}` | | [`JobView`]; it ends soon |
//!
//! Jobs are also told on the page's `/events`: `{kind: "job.progress" | "job.ended",
//! job}`. A conflict is 409 `alreadyExists` with `existing` and `incoming`; a chunk in
//! the wrong place 409 `offsetMismatch` with `offset`. Sort is `name`, `size`,
//! `modified` or `kind`, with folders first; conflict is `fail`, `replace` or
//! `keepBoth`. Folders are never replaced.

mod at_once;
mod change;
mod entry;
mod error;
mod folders;
mod handle;
mod jobs;
mod journal;
mod list;
mod mounts;
mod named;
mod native;
mod openapi;
mod path;
mod progress;
mod receive;
mod room;
mod search;
mod surface;
#[cfg(test)]
mod tests;
mod transfer;
mod trash;
mod tree;
mod upload;
mod wire;

pub use at_once::{AtOnce, Reading, Spot};
pub use change::{NewKind, OnConflict};
pub use entry::{Entry, EntryKind};
pub use error::{Conflict, DriveError};
pub use folders::{
    Folder, FolderKind, FolderState, FolderView, Folders, Granted, Offered, RESERVED, Shared,
};
pub use jobs::{JobKind, JobPlace, JobState, JobView};
pub use list::{Listing, Order, Sort};
pub use named::Named;
pub use openapi::openapi;
pub use path::{NewName, RelPath};
pub use receive::Receiving;
pub use room::{DrivePlaces, Drives, Hands, Link, Making, Wish};
pub use search::{Found, Unfinished};
pub use upload::UploadView;
pub use wire::{Begun, Deleted, JobList, Linked, NotLinked, Opened, Shown};
