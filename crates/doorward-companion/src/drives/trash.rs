//! The trash of the desktop (freedesktop.org, Trash specification 1.0), done by
//! handles: what is thrown away is what was opened, whatever is swapped meanwhile.
//!
//! A drive has its trash on itself, so throwing away is one rename: all of it or
//! nothing. Where no trash can be had, nothing is thrown away.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::DriveError;
use super::handle::Place;

/// Where this user's own trash is.
#[derive(Clone, Debug, Default)]
pub(super) struct Trash {
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux has this trash")
    )]
    home: Option<PathBuf>,
}

impl Trash {
    /// `home` is the folder that user data is in: `Trash` is below it.
    pub(super) fn new(home: Option<&Path>) -> Self {
        Self {
            home: home.map(|home| home.join("Trash")),
        }
    }

    /// Throws away what is at `place`: files, folders and links themselves.
    pub(super) fn take(&self, place: &Place, now: SystemTime) -> Result<(), DriveError> {
        #[cfg(target_os = "linux")]
        return linux::take(self.home.as_deref(), place, now);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (place, now);
            Err(DriveError::TrashUnavailable)
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::fs;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use cap_fs_ext::DirExt as _;
    use cap_std::ambient_authority;
    use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
    use chrono::{DateTime, Local};
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

    use super::super::change::last;
    use super::super::error::DriveError;
    use super::super::handle::{Identity, Place, Renaming};
    use super::super::path::RelPath;

    /// What a path keeps in the record (RFC 2396, as the specification says).
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    /// Names that are tried for one file.
    const NAMES: u32 = 10_000;

    /// An open trash, and what the paths in it begin at.
    pub(super) struct Bin {
        files: Dir,
        info: Dir,
        top: Option<PathBuf>,
    }

    pub(super) fn take(
        home: Option<&Path>,
        place: &Place,
        now: SystemTime,
    ) -> Result<(), DriveError> {
        let device = Identity::of_dir(&place.parent)?;
        if let Some(bin) = home.and_then(|home| Bin::of_user(home, device))
            && bin.put(place, now)?
        {
            return Ok(());
        }
        let bin = Bin::of_drive(&place.parent).ok_or(DriveError::TrashUnavailable)?;
        match bin.put(place, now)? {
            true => Ok(()),
            false => Err(DriveError::TrashUnavailable),
        }
    }

    impl Bin {
        /// The user's own, if it is on the drive of `device`.
        pub(super) fn of_user(home: &Path, device: Identity) -> Option<Self> {
            let above = home.parent()?;
            let nearest = above
                .ancestors()
                .find_map(|path| Dir::open_ambient_dir(path, ambient_authority()).ok())?;
            if !Identity::of_dir(&nearest).ok()?.is_on_device_of(device) {
                return None;
            }
            // Made if it is missing, for this user alone (XDG Base Directory Specification).
            let mut private = fs::DirBuilder::new();
            private.recursive(true).mode(0o700).create(above).ok()?;
            let dir = Dir::open_ambient_dir(above, ambient_authority()).ok()?;
            Self::open(&dir, Path::new(home.file_name()?), None)
        }

        /// That of the drive, at its top.
        fn of_drive(within: &Dir) -> Option<Self> {
            let mut top = within.try_clone().ok()?;
            let device = Identity::of_dir(&top).ok()?;
            for _ in 0..4_096 {
                let above = top.open_parent_dir(ambient_authority()).ok()?;
                let identity = Identity::of_dir(&above).ok()?;
                if !identity.is_on_device_of(device) || identity == Identity::of_dir(&top).ok()? {
                    break;
                }
                top = above;
            }
            let name = format!(".Trash-{}", rustix::process::getuid().as_raw());
            let path = path_of(&top)?;
            Self::open(&top, Path::new(&name), Some(path))
        }

        /// Made if it is missing, and trusted only if it is this user's own.
        fn open(above: &Dir, name: &Path, top: Option<PathBuf>) -> Option<Self> {
            let folder = |dir: &Dir, name: &Path| {
                let mut private = DirBuilder::new();
                private.mode(0o700);
                // It may be there.
                let _ = dir.create_dir_with(name, &private);
                let opened = dir.open_dir_nofollow(name).ok()?;
                let owner = opened.dir_metadata().ok()?.uid();
                (owner == rustix::process::getuid().as_raw()).then_some(opened)
            };
            let trash = folder(above, name)?;
            Some(Self {
                files: folder(&trash, Path::new("files"))?,
                info: folder(&trash, Path::new("info"))?,
                top,
            })
        }

        /// Whether it could be put there: a rename does not reach across drives.
        fn put(&self, place: &Place, now: SystemTime) -> Result<bool, DriveError> {
            let from = path_of(&place.parent).ok_or(DriveError::TrashUnavailable)?;
            let from = from.join(&place.name);
            let shown = match &self.top {
                Some(top) => from.strip_prefix(top).unwrap_or(&from),
                None => &from,
            };
            let path = percent_encode(shown.as_os_str().as_bytes(), PLAIN);
            let at = DateTime::<Local>::from(now).format("%Y-%m-%dT%H:%M:%S");
            let record = format!("[Trash Info]\nPath={path}\nDeletionDate={at}\n");
            for number in 1..NAMES {
                let name = numbered(place, number);
                let mut info = name.clone();
                info.push(".trashinfo");
                let info = Place {
                    parent: self.info.try_clone()?,
                    name: info,
                };
                // The record is the name's reservation, and is made first.
                match info.create_file() {
                    Ok(mut file) => file.write_all(record.as_bytes())?,
                    Err(DriveError::AlreadyExists(_)) => continue,
                    Err(error) => return Err(error),
                }
                let to = Place {
                    parent: self.files.try_clone()?,
                    name,
                };
                let renamed = place.rename_new(&to);
                if renamed.is_err() {
                    let _ = info.remove();
                }
                match renamed {
                    Ok(()) => {
                        super::super::handle::settle(&self.files);
                        super::super::handle::settle(&place.parent);
                        return Ok(true);
                    }
                    Err(Renaming::Across) => return Ok(false),
                    Err(Renaming::Failed(DriveError::AlreadyExists(_))) => {}
                    // The trash itself, or a folder around it.
                    Err(Renaming::Failed(DriveError::InsideItself)) => {
                        return Err(DriveError::TrashUnavailable);
                    }
                    Err(Renaming::Failed(error)) => return Err(error),
                }
            }
            Err(DriveError::TrashUnavailable)
        }
    }

    fn numbered(place: &Place, number: u32) -> OsString {
        let mut name = place.name.clone();
        if name.len() > 200 {
            // With its ending it would be longer than a name may be.
            name = match RelPath::root().join(&name) {
                Some(path) => last(&path)
                    .chars()
                    .filter(char::is_ascii)
                    .take(100)
                    .collect::<String>()
                    .into(),
                None => "file".into(),
            };
        }
        if number > 1 {
            name.push(format!(".{number}"));
        }
        name
    }

    /// Where an open folder is now.
    fn path_of(dir: &Dir) -> Option<PathBuf> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).ok()?;
        path.is_absolute().then_some(path)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::super::handle::Identity;
    use super::super::path::RelPath;
    use super::*;

