//! What is shared: folders that the person named, and the drives of this machine as
//! far as they said.
//!
//! A page has what both say: the rights that its pairing was granted, cut to those
//! of the folder. A folder that is not shared, is shared no more, or was not granted
//! to this page is unknown to it alike.
//!
//! Every use opens the folder anew: what is kept open keeps a drive from being
//! unplugged. It runs on threads that may block, a few for each folder, so that a
//! dead network drive stalls nothing but itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::DriveError;
use super::mounts::{self, Mount};
use crate::defaults;
use crate::pairing::{FolderName, Right, Scopes};

/// A folder that the person shares by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The name that pages say. Not `uploads`, which is a route.
    pub name: FolderName,
    /// Where it is.
    pub path: PathBuf,
    /// The most that any page may do in it.
    pub rights: Vec<Right>,
}

/// Which drives of the machine are shared besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offered {
    /// None.
    #[default]
    None,
    /// Sticks, cards and discs.
    Removable,
    /// All: the whole disk among them.
    All,
}

/// What is shared, of this bridge.
#[derive(Debug)]
pub struct Folders {
    shared: Vec<Arc<Folder>>,
    offered: Offered,
    /// Drives that were seen, so that each keeps its threads.
    drives: std::sync::Mutex<Vec<Arc<Folder>>>,
    drive_rights: Vec<Right>,
}

/// One folder or drive.
#[derive(Debug)]
pub struct Folder {
    name: FolderName,
    path: PathBuf,
    rights: Vec<Right>,
    kind: FolderKind,
    /// Of a drive: the mount that has to be at its path.
    mount: Option<String>,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    jobs: Arc<Semaphore>,
}

/// A folder as one page has it.
#[derive(Clone, Debug)]
pub struct Granted {
    folder: Arc<Folder>,
    rights: Vec<Right>,
}

/// What a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FolderKind {
    /// One that the person shares by a name.
    Folder,
    /// A drive that stays in the machine.
    Fixed,
    /// A stick, card or disc.
    Removable,
    /// A drive of another machine.
    Network,
    /// A cloud, or another program's view.
    Virtual,
    /// That cannot be told.
    Unknown,
}

/// A folder at a glance.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FolderView {
    /// The name that pages say.
    pub name: String,
    /// What may be done in it.
    #[schema(value_type = Vec<String>)]
    pub rights: Vec<Right>,
    /// What it is.
    pub kind: FolderKind,
    /// Whether it is there.
    pub state: FolderState,
    /// Whether its drive takes no changes.
    pub read_only: bool,
    /// Bytes of its drive.
    pub total_bytes: Option<u64>,
    /// Bytes of its drive that this user may still fill.
    pub free_bytes: Option<u64>,
}

/// Whether a folder can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FolderState {
    /// It can.
    Ready,
    /// It is not there, or does not answer.
    Absent,
    /// This user may not open it.
    Denied,
}

/// A name that no folder may have: it is a route.
pub const RESERVED: &str = "uploads";

impl Folders {
    /// Shares `shared` and the drives that are `offered`, these with `drive_rights`.
    #[must_use]
    pub fn new(shared: Vec<Shared>, offered: Offered, drive_rights: Vec<Right>) -> Self {
        let folder = |Shared { name, path, rights }| {
            Arc::new(Folder::new(name, path, rights, FolderKind::Folder, None))
        };
        Self {
            shared: shared.into_iter().map(folder).collect(),
            offered,
            drives: std::sync::Mutex::default(),
            drive_rights,
        }
    }

    /// Everything that is shared now: folders as they were named, then drives.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Folder>> {
        let mut all = self.shared.clone();
        all.extend(self.drives());
        all.truncate(defaults::SHARED);
        all
    }

    /// The folder called `name`, as a page with `scopes` has it.
    ///
    /// # Errors
    ///
    /// [`DriveError::FolderUnknown`], whatever the reason is.
    pub fn granted(&self, name: &FolderName, scopes: &Scopes) -> Result<Granted, DriveError> {
        self.find(name)
            .and_then(|folder| Granted::new(folder, scopes))
            .ok_or(DriveError::FolderUnknown)
    }

    /// Every folder that a page with `scopes` has.
    #[must_use]
    pub fn all_granted(&self, scopes: &Scopes) -> Vec<Granted> {
        let all = self.all().into_iter();
        all.filter_map(|folder| Granted::new(folder, scopes))
            .collect()
    }

    /// Where the folder called `name` is.
    #[must_use]
    pub fn path_of(&self, name: &FolderName) -> Option<PathBuf> {
        self.find(name).map(|folder| folder.path.clone())
    }

    /// The folder called `name`.
    #[must_use]
    pub fn find(&self, name: &FolderName) -> Option<Arc<Folder>> {
        self.all().into_iter().find(|folder| folder.name == *name)
    }

    fn drives(&self) -> Vec<Arc<Folder>> {
        let mounts = match self.offered {
            Offered::None => return Vec::new(),
            Offered::Removable => mounts::list()
                .into_iter()
                .filter(|mount| mount.kind == FolderKind::Removable)
                .collect(),
            Offered::All => mounts::list(),
        };
        let mut known = self
            .drives
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut now: Vec<Arc<Folder>> = Vec::new();
        for mount in mounts {
            let is_taken = |name: &FolderName| {
                let mut names = self.shared.iter().chain(&now);
                names.any(|folder| folder.name == *name)
            };
            let Some(name) = mount.name(is_taken) else {
                continue;
            };
            let same = |folder: &&Arc<Folder>| folder.name == name && folder.is(&mount);
            now.push(match known.iter().find(same) {
                Some(folder) => Arc::clone(folder),
                None => Arc::new(Folder::new(
                    name,
                    mount.path,
                    self.drive_rights.clone(),
                    mount.kind,
                    Some(mount.id),
                )),
            });
        }
        known.clone_from(&now);
        now
    }
}

