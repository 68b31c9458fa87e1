//! doorward before rclone's S3 server, which answers ranges with 200 and ignores
//! `If-Match`.
//!
//! `cargo xtask test install` installs it. Without it the test says so and
//! passes, except where `CI` is set.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod stores;

use std::path::Path;

use common::{Room, pattern};
use doorward_media::Location;
use http::StatusCode;
use stores::{ACCESS_KEY, Direct, Running, SECRET_KEY, free_port, skipped, until};

const SIZE: usize = 3_000_000;

struct Rclone {
    store: Direct,
    _running: Running,
    _folder: tempfile::TempDir,
}

async fn start() -> Option<Rclone> {
    let target = option_env!("CARGO_TARGET_DIR").unwrap_or("target");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join(target).join("stores/rclone/bin/rclone");
    let Ok(program) = program.canonicalize() else {
        skipped("rclone's S3 server", "cargo xtask test install");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Direct { port: free_port() };
    let address = format!("127.0.0.1:{}", store.port);
    let keys = format!("{ACCESS_KEY},{SECRET_KEY}");
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let running = Running::start(
        &program,
        &[
            "serve",
            "s3",
            "--config",
            "/dev/null",
            "--addr",
            &address,
            "--auth-key",
            &keys,
            "--vfs-cache-mode",
            "off",
            &kept.to_string_lossy(),
        ],
        folder.path(),
    );
    until("rclone", async || store.is_up().await).await;
    store.bucket("bucket").await;
    Some(Rclone {
        store,
        _running: running,
        _folder: folder,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_m18_m21_m33_rclone_is_read_exactly_in_spite_of_its_ways() {
    let Some(rclone) = start().await else {
        return;
    };
    let store = &rclone.store;
    let film = pattern(SIZE);
    store.put("bucket", "film.mp4", &film).await;
    let room = Room::in_real_time();
    let location = Location::Store(Box::new(store.config("bucket")));
    room.media.add_source("s", "S", location).await.unwrap();

    m14_ranges_are_exact_whatever_status_they_come_with(&room, store, &film).await;
    m21_a_replaced_object_is_refused_though_if_match_is_ignored(&room, store, &film).await;
    m33_odd_names_are_found(&room, store).await;
}

async fn m14_ranges_are_exact_whatever_status_they_come_with(
    room: &Room,
    store: &Direct,
    film: &[u8],
) {
    // What it does is seen first, so that this test says when it mends its ways.
    let raw = store
        .ask("GET", "/bucket/film.mp4", &[("range", "bytes=5-9")], b"")
        .await;
    println!("rclone answers a range: {}", raw.head);
    assert_eq!(raw.field("content-range"), Some("bytes 5-9/3000000"));
    assert_eq!(raw.body, film[5..10]);

    let shared = room.mint("s:film.mp4").await.url;
    for fresh in [true, false] {
        for (range, first, last) in [
            ("bytes=0-1", 0, 1),
            ("bytes=0-", 0, SIZE - 1),
            ("bytes=1000000-2000000", 1_000_000, 2_000_000),
            ("bytes=-1", SIZE - 1, SIZE - 1),
            ("bytes=10-99999999", 10, SIZE - 1),
        ] {
            let url = match fresh {
                true => room.mint("s:film.mp4").await.url,
                false => shared.clone(),
            };
            let reply = room.get(&url, &[("range", range)]).await;
            // M18: the label fits the bytes.
            assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(
                reply.header("content-range"),
                format!("bytes {first}-{last}/{SIZE}")
            );
            assert!(reply.body == film[first..=last], "{range}: other bytes");
        }
        let reply = room.get(&shared, &[("range", "bytes=3000000-")]).await;
        assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(reply.header("content-range"), "bytes */3000000");
        let reply = room.get(&shared, &[]).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.body == film);
    }
}

async fn m21_a_replaced_object_is_refused_though_if_match_is_ignored(
    room: &Room,
    store: &Direct,
    film: &[u8],
) {
    let raw = store
        .ask("GET", "/bucket/film.mp4", &[("if-match", "\"other\"")], b"")
        .await;
    println!("rclone answers If-Match: {}", raw.head);
    assert!(raw.body == film, "it looks at If-Match now");

    store.put("bucket", "swap.mp4", film).await;
    let url = room.mint("s:swap.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=0-9")]).await;
    assert_eq!(reply.body, film[..10]);
    // As long as before: only its version tells.
    let other: Vec<u8> = film.iter().map(|byte| !byte).collect();
    store.put("bucket", "swap.mp4", &other).await;
    let reply = room.get(&url, &[("range", "bytes=2000000-2000009")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
    let url = room.mint("s:swap.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=0-9")]).await;
    assert_eq!(reply.body, other[..10]);
}

async fn m33_odd_names_are_found(room: &Room, store: &Direct) {
    // They are files here, so not every key is one; radosgw has the rest.
    for key in [
        "a b",
        "a+b",
        "100%",
        "%2e%2e",
        "d/e f/ü ß€.txt",
        "a&b=c?d#e",
    ] {
        store.put("bucket", key, key.as_bytes()).await;
        let url = room.mint(&format!("s:{key}")).await.url;
        let reply = room.get(&url, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{key}");
        assert_eq!(reply.body, key.as_bytes(), "{key}");
    }
    let url = room.mint("s:gone").await.url;
    assert_eq!(room.get(&url, &[]).await.denial(), "notFound");
}
