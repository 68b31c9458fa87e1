//! A companion with its compatible listener, and a page of Sambee.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use doorward::companion_core::compat::{code_of, stamp};
use doorward::companion_core::drives::{DrivePlaces, Shared};
use doorward::companion_core::pairing::{FolderName, Right};
use doorward::guard::audit::Ledger;
use doorward::guard::{Clock, Connection, FakeClock, Peer, Secret};
use doorward::{Bridge, CompanionSettings, Listener, Opener, Serving};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The page, as its browser says.
pub(crate) const PAGE: &str = "http://localhost:3000";
/// The nonce that it draws.
pub(crate) const NONCE: [u8; 32] = [0x5a; 32];

pub(crate) const ALL: &[Right] = &[Right::Read, Right::Write, Right::Delete];

pub(crate) struct House {
    pub(crate) serving: Serving,
    pub(crate) hand: FakeClock,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) opened: Arc<Mutex<Vec<PathBuf>>>,
    pub(crate) temp: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What a paired page keeps.
#[derive(Clone)]
pub(crate) struct Paired(pub(crate) Secret<32>);

/// How a request proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Not at all, but its browser says who it is.
    Origin,
    /// Nothing.
    None,
    /// By its headers.
    Headers,
    /// By its query, without an `Origin`, as pictures are loaded.
    Query,
}

impl House {
    /// Shares `photos` with all rights and `docs` to read.
    pub(crate) async fn open() -> Self {
        Self::with(&[("photos", ALL), ("docs", &[Right::Read])]).await
    }

    pub(crate) async fn with(folders: &[(&str, &[Right])]) -> Self {
        Self::made(folders, Some(0)).await
    }

