//! Long operations: told while they run, and ended when asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_guard::{Clock, Moment, Secret};
use serde::Serialize;

use super::entry::Entry;
use super::error::DriveError;
use super::progress::{Counts, Progress};
use crate::defaults;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobKind {
    /// Copies.
    Copy,
    /// Copies to another drive, then removes the source.
    Move,
    /// Removes for good.
    Delete,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// Others of its folder run.
    Waiting,
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed; a target is as it was.
    Failed,
    /// It was ended before it was done.
    Cancelled,
}

/// A place that a job goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct JobPlace {
    /// The folder's name.
    pub folder: String,
    /// Where in it.
    pub path: String,
}

/// A job, as its page sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its name.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// The folder that it works in, or copies from.
    pub folder: String,
    /// Where in it.
    pub path: String,
    /// Where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<JobPlace>,
    /// Bytes so far.
    pub done_bytes: u64,
    /// Bytes in all; more while it still counts.
    pub total_bytes: u64,
    /// Files, folders and links so far.
    pub done_files: u64,
    /// Files, folders and links in all; more while it still counts.
    pub total_files: u64,
    /// What a move left where it was, because it was changed meanwhile.
    pub left_files: u64,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// What was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// Why it failed, by its stable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a job is about.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) key_id: String,
    pub(super) kind: JobKind,
    pub(super) folder: String,
    pub(super) path: String,
    pub(super) to: Option<JobPlace>,
}

/// How a job ended.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) entry: Option<Entry>,
    pub(super) trouble: Option<DriveError>,
}

/// All jobs of a bridge.
#[derive(Debug)]
pub(super) struct Jobs {
    clock: Clock,
    table: Mutex<HashMap<String, Arc<Job>>>,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    id: String,
    task: Task,
    started: Moment,
    pub(super) progress: Progress,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Running,
    Over(Moment, End),
}

