//! Whole trees: measured, copied, removed.
//!
//! Links are copied and removed as what they are. Devices, sockets and pipes are
//! never opened, and never silently left out: a tree that has one is not copied.

use std::collections::HashSet;
use std::fs::{FileTimes, Metadata};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};

use cap_std::fs::Dir;

use super::change::open_up;
use super::entry::EntryKind;
use super::error::DriveError;
use super::handle::{Identity, Place};
use super::path::OURS;
use super::progress::Progress;
use crate::defaults;

/// Fingerprints of what was copied: what differs from them later was changed
/// meanwhile.
#[derive(Debug, Default)]
pub(super) struct Copied {
    hasher: RandomState,
    prints: HashSet<u64>,
}

/// Bytes that are copied between two looks at whether to go on.
const PIECE: u64 = 4 * 1024 * 1024;

/// Counts what is at `place`, for the progress.
pub(super) fn measure(place: &Place, progress: &Progress) -> Result<(), DriveError> {
    each(place, 0, &mut |kind, place| {
        progress.go_on()?;
        match kind {
            EntryKind::Other => Err(DriveError::KindUnsupported),
            EntryKind::File => {
                progress.expect(place.look()?.len());
                Ok(())
            }
            EntryKind::Directory | EntryKind::Symlink => {
                progress.expect(0);
                Ok(())
            }
        }
    })
}

/// Counts what is to be removed: devices, sockets and pipes too.
pub(super) fn expect(place: &Place, progress: &Progress) -> Result<(), DriveError> {
    each(place, 0, &mut |_, _| {
        progress.expect(0);
        progress.go_on()
    })
}

/// Copies what is at `from` to `to`, where nothing is. What fails leaves a part of it
/// there: `to` is a name that nobody sees.
pub(super) fn copy(
    from: &Place,
    to: &Place,
    progress: &Progress,
    copied: &mut Copied,
) -> Result<(), DriveError> {
    copy_at(from, to, 0, progress, copied)
}

/// Removes what is at `place`, as far as `wanted` says of each file: what it does not
/// want stays, with the folders around it.
pub(super) fn remove(
    place: &Place,
    progress: &Progress,
    wanted: Option<&Copied>,
) -> Result<(), DriveError> {
    remove_at(place, 0, progress, wanted).map(|_| ())
}

/// Removes something of ours that was not finished, whatever its permissions are.
pub(super) fn clear(place: &Place) -> Result<(), DriveError> {
    clear_at(place, 0)
}

fn clear_at(place: &Place, depth: usize) -> Result<(), DriveError> {
    // Made here, so no deeper than what is copied.
    if depth > defaults::TREE_DEPTH {
        return Err(DriveError::TooDeep);
    }
    if !place.look()?.is_dir() {
        return place.remove();
    }
    let dir = place.open_dir()?;
    unlock(&dir);
    for entry in dir.entries()? {
        clear_at(&within(&dir, &entry?.file_name())?, depth + 1)?;
    }
    Ok(place.parent.remove_dir(&place.name)?)
}

fn copy_at(
    from: &Place,
    to: &Place,
    depth: usize,
    progress: &Progress,
    copied: &mut Copied,
) -> Result<(), DriveError> {
    progress.go_on()?;
    if depth > defaults::TREE_DEPTH {
        return Err(DriveError::TooDeep);
    }
    let looked = from.look()?;
    match EntryKind::of(looked.file_type()) {
        EntryKind::Other => return Err(DriveError::KindUnsupported),
        EntryKind::File => copy_file(from, to, progress, copied)?,
        EntryKind::Symlink => {
            let target = from.parent.read_link_contents(&from.name)?;
            copy_link(&target, to)?;
            copied.note(Identity::of(&looked), &[0]);
        }
        EntryKind::Directory => {
            let dir = from.open_dir()?;
            to.parent.create_dir(&to.name)?;
            let target = to.open_dir()?;
            for entry in dir.entries()? {
                let name = entry?.file_name();
                if name.as_encoded_bytes().starts_with(OURS.as_bytes()) {
                    continue;
                }
                let (from, to) = (within(&dir, &name)?, within(&target, &name)?);
                copy_at(&from, &to, depth + 1, progress, copied)?;
            }
            like_dir(&target, &looked);
        }
    }
    progress.done_one();
    Ok(())
}

fn copy_file(
    from: &Place,
    to: &Place,
    progress: &Progress,
    copied: &mut Copied,
) -> Result<(), DriveError> {
    let source = from.open_file()?;
    let before = source.metadata()?;
    let target = to.create_file()?;
    let mut done = 0;
    loop {
        progress.go_on()?;
        let piece = io::copy(&mut (&source).take(PIECE), &mut &target)?;
        if piece == 0 {
            break;
        }
        done += piece;
        progress.moved(piece);
    }
    let after = source.metadata()?;
    if done != after.len() || print_of(&before) != print_of(&after) {
        return Err(DriveError::ChangedMeanwhile);
    }
    open_up(&target, mode(&before))?;
    if let Ok(modified) = before.modified() {
        // A drive that keeps no such time keeps its own.
        let _ = target.set_times(FileTimes::new().set_modified(modified));
    }
    if cfg!(not(target_os = "linux")) {
        target.sync_all()?;
    }
    copied.note(Identity::of_file(&source)?, &print_of(&after));
    Ok(())
}

