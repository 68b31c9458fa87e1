//! What owners, and the program around the room, are told of their grants.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::scripted::{Scripted, object};
use common::{Room, pattern, read};
use doorward_guard::events::Event;
use doorward_guard::{Clock, SessionId, Sessions};
use doorward_media::{Location, MediaEvent, MediaOptions};
use http::{Method, StatusCode};
use tokio::sync::broadcast::Receiver;

/// Events of a kind that came so far, figures aside.
fn told(live: &mut Receiver<Event>, kind: &str) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    while let Ok(event) = live.try_recv() {
        if event.kind == kind {
            found.push(serde_json::from_str(&event.data).unwrap());
        }
    }
    found
}

/// What `on_event` said, as `kind id`.
fn listen(room: &Room) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    room.media.on_event(move |event| {
        let kind = match event {
            MediaEvent::Changed(_) => "changed",
            MediaEvent::Revoked(_) => "revoked",
            MediaEvent::Expired(_) => "expired",
            MediaEvent::SessionEnded(_) => "sessionEnded",
            MediaEvent::Closed(_) => "closed",
            _ => "another",
        };
        let id = event.about().id.as_str();
        ears.lock().unwrap().push(format!("{kind} {id}"));
    });
    heard
}

fn session() -> SessionId {
    let (clock, _hand) = Clock::fake();
    let limits = doorward_guard::table::sessions::SessionLimits {
        idle: doorward_guard::defaults::SESSION_IDLE,
        absolute: doorward_guard::defaults::SESSION_ABSOLUTE,
    };
    let sessions = Sessions::new(&clock, 7000, limits);
    let ticket = sessions.ticket(false).unwrap();
    sessions.claim(&ticket.reveal(), None).unwrap().session
}

async fn folder() -> (Room, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "a.mp4",
        "b.mp4",
        "sub/c.mp4",
        "sub/deep/d.mp4",
        "subway.mp4",
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, pattern(300_000)).unwrap();
    }
    let room = Room::with_folder(folder.path()).await;
    (room, folder)
}

#[tokio::test]
async fn m21_a_change_is_told_once_and_the_grant_stays_shut() {
    let version = Arc::new(AtomicUsize::new(1));
    let seen = Arc::clone(&version);
    let store = Scripted::start(move |head, _| {
        object(
            head,
            &"x".repeat(2000),
            &seen.load(Ordering::Relaxed).to_string(),
        )
    })
    .await;
    let room = store.room().await;
    let heard = listen(&room);
    let mut live = room.events.subscribe(None).live;
    let minted = room.mint("s:films/k.mp4").await;
    let range = [("range", "bytes=0-1")];
    assert_eq!(
        room.get(&minted.url, &range).await.status,
        StatusCode::PARTIAL_CONTENT
    );
    version.store(2, Ordering::Relaxed);
    // Not what was kept of the first version: that needs no store.
    let range = [("range", "bytes=500-501")];
    for _ in 0..3 {
        let reply = room.get(&minted.url, &range).await;
        assert_eq!(reply.status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(reply.denial(), "changed");
    }
    // Even if the first version comes back: mint anew.
    version.store(1, Ordering::Relaxed);
    let before = store.asked().len();
    assert_eq!(room.get(&minted.url, &[]).await.denial(), "changed");
    assert_eq!(
        room.head(&minted.url, &[]).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(store.asked().len(), before, "the store is not asked");
    let events = told(&mut live, "grant.changed");
    assert_eq!(
        events,
        [serde_json::json!({ "id": minted.id, "name": "k.mp4" })]
    );
    assert_eq!(*heard.lock().unwrap(), [format!("changed {}", minted.id)]);
    let views = room.grants(false);
    assert!(views[0].changed);
    let fresh = room.mint("s:films/k.mp4").await.url;
    assert_eq!(
        room.get(&fresh, &range).await.status,
        StatusCode::PARTIAL_CONTENT
    );
}

#[tokio::test]
async fn m20_a_change_in_the_middle_is_told_to_the_owner_alone() {
    let (room, folder) = folder().await;
    let mut live = room.events.subscribe(None).live;
    let owner = session();
    let options = MediaOptions {
        owner: Some(owner.clone()),
        ..MediaOptions::default()
    };
    let minted = room.mint_with("files:a.mp4", options).await;
    let one = room.send(Method::GET, &minted.url, &[]).await;
    let other = room.send(Method::GET, &minted.url, &[]).await;
    std::fs::write(folder.path().join("a.mp4"), pattern(200_000)).unwrap();
    assert!(read(one).await.is_err() && read(other).await.is_err());
    let mut changes = 0;
    while let Ok(event) = live.try_recv() {
        if event.kind == "grant.changed" {
            changes += 1;
            assert!(event.is_for(&owner) && !event.is_for(&session()));
        }
    }
    assert_eq!(changes, 1, "two streams, one change");
    assert_eq!(room.get(&minted.url, &[]).await.denial(), "changed");
}

#[tokio::test]
async fn m7_revoking_twice_is_told_once() {
    let (room, _folder) = folder().await;
    let heard = listen(&room);
    let mut live = room.events.subscribe(None).live;
    let minted = room.mint("files:a.mp4").await;
    assert!(room.media.revoke(&minted.id));
    assert!(!room.media.revoke(&minted.id));
    assert!(!room.media.revoke_url(&minted.url));
    assert_eq!(room.media.revoke_all(), 0);
    room.hand.advance(Duration::from_secs(24 * 3600));
    room.media.sweep();
    let events = told(&mut live, "grant.revoked");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["id"], minted.id);
    assert_eq!(events[0]["reason"], "revoked");
    assert_eq!(*heard.lock().unwrap(), [format!("revoked {}", minted.id)]);
}

#[tokio::test]
async fn m3_m7_the_program_hears_of_every_end() {
    let (room, _folder) = folder().await;
    let heard = listen(&room);
    let mut live = room.events.subscribe(None).live;
    let brief = MediaOptions {
        life: Duration::from_secs(10),
        ..MediaOptions::default()
    };
    let owner = session();
    let owned = MediaOptions {
        owner: Some(owner.clone()),
        ..MediaOptions::default()
    };
    let unused = room.mint_with("files:a.mp4", brief.clone()).await.id;
    room.hand.advance(Duration::from_secs(10));
    room.media.sweep();
    let used = room.mint_with("files:a.mp4", brief).await;
    room.head(&used.url, &[]).await;
    room.hand.advance(Duration::from_secs(10));
    room.media.sweep();
    let orphan = room.mint_with("files:a.mp4", owned).await.id;
    room.media.session_ended(&owner);
    let last = room.mint("files:b.mp4").await.id;
    room.media.close();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            format!("expired {unused}"),
            format!("expired {}", used.id),
            format!("sessionEnded {orphan}"),
            format!("closed {last}")
        ]
    );
    let events = told(&mut live, "grant.revoked");
    let ids: Vec<_> = events.iter().map(|event| &event["id"]).collect();
    assert_eq!(ids, [&used.id, &last], "tabs hear of what they knew");
}

