//! Deadlines and refusals of one connection, on tokio's paused clock.

use std::sync::Arc;

use doorward_guard::audit::Ledger;
use doorward_guard::policy::SealRule;
use doorward_guard::{
    Answer, Call, Clock, Connection, HostSet, Open, Peer, Permit, Policy, SealConfig, Surface,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";

const PATIENCE: Patience = Patience {
    head: defaults::HEAD_WITHIN,
    idle: defaults::IDLE_KEEP_ALIVE,
    api_drain: defaults::API_DRAIN,
    media_drain: defaults::MEDIA_DRAIN,
};

fn guard() -> Arc<Guard> {
    let clock = Clock::system();
    let audit = Arc::new(Ledger::new(&clock));
    let hosts = HostSet::loopback(7000, false);
    let seal = SealConfig::default();
    let mut guard = Guard::new("control", hosts, SealRule::Control, seal, &clock, audit);
    let health = Surface::new("health", "/healthz", Policy::health(), (), ())
        .get("/", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            Answer::text("ok")
        })
        .get("/endless", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            endless()
        })
        .get("/cut", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            endless().until(tokio::time::sleep(Duration::from_secs(2)))
        });
    guard.mount(health).unwrap();
    Arc::new(guard)
}

fn endless() -> Answer {
    let chunk = || Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![0; 65_536])));
    let chunks = http_body_util::StreamBody::new(futures_util::stream::repeat_with(chunk));
    Answer::stream(http::StatusCode::OK, chunks)
}

/// A connection as the listener serves it, and the client's end of it.
fn connect(reserve: bool) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (guard, shared) = (guard(), Arc::new(Shared::default()));
    let limits = HeadLimits::control("doorward_7000");
    let wire = Wire::new(
        server,
        limits,
        Arc::clone(&guard),
        Arc::clone(&shared),
        PATIENCE,
        reserve,
    );
    let connection = Connection {
        peer: Peer::SameUser,
        reserve: false,
    };
    let service = service_fn(move |request| {
        crate::dispatch::serve::<tokio::io::DuplexStream>(
            Arc::clone(&guard),
            connection,
            Arc::clone(&shared),
            request,
        )
    });
    let http = http1::Builder::new()
        .half_close(true)
        .serve_connection(wire, service);
    (
        client,
        tokio::spawn(async move {
            let _ = http.await;
        }),
    )
}

async fn until_closed(client: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    let _ = client.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// How long the connection stayed open, in whole seconds.
async fn closes_after(client: &mut DuplexStream) -> (u64, String) {
    let start = Instant::now();
    let text = until_closed(client).await;
    (start.elapsed().as_secs(), text)
}

#[tokio::test(start_paused = true)]
async fn t31_silence_is_closed_after_five_seconds() {
    let (mut client, _server) = connect(false);
    assert_eq!(closes_after(&mut client).await, (5, String::new()));
}

#[tokio::test(start_paused = true)]
async fn t32_the_reserve_waits_one_second() {
    let (mut client, _server) = connect(true);
    assert_eq!(closes_after(&mut client).await, (1, String::new()));
}

#[tokio::test(start_paused = true)]
async fn t31_a_trickled_head_is_answered_408() {
    let (client, _server) = connect(false);
    let (mut read, mut write) = tokio::io::split(client);
    let trickle = tokio::spawn(async move {
        for byte in GET {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    let mut text = Vec::new();
    let _ = read.read_to_end(&mut text).await;
    let text = String::from_utf8_lossy(&text);
    assert!(
        start.elapsed() < Duration::from_secs(7),
        "{:?}",
        start.elapsed()
    );
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(text.contains("x-frame-options: DENY"), "sealed: {text}");
    assert!(text.contains("\"denial\":\"requestTimeout\""), "{text}");
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn t31_an_idle_connection_is_kept_thirty_seconds() {
    let (mut client, _server) = connect(false);
    client.write_all(GET).await.unwrap();
    let (seconds, text) = closes_after(&mut client).await;
    assert_eq!(seconds, 30);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_second_request_has_five_seconds_of_its_own() {
    let (mut client, _server) = connect(false);
    client.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.write_all(&GET[..10]).await.unwrap();
    let (seconds, text) = closes_after(&mut client).await;
    assert!((5..=6).contains(&seconds), "{seconds}");
    assert!(text.contains("HTTP/1.1 408"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn t27_what_follows_a_refused_head_is_never_answered() {
    let (mut client, _server) = connect(false);
    let bad = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7000\nX: y\r\n\r\n";
    client.write_all(&[GET, bad, GET].concat()).await.unwrap();
    let text = until_closed(&mut client).await;
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "{text}");
    assert!(text.find("200") < text.find("400"), "in order: {text}");
    assert!(text.contains("connection: close"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn t33_an_api_answer_that_is_not_taken_is_cut() {
    let (mut client, server) = connect(false);
    let endless = b"GET /healthz/endless HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";
    client.write_all(endless).await.unwrap();
    let start = Instant::now();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), defaults::API_DRAIN.as_secs());
}

#[tokio::test(start_paused = true)]
async fn t33_trickled_reading_does_not_keep_an_api_answer() {
    let (mut client, server) = connect(false);
    let endless = b"GET /healthz/endless HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";
    client.write_all(endless).await.unwrap();
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let mut scrap = [0; 100];
        while client.read(&mut scrap).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    server.await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    reader.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_finished_sending_still_gets_its_answer() {
    let (mut client, _server) = connect(false);
    client.write_all(GET).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(until_closed(&mut client).await.ends_with("ok"));
}

#[tokio::test(start_paused = true)]
async fn t58_what_has_ended_is_cut_though_nobody_reads() {
    let (mut client, server) = connect(false);
    let cut = b"GET /healthz/cut HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";
    client.write_all(cut).await.unwrap();
    let start = Instant::now();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
}
