//! The gate against hyper itself: hyper must never answer by itself what the gate
//! let through, for its answers carry no seal.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use doorward_guard::gate::HeadLimits;
use doorward_testkit::corpus::{Values, hostile};
use doorward_testkit::fuzz_targets::pass;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Gives one head to hyper: how many requests it made of it.
async fn requests(head: &[u8]) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let service = service_fn(move |_: Request<Incoming>| {
        seen.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let serve = hyper::server::conn::http1::Builder::new()
        .max_headers(64)
        .serve_connection(TokioIo::new(server), service);
    let talk = async move {
        client.write_all(head).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
    };
    let (_served, ()) = tokio::join!(serve, talk);
    count.load(Ordering::SeqCst)
}

fn check(stream: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for limits in [HeadLimits::control("c"), HeadLimits::content()] {
        for head in pass(limits, stream, usize::MAX).heads {
            let made = runtime.block_on(requests(&head));
            assert_eq!(made, 1, "{:?}", String::from_utf8_lossy(&head));
        }
    }
}

#[test]
fn hyper_takes_every_head_of_the_corpus_that_passes() {
    let values = Values::new("127.0.0.1:7000");
    for case in hostile() {
        check(&case.bytes(&values));
    }
}

/// Heads with one odd piece where it may matter.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let target = "/[ -~]{0,24}|http://a(:[0-9]{1,6})?/[ -~]{0,12}|/[a-z?&=%.]{0,40}";
    let name = "[!-9;-~]{1,12}|expect|upgrade|connection|te|trailer|keep-alive|content-type";
    let value = "[\t -~]{0,24}|100-continue|websocket|close|upgrade|keep-alive|0|7|chunked";
    let method = prop::sample::select(METHODS_AND_OTHERS.to_vec());
    let version = prop::sample::select(vec!["HTTP/1.1", "HTTP/1.0"]);
    let lines = prop::collection::vec((name, value), 0..4);
    let length = prop_oneof![
        Just(String::new()),
        any::<u64>().prop_map(|length| format!("Content-Length: {length}\r\n")),
        Just("Content-Length: 9223372036854775807\r\n".to_owned()),
    ];
    (method, target, version, lines, length).prop_map(|(method, target, version, lines, length)| {
        let lines: String = lines
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{method} {target} {version}\r\nHost: a\r\n{lines}{length}\r\n").into_bytes()
    })
}

const METHODS_AND_OTHERS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn hyper_takes_whatever_passes(head in heads()) {
        check(&head);
    }
}
