//! The way out against real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use doorward_egress::{
    AddressKind, AddressPolicy, Client, Dialer, EgressError, Incoming, Limits, Stream, Target,
    Trust,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn local() -> AddressPolicy {
    AddressPolicy::public().with_local_networks()
}

fn client() -> Client {
    Client::new(Dialer::new(local(), Trust::platform()))
}

fn get(uri: impl AsRef<str>) -> Request<Bytes> {
    Request::get(uri.as_ref()).body(Bytes::new()).unwrap()
}

async fn text(answer: Response<Incoming>) -> Result<String, EgressError> {
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A server that answers every connection's requests, in turn, with these
/// bytes; `None` closes the connection. Counts connections.
async fn raw_server(answers: &'static [Option<&'static str>]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve_raw(stream, answers));
        }
    });
    (address, count)
}

async fn serve_raw(mut stream: TcpStream, answers: &'static [Option<&'static str>]) {
    let mut seen = Vec::new();
    for answer in answers {
        while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                return;
            }
        }
        seen.clear();
        let Some(answer) = answer else { return };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    // Hold the connection open without another word.
    while stream.read_buf(&mut seen).await.unwrap_or(0) > 0 {}
}

#[tokio::test]
async fn a_connection_is_kept_and_used_again() {
    let ok = Some("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let answers: &'static [_] = vec![ok; 3].leak();
    let (address, connections) = raw_server(answers).await;
    let client = client();
    for _ in 0..3 {
        let answer = client
            .send(get(format!("http://{address}/")))
            .await
            .unwrap();
        assert_eq!(text(answer).await.unwrap(), "hi");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn t87_a_redirect_is_an_answer_and_not_followed() {
    let (address, connections) = raw_server(&[Some(
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
    )])
    .await;
    let answer = client()
        .send(get(format!("http://{address}/")))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn m37_forbidden_addresses_see_no_packet() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let public = Client::new(Dialer::new(AddressPolicy::public(), Trust::platform()));
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let error = public
            .send(get(format!("http://{host}:{port}/")))
            .await
            .unwrap_err();
        let EgressError::AddressRefused { kind, .. } = error else {
            panic!("{host}: {error}")
        };
        assert_eq!(kind, AddressKind::Loopback);
    }
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "something connected");
    // Local networks may be allowed; the metadata service still is not.
    for host in ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"] {
        let error = client()
            .send(get(format!("http://{host}/")))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                EgressError::AddressRefused {
                    kind: AddressKind::Metadata,
                    ..
                }
            ),
            "{host}: {error}"
        );
    }
}

#[tokio::test]
async fn a_mapped_address_is_dialled_as_what_it_is() {
    let (address, _) = raw_server(&[Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
    let uri = format!("http://[::ffff:127.0.0.1]:{}/", address.port());
    let target = Target::parse(&uri.parse().unwrap()).unwrap();
    let stream = Dialer::new(local(), Trust::platform())
        .dial(&target)
        .await
        .unwrap();
    let Stream::Plain(stream) = stream else {
        panic!("plain")
    };
    assert!(stream.peer_addr().unwrap().is_ipv4());
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn m19_a_connection_cut_inside_of_a_body_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")
            .await
            .unwrap();
    });
    let answer = client()
        .send(get(format!("http://{address}/")))
        .await
        .unwrap();
    assert!(matches!(text(answer).await, Err(EgressError::Exchange(_))));
}

#[tokio::test]
async fn m22_silence_has_a_limit_for_head_and_body() {
    let limits = Limits {
        head_within: Duration::from_millis(80),
        body_silence: Duration::from_millis(80),
        ..Limits::default()
    };
    let client = Client::with_limits(Dialer::new(local(), Trust::platform()), limits);
    let (mute, _) = raw_server(&[]).await;
    let error = client
        .send(get(format!("http://{mute}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::HeadTimeout) && error.is_timeout());

    let (stalled, _) =
        raw_server(&[Some("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")]).await;
    let answer = client
        .send(get(format!("http://{stalled}/")))
        .await
        .unwrap();
    assert!(matches!(text(answer).await, Err(EgressError::BodyTimeout)));
}

#[tokio::test]
async fn m42_more_requests_than_allowed_are_refused_and_slots_come_back() {
    let (address, _) =
        raw_server(&[Some("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")]).await;
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    let client = Client::with_limits(Dialer::new(local(), Trust::platform()), limits);
    let uri = format!("http://{address}/");
    let held = client.send(get(&uri)).await.unwrap();
    assert!(matches!(
        client.send(get(&uri)).await,
        Err(EgressError::Busy)
    ));
    drop(held);
    assert!(client.send(get(&uri)).await.is_ok());
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client()
        .send(get(format!("http://{address}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error:?}");
    let error = client()
        .send(get("http://nothing.invalid/"))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Resolve { .. }), "{error:?}");
}

/// A CA and a TLS server under it that answers one word.
async fn tls_server(name: &str) -> (SocketAddr, String) {
    tls_server_with(CertificateParams::new([name.to_owned()]).unwrap(), &[]).await
}

async fn tls_server_with(leaf: CertificateParams, speaks: &[&[u8]]) -> (SocketAddr, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![leaf.der().clone()],
        rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    )
    .unwrap();
    config.alpn_protocols = speaks.iter().map(|name| name.to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    (address, issuer.pem())
}

#[tokio::test]
async fn t88_tls_believes_the_extra_root_and_nothing_else() {
    let (address, root) = tls_server("localhost").await;
    let uri = format!("https://localhost:{}/", address.port());
    let trust = Trust::with_extra_pem([root.as_bytes()]).unwrap();
    let knowing = Client::new(Dialer::new(local(), trust));
    let answer = knowing.send(get(&uri)).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "secret");

    // Another authority, and the right authority for another name.
    let (_, other) = tls_server("localhost").await;
    let trust = Trust::with_extra_pem([other.as_bytes()]).unwrap();
    let error = Client::new(Dialer::new(local(), trust))
        .send(get(&uri))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
    let error = knowing
        .send(get(format!("https://{address}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn r20_what_is_over_is_not_trusted_and_no_other_protocol_is_spoken() {
    let leaf = || CertificateParams::new(["localhost".to_owned()]).unwrap();
    let mut over = leaf();
    over.not_before = rcgen::date_time_ymd(2020, 1, 1);
    over.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let not_yet = {
        let mut leaf = leaf();
        leaf.not_before = rcgen::date_time_ymd(4000, 1, 1);
        leaf
    };
    let ask = async |leaf, speaks: &[&[u8]]| {
        let (address, root) = tls_server_with(leaf, speaks).await;
        let trust = Trust::with_extra_pem([root.as_bytes()]).unwrap();
        let uri = format!("https://localhost:{}/", address.port());
        Client::new(Dialer::new(local(), trust))
            .send(get(uri))
            .await
    };
    for (leaf, speaks) in [
        (over, &[][..]),
        (not_yet, &[]),
        // It may know how to speak HTTP/1.1, and does not say so.
        (leaf(), &[b"h2" as &[u8]]),
    ] {
        let error = ask(leaf, speaks).await.unwrap_err();
        assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
    }
    let answer = ask(leaf(), &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "secret");
}
