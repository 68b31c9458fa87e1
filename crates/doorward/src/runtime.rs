//! Where a running doorward can be found by processes of the same user.
//!
//! A folder that only the user can enter (0700) holds three files for each
//! instance, all 0600: `<instance>.json` says where it listens, `<instance>.sock`
//! is its native socket, and `<instance>.lock` is locked as long as it runs. The
//! kernel drops the lock with the process, however that ends, so a file whose
//! lock is free and whose socket does not answer is stale and is removed.
//!
//! The folder is `$XDG_RUNTIME_DIR/doorward`, or `doorward-<uid>` in the folder
//! for temporary files where there is none that is ours. One that somebody else
//! made, or a symbolic link, is refused.

mod dir;

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::platform::files::NotPrivate;
use dir::Dir;

/// A path longer than this does not fit a Unix socket's address.
const SOCKET_PATH: usize = 107;
/// A listing holds the lock for an instant; a start asks again this often.
const LOCK_TRIES: u32 = 10;
/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// A runtime file is at most this long; ours are a tenth of it.
const FILE_BYTES: u64 = 16 * 1024;

/// The name of an instance: 1 to 32 of `a-z`, `0-9` and `-`, not first a `-`.
/// Unless named otherwise it is `default`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance(String);

/// What the runtime file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeInfo {
    /// The instance.
    pub instance: Instance,
    /// The origin of the control listener.
    pub control: String,
    /// The origin of the content listener.
    pub content: String,
    /// The origin of the companion listener, where it is on.
    pub companion: Option<String>,
    /// The process.
    pub pid: u32,
    /// Its native socket.
    pub socket: PathBuf,
    /// RFC 3339.
    pub started_at: String,
}

/// The folder of one user's instances.
#[derive(Debug)]
pub struct RuntimeDir {
    dir: Dir,
}

/// The right to be one instance, until it is dropped: then its files go.
#[derive(Debug)]
pub struct Claim {
    dir: Dir,
    instance: Instance,
    socket: PathBuf,
    lock: std::fs::File,
}

