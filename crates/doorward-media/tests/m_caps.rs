//! Grants that were made for so much and no more.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use common::{Reply, Room, pattern, read};
use doorward_guard::Clock;
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_media::{Caps, Location, Media, MediaOptions};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

const SIZE: usize = 300_000;

async fn capped(caps: Caps) -> (Room, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), pattern(SIZE)).unwrap();
    let room = Room::with_folder(folder.path()).await;
    let options = MediaOptions {
        caps,
        ..MediaOptions::default()
    };
    let url = room.mint_with("files:a.mp4", options).await.url;
    (room, folder, url)
}

fn refused(reply: &Reply, name: &str) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.denial(), name);
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

const PAGE: (&str, &str) = ("origin", "https://app.example");

#[tokio::test]
async fn m42_streams_at_once_are_capped_and_come_back() {
    let (room, _folder, url) = capped(Caps {
        streams: NonZeroU32::new(2),
        ..Caps::default()
    })
    .await;
    let one = room.send(Method::GET, &url, &[]).await;
    let two = room.send(Method::GET, &url, &[("range", "bytes=5-")]).await;
    assert_eq!(two.status(), StatusCode::PARTIAL_CONTENT);
    let third = room.get(&url, &[PAGE]).await;
    refused(&third, "tooManyStreams");
    assert_eq!(third.header("retry-after"), "1");
    // What moves no body is not a stream.
    assert_eq!(room.head(&url, &[]).await.status, StatusCode::OK);
    let fresh = [("if-none-match", "*")];
    assert_eq!(
        room.get(&url, &fresh).await.status,
        StatusCode::NOT_MODIFIED
    );
    drop(two);
    assert_eq!(room.get(&url, &[]).await.body.len(), SIZE);
    assert_eq!(read(one).await.unwrap().body.len(), SIZE);
    // Requests that fail give their place back, too.
    for _ in 0..5 {
        let reply = room.get(&url, &[("range", "bytes=300000-")]).await;
        assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    }
    assert_eq!(room.media.totals().streams, 0);
}

#[tokio::test]
async fn m42_requests_are_capped() {
    let (room, _folder, url) = capped(Caps {
        uses: NonZeroU64::new(3),
        ..Caps::default()
    })
    .await;
    assert_eq!(room.head(&url, &[]).await.status, StatusCode::OK);
    for _ in 0..2 {
        let reply = room.get(&url, &[("range", "bytes=0-9")]).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    }
    for _ in 0..2 {
        let reply = room.get(&url, &[PAGE]).await;
        refused(&reply, "usesSpent");
        assert_eq!(reply.header("retry-after"), "", "it will not be better");
    }
    let views = room.grants(false);
    assert_eq!(views[0].requests, 3);
}

#[tokio::test]
async fn m42_bytes_are_capped_to_the_byte() {
    let (room, _folder, url) = capped(Caps {
        bytes: NonZeroU64::new(100_000),
        ..Caps::default()
    })
    .await;
    let part = room.get(&url, &[("range", "bytes=0-9999")]).await;
    assert_eq!(part.body.len(), 10_000);
    let mut body = room.send(Method::GET, &url, &[]).await.into_body();
    let mut got = Vec::new();
    let cut = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => got.extend(frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(got, pattern(SIZE)[..90_000], "{cut}");
    refused(&room.get(&url, &[PAGE]).await, "bytesSpent");
    assert_eq!(room.head(&url, &[]).await.status, StatusCode::OK);
    let views = room.grants(false);
    assert_eq!(views[0].bytes, 100_000);
}

#[tokio::test]
async fn m42_what_fits_exactly_ends_cleanly() {
    let (room, _folder, url) = capped(Caps {
        bytes: NonZeroU64::new(300_000),
        ..Caps::default()
    })
    .await;
    assert_eq!(room.get(&url, &[]).await.body, pattern(SIZE));
    refused(&room.get(&url, &[PAGE]).await, "bytesSpent");
}

#[tokio::test]
async fn m4_m42_a_full_table_is_told_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), "x").unwrap();
    let (clock, hand) = Clock::fake();
    let audit: Arc<dyn AuditSink> = Arc::new(Ledger::new(&clock));
    let media = Media::with_capacity(&clock, &Events::new(), &audit, common::CONTENT, 100);
    let location = Location::Folder(folder.path().to_owned());
    media.add_source("files", "Files", location).await.unwrap();
    let mint = || media.grant("files:a.mp4", MediaOptions::default());
    for _ in 0..3 {
        for _ in 0..100 {
            mint().await.unwrap();
        }
        let full = mint().await.unwrap_err();
        assert_eq!(
            (full.name(), full.status().as_u16()),
            ("capacityReached", 503)
        );
        assert_eq!(media.revoke_all(), 100);
        // The dead are still known for a while, to say that they are dead.
        assert!(mint().await.is_err());
        hand.advance(doorward_guard::defaults::GRANT_AFTERLIFE);
        media.sweep();
        assert_eq!(media.totals().grants, 0);
    }
}
