//! Open folders, and names in them: what everything else is done through.
//!
//! A path is resolved once, below the open root, into an open parent and one name;
//! what follows is asked of these, so nothing that is swapped meanwhile leads
//! elsewhere. The last name of a change is never followed: a link is itself.

use std::ffi::OsString;
use std::fs::File;
use std::io;

use cap_fs_ext::{DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};

use super::error::DriveError;
use super::path::RelPath;

/// What a file is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// A name in an open folder. Something may be there or not.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: Dir,
    pub(super) name: OsString,
}

/// Folders above one that are looked at before it is taken for endless.
const ABOVE: usize = 4_096;

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    pub(super) fn of_dir(dir: &Dir) -> Result<Self, DriveError> {
        Ok(Self::of(&dir.dir_metadata()?))
    }

    pub(super) fn of_file(file: &File) -> Result<Self, DriveError> {
        Ok(Self::of(&Metadata::from_file(file)?))
    }

    pub(super) fn is_on_device_of(self, other: Self) -> bool {
        self.device == other.device
    }
}

impl Place {
    /// The name of `path` in its parent, below `root`.
    pub(super) fn find(root: &Dir, path: &RelPath) -> Result<Self, DriveError> {
        let (parent, name) = path.split().ok_or(DriveError::RootRefused)?;
        let parent = folder(root, &parent)?;
        Ok(Self { parent, name })
    }

    /// Another name in the same folder.
    pub(super) fn beside(&self, name: impl Into<OsString>) -> Result<Self, DriveError> {
        Ok(Self {
            parent: self.parent.try_clone()?,
            name: name.into(),
        })
    }

    /// What is there, links themselves included.
    pub(super) fn look(&self) -> Result<Metadata, DriveError> {
        Ok(self.parent.symlink_metadata(&self.name)?)
    }

    /// The same; `None` if nothing is there.
    pub(super) fn look_for(&self) -> Result<Option<Metadata>, DriveError> {
        match self.look() {
            Ok(metadata) => Ok(Some(metadata)),
            Err(DriveError::PathUnknown) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the regular file that is there, to read; what is no file is not
    /// opened, and nothing waits for its other end.
    pub(super) fn open_file(&self) -> Result<File, DriveError> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        without_waiting(&mut options);
        regular(self.parent.open_with(&self.name, &options)?)
    }

    /// Makes a new file of this user alone, to write.
    pub(super) fn create_file(&self) -> Result<File, DriveError> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .follow(FollowSymlinks::No);
        private(&mut options);
        Ok(self.parent.open_with(&self.name, &options)?.into_std())
    }

    /// Opens a file of ours that is there, to write.
    pub(super) fn reopen_file(&self) -> Result<File, DriveError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).follow(FollowSymlinks::No);
        without_waiting(&mut options);
        regular(self.parent.open_with(&self.name, &options)?)
    }

    /// Opens the folder that is there; a link to one is none.
    pub(super) fn open_dir(&self) -> Result<Dir, DriveError> {
        Ok(self.parent.open_dir_nofollow(&self.name)?)
    }

    /// Removes the file or link that is there.
    pub(super) fn remove(&self) -> Result<(), DriveError> {
        Ok(self.parent.remove_file_or_symlink(&self.name)?)
    }

    /// Puts what is at `self` at `to`, where nothing may be.
    pub(super) fn rename_new(&self, to: &Self) -> Result<(), Renaming> {
        match rename_exclusively(self, to) {
            Some(renamed) => renamed.map_err(Renaming::of),
            None => self.rename_reserved(to),
        }
    }

    /// Puts what is at `self` at `to`, over the file that is there.
    pub(super) fn rename_over(&self, to: &Self) -> Result<(), Renaming> {
        let renamed = self.parent.rename(&self.name, &to.parent, &to.name);
        renamed.map_err(Renaming::of)
    }

    /// Where the system has no exclusive rename: the name is taken first, by
    /// something empty that the rename then replaces.
    fn rename_reserved(&self, to: &Self) -> Result<(), Renaming> {
        let is_dir = self.look().map_err(Renaming::Failed)?.is_dir();
        let reserved = match is_dir {
            true => to.parent.create_dir(&to.name).map_err(DriveError::from),
            false => to.create_file().map(drop),
        };
        reserved.map_err(Renaming::Failed)?;
        let renamed = self.rename_over(to);
        if renamed.is_err() {
            let _ = match is_dir {
                true => to.parent.remove_dir(&to.name).map_err(DriveError::from),
                false => to.remove(),
            };
        }
        renamed
    }
}

/// Why a rename was not made.
#[derive(Debug)]
pub(super) enum Renaming {
    /// Source and target are on two drives.
    Across,
    /// Something else.
    Failed(DriveError),
}

