//! One page of a folder.
//!
//! The whole folder is read for it, each time anew: nothing is kept between pages,
//! and a page stays right while others create and remove. At most twice a page of
//! entries is in memory, however many there are. Folders come first, whatever the
//! order; numbers in names count as numbers.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

use cap_std::fs::{Dir, DirEntry, Metadata};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryKind, is_hidden, media_type};
use super::error::DriveError;
use super::handle;
use super::path::{OURS, RelPath, spell};
use crate::defaults;
use crate::encoding::{from_url64_text, url64_text};

/// What a listing is sorted by. Names break ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// As people count: `2` before `10`, `a` beside `A`.
    #[default]
    Name,
    /// Bytes.
    Size,
    /// When it was changed last.
    Modified,
    /// Media types.
    Kind,
}

/// Which way a listing runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// The least first.
    #[default]
    Asc,
    /// The most first.
    Desc,
}

/// What is asked of a listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) path: RelPath,
    pub(super) sort: Sort,
    pub(super) order: Order,
    /// Where the page before ended.
    pub(super) after: Option<String>,
    pub(super) limit: usize,
    /// Whether what desktops hide is listed.
    pub(super) hidden: bool,
}

/// One page.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Listing {
    /// The folder that is listed.
    pub path: String,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none after the last.
    pub next: Option<String>,
    /// Entries on all pages.
    pub total: u64,
}

/// The place of an entry in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rank {
    is_file: bool,
    by: Key,
    natural: Vec<u8>,
    name: OsString,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Number(u64),
    Text(String),
    Nothing,
}

/// What a cursor says: enough to find the place again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    s: Sort,
    o: Order,
    f: bool,
    k: Key,
    n: String,
}

/// One page of the folder at the wanted path, below `root`.
pub(super) fn list(root: &Dir, wanted: &Wanted) -> Result<Listing, DriveError> {
    let dir = handle::folder(root, &wanted.path)?;
    let after = wanted
        .after
        .as_deref()
        .map(|text| read(text, wanted))
        .transpose()?;
    let limit = wanted.limit.clamp(1, defaults::LISTED);
    let order = |a: &Rank, b: &Rank| a.order(b, wanted.order);
    let mut window: Vec<Rank> = Vec::new();
    let (mut total, mut beyond) = (0_u64, false);
    for entry in dir.entries()? {
        // An entry that vanishes or cannot be looked at spoils only itself.
        let Some(rank) = entry.ok().and_then(|entry| Rank::of(&dir, &entry, wanted)) else {
            continue;
        };
        total += 1;
        let passed = |after: &Rank| order(&rank, after) != Ordering::Greater;
        if after.as_ref().is_some_and(passed) {
            continue;
        }
        window.push(rank);
        if window.len() >= limit.saturating_mul(2).saturating_add(1) {
            window.sort_unstable_by(order);
            window.truncate(limit);
            beyond = true;
        }
    }
    window.sort_unstable_by(order);
    beyond |= window.len() > limit;
    window.truncate(limit);
    let last = window.last().filter(|_| beyond);
    let next = last.and_then(|rank| write(rank, wanted));
    let looked = window
        .iter()
        .filter_map(|rank| Entry::look(&dir, &wanted.path, &rank.name));
    Ok(Listing {
        path: wanted.path.as_str().to_owned(),
        entries: looked.collect(),
        next,
        total,
    })
}

impl Rank {
    /// `None` if it is not to be listed.
    fn of(dir: &Dir, entry: &DirEntry, wanted: &Wanted) -> Option<Self> {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(OURS.as_bytes()) {
            return None;
        }
        wanted.path.join(&name)?;
        let look = || entry.metadata().ok();
        let dotted = name.as_encoded_bytes().starts_with(b".");
        // Windows keeps it with the file.
        let hidden = dotted || cfg!(windows) && look().is_some_and(|m| is_hidden(&name, &m));
        if hidden && !wanted.hidden {
            return None;
        }
        let kind = EntryKind::of(entry.file_type().ok()?);
        // A link is listed with what it leads to.
        let target = || match kind {
            EntryKind::Symlink => dir.metadata(&name).ok(),
            _ => None,
        };
        let is_file = match kind {
            EntryKind::Directory => false,
            EntryKind::Symlink => !target().is_some_and(|target| target.is_dir()),
            EntryKind::File | EntryKind::Other => true,
        };
        let by = match wanted.sort {
            Sort::Name => Key::Nothing,
            Sort::Size if !is_file => Key::Number(0),
            Sort::Size => Key::Number(target().or_else(look).map_or(0, |metadata| metadata.len())),
            Sort::Modified => Key::Number(target().or_else(look).map_or(0, |m| stamp(&m))),
            Sort::Kind if !is_file => Key::Text(String::new()),
            Sort::Kind => Key::Text(media_type(&name).unwrap_or_else(|| "~".to_owned())),
        };
        Some(Self::new(is_file, by, name))
    }

