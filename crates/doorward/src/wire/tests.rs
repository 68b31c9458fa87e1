//! Deadlines and refusals of one connection, on tokio's paused clock.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use doorward_guard::audit::Ledger;
use doorward_guard::policy::SealRule;
use doorward_guard::{
    Answer, Call, Clock, Connection, Guard, HostSet, Open, Peer, Permit, Policy, SealConfig,
    Surface,
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

/// Chunks that `/counted` gave.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// More than the connection holds.
const LARGE: usize = 1 << 20;

fn guard() -> Arc<Guard> {
    let clock = Clock::system();
    let audit = Arc::new(Ledger::new(&clock));
    let hosts = HostSet::loopback(7000, false);
    let seal = SealConfig::default();
    let mut guard = Guard::new("control", hosts, SealRule::Control, &seal, &clock, audit);
    let health = Surface::new("health", "/healthz", Policy::health(), (), ())
        .get("/", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            Answer::text("ok")
        })
        .get("/large", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            Answer::whole(http::StatusCode::OK, "text/plain", vec![b'.'; LARGE].into())
        })
        .get("/slow", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Answer::text("ok")
        })
        .get("/endless", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            endless()
        })
        .get("/counted", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            let chunk = || {
                GIVEN.fetch_add(1, Ordering::AcqRel);
                Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![0; 65_536])))
            };
            let chunks = http_body_util::StreamBody::new(futures_util::stream::repeat_with(chunk));
            Answer::stream(http::StatusCode::OK, chunks)
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
    connect_as(reserve, true)
}

fn connect_as(reserve: bool, half_close: bool) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let shared = Arc::new(Shared::new(guard(), accepted(reserve)));
    let limits = HeadLimits::control("doorward_7000");
    let wire = Wire::new(server, limits, Arc::clone(&shared), PATIENCE);
    let service = service_fn(move |request| {
        crate::dispatch::serve::<tokio::io::DuplexStream>(Arc::clone(&shared), request)
    });
    let http = http1::Builder::new()
        .half_close(half_close)
        .serve_connection(wire, service);
    (
        client,
        tokio::spawn(async move {
            let _ = http.await;
        }),
    )
}

