//! A real coturn, and enough STUN to use it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::room::SLACK;

const SHARED: &str = "a-secret-of-the-test";
const REALM: &str = "doorward.test";
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(crate) const ALLOCATE: u16 = 0x0003;
pub(crate) const PERMIT: u16 = 0x0008;
pub(crate) const SEND: u16 = 0x0016;
pub(crate) const DATA: u16 = 0x0017;

pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const ERROR: u16 = 0x0009;
pub(crate) const PEER: u16 = 0x0012;
pub(crate) const PAYLOAD: u16 = 0x0013;
pub(crate) const NONCE: u16 = 0x0015;
pub(crate) const RELAYED: u16 = 0x0016;

/// The server; it ends with this.
pub(crate) struct Coturn {
    _child: Child,
    _folder: tempfile::TempDir,
    pub(crate) tcp: u16,
    pub(crate) tls: u16,
    /// Of the root that signed its certificate.
    pub(crate) root: String,
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

impl Coturn {
    /// `None` where it is not installed: `cargo xtask test install`.
    pub(crate) async fn start(more: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (root, certificate, key) = certificate();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("cert.pem"), certificate).unwrap();
        std::fs::write(at("key.pem"), key).unwrap();
        for _ in 0..5 {
            let (tcp, tls) = (free_port().await, free_port().await);
            let child = Command::new("turnserver")
                .args(["-n", "--no-cli", "--no-udp", "--no-dtls", "--fingerprint"])
                .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
                .args([
                    "--allow-loopback-peers",
                    "--use-auth-secret",
                    "--log-file=stdout",
                ])
                .arg(format!("--static-auth-secret={SHARED}"))
                .arg(format!("--realm={REALM}"))
                .arg(format!("--listening-port={tcp}"))
                .arg(format!("--tls-listening-port={tls}"))
                .arg(format!("--cert={}", at("cert.pem")))
                .arg(format!("--pkey={}", at("key.pem")))
                .arg(format!("--pidfile={}", at("pid")))
                .arg(format!("--userdb={}", at("db")))
                .args(more)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn();
            let Ok(mut child) = child else {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "coturn is missing: cargo xtask test install"
                );
                eprintln!("skipped: coturn is not installed");
                return None;
            };
            for _ in 0..600 {
                let up = TcpStream::connect(("127.0.0.1", tcp)).await.is_ok()
                    && TcpStream::connect(("127.0.0.1", tls)).await.is_ok();
                if up {
                    return Some(Self {
                        _child: child,
                        _folder: folder,
                        tcp,
                        tls,
                        root,
                    });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        panic!("coturn does not start");
    }
}

/// A root, and a certificate for localhost with its key.
fn certificate() -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let cert = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &root)
        .unwrap();
    (root.pem(), cert.pem(), key.serialize_pem())
}

/// Time-limited credentials (the REST scheme): a name that begins with the second
/// in which they end, and its password.
pub(crate) fn credentials(expires: u64) -> (String, String) {
    let name = format!("{expires}:participant");
    let mut mac = Hmac::<Sha1>::new_from_slice(SHARED.as_bytes()).unwrap();
    mac.update(name.as_bytes());
    let password = STANDARD.encode(mac.finalize().into_bytes());
    (name, password)
}

/// A STUN message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
}

impl Message {
    pub(crate) fn new(kind: u16, attributes: &[(u16, &[u8])]) -> Self {
        let attributes = attributes
            .iter()
            .map(|(kind, value)| (*kind, value.to_vec()))
            .collect();
        Self { kind, attributes }
    }

