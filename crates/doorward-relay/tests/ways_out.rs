//! The whole relay behind real proxies, and upstreams with TLS behind them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use doorward::{Bridge, Serving};
use doorward_egress::{AddressPolicy, Dialer, NoProxy, Proxies, Proxy, Trust};
use doorward_guard::{Origin, Origins};
use doorward_relay::{RelayOptions, Upstream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_tungstenite::tungstenite::{Error, Message};

const PAGE: &str = "tauri://localhost";
/// Ten times what any of it takes.
const SLACK: Duration = Duration::from_secs(30);
/// A tunnel of its own, so that nothing else can have carried the words.
const WORDS: &str = "through a proxy";

/// An echo with and without TLS, under the name that this machine has besides
/// localhost: to that, no proxy is asked.
struct Upstreams {
    plain: String,
    tls: String,
    root: String,
}

/// `None` where this machine has no such name.
async fn upstreams() -> Option<Upstreams> {
    let name = std::fs::read_to_string("/etc/hostname").ok()?;
    let name = name.trim().to_owned();
    let known = !name.is_empty() && tokio::net::lookup_host((name.as_str(), 1)).await.is_ok();
    if !known || name.ends_with("localhost") {
        let needed = std::env::var_os("CI").is_some();
        assert!(!needed, "this machine's name does not resolve");
        eprintln!("skipped: this machine's name does not resolve");
        return None;
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.clone()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = echo(Some(TlsAcceptor::from(Arc::new(config)))).await;
    Some(Upstreams {
        plain: format!("ws://{name}:{}", echo(None).await),
        tls: format!("wss://{name}:{tls}"),
        root: certificate.pem(),
    })
}

async fn echo(tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => serve(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream).await;
                        }
                    }
                }
            });
        }
    });
    port
}

async fn serve<S>(stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() || socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn bridge(proxy: &str, trust: Trust) -> Serving {
    let proxies = Proxies::explicit(Proxy::parse(proxy).unwrap(), NoProxy::default());
    let dialer = Dialer::new(AddressPolicy::public(), trust).with_proxies(proxies);
    let bridge = Bridge::builder().without_console().egress(dialer);
    bridge.bind().await.unwrap().serve()
}

/// What a page gets through `proxy`: its own words back, or the status and name of
/// the refusal.
async fn say(proxy: &str, upstream: &str, root: Option<&str>) -> Result<(), (u16, String)> {
    let trust = match root {
        Some(root) => Trust::with_extra_pem([root.as_bytes()]).unwrap(),
        None => Trust::platform(),
    };
    let serving = bridge(proxy, trust).await;
    let options = RelayOptions {
        plain: true,
        ..RelayOptions::livekit(Origins::Exact(vec![Origin::parse(PAGE).unwrap()]))
    };
    let upstream = Upstream::parse(upstream).unwrap();
    let minted = serving.relay().grant(upstream, &options).unwrap();
    let host = serving.content_origin().trim_start_matches("http://");
    let stream = TcpStream::connect(host).await.unwrap();
    let url = format!("{}/rtc", minted.url);
    let spoken = match tokio_tungstenite::client_async(url, stream).await {
        Ok((mut socket, _)) => {
            socket.send(Message::text(WORDS)).await.unwrap();
            let back = timeout(SLACK, socket.next()).await.unwrap();
            assert_eq!(back.unwrap().unwrap(), Message::text(WORDS));
            Ok(())
        }
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let name = body["denial"].as_str().unwrap_or_default().to_owned();
            Err((answer.status().as_u16(), name))
        }
        Err(other) => panic!("{other}"),
    };
    serving.shutdown().await;
    spoken
}

/// With the right password, with TLS inside the tunnel, without a password, and
/// with a `wrong` one, which not every proxy answers alike.
async fn tour(scheme: &str, port: u16, wrong: &str) {
    let Some(upstreams) = upstreams().await else {
        return;
    };
    let right = format!("{scheme}://me:secret@127.0.0.1:{port}");
    say(&right, &upstreams.plain, None).await.unwrap();
    say(&right, &upstreams.tls, Some(&upstreams.root))
        .await
        .unwrap();
    let distrusted = say(&right, &upstreams.tls, None).await;
    assert_eq!(distrusted, Err((502, "upstreamNotTrusted".to_owned())));
    for (user, name) in [("", "proxyAuthRequired"), ("me:wrong@", wrong)] {
        let proxy = format!("{scheme}://{user}127.0.0.1:{port}");
        let refused = say(&proxy, &upstreams.plain, None).await;
        assert_eq!(refused, Err((502, name.to_owned())));
    }
}

/// A real proxy, if it is installed. Absent in CI is a failure.
async fn real(program: &str, arguments: &[&str], port: u16) -> Option<Child> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = spawned else {
        let needed = std::env::var_os("CI").is_some();
        assert!(!needed, "{program} is not installed");
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

#[tokio::test]
async fn r19_the_relay_behind_a_real_socks_proxy() {
    let port = free_port().await;
    let text = port.to_string();
    let arguments = ["-i", "127.0.0.1", "-p", &text, "-u", "me", "-P", "secret"];
    let Some(child) = real("microsocks", &arguments, port).await else {
        return;
    };
    tour("socks5h", port, "proxyAuthRequired").await;
    drop(child);
}

#[tokio::test]
async fn r19_the_relay_behind_a_real_connect_proxy() {
    let port = free_port().await;
    let folder = std::env::temp_dir().join(format!("doorward-relay-tinyproxy-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("tinyproxy.conf");
    let text = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me secret\n");
    std::fs::write(&config, text).unwrap();
    let arguments = ["-d", "-c", config.to_str().unwrap()];
    if let Some(child) = real("tinyproxy", &arguments, port).await {
        // It says 401 to a wrong password, which is what servers say, not proxies.
        tour("http", port, "proxyFailed").await;
        drop(child);
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test]
async fn r19_a_proxy_that_is_gone_is_not_gone_around() {
    let Some(upstreams) = upstreams().await else {
        return;
    };
    let port = free_port().await;
    let refused = say(&format!("http://127.0.0.1:{port}"), &upstreams.plain, None).await;
    let (status, _) = refused.unwrap_err();
    assert_eq!(status, 502);
}
