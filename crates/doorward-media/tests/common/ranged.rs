//! A store with one object that knows ranges and `If-Match`, and can be told to
//! drop, delay or refuse.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use doorward_media::{Addressing, Credentials, Location, StoreConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Room;

/// What is done with one request for bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Act {
    /// The head is sent after this.
    pub(crate) after: Duration,
    /// The connection is dropped after so many bytes of the body.
    pub(crate) drop_after: Option<u64>,
    /// The range is ignored.
    pub(crate) whole: bool,
    /// This is answered instead.
    pub(crate) instead: Option<String>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// First and last byte.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) if_match: Option<String>,
}

pub(crate) struct Ranged {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Acting = dyn Fn(&Asked, usize) -> Act + Send + Sync;

struct Shared {
    object: Mutex<(Bytes, String)>,
    act: Box<Acting>,
    headers: &'static str,
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Ranged {
    /// Serves `object`; `act` gets each request and how many came before it.
    pub(crate) async fn start(
        object: impl Into<Bytes>,
        act: impl Fn(&Asked, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::with_headers(object, "", act).await
    }

    /// The same; `headers` are added to every answer with bytes.
    pub(crate) async fn with_headers(
        object: impl Into<Bytes>,
        headers: &'static str,
        act: impl Fn(&Asked, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            object: Mutex::new((object.into(), "\"1\"".to_owned())),
            act: Box::new(act),
            headers,
            asked: Mutex::default(),
            sent: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move {
                    let running = serving.running.fetch_add(1, Ordering::SeqCst) + 1;
                    serving.most.fetch_max(running, Ordering::SeqCst);
                    let _ = serving.serve(stream).await;
                    serving.running.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// A room in which the store is the source `s`, and a URL for its object.
    pub(crate) async fn room(&self) -> (Room, String) {
        let room = Room::new();
        self.add(&room).await;
        let url = room.mint("s:film.mp4").await.url;
        (room, url)
    }

    pub(crate) async fn add(&self, room: &Room) {
        let location = Location::Store(Box::new(self.config()));
        room.media.add_source("s", "S", location).await.unwrap();
    }

    pub(crate) fn config(&self) -> StoreConfig {
        let endpoint = format!("http://{}", self.address);
        let mut config = StoreConfig::new("b", Some(&endpoint), Credentials::Anonymous);
        config.addressing = Addressing::Path;
        config
    }

    pub(crate) fn replace(&self, object: impl Into<Bytes>, etag: &str) {
        *self.shared.object.lock().unwrap() = (object.into(), etag.to_owned());
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Bytes of bodies that were written.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Requests that ran at once, at most so far.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (known, value) = line.split_once(": ")?;
                known.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let (object, etag) = self.object.lock().unwrap().clone();
        let size = object.len() as u64;
        let range = field("range").and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            let last = last.parse().unwrap_or(u64::MAX).min(size.checked_sub(1)?);
            match first.parse() {
                Ok(first) => Some((first, last)),
                Err(_) => Some((size.saturating_sub(last), size - 1)),
            }
        });
        let asked = Asked {
            method: head.split(' ').next().unwrap().to_owned(),
            range,
            if_match: field("if-match"),
        };
        let before = {
            let mut all = self.asked.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        let act = (self.act)(&asked, before);
        tokio::time::sleep(act.after).await;
        let common = format!(
            "ETag: {etag}\r\nContent-Type: video/mp4\r\nConnection: close\r\n{}",
            self.headers
        );
        let (first, last) = range
            .filter(|_| !act.whole)
            .unwrap_or((0, size.wrapping_sub(1)));
        let text = match (&act.instead, &asked.if_match) {
            (Some(text), _) => text.clone(),
            (None, Some(wanted)) if *wanted != etag => {
                "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    .to_owned()
            }
            _ if range.is_some() && !act.whole && first >= size => format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            ),
            _ if range.is_some() && !act.whole => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\n\
                 Content-Length: {}\r\n{common}\r\n",
                last + 1 - first
            ),
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{common}\r\n"),
        };
        stream.write_all(text.as_bytes()).await?;
        let bytes = text.starts_with("HTTP/1.1 20") && act.instead.is_none();
        if bytes && asked.method == "GET" && size > 0 {
            let body = object.slice(first as usize..=last as usize);
            let most = act
                .drop_after
                .map_or(body.len(), |n| (n as usize).min(body.len()));
            for chunk in body[..most].chunks(64 * 1024) {
                stream.write_all(chunk).await?;
                self.sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
        }
        stream.shutdown().await
    }
}
