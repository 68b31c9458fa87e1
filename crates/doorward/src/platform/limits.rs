//! Open files: each connection takes one, and what it reads another.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Four listeners of 1,024 connections each with what they read, 1,024 relayed
/// sockets and 512 to TURN servers with both of their ends, and the rest.
const FILES: u64 = 12_288;
/// Files that are not connections: logs, folders, the way out.
const OTHERS: u64 = 256;
/// Control, content, companion and native.
const LISTENERS: u64 = 4;
/// So many are served whatever the limit is.
const LEAST: u64 = 64;

/// Raises this process's own limit on open files as far as doorward needs and
/// the system allows. For programs of their own: a library does not change its
/// host. Returns what holds now; `None` is no limit.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let want = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|now| now < want) {
        let raised = Rlimit {
            current: Some(want),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit on open files stays as it is");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// A listener that takes more than this would run out of files before its
/// reserve begins.
pub(super) fn connections_that_fit() -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return usize::MAX;
    };
    let fit = files.saturating_sub(OTHERS) / LISTENERS;
    usize::try_from(fit.max(LEAST)).unwrap_or(usize::MAX)
}
