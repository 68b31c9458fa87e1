//! What the system tells of folders.
//!
//! Not the `notify` crate: it knows watches by their paths. A path may lead elsewhere
//! by the time that it is watched, two spellings of one folder end each other's watch,
//! and a folder that is held open to name it by its descriptor never says that it was
//! removed.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::System;
#[cfg(target_os = "linux")]
pub(super) use linux::System;

use super::message::Gone;

/// The number of a watch. Never used twice in a run.
pub(super) type Watch = i32;

/// What a folder is, whatever it is called: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(pub(super) u64, pub(super) u64);

/// Something that the system told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) watch: Watch,
    pub(super) sign: Sign,
}

/// What it told. Names are spelled as the drives spell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Created(String),
    Changed(String),
    Removed(String),
    /// The number tells which two belong together.
    MovedFrom(u32, String),
    MovedTo(u32, String),
    /// The folder itself was moved, or other rights are needed for it.
    Shaken,
    /// It is watched no more.
    Gone(Gone),
    /// Of all folders: something was not told.
    Overflow,
}
