//! Real stores, each started on loopback by the test that uses it and ended with it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

pub(crate) mod radosgw;

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use doorward_guard::Clock;
use doorward_media::{Addressing, Credentials, StoreConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "SKTESTSKTEST";

const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A program that ends with this value, and with this process however that ends.
pub(crate) struct Running(Child);

impl Running {
    /// Starts `program` in a process group of its own.
    pub(crate) fn start(program: &Path, words: &[&str], inside: &Path) -> Self {
        // The kernel ends it if this thread ends first, killed or not.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(words)
            .current_dir(inside)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// Says that a store is not installed; where `CI` is set, that is a failure.
pub(crate) fn skipped(store: &str, how: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|value| value.is_empty()),
        "CI is set, and {store} is not installed: {how}"
    );
    println!("skipped: {store} is not installed: {how}");
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An answer as it came.
pub(crate) struct Raw {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn status(&self) -> u16 {
        let mut words = self.head.split(' ');
        words.nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A store at a port of this machine, spoken to past doorward.
pub(crate) struct Direct {
    pub(crate) port: u16,
}

impl Direct {
    pub(crate) async fn is_up(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }

    pub(crate) fn config(&self, bucket: &str) -> StoreConfig {
        self.config_with(bucket, Credentials::keys(ACCESS_KEY, SECRET_KEY, None))
    }

    pub(crate) fn config_with(&self, bucket: &str, credentials: Credentials) -> StoreConfig {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let mut config = StoreConfig::new(bucket, Some(&endpoint), credentials);
        config.addressing = Addressing::Path;
        config
    }

    /// Makes a bucket.
    pub(crate) async fn bucket(&self, name: &str) {
        let made = self.ask("PUT", &format!("/{name}"), &[], b"").await;
        assert_eq!(made.status(), 200, "{}", made.head);
    }

    /// Makes or replaces an object.
    pub(crate) async fn put(&self, bucket: &str, key: &str, body: &[u8]) {
        let path = format!("/{bucket}/{key}");
        let headers = [("content-type", "video/mp4")];
        let made = self.ask("PUT", &path, &headers, body).await;
        assert_eq!(made.status(), 200, "{key}: {}", made.head);
    }

    /// One signed request; `path` is not encoded yet.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Raw {
        let path = utf8_percent_encode(path, PATH).to_string();
        let host = format!("127.0.0.1:{}", self.port);
        let now = DateTime::<Utc>::from(Clock::system().wall());
        let (time, day) = (now.format("%Y%m%dT%H%M%SZ"), now.format("%Y%m%d"));
        let payload = hex(digest(&SHA256, body).as_ref());
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{payload}"
        );
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let signature = hex(&mac(&key, &text));
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {}\r\nx-amz-date: {time}\r\nx-amz-content-sha256: {payload}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = [head.as_bytes(), b"\r\n", body].concat();
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        Raw { head, body }
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for `ready`, a minute at most.
pub(crate) async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if ready().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not start")
}
