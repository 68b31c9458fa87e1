//! What is refused, and what the system has too little of.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::folders::House;
use crate::defaults;

#[tokio::test(start_paused = true)]
async fn r10_every_message_that_is_not_followed_has_an_answer() {
    let house = House::new();
    fs::write(house.path("file"), "").unwrap();
    let mut page = house.page("k").await;
    let subscribe = |folder: &str, path: &str| json!({"action": "subscribe", "id": "s1", "folder": folder, "path": path});
    for (message, denial) in [
        (subscribe("B", ""), "folderUnknown"),
        (subscribe("../A", ""), "folderUnknown"),
        (subscribe("A", "/etc"), "pathRefused"),
        (subscribe("A", ".."), "pathRefused"),
        (subscribe("A", "none"), "pathUnknown"),
        (subscribe("A", "file"), "notAFolder"),
        (json!({"action": "unsubscribe", "id": "s1"}), "watchUnknown"),
        (json!({"action": "subscribe", "id": "s1"}), "invalidJson"),
        (
            json!({"action": "ping", "id": "s1", "x": 1}),
            "unknownField",
        ),
    ] {
        let told = page.say(message.clone()).await;
        assert_eq!(told["denial"], denial, "{message}: {told}");
        assert_eq!(
            (&told["kind"], &told["id"]),
            (&json!("refused"), &json!("s1"))
        );
    }
    assert_eq!(house.watcher.counts(), ((0, 0, 0), 0));
    let pong = page.say(json!({"action": "ping", "id": "p"})).await;
    assert_eq!(pong, json!({"kind": "pong", "id": "p"}));
    assert_eq!(
        page.say(json!({"action": "ping"})).await,
        json!({"kind": "pong"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_has_so_many_subscriptions_over_all_its_sockets() {
    let house = House::new();
    let (mut one, mut two) = (house.page("k").await, house.page("k").await);
    for number in 0..defaults::WATCHES_PER_KEY {
        let path = number.to_string();
        fs::create_dir(house.path(&path)).unwrap();
        let page = if number % 2 == 0 { &mut one } else { &mut two };
        assert_eq!(page.subscribe(&path, &path).await["kind"], "subscribed");
    }
    let refused = one.subscribe("more", "").await;
    assert_eq!(refused["denial"], "capacityReached");
    let mut other = house.page("l").await;
    assert_eq!(other.subscribe("s1", "").await["kind"], "subscribed");
    drop(two);
    assert_eq!(one.subscribe("more", "").await["kind"], "subscribed");
}

#[tokio::test(start_paused = true)]
async fn so_many_folders_are_watched_and_those_that_were_left_make_room() {
    let house = House::new();
    let keys = defaults::WATCHED / defaults::WATCHES_PER_KEY;
    let mut pages = Vec::new();
    for key in 0..keys {
        let mut page = house.page(&key.to_string()).await;
        for number in 0..defaults::WATCHES_PER_KEY {
            let path = format!("{key}-{number}");
            fs::create_dir(house.path(&path)).unwrap();
            assert_eq!(page.subscribe(&path, &path).await["kind"], "subscribed");
        }
        pages.push(page);
    }
    let mut more = house.page("more").await;
    let refused = more.subscribe("s1", "").await;
    assert_eq!(refused["denial"], "capacityReached");
    assert_eq!(house.watcher.counts().0.0, defaults::WATCHED);
    let shared = more.subscribe("s1", "0-0").await;
    assert_eq!(shared["kind"], "subscribed", "{shared}");
    pages.pop();
    assert_eq!(house.watcher.counts().0.0, defaults::WATCHED);
    assert_eq!(more.subscribe("s2", "").await["kind"], "subscribed");
    assert_eq!(house.watcher.counts().0.0, defaults::WATCHED);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_says_too_much_in_a_second_has_to_go() {
    let house = House::new();
    let mut page = house.page("k").await;
    for _ in 0..defaults::WATCH_SAID {
        page.say(json!({"action": "ping"})).await;
    }
    let ping = json!({"action": "ping"}).to_string();
    assert!(page.0.hear(&ping).is_err());
    tokio::time::sleep(defaults::WATCH_SECOND).await;
    assert!(page.0.hear(&ping).is_ok());
}

/// Runs the test called `name` again where the machine's limits and mounts are its
/// own. False in there.
fn outside(name: &str) -> bool {
    const INSIDE: &str = "DOORWARD_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount"]);
        unshare
    };
    if !unshare()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value.is_empty()),
            "CI is set, and there are no user namespaces"
        );
        println!("skipped: this system gives its users no namespaces");
        return true;
    }
    let name = format!("watch::tests::limits::{name}");
    let status = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success());
    true
}

fn most(limit: &str, number: usize) {
    fs::write(format!("/proc/sys/user/{limit}"), number.to_string()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn r10_a_system_without_watches_is_named_and_those_that_were_left_make_room() {
    if outside("r10_a_system_without_watches_is_named_and_those_that_were_left_make_room") {
        return;
    }
    most("max_inotify_watches", 2);
    let house = House::new();
    for path in ["a", "b", "c"] {
        fs::create_dir(house.path(path)).unwrap();
    }
    let mut page = house.page("k").await;
    page.subscribe("a", "a").await;
    page.subscribe("b", "b").await;
    let refused = page.subscribe("c", "c").await;
    assert_eq!(refused["denial"], "watchLimit", "{refused}");
    assert_eq!(house.watcher.counts(), ((2, 2, 2), 2));
    page.say(json!({"action": "unsubscribe", "id": "a"})).await;
    assert_eq!(page.subscribe("c", "c").await["kind"], "subscribed");
}

#[tokio::test(start_paused = true)]
async fn r10_a_system_without_queues_is_named() {
    if outside("r10_a_system_without_queues_is_named") {
        return;
    }
    most("max_inotify_instances", 0);
    let house = House::new();
    let mut page = house.page("k").await;
    assert_eq!(page.subscribe("a", "").await["denial"], "watchLimit");
    most("max_inotify_instances", 1);
    assert_eq!(page.subscribe("a", "").await["kind"], "subscribed");
}

#[tokio::test(start_paused = true)]
async fn r10_a_drive_that_is_taken_away_ends_what_was_watched_on_it() {
    if outside("r10_a_drive_that_is_taken_away_ends_what_was_watched_on_it") {
        return;
    }
    let house = House::new();
    let stick = house.path("stick");
    fs::create_dir(&stick).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "stick"])
        .arg(&stick)
        .status();
    assert!(mount.unwrap().success());
    let mut page = house.page("k").await;
    assert_eq!(page.subscribe("s1", "stick").await["kind"], "subscribed");
    assert!(
        Command::new("umount")
            .arg(&stick)
            .status()
            .unwrap()
            .success()
    );
    let gone: Value = page.next().await;
    assert_eq!(
        gone,
        json!({"kind": "gone", "id": "s1", "why": "unmounted"})
    );
}
