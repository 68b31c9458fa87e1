//! Folders whose path has a word in it.
//!
//! Bounded like a search by names, by what it looks at and how long it takes, and
//! ended when its caller hangs up.

use std::collections::VecDeque;
use std::sync::Arc;

use cap_std::fs::Dir;
use doorward_guard::Clock;

use super::at_once::{AtOnce, Spot};
use super::error::DriveError;
use super::handle::{self, Identity};
use super::path::{OURS, RelPath};
use super::progress::Progress;
use crate::defaults;
use crate::pairing::Right;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The first paths, the nearest first.
    pub paths: Vec<String>,
    /// How many there are.
    pub total: usize,
    /// Folders that were looked at.
    pub looked: usize,
}

/// Ends the walk when its caller hangs up: this is dropped then.
struct Hung(Arc<Progress>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl AtOnce {
    /// Folders at any depth whose path has `word` in it, in any case; `dotted` looks
    /// into those whose name begins with a dot as well. No word finds nothing.
    ///
    /// # Errors
    ///
    /// [`DriveError::RightMissing`] without `read`, and what the drive says.
    pub async fn named(&self, spot: Spot, word: &str, dotted: bool) -> Result<Named, DriveError> {
        let folder = spot.at.with(Right::Read)?;
        if word.is_empty() || word.chars().count() > defaults::SEARCH_WORD {
            return Ok(Named::default());
        }
        let word = word.to_lowercase();
        let hung = Hung(Arc::default());
        let (progress, clock) = (Arc::clone(&hung.0), self.room.clock.clone());
        let path = spot.path;
        folder
            .work(move |root| walk(root, &path, (&word, dotted), &progress, &clock))
            .await
    }
}

fn walk(
    root: &Dir,
    path: &RelPath,
    (word, dotted): (&str, bool),
    progress: &Progress,
    clock: &Clock,
) -> Result<Named, DriveError> {
    let home = Identity::of_dir(&handle::folder(root, path)?)?;
    let until = clock.now().plus(defaults::NAMED_WITHIN);
    let mut found = Named::default();
    let mut ahead = VecDeque::from([path.clone()]);
    while let Some(path) = ahead.pop_front() {
        // What cannot be read, and other drives, are left out.
        let Ok(dir) = handle::folder(root, &path) else {
            continue;
        };
        if !Identity::of_dir(&dir)?.is_on_device_of(home) {
            continue;
        }
        let Ok(entries) = dir.entries() else {
            continue;
        };
        for entry in entries.flatten() {
            progress.go_on()?;
            if found.looked >= defaults::NAMED_LOOKED
                || ahead.len() > defaults::SEARCH_AHEAD
                || clock.now() >= until
            {
                return Ok(found);
            }
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            let skipped = bytes.starts_with(OURS.as_bytes()) || !dotted && bytes.starts_with(b".");
            if skipped || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Some(below) = path.join(&name) else {
                continue;
            };
            found.looked += 1;
            if below.as_str().to_lowercase().contains(word) {
                found.total += 1;
                if found.paths.len() < defaults::NAMED {
                    found.paths.push(below.as_str().to_owned());
                }
            }
            ahead.push_back(below);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn folders_are_found_by_their_path_and_links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        root.create_dir_all("Work/reports/2026").unwrap();
        root.create_dir_all(".work/x").unwrap();
        root.write("work.txt", "").unwrap();
        #[cfg(unix)]
        root.symlink("..", "work-up").unwrap();
        let (clock, _) = Clock::fake();
        let find = |word, dotted| {
            let progress = Progress::default();
            walk(&root, &RelPath::root(), (word, dotted), &progress, &clock).unwrap()
        };
        let found = find("work", false);
        assert_eq!(found.paths, ["Work", "Work/reports", "Work/reports/2026"]);
        assert_eq!((found.total, found.looked), (3, 3));
        assert_eq!(find("work", true).total, 5);
        assert_eq!(find("k/rep", false).total, 2);
        let progress = Progress::default();
        progress.cancel();
        let ended = walk(&root, &RelPath::root(), ("w", false), &progress, &clock);
        assert_eq!(ended.unwrap_err(), DriveError::Cancelled);
    }
}