    fn new(is_file: bool, by: Key, name: OsString) -> Self {
        Self {
            is_file,
            by,
            natural: natural(&name),
            name,
        }
    }

    fn order(&self, other: &Self, order: Order) -> Ordering {
        let within = self.by.cmp(&other.by);
        let within = within
            .then_with(|| self.natural.cmp(&other.natural))
            .then_with(|| self.name.cmp(&other.name));
        let within = match order {
            Order::Asc => within,
            Order::Desc => within.reverse(),
        };
        self.is_file.cmp(&other.is_file).then(within)
    }
}

/// Milliseconds that compare as the times do, whichever side of 1970 they are on.
fn stamp(metadata: &Metadata) -> u64 {
    const MIDDLE: u64 = 1 << 62;
    let Ok(at) = metadata.modified() else {
        return 0;
    };
    let millis = |time: std::time::Duration| {
        u64::try_from(time.as_millis())
            .unwrap_or(MIDDLE)
            .min(MIDDLE)
    };
    match at.into_std().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => MIDDLE + millis(since),
        Err(before) => MIDDLE - millis(before.duration()),
    }
}

/// Bytes that compare as people sort names: without regard to case, and runs of
/// digits by their value.
fn natural(name: &OsStr) -> Vec<u8> {
    let text = name.to_string_lossy().to_lowercase();
    let mut key = Vec::with_capacity(text.len() + 4);
    let mut rest = text.as_str();
    while let Some(letter) = rest.chars().next() {
        if !letter.is_ascii_digit() {
            key.extend_from_slice(rest.get(..letter.len_utf8()).unwrap_or_default().as_bytes());
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let value = digits.trim_start_matches('0');
        // Longer numbers are greater. A name has at most 255 bytes.
        key.push(b'0');
        key.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        key.extend_from_slice(value.as_bytes());
        rest = after;
    }
    key
}

fn write(rank: &Rank, wanted: &Wanted) -> Option<String> {
    let cursor = Cursor {
        s: wanted.sort,
        o: wanted.order,
        f: rank.is_file,
        k: rank.by.clone(),
        n: spell(&rank.name)?,
    };
    Some(url64_text(&serde_json::to_vec(&cursor).ok()?))
}

/// A cursor is good for the order that it was told in.
fn read(text: &str, wanted: &Wanted) -> Result<Rank, DriveError> {
    let cursor =
        from_url64_text(text).and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
    let Cursor { s, o, f, k, n } = cursor.ok_or(DriveError::CursorRefused)?;
    let fits = matches!(
        (s, &k),
        (Sort::Name, Key::Nothing)
            | (Sort::Size | Sort::Modified, Key::Number(_))
            | (Sort::Kind, Key::Text(_))
    );
    let path = RelPath::parse(&n).ok().filter(|path| path.depth() == 1);
    let name = path.and_then(|path| path.split()).map(|(_, name)| name);
    match name.filter(|_| fits && (s, o) == (wanted.sort, wanted.order)) {
        Some(name) => Ok(Rank::new(f, k, name)),
        None => Err(DriveError::CursorRefused),
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use proptest::prelude::*;

    use super::*;

    fn folder(names: &[&str]) -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(name) => dir.create_dir(name).unwrap(),
                None => dir.write(name, vec![b'x'; name.len()]).unwrap(),
            }
        }
        (temp, dir)
    }

    /// All names, page by page.
    fn walk(dir: &Dir, mut wanted: Wanted) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let page = list(dir, &wanted).unwrap();
            assert!(page.entries.len() <= wanted.limit);
            names.extend(page.entries.into_iter().map(|entry| entry.name));
            match page.next {
                Some(next) => wanted.after = Some(next),
                None => return names,
            }
        }
    }

    fn by(sort: Sort, order: Order, limit: usize) -> Wanted {
        Wanted {
            sort,
            order,
            limit,
            ..Wanted::default()
        }
    }

    #[test]
    fn names_are_sorted_as_people_count_and_folders_come_first() {
        let (_temp, dir) = folder(&[
            "10.txt", "2.txt", "B", "a", "z/", "02.txt", ".env", "A9", "a10/",
        ]);
        for limit in 1..12 {
            let up = walk(&dir, by(Sort::Name, Order::Asc, limit));
            assert_eq!(
                up,
                ["a10", "z", "02.txt", "2.txt", "10.txt", "a", "A9", "B"],
                "{limit}"
            );
            let down = walk(&dir, by(Sort::Name, Order::Desc, limit));
            assert_eq!(
                down,
                ["z", "a10", "B", "A9", "a", "10.txt", "2.txt", "02.txt"],
                "{limit}"
            );
        }
        let hidden = Wanted {
            hidden: true,
            ..by(Sort::Name, Order::Asc, 100)
        };
        assert_eq!(list(&dir, &hidden).unwrap().total, 9);
        assert_eq!(list(&dir, &by(Sort::Name, Order::Asc, 1)).unwrap().total, 8);
    }

    #[test]
    fn what_is_equal_is_sorted_by_name() {
        let (_temp, dir) = folder(&["bb.txt", "aa.txt", "c.png", "dddd", "e/"]);
        assert_eq!(
            walk(&dir, by(Sort::Size, Order::Asc, 2)),
            ["e", "dddd", "c.png", "aa.txt", "bb.txt"]
        );
        assert_eq!(
            walk(&dir, by(Sort::Size, Order::Desc, 2)),
            ["e", "bb.txt", "aa.txt", "c.png", "dddd"]
        );
        assert_eq!(
            walk(&dir, by(Sort::Kind, Order::Asc, 2)),
            ["e", "c.png", "aa.txt", "bb.txt", "dddd"]
        );
        assert_eq!(walk(&dir, by(Sort::Modified, Order::Asc, 2)).len(), 5);
    }

    #[test]
    fn a_cursor_is_good_for_its_own_order() {
        let (_temp, dir) = folder(&["a", "b", "c"]);
        let next = list(&dir, &by(Sort::Name, Order::Asc, 1)).unwrap().next;
        for wrong in [
            by(Sort::Name, Order::Desc, 1),
            by(Sort::Size, Order::Asc, 1),
        ] {
            let wanted = Wanted {
                after: next.clone(),
                ..wrong
            };
            assert_eq!(list(&dir, &wanted).unwrap_err(), DriveError::CursorRefused);
        }
        for text in ["", "x", "e30", "bnVsbA"] {
            let wanted = Wanted {
                after: Some(text.to_owned()),
                ..by(Sort::Name, Order::Asc, 1)
            };
            assert_eq!(
                list(&dir, &wanted).unwrap_err(),
                DriveError::CursorRefused,
                "{text}"
            );
        }
        // It stands for a place, not for a file.
        dir.remove_file("a").unwrap();
        dir.write("aa", "").unwrap();
        let wanted = Wanted {
            after: next,
            ..by(Sort::Name, Order::Asc, 5)
        };
        assert_eq!(walk(&dir, wanted), ["aa", "b", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_listed_and_addressed_and_ours_are_not() {
        use std::os::unix::ffi::OsStrExt as _;
        let (_temp, dir) = folder(&[".doorward-part", "a\\b", "c\nd"]);
        dir.write(OsStr::from_bytes(b"x\xff"), "odd").unwrap();
        let wanted = Wanted {
            hidden: true,
            ..by(Sort::Name, Order::Asc, 10)
        };
        let page = list(&dir, &wanted).unwrap();
        let paths: Vec<_> = page
            .entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect();
        assert_eq!(paths, ["a\\x5cb", "c\\x0ad", "x\\xff"]);
        for path in paths {
            assert!(
                handle::file(&dir, &RelPath::parse(path).unwrap()).is_ok(),
                "{path}"
            );
        }
        assert_eq!(walk(&dir, Wanted { limit: 1, ..wanted }).len(), 3);
    }

    proptest! {
        #[test]
        fn pages_are_the_whole_in_order(
            names in proptest::collection::btree_set("[a-cA-C0-2]{1,4}", 0..30),
            limit in 1_usize..8,
            sort in 0_usize..4,
            down: bool,
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let (_temp, dir) = folder(&names);
            let sort = [Sort::Name, Sort::Size, Sort::Modified, Sort::Kind][sort];
            let order = if down { Order::Desc } else { Order::Asc };
            let pages = walk(&dir, by(sort, order, limit));
            let whole = walk(&dir, by(sort, order, 1_000));
            prop_assert_eq!(&pages, &whole);
            let mut sorted = pages.clone();
            sorted.sort();
            prop_assert_eq!(sorted, names);
        }
    }
}
