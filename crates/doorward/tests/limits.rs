//! What configuration lowers is lowered, over real sockets.
#![expect(clippy::unwrap_used, reason = "in a test, what fails must stop it")]

use std::path::Path;

use doorward::config::{Config, Places, Written};
use doorward::media::MediaOptions;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FILE: (&str, &[u8]) = ("a.txt", b"0123456789");

fn config(text: &str) -> Config {
    let places = Places::of_user().unwrap();
    Written::parse(text, Path::new("doorward.toml"))
        .unwrap()
        .build(&places)
        .unwrap()
}

async fn house(text: &str) -> TestHouse {
    let config = config(text);
    TestHouse::open_with(&[FILE], |builder| builder.config(&config)).await
}

#[tokio::test]
async fn t32_the_reserve_is_for_those_who_prove_themselves() {
    let house = house("[content]\nconnections = 64").await;
    let host = house.host(Listener::Content);
    let token = house.token("a.txt", MediaOptions::default()).await;
    let health = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let media = format!("GET /m/{token} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut held = Vec::new();
    // Thirty-two for anybody, each held open by a first request.
    for _ in 0..32 {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(health.as_bytes()).await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    let turned_away = house
        .send(Listener::Content, health.as_bytes(), usize::MAX)
        .await;
    assert_eq!(
        turned_away[0].denial().as_deref(),
        Some("tooManyConnections")
    );
    assert_eq!(turned_away[0].header("connection"), Some("close"));
    assert!(turned_away[0].header("retry-after").is_some());
    let proven = house.send(Listener::Content, media.as_bytes(), 1).await;
    assert_eq!(proven[0].status, 200, "{}", proven[0].text());
    // Then the reserve, to the last place.
    for _ in 0..32 {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(media.as_bytes()).await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    let full = house.send(Listener::Content, b"", usize::MAX).await;
    assert_eq!(
        full[0].denial().as_deref(),
        Some("tooManyConnections"),
        "before a byte is read"
    );
    drop(held);
}

#[tokio::test]
async fn both_families_are_served_when_asked() {
    let house = house("[control]\nbind = [\"127.0.0.1\", \"::1\"]").await;
    let port: u16 = house
        .host(Listener::Control)
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut stream = TcpStream::connect(("::1", port)).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("ok"), "{text}");
}

#[tokio::test]
async fn smaller_bodies_and_heads_are_enforced() {
    let house = house("[control]\napi_body = 1024\nheader_line = 256").await;
    let big = format!("{{\"sources\":[\"{}\"]}}", "x".repeat(2_000));
    let refused = house.post("/api/grants", &big).await;
    assert_eq!(refused.denial().as_deref(), Some("bodyTooLarge"));
    let host = house.host(Listener::Control);
    let long = "x".repeat(300);
    let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n");
    let replies = house
        .send(Listener::Control, head.as_bytes(), usize::MAX)
        .await;
    assert_eq!(replies[0].denial().as_deref(), Some("headersTooLarge"));
}
