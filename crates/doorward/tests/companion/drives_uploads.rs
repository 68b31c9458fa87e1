//! Files that a page sends.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::companion_core::defaults;
use doorward::companion_core::pairing::Right;
use doorward::{CompanionSettings, Keep};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::drives::{ALL, Desk, settings, shared};
use crate::house::{House, Reply};
use crate::vault::Drawer;

impl Desk {
    async fn begin(&self, body: &Value) -> Reply {
        self.post("/drives/Files/uploads", body).await
    }

    async fn chunk(&self, id: &str, offset: Option<u64>, bytes: &[u8]) -> Reply {
        let path = format!("/drives/uploads/{id}");
        self.send("PUT", &path, (bytes, "application/octet-stream", offset))
            .await
    }

    async fn finish(&self, id: &str, query: &str) -> Reply {
        self.send(
            "POST",
            &format!("/drives/uploads/{id}/finish{query}"),
            (b"", "", None),
        )
        .await
    }
}

fn id(reply: &Reply) -> String {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(at: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(at)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn r1_a_file_of_many_chunks_comes_whole_and_under_its_name_only_then() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    let whole: Vec<u8> = (0_u32..(defaults::CHUNK as u32 + 100_000) / 4)
        .flat_map(u32::to_le_bytes)
        .collect();
    let digest = hex(&Sha256::digest(&whole));
    let begun = desk
        .begin(&json!({ "path": "film.mp4", "size": whole.len(), "modifiedAt": "2020-02-03T04:05:06Z", "sha256": digest }))
        .await;
    assert_eq!(begun.json()["chunkBytes"], defaults::CHUNK);
    let id = id(&begun);
    let (first, last) = whole.split_at(defaults::CHUNK);
    let answer = desk.chunk(&id, Some(0), first).await;
    assert_eq!(
        answer.json()["offset"],
        defaults::CHUNK,
        "{}",
        answer.text()
    );
    assert!(!files.join("film.mp4").exists());
    let early = desk.finish(&id, "").await;
    assert_eq!(
        (early.denial(), &early.json()["offset"]),
        ("uploadIncomplete".to_owned(), &json!(defaults::CHUNK))
    );
    // Again, too far, too long, none, and without an offset.
    let at = defaults::CHUNK as u64;
    for (offset, bytes, denial) in [
        (Some(0), last, "offsetMismatch"),
        (Some(at + 1), last, "offsetMismatch"),
        (Some(at), &whole[..200_000], "chunkRefused"),
        (None, &last[..100], "chunkRefused"),
    ] {
        let refused = desk.chunk(&id, offset, bytes).await;
        assert_eq!(refused.denial(), denial, "{offset:?}");
    }
    let where_it_is = desk.get(&format!("/drives/uploads/{id}")).await.json();
    assert_eq!(
        (&where_it_is["offset"], &where_it_is["size"]),
        (&json!(at), &json!(whole.len()))
    );
    desk.chunk(&id, Some(at), last).await;
    let done = desk.finish(&id, "").await;
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(done.json()["modifiedAt"], "2020-02-03T04:05:06.000Z");
    assert!(fs::read(files.join("film.mp4")).unwrap() == whole);
    assert_eq!(names(&files), ["film.mp4"]);
    assert_eq!(desk.finish(&id, "").await.denial(), "uploadUnknown");
    assert_eq!(
        fs::read_dir(temp.path().join("journal")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn what_is_there_stays_until_the_whole_takes_its_place() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    fs::write(files.join("a"), "old").unwrap();
    fs::create_dir(files.join("d")).unwrap();
    let refused = desk.begin(&json!({ "path": "a", "size": 3 })).await;
    assert_eq!(refused.denial(), "alreadyExists");
    assert_eq!(
        (
            &refused.json()["existing"]["size"],
            &refused.json()["incoming"]["size"]
        ),
        (&json!(3), &json!(3))
    );
    for conflict in ["fail", "replace"] {
        let refused = desk
            .begin(&json!({ "path": "d", "size": 3, "onConflict": conflict }))
            .await;
        assert_eq!(refused.denial(), "alreadyExists", "{conflict}");
    }
    let id_of = id(&desk
        .begin(&json!({ "path": "a", "size": 3, "onConflict": "replace" }))
        .await);
    desk.chunk(&id_of, Some(0), b"new").await;
    assert_eq!(fs::read_to_string(files.join("a")).unwrap(), "old");
    assert_eq!(desk.finish(&id_of, "").await.status, 201);
    assert_eq!(fs::read_to_string(files.join("a")).unwrap(), "new");
    let both = id(&desk
        .begin(&json!({ "path": "a", "size": 0, "onConflict": "keepBoth" }))
        .await);
    assert_eq!(desk.finish(&both, "").await.json()["path"], "a (2)");
    // What appears meanwhile is not replaced; the page decides anew.
    let late = id(&desk.begin(&json!({ "path": "b", "size": 3 })).await);
    desk.chunk(&late, Some(0), b"new").await;
    fs::write(files.join("b"), "theirs").unwrap();
    let refused = desk.finish(&late, "").await;
    assert_eq!(
        (refused.denial(), &refused.json()["existing"]["size"]),
        ("alreadyExists".to_owned(), &json!(6))
    );
    assert_eq!(fs::read_to_string(files.join("b")).unwrap(), "theirs");
    assert_eq!(desk.finish(&late, "?onConflict=replace").await.status, 201);
    assert_eq!(fs::read_to_string(files.join("b")).unwrap(), "new");
    // What is not what was announced takes no name.
    let other = "0".repeat(64);
    let wrong = id(&desk
        .begin(&json!({ "path": "c", "size": 3, "sha256": other }))
        .await);
    desk.chunk(&wrong, Some(0), b"new").await;
    assert_eq!(desk.finish(&wrong, "").await.denial(), "digestMismatch");
    let ended = desk
        .send(
            "DELETE",
            &format!("/drives/uploads/{wrong}"),
            (b"", "", None),
        )
        .await;
    assert_eq!(ended.status, 200);
    assert_eq!(names(&files), ["a", "a (2)", "b", "d"]);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_and_ends_with_its_pairing() {
    let temp = tempfile::tempdir().unwrap();
    let files = temp.path().join("files");
    fs::create_dir(&files).unwrap();
    let all = [Right::Read, Right::Write, Right::Delete];
    let folders = || vec![shared("Files", &files, &all)];
    let drawer = Drawer::new();
    let kept = || {
        let (settings, opened) = settings(temp.path(), folders());
        let keep = Keep {
            vault: Arc::clone(&drawer) as _,
            register: temp.path().join("pairings.json"),
        };
        let keep = Some(keep);
        (CompanionSettings { keep, ..settings }, opened)
    };
    let (first, opened) = kept();
    let house = House::with(first).await;
    let door = house.pair_for(ALL).await;
    let desk = Desk {
        house,
        door,
        opened,
    };
    let digest = hex(&Sha256::digest(b"hello world"));
    let announced = json!({ "path": "a.txt", "size": 11, "sha256": digest });
    let going = id(&desk.begin(&announced).await);
    let gone = id(&desk.begin(&json!({ "path": "b", "size": 5 })).await);
    desk.chunk(&going, Some(0), b"hello ").await;
    // A crash: nothing is closed, and a copy was half done.
    let half = ".doorward-AAAAAAAAAAAAAAAAAAAAAA";
    fs::create_dir(files.join(half)).unwrap();
    fs::write(files.join(half).join("x"), "half").unwrap();
    let record = json!({ "folder": "Files", "within": "", "upload": null }).to_string();
    fs::write(temp.path().join(format!("journal/{half}.json")), record).unwrap();
    fs::remove_file(files.join(format!(".doorward-{gone}"))).unwrap();
    let Desk {
        door,
        house: crashed,
        ..
    } = desk;
    let (next, opened) = kept();
    let house = House::with(next).await;
    house.serving.companion().unwrap().drives().recover().await;
    assert_eq!(names(&files), [format!(".doorward-{going}")]);
    let records = fs::read_dir(temp.path().join("journal")).unwrap();
    assert_eq!(records.count(), 1);

    // Of another pairing, it is unknown.
    let other = house.pair_for(ALL).await;
    let door = house.hello(door.keys).await.unwrap();
    let (bytes, _) = house.signed(&other, "GET", &format!("/drives/uploads/{going}"), b"");
    assert_eq!(house.send(&bytes).await.denial(), "uploadUnknown");
    let desk = Desk {
        house,
        door,
        opened,
    };
    let resumed = desk.get(&format!("/drives/uploads/{going}")).await;
    assert_eq!(resumed.json()["offset"], 6, "{}", resumed.text());
    desk.chunk(&going, Some(6), b"world").await;
    let done = desk.finish(&going, "").await;
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(
        fs::read_to_string(files.join("a.txt")).unwrap(),
        "hello world"
    );
    drop(crashed);

    let last = id(&desk.begin(&json!({ "path": "c", "size": 5 })).await);
    desk.house
        .native(
            "DELETE",
            &format!("/{}", desk.door.keys.key_id),
            &Value::Null,
        )
        .await;
    while files.join(format!(".doorward-{last}")).exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(names(&files), ["a.txt"]);
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_removed() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    let most = defaults::UPLOADS_PER_KEY;
    for number in 0..most {
        id(&desk
            .begin(&json!({ "path": format!("{number}"), "size": 5 }))
            .await);
    }
    let full = desk.begin(&json!({ "path": "x", "size": 5 })).await;
    assert_eq!(
        (full.status, full.denial()),
        (503, "capacityReached".to_owned())
    );
    assert_eq!(names(&files).len(), most);
    desk.house
        .hand
        .advance(defaults::UPLOAD_KEPT + Duration::from_secs(1));
    desk.house.serving.companion().unwrap().drives().sweep();
    // The file goes first, what is written down of it after that.
    let written = || fs::read_dir(temp.path().join("journal")).unwrap().count();
    while !names(&files).is_empty() || written() > 0 {
        tokio::task::yield_now().await;
    }
}
