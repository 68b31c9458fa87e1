//! Where bodies end, what is kept, what is tried again: scripted servers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use doorward_egress::{AddressPolicy, Client, Dialer, EgressError, Limits, Trust};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

fn client_with(limits: Limits) -> Client {
    let policy = AddressPolicy::public().with_local_networks();
    Client::with_limits(Dialer::new(policy, Trust::platform()), limits)
}

fn client() -> Client {
    client_with(Limits::default())
}

/// Each inner list is one connection's answers in turn; then it is closed.
/// Connections beyond the list are closed at once. Counts connections, and
/// tells of each request head.
async fn server(
    script: Vec<Vec<&'static str>>,
) -> (SocketAddr, Arc<AtomicUsize>, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let (tell, heads) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut script = script.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answers = script.next().unwrap_or_default();
            let tell = tell.clone();
            tokio::spawn(async move {
                for answer in answers {
                    let Some(head) = request(&mut stream).await else {
                        return;
                    };
                    let _ = tell.try_send(head);
                    // "@" reads a request and closes without a word.
                    if answer == "@" || stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, count, heads)
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&seen).into_owned())
}

async fn ask(client: &Client, method: Method, to: SocketAddr) -> Result<Bytes, EgressError> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{to}/a?b"))
        .body(Bytes::new())
        .unwrap();
    let answer = client.send(request).await?;
    Ok(answer.into_body().collect().await?.to_bytes())
}

async fn get(client: &Client, to: SocketAddr) -> Result<Bytes, EgressError> {
    ask(client, Method::GET, to).await
}

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_body_ends_where_its_head_says() {
    for (answer, body) in [
        (HI, "hi"),
        ("HTTP/1.1 200 OK\r\n\r\nuntil close", "until close"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", "hi"),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "hi",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
            "abc0123456789",
        ),
    ] {
        let (address, ..) = server(vec![vec![answer]]).await;
        assert_eq!(get(&client(), address).await.unwrap(), body, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_is_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nX: 1\r\n Content-Length: 2\r\n\r\nhi",
        "HTTP/2 200 OK\r\n\r\nhi",
    ] {
        let (address, ..) = server(vec![vec![answer]]).await;
        let error = get(&client(), address).await;
        assert!(matches!(error, Err(EgressError::Exchange(_))), "{answer}");
    }
}

#[tokio::test]
async fn m19_a_short_or_broken_body_never_ends_cleanly() {
    for body in [
        "Content-Length: 3\r\n\r\nhi",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\nabc",
    ] {
        let answer: &'static str = format!("HTTP/1.1 200 OK\r\n{body}").leak();
        let (address, ..) = server(vec![vec![answer]]).await;
        let error = get(&client(), address).await;
        assert!(matches!(error, Err(EgressError::Exchange(_))), "{body}");
    }
}

#[tokio::test]
async fn what_leaves_doubt_is_not_kept() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (address, connections, _) = server(vec![vec![answer, HI], vec![HI]]).await;
        let client = client();
        get(&client, address).await.unwrap();
        assert_eq!(get(&client, address).await.unwrap(), "hi", "{answer}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{answer}");
    }
}

#[tokio::test]
async fn chunked_and_empty_answers_are_kept() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    let (address, connections, mut heads) = server(vec![vec![chunked, empty, HI]]).await;
    let client = client();
    for body in ["hi", "", "hi"] {
        assert_eq!(get(&client, address).await.unwrap(), body);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let head = heads.recv().await.unwrap();
    assert_eq!(
        head,
        format!("GET /a?b HTTP/1.1\r\nhost: {address}\r\n\r\n")
    );
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    let (address, connections, _) = server(vec![vec![head, HI]]).await;
    let client = client();
    assert_eq!(ask(&client, Method::HEAD, address).await.unwrap(), "");
    assert_eq!(get(&client, address).await.unwrap(), "hi");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dead_kept_connection_is_replaced_once_for_get_alone() {
    let (address, connections, _) = server(vec![vec![HI, "@"], vec![HI]]).await;
    let client = client();
    get(&client, address).await.unwrap();
    assert_eq!(get(&client, address).await.unwrap(), "hi");
    assert_eq!(connections.load(Ordering::SeqCst), 2);

    // Twice is once too often.
    let (address, connections, _) = server(vec![vec![HI, "@"], vec!["@"], vec![HI]]).await;
    get(&client, address).await.unwrap();
    assert!(get(&client, address).await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 2);

    let (address, connections, _) = server(vec![vec![HI, "@"], vec![HI]]).await;
    get(&client, address).await.unwrap();
    assert!(ask(&client, Method::POST, address).await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_sent_again_after_a_byte_of_the_answer() {
    let (address, connections, _) = server(vec![vec![HI, "H"], vec![HI]]).await;
    let client = client();
    get(&client, address).await.unwrap();
    assert!(get(&client, address).await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let long: &'static str = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(70_000)).leak();
    let (address, ..) = server(vec![vec![long, HI]]).await;
    assert!(matches!(
        get(&client(), address).await,
        Err(EgressError::Exchange(_))
    ));
}

#[tokio::test]
async fn idle_connections_expire() {
    let limits = Limits {
        idle: Duration::ZERO,
        ..Limits::default()
    };
    let client = client_with(limits);
    let (address, connections, _) = server(vec![vec![HI, HI], vec![HI]]).await;
    get(&client, address).await.unwrap();
    get(&client, address).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_body_dropped_early_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gone = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi";
        stream.write_all(head).await.unwrap();
        matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_))
    });
    let request = Request::get(format!("http://{address}/"))
        .body(Bytes::new())
        .unwrap();
    drop(client().send(request).await.unwrap());
    assert!(gone.await.unwrap());
}

