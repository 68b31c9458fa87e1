//! Small ranges: asked for once, however many want them, and kept.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::ranged::{Act, Asked, Ranged};
use common::{Reply, Room, pattern, read};
use doorward_media::{Location, MediaTuning};
use futures_util::future::join_all;
use http::{Method, StatusCode};

const MIB: usize = 1024 * 1024;
const BLOCK: u64 = 64 * 1024;

fn at_once(_: &Asked, _: usize) -> Act {
    Act::default()
}

fn slowly(_: &Asked, _: usize) -> Act {
    Act {
        after: Duration::from_millis(200),
        ..Act::default()
    }
}

async fn get(room: &Room, url: &str, first: usize, last: usize) -> Reply {
    let reply = room
        .get(url, &[("range", &format!("bytes={first}-{last}"))])
        .await;
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        reply.header("content-length"),
        (last + 1 - first).to_string()
    );
    assert!(
        reply
            .header("content-range")
            .starts_with(&format!("bytes {first}-{last}/"))
    );
    reply
}

#[tokio::test]
async fn m27_fifty_equal_ranges_at_once_are_one_request() {
    let store = Ranged::start(pattern(MIB), slowly).await;
    // At first sight through one grant, through fifty, and of a known version.
    for (round, (first, last)) in [(0, 99_999), (100_000, 300_000), (400_000, 800_000)]
        .into_iter()
        .enumerate()
    {
        let (room, url) = store.room().await;
        let mut urls = vec![url; 50];
        if round == 1 {
            urls = join_all((0..50).map(|_| room.mint("s:film.mp4")))
                .await
                .into_iter()
                .map(|minted| minted.url)
                .collect();
        }
        if round == 2 {
            room.head(&urls[0], &[]).await;
        }
        let before = store.asked().len();
        let replies = join_all(urls.iter().map(|url| get(&room, url, first, last))).await;
        assert!(
            replies
                .iter()
                .all(|reply| reply.body == pattern(MIB)[first..=last])
        );
        assert_eq!(store.asked().len() - before, 1, "round {round}");
        assert_eq!(room.media.fetch_stats("s").unwrap().shared, 49);
    }
}

#[tokio::test]
async fn m26_a_thousand_tiny_ranges_are_a_handful_of_requests() {
    let all = pattern(4 * MIB);
    let store = Ranged::start(all.clone(), at_once).await;
    let (room, url) = store.room().await;
    for step in 0..1000 {
        let (first, last) = (step * 2000, step * 2000 + 1999);
        assert_eq!(get(&room, &url, first, last).await.body, all[first..=last]);
    }
    let asked = store.asked();
    assert!(asked.len() <= 8, "{asked:?}");
    // What was asked for beyond them is bounded too.
    assert!(
        store.sent() <= 2_000_000 + 1024 * 1024 + 2 * BLOCK,
        "{}",
        store.sent()
    );
    // WebKit asks for two bytes first, for the end next, and then for the start.
    let url = room.mint("s:film.mp4").await.url;
    let before = store.asked().len();
    for (first, last) in [
        (0, 1),
        (all.len() - 1000, all.len() - 1),
        (0, 1),
        (2, 60_000),
    ] {
        assert_eq!(get(&room, &url, first, last).await.body, all[first..=last]);
    }
    assert!(store.asked().len() - before <= 2);
}

#[tokio::test]
async fn a_second_look_asks_nobody() {
    let all = pattern(MIB);
    let store = Ranged::start(all.clone(), at_once).await;
    let (room, url) = store.room().await;
    let ranges = [
        (0, 1),
        (70_000, 200_000),
        (65_536, 131_071),
        (MIB - 10, MIB - 1),
        (524_288, 1_048_575),
    ];
    for (first, last) in ranges {
        assert_eq!(get(&room, &url, first, last).await.body, all[first..=last]);
    }
    let before = store.asked().len();
    assert_eq!(before, ranges.len());
    for (first, last) in ranges {
        assert_eq!(get(&room, &url, first, last).await.body, all[first..=last]);
    }
    // Within blocks that are kept.
    assert_eq!(
        get(&room, &url, 600_001, 700_002).await.body,
        all[600_001..=700_002]
    );
    assert_eq!(store.asked().len(), before);
    assert!(room.media.fetch_stats("s").unwrap().kept > 700_000);
}

#[tokio::test]
async fn a_read_here_and_there_costs_no_more_than_itself() {
    let all = pattern(4 * MIB);
    let store = Ranged::start(all.clone(), at_once).await;
    let (room, url) = store.room().await;
    for first in [3_000_001, 10_001, 2_000_003, 1_000_005] {
        get(&room, &url, first, first + 9_999).await;
    }
    assert_eq!((store.asked().len(), store.sent()), (4, 40_000));
}

