//! The examples, run.
#![expect(clippy::unwrap_used, reason = "in a test, what fails must stop it")]

#[path = "../examples/embed.rs"]
#[expect(dead_code, reason = "its main waits for Ctrl-C")]
mod embed;
#[path = "../examples/relay.rs"]
#[expect(dead_code, reason = "its main reads standard input")]
mod relay;
#[path = "../examples/signed.rs"]
#[expect(dead_code, reason = "its main serves until standard input ends")]
mod signed;
#[path = "../examples/surface.rs"]
#[expect(dead_code, reason = "its main waits for Ctrl-C")]
mod surface;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

async fn get(url: &str) -> String {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn embed_serves_a_file_and_guards_its_own_surface() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (serving, url) = embed::open(file).await.unwrap();
    assert!(get(&url).await.contains("name = \"doorward\""));
    let guarded = get(&format!("{}/api/greeting", serving.control_origin())).await;
    assert!(guarded.starts_with("HTTP/1.1 401"), "{guarded}");
    serving.shutdown().await;
    let example = include_str!("../examples/embed.rs");
    assert!(
        example.lines().count() < 40,
        "the README promises less than 40 lines"
    );
}

#[tokio::test]
async fn relay_grants_upstreams_and_takes_them_back() {
    let serving = doorward::Bridge::builder().bind().await.unwrap().serve();
    let line = "livekit http://127.0.0.1:9 ws://127.0.0.1:7880";
    let minted: serde_json::Value =
        serde_json::from_str(&relay::obey(&serving, line).unwrap()).unwrap();
    assert!(
        minted["url"]
            .as_str()
            .unwrap()
            .starts_with("ws://127.0.0.1:")
    );
    let revoke = format!("revoke {}", minted["id"].as_str().unwrap());
    assert_eq!(relay::obey(&serving, &revoke).unwrap(), "true");
    assert_eq!(relay::obey(&serving, &revoke).unwrap(), "false");
    for bad in [
        "",
        "livekit",
        "livekit http://127.0.0.1:9",
        "any x ws://a.example",
    ] {
        assert!(relay::obey(&serving, bad).is_err(), "{bad:?}");
    }
    serving.shutdown().await;
}

#[tokio::test]
async fn signed_pairs_a_page_and_its_requests_are_taken_once() {
    let (serving, mut hooks, host) = signed::open(doorward::CompanionSettings::default())
        .await
        .unwrap();
    let origin = doorward::guard::Origin::parse("https://page.example").unwrap();
    let (keys, instance) = signed::pair(&host, &mut hooks, &origin, Default::default())
        .await
        .unwrap();
    assert_eq!(signed::instance(&host, &origin).await.unwrap(), instance);
    let key = (keys.key_id.as_str(), &keys.request);
    let request = signed::signed(&host, &origin, key, &instance).unwrap();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let twice = format!(
        "{request}{}",
        request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    );
    stream.write_all(twice.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(text.contains("\"denial\":\"replayed\""), "{text}");
    serving.shutdown().await;
}

#[tokio::test]
async fn surface_shows_each_caller() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let (serving, note) = surface::open(&socket).await.unwrap();
    let (control, content) = (serving.control_origin(), serving.content_origin());
    assert!(
        get(&format!("{control}/about"))
            .await
            .ends_with("an example")
    );
    assert!(
        get(&format!("{control}/whoami"))
            .await
            .starts_with("HTTP/1.1 401")
    );
    assert!(
        get(&format!("{control}/enter"))
            .await
            .starts_with("HTTP/1.1 405")
    );
    assert!(
        get(&format!("{content}{note}"))
            .await
            .ends_with("remember the milk")
    );
    assert!(
        get(&format!("{content}{note}x"))
            .await
            .starts_with("HTTP/1.1 404")
    );
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let head = b"GET /hello HTTP/1.1\r\nHost: doorward\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("hello, neighbour"), "{text}");
    serving.shutdown().await;
}