#[tokio::test]
async fn m6_every_way_to_revoke_hits_its_own_grants() {
    let (room, folder) = folder().await;
    let location = Location::Folder(folder.path().to_owned());
    room.media
        .add_source("twin", "Twin", location)
        .await
        .unwrap();
    let owned = || MediaOptions {
        owner: Some(session()),
        ..MediaOptions::default()
    };
    let all = [
        "files:a.mp4",
        "files:sub/c.mp4",
        "files:sub/deep/d.mp4",
        "files:subway.mp4",
        "twin:sub/c.mp4",
    ];
    for (below, ended) in [
        ("sub", &[1, 2][..]),
        ("sub/", &[1, 2]),
        ("sub/deep/d.mp4", &[2]),
        ("sub/de", &[]),
        ("", &[0, 1, 2, 3]),
        ("nothing", &[]),
    ] {
        let mut ids = Vec::new();
        for name in all {
            ids.push(room.mint(name).await.id);
        }
        assert_eq!(
            room.media.revoke_below("files", below),
            ended.len(),
            "{below}"
        );
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(
                room.media.revoke(id),
                !ended.contains(&at),
                "{below}: {}",
                all[at]
            );
        }
    }
    let (mine, other) = (owned(), owned());
    let first = room.mint_with("files:a.mp4", mine.clone()).await;
    let second = room.mint_with("files:b.mp4", other).await;
    room.media.session_ended(&mine.owner.unwrap());
    assert_eq!(room.get(&first.url, &[]).await.denial(), "grantRevoked");
    assert_eq!(room.get(&second.url, &[]).await.status, StatusCode::OK);
    room.mint("twin:a.mp4").await;
    assert_eq!(room.media.revoke_source("twin"), 1);
    assert_eq!(room.media.revoke_all(), 1);
    assert_eq!(room.get(&second.url, &[]).await.denial(), "grantRevoked");
}

#[tokio::test]
async fn m6_grants_that_were_made_by_path_or_url_end_with_their_bucket_alone() {
    let (room, folder) = folder().await;
    let path = folder.path().join("a.mp4");
    let mut ids = Vec::new();
    for source in [
        "s3://one/a/x.mp4",
        "s3://one/b/x.mp4",
        "s3://two/a/x.mp4",
        path.to_str().unwrap(),
    ] {
        ids.push(room.mint(source).await.id);
    }
    assert_eq!(room.media.revoke_source(""), 0, "nothing is called so");
    assert_eq!(room.media.revoke_below("", ""), 0);
    assert_eq!(room.media.revoke_below("s3://one", "a"), 1);
    assert_eq!(room.media.revoke_source("s3://one"), 1);
    let live: Vec<_> = ids.iter().map(|id| room.media.revoke(id)).collect();
    assert_eq!(live, [false, false, true, true]);
}
