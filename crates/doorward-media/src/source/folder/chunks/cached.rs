//! Whether bytes of a file can be had without waiting for a disk.

use std::fs::File;
use std::io;

use bytes::Bytes;

/// What is known of the cache in front of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "only Linux can be asked")
)]
pub(in super::super) enum Cache {
    /// The file is nothing but cache.
    Always,
    /// The kernel says whether bytes lie in it.
    Asked,
    /// Nothing: a network may lie behind it, where even the file's date can keep
    /// a thread waiting. Only threads that may wait touch such a file.
    Unknown,
}

/// How much is read at once to bring bytes into the cache.
const WARM: usize = 64 * 1024;

/// Reads the bytes and forgets them: they are in the cache then, and the kernel
/// has begun to fetch what follows.
pub(super) fn warm(file: &File, at: u64, length: usize) -> io::Result<()> {
    let mut scrap = vec![0; WARM.min(length)];
    let (mut at, mut left) = (at, length);
    while left > 0 {
        let next = scrap.len().min(left);
        super::read_exact_at(file, scrap.get_mut(..next).unwrap_or_default(), at)?;
        at = at.saturating_add(next as u64);
        left -= next;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::IoSliceMut;
    use std::os::fd::AsFd;

    use rustix::fs::FsWord;
    use rustix::io::{ReadWriteFlags, preadv2};

    use super::{Bytes, Cache, File};

    /// Disks of this machine (ext2 to 4, XFS, Btrfs, F2FS, bcachefs).
    const LOCAL: [FsWord; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e];
    /// tmpfs and ramfs.
    const MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

    impl Cache {
        /// What the file system of a file or folder lets us know. May wait.
        pub(in super::super::super) fn of(file: &impl AsFd) -> Self {
            match rustix::fs::fstatfs(file).map(|about| about.f_type) {
                Ok(kind) if MEMORY.contains(&kind) => Self::Always,
                Ok(kind) if LOCAL.contains(&kind) => Self::Asked,
                _ => Self::Unknown,
            }
        }

        /// Whether these bytes are likely all there: the first and the last are.
        /// A hole between them keeps a thread waiting for one read of a disk.
        pub(in super::super) fn holds(self, file: &File, at: u64, length: usize) -> bool {
            let last = at.saturating_add(length as u64).saturating_sub(1);
            let there = |at| {
                let mut byte = [0];
                let mut into = [IoSliceMut::new(&mut byte)];
                preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT) == Ok(1)
            };
            match self {
                Self::Always => true,
                Self::Asked => there(last) && there(at),
                Self::Unknown => false,
            }
        }

        /// These bytes, if all of them are there.
        pub(in super::super) fn read(self, file: &File, at: u64, length: u64) -> Option<Bytes> {
            let length = usize::try_from(length).ok()?;
            if self == Self::Unknown {
                return None;
            }
            let mut bytes = vec![0; length];
            let mut into = [IoSliceMut::new(&mut bytes)];
            let read = preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT).ok()?;
            (read == length).then(|| bytes.into())
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Cache {
    /// Elsewhere the kernel cannot be asked.
    pub(in super::super) fn of<F>(_: &F) -> Self {
        Self::Unknown
    }

    pub(super) fn holds(self, _: &File, _: u64, _: usize) -> bool {
        self == Self::Always
    }

    pub(super) fn read(self, _: &File, _: u64, _: u64) -> Option<Bytes> {
        None
    }
}
