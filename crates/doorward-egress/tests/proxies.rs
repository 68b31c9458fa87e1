//! Ways out through proxies, against scripted ones and, where they are
//! installed, real ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use doorward_egress::{
    AddressPolicy, DialOptions, Dialer, EgressError, NoProxy, Proxies, Proxy, SpkiPin, Stream,
    Target, Trust,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A name that no resolver here knows.
const NAME: &str = "http://only-the-proxy-knows.test:7";

fn target(url: &str) -> Target {
    Target::parse(&url.parse().unwrap()).unwrap()
}

fn dialer(proxy: &str) -> Dialer {
    let proxies = Proxies::explicit(Proxy::parse(proxy).unwrap(), NoProxy::default());
    Dialer::new(AddressPolicy::public(), Trust::platform()).with_proxies(proxies)
}

/// A proxy that reads until `until`, then says each line of `script` after
/// reading what comes next. Returns what it was sent.
async fn scripted(script: Vec<(usize, Vec<u8>)>) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        for (bytes, answer) in script {
            let mut part = vec![0; bytes];
            if stream.read_exact(&mut part).await.is_err() {
                return seen;
            }
            seen.extend(part);
            if stream.write_all(&answer).await.is_err() {
                return seen;
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut seen)).await;
        seen
    });
    (at, seen)
}

const CONNECT: &str = "CONNECT only-the-proxy-knows.test:7 HTTP/1.1\r\n\
    Host: only-the-proxy-knows.test:7\r\n\r\n";

#[tokio::test]
async fn r19_connect_says_the_name_and_the_credentials() {
    let script = vec![(1, b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec())];
    let (at, seen) = scripted(script).await;
    let mut stream = dialer(&format!("http://u:p%40@{at}"))
        .dial(&target(NAME))
        .await
        .unwrap();
    stream.write_all(b"hello").await.unwrap();
    drop(stream);
    let seen = String::from_utf8(seen.await.unwrap()).unwrap();
    assert_eq!(
        seen,
        "CONNECT only-the-proxy-knows.test:7 HTTP/1.1\r\nHost: only-the-proxy-knows.test:7\r\n\
         Proxy-Authorization: Basic dTpwQA==\r\n\r\nhello"
    );
}

