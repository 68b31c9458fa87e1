//! From a name to a connected stream.
//!
//! Resolve, check every address, connect to those that passed (the next one
//! 250 ms after the one before, RFC 8305), speak TLS. All of it within one
//! budget. The socket is connected to the very address that was checked, so a
//! name that changes its mind in between changes nothing.
//!
//! Through a proxy that resolves names itself (CONNECT, SOCKS5h) the addresses
//! of a name cannot be checked here: what the caller lets be named is all that
//! decides. Addresses that are written out are checked all the same.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::{AddressPolicy, EgressError, Proxies, SpkiPin, Stream, Target, Trust, defaults, proxy};

/// How to connect. Every field has its default in [`defaults`].
#[derive(Clone, Copy, Debug)]
pub struct DialOptions {
    /// For one address.
    pub connect_within: Duration,
    /// For one TLS handshake.
    pub tls_within: Duration,
    /// For everything together.
    pub dial_within: Duration,
    /// The kernel's receive buffer, in bytes.
    pub receive_buffer: u32,
    /// The kernel's send buffer, in bytes.
    pub send_buffer: u32,
}

/// What is spoken over a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http,
    Bytes,
}

/// Dials targets under one [`AddressPolicy`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    policy: AddressPolicy,
    trust: Trust,
    proxies: Proxies,
    options: DialOptions,
}

// === impl Dialer ===

impl Dialer {
    /// A dialer that reaches what `policy` allows and believes `trust`.
    #[must_use]
    pub fn new(policy: AddressPolicy, trust: Trust) -> Self {
        Self {
            policy,
            trust,
            proxies: Proxies::none(),
            options: DialOptions::default(),
        }
    }

    /// With other budgets and buffers.
    #[must_use]
    pub fn with_options(mut self, options: DialOptions) -> Self {
        self.options = options;
        self
    }

    /// The same under another policy: trust, proxies and budgets stay.
    #[must_use]
    pub fn with_policy(mut self, policy: AddressPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Through proxies; [`Proxies::none`] unless this is called.
    #[must_use]
    pub fn with_proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// The same, and the server's own key must be one of `pins` besides.
    #[must_use]
    pub fn with_pins(mut self, pins: impl IntoIterator<Item = SpkiPin>) -> Self {
        self.trust = self.trust.with_pins(pins);
        self
    }

    /// A connected stream to `target`: TCP without Nagle's delay, and TLS on
    /// top where the target asks for it.
    ///
    /// # Errors
    ///
    /// [`EgressError::AddressRefused`] when the policy allows no address of the
    /// target; no packet is sent then. `Resolve`, `Connect`, `Tls`, `Roots`, and
    /// `DialTimeout` when it took longer than the budget.
    pub async fn dial(&self, target: &Target) -> Result<Stream, EgressError> {
        self.dial_to_speak(target, &self.trust, Speaks::Http).await
    }

    /// The same for what is no HTTP: the handshake names no protocol (ALPN), and
    /// the pins do not count, because they are of the servers that were configured.
    ///
    /// # Errors
    ///
    /// As of [`dial`](Self::dial).
    pub async fn dial_bytes(&self, target: &Target) -> Result<Stream, EgressError> {
        self.dial_to_speak(target, &self.trust.without_pins(), Speaks::Bytes)
            .await
    }

    /// TLS over `plain`, a stream to `target` that is there, for a protocol that asks
    /// for it first: `ask` speaks in plain, and TLS begins with whatever comes after.
    /// The certificate is for the target's name, whichever its address is.
    ///
    /// # Errors
    ///
    /// `Tls`, `Roots`, `DialTimeout`; `Connect` for what `ask` says.
    pub async fn secure(
        &self,
        target: &Target,
        mut plain: Stream,
        ask: impl AsyncFnOnce(&mut Stream) -> io::Result<()>,
    ) -> Result<Stream, EgressError> {
        let host = target.host();
        let dialling = async {
            ask(&mut plain)
                .await
                .map_err(|source| EgressError::Connect {
                    host: host.clone(),
                    source: Arc::new(source),
                })?;
            let trust = self.trust.without_pins();
            self.speak_tls(&trust, target, plain, Speaks::Bytes).await
        };
        timeout(self.options.dial_within, dialling)
            .await
            .unwrap_or_else(|_| Err(EgressError::DialTimeout { host: host.clone() }))
    }

    async fn dial_to_speak(
        &self,
        target: &Target,
        trust: &Trust,
        speaks: Speaks,
    ) -> Result<Stream, EgressError> {
        let dialling = self.dial_unbounded(target, trust, speaks);
        timeout(self.options.dial_within, dialling)
            .await
            .unwrap_or_else(|_| {
                Err(EgressError::DialTimeout {
                    host: target.host(),
                })
            })
    }

    async fn dial_unbounded(
        &self,
        target: &Target,
        trust: &Trust,
        speaks: Speaks,
    ) -> Result<Stream, EgressError> {
        let plain = self.dial_plain(target).await?;
        if !target.is_tls() {
            return Ok(plain);
        }
        self.speak_tls(trust, target, plain, speaks).await
    }

    async fn dial_plain(&self, target: &Target) -> Result<Stream, EgressError> {
        match self.proxies.for_target(target) {
            None => self
                .connect_direct(target, &self.policy)
                .await
                .map(Stream::Plain),
            Some(proxy) => proxy::through(self, proxy, target).await,
        }
    }

    /// TCP to an address of `target` that `policy` allows.
    pub(crate) async fn connect_direct(
        &self,
        target: &Target,
        policy: &AddressPolicy,
    ) -> Result<TcpStream, EgressError> {
        let addresses = allowed_addresses(target, policy).await?;
        self.connect(&addresses).await.map_err(|source| {
            let host = target.host();
            if source.kind() == io::ErrorKind::TimedOut {
                EgressError::DialTimeout { host }
            } else {
                EgressError::Connect {
                    host,
                    source: Arc::new(source),
                }
            }
        })
    }

    /// A TLS handshake with `target` over `plain`, for HTTP/1.1 alone or for
    /// whatever comes.
    pub(crate) async fn speak_tls(
        &self,
        trust: &Trust,
        target: &Target,
        plain: Stream,
        speaks: Speaks,
    ) -> Result<Stream, EgressError> {
        let name = match target.address() {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(target.host())
                .map_err(|_| EgressError::Target("the host is not a TLS server name"))?,
        };
        let mut config = trust.config()?;
        if speaks == Speaks::Bytes {
            Arc::make_mut(&mut config).alpn_protocols = Vec::new();
        }
        let connector = TlsConnector::from(config);
        let host = target.host();
        match timeout(self.options.tls_within, connector.connect(name, plain)).await {
            Err(_late) => Err(EgressError::DialTimeout { host }),
            Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
            Ok(Err(error)) if is_pin_mismatch(&error) => Err(EgressError::PinMismatch { host }),
            Ok(Err(source)) => Err(EgressError::Tls {
                host,
                source: Arc::new(source),
            }),
        }
    }

    pub(crate) fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The first address that answers; one that fails at once makes way at once.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut waiting = addresses.iter();
        let mut running = FuturesUnordered::new();
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        loop {
            let more = match waiting.next() {
                Some(address) => {
                    running.push(self.connect_one(*address));
                    waiting.len() > 0
                }
                None => false,
            };
            let next = tokio::select! {
                biased;
                next = running.next() => next,
                () = sleep(defaults::STAGGER), if more => continue,
            };
            match next {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            }
        }
    }

