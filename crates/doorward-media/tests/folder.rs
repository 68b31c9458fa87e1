//! Grants on a folder, through the guard.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;
use std::time::Duration;

use common::{Room, pattern, read};
use doorward_guard::{Origin, Origins};
use doorward_media::{Disposition, MediaError, MediaOptions};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

const SIZE: usize = 300_000;

async fn room() -> (tempfile::TempDir, Room) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("film.mp4"), pattern(SIZE)).unwrap();
    fs::write(folder.path().join("empty.bin"), b"").unwrap();
    let room = Room::with_folder(folder.path()).await;
    (folder, room)
}

#[tokio::test]
async fn m12_head_says_what_get_says_and_sends_nothing() {
    let (_folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    let get = room.get(&url, &[]).await;
    let head = room.head(&url, &[("range", "bytes=0-1")]).await;
    assert_eq!((get.status, head.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(get.headers, head.headers);
    assert_eq!(get.header("content-length"), SIZE.to_string());
    assert_eq!(get.header("content-type"), "video/mp4");
    assert_eq!(get.header("accept-ranges"), "bytes");
    assert!(!get.header("etag").starts_with("W/") && get.header("etag").len() > 10);
    assert!(get.header("last-modified").ends_with(" GMT"));
    assert_eq!(
        get.header("content-disposition"),
        "inline; filename=\"film.mp4\""
    );
    assert_eq!(get.body, pattern(SIZE));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn m14_ranges_are_exact() {
    let (_folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    let all = pattern(SIZE);
    for (range, first, last) in [
        ("bytes=0-1", 0, 1),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=70000-", 70_000, SIZE - 1),
        ("bytes=65535-65536", 65_535, 65_536),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("Bytes=100-99999999999999999999", 100, SIZE - 1),
    ] {
        let reply = room.get(&url, &[("range", range)]).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(
            reply.header("content-range"),
            format!("bytes {first}-{last}/{SIZE}")
        );
        assert_eq!(
            reply.header("content-length"),
            (last - first + 1).to_string()
        );
        assert_eq!(reply.body, all[first..=last], "{range}");
    }
    for range in ["bytes=0-1,junk", "items=0-1", "bytes=5-2", "bytes=x"] {
        let reply = room.get(&url, &[("range", range)]).await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (StatusCode::OK, SIZE),
            "{range}"
        );
        assert_eq!(reply.header("content-range"), "");
    }
}

#[tokio::test]
async fn m15_a_range_outside_is_told_with_the_size_and_cors() {
    let (_folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    for range in ["bytes=300000-", "bytes=-0", "bytes=99999999999999999999-"] {
        let headers = [("range", range), ("origin", "https://app.example")];
        let reply = room.get(&url, &headers).await;
        assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(reply.header("content-range"), format!("bytes */{SIZE}"));
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.denial(), "rangeNotSatisfiable");
    }
}

#[tokio::test]
async fn m16_m17_preconditions() {
    let (_folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    let first = room.get(&url, &[]).await;
    let (etag, date) = (first.header("etag"), first.header("last-modified"));
    let status = async |headers: &[(&str, &str)]| room.get(&url, headers).await.status;
    let range = ("range", "bytes=0-9");
    assert_eq!(
        status(&[range, ("if-range", etag)]).await,
        StatusCode::PARTIAL_CONTENT
    );
    assert_eq!(
        status(&[range, ("if-range", "\"other\"")]).await,
        StatusCode::OK
    );
    assert_eq!(
        status(&[range, ("if-range", &format!("W/{etag}"))]).await,
        StatusCode::OK
    );
    assert_eq!(status(&[range, ("if-range", date)]).await, StatusCode::OK);
    assert_eq!(
        status(&[range, ("if-match", etag)]).await,
        StatusCode::PARTIAL_CONTENT
    );
    let not_modified = room.get(&url, &[range, ("if-none-match", etag)]).await;
    assert_eq!(not_modified.status, StatusCode::NOT_MODIFIED);
    assert_eq!(not_modified.header("etag"), etag);
    assert!(not_modified.body.is_empty());
    assert_eq!(
        status(&[("if-modified-since", date)]).await,
        StatusCode::NOT_MODIFIED
    );
    let failed = room.get(&url, &[range, ("if-match", "\"other\"")]).await;
    assert_eq!(failed.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(failed.denial(), "preconditionFailed");
    assert_eq!(
        room.head(&url, &[("if-none-match", "*")]).await.status,
        StatusCode::NOT_MODIFIED
    );
}

#[tokio::test]
async fn m32_an_empty_file() {
    let (_folder, room) = room().await;
    let url = room.mint("files:empty.bin").await.url;
    let reply = room.get(&url, &[]).await;
    assert_eq!(
        (reply.status, reply.header("content-length")),
        (StatusCode::OK, "0")
    );
    assert_eq!(
        room.get(&url, &[("range", "bytes=-5")]).await.status,
        StatusCode::OK
    );
    let reply = room.get(&url, &[("range", "bytes=0-")]).await;
    assert_eq!(reply.header("content-range"), "bytes */0");
}

#[tokio::test]
async fn m5_revoke_cuts_a_running_stream() {
    let (_folder, room) = room().await;
    let minted = room.mint("files:film.mp4").await;
    let mut subscription = room.events.subscribe(None);
    let mut body = room.send(Method::GET, &minted.url, &[]).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.len() < SIZE);
    assert_eq!(room.media.totals().streams, 1);
    assert!(room.media.revoke(&minted.id));
    let cut = tokio::time::timeout(Duration::from_millis(100), body.frame())
        .await
        .unwrap();
    assert!(cut.unwrap().is_err(), "a cut stream must not end cleanly");
    drop(body);
    assert_eq!(room.media.totals().streams, 0);
    assert_eq!(room.get(&minted.url, &[]).await.denial(), "grantRevoked");
    // M7: once is enough.
    assert!(!room.media.revoke(&minted.id));
    let event = subscription.live.try_recv().unwrap();
    assert_eq!(
        (event.kind, told(&event)["id"].as_str()),
        ("grant.revoked", Some(&*minted.id))
    );
    assert_eq!(told(&event)["reason"], "revoked");
    assert!(subscription.live.try_recv().is_err());
}

#[tokio::test]
async fn m3_time_cuts_a_running_stream_and_m41_renewing_keeps_it() {
    let (_folder, room) = room().await;
    let life = Duration::from_secs(60);
    let options = || MediaOptions {
        life,
        ..MediaOptions::default()
    };
    let minted = room.mint_with("files:film.mp4", options()).await;
    let mut body = room.send(Method::GET, &minted.url, &[]).await.into_body();
    body.frame().await.unwrap().unwrap();
    room.hand.advance(life - Duration::from_nanos(1));
    body.frame().await.unwrap().unwrap();
    room.media.renew(&minted.id, Some(life)).unwrap();
    room.hand.advance(Duration::from_secs(2));
    body.frame().await.unwrap().unwrap();
    assert_eq!(room.get(&minted.url, &[]).await.status, StatusCode::OK);
    room.hand.advance(life);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(room.get(&minted.url, &[]).await.denial(), "grantExpired");
}

#[tokio::test]
async fn m3_idle_time_counts_from_the_last_byte() {
    let (_folder, room) = room().await;
    let idle = Some(Duration::from_secs(60));
    let options = MediaOptions {
        idle,
        ..MediaOptions::default()
    };
    let minted = room.mint_with("files:film.mp4", options).await;
    let mut body = room.send(Method::GET, &minted.url, &[]).await.into_body();
    for _ in 0..3 {
        room.hand.advance(Duration::from_secs(50));
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    room.hand.advance(Duration::from_secs(59));
    assert_eq!(room.get(&minted.url, &[]).await.status, StatusCode::OK);
    room.hand.advance(Duration::from_secs(61));
    assert_eq!(room.get(&minted.url, &[]).await.denial(), "grantExpired");
}

#[tokio::test]
async fn m6_a_source_is_revoked_and_nothing_else() {
    let (folder, room) = room().await;
    let listed = room.mint("files:film.mp4").await.url;
    let loose = room
        .mint(folder.path().join("film.mp4").to_str().unwrap())
        .await
        .url;
    assert_eq!(room.media.revoke_source("files"), 1);
    assert_eq!(room.get(&listed, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(room.get(&loose, &[]).await.status, StatusCode::OK);
    room.media.close();
    assert_eq!(room.get(&loose, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(room.media.totals().grants, 0);
}

#[tokio::test]
async fn m20_a_file_that_changes_while_it_is_sent_is_cut() {
    let (folder, room) = room().await;
    let path = folder.path().join("film.mp4");
    for change in ["shorter", "longer", "other"] {
        fs::write(&path, pattern(SIZE)).unwrap();
        let minted = room.mint("files:film.mp4").await;
        let mut subscription = room.events.subscribe(None);
        let mut body = room.send(Method::GET, &minted.url, &[]).await.into_body();
        body.frame().await.unwrap().unwrap();
        match change {
            "shorter" => fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(70_000)
                .unwrap(),
            "longer" => fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(400_000)
                .unwrap(),
            _ => {
                // Coarse file clocks need a moment to tell two writes apart.
                tokio::time::sleep(Duration::from_millis(20)).await;
                fs::write(&path, vec![7; SIZE]).unwrap();
            }
        }
        let mut cut = false;
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                cut = true;
                break;
            }
        }
        assert!(cut, "{change}");
        assert_eq!(subscription.live.try_recv().unwrap().kind, "grant.changed");
    }
}

#[tokio::test]
async fn m21_a_file_replaced_between_two_ranges_is_refused() {
    let (folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    assert_eq!(
        room.get(&url, &[("range", "bytes=0-9")]).await.status,
        StatusCode::PARTIAL_CONTENT
    );
    fs::write(folder.path().join("new"), vec![7; SIZE]).unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("film.mp4")).unwrap();
    let reply = room.get(&url, &[("range", "bytes=10-19")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
    // A new grant sees the new file.
    let url = room.mint("files:film.mp4").await.url;
    assert_eq!(room.get(&url, &[]).await.body[0], 7);
}

#[tokio::test]
async fn m28_active_types_are_text_attachments_or_sandboxed() {
    let (folder, room) = room().await;
    let html = b"<!doctype html><script>1</script>";
    for name in [
        "a.html",
        "a.svg",
        "a.xml",
        "a.xhtml",
        "a.js",
        "a.xsl",
        "no-extension",
    ] {
        fs::write(folder.path().join(name), html).unwrap();
        let source = format!("files:{name}");
        let with = |disposition| MediaOptions {
            disposition,
            ..MediaOptions::default()
        };
        for disposition in [Disposition::Inline, Disposition::Framed] {
            let url = room.mint_with(&source, with(disposition)).await.url;
            let reply = room.get(&url, &[]).await;
            assert_eq!(
                reply.header("content-type"),
                "text/plain; charset=utf-8",
                "{name}"
            );
            assert!(
                reply
                    .header("content-security-policy")
                    .starts_with("sandbox; default-src 'none'")
            );
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
        }
        let url = room
            .mint_with(&source, with(Disposition::Download))
            .await
            .url;
        let reply = room.get(&url, &[]).await;
        assert!(
            reply
                .header("content-disposition")
                .starts_with("attachment; ")
        );
        let url = room
            .mint_with(&source, with(Disposition::Isolated))
            .await
            .url;
        let reply = room.get(&url, &[]).await;
        assert_ne!(
            reply.header("content-type"),
            "text/plain; charset=utf-8",
            "{name}"
        );
        assert!(
            reply
                .header("content-security-policy")
                .starts_with("sandbox; default-src 'none'")
        );
    }
}

#[tokio::test]
async fn m29_bytes_settle_the_type_where_the_name_does_not() {
    let (folder, room) = room().await;
    fs::write(folder.path().join("picture"), b"\x89PNG\r\n\x1a\n1234").unwrap();
    let url = room.mint("files:picture").await.url;
    let part = room.get(&url, &[("range", "bytes=8-")]).await;
    assert_eq!(
        (part.header("content-type"), &part.body[..]),
        ("image/png", &b"1234"[..])
    );
}

#[tokio::test]
async fn t56_nothing_outside_and_nothing_special_is_read() {
    let (folder, room) = room().await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let corpus = [
        "../secret",
        "..",
        ".",
        "",
        "/etc/passwd",
        "//etc/passwd",
        "a/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "..\\secret",
        "C:/windows/win.ini",
        "film.mp4/",
        "film.mp4/x",
        "film.mp4\0",
        "missing",
        "CON",
        "film.mp4::$DATA",
        "film.mp4.",
        "film.mp4 ",
    ];
    for name in corpus {
        let found = room
            .media
            .grant(&format!("files:{name}"), MediaOptions::default())
            .await;
        let error = match found {
            Err(error) => error.name(),
            Ok(minted) => {
                let reply = room.get(&minted.url, &[]).await;
                assert_eq!(reply.status, StatusCode::NOT_FOUND, "{name:?}");
                continue;
            }
        };
        assert_eq!(error, "notFound", "{name:?}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(outside.path(), folder.path().join("out")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        symlink("film.mp4", folder.path().join("inner")).unwrap();
        rustix_fifo(&folder.path().join("pipe"));
        for name in ["out/secret", "link"] {
            let url = room.mint(&format!("files:{name}")).await.url;
            assert_eq!(
                room.get(&url, &[]).await.status,
                StatusCode::NOT_FOUND,
                "{name}"
            );
        }
        let url = room.mint("files:inner").await.url;
        assert_eq!(room.get(&url, &[]).await.status, StatusCode::OK);
        for name in ["pipe", "out"] {
            let url = room.mint(&format!("files:{name}")).await.url;
            let reply = tokio::time::timeout(Duration::from_secs(5), room.get(&url, &[])).await;
            assert!(reply.unwrap().status.is_client_error(), "{name}");
        }
    }
}

#[cfg(unix)]
fn rustix_fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo")
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

#[tokio::test]
async fn m9_a_grant_for_one_origin_is_for_that_origin() {
    let (_folder, room) = room().await;
    let app = Origin::parse("https://app.example").unwrap();
    let options = MediaOptions {
        origins: Origins::Exact(vec![app]),
        ..MediaOptions::default()
    };
    let url = room.mint_with("files:film.mp4", options).await.url;
    let reply = room.get(&url, &[("origin", "https://app.example")]).await;
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://app.example"
    );
    let reply = room.get(&url, &[("origin", "https://evil.example")]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(reply.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn m10_where_a_grant_may_be_shown() {
    let (_folder, room) = room().await;
    let with = |disposition| MediaOptions {
        disposition,
        ..MediaOptions::default()
    };
    let table = [
        (Disposition::Inline, "video", "no-cors", true),
        (Disposition::Inline, "iframe", "navigate", false),
        (Disposition::Inline, "script", "no-cors", false),
        (Disposition::Framed, "iframe", "navigate", true),
        (Disposition::Framed, "document", "navigate", false),
        (Disposition::Download, "document", "navigate", true),
        (Disposition::Isolated, "document", "navigate", true),
        (Disposition::Isolated, "worker", "same-origin", false),
    ];
    for (disposition, destination, mode, allowed) in table {
        let url = room
            .mint_with("files:film.mp4", with(disposition))
            .await
            .url;
        let headers = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", destination),
        ];
        let status = room.get(&url, &headers).await.status;
        assert_eq!(
            status == StatusCode::OK,
            allowed,
            "{disposition:?} {destination}"
        );
    }
}

#[tokio::test]
async fn m11_preflights_let_ranges_pass() {
    let (_folder, room) = room().await;
    let url = room.mint("files:film.mp4").await.url;
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "if-range,range"),
    ];
    let reply = read(room.send(Method::OPTIONS, &url, &headers).await)
        .await
        .unwrap();
    assert!(reply.status.is_success());
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("range")
    );
}

#[tokio::test]
async fn m40_the_room_prints_no_token_and_no_name() {
    let (_folder, room) = room().await;
    let minted = room.mint("files:film.mp4").await;
    let token = minted.url.rsplit('/').next().unwrap();
    let printed = format!("{:?} {minted:?}", room.media);
    assert!(
        !printed.contains(token) && !printed.contains("film"),
        "{printed}"
    );
}

#[tokio::test]
async fn the_numbers_of_a_grant_are_told_once_a_second() {
    let (_folder, room) = room().await;
    let minted = room.mint("files:film.mp4").await;
    room.mint("files:empty.bin").await;
    room.get(&minted.url, &[("range", "bytes=0-99")]).await;
    room.get(&minted.url, &[]).await;
    let mut subscription = room.events.subscribe(None);
    room.media.sweep();
    let event = subscription.live.try_recv().unwrap();
    let told = told(&event);
    let grants = told["grants"].as_array().unwrap();
    assert_eq!((event.kind, grants.len()), ("grant.stats", 1));
    assert_eq!(grants[0]["bytes"], SIZE + 100);
    assert_eq!(grants[0]["requests"], 2);
    room.media.sweep();
    assert!(
        subscription.live.try_recv().is_err(),
        "nothing changed since"
    );
    let active = room.grants(true);
    assert_eq!(
        (active.len(), room.media.totals().bytes),
        (1, SIZE as u64 + 100)
    );
    assert_eq!(active[0].name, "film.mp4");
    assert_eq!(room.grants(false).len(), 2);
}

#[tokio::test]
async fn a_source_that_is_not_there_is_listed_as_failed() {
    let room = Room::new();
    let nowhere = doorward_media::Location::Folder("/nowhere/at/all".into());
    let id = room
        .media
        .add_source("gone", "Gone", nowhere)
        .await
        .unwrap();
    let views = room.media.source_views();
    assert_eq!((id.as_str(), views[0].state), ("gone", "failed"));
    assert!(views[0].message.is_some());
    let error = room
        .media
        .grant("gone:x", MediaOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, MediaError::NotFound));
}

fn told(event: &doorward_guard::events::Event) -> serde_json::Value {
    serde_json::from_str(&event.data).unwrap()
}
