//! The files that the log is written to.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use doorward_guard::audit::{Chain, Event, Kind, Link, Record};
use doorward_guard::{Clock, clock, defaults};

use super::AuditError;
use crate::platform::files::{self, NotPrivate};

/// The last record is looked for in so many bytes first; a line is at most a
/// few KiB.
const LAST_BYTES: u64 = 64 * 1024;

/// The current file, and the chain that goes on in it.
#[derive(Debug)]
pub(super) struct Book {
    path: PathBuf,
    clock: Clock,
    file_limit: u64,
    chain: Chain,
    /// `None` between two files.
    page: Option<Page>,
    /// Held as long as we write.
    _lock: File,
}

#[derive(Debug)]
struct Page {
    file: File,
    /// Where the last whole line ends.
    end: u64,
    /// Bytes of a failed write may stand behind `end`.
    torn: bool,
}

impl Book {
    pub(super) fn open(path: &Path, clock: &Clock, file_limit: u64) -> Result<Self, AuditError> {
        let private = |path: &Path| {
            let path = path.to_owned();
            move |source| AuditError::NotPrivate { path, source }
        };
        if path.file_name().is_none() {
            return Err(AuditError::NoName {
                path: path.to_owned(),
            });
        }
        let folder = folder(path);
        files::folder(folder).map_err(private(folder))?;
        let lock_path = beside(path, "lock");
        let lock = files::open(&lock_path).map_err(private(&lock_path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuditError::InUse {
                path: path.to_owned(),
            },
            TryLockError::Error(source) => AuditError::Io {
                path: lock_path,
                source,
            },
        })?;
        let file = files::open_existing(path).map_err(private(path))?;
        let io = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let mut book = Self {
            path: path.to_owned(),
            clock: clock.clone(),
            file_limit,
            chain: Chain::new(),
            page: None,
            _lock: lock,
        };
        let moved = match file {
            Some(file) => book.go_on(file).map_err(|error| match error {
                NotPrivate::Io(source) => io(source),
                source => AuditError::NotPrivate {
                    path: beside(path, "torn"),
                    source,
                },
            })?,
            None => 0,
        };
        if book.page.is_none() {
            book.chain = Chain::resume(book.end_of_older_files().map_err(io)?);
            book.begin_file().map_err(io)?;
        }
        if moved > 0 {
            let torn = name(&beside(path, "torn"));
            let detail = format!("{moved} unreadable bytes at the end were moved to {torn}");
            tracing::warn!(path = %path.display(), "audit log: {detail}");
            book.append(&Event::allowed(Kind::AuditRepaired, "audit").detail(&detail))
                .map_err(io)?;
        }
        Ok(book)
    }

    pub(super) fn end(&self) -> &Link {
        self.chain.end()
    }

