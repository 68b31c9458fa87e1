//! The thread that writes.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Rule, defaults};

use super::book::Book;
use super::{Shared, locked};

/// A decision waits this long for its line. Writing takes microseconds; who
/// waits longer holds up a thread that serves others.
const DECIDE_WITHIN: Duration = Duration::from_secs(2);

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Write it when you can.
    Note(Event),
    /// Write it; somebody waits.
    Decision(Event, Arc<Slip>),
    /// Look at the flags.
    Wake,
}

/// On which the writer tells what became of a decision.
#[derive(Debug, Default)]
pub(super) struct Slip {
    stage: Mutex<Stage>,
    changed: Condvar,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    Failed,
    /// Nobody knows yet, and it is too late.
    Late,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Waiting,
    Done(Fate),
}

impl Slip {
    /// Waits for the writer. After [`Fate::Late`] the decision must not take
    /// effect; the writer will not write it, or write that it was given up.
    pub(super) fn wait(&self) -> Fate {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut stage, _) = self
            .changed
            .wait_timeout_while(stage, DECIDE_WITHIN, |stage| *stage == Stage::Waiting)
            .unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Done(fate) => fate,
            Stage::Waiting => {
                *stage = Stage::Done(Fate::Late);
                Fate::Late
            }
        }
    }

    fn is_given_up(&self) -> bool {
        *locked(&self.stage) == Stage::Done(Fate::Late)
    }

    /// Whether anybody still waited.
    fn tell(&self, fate: Fate) -> bool {
        let mut stage = locked(&self.stage);
        if *stage != Stage::Waiting {
            return false;
        }
        *stage = Stage::Done(fate);
        self.changed.notify_all();
        true
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    book: Book,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
}

impl Writer {
    pub(super) fn new(book: Book, shared: Arc<Shared>, jobs: Receiver<Job>) -> Self {
        Self { book, shared, jobs }
    }

    pub(super) fn run(mut self) {
        while !self.shared.stopping.load(Ordering::Acquire) {
            match self.next() {
                Ok(job) => self.perform(job),
                Err(RecvTimeoutError::Timeout) => self.tell_lost(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.shared.stuck.store(false, Ordering::Release);
            self.tell_held();
        }
        while let Ok(job) = self.jobs.try_recv() {
            self.perform(job);
        }
        let held = locked(&self.shared.coalescer).flush();
        for event in held {
            self.note(&event);
        }
        self.tell_lost();
        if let Err(error) = self.book.sync() {
            tracing::error!(%error, "the audit log could not be synced");
        }
    }

    /// Waits without end only if nothing is held that must be told in time.
    fn next(&self) -> Result<Job, RecvTimeoutError> {
        let pending = self.shared.lost.load(Ordering::Acquire) > 0
            || !locked(&self.shared.coalescer).is_idle();
        if pending {
            self.jobs.recv_timeout(defaults::AUDIT_COALESCE)
        } else {
            self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    fn perform(&mut self, job: Job) {
        match job {
            Job::Note(event) => self.note(&event),
            Job::Decision(event, slip) => self.decision(event, &slip),
            Job::Wake => {}
        }
    }

    fn note(&mut self, event: &Event) {
        if self.write(event) {
            self.tell_lost();
        } else {
            self.shared.lost.fetch_add(event.number(), Ordering::AcqRel);
        }
    }

    fn decision(&mut self, event: Event, slip: &Slip) {
        if slip.is_given_up() {
            return;
        }
        let written = self.write(&event);
        let waited = slip.tell(if written { Fate::Written } else { Fate::Failed });
        if written && !waited {
            // It stands there as done, and was not.
            self.write(
                &event
                    .denied(Rule::Internal)
                    .detail("given up: the line came too late"),
            );
        }
    }

    /// What was coalesced long enough.
    fn tell_held(&mut self) {
        let due = locked(&self.shared.coalescer).due(self.shared.clock.now());
        for event in due {
            self.note(&event);
        }
    }

    fn tell_lost(&mut self) {
        let lost = self.shared.lost.load(Ordering::Acquire);
        if lost == 0 {
            return;
        }
        let event = Event::allowed(Kind::AuditLost, "audit")
            .count(lost)
            .detail("notes that could not be written");
        if self.write(&event) {
            self.shared.lost.fetch_sub(lost, Ordering::AcqRel);
        }
    }

    fn write(&mut self, event: &Event) -> bool {
        match self.book.append(event) {
            Ok(record) => {
                if locked(&self.shared.failure).take().is_some() {
                    tracing::info!("the audit log is written again");
                }
                *locked(&self.shared.end) = record.link();
                locked(&self.shared.ring).push(record.clone());
                // An error says that nobody listens.
                let _ = self.shared.live.send(record);
                true
            }
            Err(error) => {
                let why = error.to_string();
                if locked(&self.shared.failure).replace(why.clone()).is_none() {
                    tracing::error!(error = %why, "the audit log cannot be written: nothing is allowed until it can");
                }
                false
            }
        }
    }
}
