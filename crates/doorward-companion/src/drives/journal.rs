//! What is unfinished, written down, so that a crash leaves nothing behind.
//!
//! Each unfinished file or folder of ours has a random name and a record of that
//! name in doorward's state folder, made before it and removed after it. What a new
//! run finds there is an upload that goes on, or something to remove.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use doorward_guard::Secret;
use serde::{Deserialize, Serialize};

use super::change::OnConflict;
use super::error::DriveError;
use super::path::OURS;

/// Where records are; nowhere in a bridge that keeps nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Option<PathBuf>);

/// What is unfinished, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    /// The shared folder.
    pub(super) folder: String,
    /// The folder in it.
    pub(super) within: String,
    /// Of an upload: how it goes on.
    pub(super) upload: Option<Unfinished>,
}

/// An upload, as it was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Unfinished {
    /// Whose it is: the public name of a pairing.
    pub(super) key_id: String,
    pub(super) path: String,
    pub(super) size: u64,
    /// RFC 3339.
    pub(super) modified_at: Option<String>,
    pub(super) on_conflict: OnConflict,
    /// In hexadecimal.
    pub(super) sha256: Option<String>,
    /// Seconds since 1970.
    pub(super) begun: u64,
    /// The system's run: what was written in it and not synced outlives this process,
    /// but not the run.
    pub(super) boot: Option<String>,
}

/// The name of something unfinished. Its record goes when this is dropped, unless
/// it is [kept](Scratch::keep).
#[derive(Debug)]
pub(super) struct Scratch {
    name: String,
    record: Option<PathBuf>,
}

impl Journal {
    /// Records in `folder`, which is made if it is missing.
    pub(super) fn open(folder: Option<&Path>) -> Self {
        let made = folder.filter(|folder| private_folder(folder).is_ok());
        Self(made.map(Path::to_owned))
    }

    /// Writes `record` down, and names what it is of.
    pub(super) fn begin(&self, record: &Record) -> Result<Scratch, DriveError> {
        let name = format!("{OURS}{}", Secret::<16>::random().reveal().as_str());
        let Some(folder) = &self.0 else {
            return Ok(Scratch { name, record: None });
        };
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_vec(record).unwrap_or_default();
        let mut file = private_file(&path)?;
        file.write_all(&text)?;
        let record = Some(path);
        Ok(Scratch { name, record })
    }

    /// Everything that an earlier run left.
    pub(super) fn recover(&self) -> Vec<(Scratch, Record)> {
        let Some(folder) = &self.0 else {
            return Vec::new();
        };
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut left = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.and_then(|name| name.strip_suffix(".json"));
            let Some(name) = name
                .filter(|name| name.starts_with(OURS))
                .map(str::to_owned)
            else {
                continue;
            };
            let record = fs::read(&path).ok();
            match record.and_then(|text| serde_json::from_slice(&text).ok()) {
                Some(record) => left.push((
                    Scratch {
                        name,
                        record: Some(path),
                    },
                    record,
                )),
                // Cut off before what it is of was made.
                None => drop(fs::remove_file(&path)),
            }
        }
        left
    }
}

impl Scratch {
    /// What the unfinished file is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The part of it that is random.
    pub(super) fn id(&self) -> &str {
        self.name.strip_prefix(OURS).unwrap_or(&self.name)
    }

    /// Leaves the record for the next run.
    pub(super) fn keep(mut self) {
        self.record = None;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            // The next run finds nothing at its place, and removes it then.
            let _ = fs::remove_file(record);
        }
    }
}

#[cfg(unix)]
fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn private_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn private_file(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
}

/// This run of the system, where it has a name.
pub(super) fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            folder: "A".to_owned(),
            within: "b/c".to_owned(),
            upload: None,
        }
    }

    #[test]
    fn a_record_goes_with_what_it_is_of_and_is_found_if_it_does_not() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("new/place");
        let journal = Journal::open(Some(&folder));
        let done = journal.begin(&record()).unwrap();
        let cut_off = journal.begin(&record()).unwrap();
        assert_ne!(done.name(), cut_off.name());
        let name = cut_off.name().to_owned();
        drop(done);
        cut_off.keep();
        fs::write(folder.join(".doorward-cut.json"), "{\"folder\":").unwrap();
        fs::write(folder.join("notes.json"), "mine").unwrap();
        let left = journal.recover();
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].0.name(), left[0].1.within.as_str()),
            (name.as_str(), "b/c")
        );
        drop(left);
        assert!(journal.recover().is_empty());
        let names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["notes.json"]);
    }

    #[test]
    fn without_a_place_nothing_is_written() {
        let journal = Journal::open(None);
        assert!(journal.begin(&record()).unwrap().name().starts_with(OURS));
        assert!(journal.recover().is_empty());
    }
}