#[tokio::test]
async fn m27_one_who_fails_does_not_fail_those_who_joined() {
    for pinned in [false, true] {
        let store = Ranged::start(pattern(MIB), move |_, before| Act {
            instead: (before == usize::from(pinned)).then(|| {
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
            }),
            after: Duration::from_millis(200),
            ..Act::default()
        })
        .await;
        let (room, url) = store.room().await;
        if pinned {
            room.head(&url, &[]).await;
        }
        let ask = || room.get(&url, &[("range", "bytes=1000-90000")]);
        let replies = join_all((0..20).map(|_| ask())).await;
        let failed = replies
            .iter()
            .filter(|reply| reply.status == StatusCode::BAD_GATEWAY);
        assert_eq!(failed.count(), 1);
        let good = replies
            .iter()
            .filter(|reply| reply.body == pattern(MIB)[1000..=90_000]);
        assert_eq!(good.count(), 19);
        assert_eq!(store.asked().len(), 2 + usize::from(pinned));
    }
}

#[tokio::test]
async fn m27_one_who_leaves_hands_over() {
    let store = Ranged::start(pattern(MIB), slowly).await;
    let (room, url) = store.room().await;
    let room = Arc::new(room);
    let start = || {
        let (room, url) = (Arc::clone(&room), url.clone());
        tokio::spawn(async move { get(&room, &url, 1000, 90_000).await })
    };
    let first = start();
    while store.asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = start();
    // Until the second has joined; it asks the store for nothing itself.
    while room.media.fetch_stats("s").unwrap().shared == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    assert_eq!(second.await.unwrap().body, pattern(MIB)[1000..=90_000]);
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test]
async fn one_source_never_gets_what_was_kept_for_another() {
    let store = Ranged::start(pattern(MIB), at_once).await;
    let (room, url) = store.room().await;
    get(&room, &url, 0, 99).await;
    let config = store.config();
    let location = doorward_media::Location::Store(Box::new(config));
    room.media
        .add_source("other", "Other", location)
        .await
        .unwrap();
    let other = room.mint("other:film.mp4").await.url;
    for _ in 0..2 {
        get(&room, &other, 0, 99).await;
    }
    assert_eq!(store.asked().len(), 2, "each source asked for itself");
}

#[tokio::test]
async fn m21_a_version_that_was_replaced_is_not_mixed_with_what_is_kept() {
    let store = Ranged::start(pattern(MIB), at_once).await;
    let (room, url) = store.room().await;
    get(&room, &url, 0, 65_535).await;
    store.replace(vec![7; MIB], "\"2\"");
    // Across the end of what is kept: the new bytes do not follow the old ones.
    let answer = room
        .send(Method::GET, &url, &[("range", "bytes=60000-70000")])
        .await;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => assert!(read(answer).await.is_err()),
        status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
    }
    // A new grant sees the new version alone.
    let url = room.mint("s:film.mp4").await.url;
    assert!(
        get(&room, &url, 60_000, 70_000)
            .await
            .body
            .iter()
            .all(|byte| *byte == 7)
    );
    assert!(
        get(&room, &url, 0, 65_535)
            .await
            .body
            .iter()
            .all(|byte| *byte == 7)
    );
}

#[tokio::test]
async fn a_film_that_passes_does_not_push_out_what_is_kept() {
    let store = Ranged::start(pattern(16 * MIB), at_once).await;
    let room = Room::new();
    room.media.tune(MediaTuning {
        cache: 4 * MIB as u64,
        ..MediaTuning::default()
    });
    store.add(&room).await;
    let url = room.mint("s:film.mp4").await.url;
    get(&room, &url, 0, 65_535).await;
    get(&room, &url, 0, 65_535).await;
    // All of it, and then in large ranges.
    assert_eq!(room.get(&url, &[]).await.body.len(), 16 * MIB);
    for step in 0..16 {
        get(&room, &url, step * MIB, (step + 1) * MIB - 1).await;
    }
    // And in ranges that are kept themselves, each seen once.
    for step in 1..32 {
        get(&room, &url, step * MIB / 2, (step + 1) * MIB / 2 - 1).await;
    }
    let before = store.asked().len();
    get(&room, &url, 0, 65_535).await;
    assert_eq!(store.asked().len(), before);
}

