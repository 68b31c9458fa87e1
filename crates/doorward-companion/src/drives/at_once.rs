//! The same operations for callers that know no jobs, cursors or conflicts: each
//! answers when it is done.
//!
//! What was begun goes on when the caller hangs up, so nothing is left half done.
//! Folders may be put over folders here: a copy goes into the one that is there, file
//! by file, each the old or the new; a move throws that one away first, so that it
//! can be had back.

use std::ffi::OsStr;
use std::fs::File;
use std::sync::Arc;

use cap_std::fs::Dir;
use doorward_guard::audit::Kind;
use tokio::sync::oneshot;

use super::change::{self, NewKind, OnConflict, last};
use super::entry::{Entry, EntryKind, media_type, told};
use super::error::DriveError;
use super::folders::{Folder, Granted};
use super::handle::{self, Identity, Place};
use super::jobs::{End, JobKind, JobPlace, Task};
use super::journal::Journal;
use super::native;
use super::path::{NewName, OURS, RelPath};
use super::progress::Progress;
use super::room::Drives;
use super::transfer::{self, Carried, Route, Step};
use super::trash::Trash;
use crate::defaults;
use crate::pairing::Right;

/// The operations of one pairing.
#[derive(Clone, Debug)]
pub struct AtOnce {
    pub(super) room: Arc<Drives>,
    pub(super) key_id: String,
}

/// A path in a folder that a page has.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The folder.
    pub at: Granted,
    /// Where in it.
    pub path: RelPath,
}

/// A file that is read.
#[derive(Debug)]
pub struct Reading {
    /// Open, at its start.
    pub file: File,
    /// Bytes that it had then.
    pub size: u64,
    /// Its name.
    pub name: String,
    /// What its name says that it is.
    pub media_type: Option<String>,
}

impl Drives {
    /// The operations of the pairing called `key_id`.
    #[must_use]
    pub fn at_once(self: &Arc<Self>, key_id: &str) -> AtOnce {
        AtOnce {
            room: Arc::clone(self),
            key_id: key_id.to_owned(),
        }
    }
}

impl AtOnce {
    /// Every folder that this pairing has.
    ///
    /// # Errors
    ///
    /// The pairing has ended.
    pub async fn shared(&self) -> Result<Vec<Granted>, DriveError> {
        let scopes = self.room.scopes(&self.key_id)?;
        let folders = Arc::clone(&self.room.folders);
        let all = tokio::task::spawn_blocking(move || folders.all_granted(&scopes));
        Ok(all.await.unwrap_or_default())
    }