    pub(crate) async fn made(folders: &[(&str, &[Right])], compat: Option<u16>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::fake();
        let ledger = Arc::new(Ledger::new(&clock));
        let shared = folders.iter().map(|(name, rights)| {
            let path = temp.path().join("shared").join(name);
            std::fs::create_dir_all(&path).unwrap();
            Shared {
                name: FolderName::parse(name).unwrap(),
                path,
                rights: rights.to_vec(),
            }
        });
        let opened = Arc::new(Mutex::new(Vec::new()));
        let of_opener = Arc::clone(&opened);
        let settings = CompanionSettings {
            ports: vec![0],
            dangerous_compat: compat,
            folders: shared.collect(),
            places: DrivePlaces {
                journal: Some(temp.path().join("journal")),
                data: Some(temp.path().join("data")),
            },
            opener: Opener::new(move |path| {
                of_opener.lock().unwrap().push(path.to_owned());
                match path.ends_with("broken.txt") {
                    true => Err(std::io::ErrorKind::NotFound.into()),
                    false => Ok(()),
                }
            }),
            ..CompanionSettings::default()
        };
        std::fs::create_dir_all(temp.path().join("data")).unwrap();
        let bridge = Bridge::builder()
            .clock(clock)
            .audit(Arc::clone(&ledger) as _)
            .companion(settings)
            .native_socket(temp.path().join("s"));
        let serving = bridge.bind().await.unwrap().serve();
        serving.companion().unwrap().restored().await;
        Self {
            serving,
            hand,
            ledger,
            opened,
            temp,
        }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.temp.path().join("shared").join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.at(path)).ok()
    }

    /// What is in the trash, by name.
    pub(crate) fn trash(&self) -> Vec<String> {
        names(&self.temp.path().join("data/Trash/files"))
    }

    pub(crate) fn host(&self) -> String {
        let origin = self.serving.compat_origin().unwrap();
        origin.strip_prefix("http://").unwrap().to_owned()
    }

    pub(crate) fn signed_host(&self) -> String {
        let origin = self.serving.companion_origin().unwrap();
        origin.strip_prefix("http://").unwrap().to_owned()
    }

    pub(crate) fn now(&self) -> u64 {
        let wall = self.serving.clock().wall();
        wall.duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    pub(crate) async fn send_to(&self, host: &str, bytes: &[u8]) -> Reply {
        let mut socket = TcpStream::connect(host).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        Reply::read(&all)
    }

    /// A request with these header lines besides `Host`.
    pub(crate) async fn ask(&self, method: &str, target: &str, more: &str, body: &[u8]) -> Reply {
        let host = self.host();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{more}\r\n"
        );
        self.send_to(&host, &[head.as_bytes(), body].concat()).await
    }

    pub(crate) async fn json(&self, method: &str, target: &str, more: &str, body: &Value) -> Reply {
        let body = match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body).unwrap(),
        };
        let kind = match body.len() {
            0 => "",
            _ => "Content-Type: application/json\r\n",
        };
        self.ask(method, target, &format!("{kind}{more}"), &body)
            .await
    }

    /// As the page itself, unpaired.
    pub(crate) async fn page(&self, method: &str, target: &str, body: &Value) -> Reply {
        let more = format!("Origin: {PAGE}\r\n");
        self.json(method, target, &more, body).await
    }

    /// As the page that has `paired`.
    pub(crate) async fn stamped(
        &self,
        paired: &Paired,
        auth: Auth,
        method: &str,
        target: &str,
        body: &Value,
    ) -> Reply {
        let (target, more) = self.prove(paired, auth, target);
        self.json(method, &target, &more, body).await
    }

    /// Target and header lines of a request that proves itself so.
    pub(crate) fn prove(&self, paired: &Paired, auth: Auth, target: &str) -> (String, String) {
        match auth {
            Auth::None => (target.to_owned(), String::new()),
            Auth::Origin => (target.to_owned(), format!("Origin: {PAGE}\r\n")),
            Auth::Headers => (target.to_owned(), paired.headers(PAGE, self.now())),
            Auth::Query => {
                let join = if target.contains('?') { '&' } else { '?' };
                let query = paired.query(PAGE, self.now());
                (format!("{target}{join}{query}"), String::new())
            }
        }
    }

    /// Sends a file in a form, as browsers do.
    pub(crate) async fn upload(
        &self,
        paired: &Paired,
        target: &str,
        field: &str,
        file: &[u8],
    ) -> Reply {
        let body = form(field, file);
        let more = format!(
            "Content-Type: multipart/form-data; boundary=xyz\r\n{}",
            paired.headers(PAGE, self.now())
        );
        self.ask("POST", target, &more, &body).await
    }

    /// What the person's commands ask.
    pub(crate) async fn native(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let connection = Connection {
            peer: Peer::SameUser,
            reserve: false,
            lane: 0,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/native/pairings{path}"))
            .header("host", "doorward");
        let mut bytes = Bytes::new();
        if !body.is_null() {
            bytes = serde_json::to_vec(body).unwrap().into();
            request = request
                .header("content-type", "application/json")
                .header("content-length", bytes.len());
        }
        let request = request.body(http_body_util::Full::new(bytes)).unwrap();
        let sealed = self
            .serving
            .answer(Listener::Native, connection, request)
            .await;
        let response = sealed.unwrap().into_response();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The page asks; returns its pairing's id and the code that it shows.
    pub(crate) async fn initiate(&self, origin: &str) -> (String, String) {
        let more = format!("Origin: {origin}\r\n");
        let asked = json!({ "nonce_browser": hex(&NONCE) });
        let told = self.json("POST", "/api/pair/initiate", &more, &asked).await;
        assert_eq!(told.status, 200, "{}", told.text());
        let told = told.body_json();
        let ours = unhex(told["nonce_companion"].as_str().unwrap());
        let id = told["pairing_id"].as_str().unwrap().to_owned();
        (id, code_of(&NONCE, &ours).to_string())
    }

    /// The person types what the page shows.
    pub(crate) async fn approve(&self, code: &str) -> (StatusCode, Value) {
        self.hand.advance(Duration::from_secs(2));
        let (_, list) = self.native("GET", "", &Value::Null).await;
        let number = &list["pending"]["number"];
        let path = format!("/{number}/approve");
        self.native("POST", &path, &json!({ "code": code })).await
    }

    pub(crate) async fn confirm(&self, origin: &str, id: &str) -> Reply {
        let more = format!("Origin: {origin}\r\n");
        let asked = json!({ "pairing_id": id });
        self.json("POST", "/api/pair/confirm", &more, &asked).await
    }

    pub(crate) async fn pair(&self) -> Paired {
        self.pair_as(PAGE).await
    }

    pub(crate) async fn pair_as(&self, origin: &str) -> Paired {
        let (id, code) = self.initiate(origin).await;
        let (status, approved) = self.approve(&code).await;
        assert_eq!(status, 200, "{approved}");
        let told = self.confirm(origin, &id).await;
        assert_eq!(told.status, 200, "{}", told.text());
        let secret = told.body_json()["secret"].as_str().unwrap().to_owned();
        // Another may ask.
        self.hand.advance(Duration::from_secs(5));
        Paired(Secret::from_bytes(unhex(&secret)))
    }

    /// Rules that surface `name` refused by, as they were written down.
    pub(crate) fn refused(&self, name: &str) -> Vec<String> {
        // They are told once a second, with their count.
        self.hand.advance(Duration::from_secs(2));
        let all = serde_json::to_value(self.ledger.recent(0, 10_000)).unwrap();
        let all = all.as_array().unwrap().iter();
        let of_surface =
            all.filter(|record| record["surface"] == name && record["kind"] == "refused");
        of_surface
            .filter_map(|record| record["denial"].as_str().map(str::to_owned))
            .collect()
    }
}

impl Paired {
    pub(crate) fn headers(&self, origin: &str, at: u64) -> String {
        let at = at.to_string();
        let mac = stamp(&self.0, &at);
        format!("Origin: {origin}\r\nX-Companion-Secret: {mac}\r\nX-Companion-Timestamp: {at}\r\n")
    }

    pub(crate) fn query(&self, origin: &str, at: u64) -> String {
        let at = at.to_string();
        let mac = stamp(&self.0, &at);
        let origin = origin.replace("//", "%2F%2F");
        format!("hmac={mac}&ts={at}&origin={origin}")
    }
}

impl Reply {
    pub(crate) fn read(all: &[u8]) -> Self {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or(all.len());
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head,
            body: all.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn detail(&self) -> String {
        let body = self.body_json();
        body["detail"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }
}

pub(crate) fn form(field: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--xyz\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"f.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--xyz--\r\n"].concat()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> [u8; 32] {
    let bytes: Vec<_> = (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}
