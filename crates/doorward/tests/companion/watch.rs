//! What a paired page hears of folders, over real sockets.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use doorward::CompanionSettings;
use doorward::companion_core::defaults;
use doorward::companion_core::drives::Shared;
use doorward::companion_core::pairing::{FolderName, Right};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::house::{Door, House};

const WATCH: &str = "/watch";

/// A house that shares `Read`, `Write` and `Other` with a page that was granted to
/// read the first and to write into the second.
struct Shares {
    house: House,
    door: Door,
    read: TempDir,
    _write: TempDir,
}

struct Page(WebSocketStream<TcpStream>);

impl Shares {
    async fn open() -> Self {
        let (read, write) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let share = |name: &str, path: &TempDir| Shared {
            name: FolderName::parse(name).unwrap(),
            path: path.path().to_owned(),
            rights: vec![Right::Read, Right::Write],
        };
        let house = House::with(CompanionSettings {
            folders: vec![
                share("Read", &read),
                share("Write", &write),
                share("Other", &read),
            ],
            ..CompanionSettings::default()
        });
        let house = house.await;
        let scopes =
            r#"[{"folder":"Read","rights":["read"]},{"folder":"Write","rights":["write"]}]"#;
        let door = house.pair_for(scopes).await;
        Self {
            house,
            door,
            read,
            _write: write,
        }
    }

    /// An open socket that said hello.
    async fn page(&self) -> Page {
        let offer = self.house.ticket_for(&self.door, WATCH).await;
        let (stream, head) = self.house.socket_at(WATCH, &offer).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        let mut page = Page(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
        let hello = page.next().await;
        assert_eq!(hello["subscriptions"], defaults::WATCHES_PER_KEY);
        page
    }

    fn write(&self, name: &str) {
        std::fs::write(self.read.path().join(name), "").unwrap();
    }

    async fn forget(&self) {
        let path = format!("/{}", self.door.keys.key_id);
        self.house.native("DELETE", &path, &Value::Null).await;
    }
}

impl Page {
    async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn message(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(30), self.0.next());
        next.await.unwrap().unwrap().unwrap()
    }

    async fn say(&mut self, message: &Value) -> Value {
        let message = Message::text(message.to_string());
        self.0.send(message).await.unwrap();
        self.next().await
    }

    async fn subscribe(&mut self, folder: &str) -> Value {
        self.say(&json!({"action": "subscribe", "id": "s1", "folder": folder, "path": ""}))
            .await
    }

    /// The code that it is closed with, and what is said before.
    async fn end(&mut self) -> (CloseCode, Vec<String>) {
        let mut said = Vec::new();
        loop {
            match self.message().await {
                Message::Close(frame) => return (frame.unwrap().code, said),
                Message::Text(text) => said.push(text.to_string()),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn t79_t82_watching_needs_a_ticket_for_it() {
    let shares = Shares::open().await;
    let house = &shares.house;
    let (_, head) = house.socket_at(WATCH, "doorward.v1").await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
    // One for another socket is used up, and good for neither.
    let offer = house.ticket(&shares.door).await;
    for route in [WATCH, "/events"] {
        let (_, head) = house.socket_at(route, &offer).await;
        assert!(head.starts_with("http/1.1 401"), "{route}: {head}");
    }
    let offer = house.ticket_for(&shares.door, WATCH).await;
    let (_, head) = house.socket_at("/events", &offer).await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
}

#[tokio::test]
async fn a_page_hears_of_folders_that_it_may_read_and_of_no_others() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    // Not granted and not there are one answer.
    for folder in ["Other", "None", "../Read", ""] {
        let refused = page.subscribe(folder).await;
        assert_eq!(refused["denial"], "folderUnknown", "{refused}");
    }
    let refused = page.subscribe("Write").await;
    assert_eq!(refused["denial"], "rightMissing", "{refused}");
    let subscribed = page.subscribe("Read").await;
    assert_eq!(subscribed["kind"], "subscribed", "{subscribed}");
    shares.write("new");
    let told = page.next().await;
    assert_eq!(told["changes"], json!([{"name": "new", "what": "created"}]));
    assert_eq!((&told["id"], &told["sequence"]), (&json!("s1"), &json!(1)));
}

#[tokio::test]
async fn r10_a_page_that_comes_back_hears_what_it_missed() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    let epoch = page.subscribe("Read").await["epoch"].clone();
    shares.write("one");
    let heard = page.next().await["sequence"].clone();
    drop(page);
    shares.write("two");
    let mut page = shares.page().await;
    let back = page
        .say(&json!({
            "action": "subscribe", "id": "s2", "folder": "Read", "path": "",
            "since": {"epoch": epoch, "sequence": heard},
        }))
        .await;
    assert_eq!((&back["epoch"], &back["sequence"]), (&epoch, &heard));
    let told = page.next().await;
    assert_eq!(told["changes"][0]["name"], "two", "{told}");
    assert_eq!(told["sequence"], heard.as_u64().unwrap() + 1);
}

/// What is in the folder, as a page learns it: it looks at what it is told of, and lists
/// all of it where it is told that something was missed.
struct Known<'a> {
    folder: &'a Path,
    names: BTreeSet<String>,
    sequence: u64,
}

impl Known<'_> {
    fn hears(&mut self, told: &Value) {
        assert_eq!(told["sequence"], self.sequence + 1, "{told}");
        self.sequence += 1;
        if told["kind"] == "resync" {
            self.names = names(self.folder);
            return;
        }
        for change in told["changes"].as_array().unwrap() {
            for name in ["name", "from"].map(|key| change[key].as_str()) {
                let Some(name) = name else { continue };
                match self.folder.join(name).exists() {
                    true => self.names.insert(name.to_owned()),
                    false => self.names.remove(name),
                };
            }
        }
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A thousand changes, as fast as this computer makes them.
fn a_thousand_changes(folder: &Path) {
    for number in 0..250 {
        let [new, kept, gone] = ["new", "kept", "gone"].map(|kind| {
            let name = format!("{kind} {number}");
            folder.join(name)
        });
        std::fs::write(&new, "").unwrap();
        std::fs::rename(&new, &kept).unwrap();
        std::fs::write(&gone, "").unwrap();
        std::fs::remove_file(&gone).unwrap();
    }
    std::fs::write(folder.join("the last"), "").unwrap();
}

#[tokio::test]
async fn r10_a_thousand_changes_at_once_are_heard_or_said_to_be_missed() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    page.subscribe("Read").await;
    let folder = shares.read.path().to_owned();
    let changes = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || a_thousand_changes(&folder)
    });
    let mut known = Known {
        folder: &folder,
        names: BTreeSet::new(),
        sequence: 0,
    };
    while !known.names.contains("the last") {
        let told = page.next().await;
        known.hears(&told);
    }
    changes.await.unwrap();
    // What came before the last is not told after it.
    assert_eq!(known.names, names(&folder));
    assert_eq!(known.names.len(), 251);
}

