//! Files on their way from the disk's cache to the socket, over real sockets.
#![expect(clippy::unwrap_used, reason = "in a test, what fails must stop it")]

use std::num::NonZeroU64;
use std::time::Duration;

use doorward::media::{Caps, MediaOptions};
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Deadlines that a test waits for have this much slack.
const SLACK: Duration = Duration::from_secs(60);
const LARGE: usize = 64 * 1024 * 1024;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }
}

/// Bytes without pattern, none of them zero.
fn noise(length: usize) -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(dice.roll().to_le_bytes().map(|byte| byte | 1));
    }
    bytes.truncate(length);
    bytes
}

/// A connection to the content listener, as a browser keeps one.
struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

struct Got {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Client {
    async fn of(house: &TestHouse) -> Self {
        let host = house.host(Listener::Content);
        let stream = BufReader::new(TcpStream::connect(&host).await.unwrap());
        Self { stream, host }
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &str) {
        let host = &self.host;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// Status, head and promised length of the next answer.
    async fn head(&mut self) -> (u16, String, usize) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = timeout(SLACK, self.stream.read_line(&mut head)).await;
            assert!(line.unwrap().unwrap() > 0, "closed in a head: {head}");
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        (head[9..12].parse().unwrap(), head, length)
    }

    async fn answer(&mut self, method: &str) -> Got {
        let (status, head, length) = self.head().await;
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        timeout(SLACK, self.stream.read_exact(&mut body))
            .await
            .unwrap()
            .unwrap();
        Got { status, head, body }
    }

    /// Everything that still comes, until the connection ends in any way.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout(SLACK, self.stream.read_to_end(&mut rest)).await;
        let _how_it_ends = read.unwrap();
        rest
    }
}

async fn house(files: &[(&str, &[u8])]) -> TestHouse {
    TestHouse::open(files).await
}