#[tokio::test]
async fn r19_faults_of_a_connect_proxy_are_told_apart() {
    let huge = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 64 * 1024]].concat();
    for (answer, expected) in [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_vec(),
            "auth",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec(),
            "403",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n".to_vec(), "502"),
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), "no HTTP"),
        (
            b"HTTP/1.1 200 OK\r\n\r\nearly".to_vec(),
            "more than its answer",
        ),
        (huge, "too long"),
    ] {
        let (at, _seen) = scripted(vec![(CONNECT.len(), answer)]).await;
        let error = dialer(&format!("http://{at}"))
            .dial(&target(NAME))
            .await
            .unwrap_err();
        match &error {
            EgressError::ProxyAuth { .. } => assert_eq!(expected, "auth"),
            EgressError::ProxyRefused { code, .. } => assert_eq!(expected, code.to_string()),
            EgressError::Proxy { why, .. } => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r19_a_silent_proxy_has_the_budget_and_no_more() {
    let (at, _seen) = scripted(vec![(CONNECT.len(), Vec::new())]).await;
    let error = dialer(&format!("http://{at}")).dial(&target(NAME)).await;
    assert!(
        matches!(error, Err(EgressError::DialTimeout { .. })),
        "{error:?}"
    );
    assert!(error.is_err_and(|error| error.is_timeout()));
}

#[tokio::test]
async fn r19_socks_says_the_name_and_the_password() {
    let reply = vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let request = 5 + "only-the-proxy-knows.test".len() + 2;
    let script = vec![(4, vec![5, 2]), (5, vec![1, 0]), (request, reply)];
    let (at, seen) = scripted(script).await;
    let mut stream = dialer(&format!("socks5h://u:p@{at}"))
        .dial(&target(NAME))
        .await
        .unwrap();
    stream.write_all(b"hello").await.unwrap();
    drop(stream);
    let mut expected = vec![5, 2, 0, 2, 1, 1, b'u', 1, b'p', 5, 1, 0, 3, 25];
    expected.extend(b"only-the-proxy-knows.test\0\x07hello");
    assert_eq!(seen.await.unwrap(), expected);
}

#[tokio::test]
async fn r19_faults_of_a_socks_proxy_are_told_apart() {
    let request = 5 + "only-the-proxy-knows.test".len() + 2;
    for (script, expected) in [
        (vec![(3, vec![5, 255])], "auth"),
        (vec![(3, vec![5, 2])], "auth"),
        (vec![(3, b"HTTP/1.1 400".to_vec())], "no SOCKS5"),
        (vec![(3, vec![5, 0]), (request, vec![5, 2, 0, 1])], "2"),
        (
            vec![(3, vec![5, 0]), (request, vec![5, 0, 0, 9])],
            "no address",
        ),
    ] {
        let (at, _seen) = scripted(script).await;
        let error = dialer(&format!("socks5h://{at}"))
            .dial(&target(NAME))
            .await
            .unwrap_err();
        match &error {
            EgressError::ProxyAuth { .. } => assert_eq!(expected, "auth"),
            EgressError::ProxyRefused { code, .. } => assert_eq!(expected, code.to_string()),
            EgressError::Proxy { why, .. } => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

#[tokio::test]
async fn r6_a_proxy_is_no_way_around_the_address_policy() {
    let (at, seen) = scripted(Vec::new()).await;
    for (proxy, url) in [
        ("http", "http://10.0.0.1"),
        ("http", "https://169.254.169.254"),
        ("socks5h", "http://[::ffff:192.168.0.1]"),
    ] {
        let error = dialer(&format!("{proxy}://{at}")).dial(&target(url)).await;
        assert!(
            matches!(error, Err(EgressError::AddressRefused { .. })),
            "{url}"
        );
    }
    // A name that is resolved here is checked here.
    let error = dialer(&format!("socks5://{at}")).dial(&target(NAME)).await;
    assert!(
        matches!(error, Err(EgressError::Resolve { .. })),
        "{error:?}"
    );
    assert!(!seen.is_finished(), "the proxy was connected to");
    seen.abort();
}

#[tokio::test]
async fn r19_what_is_excepted_and_loopback_go_direct() {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    let proxies = Proxies::explicit(
        Proxy::parse("http://127.0.0.1:1").unwrap(),
        NoProxy::default(),
    );
    let dialer = Dialer::new(
        AddressPolicy::public().with_local_networks(),
        Trust::platform(),
    )
    .with_proxies(proxies);
    let stream = dialer
        .dial(&target(&format!("http://127.0.0.1:{port}")))
        .await
        .unwrap();
    assert_eq!(stream.socket().peer_addr().unwrap().port(), port);
}

/// A TLS server of one certificate that echoes; `h2` is all it offers by ALPN.
async fn tls_echo(name: &str) -> (SocketAddr, String, SpkiPin) {
    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let pem = cert.pem();
    let der: CertificateDer<'static> = cert.der().clone();
    let pin = SpkiPin::of(&der).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![der],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let (mut from, mut to) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                }
            });
        }
    });
    (at, pem, pin)
}

