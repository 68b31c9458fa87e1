//! How much there is in the folders that are served: counted beside everything
//! else, on a terminal only, and not forever.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward::guard::Clock;
use doorward::media::Location;

use super::sources::Wanted;
use crate::term::{remark, size, thousands};

/// Nobody needs to know more exactly.
const FILES: u64 = 1_000_000;
/// Nor to wait longer.
const WITHIN: Duration = Duration::from_secs(60);
/// What is quicker needs no progress.
const QUICK: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// What was found so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    files: u64,
    bytes: u64,
    /// There is more.
    more: bool,
}

/// Counts in the background.
pub(super) fn start(wanted: &[Wanted]) {
    if !io::stderr().is_terminal() {
        return;
    }
    let folders: Vec<(String, PathBuf)> = wanted
        .iter()
        .filter_map(|wanted| match &wanted.location {
            Location::Folder(path) => Some((wanted.name.clone(), path.clone())),
            _ => None,
        })
        .collect();
    // Without the thread there is no count, and everything else works.
    let _ = std::thread::Builder::new()
        .name("doorward-count".to_owned())
        .spawn(move || {
            for (name, path) in folders {
                show(&name, &path);
            }
        });
}

fn show(name: &str, path: &Path) {
    let clock = Clock::system();
    let started = clock.now();
    let mut drawn = started.plus(QUICK);
    let mut drew = false;
    let found = count(path, |found| {
        let now = clock.now();
        if now >= drawn {
            drawn = now.plus(REDRAW);
            drew = true;
            let files = thousands(found.files);
            let _ = write!(io::stderr(), "\r\u{1b}[K  {name}: {files} files so far");
        }
        now.since(started) < WITHIN
    });
    if drew {
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
    let more = if found.more { "more than " } else { "" };
    remark(&format!(
        "  {name}: {more}{} files, {}",
        thousands(found.files),
        size(found.bytes)
    ));
}

/// Links are not followed. `go_on` is asked before every folder and every
/// thousand files.
fn count(root: &Path, mut go_on: impl FnMut(&Found) -> bool) -> Found {
    let mut found = Found::default();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        if !go_on(&found) {
            found.more = true;
            return found;
        }
        // What cannot be read is not served either.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.files = found.files.saturating_add(1);
                let length = entry.metadata().map_or(0, |metadata| metadata.len());
                found.bytes = found.bytes.saturating_add(length);
                if found.files >= FILES || (found.files.is_multiple_of(1_000) && !go_on(&found)) {
                    found.more = true;
                    return found;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_links_are_not_and_it_ends_when_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        for name in ["one", "two", "a/three"] {
            std::fs::write(folder.path().join(name), "12345").unwrap();
        }
        std::os::unix::fs::symlink("/", folder.path().join("a/link")).unwrap();
        let all = Found {
            files: 3,
            bytes: 15,
            more: false,
        };
        assert_eq!(count(folder.path(), |_| true), all);
        assert_eq!(
            count(folder.path(), |_| false),
            Found {
                more: true,
                ..Found::default()
            }
        );
    }
}
