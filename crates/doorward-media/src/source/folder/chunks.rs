//! A file's bytes, one chunk at a time.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Stamp;
use crate::error::MediaError;

/// One chunk: large enough that the hop to a blocking thread does not show,
/// small enough that a thousand paused players cost 64 MiB.
const CHUNK: u64 = 64 * 1024;

/// Reads `length` bytes from `first` on. At most one chunk exists at a time, and
/// none is read before it is asked for. Ends with an error when the file gets
/// shorter, or anything about it changes, while it is read.
#[derive(Debug)]
pub struct FileChunks {
    file: Arc<File>,
    stamp: Stamp,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<Result<Bytes, MediaError>>>,
}

impl FileChunks {
    pub(super) fn new(file: Arc<File>, stamp: Stamp, first: u64, length: u64) -> Self {
        Self {
            file,
            stamp,
            at: first,
            left: length,
            reading: None,
        }
    }

    /// The next chunk.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MediaError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            idle => {
                let (file, stamp) = (Arc::clone(&self.file), self.stamp);
                let (at, length) = (self.at, self.left.min(CHUNK));
                idle.insert(spawn_blocking(move || {
                    read_unchanged(&file, stamp, at, length)
                }))
            }
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let read =
            read.unwrap_or_else(|_| Err(MediaError::NotReadable("the reader stopped".to_owned())));
        if let Ok(bytes) = &read {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.at = self.at.saturating_add(length);
            self.left = self.left.saturating_sub(length);
        } else {
            self.left = 0;
        }
        Poll::Ready(Some(read))
    }
}

/// Bytes that were there, of the version that `stamp` says: looked at after the
/// bytes, so that a change before or while they were read is seen.
fn read_unchanged(file: &File, stamp: Stamp, at: u64, length: u64) -> Result<Bytes, MediaError> {
    let bytes = read_at(file, at, length).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => MediaError::Changed,
        kind => MediaError::NotReadable(kind.to_string()),
    })?;
    let now = file.metadata().map_err(super::from_io)?;
    if Stamp::of(&now) == stamp {
        Ok(bytes)
    } else {
        Err(MediaError::Changed)
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