impl Renaming {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::CrossesDevices => Self::Across,
            // What rename(2) says of a folder that is put into itself.
            io::ErrorKind::InvalidInput => Self::Failed(DriveError::InsideItself),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<Renaming> for DriveError {
    fn from(why: Renaming) -> Self {
        match why {
            Renaming::Across => Self::Failed("two drives".to_owned()),
            Renaming::Failed(error) => error,
        }
    }
}

/// The folder at `path`, below `root`; links to folders are followed as far as they
/// stay inside.
pub(super) fn folder(root: &Dir, path: &RelPath) -> Result<Dir, DriveError> {
    Ok(root.open_dir(path.native())?)
}

/// The regular file at `path`, below `root`, to read; links are followed as far as
/// they stay inside.
pub(super) fn file(root: &Dir, path: &RelPath) -> Result<File, DriveError> {
    let mut options = OpenOptions::new();
    options.read(true);
    without_waiting(&mut options);
    regular(root.open_with(path.native(), &options)?)
}

/// Whether `dir` is `above` or somewhere in it. Asked of the folders themselves, up
/// to the root of the system, so that no spelling hides it.
pub(super) fn is_within(dir: &Dir, above: Identity) -> Result<bool, DriveError> {
    let mut now = dir.try_clone()?;
    let mut identity = Identity::of_dir(&now)?;
    for _ in 0..ABOVE {
        if identity == above {
            return Ok(true);
        }
        let next = now.open_parent_dir(ambient_authority())?;
        let next_identity = Identity::of_dir(&next)?;
        if next_identity == identity {
            return Ok(false);
        }
        (now, identity) = (next, next_identity);
    }
    Err(DriveError::TooDeep)
}

/// Makes what was renamed in `dir` outlast a power cut. Some file systems have no
/// way to; they do what they can on their own.
pub(super) fn settle(dir: &Dir) {
    let _ = sync_dir(dir);
}

/// The same for everything below it, as far as the system has a way to ask.
pub(super) fn settle_all(dir: &Dir) -> Result<(), DriveError> {
    Ok(sync_all(dir)?)
}

fn regular(file: cap_std::fs::File) -> Result<File, DriveError> {
    let metadata = file.metadata()?;
    match () {
        () if metadata.is_file() => Ok(file.into_std()),
        () if metadata.is_dir() => Err(DriveError::NotAFile),
        () => Err(DriveError::KindUnsupported),
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_exclusively(from: &Place, to: &Place) -> Option<io::Result<()>> {
    use rustix::fs::{RenameFlags, renameat_with};
    use rustix::io::Errno;
    let flags = RenameFlags::NOREPLACE;
    match renameat_with(&from.parent, &from.name, &to.parent, &to.name, flags) {
        // The file system does not know the flag, or says something else by it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => None,
        renamed => Some(renamed.map_err(Into::into)),
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_exclusively(_: &Place, _: &Place) -> Option<io::Result<()>> {
    None
}

/// Open folders are mere places; this one can be synced.
#[cfg(unix)]
fn readable(dir: &Dir) -> io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, ".", flags, Mode::empty())?)
}

#[cfg(unix)]
fn sync_dir(dir: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsync(readable(dir)?)?)
}

#[cfg(target_os = "linux")]
fn sync_all(dir: &Dir) -> io::Result<()> {
    Ok(rustix::fs::syncfs(readable(dir)?)?)
}

/// Elsewhere each file was synced when it was written.
#[cfg(not(target_os = "linux"))]
fn sync_all(_: &Dir) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn sync_dir(_: &Dir) -> io::Result<()> {
    Ok(())
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

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        (temp, dir)
    }

    fn place(root: &Dir, path: &str) -> Place {
        Place::find(root, &RelPath::parse(path).unwrap()).unwrap()
    }

    #[test]
    fn a_rename_without_the_systems_help_replaces_nothing() {
        let (_temp, root) = folder();
        root.write("a", "a").unwrap();
        root.write("b", "b").unwrap();
        root.create_dir("d").unwrap();
        let (a, b, d) = (place(&root, "a"), place(&root, "b"), place(&root, "d"));
        for to in [&b, &d] {
            assert!(matches!(
                a.rename_reserved(to),
                Err(Renaming::Failed(DriveError::AlreadyExists(_)))
            ));
        }
        a.rename_reserved(&place(&root, "c")).unwrap();
        d.rename_reserved(&place(&root, "e")).unwrap();
        assert_eq!(root.read_to_string("c").unwrap(), "a");
        assert_eq!(root.read_to_string("b").unwrap(), "b");
        assert!(root.is_dir("e") && !root.exists("a") && !root.exists("d"));
        // What fails leaves no reservation behind.
        let into_itself = place(&root, "e").rename_reserved(&place(&root, "e/x"));
        assert!(into_itself.is_err() && !root.exists("e/x"));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_links_and_folders_are_no_files() {
        let (temp, root) = folder();
        root.create_dir("d").unwrap();
        root.write("f", "").unwrap();
        root.symlink("f", "l").unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(temp.path().join("p"))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(
            place(&root, "p").open_file().unwrap_err(),
            DriveError::KindUnsupported
        );
        assert_eq!(
            place(&root, "d").open_file().unwrap_err(),
            DriveError::NotAFile
        );
        assert_eq!(
            place(&root, "l").open_file().unwrap_err(),
            DriveError::PathUnknown
        );
        assert!(place(&root, "f").open_file().is_ok());
        assert!(place(&root, "l").open_dir().is_err());
    }

    #[test]
    fn what_is_above_is_found_whatever_it_is_called() {
        let (_temp, root) = folder();
        root.create_dir_all("a/b/c").unwrap();
        let a = Identity::of_dir(&root.open_dir("a").unwrap()).unwrap();
        assert!(is_within(&root.open_dir("a/b/c").unwrap(), a).unwrap());
        assert!(is_within(&root.open_dir("a").unwrap(), a).unwrap());
        assert!(!is_within(&root, a).unwrap());
    }
}
