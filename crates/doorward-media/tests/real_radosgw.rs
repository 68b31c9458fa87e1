//! doorward before radosgw, which does everything that S3 promises, conditional
//! requests included.
//!
//! `cargo xtask test install` installs it. Without it the test says so and
//! passes, except where `CI` is set. It takes about 15 s to start, so one test
//! asks everything.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod stores;

use common::{Room, pattern};
use doorward_media::source::Query;
use doorward_media::{Credentials, Location, Source, StoreConfig};
use http::StatusCode;
use std::sync::Arc;
use stores::{ACCESS_KEY, Direct, radosgw::Radosgw};

const SIZE: usize = 3_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn m14_to_m21_m32_m33_radosgw_is_read_exactly() {
    let Some(gateway) = Radosgw::start().await else {
        return;
    };
    let store = &gateway.store;
    store.bucket("bucket").await;
    let film = pattern(SIZE);
    store.put("bucket", "film.mp4", &film).await;
    let room = Room::in_real_time();
    add(&room, "s", store.config("bucket")).await;

    m14_m15_ranges_are_exact_and_416_names_the_size(&room, store, &film).await;
    m16_if_range_wants_the_same_strong_tag(&room, &film).await;
    m17_conditions_are_answered_as_the_store_answers_them(&room, store).await;
    m21_a_replaced_object_is_refused(&room, store, &film).await;
    m32_nothing_is_an_object_too(&room, store).await;
    m33_every_key_is_found(&room, store).await;
    refusals_have_names(store).await;
}

async fn add(room: &Room, id: &str, config: StoreConfig) {
    let location = Location::Store(Box::new(config));
    room.media.add_source(id, id, location).await.unwrap();
}

async fn m14_m15_ranges_are_exact_and_416_names_the_size(room: &Room, store: &Direct, film: &[u8]) {
    let raw = store
        .ask("GET", "/bucket/film.mp4", &[("range", "bytes=-0")], b"")
        .await;
    println!("radosgw answers the last 0 bytes: {}", raw.head);
    let shared = room.mint("s:film.mp4").await.url;
    for fresh in [true, false] {
        let url = async || match fresh {
            true => room.mint("s:film.mp4").await.url,
            false => shared.clone(),
        };
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=0-", 0, SIZE - 1),
            ("bytes=1000000-2000000", 1_000_000, 2_000_000),
            ("bytes=-1", SIZE - 1, SIZE - 1),
            ("bytes=-700000", SIZE - 700_000, SIZE - 1),
            ("bytes=-99999999", 0, SIZE - 1),
            ("bytes=10-99999999", 10, SIZE - 1),
        ] {
            let reply = room.get(&url().await, &[("range", range)]).await;
            assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(
                reply.header("content-range"),
                format!("bytes {first}-{last}/{SIZE}")
            );
            assert!(reply.body == film[first..=last], "{range}: other bytes");
        }
        for range in ["bytes=3000000-", "bytes=-0"] {
            let reply = room.get(&url().await, &[("range", range)]).await;
            assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(reply.header("content-range"), "bytes */3000000");
        }
        // Two ranges, of which the store answers one.
        let ranges = [("range", "bytes=0-9,2000000-2000009")];
        let reply = room.get(&url().await, &ranges).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
        assert!(
            reply
                .header("content-type")
                .starts_with("multipart/byteranges")
        );
        for part in [&film[..10], &film[2_000_000..2_000_010]] {
            assert!(reply.body.windows(10).any(|window| window == part));
        }
    }
    let reply = room.get(&shared, &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.body == film);
}

async fn m16_if_range_wants_the_same_strong_tag(room: &Room, film: &[u8]) {
    let etag = room
        .head(&room.mint("s:film.mp4").await.url, &[])
        .await
        .header("etag")
        .to_owned();
    assert!(etag.starts_with('"'), "{etag}");
    let shared = room.mint("s:film.mp4").await.url;
    for fresh in [true, false] {
        for (validator, status) in [
            (etag.clone(), StatusCode::PARTIAL_CONTENT),
            (format!("W/{etag}"), StatusCode::OK),
            ("\"other\"".to_owned(), StatusCode::OK),
            ("Thu, 01 Jan 1970 00:00:00 GMT".to_owned(), StatusCode::OK),
        ] {
            let url = match fresh {
                true => room.mint("s:film.mp4").await.url,
                false => shared.clone(),
            };
            let headers = [("range", "bytes=5-9"), ("if-range", &validator)];
            let reply = room.get(&url, &headers).await;
            assert_eq!(reply.status, status, "{validator}");
            match status {
                StatusCode::PARTIAL_CONTENT => assert_eq!(reply.body, film[5..10]),
                _ => assert!(reply.body == film, "{validator}"),
            }
        }
    }
}

