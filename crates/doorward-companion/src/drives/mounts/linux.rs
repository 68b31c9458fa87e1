//! Mounts, as `/proc/self/mountinfo` lists them (proc_pid_mountinfo(5)).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::Mount;
use crate::drives::folders::FolderKind;

/// File systems of the kernel and of containers: no files of people.
const PSEUDO: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.davfs2",
    "fuse.glusterfs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "virtiofs",
    "vmhgfs",
    "fuse.vmhgfs-fuse",
];
/// Folders of the system. `/run/media`, where desktops mount sticks, is none.
const SYSTEM: &[&str] = &[
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/run",
    "/snap",
    "/sys",
    "/tmp",
    "/usr",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/lxd",
    "/var/lib/snapd",
    "/var/snap",
];

pub(super) fn list() -> Vec<Mount> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    parse(&text, is_removable)
}

/// Not the device: folders of one Btrfs differ in that from their own mount.
pub(super) fn mount_of(dir: &Dir) -> Option<String> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let told = statx(dir, ".", AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID).ok()?;
    let is_told = StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::MNT_ID);
    is_told.then(|| told.stx_mnt_id.to_string())
}

fn parse(text: &[u8], is_removable: impl Fn(&str) -> bool) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let mut seen = BTreeSet::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(mount) = read(line, &is_removable) else {
            continue;
        };
        // What was mounted over another hides it.
        mounts.retain(|known: &Mount| known.path != mount.path);
        mounts.push(mount);
    }
    // Of a drive that is mounted in several places, the first.
    mounts.retain(|mount| seen.insert(mount.device.clone()));
    mounts
}

fn read(line: &[u8], is_removable: &impl Fn(&str) -> bool) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = fields.next()?;
    let (device, root) = (fields.nth(1)?, fields.next()?);
    let path = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let (device, kind) = (str::from_utf8(device).ok()?, str::from_utf8(kind).ok()?);
    let is_root = path == Path::new("/");
    let overlay = matches!(kind, "overlay" | "fuse.fuse-overlayfs");
    // Bind mounts of single files and folders are no drives; subvolumes are.
    let part = root != b"/" && !matches!(kind, "btrfs" | "bcachefs" | "zfs");
    if PSEUDO.contains(&kind) || !is_root && (overlay || part || is_system(&path)) {
        return None;
    }
    let on_desktop = path.starts_with("/media") || path.starts_with("/run/media");
    let kind = match kind {
        kind if NETWORK.contains(&kind) => FolderKind::Network,
        kind if kind.starts_with("fuse.") => FolderKind::Virtual,
        _ if on_desktop || is_removable(device) => FolderKind::Removable,
        _ => FolderKind::Fixed,
    };
    let label = match path.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "This computer".to_owned(),
    };
    Some(Mount {
        id: str::from_utf8(id).ok()?.to_owned(),
        path,
        kind,
        device: device.to_owned(),
        label,
    })
}

fn is_system(path: &Path) -> bool {
    let in_system = SYSTEM.iter().any(|folder| path.starts_with(folder));
    in_system && !path.starts_with("/run/media")
}

/// Whether its disk says so, by `/sys`: the drive itself is not asked.
fn is_removable(device: &str) -> bool {
    let says = |at: &str| {
        let told = fs::read(format!("/sys/dev/block/{device}/{at}removable"));
        told.is_ok_and(|told| told.starts_with(b"1"))
    };
    // A partition's disk is the folder above it.
    says("") || says("../")
}

