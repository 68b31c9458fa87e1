//! Copies and moves.
//!
//! What is copied is made under a name that nobody sees, beside where it goes, synced,
//! and put there by one rename: a crash half way leaves the old or the new. A move to
//! another drive removes the source after that, and of it only what was copied as it
//! still is. Source and target are told apart by what they are, not by their
//! spelling.

use cap_std::fs::Dir;
use serde_json::Value;

use super::change::{OnConflict, entry, in_the_way, is_respelled, last, publish, told};
use super::entry::{Entry, EntryKind};
use super::error::DriveError;
use super::handle::{self, Identity, Place, Renaming};
use super::journal::{Journal, Record};
use super::path::{NewName, RelPath};
use super::progress::Progress;
use super::tree::{self, Copied};
use crate::defaults;

/// From where to where.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) from: RelPath,
    pub(super) to: RelPath,
    pub(super) conflict: OnConflict,
    /// Whether the source goes.
    pub(super) moving: bool,
}

/// What came of the first look.
#[derive(Debug)]
pub(super) enum Step {
    /// It is done.
    Done(Entry),
    /// Bytes have to be copied: that is a job.
    Job,
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Carried {
    /// The target.
    pub(super) entry: Entry,
    /// What kept the source from going altogether.
    pub(super) trouble: Option<DriveError>,
}

struct Ready {
    from: Place,
    to: Place,
    kind: EntryKind,
    size: u64,
    respelled: bool,
    incoming: Value,
}

/// Checks everything that can be checked before anything is done, and does what is
/// one rename, or a small file.
pub(super) fn begin(
    roots: (&Dir, &Dir),
    route: &Route,
    scratch: (&Journal, &str),
) -> Result<Step, DriveError> {
    let ready = look(roots, route)?;
    if !route.moving {
        let small = match ready.kind {
            EntryKind::File => ready.size <= defaults::COPIED_AT_ONCE,
            EntryKind::Symlink => true,
            EntryKind::Directory => false,
            EntryKind::Other => return Err(DriveError::KindUnsupported),
        };
        return match small {
            true => carry(roots, route, scratch, &Progress::default())
                .map(|carried| Step::Done(carried.entry)),
            false => Ok(Step::Job),
        };
    }
    let Ready { from, to, .. } = ready;
    if ready.respelled {
        from.rename_over(&to)?;
        handle::settle(&to.parent);
        return Ok(Step::Done(entry(&to, &route.to)?));
    }
    match publish(&from, to, &route.to, route.conflict, &ready.incoming) {
        Ok((place, path)) => {
            handle::settle(&place.parent);
            handle::settle(&from.parent);
            Ok(Step::Done(entry(&place, &path)?))
        }
        Err(Renaming::Across) if ready.kind == EntryKind::Other => Err(DriveError::KindUnsupported),
        Err(Renaming::Across) => Ok(Step::Job),
        Err(Renaming::Failed(error)) => Err(error),
    }
}

/// Copies, and removes the source if it is a move.
pub(super) fn carry(
    roots: (&Dir, &Dir),
    route: &Route,
    (journal, folder): (&Journal, &str),
    progress: &Progress,
) -> Result<Carried, DriveError> {
    let Ready {
        from,
        to,
        kind,
        incoming,
        ..
    } = look(roots, route)?;
    tree::measure(&from, progress)?;
    let (within, _) = route.to.split().ok_or(DriveError::RootRefused)?;
    let scratch = journal.begin(&Record {
        folder: folder.to_owned(),
        within: within.as_str().to_owned(),
        upload: None,
    })?;
    let temp = to.beside(scratch.name())?;
    let mut copied = Copied::default();
    let made = tree::copy(&from, &temp, progress, &mut copied)
        .and_then(|()| match kind {
            EntryKind::File => Ok(temp.reopen_file()?.sync_all()?),
            _ => handle::settle_all(&temp.parent),
        })
        .and_then(|()| progress.go_on())
        .and_then(|()| {
            let put = publish(&temp, to, &route.to, route.conflict, &incoming);
            put.map_err(DriveError::from)
        });
    let (place, path) = match made {
        Ok(put) => put,
        Err(error) => {
            // What cannot be removed now is in the journal.
            match tree::clear(&temp) {
                Ok(()) | Err(DriveError::PathUnknown) => drop(scratch),
                Err(_) => scratch.keep(),
            }
            return Err(error);
        }
    };
    drop(scratch);
    handle::settle(&place.parent);
    let entry = entry(&place, &path)?;
    let mut trouble = None;
    if route.moving {
        trouble = tree::remove(&from, progress, Some(&copied)).err();
        handle::settle(&from.parent);
    }
    Ok(Carried { entry, trouble })
}

fn look((from_root, to_root): (&Dir, &Dir), route: &Route) -> Result<Ready, DriveError> {
    let from = Place::find(from_root, &route.from)?;
    let looked = from.look()?;
    let to = Place::find(to_root, &route.to)?;
    // What has a name already may keep it.
    if last(&route.to) != last(&route.from) {
        NewName::parse(last(&route.to))?;
    }
    let identity = Identity::of(&looked);
    if looked.is_dir() && handle::is_within(&to.parent, identity)? {
        return Err(DriveError::InsideItself);
    }
    let incoming = told(&from, &route.from);
    let mut respelled = false;
    if let Some(existing) = to.look_for()? {
        let same = Identity::of(&existing) == identity;
        let beside = route.conflict == OnConflict::KeepBoth;
        match () {
            () if same && route.moving && is_respelled(&from, &to)? => respelled = true,
            // A second one of it, beside it.
            () if same && beside && !route.moving => {}
            () if same => return Err(DriveError::SameFile),
            () if beside => {}
            () if route.conflict == OnConflict::Fail || looked.is_dir() || existing.is_dir() => {
                let exists = DriveError::AlreadyExists(Box::default());
                return Err(in_the_way(exists, &to, &route.to, &incoming));
            }
            () => {}
        }
    }
    Ok(Ready {
        kind: EntryKind::of(looked.file_type()),
        size: looked.len(),
        from,
        to,
        respelled,
        incoming,
    })
}
