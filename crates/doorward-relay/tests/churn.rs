//! R18, R30: connections come and go by every way there is, and leave nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::Duration;

use doorward::{Bridge, Serving};
use doorward_guard::{Clock, FakeClock, Origins, defaults};
use doorward_relay::{Minted, RelayOptions, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Ten times what any of it takes.
const SLACK: Duration = Duration::from_secs(30);
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// A masked text frame, and how it comes back.
const FRAME: &[u8] = b"\x81\x82\0\0\0\0hi";

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The page sends all it has and is done.
    PageDone,
    /// The page is gone, with bytes unread.
    PageGone,
    /// The upstream is gone.
    UpstreamGone,
    /// The upstream says no.
    Refused,
    /// The upstream breaks off in its answer.
    Broken,
    /// The page is gone before the upstream has answered.
    PageImpatient,
    /// Nobody is there.
    Nobody,
    /// The grant ends.
    Revoked,
}

const WAYS: [Way; 8] = [
    Way::PageDone,
    Way::PageGone,
    Way::UpstreamGone,
    Way::Refused,
    Way::Broken,
    Way::PageImpatient,
    Way::Nobody,
    Way::Revoked,
];

/// A hundred thousand in `cargo xtask soak`.
fn cycles() -> usize {
    match std::env::var_os("DOORWARD_SOAK") {
        Some(_) => 100_000,
        None => 2_000,
    }
}

/// Does as the path says: `/rtc/PageDone` and so on.
async fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let does = |way: Way| head.contains(&format!("/{way:?} "));
                if does(Way::Refused) {
                    let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
                    return stream.write_all(answer).await;
                }
                if does(Way::Broken) {
                    return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await;
                }
                if does(Way::PageImpatient) {
                    // Until the relay hangs up, or is refused a word.
                    let mut scrap = [0];
                    let _ = stream.read(&mut scrap).await;
                    return Ok(());
                }
                stream.write_all(SWITCH).await?;
                if does(Way::UpstreamGone) {
                    return Ok(());
                }
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.map(drop)
            });
        }
    });
    url
}

fn grant(serving: &Serving, upstream: &str) -> Minted {
    let options = RelayOptions {
        local_networks: true,
        plain: true,
        ..RelayOptions::livekit(Origins::Any)
    };
    let upstream = Upstream::parse(upstream).unwrap();
    serving.relay().grant(upstream, &options).unwrap()
}

struct Room {
    serving: Serving,
    hand: FakeClock,
    upstream: String,
    nobody: String,
}

impl Room {
    async fn cycle(&self, way: Way) {
        let upstream = match way {
            Way::Nobody => &self.nobody,
            _ => &self.upstream,
        };
        let minted = grant(&self.serving, upstream);
        let (host, base) = minted
            .url
            .strip_prefix("ws://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut page = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "GET /{base}/rtc/{way:?} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        page.write_all(head.as_bytes()).await.unwrap();
        if !matches!(way, Way::PageImpatient) {
            let expected = match way {
                Way::Refused => "403",
                Way::Broken | Way::Nobody => "502",
                _ => "101",
            };
            let mut status = [0; 12];
            timeout(SLACK, page.read_exact(&mut status))
                .await
                .unwrap()
                .unwrap();
            let status = String::from_utf8_lossy(&status).into_owned();
            assert!(status.ends_with(expected), "{way:?}: {status}");
        }
        match way {
            Way::PageGone => page.write_all(&FRAME.repeat(100)).await.unwrap(),
            Way::PageDone | Way::Revoked | Way::UpstreamGone => {
                // Where the upstream is gone, nobody takes it.
                let _ = page.write_all(FRAME).await;
                if matches!(way, Way::PageDone) {
                    page.shutdown().await.unwrap();
                }
                if matches!(way, Way::Revoked) {
                    assert!(self.serving.relay().revoke(&minted.id));
                }
                let mut rest = Vec::new();
                let _ = timeout(SLACK, page.read_to_end(&mut rest)).await.unwrap();
            }
            _ => {}
        }
        drop(page);
        self.serving.relay().revoke(&minted.id);
    }

    /// Many, and the time after which ended grants are forgotten.
    async fn cycles(&self, count: usize) {
        for at in 0..count {
            self.cycle(WAYS[at % WAYS.len()]).await;
            if at % 1_000 == 999 {
                self.hand.advance(defaults::GRANT_AFTERLIFE);
                self.serving.relay().sweep();
            }
        }
    }

    /// Every place is free again.
    async fn settled(&self) {
        timeout(SLACK, async {
            while self.serving.relay().totals().connections > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("a connection holds its place");
        assert_eq!(self.serving.relay().totals().grants, 0);
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The files that are open once nothing more closes.
async fn files_left() -> usize {
    let mut least = open_files();
    for _ in 0..50 {
        sleep(Duration::from_millis(20)).await;
        least = least.min(open_files());
    }
    least
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(target_os = "linux"), ignore = "it looks into /proc")]
async fn r30_connections_that_came_and_went_leave_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (clock, hand) = Clock::fake();
    let bridge = Bridge::builder().without_console().clock(clock);
    let room = Room {
        serving: bridge.bind().await.unwrap().serve(),
        hand,
        upstream: upstream().await,
        nobody: format!("ws://{}", nobody.local_addr().unwrap()),
    };
    drop(nobody);
    // What is allocated once, is.
    room.cycles(1_000).await;
    room.settled().await;
    let (files, memory) = (files_left().await, resident_kib());
    room.cycles(cycles()).await;
    room.settled().await;
    let files_now = files_left().await;
    assert!(
        files_now <= files,
        "{files} files were open, {files_now} are"
    );
    // Not a byte each: the allocator keeps some, whatever the count.
    let grown = resident_kib().saturating_sub(memory);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    room.serving.shutdown().await;
}
