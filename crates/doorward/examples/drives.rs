//! A native page that works in a folder of this computer, and what that costs:
//! `cargo run -p doorward --example drives -- serve FOLDER`, and with what it says,
//! `-- upload HOST KEYS MIB` or `-- list HOST KEYS`.
//!
//! `serve` shares the folder with one paired page and says `HOST KEYS`; it ends with
//! its standard input. The others are that page, in a process of their own, and say how
//! many seconds they took. `cargo xtask bench drives` runs them.
#![allow(
    clippy::disallowed_methods,
    reason = "measuring is what clocks are for"
)]

#[allow(dead_code, reason = "its page asks for something else")]
#[path = "signed.rs"]
mod signed;

use std::path::PathBuf;
use std::time::{Instant, UNIX_EPOCH};

use doorward::CompanionSettings;
use doorward::companion_core::defaults::CHUNK;
use doorward::companion_core::drives::Shared;
use doorward::companion_core::pairing::{FolderName, Right};
use doorward::companion_core::signing::{Params, page::sign};
use doorward::guard::{Clock, Origin, Secret};
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error>;

const PAGE: &str = "https://page.example";

/// The page.
struct Page {
    host: String,
    key: Secret<32>,
    key_id: String,
    instance: String,
    stream: BufReader<TcpStream>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", folder] => serve(folder.into()).await,
        ["upload", host, keys, mib] => Page::of(host, keys).await?.upload(mib.parse()?).await,
        ["list", host, keys] => Page::of(host, keys).await?.list().await,
        _ => Err("drives serve FOLDER | upload HOST KEYS MIB | list HOST KEYS".into()),
    }
}

async fn serve(path: PathBuf) -> Result<(), Failure> {
    let name = FolderName::parse("Files").ok_or("no name")?;
    let rights = vec![Right::Read, Right::Write, Right::Delete];
    let settings = CompanionSettings {
        folders: vec![Shared { name, path, rights }],
        ..CompanionSettings::default()
    };
    let (serving, mut hooks, host) = signed::open(settings).await?;
    let origin = Origin::parse(PAGE).ok_or("no origin")?;
    let scopes = serde_json::from_value(json!([
        { "folder": "Files", "rights": ["read", "write", "delete"] }
    ]))?;
    let (keys, instance) = signed::pair(&host, &mut hooks, &origin, scopes).await?;
    // An example's secret is no secret.
    let key = keys.request.reveal();
    println!("{host} {}.{}.{instance}", key.as_str(), keys.key_id);
    for line in std::io::stdin().lines() {
        line?;
    }
    serving.shutdown().await;
    Ok(())
}

impl Page {
    async fn of(host: &str, keys: &str) -> Result<Self, Failure> {
        let mut parts = keys.split('.').map(str::to_owned);
        let mut next = || parts.next().ok_or("no keys");
        let (key, key_id, instance) = (next()?, next()?, next()?);
        Ok(Self {
            host: host.to_owned(),
            key: Secret::parse(&key).ok_or("no key")?,
            key_id,
            instance,
            stream: BufReader::new(TcpStream::connect(host).await?),
        })
    }

    /// A file of so many MiB, in chunks, one after the other.
    async fn upload(mut self, mib: u64) -> Result<(), Failure> {
        let size = mib * 1024 * 1024;
        let begun = Instant::now();
        let announced = json!({ "path": "upload.bin", "size": size, "onConflict": "replace" });
        let announced = announced.to_string();
        let path = "/drives/Files/uploads";
        let told = self
            .ask("POST", path, "application/json", announced.as_bytes(), None)
            .await?;
        let id = told
            .get("id")
            .and_then(Value::as_str)
            .ok_or("no upload")?
            .to_owned();
        let chunk = vec![0x5a; CHUNK];
        let mut offset = 0;
        while offset < size {
            let length = usize::try_from(size - offset)?.min(CHUNK);
            let bytes = chunk.get(..length).ok_or("no bytes")?;
            let path = format!("/drives/uploads/{id}");
            let told = self
                .ask(
                    "PUT",
                    &path,
                    "application/octet-stream",
                    bytes,
                    Some(offset),
                )
                .await?;
            offset = told
                .get("offset")
                .and_then(Value::as_u64)
                .ok_or("no offset")?;
        }
        let path = format!("/drives/uploads/{id}/finish");
        self.ask("POST", &path, "", b"", None).await?;
        println!("{}", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// The first page of the shared folder, and how long each of the first pages took.
    async fn list(mut self) -> Result<(), Failure> {
        const PAGES: u32 = 10;
        let begun = Instant::now();
        let mut after = String::new();
        for _ in 0..PAGES {
            let path = format!("/drives/Files/list?limit=1000{after}");
            let told = self.ask("GET", &path, "", b"", None).await?;
            let Some(next) = told.get("next").and_then(Value::as_str) else {
                break;
            };
            after = format!("&after={next}");
        }
        println!("{}", begun.elapsed().as_secs_f64() / f64::from(PAGES));
        Ok(())
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        offset: Option<u64>,
    ) -> Result<Value, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("origin", PAGE)
            .header("x-doorward-instance", &self.instance);
        if !body.is_empty() {
            request = request
                .header("content-type", kind)
                .header("content-length", body.len());
        }
        let (mut parts, ()) = request.body(())?.into_parts();
        let now = Clock::system().wall().duration_since(UNIX_EPOCH)?.as_secs();
        let nonce = Secret::<16>::random().reveal().to_string();
        let params = Params {
            created: now,
            expires: now + 60,
            nonce: &nonce,
            key_id: &self.key_id,
        };
        sign(
            &mut parts,
            &self.key,
            &params,
            (!body.is_empty()).then_some((body, offset)),
        )?;
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        self.answer().await
    }

    /// What is answered on the connection, if it is good news.
    async fn answer(&mut self) -> Result<Value, Failure> {
        let (mut line, mut length, mut good) = (String::new(), 0, None);
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).await?;
            good = good.or_else(|| Some(line.starts_with("HTTP/1.1 2")));
            let lower = line.to_ascii_lowercase();
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
            if line.is_empty() {
                return Err("the connection ended".into());
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        match good {
            Some(true) => Ok(serde_json::from_slice(&body)?),
            _ => Err(String::from_utf8_lossy(&body).into()),
        }
    }
}
