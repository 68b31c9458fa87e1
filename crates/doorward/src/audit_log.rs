//! The audit on disk: JSON lines in one file, hash-chained, rotated by size.
//!
//! - A thread of its own writes; callers hand over through a queue of
//!   [`defaults::AUDIT_QUEUE`]. A decision waits until its line has reached the
//!   kernel (some tens of microseconds) and fails otherwise: disk full, file
//!   unwritable, queue full, writer stuck. Notes never wait: what does not fit is
//!   counted, and told as `audit.lost` as soon as something can be written again.
//! - Every line is handed to the kernel at once, so it survives the death of this
//!   process. `fsync` runs when a file is full and when the log is closed: after a
//!   power failure the last seconds may be missing.
//! - A full file ([`defaults::AUDIT_FILE`]) is renamed to `<name>.<number>`,
//!   numbers counting up; [`defaults::AUDIT_FILES`] are kept in all. The first
//!   record of each file is `audit.file`, bound to the last of the file before.
//!   Do not rotate it with another tool.
//! - A start goes on behind the last readable record. What stands after it (a
//!   line cut by a crash) is moved to `<name>.torn` and told as `audit.repaired`.
//! - The file is 0600, its folder 0700 if made here. One process writes at a time.

mod book;
mod read;
mod writer;

pub use read::{Follow, Report, Trouble, tail, verify};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use doorward_guard::audit::{AuditSink, Coalescer, Event, Link, Record, Ring, Select};
use doorward_guard::{Clock, Refusal, Rule, defaults};
use tokio::sync::broadcast;

use crate::platform::files::NotPrivate;
use book::Book;
use writer::{Job, Slip, Writer};

/// Records from before this start that [`AuditLog::recent`] knows: a page of the
/// console.
const REMEMBERED: usize = 500;

/// The audit on disk. Closed when dropped, or by [`AuditLog::close`].
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    shared: Arc<Shared>,
    queue: SyncSender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the callers and the writer share.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    ring: Mutex<Ring>,
    end: Mutex<Link>,
    live: broadcast::Sender<Record>,
    coalescer: Mutex<Coalescer>,
    /// Notes that were not written and not told of yet.
    lost: AtomicU64,
    /// Why the last write failed, until one succeeds.
    failure: Mutex<Option<String>>,
    /// A decision has waited too long, and nothing was written since.
    stuck: AtomicBool,
    stopping: AtomicBool,
}

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Its folder or one of its files is not private to us.
    #[error("the audit log needs {}: {source}", path.display())]
    NotPrivate {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        source: NotPrivate,
    },
    /// Reading or writing failed.
    #[error("the audit log {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Another process writes to it.
    #[error("another doorward writes to {}: stop it, or set [audit] path for this one", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The path names no file.
    #[error("{} is not the path of a file", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

impl AuditLog {
    /// Opens the log at `path`, repairs its end, and starts its writer.
    ///
    /// # Errors
    ///
    /// A folder or file that is not private to us, cannot be written, or is
    /// written to by another process.
    pub fn open(path: &Path, clock: &Clock) -> Result<Self, AuditError> {
        Self::open_with(path, clock, defaults::AUDIT_FILE)
    }

    fn open_with(path: &Path, clock: &Clock, file_limit: u64) -> Result<Self, AuditError> {
        let book = Book::open(path, clock, file_limit)?;
        let mut ring = Ring::new(defaults::AUDIT_QUEUE);
        let known = tail(path, &Select::after(0, REMEMBERED)).map_err(|source| AuditError::Io {
            path: path.to_owned(),
            source,
        })?;
        known.into_iter().for_each(|record| ring.push(record));
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            ring: Mutex::new(ring),
            end: Mutex::new(book.end().clone()),
            live: broadcast::Sender::new(defaults::EVENT_REPLAY),
            coalescer: Mutex::default(),
            lost: AtomicU64::new(0),
            failure: Mutex::default(),
            stuck: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let (queue, jobs) = sync_channel(defaults::AUDIT_QUEUE);
        let writer = Writer::new(book, Arc::clone(&shared), jobs);
        let thread = std::thread::Builder::new()
            .name("doorward-audit".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| AuditError::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            shared,
            queue,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// The file that is written to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The latest `limit` records with a number above `after`, oldest first:
    /// those of this run and a page from before it.
    #[must_use]
    pub fn recent(&self, after: u64, limit: usize) -> Vec<Record> {
        self.select(&Select::after(after, limit))
    }

    /// The last record that was written: what [`verify`] must end with.
    #[must_use]
    pub fn end(&self) -> Link {
        locked(&self.shared.end).clone()
    }

    /// Every record from now on, as it is written. A listener that is
    /// [`defaults::EVENT_REPLAY`] behind misses some; [`AuditLog::recent`] has them.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Record> {
        self.shared.live.subscribe()
    }

    /// Why nothing can be written at the moment; `None` if all is well.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        locked(&self.shared.failure).clone()
    }

    /// Writes down what is waiting and closes the file. Later decisions fail.
    pub fn close(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // A full queue wakes the writer as well.
        let _ = self.queue.try_send(Job::Wake);
        if let Some(writer) = locked(&self.writer).take() {
            // An error says that the writer panicked; the rest has seen it.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn refuse(&self, why: &str) -> Refusal {
        let failure = locked(&self.failure).clone();
        let because = failure
            .map(|failure| format!(": {failure}"))
            .unwrap_or_default();
        Refusal::from(Rule::Internal).note(format!("the audit {why}{because}"))
    }
}

/// A panic while one of these was held left it whole: each is one assignment or
/// a push.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl AuditSink ===

impl AuditSink for AuditLog {
    fn record(&self, event: Event) {
        let now = self.shared.clock.now();
        let Some(event) = locked(&self.shared.coalescer).offer(event, now) else {
            return;
        };
        let count = event.number();
        if self.queue.try_send(Job::Note(event)).is_err() {
            self.shared.lost.fetch_add(count, Ordering::AcqRel);
        }
    }

    fn decide(&self, event: Event) -> Result<(), Refusal> {
        if self.shared.stuck.load(Ordering::Acquire) {
            // If the writer has got on since, it says so now.
            let _ = self.queue.try_send(Job::Wake);
            return Err(self.shared.refuse("does not get on with writing"));
        }
        let slip = Arc::new(Slip::default());
        self.queue
            .try_send(Job::Decision(event, Arc::clone(&slip)))
            .map_err(|error| {
                self.shared.refuse(match error {
                    TrySendError::Full(_) => "has too much to write",
                    TrySendError::Disconnected(_) => "is closed",
                })
            })?;
        match slip.wait() {
            writer::Fate::Written => Ok(()),
            writer::Fate::Failed => Err(self.shared.refuse("cannot be written")),
            writer::Fate::Late => {
                self.shared.stuck.store(true, Ordering::Release);
                Err(self.shared.refuse("does not get on with writing"))
            }
        }
    }

    fn select(&self, select: &Select) -> Vec<Record> {
        locked(&self.shared.ring).select(select)
    }
}

// === impl Drop ===

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
