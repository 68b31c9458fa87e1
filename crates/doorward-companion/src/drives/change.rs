//! Changes of one name: create, and where a new file goes if its name is taken.

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::error::{Conflict, DriveError};
use super::handle::{self, Identity, Place, Renaming};
use super::path::{NewName, RelPath};

/// What is made of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum NewKind {
    /// An empty file.
    File,
    /// An empty folder.
    Directory,
}

/// What happens if something has the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnConflict {
    /// Nothing: the caller hears what is in the way.
    #[default]
    Fail,
    /// A file takes the place of a file. Folders are never replaced.
    Replace,
    /// The new one gets a number behind its name.
    KeepBoth,
}

/// Names that are tried for [`OnConflict::KeepBoth`].
const NUMBERS: u32 = 1_000;

/// Makes an empty file or folder at `path`.
pub(super) fn create(root: &Dir, path: &RelPath, kind: NewKind) -> Result<Entry, DriveError> {
    let place = Place::find(root, path)?;
    NewName::parse(last(path))?;
    let made = match kind {
        NewKind::Directory => place.parent.create_dir(&place.name).map_err(Into::into),
        NewKind::File => place.create_file().and_then(|file| open_up(&file, None)),
    };
    made.map_err(|error| in_the_way(error, &place, path, &Value::Null))?;
    handle::settle(&place.parent);
    entry(&place, path)
}

/// Puts what is at `from`, and finished, at `to`, or beside it. Returns where it is.
///
/// A name that is free is taken without a gap: what appears there meanwhile is not
/// replaced. `moving` is what must not be replaced by itself.
pub(super) fn publish(
    from: &Place,
    to: Place,
    path: &RelPath,
    conflict: OnConflict,
    incoming: &Value,
) -> Result<(Place, RelPath), Renaming> {
    let taken = match from.rename_new(&to) {
        Ok(()) => return Ok((to, path.clone())),
        Err(Renaming::Failed(DriveError::AlreadyExists(_))) => &to,
        Err(error) => return Err(error),
    };
    match conflict {
        OnConflict::Fail => Err(exists(taken, path, incoming)),
        OnConflict::Replace => {
            let is_dir = |place: &Place| place.look().is_ok_and(|metadata| metadata.is_dir());
            if is_dir(from) || is_dir(taken) {
                return Err(exists(taken, path, incoming));
            }
            from.rename_over(&to)?;
            Ok((to, path.clone()))
        }
        OnConflict::KeepBoth => {
            let (parent, _) = path
                .split()
                .ok_or(Renaming::Failed(DriveError::RootRefused))?;
            for number in 2..NUMBERS {
                let name = numbered(last(path), number);
                let beside = to.beside(&name).map_err(Renaming::Failed)?;
                let address = parent.join(name.as_ref());
                let address = address.ok_or(Renaming::Failed(DriveError::NameRefused))?;
                match from.rename_new(&beside) {
                    Ok(()) => return Ok((beside, address)),
                    Err(Renaming::Failed(DriveError::AlreadyExists(_))) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(exists(taken, path, incoming))
        }
    }
}

fn exists(place: &Place, path: &RelPath, incoming: &Value) -> Renaming {
    let exists = DriveError::AlreadyExists(Box::default());
    Renaming::Failed(in_the_way(exists, place, path, incoming))
}

/// Says of what is in the way what it is.
pub(super) fn in_the_way(
    error: DriveError,
    place: &Place,
    path: &RelPath,
    incoming: &Value,
) -> DriveError {
    match error {
        DriveError::AlreadyExists(_) => DriveError::AlreadyExists(Box::new(Conflict {
            existing: told(place, path),
            incoming: incoming.clone(),
        })),
        error => error,
    }
}

/// What is at `place`, as JSON; null if it is gone.
pub(super) fn told(place: &Place, path: &RelPath) -> Value {
    entry(place, path).map_or(Value::Null, |entry| json!(entry))
}

/// What is at `place`.
pub(super) fn entry(place: &Place, path: &RelPath) -> Result<Entry, DriveError> {
    let (parent, _) = path.split().ok_or(DriveError::RootRefused)?;
    let entry = Entry::look(&place.parent, &parent, &place.name);
    // Why it could not be looked at, if that was it.
    entry.ok_or_else(|| place.look().err().unwrap_or(DriveError::PathUnknown))
}

/// The last name of a path.
pub(super) fn last(path: &RelPath) -> &str {
    let text = path.as_str();
    text.rsplit_once('/').map_or(text, |(_, name)| name)
}

/// Whether both are one entry of one folder, in two spellings that the file system
/// takes for one: then a rename changes the spelling. Two names of one file (hard
/// links) are not: a rename of one over the other would do nothing.
pub(super) fn is_respelled(from: &Place, to: &Place) -> Result<bool, DriveError> {
    let one_folder = Identity::of_dir(&from.parent)? == Identity::of_dir(&to.parent)?;
    if !one_folder || from.name == to.name {
        return Ok(false);
    }
    // The one spelling that is listed is the one that is there.
    let mut listed = 0;
    for entry in from.parent.entries()? {
        let name = entry?.file_name();
        listed += u32::from(name == from.name) + u32::from(name == to.name);
    }
    Ok(listed == 1)
}

/// `photo (2).jpg` of `photo.jpg`, no longer than a name may be.
fn numbered(name: &str, number: u32) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    let tail = format!(" ({number}){ending}");
    let mut end = stem
        .len()
        .min(crate::defaults::NAME.saturating_sub(tail.len()));
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{tail}", stem.get(..end).unwrap_or_default())
}

/// Gives a finished file the permissions that a new one has, or those of the file
/// that it replaces.
#[cfg(unix)]
pub(super) fn open_up(file: &std::fs::File, mode: Option<u32>) -> Result<(), DriveError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = mode.unwrap_or(0o666 & !umask());
    let permissions = std::fs::Permissions::from_mode(mode & 0o777);
    Ok(file.set_permissions(permissions)?)
}

/// Elsewhere a folder's permissions are its files'.
#[cfg(not(unix))]
pub(super) fn open_up(_: &std::fs::File, _: Option<u32>) -> Result<(), DriveError> {
    Ok(())
}

/// What this process denies others of new files. Read where it can be read without
/// changing it; else the usual.
#[cfg(unix)]
fn umask() -> u32 {
    static UMASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
            .unwrap_or(0o022)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_ending() {
        for (name, numbered_name) in [
            ("photo.jpg", "photo (2).jpg"),
            ("archive.tar.gz", "archive.tar (2).gz"),
            (".env", ".env (2)"),
            ("plain", "plain (2)"),
        ] {
            assert_eq!(numbered(name, 2), numbered_name);
        }
        let long = format!("{}.txt", "é".repeat(125));
        assert!(numbered(&long, 999).len() <= crate::defaults::NAME);
        assert!(NewName::parse(&numbered(&long, 999)).is_ok());
    }
}
