//! Volumes of macOS and letters of Windows, as `sysinfo` lists them.

use cap_std::fs::Dir;
use sysinfo::Disks;

use super::Mount;
use crate::drives::folders::FolderKind;

const NETWORK: &[&str] = &["afpfs", "cifs", "nfs", "smbfs", "webdav"];

pub(super) fn list() -> Vec<Mount> {
    let disks = Disks::new_with_refreshed_list();
    disks
        .iter()
        .map(|disk| {
            let path = disk.mount_point().to_owned();
            let system = disk.file_system().to_string_lossy().to_lowercase();
            let kind = match () {
                () if NETWORK.contains(&system.as_str()) => FolderKind::Network,
                () if disk.is_removable() => FolderKind::Removable,
                () => FolderKind::Fixed,
            };
            let label = match disk.name().to_string_lossy() {
                name if name.trim().is_empty() => path.to_string_lossy().replace([':', '\\'], ""),
                name => name.into_owned(),
            };
            Mount {
                device: path.to_string_lossy().into_owned(),
                id: path.to_string_lossy().into_owned(),
                path,
                kind,
                label,
            }
        })
        .collect()
}

/// Not told here: a drive that is gone is not at its letter, nor below `/Volumes`.
pub(super) fn mount_of(_: &Dir) -> Option<String> {
    None
}
