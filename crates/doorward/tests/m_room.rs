//! Six paused players and a seventh preview, on real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::Duration;

use doorward::media::MediaOptions;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than the socket and every buffer behind it hold.
const FILM: usize = 64 * 1024 * 1024;
/// As many connections as a browser opens to one host.
const BROWSER: usize = 6;

struct Cinema {
    house: TestHouse,
    /// Clients that read nothing.
    paused: Vec<TcpStream>,
    /// What they play.
    films: Vec<String>,
}

impl Cinema {
    async fn open(disposition: &str) -> Self {
        let film = vec![7; FILM];
        let house = TestHouse::open(&[("film.mp4", &film), ("next.txt", b"next")]).await;
        let mut cinema = Self {
            house,
            paused: Vec::new(),
            films: Vec::new(),
        };
        for _ in 0..BROWSER {
            let (url, _) = cinema.mint("film.mp4", disposition).await;
            let stream = cinema.ask(&url).await;
            cinema.paused.push(stream);
            cinema.films.push(url);
        }
        cinema.settle().await;
        assert_eq!(cinema.streams(), 6);
        cinema
    }

    /// A path on the content listener and the grant's id.
    async fn mint(&self, name: &str, disposition: &str) -> (String, String) {
        let body = format!(r#"{{"sources":["files:{name}"],"disposition":"{disposition}"}}"#);
        let reply = self.house.post("/api/grants", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let json = reply.json();
        let grant = &json["grants"][0];
        let origin = self.house.serving.content_origin();
        let url = text(&grant["url"]);
        (url.replace(origin, ""), text(&grant["id"]))
    }

    async fn ask(&self, path: &str) -> TcpStream {
        self.ask_for(path, "bytes=0-").await
    }

    async fn ask_for(&self, path: &str, range: &str) -> TcpStream {
        let host = self.house.host(Listener::Content);
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: {range}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    fn streams(&self) -> u64 {
        self.house.serving.media().totals().streams
    }

    fn evicted(&self) -> u64 {
        self.house.serving.media().totals().evicted
    }

    /// Until every buffer is full: nothing moved for ten looks in a row.
    async fn settle(&self) {
        let (mut before, mut same) = (0, 0);
        let settled = async {
            while same < 10 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let totals = self.house.serving.media().totals();
                let still = totals.bytes == before && totals.streams == 6;
                same = if still { same + 1 } else { 0 };
                before = totals.bytes;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled)
            .await
            .expect("the buffers fill");
    }

    async fn until_streams(&self, count: u64) {
        let gone = async {
            while self.streams() != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .expect("a stream gives way soon");
    }

    /// How many paused clients find their answer cut, by reading all of it.
    async fn cut(self) -> usize {
        let mut cut = 0;
        for mut stream in self.paused {
            let mut rest = Vec::new();
            let end = stream.read_to_end(&mut rest).await;
            if end.is_err() || rest.len() < FILM {
                cut += 1;
            }
        }
        cut
    }
}

#[tokio::test]
async fn m25_six_paused_players_do_not_block_the_next_preview() {
    let cinema = Cinema::open("inline").await;
    let (_, next) = cinema.mint("next.txt", "inline").await;
    assert_eq!(cinema.evicted(), 0, "they have only just stopped");
    cinema.house.hand.advance(Duration::from_secs(2));
    let asked = cinema
        .house
        .post(&format!("/api/grants/{next}/room"), "")
        .await;
    assert_eq!(
        (asked.status, asked.text().as_str()),
        (200, r#"{"made":true}"#)
    );
    cinema.until_streams(5).await;
    // The connection that is free now: while five others stand still, each
    // request makes room for the one after it.
    let (path, _) = cinema.mint("next.txt", "inline").await;
    cinema.until_streams(4).await;
    let mut answer = String::new();
    cinema
        .ask(&path)
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    assert!(answer.ends_with("\r\n\r\nnext"), "{answer}");
    assert_eq!((cinema.streams(), cinema.evicted()), (4, 2));
    // A player that was cut asks for the rest of its film.
    for film in &cinema.films {
        let mut answer = Vec::new();
        let mut stream = cinema.ask_for(film, "bytes=-3").await;
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 206 ") && answer.ends_with(&[7, 7, 7]));
    }
    assert_eq!(cinema.cut().await, 2, "the others play on");
}

#[tokio::test]
async fn m25_a_request_or_a_renewal_makes_room_too() {
    let cinema = Cinema::open("inline").await;
    let (path, id) = cinema.mint("next.txt", "inline").await;
    cinema.house.hand.advance(Duration::from_secs(2));
    let renewed = cinema
        .house
        .post(&format!("/api/grants/{id}/renew"), "")
        .await;
    assert_eq!(renewed.status, 200);
    cinema.until_streams(5).await;
    let mut answer = String::new();
    cinema
        .ask(&path)
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    assert!(answer.ends_with("\r\n\r\nnext"), "{answer}");
    cinema.until_streams(4).await;
    // Fewer than five: the rest is let be, until a minute has passed.
    let ask = || cinema.house.post("/api/grants/x/room", "");
    assert_eq!(ask().await.denial().as_deref(), Some("notFound"));
    let room = format!("/api/grants/{id}/room");
    assert_eq!(
        cinema.house.post(&room, "").await.text(),
        r#"{"made":false}"#
    );
    cinema.house.hand.advance(Duration::from_secs(60));
    assert_eq!(
        cinema.house.post(&room, "").await.text(),
        r#"{"made":true}"#
    );
    cinema.until_streams(3).await;
    assert_eq!(cinema.evicted(), 3);
}

#[tokio::test]
async fn m25_downloads_are_never_cut_for_a_preview() {
    let cinema = Cinema::open("download").await;
    let (_, next) = cinema.mint("next.txt", "inline").await;
    cinema.house.hand.advance(Duration::from_secs(120));
    let asked = cinema
        .house
        .post(&format!("/api/grants/{next}/room"), "")
        .await;
    assert_eq!(asked.text(), r#"{"made":false}"#);
    assert_eq!((cinema.streams(), cinema.evicted()), (6, 0));
}

#[tokio::test]
async fn m14_parts_are_whole_on_the_wire() {
    let film: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let house = TestHouse::open(&[("film.mp4", &film)]).await;
    let token = house.token("film.mp4", MediaOptions::default()).await;
    let host = house.host(Listener::Content);
    let get = |range: &str| {
        format!("GET /m/{token} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={range}\r\n\r\n")
    };
    // On one connection: an answer that is a byte too short or too long spoils
    // the next one.
    let asked = get("500000-899999,0-9,-1") + &get("1-2,300-301") + &get("5-6");
    let replies = house.send(Listener::Content, asked.as_bytes(), 3).await;
    assert_eq!(replies.len(), 3);
    assert!(replies.iter().all(|reply| reply.status == 206));
    let parts = replies[0].body.windows(400_000);
    assert!(
        parts
            .into_iter()
            .any(|part| part == &film[500_000..900_000])
    );
    let kind = replies[1].header("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, bytes: &[u8]| {
        let head = format!(
            "--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {range}/1000000\r\n\r\n"
        );
        [head.as_bytes(), bytes, b"\r\n"].concat()
    };
    let expected = [
        part("1-2", &film[1..3]),
        part("300-301", &film[300..302]),
        format!("--{boundary}--\r\n").into_bytes(),
    ];
    assert_eq!(replies[1].body, expected.concat());
    assert_eq!(replies[2].body, film[5..7]);
}
