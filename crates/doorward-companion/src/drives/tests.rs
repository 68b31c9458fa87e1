//! Whole operations: against a model, against a hand that swaps links, and killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::prelude::*;

use super::change::{self, NewKind, OnConflict};
use super::entry::Entry;
use super::error::DriveError;
use super::handle::{self, Place};
use super::journal::Journal;
use super::list::{self, Wanted};
use super::path::{OURS, RelPath};
use super::progress::Progress;
use super::transfer::{self, Route, Step};
use super::tree;

fn root(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn route(from: &str, to: &str, conflict: OnConflict, moving: bool) -> Route {
    Route {
        from: path(from),
        to: path(to),
        conflict,
        moving,
    }
}

/// At once, or as its job would.
fn carry(from: &Dir, to: &Dir, route: &Route) -> Result<(), DriveError> {
    let journal = Journal::open(None);
    match transfer::begin((from, to), route, (&journal, "A"))? {
        Step::Done(_) => Ok(()),
        Step::Job => {
            let carried =
                transfer::carry((from, to), route, (&journal, "A"), &Progress::default())?;
            carried.trouble.map_or(Ok(()), Err)
        }
    }
}

/// Everything below a folder; folders have no content.
fn snapshot(at: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fn walk(at: &Path, name: &str, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                into.insert(name.clone(), None);
                walk(&entry.path(), &name, into);
            } else {
                let content = fs::read(entry.path()).unwrap_or_default();
                into.insert(name, Some(content));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(at, "", &mut all);
    all
}

// === the model ===

#[derive(Clone, Debug)]
enum Act {
    Make(String, bool),
    Carry(String, String, OnConflict, bool),
    Remove(String),
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    let conflict = prop_oneof![
        Just(OnConflict::Fail),
        Just(OnConflict::Replace),
        Just(OnConflict::KeepBoth)
    ];
    prop_oneof![
        (name(), any::<bool>()).prop_map(|(at, dir)| Act::Make(at, dir)),
        (name(), name(), conflict, any::<bool>()).prop_map(|(a, b, c, m)| Act::Carry(a, b, c, m)),
        name().prop_map(Act::Remove),
    ]
}

type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What a tree is after an act, by the rules alone.
fn expected(tree: &Tree, act: &Act, stamp: &[u8]) -> Result<Tree, &'static str> {
    let at = |text: &str| format!("/{text}");
    let parent_is_dir = |text: &str| match text.rsplit_once('/') {
        None => Ok(()),
        Some((parent, _)) => match tree.get(&at(parent)) {
            Some(None) => Ok(()),
            _ => Err("parent"),
        },
    };
    let below = |text: &str| -> Vec<(String, Option<Vec<u8>>)> {
        let (own, start) = (at(text), format!("/{text}/"));
        let here = tree
            .iter()
            .filter(|(name, _)| **name == own || name.starts_with(&start));
        here.map(|(name, content)| (name[own.len()..].to_owned(), content.clone()))
            .collect()
    };
    let mut next = tree.clone();
    match act {
        Act::Make(text, is_dir) => {
            parent_is_dir(text)?;
            if tree.contains_key(&at(text)) {
                return Err("exists");
            }
            next.insert(at(text), (!is_dir).then(|| stamp.to_vec()));
        }
        Act::Remove(text) => {
            if !tree.contains_key(&at(text)) {
                return Err("absent");
            }
            for (rest, _) in below(text) {
                next.remove(&format!("{}{rest}", at(text)));
            }
        }
        Act::Carry(from, to, conflict, moving) => {
            let source = tree.get(&at(from)).ok_or("absent")?;
            parent_is_dir(to)?;
            if source.is_none() && format!("{to}/").starts_with(&format!("{from}/")) && (from != to)
            {
                return Err("inside");
            }
            let target = tree.get(&at(to));
            let mut goal = to.clone();
            if from == to && (*moving || *conflict != OnConflict::KeepBoth) {
                return Err("same");
            }
            if let Some(there) = target {
                match conflict {
                    OnConflict::Fail => return Err("exists"),
                    OnConflict::Replace if source.is_none() || there.is_none() => {
                        return Err("exists");
                    }
                    OnConflict::Replace => {}
                    OnConflict::KeepBoth => {
                        let free =
                            |number: &u32| !tree.contains_key(&at(&format!("{to} ({number})")));
                        let number = (2..).find(free).unwrap();
                        goal = format!("{to} ({number})");
                    }
                }
            }
            let moved = below(from);
            if *moving {
                for (rest, _) in &moved {
                    next.remove(&format!("{}{rest}", at(from)));
                }
            }
            for (rest, content) in moved {
                next.insert(format!("{}{rest}", at(&goal)), content);
            }
        }
    }
    Ok(next)
}

fn perform(dir: &Dir, act: &Act, stamp: &[u8]) -> Result<(), DriveError> {
    match act {
        Act::Make(at, true) => change::create(dir, &path(at), NewKind::Directory).map(drop),
        Act::Make(at, false) => {
            change::create(dir, &path(at), NewKind::File)?;
            dir.write(at, stamp).unwrap();
            Ok(())
        }
        Act::Carry(from, to, conflict, moving) => {
            carry(dir, dir, &route(from, to, *conflict, *moving))
        }
        Act::Remove(at) => tree::remove(&Place::find(dir, &path(at))?, &Progress::default(), None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn every_act_is_as_the_model_says_or_changes_nothing(acts in proptest::collection::vec(act(), 1..24)) {
        let temp = tempfile::tempdir().unwrap();
        let dir = root(temp.path());
        for (number, act) in acts.iter().enumerate() {
            let stamp = number.to_string().into_bytes();
            let before = snapshot(temp.path());
            let done = perform(&dir, act, &stamp);
            let after = snapshot(temp.path());
            match expected(&before, act, &stamp) {
                Ok(tree) => {
                    prop_assert!(done.is_ok(), "{act:?}: {done:?}");
                    prop_assert_eq!(after, tree, "{:?}", act);
                }
                Err(why) => {
                    prop_assert!(done.is_err(), "{act:?} should be refused: {why}");
                    prop_assert_eq!(after, before, "{:?}", act);
                }
            }
        }
    }
}

// === what is one file, however it is spelled ===

#[cfg(unix)]
#[test]
fn r7_a_file_onto_itself_by_another_name_is_kept() {
    let temp = tempfile::tempdir().unwrap();
    let dir = root(temp.path());
    dir.create_dir("d").unwrap();
    dir.write("d/a", "precious").unwrap();
    dir.symlink("d", "link").unwrap();
    dir.hard_link("d/a", &dir, "d/b").unwrap();
    for moving in [false, true] {
        for to in ["link/a", "d/a", "d/b"] {
            let refused = carry(&dir, &dir, &route("d/a", to, OnConflict::Replace, moving));
            assert_eq!(refused, Err(DriveError::SameFile), "{to} {moving}");
        }
    }
    assert_eq!(dir.read_to_string("d/a").unwrap(), "precious");
    assert_eq!(dir.read_to_string("d/b").unwrap(), "precious");
    // And a folder into itself through a link to it.
    for moving in [false, true] {
        let refused = carry(&dir, &dir, &route("d", "link/x", OnConflict::Fail, moving));
        assert_eq!(refused, Err(DriveError::InsideItself));
    }
}

#[cfg(unix)]
#[test]
fn r7_links_are_moved_and_removed_as_what_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let dir = root(temp.path());
    dir.create_dir("d").unwrap();
    dir.write("d/a", "a").unwrap();
    dir.symlink("d", "to-dir").unwrap();
    dir.symlink("nowhere", "broken").unwrap();
    carry(
        &dir,
        &dir,
        &route("to-dir", "moved", OnConflict::Fail, true),
    )
    .unwrap();
    carry(
        &dir,
        &dir,
        &route("broken", "copied", OnConflict::Fail, false),
    )
    .unwrap();
    for link in ["moved", "copied"] {
        assert!(dir.symlink_metadata(link).unwrap().is_symlink());
    }
    for link in ["moved", "copied", "broken"] {
        let place = Place::find(&dir, &path(link)).unwrap();
        tree::remove(&place, &Progress::default(), None).unwrap();
    }
    assert_eq!(dir.read_to_string("d/a").unwrap(), "a");
    assert_eq!(snapshot(temp.path()).len(), 2);
}

#[test]
fn a_conflict_says_what_stands_in_the_way_of_what() {
    let temp = tempfile::tempdir().unwrap();
    let dir = root(temp.path());
    dir.write("a", "new").unwrap();
    dir.write("b", "older").unwrap();
    let refused = carry(&dir, &dir, &route("a", "b", OnConflict::Fail, true));
    let Err(DriveError::AlreadyExists(conflict)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (&conflict.existing["path"], &conflict.existing["size"]),
        (&"b".into(), &5.into())
    );
    assert_eq!(
        (&conflict.incoming["path"], &conflict.incoming["size"]),
        (&"a".into(), &3.into())
    );
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_never_copied_and_never_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let dir = root(temp.path());
    dir.create_dir("d").unwrap();
    dir.write("d/a", "a").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(temp.path().join("d/pipe"))
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(temp.path().join("socket")).unwrap();
    for from in ["d", "d/pipe", "socket"] {
        let refused = carry(&dir, &dir, &route(from, "copy", OnConflict::Fail, false));
        assert_eq!(refused, Err(DriveError::KindUnsupported), "{from}");
    }
    assert_eq!(
        handle::file(&dir, &path("d/pipe")).unwrap_err(),
        DriveError::KindUnsupported
    );
    let names: Vec<_> = fs::read_dir(temp.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "nothing unfinished is left: {names:?}");
}

// === a hand that swaps ===

#[cfg(unix)]
#[test]
fn t56_what_is_swapped_between_look_and_use_leads_nowhere_else() {
    const TURNS: usize = 1_500;
    let temp = tempfile::tempdir().unwrap();
    let (share, outside) = (temp.path().join("share"), temp.path().join("outside"));
    fs::create_dir_all(share.join("real")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "outside").unwrap();
    fs::write(share.join("real/secret"), "inside").unwrap();
    let before = snapshot(&outside);
    let stop = Arc::new(AtomicBool::new(false));
    let (swapping, at, to) = (Arc::clone(&stop), share.join("x"), outside.clone());
    let hand = std::thread::spawn(move || {
        while !swapping.load(Ordering::Relaxed) {
            let _ = std::os::unix::fs::symlink(&to, &at);
            let _ = fs::remove_file(&at);
            let _ = std::os::unix::fs::symlink("real", &at);
            let _ = fs::remove_file(&at);
        }
    });
    let dir = root(&share);
    let mut reached = 0;
    for turn in 0..TURNS {
        if let Ok(file) = handle::file(&dir, &path("x/secret")) {
            assert_eq!(std::io::read_to_string(file).unwrap(), "inside");
            reached += 1;
        }
        let wanted = Wanted {
            path: path("x"),
            limit: 10,
            ..Wanted::default()
        };
        if let Ok(page) = list::list(&dir, &wanted) {
            let is_outside = |entry: &Entry| entry.name == "secret" && entry.size != Some(6);
            assert!(!page.entries.iter().any(is_outside), "{page:?}");
        }
        let made = format!("x/{turn}");
        let _ = change::create(&dir, &path(&made), NewKind::File);
        let _ = carry(
            &dir,
            &dir,
            &route("real/secret", "x/copy", OnConflict::Replace, false),
        );
        let _ = carry(
            &dir,
            &dir,
            &route(&made, "x/moved", OnConflict::Replace, true),
        );
        if let Ok(place) = Place::find(&dir, &path("x/moved")) {
            let _ = tree::remove(&place, &Progress::default(), None);
        }
    }
    stop.store(true, Ordering::Relaxed);
    hand.join().unwrap();
    assert_eq!(snapshot(&outside), before);
    assert!(reached > 0, "the link led inside at times");
}

// === killed ===

/// What the child does: its part of [`killed_half_way_leaves_the_old_or_the_new`].
#[test]
#[ignore = "the child of another test"]
fn child() {
    let Ok(at) = std::env::var("DOORWARD_TEST_CHILD") else {
        return;
    };
    let words: Vec<_> = at.split('\n').collect();
    let [from, to, what] = words[..] else {
        panic!("{words:?}")
    };
    let (from, to) = (root(Path::new(from)), root(Path::new(to)));
    let journal = Journal::open(None);
    let progress = Progress::default();
    let (name, moving) = match what {
        "tree" => ("tree", false),
        "replace" => ("file", false),
        _ => ("tree", true),
    };
    let route = route(name, "target", OnConflict::Replace, moving);
    println!("begun");
    transfer::carry((&from, &to), &route, (&journal, "A"), &progress).unwrap();
}

fn big(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); 3 * 1024 * 1024]
}