/// `\040` and the like are single bytes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\');
        let byte = code
            .and_then(|code| str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        rest = match byte {
            Some(byte) => {
                bytes.push(byte);
                after.get(3..).unwrap_or_default()
            }
            None => {
                bytes.push(first);
                after
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
21 26 0:19 / /sys rw - sysfs sysfs rw
22 26 0:5 / /dev rw - devtmpfs udev rw
24 26 0:22 / /run rw - tmpfs tmpfs rw
26 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
30 26 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
31 26 8:1 / /boot/efi rw - vfat /dev/sda1 rw
40 26 8:17 / /run/media/ada/Holiday\\040photos rw - vfat /dev/sdb1 rw
41 26 8:33 / /media/ada/DATA rw - ntfs3 /dev/sdc1 rw
42 26 8:49 / /development rw master:3 - xfs /dev/sdd1 rw
43 26 0:51 / /mnt/office rw - cifs //server/share rw
44 26 0:52 / /home/ada/Cloud rw - fuse.rclone cloud: rw
45 26 8:2 /srv/www /var/www rw - ext4 /dev/sda2 rw
46 26 8:2 /var/hosts /etc/hosts rw - ext4 /dev/sda2 rw
47 26 0:60 /home /home rw - btrfs /dev/sde1 rw
48 26 8:65 / /home/ada/two rw - ext4 /dev/sdf1 rw
49 26 8:65 / /srv/two rw - ext4 /dev/sdf1 rw
";

    #[test]
    fn drives_are_what_holds_files_of_people() {
        let mounts = parse(LINES.as_bytes(), |device| device == "8:65");
        let told: Vec<_> = mounts
            .iter()
            .map(|mount| (mount.path.to_str().unwrap(), mount.kind))
            .collect();
        assert_eq!(
            told,
            [
                ("/", FolderKind::Fixed),
                ("/run/media/ada/Holiday photos", FolderKind::Removable),
                ("/media/ada/DATA", FolderKind::Removable),
                ("/development", FolderKind::Fixed),
                ("/mnt/office", FolderKind::Network),
                ("/home/ada/Cloud", FolderKind::Virtual),
                ("/home", FolderKind::Fixed),
                ("/home/ada/two", FolderKind::Removable),
            ]
        );
    }

    #[test]
    fn the_root_of_a_container_is_a_drive() {
        let line = b"1 0 0:40 / / rw - overlay overlay rw,lowerdir=/x\n";
        assert_eq!(parse(line, |_| false).len(), 1);
    }

    #[test]
    fn what_is_mounted_over_a_drive_hides_it() {
        let lines = b"1 0 8:1 / /mnt/a rw - ext4 a rw\n2 0 8:2 / /mnt/a rw - ext4 b rw\n";
        let mounts = parse(lines, |_| false);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].device, "8:2");
    }

    #[test]
    fn drives_with_one_label_have_names_of_their_own() {
        let lines =
            b"1 0 8:1 / /media/a/USB rw - ext4 a rw\n2 0 8:2 / /media/b/USB rw - ext4 b rw\n";
        let mounts = parse(lines, |_| false);
        let first = mounts[0].name(|_| false).unwrap();
        assert_eq!(first.as_str(), "USB");
        let second = mounts[1].name(|name| *name == first).unwrap();
        assert_eq!(second.as_str(), "USB (8:2)");
    }

    #[test]
    fn damaged_lines_are_no_drives() {
        for line in [
            "",
            "1",
            "1 2 3 4",
            "a b 8:1 / /x rw",
            "1 0 8:1 / /x rw -",
            "\u{fffd}",
        ] {
            assert!(parse(line.as_bytes(), |_| false).is_empty(), "{line}");
        }
    }

    #[test]
    fn this_machine_has_a_root_and_it_is_the_mount_that_is_open_there() {
        let list = list();
        let root = list
            .iter()
            .find(|mount| mount.path == Path::new("/"))
            .unwrap();
        let dir = Dir::open_ambient_dir("/", cap_std::ambient_authority()).unwrap();
        assert_eq!(mount_of(&dir).unwrap(), root.id);
        let proc = Dir::open_ambient_dir("/proc", cap_std::ambient_authority()).unwrap();
        assert_ne!(mount_of(&proc).unwrap(), root.id);
    }
}