    /// Everything in a folder, in no order. What cannot be looked at is left out.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `read`, and what the drive says.
    pub async fn list(&self, spot: Spot) -> Result<Vec<Entry>, DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Read)?;
        folder
            .work(move |root| {
                let dir = within_reach(root, &path, handle::folder(root, &path))?;
                let names = dir.entries()?.flatten().map(|entry| entry.file_name());
                let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(OURS.as_bytes());
                Ok(names
                    .filter(|name| !ours(name))
                    .filter_map(|name| Entry::look(&dir, &path, &name))
                    .collect())
            })
            .await
    }

    /// What is at a path; of the folder itself, the folder.
    ///
    /// # Errors
    ///
    /// As [`AtOnce::list`].
    pub async fn look(&self, spot: Spot) -> Result<Entry, DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Read)?;
        folder
            .work(move |root| {
                if path.is_root() {
                    return root_entry(root);
                }
                let place = Place::find(root, &path);
                let entry = place.and_then(|place| change::entry(&place, &path));
                match entry {
                    // It leads out, or nowhere.
                    Ok(entry) if entry.kind == EntryKind::Symlink && entry.leads_to.is_none() => {
                        Err(DriveError::LeadsOut)
                    }
                    entry => within_reach(root, &path, entry),
                }
            })
            .await
    }

    /// Makes an empty file or folder called `name` in the folder at a path.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `write`, [`DriveError::NameRefused`],
    /// [`DriveError::AlreadyExists`], and what the drive says.
    pub async fn create(&self, spot: Spot, name: &str, kind: NewKind) -> Result<Entry, DriveError> {
        let name = NewName::parse(name)?;
        let path = spot.path.join(name.as_os());
        let path = path.ok_or(DriveError::NameRefused)?;
        let folder = spot.at.with(Right::Write)?;
        self.decide(Kind::FileCreated, folder)?;
        folder
            .work(move |root| change::create(root, &path, kind))
            .await
    }

    /// Gives what is at a path another name in its folder.
    ///
    /// # Errors
    ///
    /// As [`AtOnce::create`].
    pub async fn rename(&self, spot: Spot, name: &str) -> Result<Entry, DriveError> {
        let (parent, _) = spot.path.split().ok_or(DriveError::RootRefused)?;
        let name = NewName::parse(name)?;
        let to = parent.join(name.as_os()).ok_or(DriveError::NameRefused)?;
        let folder = spot.at.with(Right::Write)?;
        self.decide(Kind::FileMoved, folder)?;
        let route = Route {
            from: spot.path,
            to,
            conflict: OnConflict::Fail,
            moving: true,
        };
        let (journal, of) = (self.room.journal.clone(), folder.name().as_str().to_owned());
        let step = folder.work(move |root| transfer::begin((root, root), &route, (&journal, &of)));
        match step.await? {
            Step::Done(entry) => Ok(entry),
            // Another drive is mounted there.
            Step::Job => Err(DriveError::InUse),
        }
    }

    /// Throws away what is at a path. It can be had back from the trash.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `delete`, [`DriveError::RootRefused`],
    /// [`DriveError::TrashUnavailable`], and what the drive says.
    pub async fn throw_away(&self, spot: Spot) -> Result<(), DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Delete)?;
        if path.is_root() {
            return Err(DriveError::RootRefused);
        }
        self.decide(Kind::FileDeleted, folder)?;
        let (trash, now) = (self.room.trash.clone(), self.room.clock.wall());
        folder
            .work(move |root| {
                let place = Place::find(root, &path)?;
                trash.take(&place, now)?;
                handle::settle(&place.parent);
                Ok(())
            })
            .await
    }

    /// Opens the file at a path in its application.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `read`, [`DriveError::OpenRefused`],
    /// [`DriveError::OpenFailed`], and what the drive says.
    pub async fn open(&self, spot: Spot) -> Result<(), DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Read)?;
        self.decide(Kind::FileOpened, folder)?;
        let (of_work, room) = (Arc::clone(folder), Arc::clone(&self.room));
        folder
            .work(move |root| {
                if path.is_root() {
                    return Err(DriveError::NotAFile);
                }
                let place = native::openable(&of_work, root, &path)?;
                (room.hands.open)(&place).map_err(|_| DriveError::OpenFailed)
            })
            .await
    }

    /// Opens the file at a path to read it.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `read`, [`DriveError::NotAFile`], and what
    /// the drive says.
    pub async fn read(&self, spot: Spot) -> Result<Reading, DriveError> {
        let path = spot.path;
        let folder = spot.at.with(Right::Read)?;
        folder
            .work(move |root| {
                if path.is_root() {
                    return Err(DriveError::NotAFile);
                }
                let file = within_reach(root, &path, handle::file(root, &path))?;
                let name = last(&path).to_owned();
                Ok(Reading {
                    size: file.metadata()?.len(),
                    media_type: media_type(OsStr::new(&name)),
                    name,
                    file,
                })
            })
            .await
    }

    /// Copies or moves. With `overwrite`, over what is there. Folders on the way to
    /// the target are made.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`]: a copy needs `read` and there `write`; a move in
    /// one folder `write`, else `read` and `delete` and there `write`; one over a
    /// folder there also `delete`. [`DriveError::AlreadyExists`] with both infos,
    /// [`DriveError::SameFile`], [`DriveError::InsideItself`], and what the drives say.
    pub async fn carry(
        &self,
        from: Spot,
        to: Spot,
        moving: bool,
        overwrite: bool,
    ) -> Result<(), DriveError> {
        let within_one = from.at.folder().name() == to.at.folder().name();
        to.at.with(Right::Write)?;
        match (moving, within_one) {
            (false, _) => from.at.with(Right::Read)?,
            (true, true) => from.at.with(Right::Write)?,
            (true, false) => from.at.with(Right::Read).and(from.at.with(Right::Delete))?,
        };
        let kind = match moving {
            true => Kind::FileMoved,
            false => Kind::FileCopied,
        };
        self.decide(kind, to.at.folder())?;
        let route = Route {
            from: from.path,
            to: to.path,
            conflict: match overwrite {
                true => OnConflict::Replace,
                false => OnConflict::Fail,
            },
            moving,
        };
        let may_throw = to.at.with(Right::Delete).is_ok();
        let ends = (Arc::clone(from.at.folder()), Arc::clone(to.at.folder()));
        let begun = self.begin(&ends, route.clone()).await;
        let begun = match begun {
            Err(DriveError::PathUnknown) => {
                self.make_way(&ends, route.clone()).await?;
                self.begin(&ends, route.clone()).await
            }
            begun => begun,
        };
        match begun {
            Ok(Step::Done(_)) => Ok(()),
            Ok(Step::Job) => self.job(&ends, &route, false).await,
            Err(DriveError::AlreadyExists(_)) if overwrite && !moving => {
                self.job(&ends, &route, true).await
            }
            Err(DriveError::AlreadyExists(_)) if overwrite && !may_throw => {
                Err(DriveError::RightMissing)
            }
            Err(DriveError::AlreadyExists(_)) if overwrite => {
                self.give_way(&ends, route.clone()).await?;
                match self.begin(&ends, route.clone()).await? {
                    Step::Done(_) => Ok(()),
                    Step::Job => self.job(&ends, &route, false).await,
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn begin(&self, ends: &Ends, route: Route) -> Result<Step, DriveError> {
        let (from, to) = ends;
        let (journal, of) = (self.room.journal.clone(), to.name().as_str().to_owned());
        from.work_with(to, move |from, to| {
            transfer::begin((from, to), &route, (&journal, &of))
        })
        .await
    }

    /// Makes the folders that the target goes into, if there is a source.
    async fn make_way(&self, ends: &Ends, route: Route) -> Result<(), DriveError> {
        let (from, to) = ends;
        from.work_with(to, move |from, to| {
            Place::find(from, &route.from)?.look()?;
            let (parent, _) = route.to.split().ok_or(DriveError::RootRefused)?;
            make_folders(to, &parent)
        })
        .await
    }

    /// Throws the folder or file away that a folder is moved over.
    async fn give_way(&self, ends: &Ends, route: Route) -> Result<(), DriveError> {
        let (from, to) = ends;
        self.decide(Kind::FileDeleted, to)?;
        let (trash, now): (Trash, _) = (self.room.trash.clone(), self.room.clock.wall());
        from.work_with(to, move |from, to| {
            let (from, to) = (Place::find(from, &route.from)?, Place::find(to, &route.to)?);
            let source = Identity::of(&from.look()?);
            let target = Identity::of(&to.look()?);
            // It would be thrown away with what it is in.
            if source == target || handle::is_within(&from.parent, target)? {
                return Err(DriveError::InsideItself);
            }
            trash.take(&to, now)?;
            handle::settle(&to.parent);
            Ok(())
        })
        .await
    }

    async fn job(&self, ends: &Ends, route: &Route, merging: bool) -> Result<(), DriveError> {
        let (from, to) = (Arc::clone(&ends.0), Arc::clone(&ends.1));
        let name = to.name().as_str().to_owned();
        let task = Task {
            key_id: self.key_id.clone(),
            kind: match route.moving {
                true => JobKind::Move,
                false => JobKind::Copy,
            },
            folder: from.name().as_str().to_owned(),
            path: route.from.as_str().to_owned(),
            to: Some(JobPlace {
                folder: name.clone(),
                path: route.to.as_str().to_owned(),
            }),
        };
        let (told, heard) = oneshot::channel();
        let folders = vec![Arc::clone(&from), Arc::clone(&to)];
        let (route, journal) = (route.clone(), self.room.journal.clone());
        self.room.start(task, folders, move |progress| {
            let work = || {
                let roots = (&from.open()?, &to.open()?);
                match merging {
                    true => merge(roots, &route, (&journal, &name), progress, 0)
                        .map(|()| End::default()),
                    false => transfer::carry(roots, &route, (&journal, &name), progress).map(
                        |Carried { entry, trouble }| End {
                            entry: Some(entry),
                            trouble,
                        },
                    ),
                }
            };
            let end = work();
            let trouble = match &end {
                Ok(end) => end.trouble.clone(),
                Err(trouble) => Some(trouble.clone()),
            };
            // Its caller may have hung up.
            let _ = told.send(trouble);
            end
        })?;
        match heard.await {
            Ok(None) => Ok(()),
            Ok(Some(trouble)) => Err(trouble),
            Err(_) => Err(DriveError::Cancelled),
        }
    }

    pub(super) fn decide(&self, kind: Kind, folder: &Folder) -> Result<(), DriveError> {
        self.room.decide(kind, &self.key_id, folder.name().as_str())
    }
}

type Ends = (Arc<Folder>, Arc<Folder>);

/// Makes the folder at `path`, and those above it.
pub(super) fn make_folders(root: &Dir, path: &RelPath) -> Result<(), DriveError> {
    let mut so_far = RelPath::root();
    for name in path.as_str().split('/').filter(|name| !name.is_empty()) {
        let text = match so_far.is_root() {
            true => name.to_owned(),
            false => format!("{}/{name}", so_far.as_str()),
        };
        so_far = RelPath::parse(&text)?;
        let place = Place::find(root, &so_far)?;
        if place.look_for()?.is_none() {
            NewName::parse(name)?;
            match place.parent.create_dir(&place.name) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error.into());
                }
                _ => handle::settle(&place.parent),
            }
        }
    }
    Ok(())
}