#[tokio::test]
async fn r20_pins_come_on_top_of_the_roots_and_http1_alone_is_offered() {
    let (at, pem, pin) = tls_echo("localhost").await;
    let trust = Trust::with_extra_pem([pem.as_bytes()]).unwrap();
    let url = target(&format!("https://localhost:{}", at.port()));
    let dial = async |trust: &Trust| {
        Dialer::new(AddressPolicy::public().with_local_networks(), trust.clone())
            .dial(&url)
            .await
    };
    let pinned = dial(&trust.with_pins([SpkiPin([0; 32]), pin]))
        .await
        .unwrap();
    let Stream::Tls(tls) = &pinned else {
        panic!("no TLS")
    };
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    // What is no HTTP names no protocol, and the pins are not its.
    let bytes = Dialer::new(
        AddressPolicy::public().with_local_networks(),
        trust.with_pins([SpkiPin([0; 32])]),
    );
    let Stream::Tls(tls) = bytes.dial_bytes(&url).await.unwrap() else {
        panic!("no TLS")
    };
    assert_eq!(tls.get_ref().1.alpn_protocol(), None);
    let wrong = dial(&trust.with_pins([SpkiPin([0; 32])])).await;
    assert!(
        matches!(wrong, Err(EgressError::PinMismatch { .. })),
        "{wrong:?}"
    );
    // A pin is no root.
    let stranger = dial(&Trust::platform().with_pins([pin])).await;
    assert!(
        matches!(stranger, Err(EgressError::Tls { .. })),
        "{stranger:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn r4_a_server_that_says_no_hello_has_its_own_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = DialOptions {
        dial_within: Duration::from_secs(1_000),
        ..DialOptions::default()
    };
    let begun = tokio::time::Instant::now();
    let error = Dialer::new(
        AddressPolicy::public().with_local_networks(),
        Trust::platform(),
    )
    .with_options(options)
    .dial(&target(&format!("https://127.0.0.1:{port}")))
    .await;
    assert!(
        matches!(error, Err(EgressError::DialTimeout { .. })),
        "{error:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A real proxy, if it is installed. Absent in CI is a failure.
async fn real(program: &str, arguments: &[&str], port: u16) -> Option<tokio::process::Child> {
    let spawned = tokio::process::Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = spawned else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is not installed"
        );
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(child);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{program} does not listen");
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// This machine's name, as the proxy resolves it: names are not loopback to us,
/// and go through.
async fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/etc/hostname")
        .ok()?
        .trim()
        .to_owned();
    if name.is_empty() || name.ends_with("localhost") {
        return None;
    }
    let known = tokio::net::lookup_host((name.as_str(), 1)).await.is_ok();
    known.then_some(name)
}

async fn echo_through(proxy: &str) -> Result<(), EgressError> {
    let Some(name) = own_name().await else {
        let needed = std::env::var_os("CI").is_some();
        assert!(!needed, "this machine's name does not resolve");
        eprintln!("skipped: this machine's name does not resolve");
        return Ok(());
    };
    let echo = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let proxies = Proxies::explicit(Proxy::parse(proxy).unwrap(), NoProxy::default());
    let mut stream = Dialer::new(AddressPolicy::public(), Trust::platform())
        .with_proxies(proxies)
        .dial(&target(&format!("http://{name}:{port}")))
        .await?;
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    Ok(())
}

#[tokio::test]
async fn r19_a_real_socks_proxy_with_and_without_a_password() {
    let port = free_port().await;
    let text = port.to_string();
    let arguments = ["-i", "127.0.0.1", "-p", &text, "-u", "me", "-P", "secret"];
    let Some(_child) = real("microsocks", &arguments, port).await else {
        return;
    };
    echo_through(&format!("socks5h://me:secret@127.0.0.1:{port}"))
        .await
        .unwrap();
    for wrong in ["", "me:wrong@"] {
        if own_name().await.is_some() {
            let error = echo_through(&format!("socks5h://{wrong}127.0.0.1:{port}")).await;
            assert!(
                matches!(error, Err(EgressError::ProxyAuth { .. })),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn r19_a_real_connect_proxy_with_and_without_a_password() {
    let port = free_port().await;
    let folder = std::env::temp_dir().join(format!("doorward-tinyproxy-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("tinyproxy.conf");
    let text = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me secret\n");
    std::fs::write(&config, text).unwrap();
    let arguments = ["-d", "-c", config.to_str().unwrap()];
    let child = real("tinyproxy", &arguments, port).await;
    if child.is_some() {
        echo_through(&format!("http://me:secret@127.0.0.1:{port}"))
            .await
            .unwrap();
        if own_name().await.is_some() {
            let error = echo_through(&format!("http://127.0.0.1:{port}")).await;
            assert!(
                matches!(error, Err(EgressError::ProxyAuth { .. })),
                "{error:?}"
            );
        }
    }
    drop(child);
    let _ = std::fs::remove_dir_all(folder);
}
