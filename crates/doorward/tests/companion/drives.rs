//! Folders of this computer, for a paired page, over real sockets.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward::companion_core::drives::{DrivePlaces, Offered, Shared};
use doorward::companion_core::pairing::{FolderName, Right};
use doorward::{CompanionSettings, Opener};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{Door, House, Reply};

/// A house with a folder to share, and a paired page.
pub(crate) struct Desk {
    pub(crate) house: House,
    pub(crate) door: Door,
    pub(crate) opened: Arc<Mutex<Vec<PathBuf>>>,
}

pub(crate) const ALL: &str = r#"[{"folder":"Files","rights":["read","write","delete"]}]"#;

pub(crate) fn shared(name: &str, path: &Path, rights: &[Right]) -> Shared {
    Shared {
        name: FolderName::parse(name).unwrap(),
        path: path.to_owned(),
        rights: rights.to_vec(),
    }
}

pub(crate) fn settings(
    temp: &Path,
    folders: Vec<Shared>,
) -> (CompanionSettings, Arc<Mutex<Vec<PathBuf>>>) {
    let opened = Arc::<Mutex<Vec<PathBuf>>>::default();
    let into = Arc::clone(&opened);
    fs::create_dir_all(temp.join("data")).unwrap();
    let settings = CompanionSettings {
        folders,
        places: DrivePlaces {
            journal: Some(temp.join("journal")),
            data: Some(temp.join("data")),
        },
        opener: Opener::new(move |path| {
            into.lock().unwrap().push(path.to_owned());
            Ok(())
        }),
        ..CompanionSettings::default()
    };
    (settings, opened)
}

impl Desk {
    /// `temp/files` is shared as Files, with all rights, and all of them granted.
    pub(crate) async fn open(temp: &Path) -> Self {
        let files = temp.join("files");
        fs::create_dir_all(&files).unwrap();
        let rights = [Right::Read, Right::Write, Right::Delete];
        Self::with(temp, vec![shared("Files", &files, &rights)], ALL).await
    }

