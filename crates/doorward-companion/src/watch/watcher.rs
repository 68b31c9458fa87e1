//! The one who watches: the system's queue, the table, and the task between them.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use doorward_guard::Rule;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::message::Gone;
use super::platform::{Node, System, Watch};
use super::table::{Joined, Look, Stamp, Table, Taken};
use crate::defaults;
use crate::drives::{DriveError, RelPath};

/// Watches folders for all pages. Starts when the first folder is watched; clones
/// share it, and it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    system: Arc<System>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Core {
    table: Mutex<Table>,
    /// A folder was left, so there is a time to end it.
    left: Notify,
}

/// One of the subscriptions that a key may have; dropping it makes room.
#[derive(Debug)]
pub(super) struct Slot {
    core: Arc<Core>,
    key: String,
}

/// A look at a folder; dropping it leaves.
#[derive(Debug)]
pub(super) struct Seat {
    core: Arc<Core>,
    taken: Taken,
    node: Node,
    _slot: Slot,
}

/// Opens the folder at `path` to watch it. May block.
///
/// # Errors
///
/// [`DriveError::PathUnknown`], [`DriveError::NotAFolder`],
/// [`DriveError::AccessDenied`], and what else the drive says.
pub fn open_folder(dir: &Dir, path: &RelPath) -> Result<File, DriveError> {
    Ok(dir.open_dir(path.native())?.into_std_file())
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher {
    /// Nothing is watched.
    #[must_use]
    pub fn new() -> Self {
        let core = Arc::new(Core {
            table: Mutex::new(Table::new()),
            left: Notify::new(),
        });
        Self(Arc::new(Inner {
            core,
            running: Mutex::default(),
        }))
    }

    pub(super) fn slot(&self, key: &str) -> Result<Slot, Rule> {
        let core = Arc::clone(&self.0.core);
        core.table().take_slot(key)?;
        Ok(Slot {
            core,
            key: key.to_owned(),
        })
    }

    /// Watches the folder that is open; `bell` rings when there is something to look
    /// at.
    pub(super) async fn join(
        &self,
        dir: File,
        slot: Slot,
        bell: Arc<Notify>,
    ) -> Result<Seat, Rule> {
        let system = self.system().map_err(|error| refused(&error))?;
        let core = Arc::clone(&self.0.core);
        // A drive that answered may have stopped to. The thread keeps the slot.
        let join = move || join(&core, &system, &dir, slot, &bell);
        let joined = timeout(
            defaults::WATCH_JOIN_WITHIN,
            tokio::task::spawn_blocking(join),
        );
        match joined.await {
            Ok(Ok(joined)) => joined,
            Ok(Err(_)) => Err(Rule::Internal),
            Err(_) => Err(Rule::FolderSlow),
        }
    }

    fn system(&self) -> io::Result<Arc<System>> {
        let running = &self.0.running;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref().filter(|own| !own.task.is_finished()) {
            return Ok(Arc::clone(&running.system));
        }
        let system = Arc::new(System::open()?);
        let (core, own) = (Arc::clone(&self.0.core), Arc::clone(&system));
        let task = tokio::spawn(async move { run(&core, &own).await });
        *running = Some(Running {
            system: Arc::clone(&system),
            task,
        });
        Ok(system)
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> ((usize, usize, usize), usize) {
        let table = self.0.core.table();
        (table.counts(), table.slots())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let running = self.running.get_mut();
        if let Some(running) = running.unwrap_or_else(PoisonError::into_inner) {
            running.task.abort();
        }
    }
}

impl Core {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join(
    core: &Arc<Core>,
    system: &System,
    dir: &File,
    slot: Slot,
    bell: &Arc<Notify>,
) -> Result<Seat, Rule> {
    let node = System::node(dir).map_err(|error| refused(&error))?;
    let mut made = None;
    let joined = try_join(core, system, dir, bell, &mut made);
    if let (Err(_), Some(watch)) = (&joined, made) {
        let mut table = core.table();
        if table.gives_up(watch) {
            system.end(watch);
        }
    }
    Ok(Seat {
        core: Arc::clone(core),
        taken: joined?,
        node,
        _slot: slot,
    })
}

fn try_join(
    core: &Core,
    system: &System,
    dir: &File,
    bell: &Arc<Notify>,
    made: &mut Option<Watch>,
) -> Result<Taken, Rule> {
    for _ in 0..defaults::WATCH_TRIES {
        let seen = core.table().seen();
        let watch = match system.watch(dir) {
            Ok(watch) => watch,
            Err(error) if is_full(&error) => {
                // One that nobody looks at makes room.
                let mut table = core.table();
                let over = table.end_one_left().ok_or(Rule::WatchLimit)?;
                system.end(over);
                continue;
            }
            Err(error) => return Err(refused(&error)),
        };
        *made = Some(watch);
        let mut table = core.table();
        let mut over = None;
        let joined = table.join(watch, seen, bell, &mut over);
        // While the table is held: nobody else may get one that ends.
        over.into_iter().for_each(|over| system.end(over));
        match joined {
            Joined::Taken(taken) => return Ok(taken),
            Joined::Again => {}
            Joined::Full => return Err(Rule::CapacityReached),
        }
    }
    Err(Rule::Busy)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::OutOfMemory
    )
}

/// What the system says to a watch, as a rule.
fn refused(error: &io::Error) -> Rule {
    match error.kind() {
        io::ErrorKind::Unsupported => Rule::WatchUnsupported,
        // The queues of this user, or its files.
        _ if is_full(error) || is_out_of_files(error) => Rule::WatchLimit,
        kind => DriveError::from(io::Error::from(kind)).rule(),
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn is_out_of_files(_: &io::Error) -> bool {
    false
}

/// Hears the system, and tells what it says after a while.
async fn run(core: &Core, system: &System) {
    let mut signals = Vec::new();
    loop {
        let due = core.table().due();
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = system.hear(&mut signals) => {
                if heard.is_err() {
                    return core.table().end_all(Gone::Failed);
                }
                let (mut table, now) = (core.table(), Instant::now());
                for signal in signals.drain(..) {
                    table.note(signal, now);
                }
            }
            () = due => {
                let (mut table, now) = (core.table(), Instant::now());
                table.tell(now);
                for over in table.end_left(now) {
                    system.end(over);
                }
            }
            () = core.left.notified() => {}
        }
    }
}

// === impl Seat ===

impl Seat {
    pub(super) fn node(&self) -> Node {
        self.node
    }

    /// What the numbers belong to.
    pub(super) fn epoch(&self) -> &str {
        &self.taken.epoch
    }

    /// What the folder was like when the seat was taken.
    pub(super) fn stamp(&self) -> Stamp {
        self.taken.stamp
    }

    pub(super) fn look(&self, heard: u64) -> Option<Look> {
        self.core.table().look(self.taken.directory, heard)
    }

    pub(super) fn reaches(&self, epoch: &str, sequence: u64) -> bool {
        let table = self.core.table();
        table.reaches(self.taken.directory, epoch, sequence)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Taken {
            directory, seat, ..
        } = self.taken;
        self.core.table().leave(directory, seat, Instant::now());
        self.core.left.notify_one();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.core.table().leave_slot(&self.key);
    }
}