/// Kills a child when so many bytes have been written to what nobody sees, or, past
/// that, when something has changed at the source.
#[cfg(unix)]
fn killed(from: &Path, to: &Path, what: &str, bytes: u64) {
    use std::io::BufRead as _;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "drives::tests::child",
            "--ignored",
            "--nocapture",
        ])
        .env(
            "DOORWARD_TEST_CHILD",
            format!("{}\n{}\n{what}", from.display(), to.display()),
        )
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("begun")));
    loop {
        let written: u64 = unfinished(to).iter().map(|path| size(path)).sum();
        let published = to.join("target").is_dir() && bytes == u64::MAX;
        if written >= bytes || published || child.try_wait().unwrap().is_some() {
            break;
        }
    }
    let _ = child.kill();
    child.wait().unwrap();
}

fn unfinished(at: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(at).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(OURS))
        .map(|entry| entry.path())
        .collect()
}

fn size(at: &Path) -> u64 {
    match fs::symlink_metadata(at) {
        Ok(metadata) if metadata.is_dir() => {
            let entries = fs::read_dir(at).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

#[cfg(unix)]
#[test]
fn killed_half_way_leaves_the_old_or_the_new() {
    for bytes in [1, 5, 9, 14, 17].map(|mib| mib * 1024 * 1024) {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir_all(from.join("tree/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        for number in 0..6 {
            fs::write(from.join(format!("tree/deep/{number}")), big(number)).unwrap();
        }
        fs::write(from.join("file"), vec![7; 18 * 1024 * 1024]).unwrap();
        let source = snapshot(&from);
        killed(&from, &to, "tree", bytes);
        assert_eq!(snapshot(&from), source);
        if to.join("target").exists() {
            assert_eq!(snapshot(&to.join("target")).len(), 7);
        }
        let _ = fs::remove_dir_all(to.join("target"));
        fs::write(to.join("target"), "the old one").unwrap();
        killed(&from, &to, "replace", bytes);
        let target = fs::read(to.join("target")).unwrap();
        assert!(target == b"the old one" || target == vec![7; 18 * 1024 * 1024]);
        // What is left has a name that the journal knows, and goes.
        for left in unfinished(&to) {
            let name = left.file_name().unwrap().to_owned();
            let parent = root(&to);
            tree::clear(&Place { parent, name }).unwrap();
        }
        assert!(unfinished(&to).is_empty());
    }
}

/// Another drive, where this machine has one.
#[cfg(target_os = "linux")]
fn other_drive() -> Option<tempfile::TempDir> {
    use std::os::unix::fs::MetadataExt as _;
    let here = fs::metadata(std::env::temp_dir()).ok()?.dev();
    let there = fs::metadata("/dev/shm")
        .ok()
        .filter(|there| there.dev() != here);
    there.and_then(|_| tempfile::tempdir_in("/dev/shm").ok())
}

#[cfg(target_os = "linux")]
#[test]
fn killed_on_the_way_to_another_drive_loses_nothing() {
    let Some(other) = other_drive() else {
        assert!(std::env::var_os("CI").is_none(), "CI has two drives");
        eprintln!("skipped: this machine has no second drive at /dev/shm");
        return;
    };
    for bytes in [1, 9 * 1024 * 1024, 17 * 1024 * 1024, u64::MAX] {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().to_owned(), other.path().join(bytes.to_string()));
        fs::create_dir_all(from.join("tree/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        for number in 0..6 {
            fs::write(from.join(format!("tree/deep/{number}")), big(number)).unwrap();
        }
        killed(&from, &to, "move", bytes);
        for number in 0..6 {
            let here = fs::read(from.join(format!("tree/deep/{number}")));
            let there = fs::read(to.join(format!("target/deep/{number}")));
            let kept = here.is_ok_and(|bytes| bytes == big(number));
            let came = there.is_ok_and(|bytes| bytes == big(number));
            assert!(kept || came, "{number} of {bytes}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_move_to_another_drive_keeps_what_was_changed_meanwhile() {
    let Some(other) = other_drive() else {
        assert!(std::env::var_os("CI").is_none(), "CI has two drives");
        eprintln!("skipped: this machine has no second drive at /dev/shm");
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let (from, to) = (root(temp.path()), root(other.path()));
    from.create_dir("d").unwrap();
    from.write("d/a", "a").unwrap();
    from.write("d/b", "b").unwrap();
    let whole = route("d", "d", OnConflict::Fail, true);
    let begun = transfer::begin((&from, &to), &whole, (&Journal::open(None), "A"));
    assert!(matches!(begun, Ok(Step::Job)), "{begun:?}");
    assert!(
        from.exists("d/a") && !to.exists("d"),
        "nothing was done yet"
    );
    let mut copied = tree::Copied::default();
    let place = |dir: &Dir| Place::find(dir, &path("d")).unwrap();
    let progress = Progress::default();
    tree::copy(&place(&from), &place(&to), &progress, &mut copied).unwrap();
    from.write("d/b", "changed").unwrap();
    from.write("d/new", "new").unwrap();
    tree::remove(&place(&from), &progress, Some(&copied)).unwrap();
    assert!(!from.exists("d/a"));
    assert_eq!(from.read_to_string("d/b").unwrap(), "changed");
    assert_eq!(from.read_to_string("d/new").unwrap(), "new");
    assert_eq!(progress.counts().left, 2);
}

#[test]
fn what_is_cancelled_or_too_deep_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let dir = root(temp.path());
    dir.create_dir("d").unwrap();
    dir.write("d/a", "a").unwrap();
    let progress = Progress::default();
    progress.cancel();
    let whole = route("d", "e", OnConflict::Fail, false);
    let ended = transfer::carry((&dir, &dir), &whole, (&Journal::open(None), "A"), &progress);
    assert_eq!(ended.unwrap_err(), DriveError::Cancelled);
    let deep = "n/".repeat(crate::defaults::TREE_DEPTH + 2);
    dir.create_dir_all(format!("d/{deep}")).unwrap();
    assert_eq!(carry(&dir, &dir, &whole), Err(DriveError::TooDeep));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}
