//! What pages are told of folders that change.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use doorward_guard::Rule;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::defaults;
use crate::drives::DriveError;
use crate::watch::{Open, Session, Watcher, open_folder};

/// A shared folder `A`, and who watches.
pub(super) struct House {
    pub(super) root: TempDir,
    pub(super) watcher: Watcher,
    /// Whether the page may read there.
    allowed: Arc<AtomicBool>,
}

/// A page with a socket.
pub(super) struct Page(pub(super) Session);

impl House {
    pub(super) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            watcher: Watcher::new(),
            allowed: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    pub(super) async fn page(&self, key: &str) -> Page {
        let root = self.root.path().to_owned();
        let allowed = Arc::clone(&self.allowed);
        let open: Arc<Open> = Arc::new(move |folder, path| {
            let (root, path) = (root.clone(), path.clone());
            let shared = folder.as_str() == "A";
            let allowed = Arc::clone(&allowed);
            Box::pin(async move {
                if !shared || !allowed.load(Ordering::SeqCst) {
                    return Err(Rule::FolderUnknown);
                }
                let open = move || {
                    let dir = Dir::open_ambient_dir(&root, ambient_authority());
                    open_folder(&dir?, &path)
                };
                let opened = tokio::task::spawn_blocking(open).await.unwrap();
                opened.map_err(|why: DriveError| why.rule())
            })
        });
        let mut page = Page(Session::new(&self.watcher, key, open));
        assert_eq!(page.next().await["kind"], "hello");
        page
    }
}

impl Page {
    pub(super) async fn next(&mut self) -> Value {
        let told = tokio::time::timeout(Duration::from_secs(3_600), self.0.next());
        serde_json::from_str(&told.await.unwrap().text()).unwrap()
    }

    pub(super) async fn say(&mut self, message: Value) -> Value {
        self.0.hear(&message.to_string()).unwrap();
        self.next().await
    }

    pub(super) async fn subscribe(&mut self, id: &str, path: &str) -> Value {
        let message = json!({"action": "subscribe", "id": id, "folder": "A", "path": path});
        self.say(message).await
    }

    async fn resume(&mut self, id: &str, path: &str, epoch: &Value, sequence: u64) -> Value {
        let since = json!({"epoch": epoch, "sequence": sequence});
        let message =
            json!({"action": "subscribe", "id": id, "folder": "A", "path": path, "since": since});
        self.say(message).await
    }

    /// Changes until `last` is told of, as `what name`.
    async fn changes_until(&mut self, last: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        while all.last().map(String::as_str) != Some(last) {
            let told = self.next().await;
            assert_eq!(told["kind"], "changed", "{told}");
            all.extend(names(&told));
        }
        all
    }
}

fn names(told: &Value) -> Vec<String> {
    let changes = told["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            let what = change["what"].as_str().unwrap();
            let name = change["name"].as_str().unwrap();
            match change["from"].as_str() {
                Some(from) => format!("{what} {from} {name}"),
                None => format!("{what} {name}"),
            }
        })
        .collect()
}

