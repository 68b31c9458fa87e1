//! inotify, by the descriptor of the folder that was opened.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::{Gone, Node, Sign, Signal, Watch};
use crate::defaults;
use crate::drives::RelPath;

/// One queue of the kernel, for all folders.
#[derive(Debug)]
pub(in crate::watch) struct System {
    queue: AsyncFd<OwnedFd>,
}

impl System {
    #[expect(
        deprecated,
        reason = "its successor is unsafe: the caller owes that the descriptor stays the same, and an OwnedFd does"
    )]
    pub(in crate::watch) fn open() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            queue: AsyncFd::new(queue)?,
        })
    }

    pub(in crate::watch) fn node(dir: &File) -> io::Result<Node> {
        let metadata = dir.metadata()?;
        Ok(Node(metadata.dev(), metadata.ino()))
    }

    /// Watches the very folder that is open; the same number for the same folder.
    /// May block.
    pub(in crate::watch) fn watch(&self, dir: &File) -> io::Result<Watch> {
        // The kernel follows this link to what is open, whatever it is called.
        let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let wanted = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        Ok(inotify::add_watch(self.queue.get_ref(), link, wanted)?)
    }

    pub(in crate::watch) fn end(&self, watch: Watch) {
        // An error says that the kernel was faster.
        let _ = inotify::remove_watch(self.queue.get_ref(), watch);
    }

    /// Waits until something happened, and adds it. May be dropped while it waits.
    pub(in crate::watch) async fn hear(&self, signals: &mut Vec<Signal>) -> io::Result<()> {
        loop {
            let mut ready = self.queue.readable().await?;
            if let Ok(heard) = ready.try_io(|queue| read(queue.get_ref(), signals)) {
                return heard;
            }
        }
    }
}

/// Reads what is there, up to [`defaults::WATCH_SIGNALS`] and a buffer.
fn read(queue: &OwnedFd, signals: &mut Vec<Signal>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(defaults::WATCH_BUFFER);
    let mut reader = Reader::new(queue, buffer.spare_capacity_mut());
    let mut events = 0;
    loop {
        match reader.next() {
            Ok(event) => {
                events += 1;
                let name = event
                    .file_name()
                    .map(|name| OsStr::from_bytes(name.to_bytes()));
                let sign = sign(event.events(), event.cookie(), name);
                let watch = event.wd();
                signals.extend(sign.map(|sign| Signal { watch, sign }));
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if events > 0 => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // What is in the buffer is in no queue any more.
        if events >= defaults::WATCH_SIGNALS && reader.is_buffer_empty() {
            return Ok(());
        }
    }
}

fn sign(what: ReadFlags, cookie: u32, name: Option<&OsStr>) -> Option<Sign> {
    if what.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Sign::Overflow);
    }
    if what.contains(ReadFlags::UNMOUNT) {
        return Some(Sign::Gone(Gone::Unmounted));
    }
    if what.intersects(ReadFlags::DELETE_SELF | ReadFlags::IGNORED) {
        return Some(Sign::Gone(Gone::Removed));
    }
    let Some(name) = name else {
        // Of the folder itself.
        return Some(Sign::Shaken);
    };
    // What has no path for pages is nothing to tell them.
    let name = RelPath::root().join(name)?.as_str().to_owned();
    Some(match what {
        what if what.contains(ReadFlags::CREATE) => Sign::Created(name),
        what if what.contains(ReadFlags::DELETE) => Sign::Removed(name),
        what if what.contains(ReadFlags::MOVED_FROM) => Sign::MovedFrom(cookie, name),
        what if what.contains(ReadFlags::MOVED_TO) => Sign::MovedTo(cookie, name),
        _ => Sign::Changed(name),
    })
}
