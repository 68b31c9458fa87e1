//! Everything that the drives can be refused with.

use std::io;

use doorward_guard::{Answer, IntoAnswer, Refusal, Rule};
use serde_json::{Value, json};

/// Why something was not done. What was there is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// Not shared, or not with this page.
    #[error("no such folder is shared")]
    FolderUnknown,
    /// The page has not this right there.
    #[error("the right is missing")]
    RightMissing,
    /// No path inside of a folder.
    #[error("not a path inside of a folder")]
    PathRefused,
    /// No name for a new file.
    #[error("not a name for a new file")]
    NameRefused,
    /// Nothing is there.
    #[error("nothing is there")]
    PathUnknown,
    /// A link on the way leads out, or nowhere.
    #[error("it leads out of the folder, or nowhere")]
    LeadsOut,
    /// Not a folder.
    #[error("not a folder")]
    NotAFolder,
    /// Not a file.
    #[error("not a file")]
    NotAFile,
    /// The shared folder itself.
    #[error("the shared folder itself stays")]
    RootRefused,
    /// The folder is not there.
    #[error("the folder is not there")]
    FolderAbsent,
    /// As many threads wait for it as may.
    #[error("the folder is slow")]
    FolderBusy,
    /// It did not answer in time.
    #[error("the folder does not answer")]
    FolderSlow,
    /// Permissions.
    #[error("the system does not allow it")]
    AccessDenied,
    /// A read-only drive or file.
    #[error("read-only")]
    ReadOnly,
    /// No space, or no quota.
    #[error("no space is left")]
    DiskFull,
    /// Another program keeps it.
    #[error("in use")]
    InUse,
    /// Something has this name: what it is and what was to come, as far as known.
    #[error("something has this name")]
    AlreadyExists(Box<Conflict>),
    /// Source and target are one.
    #[error("it is the same file")]
    SameFile,
    /// A folder into itself.
    #[error("a folder into itself")]
    InsideItself,
    /// It is another than it was.
    #[error("it was changed meanwhile")]
    ChangedMeanwhile,
    /// A device, socket or pipe.
    #[error("a device, socket or pipe")]
    KindUnsupported,
    /// Folders in folders in folders.
    #[error("nested too deeply")]
    TooDeep,
    /// No trash for this drive.
    #[error("there is no trash")]
    TrashUnavailable,
    /// Not what is opened natively.
    #[error("not opened natively")]
    OpenRefused,
    /// Nothing opens it.
    #[error("no program opens it")]
    OpenFailed,
    /// No place of this listing.
    #[error("not a place of this listing")]
    CursorRefused,
    /// No such upload.
    #[error("no such upload")]
    UploadUnknown,
    /// The chunk begins elsewhere; the upload is at this byte.
    #[error("the upload is at byte {0}")]
    OffsetMismatch(u64),
    /// Not a chunk.
    #[error("not a chunk of this upload")]
    ChunkRefused,
    /// The upload has only this many bytes.
    #[error("the upload has {0} bytes")]
    UploadIncomplete(u64),
    /// It is not what was announced.
    #[error("the digest differs")]
    DigestMismatch,
    /// No such job.
    #[error("no such job")]
    JobUnknown,
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// As many as may be.
    #[error("as many as may be")]
    Full,
    /// The drive failed.
    #[error("the drive failed: {0}")]
    Failed(String),
    /// Refused before it came to a drive.
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// What stands in the way of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflict {
    /// What is there.
    pub existing: Value,
    /// What was to come.
    pub incoming: Value,
}

