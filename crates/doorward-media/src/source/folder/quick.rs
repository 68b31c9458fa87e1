//! Opening a file without a hop to another thread, when nothing has to wait.

use cap_std::fs::Dir;

use super::chunks::Cache;

/// Opens `path` below `dir` if the kernel can say where it leads from memory
/// alone, on `dir`'s own mount and not out of it, as cap-std would. `None` says
/// nothing about the file: ask where waiting is allowed.
#[cfg(target_os = "linux")]
pub(super) fn open(dir: &Dir, cache: Cache, path: &str) -> Option<std::fs::File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

    // A folder behind a network can keep even a cached name waiting.
    if cache == Cache::Unknown {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV
        | ResolveFlags::CACHED;
    openat2(dir, path, flags, Mode::empty(), resolve)
        .ok()
        .map(Into::into)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &Dir, _: Cache, _: &str) -> Option<std::fs::File> {
    None
}
