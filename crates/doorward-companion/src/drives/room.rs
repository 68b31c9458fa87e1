//! The room: folders, jobs and uploads of one bridge, and what it is given by whoever
//! puts the bridge together.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::{Clock, Refusal, Rule};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::error::DriveError;
use super::folders::{Folder, Folders, Granted};
use super::handle::Place;
use super::jobs::{End, Job, JobView, Jobs, Task};
use super::journal::{self, Journal, Record};
use super::path::RelPath;
use super::progress::Progress;
use super::trash::Trash;
use super::tree;
use super::upload::{self, Announced, Upload, Uploads};
use crate::defaults;
use crate::pairing::{FolderName, Scopes};

/// The drives of one bridge.
pub struct Drives {
    pub(super) clock: Clock,
    audit: Arc<dyn AuditSink>,
    pub(super) folders: Arc<Folders>,
    pub(super) journal: Journal,
    pub(super) trash: Trash,
    pub(super) jobs: Jobs,
    pub(super) uploads: Uploads,
    pub(super) hands: Hands,
    recovered: OnceCell<()>,
}

/// Where the drives keep what they need between runs.
#[derive(Clone, Debug, Default)]
pub struct DrivePlaces {
    /// For records of what is unfinished. Without, a crash may leave hidden files.
    pub journal: Option<PathBuf>,
    /// The folder of user data: the user's own trash is in it. Without, only drives
    /// have one.
    pub data: Option<PathBuf>,
}

/// Says what a pairing was granted.
type Granting = dyn Fn(&str) -> Option<Scopes> + Send + Sync;
/// Tells the pages of a pairing.
type Telling = dyn Fn(&str, &Value) + Send + Sync;
/// Makes media URLs.
type Linking = dyn Fn(Wish) -> Making + Send + Sync;
/// Opens a file.
type Opening = dyn Fn(&Path) -> io::Result<()> + Send + Sync;
/// Media URLs that are being made.
pub type Making = BoxFuture<'static, Result<Vec<Link>, Refusal>>;

/// What whoever puts a bridge together does for the drives.
pub struct Hands {
    /// What a pairing was granted; `None` once it has ended.
    pub scopes: Box<Granting>,
    /// Tells the pages of a pairing.
    pub tell: Box<Telling>,
    /// Makes media URLs.
    pub link: Box<Linking>,
    /// Opens a file in its application, and does not wait for that.
    pub open: Box<Opening>,
}

/// Media URLs that a page wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The pairing: they end with it.
    pub key_id: String,
    /// Where the folder is.
    pub root: PathBuf,
    /// Files in it, that are there.
    pub paths: Vec<RelPath>,
    /// Whether browsers save them.
    pub download: bool,
}

/// A media URL.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it is of.
    pub path: String,
    /// The capability.
    pub url: String,
    /// Its public name.
    pub id: String,
    /// RFC 3339.
    pub expires_at: String,
}