    fn take(trash: &Trash, root: &Dir, path: &str) -> Result<(), DriveError> {
        let place = Place::find(root, &RelPath::parse(path)?)?;
        trash.take(&place, UNIX_EPOCH + Duration::from_secs(1_800_000_000))
    }

    #[test]
    fn what_is_thrown_away_is_in_the_trash_with_where_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let trash = Trash::new(Some(&temp.path().join("data")));
        fs::create_dir_all(temp.path().join("share/Ünï dir")).unwrap();
        let root = Dir::open_ambient_dir(temp.path().join("share"), ambient_authority()).unwrap();
        for text in ["one", "two"] {
            root.write("Ünï dir/a.txt", text).unwrap();
            take(&trash, &root, "Ünï dir/a.txt").unwrap();
            assert!(!root.exists("Ünï dir/a.txt"));
        }
        root.symlink("a.txt", "Ünï dir/link").unwrap();
        take(&trash, &root, "Ünï dir/link").unwrap();
        take(&trash, &root, "Ünï dir").unwrap();
        let bin = temp.path().join("data/Trash");
        assert_eq!(fs::read_to_string(bin.join("files/a.txt")).unwrap(), "one");
        assert_eq!(
            fs::read_to_string(bin.join("files/a.txt.2")).unwrap(),
            "two"
        );
        assert!(bin.join("files/link").is_symlink() && bin.join("files/Ünï dir").is_dir());
        let info = fs::read_to_string(bin.join("info/a.txt.2.trashinfo")).unwrap();
        assert!(
            info.starts_with("[Trash Info]\nPath=/")
                && info.contains("/%C3%9Cn%C3%AF%20dir/a.txt\n"),
            "{info}"
        );
        assert!(info.contains("\nDeletionDate=2027-01-"), "{info}");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&bin).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn the_trash_is_not_thrown_into_itself_and_a_linked_one_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let trash = Trash::new(Some(&temp.path().join("data")));
        fs::create_dir(temp.path().join("data")).unwrap();
        root.write("a", "a").unwrap();
        take(&trash, &root, "a").unwrap();
        assert_eq!(
            take(&trash, &root, "data"),
            Err(DriveError::TrashUnavailable)
        );
        assert!(root.exists("data/Trash/files/a"));
        // Nobody else's folder takes what is thrown away.
        fs::create_dir(temp.path().join("other")).unwrap();
        fs::create_dir(temp.path().join("elsewhere")).unwrap();
        root.symlink("../elsewhere", "other/Trash").unwrap();
        let device = Identity::of_dir(&root).unwrap();
        let linked = linux::Bin::of_user(&temp.path().join("other/Trash"), device);
        assert!(linked.is_none());
        assert_eq!(
            fs::read_dir(temp.path().join("elsewhere")).unwrap().count(),
            0
        );
    }
}
