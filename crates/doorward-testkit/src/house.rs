//! A whole house on free ports: bridge, console, a folder of files, a signed-in
//! tab, and a raw client that sees every byte.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::guard::audit::Ledger;
use doorward::guard::{Clock, FakeClock, Origin, Origins};
use doorward::media::{Location, MediaOptions};
use doorward::relay::{RelayOptions, Upstream};
use doorward::{Bridge, BridgeBuilder, CompanionSettings, Serving};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::corpus::{BOUND_ORIGIN, Listener, Values};

/// Deadlines that a test waits for have this much slack.
const SLACK: Duration = Duration::from_secs(60);

/// A running house, and what a tab of it knows.
#[derive(Debug)]
pub struct TestHouse {
    /// The bridge.
    pub serving: Serving,
    /// Moves the clock of sessions and grants.
    pub hand: FakeClock,
    /// What was written down.
    pub ledger: Arc<Ledger>,
    /// The session cookie's value.
    pub cookie: String,
    /// The tab's proof.
    pub proof: String,
    /// The tab's CSRF token.
    pub csrf: String,
    folder: TempDir,
    runtime: TempDir,
}

/// One answer as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl TestHouse {
    /// Opens a house whose source `files` holds `files`, and signs a tab in.
    ///
    /// # Panics
    ///
    /// When any of that fails.
    pub async fn open(files: &[(&str, &[u8])]) -> Self {
        Self::open_with(files, |builder| builder).await
    }

    /// The same, with a bridge of your own making.
    ///
    /// # Panics
    ///
    /// When any of that fails.
    pub async fn open_with(
        files: &[(&str, &[u8])],
        make: impl FnOnce(BridgeBuilder) -> BridgeBuilder,
    ) -> Self {
        Self::try_open(files, make)
            .await
            .unwrap_or_else(|error| panic!("opening the house: {error}"))
    }

    async fn try_open(
        files: &[(&str, &[u8])],
        make: impl FnOnce(BridgeBuilder) -> BridgeBuilder,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (folder, runtime) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new("/")))?;
            std::fs::write(path, bytes)?;
        }
        let (clock, hand) = Clock::fake();
        let ledger = Arc::new(Ledger::new(&clock));
        let companion = CompanionSettings {
            ports: vec![0],
            ..CompanionSettings::default()
        };
        let builder = Bridge::builder()
            .clock(clock)
            .companion(companion)
            .audit(Arc::clone(&ledger) as _)
            .native_socket(runtime.path().join("socket"));
        let serving = make(builder).bind().await?.serve();
        let location = Location::Folder(folder.path().to_owned());
        serving
            .media()
            .add_source("files", "Files", location)
            .await?;
        let mut house = Self {
            serving,
            hand,
            ledger,
            cookie: String::new(),
            proof: String::new(),
            csrf: String::new(),
            folder,
            runtime,
        };
        house.sign_in().await?;
        Ok(house)
    }

    async fn sign_in(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let ticket = self.ticket();
        let reply = self
            .post(
                "/api/session/claim",
                &format!("{{\"ticket\":\"{ticket}\"}}"),
            )
            .await;
        if reply.status != 200 {
            return Err(format!("claim: {} {}", reply.status, reply.text()).into());
        }
        let cookie = reply.header("set-cookie").unwrap_or_default();
        let value = cookie.split_once('=').map_or("", |(_, rest)| rest);
        self.cookie = value.split(';').next().unwrap_or_default().to_owned();
        let json = reply.json();
        let text = |name: &str| {
            json.get(name)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        (self.proof, self.csrf) = (text("proof"), text("csrf"));
        Ok(())
    }

    /// A fresh launch ticket.
    ///
    /// # Panics
    ///
    /// When too many wait.
    #[must_use]
    pub fn ticket(&self) -> String {
        match self.serving.launch_url(false) {
            Ok(url) => url.rsplit('=').next().unwrap_or_default().to_owned(),
            Err(refusal) => panic!("a ticket: {refusal:?}"),
        }
    }

    /// The folder that is served.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `127.0.0.1:P` of a listener.
    #[must_use]
    pub fn host(&self, listener: Listener) -> String {
        let origin = match listener {
            Listener::Control => self.serving.control_origin(),
            Listener::Content => self.serving.content_origin(),
            Listener::Companion => &self.serving.state().companion.unwrap_or_default(),
            Listener::Native => return "doorward".to_owned(),
        };
        origin.trim_start_matches("http://").to_owned()
    }

    /// The token of a relay for [`BOUND_ORIGIN`], to an upstream that nothing
    /// reaches.
    fn relay_token(&self) -> String {
        let bound = Origin::parse(BOUND_ORIGIN).into_iter().collect();
        let options = RelayOptions::livekit(Origins::Exact(bound));
        let minted = Upstream::parse("wss://nowhere.invalid")
            .and_then(|upstream| self.serving.relay().grant(upstream, &options));
        match minted {
            Ok(minted) => minted.url.rsplit('/').next().unwrap_or_default().to_owned(),
            Err(error) => panic!("a relay: {error}"),
        }
    }

    /// Mints a URL for `name` and returns its token.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    pub async fn token(&self, name: &str, options: MediaOptions) -> String {
        match self
            .serving
            .media()
            .grant(&format!("files:{name}"), options)
            .await
        {
            Ok(minted) => minted.url.rsplit('/').next().unwrap_or_default().to_owned(),
            Err(error) => panic!("a grant for {name}: {error}"),
        }
    }

    /// What the corpus's placeholders stand for on `listener`. Mints grants for
    /// the file `name`.
    pub async fn values(&self, listener: Listener, name: &str) -> Values {
        let mut values = Values::new(&self.host(listener));
        let control = self.host(Listener::Control);
        let port = control.rsplit(':').next().unwrap_or_default();
        values.set("cookie_name", &format!("doorward_{port}"));
        values.set("content_host", &self.host(Listener::Content));
        values.set("session", &self.cookie);
        values.set("proof", &self.proof);
        values.set("csrf", &self.csrf);
        values.set("ticket", &self.ticket());
        let brief = MediaOptions {
            life: Duration::from_secs(1),
            ..MediaOptions::default()
        };
        values.set("expired_token", &self.token(name, brief).await);
        self.hand.advance(Duration::from_secs(2));
        let revoked = self.token(name, MediaOptions::default()).await;
        self.serving.media().revoke_url(&revoked);
        values.set("revoked_token", &revoked);
        values.set("token", &self.token(name, MediaOptions::default()).await);
        let bound = Origin::parse(BOUND_ORIGIN).into_iter().collect();
        let bound = MediaOptions {
            origins: Origins::Exact(bound),
            ..MediaOptions::default()
        };
        values.set("bound_token", &self.token(name, bound).await);
        values.set("relay_token", &self.relay_token());
        values
    }

    /// Sends bytes on a connection of their own, and reads until it closes or
    /// `answers` answers have come.
    ///
    /// # Panics
    ///
    /// When nothing can be sent, or nothing comes for a minute.
    pub async fn send(&self, listener: Listener, bytes: &[u8], answers: usize) -> Vec<Reply> {
        let sent = match listener {
            Listener::Native => {
                let path = self.runtime.path().join("socket");
                match UnixStream::connect(path).await {
                    Ok(stream) => exchange(stream, bytes, answers).await,
                    Err(error) => Err(error),
                }
            }
            _ => match TcpStream::connect(self.host(listener)).await {
                Ok(stream) => exchange(stream, bytes, answers).await,
                Err(error) => Err(error),
            },
        };
        sent.unwrap_or_else(|error| panic!("sending to {listener:?}: {error}"))
    }

    /// A request of the signed-in tab, from the console's own page.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let host = self.host(Listener::Control);
        let port = host.rsplit(':').next().unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             Sec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        );
        if !self.cookie.is_empty() {
            head += &format!(
                "Cookie: doorward_{port}={}\r\nX-Doorward-Proof: {}\r\nX-Csrf-Token: {}\r\n",
                self.cookie, self.proof, self.csrf
            );
        }
        if !body.is_empty() {
            head += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        let bytes = format!("{head}\r\n{body}");
        let replies = self
            .send(Listener::Control, bytes.as_bytes(), usize::MAX)
            .await;
        replies
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// `GET` as [`call`](Self::call).
    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "").await
    }

    /// `POST` as [`call`](Self::call).
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.call("POST", path, body).await
    }
}