    pub(crate) async fn with(temp: &Path, folders: Vec<Shared>, scopes: &str) -> Self {
        let (settings, opened) = settings(temp, folders);
        let house = House::with(settings).await;
        let door = house.pair_for(scopes).await;
        Self {
            house,
            door,
            opened,
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: (&[u8], &str, Option<u64>),
    ) -> Reply {
        // Within the page's rate.
        self.house.hand.advance(Duration::from_millis(20));
        let (bytes, nonce) = self.house.signed_as(&self.door, method, path, body);
        let reply = self.house.send(&bytes).await;
        assert!(
            reply.is_ours(&self.door, &nonce),
            "{method} {path}: {}",
            reply.text()
        );
        reply
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, (b"", "", None)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        self.send("POST", path, (body.as_bytes(), "application/json", None))
            .await
    }

    /// Until a job is over.
    pub(crate) async fn wait(&self, job: &Value) -> Value {
        let path = format!("/jobs/{}", job["id"].as_str().unwrap());
        loop {
            let view = self.get(&path).await.json();
            if !["waiting", "running"].contains(&view["state"].as_str().unwrap()) {
                return view;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn a_page_has_the_folders_that_it_was_granted_and_of_these_what_both_allow() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::create_dir(temp.path().join(name)).unwrap();
    }
    let at = |name: &str| temp.path().join(name);
    let folders = vec![
        shared("A b", &at("a"), &[Right::Read, Right::Write]),
        shared("Ünï", &at("b"), &[Right::Read]),
        shared(
            "Secret",
            &at("c"),
            &[Right::Read, Right::Write, Right::Delete],
        ),
        shared("Gone", &at("none"), &[Right::Read]),
    ];
    let scopes = r#"[{"folder":"A b","rights":["read"]},{"folder":"Ünï","rights":["read","write"]},
        {"folder":"Gone","rights":["read"]},{"folder":"Never","rights":["read"]}]"#;
    let desk = Desk::with(temp.path(), folders, scopes).await;
    let told = desk.get("/drives").await.json();
    let told: Vec<_> = told["folders"].as_array().unwrap().iter().collect();
    let row = |at: usize| {
        (
            &told[at]["name"],
            &told[at]["rights"],
            &told[at]["state"],
            &told[at]["kind"],
        )
    };
    assert_eq!(told.len(), 3);
    assert_eq!(
        row(0),
        (
            &json!("A b"),
            &json!(["read"]),
            &json!("ready"),
            &json!("folder")
        )
    );
    assert_eq!(
        row(1),
        (
            &json!("Ünï"),
            &json!(["read"]),
            &json!("ready"),
            &json!("folder")
        )
    );
    assert_eq!((row(2).0, row(2).2), (&json!("Gone"), &json!("absent")));
    assert!(told[0]["totalBytes"].as_u64().unwrap() > 0 && told[2]["totalBytes"].is_null());

    assert_eq!(desk.get("/drives/A%20b/list").await.status, 200);
    assert_eq!(desk.get("/drives/%C3%9Cn%C3%AF/list").await.status, 200);
    // Not granted, not shared, no name at all: one answer.
    let mut bodies = Vec::new();
    for name in [
        "Secret", "Never", "None", "..", "%2e%2e", "a%2Fb", "%FF", "%00", "uploads2",
    ] {
        let refused = desk.get(&format!("/drives/{name}/list")).await;
        assert_eq!(
            (refused.status, refused.denial()),
            (404, "folderUnknown".to_owned()),
            "{name}"
        );
        bodies.push(refused.json()["message"].clone());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let absent = desk.get("/drives/Gone/list").await;
    assert_eq!(
        (absent.status, absent.denial()),
        (409, "folderAbsent".to_owned())
    );
    // Granted by the person, but the folder is for reading.
    let body = json!({ "path": "x", "kind": "file" });
    let refused = desk.post("/drives/%C3%9Cn%C3%AF/create", &body).await;
    assert_eq!(
        (refused.status, refused.denial()),
        (403, "rightMissing".to_owned())
    );
    assert_eq!(fs::read_dir(at("b")).unwrap().count(), 0);
}

#[tokio::test]
async fn drives_are_offered_by_name_only_if_the_person_says_so() {
    let scopes = r#"[{"folder":"This computer","rights":["read"]}]"#;
    let temp = tempfile::tempdir().unwrap();
    for (drives, status) in [
        (Offered::None, 404),
        (Offered::Removable, 404),
        (Offered::All, 200),
    ] {
        let (settings, _) = settings(temp.path(), Vec::new());
        let house = House::with(CompanionSettings {
            drives,
            drive_rights: vec![Right::Read],
            ..settings
        });
        let house = house.await;
        let door = house.pair_for(scopes).await;
        let (bytes, _) = house.signed(&door, "GET", "/drives/This%20computer/list", b"");
        assert_eq!(house.send(&bytes).await.status, status, "{drives:?}");
    }
}

#[tokio::test]
async fn folders_are_listed_searched_and_changed() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    for (path, kind) in [
        ("Trip", "directory"),
        ("Trip/10.jpg", "file"),
        ("Trip/9.jpg", "file"),
    ] {
        let made = desk
            .post(
                "/drives/Files/create",
                &json!({ "path": path, "kind": kind }),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(made.json()["path"], path);
    }
    fs::write(files.join("Trip/9.jpg"), "jpeg").unwrap();
    let page = desk
        .get("/drives/Files/list?path=Trip&limit=1")
        .await
        .json();
    assert_eq!(
        (&page["entries"][0]["name"], &page["total"]),
        (&json!("9.jpg"), &json!(2))
    );
    assert_eq!(page["entries"][0]["mediaType"], "image/jpeg");
    let next = page["next"].as_str().unwrap();
    let page = desk
        .get(&format!(
            "/drives/Files/list?path=Trip&limit=1&after={next}"
        ))
        .await
        .json();
    assert_eq!(
        (&page["entries"][0]["name"], &page["next"]),
        (&json!("10.jpg"), &Value::Null)
    );
    let info = desk.get("/drives/Files/info?path=Trip/9.jpg").await.json();
    assert_eq!((&info["size"], &info["kind"]), (&json!(4), &json!("file")));
    let found = desk.get("/drives/Files/search?q=JPG").await.json();
    assert_eq!(
        (
            found["entries"].as_array().unwrap().len(),
            &found["complete"]
        ),
        (2, &json!(true))
    );

    let renamed = desk
        .post(
            "/drives/Files/rename",
            &json!({ "path": "Trip/9.jpg", "name": "09.jpg" }),
        )
        .await;
    assert_eq!(renamed.json()["path"], "Trip/09.jpg", "{}", renamed.text());
    let to = json!({ "path": "Trip/09.jpg", "to": { "path": "cover.jpg" } });
    assert_eq!(
        desk.post("/drives/Files/copy", &to).await.json()["path"],
        "cover.jpg"
    );
    let again = desk.post("/drives/Files/copy", &to).await;
    assert_eq!(
        (again.status, again.denial()),
        (409, "alreadyExists".to_owned())
    );
    assert_eq!(again.json()["existing"]["path"], "cover.jpg");
    assert_eq!(again.json()["incoming"]["path"], "Trip/09.jpg");
    let both =
        json!({ "path": "Trip/09.jpg", "to": { "path": "cover.jpg" }, "onConflict": "keepBoth" });
    assert_eq!(
        desk.post("/drives/Files/copy", &both).await.json()["path"],
        "cover (2).jpg"
    );
    let shift = json!({ "path": "Trip", "to": { "path": "Journey" } });
    assert_eq!(
        desk.post("/drives/Files/move", &shift).await.json()["kind"],
        "directory"
    );
    assert_eq!(
        fs::read_to_string(files.join("Journey/09.jpg")).unwrap(),
        "jpeg"
    );

    let gone = desk
        .post("/drives/Files/delete", &json!({ "path": "Journey" }))
        .await;
    assert_eq!(gone.json(), json!({ "path": "Journey", "trashed": true }));
    assert!(temp.path().join("data/Trash/files/Journey/09.jpg").exists());
    let gone = json!({ "path": "cover.jpg", "permanently": true });
    assert_eq!(
        desk.post("/drives/Files/delete", &gone).await.json()["trashed"],
        false
    );
    let root = desk
        .post("/drives/Files/delete", &json!({ "path": "" }))
        .await;
    assert_eq!(root.denial(), "rootRefused");
    let names: Vec<_> = fs::read_dir(&files)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["cover (2).jpg"]);
    // Each change is written down, by the page and the folder.
    let events = desk
        .house
        .serving
        .audit()
        .select(&doorward::guard::audit::Select::after(0, 1_000));
    let kinds: Vec<_> = events.iter().map(|record| record.kind.clone()).collect();
    for kind in ["file.created", "file.moved", "file.copied", "file.deleted"] {
        assert!(
            kinds.iter().any(|known| *known == kind),
            "{kind}: {kinds:?}"
        );
    }
}

#[tokio::test]
async fn what_takes_long_is_a_job_that_is_told_and_can_be_ended() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    fs::create_dir_all(files.join("big/deep")).unwrap();
    for number in 0..20 {
        fs::write(files.join(format!("big/deep/{number}")), vec![1; 100_000]).unwrap();
    }
    let offer = desk.house.ticket(&desk.door).await;
    let (mut socket, _) = desk.house.socket(&offer).await;
    let copy = json!({ "path": "big", "to": { "path": "copy" } });
    let begun = desk.post("/drives/Files/copy", &copy).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let job = &begun.json()["job"];
    assert_eq!(
        (&job["kind"], &job["to"]["path"]),
        (&json!("copy"), &json!("copy"))
    );
    let done = desk.wait(job).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(
        (&done["doneBytes"], &done["doneFiles"]),
        (&json!(2_000_000), &json!(22))
    );
    assert_eq!(done["entry"]["path"], "copy");
    assert_eq!(fs::read(files.join("copy/deep/7")).unwrap().len(), 100_000);
    // The page hears of it.
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("job.ended") {
        heard.push(socket.read_u8().await.unwrap());
    }
    // Another page does not see it, and cannot end it.
    let other = desk.house.pair().await;
    let path = format!("/jobs/{}", done["id"].as_str().unwrap());
    for method in ["GET", "DELETE"] {
        let (bytes, _) = desk.house.signed(&other, method, &path, b"");
        assert_eq!(desk.house.send(&bytes).await.denial(), "jobUnknown");
    }
    let list = desk.get("/jobs").await.json();
    assert_eq!(list["jobs"].as_array().unwrap().len(), 1);
    // Deleting a folder for good is one too.
    let gone = json!({ "path": "copy", "permanently": true });
    let begun = desk.post("/drives/Files/delete", &gone).await;
    assert_eq!(begun.status, 202);
    assert_eq!(desk.wait(&begun.json()["job"]).await["state"], "done");
    assert!(!files.join("copy").exists());
    // Over is over.
    let ended = desk.send("DELETE", &path, (b"", "", None)).await;
    assert_eq!(ended.json()["state"], "done");
    // What is in the way is told before there is a job.
    fs::create_dir(files.join("copy")).unwrap();
    assert_eq!(
        desk.post("/drives/Files/copy", &copy).await.denial(),
        "alreadyExists"
    );
    let inside = json!({ "path": "big", "to": { "path": "big/deep/x" } });
    assert_eq!(
        desk.post("/drives/Files/copy", &inside).await.denial(),
        "insideItself"
    );
}

#[tokio::test]
async fn a_media_url_is_for_the_page_and_ends_with_its_pairing() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    fs::create_dir(files.join("d")).unwrap();
    fs::write(files.join("d/a.txt"), "hello").unwrap();
    fs::write(temp.path().join("secret"), "outside").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", files.join("out")).unwrap();
    let body = json!({ "paths": ["d/a.txt", "d", "none", "out"] });
    let made = desk.post("/drives/Files/grants", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let refused: Vec<_> = made["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["denial"].as_str().unwrap())
        .collect();
    assert_eq!(refused, ["notAFile", "pathUnknown", "pathUnknown"]);
    let [link] = &made["grants"].as_array().unwrap()[..] else {
        panic!("{made}")
    };
    let url = link["url"].as_str().unwrap();
    let content = desk.house.serving.content_origin();
    let path = url.strip_prefix(content).unwrap();
    let host = content.strip_prefix("http://").unwrap();
    let ask = async |origin: &str| {
        let mut socket = TcpStream::connect(host).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        Reply::read(&all)
    };
    let read = ask("Origin: https://app.example\r\n").await;
    assert_eq!((read.status, read.text().as_str()), (200, "hello"));
    let info = desk.get("/drives/Files/info?path=d/a.txt").await.json();
    assert_eq!(read.header("etag").unwrap(), info["etag"].as_str().unwrap());
    assert_eq!(
        ask("Origin: https://other.example\r\n").await.denial(),
        "originNotAllowed"
    );
    let forgotten = format!("/{}", desk.door.keys.key_id);
    desk.house.native("DELETE", &forgotten, &Value::Null).await;
    assert_eq!(ask("").await.denial(), "grantRevoked");
}

#[cfg(unix)]
#[tokio::test]
async fn only_what_cannot_run_is_opened_natively() {
    use std::os::unix::fs::symlink;
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    fs::create_dir(files.join("d.pdf")).unwrap();
    for (name, text) in [
        ("a.pdf", "%PDF-1.7"),
        ("b.sh", "#!/bin/sh"),
        ("c.desktop", "[Desktop Entry]"),
        ("d.txt", "#!/bin/sh\nrm"),
        ("e.png", "\u{7f}ELF"),
        ("f.html", "<script>"),
        ("g", "plain"),
        ("h.exe", "MZ"),
        ("i.jpg.desktop", "x"),
        ("j.pdf", "MZ.."),
    ] {
        fs::write(files.join(name), text).unwrap();
    }
    fs::write(temp.path().join("outside.pdf"), "%PDF").unwrap();
    symlink("../outside.pdf", files.join("k.pdf")).unwrap();
    symlink("b.sh", files.join("l.pdf")).unwrap();
    symlink("g", files.join("m.pdf")).unwrap();
    let open = async |name: &str| {
        desk.post("/drives/Files/open", &json!({ "path": name }))
            .await
    };
    let opened = open("a.pdf").await;
    assert_eq!(
        opened.json()["opened"]["path"],
        "a.pdf",
        "{}",
        opened.text()
    );
    for name in [
        "b.sh",
        "c.desktop",
        "d.txt",
        "e.png",
        "f.html",
        "g",
        "h.exe",
        "i.jpg.desktop",
        "j.pdf",
        "l.pdf",
        "m.pdf",
    ] {
        assert_eq!(open(name).await.denial(), "openRefused", "{name}");
    }
    assert_eq!(open("k.pdf").await.denial(), "pathUnknown");
    assert_eq!(open("d.pdf").await.denial(), "notAFile");
    assert_eq!(open("none.pdf").await.denial(), "pathUnknown");
    let opened = desk.opened.lock().unwrap().clone();
    assert_eq!(opened, [files.canonicalize().unwrap().join("a.pdf")]);
}

#[tokio::test]
async fn the_person_sees_what_is_shared_and_who_has_it() {
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let page = desk
        .house
        .native_at("GET", "/native/folders", &Value::Null)
        .await
        .1;
    let row = &page["folders"][0];
    assert_eq!(
        (&row["name"], &row["state"]),
        (&json!("Files"), &json!("ready"))
    );
    assert_eq!(row["pairings"], json!([desk.door.keys.key_id]));
    assert_eq!(row["path"], temp.path().join("files").to_str().unwrap());
}
