//! Azure's store against Azurite, which checks signatures as Azure does.
//!
//! `npm ci` in tests/azure installs it. Without it the test says so and passes,
//! except where `CI` is set.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Room, pattern};
use doorward_guard::Clock;
use doorward_media::source::Query;
use doorward_media::{Credentials, Location, Source, StoreConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The account that every emulator knows.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Azurite {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Azurite {
    async fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/azure");
        let program: PathBuf = root.join("node_modules/azurite/dist/src/blob/main.js");
        if !program.is_file() {
            assert!(
                std::env::var_os("CI").is_none_or(|value| value.is_empty()),
                "CI is set, and Azurite is not installed: `npm ci` in tests/azure"
            );
            println!("skipped: `npm ci` in tests/azure installs Azurite");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let child = Command::new("node")
            .arg(program)
            .args([
                "--loose",
                "--skipApiVersionCheck",
                "--silent",
                "--disableTelemetry",
            ])
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .arg("--location")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            _folder: folder,
        };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Azurite does not start")
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    fn config(&self, container: &str, credentials: Credentials) -> StoreConfig {
        StoreConfig::azure(ACCOUNT, container, Some(&self.endpoint()), credentials)
    }

    /// A signed PUT, by hand. `path` is below the account, as it is sent.
    async fn put(&self, path: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) {
        let date = httpdate::fmt_http_date(Clock::system().wall());
        let mut own = vec![("x-ms-date", date.as_str()), ("x-ms-version", "2021-12-02")];
        own.extend(headers);
        own.sort_unstable();
        let signed: String = own
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let length = if body.is_empty() {
            String::new()
        } else {
            body.len().to_string()
        };
        let parameters: String = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| format!("\n{}", pair.replace('=', ":")))
            .collect();
        let text = format!(
            "PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{signed}/{ACCOUNT}/{ACCOUNT}{path}{parameters}"
        );
        let mark = if query.is_empty() { "" } else { "?" };
        let mut head = format!(
            "PUT /{ACCOUNT}{path}{mark}{query} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\nAuthorization: SharedKey {ACCOUNT}:{}\r\n",
            self.port,
            body.len(),
            sign(&text)
        );
        for (name, value) in own {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream
            .write_all(format!("{head}\r\n").as_bytes())
            .await
            .unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    async fn container(&self, name: &str, public: bool) {
        let headers: &[_] = if public {
            &[("x-ms-blob-public-access", "container")]
        } else {
            &[]
        };
        self.put(&format!("/{name}"), "restype=container", headers, b"")
            .await;
    }

    async fn blob(&self, container: &str, name: &str, body: &[u8]) {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC)
            .to_string()
            .replace("%2F", "/");
        self.put(
            &format!("/{container}/{name}"),
            "",
            &[("x-ms-blob-type", "BlockBlob")],
            body,
        )
        .await;
    }
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// May read and list one container until `ends`.
fn sas(container: &str, ends: &str) -> String {
    let text =
        format!("rl\n\n{ends}\n/blob/{ACCOUNT}/{container}\n\n\n\n2021-12-02\nc\n\n\n\n\n\n\n");
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "sp=rl&se={}&sv=2021-12-02&sr=c&sig={}",
        encode(ends),
        encode(&sign(&text))
    )
}

fn source(config: StoreConfig) -> Source {
    Source::Store(Arc::new(config.build(&Clock::system()).unwrap()))
}

fn keys() -> Credentials {
    Credentials::keys(ACCOUNT, KEY, None)
}

async fn names(source: &Source, prefix: &str, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = Query {
            prefix: prefix.to_owned(),
            after,
            limit,
            ..Query::default()
        };
        let page = source.list(query).await.unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.into_iter().map(|item| item.key));
        after = page.next;
        if after.is_none() {
            found.sort_unstable();
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_read_and_listed_by_key_by_signature_and_by_nobody() {
    let Some(server) = Azurite::start().await else {
        return;
    };
    let film = pattern(100_000);
    server.container("films", false).await;
    server.container("public", true).await;
    for name in [
        "a.mp4",
        "d/b.mp4",
        "d/e/c.mp4",
        "a b+%ü&?#;'.txt",
        "d-1",
        "empty.txt",
    ] {
        let body: &[u8] = if name.starts_with("empty") {
            b""
        } else {
            &film
        };
        server.blob("films", name, body).await;
    }
    server.blob("public", "p.mp4", &film).await;

    let later = sas("films", "2090-01-01T00:00:00Z");
    for credentials in [keys(), Credentials::signature(&later).unwrap()] {
        let listed = source(server.config("films", credentials.clone()));
        listed.check().await.unwrap();
        let all = ["a b+%ü&?#;'.txt", "a.mp4", "d-1", "d/", "empty.txt"];
        for limit in [1, 2, 100] {
            assert_eq!(names(&listed, "", limit).await, all, "{limit}");
        }
        assert_eq!(names(&listed, "d", 100).await, ["d/b.mp4", "d/e/"]);
        let page = listed.list(Query::default()).await.unwrap();
        let item = page.items.iter().find(|item| item.name == "a.mp4").unwrap();
        assert_eq!(item.size, Some(100_000));
        assert!(item.modified.is_some());

        let room = Room::in_real_time();
        let location = Location::Store(Box::new(server.config("films", credentials)));
        room.media.add_source("s", "S", location).await.unwrap();
        for name in ["a.mp4", "a b+%ü&?#;'.txt", "d/e/c.mp4"] {
            for fresh in [false, true] {
                let shared = room.mint(&format!("s:{name}")).await.url;
                for (range, first, last) in [
                    ("bytes=0-0", 0, 0),
                    ("bytes=70000-", 70_000, 99_999),
                    ("bytes=-10", 99_990, 99_999),
                    ("bytes=5-9999999", 5, 99_999),
                ] {
                    let url = match fresh {
                        true => room.mint(&format!("s:{name}")).await.url,
                        false => shared.clone(),
                    };
                    let reply = room.get(&url, &[("range", range)]).await;
                    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{name} {range}");
                    assert_eq!(
                        reply.header("content-range"),
                        format!("bytes {first}-{last}/100000")
                    );
                    assert_eq!(reply.body, film[first..=last]);
                }
                let reply = room.get(&shared, &[("range", "bytes=100001-")]).await;
                assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
                assert_eq!(room.get(&shared, &[]).await.body, film);
            }
        }
        let url = room.mint("s:empty.txt").await.url;
        let reply = room.get(&url, &[]).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
        let url = room.mint("s:empty.txt").await.url;
        let reply = room.get(&url, &[("range", "bytes=-5")]).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
        let url = room.mint("s:gone").await.url;
        assert_eq!(room.get(&url, &[]).await.denial(), "notFound");
    }

    let open = source(server.config("public", Credentials::Anonymous));
    assert_eq!(names(&open, "", 10).await, ["p.mp4"]);
    for (container, credentials, name) in [
        (
            "films",
            Credentials::Anonymous,
            "bucketMissing accessDenied",
        ),
        (
            "films",
            Credentials::keys(ACCOUNT, "d3Jvbmc=", None),
            "credentialsRejected accessDenied",
        ),
        ("gone", keys(), "bucketMissing"),
        (
            "films",
            Credentials::signature(&later.replace("sp=rl", "sp=racwdl")).unwrap(),
            "credentialsRejected accessDenied",
        ),
        (
            "films",
            Credentials::signature(&sas("films", "2020-01-01T00:00:00Z")).unwrap(),
            "credentialsExpired",
        ),
    ] {
        let error = source(server.config(container, credentials))
            .check()
            .await
            .unwrap_err();
        assert!(name.contains(error.name()), "{name}: {error}");
    }

    // Replaced between two ranges: never both versions.
    let room = Room::in_real_time();
    let location = Location::Store(Box::new(server.config("films", keys())));
    room.media.add_source("s", "S", location).await.unwrap();
    let url = room.mint("s:a.mp4").await.url;
    assert_eq!(
        room.get(&url, &[("range", "bytes=0-9")]).await.body,
        film[..10]
    );
    server.blob("films", "a.mp4", &film).await;
    let reply = room.get(&url, &[("range", "bytes=10-19")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
}
