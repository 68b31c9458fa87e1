//! The usual way to pass a store's bytes on, and a plain client.
//!
//! `reference serve PORT STORE` is axum before a `reqwest` client. The store's body becomes a reader
//! and is cut again into pieces of 4 KiB by `ReaderStream::new`, which is what most examples do and
//! what costs most: the table is meant to show that design, not the best that these crates can do.
//! Sockets have no `TCP_NODELAY`, as in those examples.
//!
//! `reference download CA URL CONNECTIONS BYTES` reads a range per connection and throws it away;
//! it prints the seconds of wall clock.
//!
//! `reference answer PORT FILE` answers every GET with the answer in FILE, head and body: axum with
//! nothing in front of it. `Content-Length` and `Date` are hyper's own. Its sockets have `TCP_NODELAY`.
//!
//! `reference forward PORT UPSTREAM` is the usual relay of WebSockets: tungstenite on both sides and
//! `forward` between them, with `TCP_NODELAY`. `reference echo PORT` is what they end at.

mod ws;

use std::time::Instant;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode, header};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures_util::{StreamExt, TryStreamExt};
use tokio_util::io::{ReaderStream, StreamReader};

#[derive(Clone)]
struct Store {
    client: reqwest::Client,
    url: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port, store] => serve(port.parse()?, store).await,
        ["answer", port, file] => answer(port.parse()?, file).await,
        ["download", ca, url, connections, bytes] => {
            download(ca, url, connections.parse()?, bytes.parse()?).await
        }
        ["echo", port] => ws::echo(port.parse()?).await,
        ["forward", port, upstream] => ws::forward(port.parse()?, upstream.parse()?).await,
        _ => bail!("reference serve PORT STORE | answer PORT FILE | download CA URL CONNECTIONS BYTES | echo PORT | forward PORT UPSTREAM"),
    }
}

async fn answer(port: u16, file: &str) -> Result<()> {
    let whole = std::fs::read_to_string(file)?;
    let (head, body) = whole.split_once("\r\n\r\n").context("no end of the head")?;
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':').context("no header")?;
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, value.trim().parse()?);
    }
    for own in [header::CONTENT_LENGTH, header::DATE] {
        headers.remove(own);
    }
    let body = Bytes::from(body.to_owned());
    let answer = move || async move {
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        response
    };
    let app = Router::new().route("/{*path}", get(answer));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let listener = listener.tap_io(|socket| {
        // doorward's have it too.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn serve(port: u16, url: &str) -> Result<()> {
    let store = Store {
        client: reqwest::Client::builder().http1_only().build()?,
        url: url.to_owned(),
    };
    let app = Router::new()
        .route("/{*key}", get(pass))
        .with_state(store);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

async fn pass(
    State(store): State<Store>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, StatusCode> {
    let mut request = store.client.get(format!("{}/{key}", store.url));
    if let Some(range) = headers.get(header::RANGE) {
        request = request.header(header::RANGE, range);
    }
    let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::ETAG,
    ] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    let reader = StreamReader::new(answer.bytes_stream().map_err(std::io::Error::other));
    *response.body_mut() = Body::from_stream(ReaderStream::new(reader));
    Ok(response)
}

async fn download(ca: &str, url: &str, connections: u64, bytes: u64) -> Result<()> {
    let pem = std::fs::read(ca).with_context(|| format!("reading {ca}"))?;
    let client = reqwest::Client::builder()
        .http1_only()
        .add_root_certificate(reqwest::Certificate::from_pem(&pem)?)
        .build()?;
    let share = bytes / connections;
    let start = Instant::now();
    let readers: Vec<_> = (0..connections)
        .map(|number| {
            let first = number * share;
            let range = format!("bytes={first}-{}", first + share - 1);
            let request = client.get(url).header(header::RANGE, range);
            tokio::spawn(async move {
                let mut body = request.send().await?.error_for_status()?.bytes_stream();
                let mut read = 0;
                while let Some(piece) = body.next().await {
                    read += piece?.len() as u64;
                }
                anyhow::ensure!(read == share, "{read} bytes came instead of {share}");
                Ok(())
            })
        })
        .collect();
    for reader in readers {
        reader.await??;
    }
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}
