//! A store whose every answer is a test's own text.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use doorward_media::{Addressing, Credentials, Location, StoreConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Room;

/// Answers each request with what the script makes of its head, on a connection
/// of its own, and remembers the heads.
pub(crate) struct Scripted {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `script` gets a head, and how many came before it. Lines end with `\n`;
    /// the body, after an empty line, is sent as it is.
    pub(crate) async fn start(script: impl Fn(&str, usize) -> String + Send + 'static) -> Self {
        Self::serve(usize::MAX, move |head, before| {
            let answer = script(head, before);
            let (head, body) = answer.split_once("\n\n").unwrap();
            format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n"))
        })
        .await
    }

    /// Answers with these texts in turn, every line of which ends with `\n`, and is
    /// gone after the last.
    pub(crate) async fn in_turn(answers: &[&str]) -> Self {
        let answers: Vec<_> = answers
            .iter()
            .map(|text| text.replace('\n', "\r\n"))
            .collect();
        Self::serve(answers.len(), move |_, before| answers[before].clone()).await
    }

    /// One that is somewhere else, and answers by itself.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            heads: Arc::default(),
        }
    }

    async fn serve(most: usize, script: impl Fn(&str, usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = Self::at(listener.local_addr().unwrap());
        let seen = Arc::clone(&store.heads);
        tokio::spawn(async move {
            for before in 0..most {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap() == 0 {
                        break;
                    }
                }
                let head = String::from_utf8(head).unwrap();
                let answer = script(&head, before);
                seen.lock().unwrap().push(head);
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        store
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A room in which the store is the source `s`, a bucket called `b`.
    pub(crate) async fn room(&self) -> Room {
        let room = Room::new();
        let endpoint = format!("http://{}", self.address);
        let mut config = StoreConfig::new("b", Some(&endpoint), Credentials::Anonymous);
        config.addressing = Addressing::Path;
        let location = Location::Store(Box::new(config));
        room.media.add_source("s", "S", location).await.unwrap();
        room
    }

    /// That room, and the URL of a film in it.
    pub(crate) async fn playing(&self) -> (Room, String) {
        let room = self.room().await;
        let url = room.mint("s:k.mp4").await.url;
        (room, url)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// `METHOD` and `Range` of every request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads()
            .iter()
            .map(|head| {
                let method = head.split(' ').next().unwrap();
                match field(head, "range") {
                    Some(range) => format!("{method} {range}"),
                    None => method.to_owned(),
                }
            })
            .collect()
    }
}

/// A field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// A sound store with one object of ASCII text, at the version `tag`.
pub(crate) fn object(head: &str, text: &str, tag: &str) -> String {
    let common = format!("ETag: \"{tag}\"\nContent-Type: video/mp4\nAccept-Ranges: bytes");
    if field(head, "if-match").is_some_and(|wanted| wanted != format!("\"{tag}\"")) {
        return "HTTP/1.1 412 Precondition Failed\nContent-Length: 0\n\n".to_owned();
    }
    if head.starts_with("HEAD ") {
        return format!(
            "HTTP/1.1 200 OK\nContent-Length: {}\n{common}\n\n",
            text.len()
        );
    }
    let range = field(head, "range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let first: usize = first.parse().ok()?;
        let last = last.parse().unwrap_or(usize::MAX).min(text.len() - 1);
        Some((first, last))
    });
    match range {
        None => format!(
            "HTTP/1.1 200 OK\nContent-Length: {}\n{common}\n\n{text}",
            text.len()
        ),
        Some((first, last)) => format!(
            "HTTP/1.1 206 Partial Content\nContent-Length: {}\n\
             Content-Range: bytes {first}-{last}/{}\n{common}\n\n{}",
            last + 1 - first,
            text.len(),
            &text[first..=last]
        ),
    }
}