    /// With name, realm, nonce and proof.
    pub(crate) fn proven(mut self, name: &str, password: &str, nonce: &[u8]) -> Vec<u8> {
        self.attributes.push((USERNAME, name.as_bytes().to_vec()));
        self.attributes.push((0x0014, REALM.as_bytes().to_vec()));
        self.attributes.push((NONCE, nonce.to_vec()));
        // The proof counts itself in the length, and not in what is proven.
        let mut bytes = self.bytes();
        let length = u16::try_from(bytes.len() - 20 + 24).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let key = Md5::digest(format!("{name}:{REALM}:{password}"));
        let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
        mac.update(&bytes);
        bytes.extend([0, 8, 0, 20]);
        bytes.extend(mac.finalize().into_bytes());
        bytes
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in &self.attributes {
            body.extend(kind.to_be_bytes());
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = self.kind.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(COOKIE);
        bytes.extend(*b"twelve bytes");
        bytes.extend(body);
        bytes
    }

    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = [0; 20];
        timeout(SLACK, stream.read_exact(&mut head))
            .await
            .unwrap()
            .ok()?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        timeout(SLACK, stream.read_exact(&mut body))
            .await
            .unwrap()
            .ok()?;
        let mut attributes = Vec::new();
        let mut rest = &body[..];
        while let Some((&[a, b, c, d], behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([c, d]));
            attributes.push((u16::from_be_bytes([a, b]), behind[..length].to_vec()));
            rest = &behind[length.next_multiple_of(4)..];
        }
        Some(Self {
            kind: u16::from_be_bytes([head[0], head[1]]),
            attributes,
        })
    }

    pub(crate) fn get(&self, kind: u16) -> &[u8] {
        let found = self.attributes.iter().find(|(known, _)| *known == kind);
        &found
            .unwrap_or_else(|| panic!("no {kind:#x} in {self:?}"))
            .1
    }

    pub(crate) fn error(&self) -> u16 {
        let value = self.get(ERROR);
        u16::from(value[2]) * 100 + u16::from(value[3])
    }
}

/// An address as STUN writes it.
pub(crate) fn xored(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(v4) = address else {
        panic!("IPv4 alone")
    };
    let mut value = vec![0, 1];
    value.extend((v4.port() ^ 0x2112).to_be_bytes());
    value.extend(v4.ip().octets().iter().zip(COOKIE).map(|(a, b)| a ^ b));
    value
}

fn plain(value: &[u8]) -> SocketAddr {
    let port = u16::from_be_bytes([value[2], value[3]]) ^ 0x2112;
    let ip: Vec<u8> = value[4..8].iter().zip(COOKIE).map(|(a, b)| a ^ b).collect();
    SocketAddr::from(([ip[0], ip[1], ip[2], ip[3]], port))
}

/// A place on a TURN server, behind whatever listens at `port`.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) stream: TcpStream,
    pub(crate) relayed: SocketAddr,
    name: String,
    password: String,
    nonce: Vec<u8>,
}

impl Place {
    /// Asks without credentials, is asked for them, and asks with them.
    pub(crate) async fn make(port: u16, name: &str, password: &str) -> Result<Self, Option<u16>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let ask = || Message::new(ALLOCATE, &[(0x0019, &[17, 0, 0, 0])]);
        stream.write_all(&ask().bytes()).await.unwrap();
        let asked = Message::read(&mut stream).await.ok_or(None)?;
        if asked.error() != 401 {
            return Err(Some(asked.error()));
        }
        let nonce = asked.get(NONCE).to_vec();
        let proven = ask().proven(name, password, &nonce);
        stream.write_all(&proven).await.map_err(|_| None)?;
        let made = Message::read(&mut stream).await.ok_or(None)?;
        if made.kind != 0x0103 {
            return Err(Some(made.error()));
        }
        Ok(Self {
            relayed: plain(made.get(RELAYED)),
            stream,
            name: name.to_owned(),
            password: password.to_owned(),
            nonce,
        })
    }

    /// Lets `peer` send here.
    pub(crate) async fn permit(&mut self, peer: SocketAddr) {
        let ask = Message::new(PERMIT, &[(PEER, &xored(peer))]);
        let proven = ask.proven(&self.name, &self.password, &self.nonce);
        self.stream.write_all(&proven).await.unwrap();
        let answer = Message::read(&mut self.stream).await.unwrap();
        assert_eq!(answer.kind, 0x0108, "{answer:?}");
    }

    pub(crate) async fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let message = Message::new(SEND, &[(PEER, &xored(peer)), (PAYLOAD, payload)]);
        self.stream.write_all(&message.bytes()).await.unwrap();
    }
}