fn listed(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_changes_in_a_folder_is_told_and_what_changes_below_it_is_not() {
    let house = House::new();
    house.write("old", "1");
    house.write("other", "1");
    fs::create_dir(house.path("sub")).unwrap();
    let mut page = house.page("k").await;
    let subscribed = page.subscribe("s1", "").await;
    assert_eq!(subscribed["kind"], "subscribed", "{subscribed}");
    assert_eq!(subscribed["sequence"], 0);
    house.write("new", "1");
    house.write("old", "22");
    fs::rename(house.path("other"), house.path("renamed")).unwrap();
    house.write("sub/below", "1");
    fs::create_dir(house.path("folder")).unwrap();
    fs::remove_file(house.path("old")).unwrap();
    house.write("end", "");
    let told = page.next().await;
    assert_eq!(told["kind"], "changed");
    assert_eq!(told["id"], "s1");
    assert_eq!(told["sequence"], 1);
    assert_eq!(
        names(&told),
        [
            "created new",
            "removed old",
            "renamed other renamed",
            "created folder",
            "created end"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_move_between_folders_is_told_to_each_and_names_that_are_no_text_are_spelled() {
    let house = House::new();
    fs::create_dir(house.path("a")).unwrap();
    fs::create_dir(house.path("b")).unwrap();
    house.write("a/file", "1");
    let mut page = house.page("k").await;
    page.subscribe("a", "a").await;
    page.subscribe("b", "b").await;
    fs::rename(house.path("a/file"), house.path("b/file")).unwrap();
    let mut told = [page.next().await, page.next().await].map(|told| {
        let id = told["id"].as_str().unwrap();
        format!("{id}: {}", names(&told).join(" "))
    });
    told.sort();
    assert_eq!(told, ["a: removed file", "b: created file"]);
    let odd = std::ffi::OsStr::from_bytes(b"b\xff\n");
    fs::write(house.path("b").join(odd), "").unwrap();
    assert_eq!(names(&page.next().await), [r"created b\xff\x0a"]);
    // Ours are nobody's business.
    house.write("b/.doorward-upload-1", "");
    house.write("b/end", "");
    assert_eq!(names(&page.next().await), ["created end"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_saved_again_and_again_is_told_once_in_a_while() {
    let house = House::new();
    let mut page = house.page("k").await;
    page.subscribe("s1", "").await;
    for _ in 0..2_000 {
        house.write("log", "line");
    }
    house.write("end", "");
    let told = page.changes_until("created end").await;
    assert_eq!(told.iter().filter(|told| told.ends_with("log")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn r10_one_watch_serves_all_who_look_and_ends_after_the_last() {
    let house = House::new();
    fs::create_dir(house.path("a")).unwrap();
    std::os::unix::fs::symlink("a", house.path("link")).unwrap();
    let (mut one, mut two) = (house.page("k").await, house.page("l").await);
    one.subscribe("s1", "a").await;
    one.subscribe("s2", "link").await;
    let again = one.subscribe("s1", "a").await;
    assert_eq!(again["denial"], "watchIdTaken");
    two.subscribe("s1", "a").await;
    assert_eq!(house.watcher.counts(), ((1, 1, 3), 3));
    house.write("a/file", "");
    for page in [&mut one, &mut two] {
        assert_eq!(names(&page.next().await), ["created file"]);
    }
    assert_eq!(one.next().await["sequence"], 1);
    let gone = one.say(json!({"action": "unsubscribe", "id": "s2"})).await;
    assert_eq!(gone["kind"], "unsubscribed");
    let gone = one.say(json!({"action": "unsubscribe", "id": "s2"})).await;
    assert_eq!(gone["denial"], "watchUnknown");
    drop((one, two));
    assert_eq!(house.watcher.counts(), ((1, 1, 0), 0));
    tokio::time::sleep(defaults::WATCH_LINGER * 2).await;
    assert_eq!(house.watcher.counts(), ((0, 0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn r10_who_comes_back_hears_what_it_missed_or_that_it_missed_some() {
    let house = House::new();
    let mut page = house.page("k").await;
    let epoch = page.subscribe("s1", "").await["epoch"].clone();
    house.write("one", "");
    assert_eq!(page.next().await["sequence"], 1);
    drop(page);
    house.write("two", "");
    tokio::time::sleep(defaults::WATCH_WINDOW * 2).await;
    house.write("three", "");
    let mut page = house.page("k").await;
    let back = page.resume("s9", "", &epoch, 1).await;
    assert_eq!((&back["epoch"], &back["sequence"]), (&epoch, &json!(1)));
    for (sequence, name) in [(2, "created two"), (3, "created three")] {
        let told = page.next().await;
        assert_eq!(told["sequence"], sequence);
        assert_eq!(names(&told), [name]);
    }
    // A number that was never given, and another run.
    for (id, epoch, why) in [("a", &epoch, "behind"), ("b", &json!("other"), "restarted")] {
        let back = page.resume(id, "", epoch, 400).await;
        assert_eq!(back["sequence"], 3, "{back}");
        let resync = page.next().await;
        assert_eq!(resync["kind"], "resync");
        assert_eq!(
            (&resync["why"], &resync["sequence"]),
            (&json!(why), &json!(3))
        );
    }
    // Away for too long.
    drop(page);
    tokio::time::sleep(defaults::WATCH_LINGER * 2).await;
    let mut page = house.page("k").await;
    assert_ne!(page.resume("s1", "", &epoch, 3).await["epoch"], epoch);
    assert_eq!(page.next().await["why"], "restarted");
}

#[tokio::test(start_paused = true)]
async fn r10_a_page_that_lags_is_told_to_list_again() {
    let house = House::new();
    let mut page = house.page("k").await;
    page.subscribe("s1", "").await;
    // Long names, so that less is kept than happens.
    let long = "x".repeat(200);
    for part in 0..4 {
        for number in 0..500 {
            house.write(&format!("{long}{part}{number}"), "");
        }
        tokio::time::sleep(defaults::WATCH_WINDOW * 2).await;
    }
    let told = page.next().await;
    assert_eq!(
        (&told["kind"], &told["why"]),
        (&json!("resync"), &json!("behind"))
    );
    let heard = told["sequence"].as_u64().unwrap();
    assert!(heard > 4);
    house.write("end", "");
    let told = page.next().await;
    assert_eq!(told["sequence"], heard + 1);
    assert_eq!(names(&told), ["created end"]);
}

#[tokio::test(start_paused = true)]
async fn r10_when_the_system_loses_count_all_are_told_to_list_again() {
    let house = House::new();
    for folder in ["a", "b"] {
        fs::create_dir(house.path(folder)).unwrap();
    }
    let (mut one, mut two) = (house.page("k").await, house.page("l").await);
    one.subscribe("s1", "a").await;
    two.subscribe("s2", "b").await;
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    // Nobody else runs meanwhile: the queue of the kernel is not read.
    for number in 0..most {
        house.write(&format!("a/{}", number % 5_000), "");
    }
    for page in [&mut one, &mut two] {
        let told = page.next().await;
        assert_eq!(
            (&told["kind"], &told["why"]),
            (&json!("resync"), &json!("overflow"))
        );
    }
    house.write("b/end", "");
    assert_eq!(names(&two.next().await), ["created end"]);
}

#[tokio::test(start_paused = true)]
async fn r10_no_change_is_lost_without_a_resync() {
    let house = House::new();
    let folder = house.path("");
    let mut page = house.page("k").await;
    page.subscribe("s1", "").await;
    let mut known = listed(&folder);
    let mut resyncs = 0;
    // As many as a thousand in a second, five seconds long; then all at once.
    for (round, files) in [200; 25].into_iter().chain([6_000; 3]).enumerate() {
        if files == 200 {
            assert_eq!(resyncs, 0, "a thousand in a second are told one by one");
        }
        for number in 0..files {
            let name = format!("{round}-{number}");
            house.write(&name, "");
            match number % 4 {
                1 => fs::remove_file(house.path(&name)).unwrap(),
                2 => fs::rename(house.path(&name), house.path(&format!("{name}-to"))).unwrap(),
                _ => {}
            }
        }
        let end = format!("end-{round}");
        house.write(&end, "");
        while !known.contains(&end) {
            let told = page.next().await;
            if told["kind"] == "resync" {
                resyncs += 1;
                known = listed(&folder);
                continue;
            }
            for change in told["changes"].as_array().unwrap() {
                if let Some(from) = change["from"].as_str() {
                    known.remove(from);
                }
                let name = change["name"].as_str().unwrap();
                match house.path(name).exists() {
                    true => known.insert(name.to_owned()),
                    false => known.remove(name),
                };
            }
        }
        assert_eq!(known, listed(&folder));
    }
    assert!(resyncs > 0, "the bursts are too small to lose anything");
}

#[tokio::test(start_paused = true)]
async fn r10_a_folder_that_is_removed_ends_its_subscriptions_and_can_be_watched_anew() {
    let house = House::new();
    fs::create_dir(house.path("a")).unwrap();
    let mut page = house.page("k").await;
    let epoch = page.subscribe("s1", "a").await["epoch"].clone();
    fs::remove_dir(house.path("a")).unwrap();
    let gone = page.next().await;
    assert_eq!(gone, json!({"kind": "gone", "id": "s1", "why": "removed"}));
    assert_eq!(house.watcher.counts(), ((0, 0, 0), 0));
    let refused = page.subscribe("s1", "a").await;
    assert_eq!(refused["denial"], "pathUnknown", "{refused}");
    fs::create_dir(house.path("a")).unwrap();
    let again = page.subscribe("s1", "a").await;
    assert_eq!(again["kind"], "subscribed");
    assert_ne!(again["epoch"], epoch);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_leaves_its_place_tells_nothing_of_where_it_is() {
    let house = House::new();
    let outside = tempfile::tempdir_in(house.root.path().parent().unwrap()).unwrap();
    for (id, moves) in [("self", "p/q"), ("above", "p")] {
        fs::create_dir_all(house.path("p/q")).unwrap();
        let mut page = house.page("k").await;
        page.subscribe(id, "p/q").await;
        let away = outside.path().join(id);
        fs::rename(house.path(moves), &away).unwrap();
        let inside = if id == "self" { away } else { away.join("q") };
        fs::write(inside.join("secret"), "").unwrap();
        let gone = page.next().await;
        assert_eq!(gone, json!({"kind": "gone", "id": id, "why": "moved"}));
    }
}

#[tokio::test(start_paused = true)]
async fn t56_a_link_that_is_swapped_leads_no_watch_outside() {
    let house = House::new();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(house.path("inside")).unwrap();
    let link = house.path("link");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    let mut page = house.page("k").await;
    let refused = page.subscribe("s1", "link").await;
    assert_eq!(refused["denial"], "pathUnknown", "{refused}");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("inside", &link).unwrap();
    assert_eq!(page.subscribe("s1", "link").await["kind"], "subscribed");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    // Neither what happens where the link led nor where it leads is told.
    fs::write(outside.path().join("secret"), "").unwrap();
    house.write("inside/file", "");
    assert_eq!(page.next().await["why"], "moved");
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_another_program_stands_in_is_gone_all_the_same() {
    let house = House::new();
    fs::create_dir(house.path("a")).unwrap();
    let mut page = house.page("k").await;
    page.subscribe("s1", "a").await;
    let _stands = fs::File::open(house.path("a")).unwrap();
    fs::remove_dir(house.path("a")).unwrap();
    assert_eq!(page.next().await["why"], "moved");
}

#[tokio::test(start_paused = true)]
async fn rights_that_end_end_what_was_watched_by_them() {
    let house = House::new();
    let mut page = house.page("k").await;
    page.subscribe("s1", "").await;
    house.allowed.store(false, Ordering::SeqCst);
    house.write("secret", "");
    let gone = page.next().await;
    assert_eq!(
        gone,
        json!({"kind": "gone", "id": "s1", "why": "notAllowed"})
    );
    assert_eq!(house.watcher.counts().1, 0);
}