impl Jobs {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            table: Mutex::default(),
        }
    }

    /// A new job. It waits until it is [`Jobs::run`].
    pub(super) fn add(&self, task: Task) -> Result<Arc<Job>, DriveError> {
        let mut table = self.table();
        self.forget_old(&mut table);
        let own = table.values().filter(|job| job.task.key_id == task.key_id);
        if own.filter(|job| !job.is_over()).count() >= defaults::JOBS_PER_KEY {
            return Err(DriveError::Full);
        }
        let job = Arc::new(Job {
            id: Secret::<16>::random().reveal().to_string(),
            task,
            started: self.clock.now(),
            progress: Progress::default(),
            stage: Mutex::new(Stage::Waiting),
        });
        table.insert(job.id.clone(), Arc::clone(&job));
        Ok(job)
    }

    /// It runs now.
    pub(super) fn run(&self, job: &Job) {
        *job.stage() = Stage::Running;
    }

    /// It is over.
    pub(super) fn end(&self, job: &Job, end: Result<End, DriveError>) {
        let end = end.unwrap_or_else(|trouble| End {
            entry: None,
            trouble: Some(trouble),
        });
        *job.stage() = Stage::Over(self.clock.now(), end);
    }

    /// The job called `id`, of this pairing.
    pub(super) fn find(&self, key_id: &str, id: &str) -> Result<Arc<Job>, DriveError> {
        let table = self.table();
        let job = table.get(id).filter(|job| job.task.key_id == key_id);
        job.cloned().ok_or(DriveError::JobUnknown)
    }

    /// Every job of this pairing, the newest first.
    pub(super) fn list(&self, key_id: &str) -> Vec<JobView> {
        let mut table = self.table();
        self.forget_old(&mut table);
        let mut jobs: Vec<_> = table
            .values()
            .filter(|job| job.task.key_id == key_id)
            .collect();
        jobs.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.id.cmp(&b.id)));
        jobs.into_iter().map(|job| self.view(job)).collect()
    }

    /// Ends every job of a pairing that ended, or of all.
    pub(super) fn cancel_all(&self, key_id: Option<&str>) {
        let table = self.table();
        for job in table.values() {
            if key_id.is_none_or(|key_id| job.task.key_id == key_id) {
                job.progress.cancel();
            }
        }
    }

    /// How it is.
    pub(super) fn view(&self, job: &Job) -> JobView {
        let Counts {
            bytes,
            files,
            all_bytes,
            all_files,
            left,
        } = job.progress.counts();
        let stage = job.stage();
        let (ended, end) = match &*stage {
            Stage::Over(at, end) => (Some(*at), Some(end)),
            Stage::Waiting | Stage::Running => (None, None),
        };
        let trouble = end.and_then(|end| end.trouble.as_ref());
        let rule = trouble
            .filter(|why| **why != DriveError::Cancelled)
            .map(DriveError::rule);
        JobView {
            id: job.id.clone(),
            kind: job.task.kind,
            state: match (&*stage, trouble) {
                (Stage::Waiting, _) => JobState::Waiting,
                (Stage::Running, _) => JobState::Running,
                (Stage::Over(..), None) => JobState::Done,
                (Stage::Over(..), Some(DriveError::Cancelled)) => JobState::Cancelled,
                (Stage::Over(..), Some(_)) => JobState::Failed,
            },
            folder: job.task.folder.clone(),
            path: job.task.path.clone(),
            to: job.task.to.clone(),
            done_bytes: bytes,
            total_bytes: all_bytes.max(bytes),
            done_files: files,
            total_files: all_files.max(files),
            left_files: left,
            started_at: self.clock.rfc3339(job.started),
            ended_at: ended.map(|at| self.clock.rfc3339(at)),
            entry: end.and_then(|end| end.entry.clone()),
            denial: rule.map(|rule| rule.name().to_owned()),
            message: rule.map(|rule| rule.message().to_owned()),
        }
    }

    fn forget_old(&self, table: &mut HashMap<String, Arc<Job>>) {
        let now = self.clock.now();
        let mut over: Vec<_> = table
            .values()
            .filter_map(|job| match &*job.stage() {
                Stage::Over(at, _) => Some((*at, job.id.clone(), job.task.key_id.clone())),
                Stage::Waiting | Stage::Running => None,
            })
            .collect();
        over.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        let mut of_key: HashMap<String, usize> = HashMap::new();
        for (at, id, key_id) in over {
            let seen = of_key.entry(key_id).or_default();
            *seen += 1;
            if now.since(at) > defaults::JOB_KEPT || *seen > defaults::JOBS_KEPT {
                table.remove(&id);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Job>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    pub(super) fn key_id(&self) -> &str {
        &self.task.key_id
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(&*self.stage(), Stage::Over(..))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn task(key_id: &str) -> Task {
        Task {
            key_id: key_id.to_owned(),
            kind: JobKind::Delete,
            folder: "A".to_owned(),
            path: "b".to_owned(),
            to: None,
        }
    }

    #[test]
    fn a_job_is_its_pages_own_and_is_remembered_for_a_while() {
        let (clock, hand) = Clock::fake();
        let jobs = Jobs::new(&clock);
        let job = jobs.add(task("one")).unwrap();
        let id = jobs.view(&job).id;
        assert_eq!(jobs.view(&job).state, JobState::Waiting);
        assert_eq!(jobs.find("two", &id).unwrap_err(), DriveError::JobUnknown);
        jobs.run(&job);
        hand.advance(Duration::from_secs(3_600));
        assert_eq!(jobs.list("one").len(), 1, "what runs is not forgotten");
        jobs.end(&job, Err(DriveError::DiskFull));
        let view = jobs.view(&job);
        assert_eq!(
            (view.state, view.denial.as_deref()),
            (JobState::Failed, Some("diskFull"))
        );
        hand.advance(defaults::JOB_KEPT + Duration::from_secs(1));
        assert!(jobs.list("one").is_empty());
    }

    #[test]
    fn one_page_has_few_jobs_and_its_end_cancels_them() {
        let (clock, _) = Clock::fake();
        let jobs = Jobs::new(&clock);
        let all: Vec<_> = (0..defaults::JOBS_PER_KEY)
            .map(|_| jobs.add(task("one")).unwrap())
            .collect();
        assert_eq!(jobs.add(task("one")).unwrap_err(), DriveError::Full);
        let other = jobs.add(task("two")).unwrap();
        jobs.cancel_all(Some("one"));
        assert!(
            all.iter()
                .all(|job| job.progress.go_on() == Err(DriveError::Cancelled))
        );
        assert!(other.progress.go_on().is_ok());
        jobs.end(&all[0], Err(DriveError::Cancelled));
        assert_eq!(jobs.view(&all[0]).state, JobState::Cancelled);
        assert!(jobs.add(task("one")).is_ok());
    }
}