#[tokio::test]
async fn m18_m31_what_cannot_be_split_is_not_kept() {
    // Ranges are ignored; the object is encoded; the tag is weak.
    for (headers, tag, whole) in [
        ("", "\"1\"", true),
        ("Content-Encoding: gzip\r\n", "\"1\"", false),
        ("", "W/\"1\"", false),
    ] {
        let store = Ranged::with_headers(pattern(100_000), headers, move |_, _| Act {
            whole,
            ..Act::default()
        })
        .await;
        store.replace(pattern(100_000), tag);
        let (room, url) = store.room().await;
        for _ in 0..3 {
            let before = store.asked().len();
            let reply = room.get(&url, &[("range", "bytes=10-19")]).await;
            if tag.starts_with('W') {
                assert_eq!(
                    (reply.status, &reply.body[..]),
                    (StatusCode::PARTIAL_CONTENT, &pattern(100)[10..20])
                );
            } else {
                assert_eq!(
                    (reply.status, &reply.body[..]),
                    (StatusCode::OK, &pattern(100_000)[..])
                );
                assert_eq!(reply.header("content-range"), "");
            }
            assert!(store.asked().len() > before, "asked for anew");
        }
        // And many at once get their own each.
        let replies = join_all((0..10).map(|_| room.get(&url, &[("range", "bytes=10-19")]))).await;
        assert!(
            replies
                .iter()
                .all(|reply| reply.status.is_success() && reply.body.len() >= 10)
        );
        assert_eq!(room.media.fetch_stats("s").unwrap().kept, 0);
    }
}

#[tokio::test]
async fn a_room_without_budgets_passes_everything_straight_through() {
    let store = Ranged::start(pattern(MIB), at_once).await;
    let room = Room::new();
    room.media.tune(MediaTuning {
        cache: 0,
        underway: 0,
        ..MediaTuning::default()
    });
    store.add(&room).await;
    let url = room.mint("s:film.mp4").await.url;
    for _ in 0..3 {
        assert_eq!(
            get(&room, &url, 1000, 1999).await.body,
            pattern(MIB)[1000..2000]
        );
    }
    assert_eq!((store.asked().len(), store.sent()), (3, 3000));
}

#[tokio::test]
async fn m15_a_small_range_behind_the_end_is_not_satisfiable() {
    let store = Ranged::start(pattern(1000), at_once).await;
    let (room, url) = store.room().await;
    for _ in 0..2 {
        let reply = room.get(&url, &[("range", "bytes=1000-1001")]).await;
        assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(reply.header("content-range"), "bytes */1000");
    }
    assert_eq!(get(&room, &url, 998, 999).await.body, pattern(1000)[998..]);
}

/// A room with little memory and a disk, and a URL for the object of `store`.
async fn with_disk(store: &Ranged, folder: &Path) -> (Room, String) {
    let room = Room::new();
    room.media.tune(MediaTuning {
        cache: 4 * BLOCK,
        ..MediaTuning::default()
    });
    room.media.keep_on_disk(folder, 64 * 1024 * 1024).unwrap();
    store.add(&room).await;
    let url = room.mint("s:film.mp4").await.url;
    (room, url)
}

/// Reads all of the object in small ranges, until a reading asks the store for
/// nothing: what leaves memory is written in the background.
async fn look_until_kept(store: &Ranged, room: &Room, url: &str, all: &[u8]) {
    for _ in 0..50 {
        let before = store.asked().len();
        for first in (0..all.len()).step_by(100_000) {
            let last = (first + 99_999).min(all.len() - 1);
            assert_eq!(get(room, url, first, last).await.body, all[first..=last]);
        }
        if store.asked().len() == before {
            return;
        }
    }
    panic!("it is never kept");
}

#[tokio::test]
async fn what_leaves_memory_is_read_from_disk() {
    let all = pattern(4 * MIB);
    let store = Ranged::start(all.clone(), at_once).await;
    let folder = tempfile::tempdir().unwrap();
    let (room, url) = with_disk(&store, folder.path()).await;
    look_until_kept(&store, &room, &url, &all).await;
    let stats = room.media.fetch_stats("s").unwrap();
    assert!(stats.stored > 3 * BLOCK, "{stats:?}");
    assert!(stats.stored <= stats.kept, "{stats:?}");
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 0, "the file has no name");
}

#[tokio::test]
async fn m14_the_disk_gives_no_bytes_of_another_version_or_source() {
    let old = pattern(2 * MIB);
    let store = Ranged::start(old.clone(), at_once).await;
    let folder = tempfile::tempdir().unwrap();
    let (room, url) = with_disk(&store, folder.path()).await;
    look_until_kept(&store, &room, &url, &old).await;
    let new: Vec<u8> = old.iter().map(|byte| !byte).collect();
    store.replace(new.clone(), "\"2\"");
    let fresh = room.mint("s:film.mp4").await.url;
    look_until_kept(&store, &room, &fresh, &new).await;
    // The same object through other rights is asked for anew.
    let location = Location::Store(Box::new(store.config()));
    room.media.add_source("t", "T", location).await.unwrap();
    let other = room.mint("t:film.mp4").await.url;
    let before = store.asked().len();
    assert_eq!(get(&room, &other, 0, 99_999).await.body, new[..100_000]);
    assert_eq!(store.asked().len(), before + 1);
}

#[tokio::test]
async fn a_disk_that_cannot_be_had_is_told_at_once() {
    let room = Room::new();
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    assert!(room.media.keep_on_disk(&gone, 64 * 1024 * 1024).is_err());
    assert!(room.media.keep_on_disk(folder.path(), 1024 * 1024).is_err());
}