/// Whether all of it is gone.
fn remove_at(
    place: &Place,
    depth: usize,
    progress: &Progress,
    wanted: Option<&Copied>,
) -> Result<bool, DriveError> {
    progress.go_on()?;
    if depth > defaults::TREE_DEPTH {
        return Err(DriveError::TooDeep);
    }
    let looked = place.look()?;
    let kind = EntryKind::of(looked.file_type());
    if kind == EntryKind::Directory {
        let dir = place.open_dir()?;
        let mut empty = true;
        for entry in dir.entries()? {
            let below = within(&dir, &entry?.file_name())?;
            empty &= remove_at(&below, depth + 1, progress, wanted)?;
        }
        if !empty {
            return Ok(false);
        }
        drop(dir);
        match place.parent.remove_dir(&place.name) {
            Ok(()) => {}
            // Something new is in it.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && wanted.is_some() => {
                progress.leave();
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        let keeps = match (wanted, kind) {
            (None, _) => false,
            (Some(copied), EntryKind::File) => {
                let file = place.open_file()?;
                !copied.has(Identity::of_file(&file)?, &print_of(&file.metadata()?))
            }
            (Some(copied), _) => !copied.has(Identity::of(&looked), &[0]),
        };
        if keeps {
            progress.leave();
            return Ok(false);
        }
        place.remove()?;
    }
    progress.done_one();
    Ok(true)
}

fn each(
    place: &Place,
    depth: usize,
    visit: &mut impl FnMut(EntryKind, &Place) -> Result<(), DriveError>,
) -> Result<(), DriveError> {
    if depth > defaults::TREE_DEPTH {
        return Err(DriveError::TooDeep);
    }
    let kind = EntryKind::of(place.look()?.file_type());
    visit(kind, place)?;
    if kind == EntryKind::Directory {
        let dir = place.open_dir()?;
        for entry in dir.entries()? {
            let name = entry?.file_name();
            if !name.as_encoded_bytes().starts_with(OURS.as_bytes()) {
                each(&within(&dir, &name)?, depth + 1, visit)?;
            }
        }
    }
    Ok(())
}

fn within(dir: &Dir, name: &std::ffi::OsStr) -> Result<Place, DriveError> {
    Ok(Place {
        parent: dir.try_clone()?,
        name: name.to_owned(),
    })
}

impl Copied {
    fn note(&mut self, identity: Identity, print: &[u128]) {
        self.prints.insert(self.hasher.hash_one((identity, print)));
    }

    fn has(&self, identity: Identity, print: &[u128]) -> bool {
        self.prints
            .contains(&self.hasher.hash_one((identity, print)))
    }
}

/// What changes when a file does.
fn print_of(metadata: &Metadata) -> [u128; 3] {
    let nanos = |at: io::Result<std::time::SystemTime>| {
        let since = at
            .ok()
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_nanos())
    };
    [
        u128::from(metadata.len()),
        nanos(metadata.modified()),
        changed(metadata),
    ]
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> u128 {
    use std::os::unix::fs::MetadataExt as _;
    let part = |number: i64| u128::from(number.unsigned_abs());
    (part(metadata.ctime()) << 64) | part(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> u128 {
    0
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn copy_link(target: &std::path::Path, to: &Place) -> Result<(), DriveError> {
    Ok(to.parent.symlink_contents(target, &to.name)?)
}

/// Windows asks for a privilege, and for what it will lead to.
#[cfg(not(unix))]
fn copy_link(_: &std::path::Path, _: &Place) -> Result<(), DriveError> {
    Err(DriveError::KindUnsupported)
}

/// Permissions of a finished folder, as far as they can be given.
#[cfg(unix)]
fn like_dir(dir: &Dir, looked: &cap_std::fs::Metadata) {
    use cap_std::fs::PermissionsExt as _;
    let mode = cap_std::fs::Permissions::from_mode(looked.permissions().mode() & 0o777);
    let _ = dir.set_permissions(".", mode);
}

/// Lets this user remove what is in it.
#[cfg(unix)]
fn unlock(dir: &Dir) {
    use cap_std::fs::PermissionsExt as _;
    let _ = dir.set_permissions(".", cap_std::fs::Permissions::from_mode(0o700));
}

#[cfg(not(unix))]
fn unlock(_: &Dir) {}

#[cfg(not(unix))]
fn like_dir(_: &Dir, _: &cap_std::fs::Metadata) {}
