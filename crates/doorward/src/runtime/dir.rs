//! The folder, held open: files in it are reached through the folder that was
//! checked, wherever its name points later.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::RuntimeError;
use crate::platform::files::{NotPrivate, own_uid};

const PRIVATE_FOLDER: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const EVERYBODY: u32 = 0o022;
const STICKY: u32 = 0o1000;

#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    folder: Arc<OwnedFd>,
}

impl Dir {
    pub(super) fn open(path: &Path) -> Result<Self, RuntimeError> {
        let io = |error: Errno| RuntimeError::Io {
            path: path.to_owned(),
            source: error.into(),
        };
        let private = |source| RuntimeError::NotPrivate {
            path: path.to_owned(),
            source,
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let around = rustix::fs::stat(parent).map_err(io)?;
        if around.st_mode & EVERYBODY != 0 && around.st_mode & STICKY == 0 {
            return Err(RuntimeError::OpenParent {
                path: parent.to_owned(),
            });
        }
        match rustix::fs::mkdir(path, PRIVATE_FOLDER) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(io(error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => private(NotPrivate::Strange),
            error => io(error),
        })?;
        let found = rustix::fs::fstat(&folder).map_err(io)?;
        if found.st_uid != own_uid() {
            return Err(private(NotPrivate::NotOurs { uid: found.st_uid }));
        }
        if found.st_mode & 0o077 != 0 {
            rustix::fs::fchmod(&folder, PRIVATE_FOLDER).map_err(io)?;
        }
        Ok(Self {
            path: path.to_owned(),
            folder: Arc::new(folder),
        })
    }

    pub(super) fn another(&self) -> Self {
        Self {
            path: self.path.clone(),
            folder: Arc::clone(&self.folder),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that was not there.
    pub(super) fn create(&self, name: &str) -> Result<File, RuntimeError> {
        self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a file to lock, and makes it if it is missing.
    pub(super) fn open_lock(&self, name: &str) -> Result<File, RuntimeError> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// The text of a file; `None` if it is missing.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<String>, RuntimeError> {
        let file = match self.open_file(name, OFlags::RDONLY) {
            Err(RuntimeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            file => file?,
        };
        let mut text = String::new();
        file.take(most)
            .read_to_string(&mut text)
            .map_err(|source| self.io(name, source))?;
        Ok(Some(text))
    }

    /// Removes a file, socket or link, never what a link points to.
    pub(super) fn remove(&self, name: &str) -> Result<(), RuntimeError> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.io(name, error.into())),
        }
    }

    /// Makes a socket 0600, where there is one.
    pub(super) fn close_to_others(&self, name: &str) -> Result<(), RuntimeError> {
        let found = match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            found => found.map_err(|error| self.io(name, error.into()))?,
        };
        if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
            return Err(self.not_private(name, NotPrivate::Strange));
        }
        rustix::fs::chmodat(&self.folder, name, PRIVATE_FILE, AtFlags::empty())
            .map_err(|error| self.io(name, error.into()))
    }

    /// Whether `name` is still `file`.
    pub(super) fn is_still(&self, name: &str, file: &File) -> bool {
        let named = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
        match (named, rustix::fs::fstat(file)) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            _ => false,
        }
    }

    /// The names that end in `.suffix`, without it.
    pub(super) fn names(&self, suffix: &str) -> Result<Vec<String>, RuntimeError> {
        let io = |source| self.io("", source);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let stem = name
                .to_str()
                .and_then(|name| name.strip_suffix(suffix)?.strip_suffix('.'));
            names.extend(stem.map(str::to_owned));
        }
        Ok(names)
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<File, RuntimeError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name, flags, PRIVATE_FILE).map_err(
            |error| match error {
                Errno::LOOP | Errno::ISDIR | Errno::NXIO => {
                    self.not_private(name, NotPrivate::Strange)
                }
                error => self.io(name, error.into()),
            },
        )?;
        let found = rustix::fs::fstat(&file).map_err(|error| self.io(name, error.into()))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(self.not_private(name, NotPrivate::Strange));
        }
        if found.st_uid != own_uid() {
            return Err(self.not_private(name, NotPrivate::NotOurs { uid: found.st_uid }));
        }
        Ok(file.into())
    }

    fn io(&self, name: &str, source: io::Error) -> RuntimeError {
        RuntimeError::Io {
            path: self.path.join(name),
            source,
        }
    }

    fn not_private(&self, name: &str, source: NotPrivate) -> RuntimeError {
        RuntimeError::NotPrivate {
            path: self.path.join(name),
            source,
        }
    }
}

/// `$XDG_RUNTIME_DIR/doorward` if that variable names a folder of ours (under
/// `sudo` it may be another user's), else a folder named for us in `temporary`.
pub(super) fn locate(xdg: Option<OsString>, temporary: &Path) -> PathBuf {
    let ours = xdg.map(PathBuf::from).filter(|path| {
        path.is_absolute()
            && rustix::fs::stat(path).is_ok_and(|found| {
                FileType::from_raw_mode(found.st_mode) == FileType::Directory
                    && found.st_uid == own_uid()
                    && found.st_mode & EVERYBODY == 0
            })
    });
    match ours {
        Some(path) => path.join("doorward"),
        None => temporary.join(format!("doorward-{}", own_uid())),
    }
}

/// Whether somebody listens on the socket `path`. Does not wait: a full backlog
/// (`EAGAIN`) is somebody as well.
pub(super) fn answers(path: &Path) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
    else {
        return false;
    };
    let Ok(address) = SocketAddrUnix::new(path) else {
        return false;
    };
    matches!(
        rustix::net::connect(&socket, &address),
        Ok(()) | Err(Errno::AGAIN)
    )
}