#[tokio::test]
async fn no_chunk_is_larger_than_the_limit_and_every_byte_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                request(&mut stream).await.unwrap();
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                let body: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
                stream.write_all(&body).await.unwrap();
            });
        }
    });
    let client = client();
    let all = (0..64).map(|_| async {
        let request = Request::get(format!("http://{address}/"))
            .body(Bytes::new())
            .unwrap();
        let mut body = client.send(request).await.unwrap().into_body();
        let mut seen = 0_u32;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= 64 * 1024);
            for byte in data {
                assert_eq!(byte, seen.to_le_bytes()[0]);
                seen += 1;
            }
        }
        assert_eq!(seen, 1_000_000);
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn m23_short_reads_share_their_memory() {
    const READS: usize = 200;
    const EACH: usize = 100;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (more, mut wanted) = tokio::sync::mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        request(&mut stream).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30);
        stream.write_all(head.as_bytes()).await.unwrap();
        while wanted.recv().await.is_some() {
            stream.write_all(&[7; EACH]).await.unwrap();
        }
    });
    let request = Request::get(format!("http://{address}/"))
        .body(Bytes::new())
        .unwrap();
    let mut body = client().send(request).await.unwrap().into_body();
    let mut held: Vec<Bytes> = Vec::new();
    for _ in 0..READS {
        more.send(()).await.unwrap();
        held.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    let apart = |pair: &[Bytes]| pair[0].as_ptr_range().end != pair[1].as_ptr();
    let buffers = 1 + held.windows(2).filter(|pair| apart(pair)).count();
    // 20 kB at 8 KiB and more a buffer.
    assert!(buffers <= 4, "{buffers} buffers for {READS} short reads");
}

#[tokio::test]
async fn a_small_body_goes_on_in_as_few_pieces_as_it_came() {
    // The first with its head, in one read; what does not fit behind a head in one more.
    for (length, pieces) in [(16 * 1024, 1), (60_000, 2)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, all) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let answer = [head.as_bytes(), &vec![7; length]].concat();
            stream.write_all(&answer).await.unwrap();
            sent.send(stream).unwrap();
        });
        let request = Request::get(format!("http://{address}/"));
        let request = request.body(Bytes::new()).unwrap();
        let answer = client().send(request).await.unwrap();
        let _open = all.await.unwrap();
        let mut body = answer.into_body();
        let (mut got, mut frames) = (0, 0);
        while let Some(frame) = body.frame().await {
            got += frame.unwrap().into_data().unwrap().len();
            frames += 1;
        }
        assert_eq!((got, frames), (length, pieces));
    }
}

#[tokio::test]
async fn an_early_answer_is_heard_and_its_connection_is_not_kept() {
    const LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
    let (address, connections, _) = server(vec![vec![LARGE, HI], vec![HI]]).await;
    let client = client();
    let request = Request::post(format!("http://{address}/"))
        .body(Bytes::from(vec![b'x'; 8 * 1024 * 1024]))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "no");
    // What is left of the request must not be read as the next one's head.
    assert_eq!(get(&client, address).await.unwrap(), "hi");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn only_so_many_idle_connections_are_kept_per_target() {
    let limits = Limits {
        idle_per_target: 1,
        ..Limits::default()
    };
    let client = client_with(limits);
    let (address, connections, _) = server(vec![vec![HI; 3]; 3]).await;
    for expected in [2, 3] {
        let (one, two) = tokio::join!(get(&client, address), get(&client, address));
        assert_eq!((one.unwrap(), two.unwrap()), ("hi".into(), "hi".into()));
        assert_eq!(connections.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn only_so_many_idle_connections_are_kept_in_all() {
    let limits = Limits {
        idle_total: 1,
        ..Limits::default()
    };
    let client = client_with(limits);
    let (one, of_one, _) = server(vec![vec![HI; 3]; 3]).await;
    let (two, of_two, _) = server(vec![vec![HI; 3]; 3]).await;
    get(&client, one).await.unwrap();
    get(&client, two).await.unwrap();
    get(&client, two).await.unwrap();
    get(&client, one).await.unwrap();
    assert_eq!(of_one.load(Ordering::SeqCst), 1, "kept");
    assert_eq!(of_two.load(Ordering::SeqCst), 2, "no room");
}

#[tokio::test(start_paused = true)]
async fn m22_a_tls_handshake_without_an_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = Request::get(format!("https://{address}/"))
        .body(Bytes::new())
        .unwrap();
    let error = client().send(request).await.unwrap_err();
    assert!(
        matches!(error, EgressError::DialTimeout { .. }) && error.is_timeout(),
        "{error:?}"
    );
}