    /// Seals and writes `event`. If that fails, neither the chain nor the file
    /// has changed.
    pub(super) fn append(&mut self, event: &Event) -> io::Result<Record> {
        let is_gone = self
            .page
            .as_ref()
            .map(Page::is_gone)
            .transpose()?
            .unwrap_or(false);
        if is_gone {
            tracing::error!(path = %self.path.display(), "the audit file was removed; a new one is begun");
            self.page = None;
        }
        if self
            .page
            .as_ref()
            .is_some_and(|page| page.end >= self.file_limit)
        {
            self.turn()?;
        }
        if self.page.is_none() {
            self.begin_file()?;
        }
        self.write(event)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.page
            .as_ref()
            .map_or(Ok(()), |page| page.file.sync_all())
    }

    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) -> File {
        let page = self.page.as_mut().expect("a file is open");
        std::mem::replace(&mut page.file, file)
    }

    /// Goes on behind the last record of `file`. Gives back how many bytes stood
    /// behind it and were moved away. Without any record the file is removed.
    fn go_on(&mut self, mut file: File) -> Result<u64, NotPrivate> {
        let length = file.metadata()?.len();
        let last = last_record(&mut file)?;
        let end = last.as_ref().map_or(0, |(_, end)| *end);
        if end < length {
            let mut torn = files::open(&beside(&self.path, "torn"))?;
            file.seek(SeekFrom::Start(end))?;
            io::copy(&mut (&file).take(length - end), &mut torn)?;
            torn.sync_all()?;
            file.set_len(end)?;
        }
        match last {
            Some((record, end)) => {
                self.chain = Chain::resume(record.link());
                self.page = Some(Page {
                    file,
                    end,
                    torn: false,
                });
            }
            None => fs::remove_file(&self.path)?,
        }
        Ok(length - end)
    }

    fn end_of_older_files(&self) -> io::Result<Link> {
        for (_, path) in older_files(&self.path)?.into_iter().rev() {
            if let Some((record, _)) = last_record(&mut File::open(path)?)? {
                return Ok(record.link());
            }
        }
        Ok(Link::default())
    }

    /// Closes a full file and makes room for the next one.
    fn turn(&mut self) -> io::Result<()> {
        self.sync()?;
        let older = older_files(&self.path)?;
        let number = older
            .last()
            .map_or(0, |(number, _)| *number)
            .saturating_add(1);
        fs::rename(&self.path, beside(&self.path, &number.to_string()))?;
        self.page = None;
        // The new one and the one just closed count as well.
        let surplus = (older.len() + 2).saturating_sub(defaults::AUDIT_FILES);
        for (_, path) in older.iter().take(surplus) {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "an old audit file stays");
            }
        }
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let older = older_files(&self.path)?;
        let detail = match older.last() {
            Some((_, before)) => format!("goes on behind {}", name(before)),
            None => "the first file".to_owned(),
        };
        let file = files::create(&self.path)?;
        self.page = Some(Page {
            file,
            end: 0,
            torn: false,
        });
        let head = Event::allowed(Kind::AuditFile, "audit").detail(&detail);
        if let Err(error) = self.write(&head) {
            // A file without a head would not verify.
            self.page = None;
            fs::remove_file(&self.path)?;
            return Err(error);
        }
        Ok(())
    }

    fn write(&mut self, event: &Event) -> io::Result<Record> {
        let page = self.page.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut chain = self.chain.clone();
        let record = chain.seal(event, clock::rfc3339(self.clock.wall()));
        page.write(&record)?;
        self.chain = chain;
        Ok(record)
    }
}

impl Page {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.end)?;
            self.torn = false;
        }
        let mut line = record.line();
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Part of the line may have been written.
            self.torn = self.file.set_len(self.end).is_err();
            return Err(error);
        }
        self.end = self
            .end
            .saturating_add(u64::try_from(line.len()).unwrap_or(0));
        Ok(())
    }

    /// Whether the file was removed while we wrote to it.
    fn is_gone(&self) -> io::Result<bool> {
        #[cfg(unix)]
        let gone = std::os::unix::fs::MetadataExt::nlink(&self.file.metadata()?) == 0;
        #[cfg(not(unix))]
        let gone = false;
        Ok(gone)
    }
}

/// The last readable record of `file`, and where its line ends.
fn last_record(file: &mut File) -> io::Result<Option<(Record, u64)>> {
    let length = file.metadata()?.len();
    let near_end = length.saturating_sub(LAST_BYTES);
    for start in [near_end, 0] {
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(length - start).read_to_end(&mut bytes)?;
        let found = last_in(&bytes);
        if let Some((record, end)) = found {
            return Ok(Some((
                record,
                start.saturating_add(u64::try_from(end).unwrap_or(0)),
            )));
        }
        if start == 0 {
            break;
        }
    }
    Ok(None)
}

fn last_in(bytes: &[u8]) -> Option<(Record, usize)> {
    let mut end = bytes.len();
    loop {
        // Only a line that ends is whole.
        end = bytes.get(..end)?.iter().rposition(|byte| *byte == b'\n')?;
        let start = bytes
            .get(..end)?
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let line = std::str::from_utf8(bytes.get(start..end)?).ok();
        if let Some(record) = line.and_then(|line| Record::read(line).ok()) {
            return Some((record, end + 1));
        }
    }
}

/// The files that were closed, by number: oldest first.
pub(super) fn older_files(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let prefix = format!("{}.", name(path));
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| {
            let number = name.strip_prefix(&prefix)?.parse::<u64>().ok()?;
            (name == format!("{prefix}{number}")).then_some(number)
        });
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