fn accepted(reserve: bool) -> Connection {
    Connection {
        peer: Peer::SameUser,
        reserve,
        lane: 0,
    }
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
async fn t31_an_idle_connection_is_kept_thirty_seconds_after_each_request() {
    let (mut client, _server) = connect(false);
    for _ in 0..3 {
        client.write_all(GET).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    client.write_all(GET).await.unwrap();
    let (seconds, text) = closes_after(&mut client).await;
    assert_eq!(seconds, 30);
    assert_eq!(text.matches("HTTP/1.1 200").count(), 4, "{text}");
}

#[tokio::test(start_paused = true)]
async fn t31_a_head_that_begins_behind_another_has_five_seconds() {
    let (mut client, _server) = connect(false);
    client.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_secs(29)).await;
    client.write_all(&[GET, &GET[..10]].concat()).await.unwrap();
    let (seconds, text) = closes_after(&mut client).await;
    assert!((5..=6).contains(&seconds), "{seconds}");
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert!(text.contains("HTTP/1.1 408"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn t27_what_follows_a_refused_head_is_never_answered() {
    let bad = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7000\nX: y\r\n\r\n";
    for half_close in [true, false] {
        let (mut client, _server) = connect_as(false, half_close);
        client.write_all(&[GET, bad, GET].concat()).await.unwrap();
        let text = until_closed(&mut client).await;
        assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
        assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "{text}");
        assert!(text.find("200") < text.find("400"), "in order: {text}");
        assert!(text.contains("connection: close"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_a_refused_head_is_written_whole_to_who_reads_late() {
    for half_close in [true, false] {
        let (mut client, _server) = connect_as(false, half_close);
        let large = b"GET /healthz/large HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n\0";
        client.write_all(large).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let text = until_closed(&mut client).await;
        assert_eq!(text.matches('.').count() / LARGE, 1, "{}", text.len());
        assert_eq!(text.matches("HTTP/1.1 400").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_behind_a_refused_head_is_noticed_while_it_is_answered() {
    let (mut client, server) = connect_as(false, false);
    let slow = b"GET /healthz/slow HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n\0";
    client.write_all(slow).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    drop(client);
    server.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn t31_an_idle_time_begins_with_the_end_of_an_answer() {
    for half_close in [true, false] {
        let (mut client, _server) = connect_as(false, half_close);
        let slow = b"GET /healthz/slow HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";
        client.write_all(slow).await.unwrap();
        let (seconds, text) = closes_after(&mut client).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert_eq!(seconds, 50);
    }
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

#[tokio::test(start_paused = true)]
async fn a_stalled_client_costs_one_chunk_of_a_body_that_is_read() {
    let (mut client, _server) = connect(false);
    let counted = b"GET /healthz/counted HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";
    client.write_all(counted).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One in the pipe, one ahead of it.
    let given = GIVEN.load(Ordering::Acquire);
    assert!((1..=2).contains(&given), "{given}");
    let mut scrap = vec![0; 64 * 1024];
    client.read_exact(&mut scrap).await.unwrap();
    client.read_exact(&mut scrap).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(GIVEN.load(Ordering::Acquire) > given, "then it goes on");
}

mod raw {
    //! Bodies that leave pieces to a real socket.

    use std::fs::File;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use doorward_guard::{Lane, Piece, Raw};
    use http_body::{Body, Frame};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const PIECE: usize = 100_000;

    /// What a body under test does wrong, if anything.
    #[derive(Clone, Copy, Debug)]
    enum Fault {
        None,
        /// It gives placeholders without pieces.
        NoPiece,
        /// It leaves pieces without placeholders.
        NoPlaceholder,
        /// It gives copies of placeholders.
        Copied,
        /// Its pieces lie behind the file's end.
        Short,
    }

    struct Promises {
        raw: Raw,
        file: Arc<File>,
        fault: Fault,
        left: usize,
        stray: Lane,
    }

    impl Body for Promises {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
            let this = self.get_mut();
            if this.left == 0 {
                return Poll::Ready(None);
            }
            let own = this.raw.lane().expect("armed");
            let room = ready!(own.poll_room(cx));
            let length = room.min(PIECE).min(this.left);
            this.left -= length;
            let at = match this.fault {
                Fault::Short => 1 << 40,
                _ => 0,
            };
            let piece = |length| Piece::File {
                file: Arc::clone(&this.file),
                at,
                length,
            };
            let bytes = match this.fault {
                Fault::None | Fault::Short => own.push(piece(length)).unwrap(),
                Fault::NoPiece => {
                    this.stray = Lane::default();
                    this.stray.push(piece(length)).unwrap()
                }
                Fault::NoPlaceholder => {
                    let _ = own.push(piece(length)).unwrap();
                    vec![b'x'; length].into()
                }
                Fault::Copied => own.push(piece(length)).unwrap().to_vec().into(),
            };
            Poll::Ready(Some(Ok(Frame::data(bytes))))
        }
    }

    /// A folder with a file of ones, and the file.
    fn ones() -> (tempfile::TempDir, Arc<File>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ones");
        std::fs::write(&path, vec![1; PIECE]).unwrap();
        (folder, Arc::new(File::open(path).unwrap()))
    }

    /// Serves one connection whose every answer is such a body.
    async fn connect(fault: Fault, length: usize) -> (TcpStream, Arc<Shared>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (mut client, (server, _)) = tokio::try_join!(client, listener.accept()).unwrap();
        let shared = Arc::new(Shared::new(guard(), accepted(false)));
        let limits = HeadLimits::control("doorward_7000");
        let wire = Wire::new(server, limits, Arc::clone(&shared), PATIENCE);
        let told = Arc::clone(&shared);
        let service = service_fn(move |_: http::Request<hyper::body::Incoming>| {
            let (_, file) = ones();
            let raw = Raw::default();
            told.arm(&raw);
            let body = Promises {
                raw,
                file,
                fault,
                left: length,
                stray: Lane::default(),
            };
            async move { Ok::<_, std::convert::Infallible>(http::Response::new(body)) }
        });
        let http = http1::Builder::new()
            .writev(true)
            .serve_connection(wire, service);
        tokio::spawn(async move {
            let _ = http.await;
        });
        let get = [&GET[..GET.len() - 2], b"Connection: close\r\n\r\n"].concat();
        client.write_all(&get).await.unwrap();
        (client, shared)
    }

    /// What comes after the head.
    async fn body(mut client: TcpStream) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all).await;
        let head = all.windows(4).position(|four| four == b"\r\n\r\n");
        head.map_or_else(Vec::new, |end| all.split_off(end + 4))
    }

    #[tokio::test]
    async fn pieces_are_sent_where_their_placeholders_are() {
        let (client, shared) = connect(Fault::None, 3 * PIECE).await;
        let body = body(client).await;
        // The length is not known, so the bytes come in chunks of their own.
        let ones = body.iter().filter(|&&byte| byte == 1).count();
        assert_eq!(ones, 3 * PIECE);
        assert!(!body.contains(&0) && body.ends_with(b"\r\n0\r\n\r\n"));
        assert_eq!(shared.lane.owed(), 0);
    }

    #[tokio::test]
    async fn a_placeholder_without_its_piece_ends_the_connection() {
        for fault in [
            Fault::NoPiece,
            Fault::NoPlaceholder,
            Fault::Copied,
            Fault::Short,
        ] {
            let (client, _) = connect(fault, 3 * PIECE).await;
            let body = body(client).await;
            assert!(!body.contains(&0), "{fault:?}: zeros were sent");
            assert!(body.len() < PIECE, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_stalled_client_is_owed_one_piece_at_most() {
        let (client, shared) = connect(Fault::None, 1 << 30).await;
        let (mut owed, mut same) = (0, 0);
        // Until nothing moves: the buffers of both ends are full.
        while same < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = shared.lane.owed();
            assert!(now <= defaults::RAW_AHEAD);
            same = if now == owed && now > 0 { same + 1 } else { 0 };
            owed = now;
        }
        drop(client);
    }
}