async fn m17_conditions_are_answered_as_the_store_answers_them(room: &Room, store: &Direct) {
    let known = store.ask("HEAD", "/bucket/film.mp4", &[], b"").await;
    let (etag, modified) = (
        known.field("etag").unwrap(),
        known.field("last-modified").unwrap(),
    );
    let shared = room.mint("s:film.mp4").await.url;
    for fresh in [true, false] {
        for (name, value) in [
            ("if-none-match", etag),
            ("if-none-match", "\"other\""),
            ("if-none-match", "*"),
            ("if-match", etag),
            ("if-match", "\"other\""),
            ("if-match", "*"),
            ("if-modified-since", modified),
            ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("if-unmodified-since", modified),
            ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            let url = match fresh {
                true => room.mint("s:film.mp4").await.url,
                false => shared.clone(),
            };
            let reply = room.head(&url, &[(name, value)]).await;
            // What RFC 9110 says, which is what the store says where it knows
            // the condition.
            let wanted = match (name, value) {
                ("if-none-match", "\"other\"") => 200,
                ("if-none-match", _) => 304,
                ("if-match", "\"other\"") => 412,
                ("if-modified-since", value) if value == modified => 304,
                ("if-unmodified-since", value) if value != modified => 412,
                _ => 200,
            };
            assert_eq!(reply.status.as_u16(), wanted, "{name}: {value}");
            if value != "*" {
                let direct = store
                    .ask("HEAD", "/bucket/film.mp4", &[(name, value)], b"")
                    .await;
                assert_eq!(direct.status(), wanted, "the store, {name}: {value}");
            }
            if reply.status == StatusCode::NOT_MODIFIED {
                assert_eq!(reply.header("etag"), etag);
            }
        }
    }
}

async fn m21_a_replaced_object_is_refused(room: &Room, store: &Direct, film: &[u8]) {
    store.put("bucket", "swap.mp4", film).await;
    let url = room.mint("s:swap.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=0-9")]).await;
    assert_eq!(reply.body, film[..10]);
    let other: Vec<u8> = film.iter().map(|byte| !byte).collect();
    store.put("bucket", "swap.mp4", &other).await;
    let reply = room.get(&url, &[("range", "bytes=2000000-2000009")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
}

async fn m32_nothing_is_an_object_too(room: &Room, store: &Direct) {
    store.put("bucket", "empty.mp4", b"").await;
    let shared = room.mint("s:empty.mp4").await.url;
    for fresh in [true, false] {
        for (range, status) in [
            (None, StatusCode::OK),
            (Some("bytes=-5"), StatusCode::OK),
            (Some("bytes=0-"), StatusCode::RANGE_NOT_SATISFIABLE),
        ] {
            let url = match fresh {
                true => room.mint("s:empty.mp4").await.url,
                false => shared.clone(),
            };
            let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
            let reply = room.get(&url, &headers).await;
            assert_eq!(reply.status, status, "{range:?}");
            match status {
                StatusCode::OK => assert_eq!(reply.header("content-length"), "0"),
                _ => assert_eq!(reply.header("content-range"), "bytes */0"),
            }
        }
    }
}

async fn m33_every_key_is_found(room: &Room, store: &Direct) {
    let long = format!("{}/{}", "d".repeat(511), "k".repeat(512));
    assert_eq!(long.len(), 1_024);
    let keys = [
        "a b",
        "a+b",
        "100%",
        "%2e%2e/%2F",
        "d/e f/ü ß€.txt",
        "a&b=c?d#e",
        "x;y,z'\"*<>",
        "a//b",
        "/lead",
        "a/../b",
        "../up",
        "./here",
        "end/.",
        "end/..",
        long.as_str(),
    ];
    for key in keys {
        store.put("bucket", key, key.as_bytes()).await;
    }
    for key in keys {
        let url = room.mint(&format!("s:{key}")).await.url;
        let reply = room.get(&url, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{key}");
        assert_eq!(reply.body, key.as_bytes(), "{key}");
    }
    // And listed as they are.
    let config = store.config("bucket").build(&room.clock).unwrap();
    let source = Source::Store(Arc::new(config));
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = Query {
            after,
            limit: 2,
            ..Query::default()
        };
        let page = source.list(query).await.unwrap();
        found.extend(page.items.into_iter().map(|item| item.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort_unstable();
    for key in keys {
        let shown = match key.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => key.to_owned(),
        };
        assert!(found.contains(&shown), "{key} in {found:?}");
    }
}

async fn refusals_have_names(store: &Direct) {
    let wrong = Credentials::keys(ACCESS_KEY, "wrong", None);
    for (bucket, credentials, names) in [
        ("bucket", Credentials::Anonymous, "accessDenied"),
        ("bucket", wrong, "credentialsRejected accessDenied"),
        ("gone", store.config("gone").credentials, "bucketMissing"),
    ] {
        let room = Room::in_real_time();
        let config = store.config_with(bucket, credentials);
        let source = Source::Store(Arc::new(config.build(&room.clock).unwrap()));
        let error = source.check().await.unwrap_err();
        assert!(names.contains(error.name()), "{names}: {error}");
    }
    let room = Room::in_real_time();
    add(&room, "s", store.config("bucket")).await;
    let url = room.mint("s:gone").await.url;
    assert_eq!(room.get(&url, &[]).await.denial(), "notFound");
}