async fn path(house: &TestHouse, name: &str) -> String {
    format!("/m/{}", house.token(name, MediaOptions::default()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_a_large_file_arrives_byte_for_byte() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    let path = path(&house, "film.mp4").await;
    let mut client = Client::of(&house).await;
    for _ in 0..2 {
        client.ask("GET", &path, "").await;
        let got = client.answer("GET").await;
        assert_eq!(got.status, 200);
        assert!(got.body == file, "the bytes differ");
    }
}

/// Everything that a grant of `cap` bytes answers with: head and body.
async fn capped(house: &TestHouse, cap: usize, headers: &str) -> (String, Vec<u8>) {
    let options = MediaOptions {
        caps: Caps {
            bytes: NonZeroU64::new(cap as u64),
            ..Caps::default()
        },
        ..MediaOptions::default()
    };
    let path = format!("/m/{}", house.token("film.mp4", options).await);
    let mut client = Client::of(house).await;
    client.ask("GET", &path, headers).await;
    let (status, head, _promised) = client.head().await;
    assert!(matches!(status, 200 | 206), "{head}");
    (head, client.rest().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn m42_a_cap_within_a_raw_stream_is_kept_to_the_byte() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    for cap in [1, 5_000_123, LARGE - 1] {
        let (_head, body) = capped(&house, cap, "").await;
        assert_eq!(body.len(), cap, "all that the grant gives and no more");
        assert!(file.starts_with(&body), "the bytes differ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m42_a_cap_within_a_body_of_our_own_is_kept_to_the_byte() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    // Several ranges are framed here, so nothing of them is sent raw.
    let ranges = "Range: bytes=0-20000000,30000000-50000000\r\n";
    for cap in [1, 100, 5_000_123] {
        let (head, body) = capped(&house, cap, ranges).await;
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert_eq!(body.len(), cap, "all that the grant gives and no more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_ranges_from_anywhere_are_exact() {
    let file = noise(5 * 1024 * 1024 + 77);
    let house = house(&[("film.mp4", &file)]).await;
    let path = path(&house, "film.mp4").await;
    let mut client = Client::of(&house).await;
    let mut dice = Dice(7);
    for turn in 0..60 {
        let first = dice.below(file.len());
        // Short ones too: their end is read, not sent raw.
        let most = [200_000, 70_000, file.len()][turn % 3];
        let last = (first + dice.below(most)).min(file.len() - 1);
        client
            .ask("GET", &path, &format!("Range: bytes={first}-{last}\r\n"))
            .await;
        let got = client.answer("GET").await;
        assert_eq!(got.status, 206);
        assert!(got.body == file[first..=last], "{first} to {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_answers_of_all_kinds_keep_their_order() {
    let (large, small) = (noise(3_000_001), noise(1_000));
    let house = house(&[("film.mp4", &large), ("small.bin", &small)]).await;
    let film = path(&house, "film.mp4").await;
    let page = path(&house, "small.bin").await;
    let mut client = Client::of(&house).await;
    let asked = [
        ("GET", &*film, ""),
        ("GET", &*page, ""),
        ("HEAD", &*film, ""),
        ("GET", "/healthz", ""),
        ("GET", &*film, "Range: bytes=100000-2900000\r\n"),
        ("GET", &*film, "Range: bytes=9000000-\r\n"),
        ("GET", "/m/nothing", ""),
        ("GET", &*film, ""),
    ];
    for (method, path, headers) in asked {
        client.ask(method, path, headers).await;
    }
    let mut got = Vec::new();
    for (method, ..) in asked {
        got.push(client.answer(method).await);
    }
    let statuses: Vec<u16> = got.iter().map(|got| got.status).collect();
    assert_eq!(statuses[..6], [200, 200, 200, 200, 206, 416]);
    assert!(matches!(statuses[6], 401 | 403 | 404), "{statuses:?}");
    assert!(got[0].body == large && got[7].body == large);
    assert!(got[1].body == small);
    assert!(got[2].head.contains("content-length: 3000001"));
    assert!(got[4].body == large[100_000..=2_900_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m20_a_file_cut_short_on_its_way_ends_the_connection_and_sends_no_zeros() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    let path = path(&house, "film.mp4").await;
    let mut client = Client::of(&house).await;
    client.ask("GET", &path, "").await;
    let (status, _, length) = client.head().await;
    assert_eq!((status, length), (200, LARGE));
    let mut first = vec![0; 100_000];
    client.stream.read_exact(&mut first).await.unwrap();
    std::fs::File::options()
        .write(true)
        .open(house.folder().join("film.mp4"))
        .unwrap()
        .set_len(32 * 1024 * 1024)
        .unwrap();
    let rest = client.rest().await;
    assert!(first.len() + rest.len() < length, "cut, not padded");
    assert!(rest == file[first.len()..first.len() + rest.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m20_a_file_that_gets_longer_on_its_way_ends_the_connection() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    let path = path(&house, "film.mp4").await;
    let mut client = Client::of(&house).await;
    client.ask("GET", &path, "").await;
    let (_, _, length) = client.head().await;
    std::fs::File::options()
        .write(true)
        .open(house.folder().join("film.mp4"))
        .unwrap()
        .set_len(LARGE as u64 + 1)
        .unwrap();
    assert!(client.rest().await.len() < length);
}

#[tokio::test(flavor = "multi_thread")]
async fn t58_revoking_cuts_a_raw_stream_that_nobody_reads() {
    let file = noise(LARGE);
    let house = house(&[("film.mp4", &file)]).await;
    let token = house.token("film.mp4", MediaOptions::default()).await;
    let mut client = Client::of(&house).await;
    client.ask("GET", &format!("/m/{token}"), "").await;
    client.head().await;
    // Until the connection's buffers are full, and it waits for us.
    let counted = || house.serving.media().totals().bytes;
    let mut before = 0;
    while before == 0 || counted() != before {
        before = counted();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(before < LARGE as u64, "a stalled client is not credited");
    assert!(house.serving.media().revoke_url(&token));
    timeout(SLACK, async {
        while house.serving.media().totals().streams > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let rest = client.rest().await;
    assert!(rest.len() as u64 <= before);
    assert!(rest == file[..rest.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_head_of_a_large_file_sends_nothing_and_keeps_the_connection() {
    let file = noise(1_000_000);
    let house = house(&[("film.mp4", &file)]).await;
    let path = path(&house, "film.mp4").await;
    let mut client = Client::of(&house).await;
    client.ask("HEAD", &path, "").await;
    assert!(
        client
            .answer("HEAD")
            .await
            .head
            .contains("content-length: 1000000")
    );
    client.ask("GET", &path, "").await;
    assert!(client.answer("GET").await.body == file);
}
