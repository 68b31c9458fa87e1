//! Files and folders for the eyes of one user: 0600 in 0700, never through a
//! symbolic link, never one that somebody else made.
//!
//! On platforms without Unix modes, files get what their folder passes on.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Why a file or folder cannot be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotPrivate {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a symbolic link, a socket, or a folder where a file belongs.
    #[error("it is not a regular file or folder: remove it")]
    Strange,
    /// Somebody else made it.
    #[error("it belongs to user {uid}: remove it, or choose another place")]
    NotOurs {
        /// The user.
        uid: u32,
    },
    /// Others may change it.
    #[error(
        "others may write to it (mode {mode:03o}): run `chmod go-w` on it, or choose another place"
    )]
    OpenToOthers {
        /// Its mode.
        mode: u32,
    },
}

/// Makes `path` and its missing parents, each 0700. A folder that exists must
/// be ours or root's, and no one else may write to it.
pub(crate) fn folder(path: &Path) -> Result<(), NotPrivate> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path)?;
        if found.uid() != own_uid() && found.uid() != 0 {
            return Err(NotPrivate::NotOurs { uid: found.uid() });
        }
        if found.mode() & 0o022 != 0 {
            return Err(NotPrivate::OpenToOthers {
                mode: found.mode() & 0o777,
            });
        }
    }
    Ok(())
}

/// Makes a new file that only we can open. Refuses whatever stands there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)
}

/// Opens a file of ours for reading and appending, and makes it if it is
/// missing. One that others can read is closed to them first.
pub(crate) fn open(path: &Path) -> Result<File, NotPrivate> {
    let file = options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(strange)?;
    check(&file)?;
    Ok(file)
}

/// As [`open`], but `None` if it is missing.
pub(crate) fn open_existing(path: &Path) -> Result<Option<File>, NotPrivate> {
    match options().read(true).append(true).open(path) {
        Ok(file) => {
            check(&file)?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(strange(error)),
    }
}

#[cfg(unix)]
fn check(file: &File) -> Result<(), NotPrivate> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 {
        return Err(NotPrivate::Strange);
    }
    if found.uid() != own_uid() {
        return Err(NotPrivate::NotOurs { uid: found.uid() });
    }
    if found.mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(file: &File) -> Result<(), NotPrivate> {
    if file.metadata()?.is_file() {
        Ok(())
    } else {
        Err(NotPrivate::Strange)
    }
}

#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    // Opening a pipe that somebody put here must not wait for its other end.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}

/// `O_NOFOLLOW` on a link is `ELOOP`; writing to a folder is `EISDIR`; a pipe
/// without a reader or a socket is `ENXIO`.
#[cfg(unix)]
fn strange(error: io::Error) -> NotPrivate {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => NotPrivate::Strange,
        _ => NotPrivate::Io(error),
    }
}

#[cfg(not(unix))]
fn strange(error: io::Error) -> NotPrivate {
    NotPrivate::Io(error)
}

#[cfg(unix)]
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn t99_what_is_made_is_private() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        folder(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&root.path().join("a"))), (0o700, 0o700));
        let file = inner.join("f");
        open(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        open(&file).unwrap();
        assert_eq!(mode(&file), 0o600, "closed to others");
        assert!(create(&file).is_err());
        assert!(open_existing(&inner.join("none")).unwrap().is_none());
    }

    #[test]
    fn t99_links_pipes_folders_and_foreign_files_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("victim"), "v").unwrap();
        symlink(at("victim"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::hard_link(at("victim"), at("twin")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for name in ["link", "dangling", "twin", "folder", "pipe"] {
            assert!(
                matches!(open(&at(name)), Err(NotPrivate::Strange)),
                "{name}"
            );
            assert!(
                matches!(open_existing(&at(name)), Err(NotPrivate::Strange)),
                "{name}"
            );
            assert!(create(&at(name)).is_err(), "{name}");
        }
        assert!(!at("nowhere").exists());
        if rustix::process::geteuid().is_root() {
            fs::write(at("foreign"), "").unwrap();
            std::os::unix::fs::chown(at("foreign"), Some(1), None).unwrap();
            assert!(matches!(
                open(&at("foreign")),
                Err(NotPrivate::NotOurs { uid: 1 })
            ));
            std::os::unix::fs::chown(at("folder"), Some(1), None).unwrap();
            assert!(matches!(
                folder(&at("folder")),
                Err(NotPrivate::NotOurs { uid: 1 })
            ));
        }
        fs::create_dir(at("wide")).unwrap();
        fs::set_permissions(at("wide"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            folder(&at("wide")),
            Err(NotPrivate::OpenToOthers { mode: 0o777 })
        ));
    }
}