#[tokio::test]
async fn a_pairing_that_ends_closes_what_watches_for_it() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    page.subscribe("Read").await;
    shares.forget().await;
    shares.write("secret");
    let (code, said) = page.end().await;
    assert_eq!(code, CloseCode::Policy);
    assert_eq!(said, [r#"{"kind":"pairing.revoked"}"#]);
}

#[tokio::test]
async fn even_if_its_page_reads_nothing_and_no_message_is_cut_in_two() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    for number in 0..defaults::WATCHES_PER_KEY {
        let id = number.to_string();
        let wanted = json!({"action": "subscribe", "id": id, "folder": "Read", "path": ""});
        assert_eq!(page.say(&wanted).await["kind"], "subscribed");
    }
    // All of them hear all of this: more than a connection holds.
    let long = "x".repeat(240);
    for number in 0..1_000 {
        shares.write(&format!("{long}{number}"));
    }
    page.next().await;
    shares.forget().await;
    let end = loop {
        match page.0.next().await {
            Some(Ok(Message::Text(text))) => {
                let told: Value = serde_json::from_str(&text).unwrap();
                assert!(told["kind"].is_string());
            }
            end => break end,
        }
    };
    // It was taken in time, or the connection was cut.
    match end {
        Some(Ok(Message::Close(frame))) => assert_eq!(frame.unwrap().code, CloseCode::Policy),
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_)))
        | None => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t85_a_page_that_says_too_much_too_long_or_no_text_is_answered_and_closed() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    page.0.send(Message::binary(vec![0, 159])).await.unwrap();
    assert_eq!(page.next().await["denial"], "invalidJson");
    page.0
        .send(Message::text("x".repeat(defaults::WATCH_MESSAGE + 1)))
        .await
        .unwrap();
    let (code, said) = page.end().await;
    assert_eq!(code, CloseCode::Size);
    assert_eq!(said, [r#"{"kind":"message.refused"}"#]);

    let mut page = shares.page().await;
    let ping = Message::text(json!({"action": "ping"}).to_string());
    for _ in 0..=defaults::WATCH_SAID {
        page.0.feed(ping.clone()).await.unwrap();
    }
    page.0.flush().await.unwrap();
    let (code, said) = page.end().await;
    assert_eq!(code, CloseCode::Policy);
    assert!(said.last().unwrap().contains("rateLimited"), "{said:?}");
}

#[tokio::test]
async fn watching_pages_are_told_that_the_companion_stops() {
    let shares = Shares::open().await;
    let mut page = shares.page().await;
    page.subscribe("Read").await;
    shares.house.serving.shutdown().await;
    let (code, said) = page.end().await;
    assert_eq!(code, CloseCode::Away);
    assert_eq!(said, [r#"{"kind":"companion.stopping"}"#]);
}