    async fn connect_one(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_recv_buffer_size(self.options.receive_buffer)?;
        socket.set_send_buffer_size(self.options.send_buffer)?;
        socket.set_nodelay(true)?;
        timeout(self.options.connect_within, socket.connect(address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            connect_within: defaults::CONNECT,
            tls_within: defaults::TLS,
            dial_within: defaults::DIAL,
            receive_buffer: defaults::RECEIVE_BUFFER,
            send_buffer: defaults::SEND_BUFFER,
        }
    }
}

/// An IPv4-mapped address as the IPv4 address that it is.
fn unmapped(socket: SocketAddr) -> SocketAddr {
    match socket.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), socket.port()),
            None => socket,
        },
        IpAddr::V4(_) => socket,
    }
}

/// The target's addresses that the policy allows, at most
/// [`defaults::ADDRESSES`]. A name with one allowed and one forbidden
/// address is reached by the allowed one alone.
pub(crate) async fn allowed_addresses(
    target: &Target,
    policy: &AddressPolicy,
) -> Result<Vec<SocketAddr>, EgressError> {
    let found: Vec<SocketAddr> = match target.address() {
        Some(address) => vec![SocketAddr::new(address, target.port())],
        None => lookup_host((target.host().as_str(), target.port()))
            .await
            .map_err(|source| EgressError::Resolve {
                host: target.host(),
                source: Arc::new(source),
            })?
            .collect(),
    };
    let mut refused: Option<EgressError> = None;
    let mut allowed = Vec::new();
    for socket in found {
        match policy.check(socket.ip()) {
            Ok(()) => allowed.push(unmapped(socket)),
            Err(kind) => {
                refused.get_or_insert(EgressError::AddressRefused {
                    address: socket.ip(),
                    kind,
                });
            }
        }
    }
    if allowed.is_empty() {
        return Err(refused.unwrap_or_else(|| EgressError::Resolve {
            host: target.host(),
            source: Arc::new(io::Error::from(io::ErrorKind::NotFound)),
        }));
    }
    allowed.truncate(defaults::ADDRESSES);
    Ok(allowed)
}

/// The pins are the only check of ours inside of a handshake.
fn is_pin_mismatch(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|error| {
            matches!(
                error,
                rustls::Error::InvalidCertificate(
                    rustls::CertificateError::ApplicationVerificationFailure
                )
            )
        })
}
