//! Reading the log's files, while somebody may be writing them.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use doorward_guard::audit::{self, Broken, Link, Record, Select, Start};

use super::book::older_files;

/// A log whose files are one whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many records they hold.
    pub records: u64,
    /// Whether the first record of all is still there.
    pub start: Start,
    /// The last record. Compare it with what the running daemon reports: records
    /// cut off the end leave a whole chain behind.
    pub end: Link,
    /// The last line has no end: it is being written, or was cut by a crash. It
    /// is not counted; the next start moves it away.
    pub unfinished: bool,
}

/// The log is not whole, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A file does not hold what was written.
    #[error("{}: {broken}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        broken: Broken,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no log.
    #[error("there is no audit log at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Reads all files of the log at `path` in order and checks that they are one
/// chain.
///
/// # Errors
///
/// The first line that was altered, added or follows a missing one; a file that
/// cannot be read; no file at all.
pub fn verify(path: &Path) -> Result<Report, Trouble> {
    let files = open_all(path).map_err(|source| Trouble::Io {
        path: path.to_owned(),
        source,
    })?;
    let mut report = Report {
        files: files.len(),
        records: 0,
        start: Start::Whole,
        end: Link::default(),
        unfinished: false,
    };
    if files.is_empty() {
        return Err(Trouble::Missing {
            path: path.to_owned(),
        });
    }
    for (number, (path, mut file)) in files.into_iter().enumerate() {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Trouble::Io {
            path: path.clone(),
            source,
        })?;
        let is_last = number + 1 == report.files;
        let whole = if is_last { whole_lines(&bytes) } else { &bytes };
        report.unfinished = whole.len() < bytes.len();
        let text = String::from_utf8_lossy(whole);
        let lines = text.split_terminator('\n');
        let before = (number > 0).then_some(&report.end);
        let verified =
            audit::verify(lines, before).map_err(|broken| Trouble::Broken { path, broken })?;
        if number == 0 {
            report.start = verified.start;
        }
        report.records = report.records.saturating_add(verified.records);
        report.end = verified.end;
    }
    Ok(report)
}

/// The latest records that `select` asks for, oldest first, from all files.
/// Lines that are no records are left out; [`verify`] tells of them.
///
/// # Errors
///
/// A file that cannot be read. A missing log is an empty one.
pub fn tail(path: &Path, select: &Select) -> io::Result<Vec<Record>> {
    let mut found = Vec::new();
    'files: for (_, mut file) in open_all(path)?.into_iter().rev() {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        for record in records(whole_lines(&bytes)).rev() {
            if found.len() >= select.limit || record.seq <= select.after {
                break 'files;
            }
            if select.takes(&record) {
                found.push(record);
            }
        }
    }
    found.reverse();
    Ok(found)
}

/// Reads records as they are written, by another process too.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    select: Select,
    /// The file that was read last, and how far.
    place: Option<(u64, u64)>,
}

impl Follow {
    /// Follows the log at `path`, from behind the record `select.after`; the
    /// limit does not count.
    #[must_use]
    pub fn new(path: &Path, select: Select) -> Self {
        let select = Select {
            limit: usize::MAX,
            ..select
        };
        Self {
            path: path.to_owned(),
            select,
            place: None,
        }
    }

    /// What was written since the last call. Call it a few times a second.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn poll(&mut self) -> io::Result<Vec<Record>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        let id = identity(&file.metadata()?);
        let found = match self.place {
            Some((known, end)) if known == id => {
                file.seek(SeekFrom::Start(end))?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                let whole = whole_lines(&bytes);
                self.place = Some((id, end.saturating_add(length(whole))));
                records(whole)
                    .filter(|record| self.select.takes(record))
                    .collect()
            }
            // Another file: what was missed may be in the one before it.
            _ => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                let end = length(whole_lines(&bytes));
                let found = tail(&self.path, &self.select)?;
                // What came between the two reads comes again, and is left out by
                // its number.
                self.place = Some((id, end));
                found
            }
        };
        if let Some(last) = found.last() {
            self.select.after = last.seq;
        }
        Ok(found)
    }
}

/// Opens all files, oldest first. Tried again if one was closed meanwhile.
fn open_all(path: &Path) -> io::Result<Vec<(PathBuf, File)>> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let names = names(path)?;
        let mut files = Vec::new();
        for name in &names {
            match File::open(name) {
                Ok(file) => files.push((name.clone(), file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if files.len() == names.len() && self::names(path)? == names {
            return Ok(files);
        }
    }
    Err(io::Error::other("the files change too fast to be read"))
}

fn names(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<_> = older_files(path)?
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    if fs::exists(path)? {
        names.push(path.to_owned());
    }
    Ok(names)
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

fn records(lines: &[u8]) -> impl DoubleEndedIterator<Item = Record> {
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Record::read(std::str::from_utf8(line).ok()?).ok())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
fn identity(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

/// Without file numbers, every look reads the whole file.
#[cfg(not(unix))]
fn identity(file: &fs::Metadata) -> u64 {
    file.len()
}