/// Copies a folder into the one that is there; anything else over what is there.
fn merge(
    roots: (&Dir, &Dir),
    route: &Route,
    scratch: (&Journal, &str),
    progress: &Progress,
    depth: usize,
) -> Result<(), DriveError> {
    progress.go_on()?;
    if depth > defaults::TREE_DEPTH {
        return Err(DriveError::TooDeep);
    }
    let from = Place::find(roots.0, &route.from)?;
    let to = Place::find(roots.1, &route.to)?;
    let there = to.look_for()?;
    if !(from.look()?.is_dir() && there.is_some_and(|there| there.is_dir())) {
        return transfer::carry(roots, route, scratch, progress).map(|_| ());
    }
    let (source, target) = (from.open_dir()?, to.open_dir()?);
    let (of_source, of_target) = (Identity::of_dir(&source)?, Identity::of_dir(&target)?);
    if of_source == of_target {
        return Err(DriveError::SameFile);
    }
    if handle::is_within(&target, of_source)? {
        return Err(DriveError::InsideItself);
    }
    for entry in source.entries()? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().starts_with(OURS.as_bytes()) {
            continue;
        }
        let below = Route {
            from: route.from.join(&name).ok_or(DriveError::TooDeep)?,
            to: route.to.join(&name).ok_or(DriveError::TooDeep)?,
            ..route.clone()
        };
        merge(roots, &below, scratch, progress, depth + 1)?;
    }
    Ok(())
}

