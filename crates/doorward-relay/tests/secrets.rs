//! R28: nothing that passes the relay, and no address of it, is in any output.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::time::Duration;

use doorward::{Bridge, Serving};
use doorward_guard::audit::{AuditSink, Ledger, Select};
use doorward_guard::{Clock, Origin, Origins};
use doorward_relay::{Minted, RelayOptions, Upstream};
use doorward_testkit::log::Log;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PAGE: &str = "tauri://localhost";
/// Ten times what any of it takes.
const SLACK: Duration = Duration::from_secs(30);

/// An upstream that says `answer` to every request, and then what it is sent.
async fn upstream(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                stream.write_all(answer.as_bytes()).await?;
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    url
}

fn grant(serving: &Serving, upstream: &str) -> Minted {
    let origins = Origins::Exact(vec![Origin::parse(PAGE).unwrap()]);
    let options = RelayOptions {
        local_networks: true,
        plain: true,
        ..RelayOptions::livekit(origins)
    };
    let upstream = Upstream::parse(upstream).unwrap();
    serving.relay().grant(upstream, &options).unwrap()
}

/// Asks for a socket at `url` with everything secret that a client has, sends a
/// frame if there is one, and hangs up.
async fn call(url: &str, path: &str, upgrade: &str) {
    let (host, base) = url.strip_prefix("ws://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!(
        "GET /{base}{path}?access_token=canary-token&join_request=canary-sdp HTTP/1.1\r\nHost: {host}\r\n\
         Origin: {PAGE}\r\nAuthorization: Bearer canary-bearer\r\nCookie: canary-cookie=1\r\n{upgrade}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    timeout(SLACK, stream.read_exact(&mut first))
        .await
        .unwrap()
        .unwrap();
    // A text frame, its mask zeros.
    stream
        .write_all(b"\x81\x8a\0\0\0\0canary-msg")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SLACK, stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn r28_nothing_that_passes_is_in_any_output_at_trace() {
    let log = Log::hear();
    tracing::trace!("the log is heard");
    let clock = Clock::system();
    let ledger = Arc::new(Ledger::new(&clock));
    let audit: Arc<dyn AuditSink> = ledger.clone();
    let bridge = Bridge::builder()
        .without_console()
        .clock(clock)
        .audit(audit);
    let serving = bridge.bind().await.unwrap().serve();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_url = format!("ws://{}/canary-base", gone.local_addr().unwrap());
    drop(gone);
    let mut urls = Vec::new();
    for upstream in [
        upstream(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Canary: canary-header\r\n\r\n\x01\x06canary",
        )
        .await,
        upstream(
            "HTTP/1.1 401 Unauthorized\r\nX-Canary: canary-header\r\nContent-Length: 11\r\n\r\ncanary-body",
        )
        .await,
        upstream("HTTP/1.1 302 Found\r\nLocation: /canary-location\r\nContent-Length: 0\r\n\r\n")
            .await,
        upstream("canary-nonsense\r\n\r\n").await,
        gone_url,
        "wss://127.0.0.1:1/canary-base".to_owned(),
    ] {
        let minted = grant(&serving, &upstream);
        call(&minted.url, "/rtc", upgrade).await;
        call(&minted.url, "/rtc/validate", "Connection: close\r\n").await;
        call(&minted.url, "/canary-path", upgrade).await;
        serving.relay().revoke(&minted.id);
        call(&minted.url, "/rtc", upgrade).await;
        urls.push(minted.url);
    }
    serving.shutdown().await;

    let records = ledger.select(&Select::after(0, usize::MAX));
    assert!(
        records.len() >= urls.len(),
        "the audit is heard: {records:?}"
    );
    let mut said: String = records.iter().map(|record| record.line()).collect();
    said += &log.text();
    for heard in ["the log is heard", "a tunnel ended", "cannot be reached"] {
        assert!(said.contains(heard), "{heard} is missing:\n{said}");
    }
    assert!(!said.contains("canary"), "a canary was told:\n{said}");
    for url in urls {
        let (_, token) = url.split_once("/r/").unwrap();
        assert!(!said.contains(token), "an address was told:\n{said}");
    }
}