/// The runtime folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The instance runs already.
    #[error("the instance {instance} is running already{}: use it, stop it with `doorward stop`, or choose another --instance", info.as_ref().map(|info| format!(" at {} (pid {})", info.control, info.pid)).unwrap_or_default())]
    AlreadyRunning {
        /// The instance.
        instance: Instance,
        /// Where it is found, if it has said so.
        info: Option<Box<RuntimeInfo>>,
    },
    /// The folder, or a file in it, is not private to us.
    #[error("the runtime folder needs {}: {source}", path.display())]
    NotPrivate {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        source: NotPrivate,
    },
    /// Everybody may rename what is in the folder around it.
    #[error("{} is open to everybody and not sticky: set XDG_RUNTIME_DIR to a folder of your own", path.display())]
    OpenParent {
        /// The folder around it.
        path: PathBuf,
    },
    /// The path does not fit a socket's address.
    #[error("{} is longer than the {SOCKET_PATH} bytes of a socket's address: set XDG_RUNTIME_DIR to a shorter path", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// Not the name of an instance.
    #[error("{name:?} is not the name of an instance: use 1 to 32 of a-z, 0-9 and -")]
    InstanceName {
        /// What was given.
        name: String,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl RuntimeDir {
    /// Opens this user's folder, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// A folder that is not private to us.
    pub fn open() -> Result<Self, RuntimeError> {
        Self::at(&dir::locate(
            std::env::var_os("XDG_RUNTIME_DIR"),
            &std::env::temp_dir(),
        ))
    }

    /// Opens the folder `path` instead, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// A folder that is not private to us; a missing parent.
    pub fn at(path: &Path) -> Result<Self, RuntimeError> {
        Ok(Self {
            dir: Dir::open(path)?,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Becomes `instance`: removes what a crashed one left, and keeps others from
    /// becoming it. Bind [`Claim::socket`] next, then [`Claim::publish`].
    ///
    /// # Errors
    ///
    /// [`RuntimeError::AlreadyRunning`]; files that cannot be made.
    pub fn claim(&self, instance: &Instance) -> Result<Claim, RuntimeError> {
        let socket = self.dir.path().join(instance.file("sock"));
        if socket.as_os_str().len() > SOCKET_PATH {
            return Err(RuntimeError::PathTooLong { path: socket });
        }
        let running = || RuntimeError::AlreadyRunning {
            instance: instance.clone(),
            info: self.read(instance).ok().flatten().map(Box::new),
        };
        let lock = self.lock(instance)?.ok_or_else(running)?;
        if dir::answers(&socket) {
            // It runs, and its lock was removed under it.
            return Err(running());
        }
        for suffix in ["json", "sock"] {
            self.dir.remove(&instance.file(suffix))?;
        }
        Ok(Claim {
            dir: self.dir.another(),
            instance: instance.clone(),
            socket,
            lock,
        })
    }

    /// The instances that run, by name. Removes what crashed ones left.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn find(&self) -> Result<Vec<RuntimeInfo>, RuntimeError> {
        let mut found = Vec::new();
        for instance in self
            .dir
            .names("json")?
            .iter()
            .filter_map(|name| name.parse().ok())
        {
            if self.is_live(&instance)? {
                match self.read(&instance) {
                    Ok(info) => found.extend(info),
                    Err(error) => tracing::warn!(%error, "a runtime file cannot be read"),
                }
            }
        }
        found.sort_by(|a, b| a.instance.cmp(&b.instance));
        Ok(found)
    }

    /// What the runtime file of `instance` says; `None` if there is none.
    ///
    /// # Errors
    ///
    /// A file that is not private to us, or not one of ours.
    pub fn read(&self, instance: &Instance) -> Result<Option<RuntimeInfo>, RuntimeError> {
        let name = instance.file("json");
        let Some(text) = self.dir.read(&name, FILE_BYTES)? else {
            return Ok(None);
        };
        let info = serde_json::from_str(&text).map_err(|error| RuntimeError::Io {
            path: self.dir.path().join(&name),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        Ok(Some(info))
    }

    fn is_live(&self, instance: &Instance) -> Result<bool, RuntimeError> {
        let lock = self.dir.open_lock(&instance.file("lock"))?;
        let free = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared).is_ok();
        if !free || dir::answers(&self.dir.path().join(instance.file("sock"))) {
            return Ok(true);
        }
        for suffix in ["json", "sock", "lock"] {
            self.dir.remove(&instance.file(suffix))?;
        }
        Ok(false)
    }

    /// `None` if another process holds it.
    fn lock(&self, instance: &Instance) -> Result<Option<std::fs::File>, RuntimeError> {
        let name = instance.file("lock");
        for _ in 0..LOCK_TRIES {
            let lock = self.dir.open_lock(&name)?;
            let locked = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
            // It may have been removed between opening and locking.
            if locked.is_ok() && self.dir.is_still(&name, &lock) {
                return Ok(Some(lock));
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(None)
    }
}

impl Claim {
    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Where to bind the native socket; nothing stands there.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Says where the instance is found. Call it once, when everything listens;
    /// it also closes the native socket to others.
    ///
    /// # Errors
    ///
    /// A file that stands there already or cannot be written.
    pub fn publish(&self, info: &RuntimeInfo) -> Result<(), RuntimeError> {
        let name = self.instance.file("json");
        let io = |source| RuntimeError::Io {
            path: self.dir.path().join(&name),
            source,
        };
        self.dir.close_to_others(&self.instance.file("sock"))?;
        let mut text = serde_json::to_vec(info).map_err(|error| io(error.into()))?;
        text.push(b'\n');
        self.dir.create(&name)?.write_all(&text).map_err(io)
    }
}

impl Instance {
    fn file(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Instance ===

impl Default for Instance {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for Instance {
    type Err = RuntimeError;

    fn from_str(name: &str) -> Result<Self, RuntimeError> {
        let fits = (1..=32).contains(&name.len())
            && !name.starts_with('-')
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(RuntimeError::InstanceName {
                name: name.chars().take(64).collect(),
            })
        }
    }
}

impl TryFrom<String> for Instance {
    type Error = RuntimeError;

    fn try_from(name: String) -> Result<Self, RuntimeError> {
        name.parse()
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Drop ===

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.dir.is_still(&self.instance.file("lock"), &self.lock) {
            // Somebody removed it; the names may be another's by now.
            return;
        }
        for suffix in ["json", "sock", "lock"] {
            if let Err(error) = self.dir.remove(&self.instance.file(suffix)) {
                tracing::warn!(%error, "a runtime file stays");
            }
        }
    }
}

#[cfg(test)]
mod tests;