/// Tells what is absent from what a link on the way leads out to, or nowhere: of the
/// latter only that it does.
fn within_reach<T>(
    root: &Dir,
    path: &RelPath,
    found: Result<T, DriveError>,
) -> Result<T, DriveError> {
    match found {
        Err(DriveError::PathUnknown) if leads_out(root, path) => Err(DriveError::LeadsOut),
        found => found,
    }
}

fn leads_out(root: &Dir, path: &RelPath) -> bool {
    let native = path.native();
    let mut ways: Vec<_> = native.ancestors().collect();
    ways.pop();
    ways.reverse();
    let is_link = |way: &&&std::path::Path| {
        let looked = root.symlink_metadata(way);
        looked.is_ok_and(|metadata| metadata.is_symlink())
    };
    ways.iter()
        .find(is_link)
        .is_some_and(|way| root.metadata(way).is_err())
}

/// The folder itself, which has no name and no path.
fn root_entry(root: &Dir) -> Result<Entry, DriveError> {
    let looked = root.dir_metadata()?;
    Ok(Entry {
        name: String::new(),
        path: String::new(),
        kind: EntryKind::Directory,
        leads_to: None,
        size: None,
        modified_at: looked.modified().ok().and_then(|at| told(at.into_std())),
        created_at: looked.created().ok().and_then(|at| told(at.into_std())),
        hidden: false,
        read_only: looked.permissions().readonly(),
        media_type: None,
        etag: None,
    })
}
