//! The drives of this machine.
//!
//! Nothing here touches a drive to list it: one that is dead must not keep the
//! others from being told.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::path::PathBuf;

use cap_std::fs::Dir;

use super::folders::FolderKind;
use crate::pairing::FolderName;

#[cfg(not(target_os = "linux"))]
use elsewhere as platform;
#[cfg(target_os = "linux")]
use linux as platform;

/// A drive that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) path: PathBuf,
    pub(super) kind: FolderKind,
    /// The system's own name for what is mounted.
    pub(super) device: String,
    /// The system's own name for the mount: what is mounted there later has another.
    pub(super) id: String,
    /// What people call it.
    pub(super) label: String,
}

/// The space of a drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) read_only: bool,
}

/// Every drive that holds files of people, by path.
pub(super) fn list() -> Vec<Mount> {
    let mut mounts = platform::list();
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    mounts
}

/// The mount that `dir` is in, as [`Mount::id`] has it; `None` where that cannot be
/// told.
pub(super) fn mount_of(dir: &Dir) -> Option<String> {
    platform::mount_of(dir)
}

/// The space of the drive that `dir` is on.
#[cfg(unix)]
pub(super) fn space(dir: &Dir) -> Option<Space> {
    use rustix::fs::StatVfsMountFlags;
    let told = rustix::fs::fstatvfs(dir).ok()?;
    Some(Space {
        total: told.f_blocks.saturating_mul(told.f_frsize),
        free: told.f_bavail.saturating_mul(told.f_frsize),
        read_only: told.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

/// Elsewhere it is not told.
#[cfg(not(unix))]
pub(super) fn space(_: &Dir) -> Option<Space> {
    None
}

impl Mount {
    /// What pages call it: its label, or with its device where that is taken.
    pub(super) fn name(&self, is_taken: impl Fn(&FolderName) -> bool) -> Option<FolderName> {
        let clean = |text: &str| {
            let plain = |c: char| {
                if c == '/' || c == '\\' || c.is_control() {
                    ' '
                } else {
                    c
                }
            };
            let text: String = text.chars().map(plain).collect();
            FolderName::parse(text.trim())
        };
        let with_device = format!("{} ({})", self.label, self.device);
        [clean(&self.label), clean(&with_device)]
            .into_iter()
            .flatten()
            .find(|name| name.as_str() != super::folders::RESERVED && !is_taken(name))
    }
}