impl Folder {
    fn new(
        name: FolderName,
        path: PathBuf,
        rights: Vec<Right>,
        kind: FolderKind,
        mount: Option<String>,
    ) -> Self {
        Self {
            name,
            path,
            rights,
            kind,
            mount,
            threads: Arc::new(Semaphore::new(defaults::FOLDER_THREADS)),
            places: Arc::new(Semaphore::new(defaults::FOLDER_PLACES)),
            jobs: Arc::new(Semaphore::new(defaults::JOBS_PER_FOLDER)),
        }
    }

    /// The name that pages say.
    #[must_use]
    pub fn name(&self) -> &FolderName {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> FolderKind {
        self.kind
    }

    /// The most that a page may do in it.
    #[must_use]
    pub fn rights(&self) -> &[Right] {
        &self.rights
    }

    /// Places of jobs that run in it.
    pub(super) fn jobs(&self) -> &Arc<Semaphore> {
        &self.jobs
    }

    /// Opens it. May block.
    ///
    /// # Errors
    ///
    /// [`DriveError::FolderAbsent`] if it is not there or no folder,
    /// [`DriveError::AccessDenied`].
    pub fn open(&self) -> Result<Dir, DriveError> {
        let absent = |error: std::io::Error| match DriveError::from(error) {
            DriveError::AccessDenied => DriveError::AccessDenied,
            DriveError::Failed(why) => DriveError::Failed(why),
            _ => DriveError::FolderAbsent,
        };
        let dir = Dir::open_ambient_dir(&self.path, ambient_authority()).map_err(absent)?;
        match &self.mount {
            // What is below a mount point when its drive is gone is not the drive.
            Some(mount) if mounts::mount_of(&dir).is_some_and(|now| now != *mount) => {
                Err(DriveError::FolderAbsent)
            }
            _ => Ok(dir),
        }
    }

    /// Runs `work` on the open folder, on a thread that may block.
    ///
    /// # Errors
    ///
    /// Those of [`Folder::open`] and of `work`; [`DriveError::FolderBusy`],
    /// [`DriveError::FolderSlow`] after [`defaults::FOLDER_WITHIN`]. Then the work may
    /// go on, and holds its thread.
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Dir) -> Result<T, DriveError> + Send + 'static,
    ) -> Result<T, DriveError> {
        self.work_within(defaults::FOLDER_WITHIN, work).await
    }

    /// The same within another time.
    ///
    /// # Errors
    ///
    /// As [`Folder::work`].
    pub async fn work_within<T: Send + 'static>(
        self: &Arc<Self>,
        within: Duration,
        work: impl FnOnce(&Dir) -> Result<T, DriveError> + Send + 'static,
    ) -> Result<T, DriveError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| DriveError::FolderBusy)?;
        let folder = Arc::clone(self);
        let working = async move {
            let thread = folder.thread(place).await?;
            let run = move || {
                let _thread = thread;
                work(&folder.open()?)
            };
            let done = tokio::task::spawn_blocking(run).await;
            done.unwrap_or_else(|_| Err(DriveError::Failed("the work stopped".to_owned())))
        };
        let done = tokio::time::timeout(within, working).await;
        done.unwrap_or(Err(DriveError::FolderSlow))
    }

    /// The same with `other` open as well.
    ///
    /// # Errors
    ///
    /// As [`Folder::work`]; [`DriveError::FolderBusy`] if no thread may wait for
    /// `other`.
    pub(super) async fn work_with<T: Send + 'static>(
        self: &Arc<Self>,
        other: &Arc<Self>,
        work: impl FnOnce(&Dir, &Dir) -> Result<T, DriveError> + Send + 'static,
    ) -> Result<T, DriveError> {
        if self.name == other.name {
            return self.work(|root| work(root, root)).await;
        }
        let waits = Arc::clone(&other.threads).try_acquire_owned();
        let waits = waits.map_err(|_| DriveError::FolderBusy)?;
        let other = Arc::clone(other);
        let both = move |root: &Dir| {
            let _waits = waits;
            work(root, &other.open()?)
        };
        self.work(both).await
    }

    async fn thread(
        &self,
        place: OwnedSemaphorePermit,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), DriveError> {
        let thread = Arc::clone(&self.threads).acquire_owned().await;
        Ok((thread.map_err(|_| DriveError::FolderBusy)?, place))
    }

    /// How it is.
    pub async fn view(self: &Arc<Self>, rights: &[Right]) -> FolderView {
        let looked = self.work_within(defaults::FOLDER_LOOK_WITHIN, |dir| Ok(mounts::space(dir)));
        let (state, space) = match looked.await {
            Ok(space) => (FolderState::Ready, space),
            Err(DriveError::AccessDenied) => (FolderState::Denied, None),
            Err(_) => (FolderState::Absent, None),
        };
        FolderView {
            name: self.name.as_str().to_owned(),
            rights: rights.to_vec(),
            kind: self.kind,
            state,
            read_only: space.is_some_and(|space| space.read_only),
            total_bytes: space.map(|space| space.total),
            free_bytes: space.map(|space| space.free),
        }
    }

    fn is(&self, mount: &Mount) -> bool {
        self.path == mount.path && self.mount.as_ref() == Some(&mount.id)
    }
}

