//! A file's bytes, one chunk at a time: read here, or sent by the listener
//! straight out of the kernel's cache.
//!
//! What is sent raw is looked at before each piece: that the file is what it
//! was, and that the bytes lie in the cache, because a connection must not wait
//! for a disk on a thread that other connections need. Bytes that do not are
//! read through once on a thread that may wait. The end of every body is read
//! here and looked at after it was read, so that a body which ended was of one
//! version when its last byte was handed on.

mod cached;

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_guard::{Lane, Piece, Raw};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Stamp;
use crate::error::MediaError;

pub(super) use cached::Cache;

/// One chunk: large enough that the hop to a blocking thread does not show,
/// small enough that a thousand paused players cost 64 MiB.
const CHUNK: u64 = 64 * 1024;

/// Gives `length` bytes from `first` on. At most one chunk exists at a time, and
/// none is read before it is asked for. Ends with an error when the file gets
/// shorter, or anything about it changes, while it is read.
#[derive(Debug)]
pub struct FileChunks {
    file: Arc<File>,
    stamp: Stamp,
    cache: Cache,
    at: u64,
    left: u64,
    raw: Raw,
    work: Option<JoinHandle<Result<Done, MediaError>>>,
}

/// What a thread that may wait has done.
#[derive(Debug)]
enum Done {
    /// Read the next bytes.
    Read(Bytes),
    /// Brought so many bytes into the cache.
    Warmed(usize),
}

impl FileChunks {
    pub(super) fn new(
        file: Arc<File>,
        stamp: Stamp,
        cache: Cache,
        first: u64,
        length: u64,
    ) -> Self {
        Self {
            file,
            stamp,
            cache,
            at: first,
            left: length,
            raw: Raw::default(),
            work: None,
        }
    }

    /// What lets a listener send the bytes itself; `None` where the file system
    /// may keep a thread waiting.
    #[must_use]
    pub fn raw(&self) -> Option<Raw> {
        (self.cache != Cache::Unknown).then(|| self.raw.clone())
    }

    /// The next chunk.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MediaError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match self.poll_work(cx) {
            Poll::Ready(Some(Ok(Done::Read(bytes)))) => Ok(bytes),
            Poll::Ready(Some(Ok(Done::Warmed(length)))) => self.piece(length),
            Poll::Ready(Some(Err(error))) => Err(error),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => ready!(self.poll_begin(cx)),
        };
        match &next {
            Ok(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.at = self.at.saturating_add(length);
                self.left = self.left.saturating_sub(length);
            }
            Err(_) => self.left = 0,
        }
        Poll::Ready(Some(next))
    }

    /// Work that was begun; `None` if none was.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Done, MediaError>>> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(None);
        };
        let done = ready!(Pin::new(work).poll(cx));
        self.work = None;
        Poll::Ready(Some(done.unwrap_or_else(|_| {
            Err(MediaError::NotReadable("the reader stopped".to_owned()))
        })))
    }

    /// Bytes that can be had at once, or else the work that fetches them.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, MediaError>> {
        let (stamp, at) = (self.stamp, self.at);
        let file = Arc::clone(&self.file);
        match self.raw.lane().filter(|_| self.left > CHUNK) {
            Some(lane) => {
                let room = u64::try_from(ready!(lane.poll_room(cx))).unwrap_or(u64::MAX);
                let most = room.min(self.left.saturating_sub(CHUNK));
                let length = usize::try_from(most).unwrap_or(usize::MAX);
                if self.cache.holds(&self.file, at, length) {
                    return Poll::Ready(self.piece(length));
                }
                self.begin(cx, move || {
                    cached::warm(&file, at, length).map_err(failed)?;
                    Ok(Done::Warmed(length))
                })
            }
            None => {
                let length = self.left.min(CHUNK);
                if let Some(bytes) = self.cache.read(&file, at, length) {
                    return Poll::Ready(unchanged(&file, stamp).map(|()| bytes));
                }
                self.begin(cx, move || {
                    let bytes = read_at(&file, at, length).map_err(failed)?;
                    unchanged(&file, stamp)?;
                    Ok(Done::Read(bytes))
                })
            }
        }
    }

    /// Begins work, and looks at it once so that its end wakes us.
    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce() -> Result<Done, MediaError> + Send + 'static,
    ) -> Poll<Result<Bytes, MediaError>> {
        self.work = Some(spawn_blocking(work));
        match ready!(self.poll_work(cx)) {
            Some(Ok(Done::Read(bytes))) => Poll::Ready(Ok(bytes)),
            Some(Ok(Done::Warmed(length))) => Poll::Ready(self.piece(length)),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }

    /// Promises the next `length` bytes to the connection. Whatever was promised
    /// before was of our version if the file still is.
    fn piece(&self, length: usize) -> Result<Bytes, MediaError> {
        unchanged(&self.file, self.stamp)?;
        let (file, at) = (Arc::clone(&self.file), self.at);
        self.raw
            .lane()
            .and_then(|lane: &Lane| lane.push(Piece::File { file, at, length }))
            .ok_or_else(|| MediaError::NotReadable("the connection has no room".to_owned()))
    }
}

/// That the file is still the version that `stamp` says: looked at after the
/// bytes, so that a change before or while they were read is seen.
fn unchanged(file: &File, stamp: Stamp) -> Result<(), MediaError> {
    let now = file.metadata().map_err(super::from_io)?;
    if Stamp::of(&now) == stamp {
        Ok(())
    } else {
        Err(MediaError::Changed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn failed(error: io::Error) -> MediaError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => MediaError::Changed,
        kind => MediaError::NotReadable(kind.to_string()),
    }
}

/// Exactly `length` bytes at `at`, whatever the file's own position is.
pub(super) fn read_at(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut bytes = vec![0; length];
    read_exact_at(file, &mut bytes, at)?;
    Ok(bytes.into())
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = at.saturating_add(u64::try_from(read).unwrap_or(0));
        bytes = bytes.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
