//! The folders of this computer, as far as the person allowed.
//!
//! Nothing here can leave a folder: every path is resolved below its open handle at
//! use, every change is made by name in an open parent, and links are followed for
//! reading alone, inside the folder. Nothing is lost: what replaces a file is written
//! beside it, synced, and renamed over it.

mod entry;
mod error;
mod folders;
mod handle;
mod list;
mod mounts;
mod path;

pub use entry::{Entry, EntryKind};
pub use error::{Conflict, DriveError};
pub use folders::{
    Folder, FolderKind, FolderState, FolderView, Folders, Granted, Offered, RESERVED, Shared,
};
pub use list::{Listing, Order, Sort};
pub use path::{NewName, RelPath};
