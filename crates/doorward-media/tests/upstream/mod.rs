//! A server whose answers a test decides, request by request.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// One connection for each request.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut head = String::new();
                    while !is_whole(&head) {
                        let mut bytes = [0; 8_192];
                        let read = stream.read(&mut bytes).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        head.push_str(std::str::from_utf8(bytes.get(..read).unwrap()).unwrap());
                    }
                    let text = answer(&head);
                    seen.lock().unwrap().push(head);
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Head and body are there.
fn is_whole(text: &str) -> bool {
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = sent(head, "content-length").map(|length| length.parse().unwrap());
        body.len() >= length.unwrap_or(0)
    })
}

/// The value of a header, as it was sent.
pub(crate) fn sent<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (given, value) = line.split_once(": ")?;
        given.eq_ignore_ascii_case(name).then_some(value)
    })
}

pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    text + "\r\n" + body
}

/// What a sound server gives of `body`: whole, or the range that was asked for.
pub(crate) fn serve(head: &str, body: &str) -> String {
    let range = sent(head, "range").and_then(|range| range.strip_prefix("bytes="));
    let is_head = head.starts_with("HEAD ");
    let tag = "ETag: \"v1\"";
    let (status, told, body) = match range.and_then(|range| range.split_once('-')) {
        None => ("200 OK", String::new(), body),
        Some((first, last)) => {
            let size = body.len();
            let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => (first, last.min(size - 1)),
                (Ok(first), Err(_)) => (first, size - 1),
                (Err(_), Ok(count)) => (size - count, size - 1),
                _ => panic!("{head}"),
            };
            let told = format!("Content-Range: bytes {first}-{last}/{size}\r\n");
            ("206 Partial Content", told, body.get(first..=last).unwrap())
        }
    };
    let shown = if is_head { "" } else { body };
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{told}{tag}\r\n\r\n{shown}",
        body.len()
    )
}