impl Granted {
    fn new(folder: Arc<Folder>, scopes: &Scopes) -> Option<Self> {
        let allowed = |right: &Right| scopes.allow(&folder.name, *right);
        let rights: Vec<_> = folder.rights.iter().copied().filter(allowed).collect();
        (!rights.is_empty()).then_some(Self { folder, rights })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// What this page may do in it. Not empty.
    #[must_use]
    pub fn rights(&self) -> &[Right] {
        &self.rights
    }

    /// The folder, if this page may do `right` in it.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`].
    pub fn with(&self, right: Right) -> Result<&Arc<Folder>, DriveError> {
        match self.rights.contains(&right) {
            true => Ok(&self.folder),
            false => Err(DriveError::RightMissing),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn shared(name: &str, path: &Path) -> Shared {
        Shared {
            name: FolderName::parse(name).unwrap(),
            path: path.to_owned(),
            rights: vec![Right::Read],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_drive_stalls_nothing_but_itself() {
        let temp = tempfile::tempdir().unwrap();
        let folders = Folders::new(
            vec![shared("A", temp.path()), shared("B", temp.path())],
            Offered::None,
            Vec::new(),
        );
        let find = |name: &str| folders.find(&FolderName::parse(name).unwrap()).unwrap();
        let (dead, other) = (find("A"), find("B"));
        let (wakes, waits) = sync_channel::<()>(0);
        let waits = Arc::new(Mutex::new(waits));
        let stuck: Vec<_> = (0..defaults::FOLDER_PLACES)
            .map(|_| {
                let (dead, waits) = (Arc::clone(&dead), Arc::clone(&waits));
                let wait = move |_: &Dir| {
                    let _ = waits.lock().unwrap().recv();
                    Ok(())
                };
                tokio::spawn(async move { dead.work(wait).await })
            })
            .collect();
        while dead.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(dead.work(|_| Ok(1)).await, Err(DriveError::FolderBusy));
        assert_eq!(other.work(|_| Ok(2)).await, Ok(2));
        tokio::time::advance(defaults::FOLDER_WITHIN + Duration::from_secs(1)).await;
        for waiting in stuck {
            assert_eq!(waiting.await.unwrap(), Err(DriveError::FolderSlow));
        }
        assert_eq!(
            dead.threads.available_permits(),
            0,
            "its threads still wait"
        );
        drop(wakes);
        while dead.threads.available_permits() < defaults::FOLDER_THREADS {
            tokio::task::yield_now().await;
        }
        assert_eq!(dead.work(|_| Ok(3)).await, Ok(3));
    }

    #[tokio::test]
    async fn a_page_has_what_both_the_person_and_the_folder_allow() {
        let temp = tempfile::tempdir().unwrap();
        let folders = Folders::new(vec![shared("A", temp.path())], Offered::None, Vec::new());
        let granted = |name: &str, scopes: &str| {
            let scopes: Scopes = serde_json::from_str(scopes).unwrap();
            folders.granted(&FolderName::parse(name).unwrap(), &scopes)
        };
        let all = r#"[{"folder":"A","rights":["read","write","delete"]},{"folder":"B","rights":["read"]}]"#;
        let given = granted("A", all).unwrap();
        assert_eq!(given.rights(), [Right::Read]);
        assert_eq!(
            given.with(Right::Write).unwrap_err(),
            DriveError::RightMissing
        );
        for (name, scopes) in [
            ("A", "[]"),
            ("B", all),
            ("a", all),
            ("A", r#"[{"folder":"A","rights":["write"]}]"#),
        ] {
            assert_eq!(
                granted(name, scopes).unwrap_err(),
                DriveError::FolderUnknown,
                "{name}"
            );
        }
        std::fs::remove_dir(temp.path()).unwrap();
        let gone = given.folder().work(|_| Ok(())).await;
        assert_eq!(gone, Err(DriveError::FolderAbsent));
        std::fs::create_dir(temp.path()).unwrap();
    }
}