impl Reply {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The name of the refusal, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<String> {
        Some(self.json().get("denial")?.as_str()?.to_owned())
    }
}

async fn exchange<S>(mut stream: S, bytes: &[u8], answers: usize) -> io::Result<Vec<Reply>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The other side may refuse before it has read all: its answer still counts.
    let _ = stream.write_all(bytes).await;
    let (mut input, mut replies) = (Vec::new(), Vec::new());
    let bodiless = bytes.starts_with(b"HEAD ");
    loop {
        while let Some((reply, length)) = parse(&input, bodiless && replies.is_empty(), false) {
            input.drain(..length);
            replies.push(reply);
        }
        if replies.len() >= answers {
            return Ok(replies);
        }
        let read = tokio::time::timeout(SLACK, stream.read_buf(&mut input)).await;
        match read.map_err(|_| io::ErrorKind::TimedOut)? {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    if let Some((reply, _)) = parse(&input, false, true) {
        replies.push(reply);
    }
    Ok(replies)
}

/// The first answer in `input` and its length, if it is whole; at the `end`, one
/// that is cut short too. An answer to HEAD is `bodiless`.
fn parse(input: &[u8], bodiless: bool, end: bool) -> Option<(Reply, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(input).ok()? else {
        return None;
    };
    let headers: Vec<_> = response
        .headers
        .iter()
        .map(|h| {
            (
                h.name.to_ascii_lowercase(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        })
        .collect();
    let status = response.code?;
    let rest = input.get(head..)?;
    let of = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, v)| v.as_str())
    };
    let length = match of("content-length").and_then(|length| length.parse::<usize>().ok()) {
        // The gate knows no methods: its answers have a body, and close.
        _ if bodiless && of("connection").is_none() => 0,
        _ if status == 304 || status == 204 => 0,
        Some(length) if rest.len() >= length => length,
        _ if end => rest.len(),
        _ => return None,
    };
    let body = rest.get(..length)?.to_vec();
    Some((
        Reply {
            status,
            headers,
            body,
        },
        head + length,
    ))
}
