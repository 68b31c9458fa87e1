//! Names that have a word in them, in a folder and all below it.
//!
//! Bounded by what it looks at, how long it takes and how much it finds, and says
//! which of these ended it. It ends too when its caller hangs up. Links are not
//! followed, and other drives that are mounted inside are left out.

use std::collections::VecDeque;

use cap_std::fs::Dir;
use doorward_guard::Clock;
use serde::Serialize;

use super::entry::Entry;
use super::error::DriveError;
use super::handle::{self, Identity};
use super::path::{OURS, RelPath, spell};
use super::progress::Progress;
use crate::defaults;

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Quest {
    pub(super) path: RelPath,
    /// In any case.
    pub(super) word: String,
    pub(super) limit: usize,
    /// Whether what desktops hide is looked into.
    pub(super) hidden: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Found {
    /// The nearest first.
    pub entries: Vec<Entry>,
    /// Whether everything was looked at.
    pub complete: bool,
    /// What was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Unfinished>,
}

/// Why a search did not look at everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unfinished {
    /// As many were found as were asked for.
    Limit,
    /// There is more than one search looks at.
    Work,
    /// It took too long.
    Time,
    /// Another drive is mounted inside.
    OtherDrive,
    /// A folder could not be read.
    Unreadable,
}

/// Searches below `root`.
pub(super) fn search(
    root: &Dir,
    quest: &Quest,
    progress: &Progress,
    clock: &Clock,
) -> Result<Found, DriveError> {
    let start = handle::folder(root, &quest.path)?;
    let home = Identity::of_dir(&start)?;
    let word = quest.word.to_lowercase();
    let until = clock.now().plus(defaults::SEARCH_WITHIN);
    let limit = quest.limit.clamp(1, defaults::FOUND);
    let mut found = Found {
        entries: Vec::new(),
        complete: true,
        why: None,
    };
    let mut ahead = VecDeque::from([quest.path.clone()]);
    let mut visited = 0_usize;
    while let Some(path) = ahead.pop_front() {
        let opened = handle::folder(root, &path).and_then(|dir| {
            let here = Identity::of_dir(&dir)?.is_on_device_of(home);
            Ok((here, dir.entries()?, dir))
        });
        let Ok((here, entries, dir)) = opened else {
            found.skip(Unfinished::Unreadable);
            continue;
        };
        if !here {
            found.skip(Unfinished::OtherDrive);
            continue;
        }
        for entry in entries {
            progress.go_on()?;
            visited += 1;
            if visited > defaults::SEARCHED || ahead.len() > defaults::SEARCH_AHEAD {
                return Ok(found.ended(Unfinished::Work));
            }
            if clock.now() >= until {
                return Ok(found.ended(Unfinished::Time));
            }
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(OURS.as_bytes()) || !quest.hidden && bytes.starts_with(b".") {
                continue;
            }
            let fits = spell(&name).is_some_and(|name| name.to_lowercase().contains(&word));
            if fits && let Some(entry) = Entry::look(&dir, &path, &name) {
                if found.entries.len() == limit {
                    return Ok(found.ended(Unfinished::Limit));
                }
                found.entries.push(entry);
            }
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && let Some(below) = path.join(&name) {
                ahead.push_back(below);
            }
        }
    }
    Ok(found)
}

impl Found {
    fn skip(&mut self, why: Unfinished) {
        self.complete = false;
        self.why.get_or_insert(why);
    }

    fn ended(mut self, why: Unfinished) -> Self {
        self.complete = false;
        self.why = Some(why);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cap_std::ambient_authority;

    use super::*;

    fn quest(word: &str, limit: usize) -> Quest {
        Quest {
            path: RelPath::root(),
            word: word.to_owned(),
            limit,
            hidden: false,
        }
    }

    fn tree() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        root.create_dir_all("a/Report").unwrap();
        root.create_dir_all(".cache").unwrap();
        for name in [
            "report.txt",
            "a/REPORT.pdf",
            "a/Report/x",
            "a/other",
            ".cache/report",
        ] {
            root.write(name, "").unwrap();
        }
        #[cfg(unix)]
        root.symlink("..", "a/report-up").unwrap();
        (temp, root)
    }

    #[test]
    fn names_are_found_in_any_case_the_nearest_first_and_links_lead_nowhere() {
        let (_temp, root) = tree();
        let (clock, _) = Clock::fake();
        let found = search(&root, &quest("rePort", 100), &Progress::default(), &clock).unwrap();
        let mut paths: Vec<_> = found
            .entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect();
        assert_eq!(paths.remove(0), "report.txt");
        paths.sort_unstable();
        let links = if cfg!(unix) {
            vec!["a/report-up"]
        } else {
            vec![]
        };
        assert_eq!(paths, [vec!["a/REPORT.pdf", "a/Report"], links].concat());
        assert!(found.complete);
    }

    #[test]
    fn what_ends_a_search_is_told() {
        let (_temp, root) = tree();
        let (clock, hand) = Clock::fake();
        let found = search(&root, &quest("report", 2), &Progress::default(), &clock).unwrap();
        assert_eq!(
            (found.entries.len(), found.why),
            (2, Some(Unfinished::Limit))
        );
        let progress = Progress::default();
        progress.cancel();
        let ended = search(&root, &quest("report", 2), &progress, &clock);
        assert_eq!(ended.unwrap_err(), DriveError::Cancelled);
        hand.advance(Duration::from_secs(1));
    }
}