impl DriveError {
    /// The rule of the guard's table that it is.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::FolderUnknown => Rule::FolderUnknown,
            Self::RightMissing => Rule::RightMissing,
            Self::PathRefused => Rule::PathRefused,
            Self::NameRefused => Rule::NameRefused,
            Self::PathUnknown => Rule::PathUnknown,
            Self::LeadsOut => Rule::PathLeadsOut,
            Self::NotAFolder => Rule::NotAFolder,
            Self::NotAFile => Rule::NotAFile,
            Self::RootRefused => Rule::RootRefused,
            Self::FolderAbsent => Rule::FolderAbsent,
            Self::FolderBusy => Rule::FolderBusy,
            Self::FolderSlow => Rule::FolderSlow,
            Self::AccessDenied => Rule::AccessDenied,
            Self::ReadOnly => Rule::ReadOnly,
            Self::DiskFull => Rule::DiskFull,
            Self::InUse => Rule::InUse,
            Self::AlreadyExists(_) => Rule::AlreadyExists,
            Self::SameFile => Rule::SameFile,
            Self::InsideItself => Rule::InsideItself,
            Self::ChangedMeanwhile => Rule::ChangedMeanwhile,
            Self::KindUnsupported => Rule::KindUnsupported,
            Self::TooDeep => Rule::TooDeep,
            Self::TrashUnavailable => Rule::TrashUnavailable,
            Self::OpenRefused => Rule::OpenRefused,
            Self::OpenFailed => Rule::OpenFailed,
            Self::CursorRefused => Rule::CursorRefused,
            Self::UploadUnknown => Rule::UploadUnknown,
            Self::OffsetMismatch(_) => Rule::OffsetMismatch,
            Self::ChunkRefused => Rule::ChunkRefused,
            Self::UploadIncomplete(_) => Rule::UploadIncomplete,
            Self::DigestMismatch => Rule::DigestMismatch,
            Self::JobUnknown => Rule::JobUnknown,
            Self::Cancelled => Rule::JobCancelled,
            Self::Full => Rule::CapacityReached,
            Self::Failed(_) => Rule::DriveFailed,
            Self::Refused(refusal) => refusal.rule(),
        }
    }

    pub(super) fn refusal(self) -> Refusal {
        let refusal = Refusal::from(self.rule());
        match self {
            Self::Refused(refusal) => *refusal,
            Self::AlreadyExists(conflict) => {
                let Conflict { existing, incoming } = *conflict;
                let known = [("existing", existing), ("incoming", incoming)];
                let known = known.into_iter().filter(|(_, what)| !what.is_null());
                known.fold(refusal, |refusal, (key, what)| refusal.more(key, what))
            }
            Self::OffsetMismatch(offset) | Self::UploadIncomplete(offset) => {
                refusal.more("offset", json!(offset))
            }
            Self::FolderBusy => refusal.retry_after(crate::defaults::FOLDER_RETRY),
            Self::Failed(why) => refusal.note(why),
            _ => refusal,
        }
    }
}

impl From<Refusal> for DriveError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// What a file system says. A path that leads out looks like an absent one.
impl From<io::Error> for DriveError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::PathUnknown,
            ErrorKind::NotADirectory => Self::NotAFolder,
            ErrorKind::IsADirectory => Self::NotAFile,
            ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => {
                Self::AlreadyExists(Box::default())
            }
            // cap-std's answer to a link that leads out.
            ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::PathUnknown,
            ErrorKind::PermissionDenied => Self::AccessDenied,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::DiskFull
            }
            ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => Self::InUse,
            ErrorKind::InvalidFilename => Self::NameRefused,
            ErrorKind::StaleNetworkFileHandle => Self::FolderAbsent,
            kind => Self::of_system(&error, kind),
        }
    }
}

impl DriveError {
    #[cfg(unix)]
    fn of_system(error: &io::Error, kind: io::ErrorKind) -> Self {
        use rustix::io::Errno;
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // Too many links, one where none is followed, or one that leads out.
            Some(Errno::LOOP | Errno::XDEV | Errno::AGAIN) => Self::PathUnknown,
            Some(Errno::NXIO | Errno::NODEV) => Self::KindUnsupported,
            Some(_) => Self::Failed(kind.to_string()),
            None => Self::PathUnknown,
        }
    }

    #[cfg(not(unix))]
    fn of_system(_: &io::Error, kind: io::ErrorKind) -> Self {
        Self::Failed(kind.to_string())
    }
}

impl IntoAnswer for DriveError {
    fn into_answer(self) -> Result<Answer, Refusal> {
        Err(self.refusal())
    }
}