impl Drives {
    /// Everything that `folders` has, for pages that `hands` knows.
    #[must_use]
    pub fn new(
        clock: &Clock,
        audit: &Arc<dyn AuditSink>,
        folders: &Arc<Folders>,
        places: &DrivePlaces,
        hands: Hands,
    ) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            audit: Arc::clone(audit),
            folders: Arc::clone(folders),
            journal: Journal::open(places.journal.as_deref()),
            trash: Trash::new(places.data.as_deref()),
            jobs: Jobs::new(clock),
            uploads: Uploads::new(clock),
            hands,
            recovered: OnceCell::new(),
        })
    }

    /// Goes on with the uploads of the run before, and removes what else it left. Once:
    /// who asks again waits for it.
    pub async fn recover(self: &Arc<Self>) {
        self.recovered.get_or_init(|| self.recover_all()).await;
    }

    async fn recover_all(self: &Arc<Self>) {
        for (scratch, record) in self.journal.recover() {
            let Some(folder) = self.named(&record.folder) else {
                // Not shared now; it may be again.
                scratch.keep();
                continue;
            };
            let wanted = record.upload.as_ref().filter(|upload| {
                let kept = defaults::UPLOAD_KEPT.as_secs();
                upload.begun.saturating_add(kept) > self.wall()
            });
            let (name, announced) = (scratch.name().to_owned(), wanted.and_then(Announced::read));
            let Some((upload, announced)) = wanted.zip(announced) else {
                if cleared(&folder, &record, name).await {
                    drop(scratch);
                } else {
                    scratch.keep();
                }
                continue;
            };
            let same_boot = upload.boot.is_some() && upload.boot == journal::boot();
            let of_file = announced.clone();
            let resumed = folder.work(move |root| upload::resume(root, &of_file, &name, same_boot));
            match resumed.await {
                Ok(offset) => {
                    let key_id = &upload.key_id;
                    self.uploads
                        .add(key_id, folder.name(), announced, scratch, offset);
                }
                Err(DriveError::PathUnknown) => drop(scratch),
                Err(_) => scratch.keep(),
            }
        }
    }

    /// Once in a while: uploads that nobody goes on with are removed.
    pub fn sweep(self: &Arc<Self>) {
        self.discard(self.uploads.due(None));
    }

    /// A pairing has ended: so have its jobs and uploads.
    pub fn end_of(self: &Arc<Self>, key_id: &str) {
        self.jobs.cancel_all(Some(key_id));
        self.discard(self.uploads.due(Some(key_id)));
    }

    /// Jobs end, and uploads wait for the next run.
    pub fn close(&self) {
        self.jobs.cancel_all(None);
        self.uploads.close();
    }

    /// The folder called `name`, as this pairing has it.
    pub(super) fn granted(&self, key_id: &str, name: &str) -> Result<Granted, DriveError> {
        let scopes = self.scopes(key_id)?;
        let name = FolderName::parse(name).ok_or(DriveError::FolderUnknown)?;
        self.folders.granted(&name, &scopes)
    }

    pub(super) fn scopes(&self, key_id: &str) -> Result<Scopes, DriveError> {
        let scopes = (self.hands.scopes)(key_id);
        scopes.ok_or_else(|| Refusal::from(Rule::SignatureInvalid).into())
    }

    /// Writes down what is about to be done; it is not, if it fails.
    pub(super) fn decide(&self, kind: Kind, key_id: &str, folder: &str) -> Result<(), DriveError> {
        let event = Event::allowed(kind, "drives").subject(key_id);
        Ok(self.audit.decide(event.detail(folder))?)
    }

    pub(super) fn wall(&self) -> u64 {
        self.clock
            .wall()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    }

    /// Runs a job, after those that run in its folders.
    pub(super) fn start(
        self: &Arc<Self>,
        task: Task,
        folders: Vec<Arc<Folder>>,
        work: impl FnOnce(&Progress) -> Result<End, DriveError> + Send + 'static,
    ) -> Result<JobView, DriveError> {
        let job = self.jobs.add(task)?;
        let view = self.jobs.view(&job);
        let room = Arc::clone(self);
        tokio::spawn(async move {
            let end = room.run(&job, folders, work).await;
            room.jobs.end(&job, end);
            room.news(&job);
        });
        Ok(view)
    }

    async fn run(
        self: &Arc<Self>,
        job: &Arc<Job>,
        mut folders: Vec<Arc<Folder>>,
        work: impl FnOnce(&Progress) -> Result<End, DriveError> + Send + 'static,
    ) -> Result<End, DriveError> {
        // In one order everywhere, so that two jobs never wait for each other.
        folders.sort_by(|a, b| a.name().cmp(b.name()));
        folders.dedup_by(|a, b| a.name() == b.name());
        let mut places = Vec::new();
        for folder in &folders {
            let place = Arc::clone(folder.jobs()).acquire_owned().await;
            places.push(place.map_err(|_| DriveError::Cancelled)?);
        }
        job.progress.go_on()?;
        self.jobs.run(job);
        self.news(job);
        let of_work = Arc::clone(job);
        let working = tokio::task::spawn_blocking(move || {
            let _places = places;
            work(&of_work.progress)
        });
        tokio::pin!(working);
        let mut tick = tokio::time::interval(defaults::JOB_TOLD);
        let mut told = job.progress.counts();
        loop {
            tokio::select! {
                done = &mut working => {
                    let stopped = |_| Err(DriveError::Failed("the work stopped".to_owned()));
                    return done.unwrap_or_else(stopped);
                }
                _ = tick.tick() => {
                    let now = job.progress.counts();
                    if std::mem::replace(&mut told, now) != now {
                        self.news(job);
                    }
                }
            }
        }
    }

    /// Tells the pages of a job how it is.
    fn news(&self, job: &Job) {
        let view = self.jobs.view(job);
        let kind = if job.is_over() {
            "job.ended"
        } else {
            "job.progress"
        };
        (self.hands.tell)(job.key_id(), &json!({ "kind": kind, "job": view }));
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Folder>> {
        FolderName::parse(name).and_then(|name| self.folders.find(&name))
    }

    fn discard(self: &Arc<Self>, uploads: Vec<Arc<Upload>>) {
        if uploads.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let room = Arc::clone(self);
        tokio::spawn(async move {
            for upload in uploads {
                room.discard_one(&upload).await;
            }
        });
    }

    pub(super) async fn discard_one(&self, upload: &Arc<Upload>) {
        let is_gone = match self.folders.find(upload.folder()) {
            Some(folder) => upload.discard(&folder).await,
            None => false,
        };
        self.uploads.end(upload, is_gone);
    }
}

/// Whether what a run left unfinished is gone.
async fn cleared(folder: &Arc<Folder>, record: &Record, name: String) -> bool {
    let Ok(within) = RelPath::parse(&record.within) else {
        return true;
    };
    let cleared = folder.work(move |root| {
        let parent = super::handle::folder(root, &within)?;
        tree::clear(&Place {
            parent,
            name: name.into(),
        })
    });
    matches!(cleared.await, Ok(()) | Err(DriveError::PathUnknown))
}

// === impl Debug ===

impl fmt::Debug for Drives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drives")
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hands")
    }
}

/// Without the URL: it is a secret.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
