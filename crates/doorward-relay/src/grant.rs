//! What the relay keeps in a grant: the upstream, what is open of it, and how
//! many connections there are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_egress::{AddressPolicy, Dialer, SpkiPin, Target};
use doorward_guard::{Origins, SessionId};
use http::{HeaderValue, Uri};
use tokio::sync::Semaphore;

use crate::defaults;
use crate::error::RelayError;
use crate::path::Paths;
use crate::traffic::{Passed, Traffic};
use crate::turn::Tunnels;

/// One upstream: scheme, host, port, and the path that its own begin with.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    target: Target,
    base: Box<str>,
    host: HeaderValue,
}

/// Which `Origin` the upstream sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SentOrigin {
    /// The page's own.
    #[default]
    Kept,
    /// None.
    Dropped,
    /// This one.
    Fixed(HeaderValue),
}

/// What becomes of the upstream's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// They pass byte for byte, compression included.
    #[default]
    Untouched,
    /// They are LiveKit's, and URLs in them are mapped: other regions to the grant
    /// where it knows them, else they are left out. Costs compression, because no
    /// extension is agreed on; a message of more than
    /// [`defaults::MESSAGE`] bytes ends the connection with 1009.
    LiveKit(LiveKit),
}

/// What is mapped besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveKit {
    /// TURN servers get ports of ours ([`turn`](crate::turn)), those over UDP are
    /// left out. If not, ICE servers stay as they are.
    pub turn: bool,
    /// STUN servers, where TURN servers get ports of ours.
    pub stun: Stun,
}

/// STUN servers tell a page its own address, past the way that was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stun {
    /// They are left out: a page that uses nothing but TURN has no use for them.
    #[default]
    Dropped,
    /// They stay.
    Kept,
}

/// How a grant is made. There is no default for the upstream and the pages.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// The pages that may connect.
    pub origins: Origins,
    /// What is open of the upstream.
    pub paths: Paths,
    /// More upstreams of the same service (regions), dialled in turn when those
    /// before them cannot be reached.
    pub fallbacks: Vec<Upstream>,
    /// Upstreams on loopback, in private networks and behind carrier-grade NAT may
    /// be reached. Metadata services never.
    pub local_networks: bool,
    /// Upstreams without TLS may be reached.
    pub plain: bool,
    /// The server's own key is one of these besides; none: whichever the platform
    /// trusts.
    pub pins: Vec<SpkiPin>,
    /// Which `Origin` the upstream sees.
    pub sent_origin: SentOrigin,
    /// What becomes of the upstream's messages.
    pub messages: Messages,
    /// Connections at once; at most [`defaults::CONNECTIONS_ALL`].
    pub connections: usize,
    /// It ends after this; at most [`defaults::GRANT_LIFE_MOST`].
    pub life: Duration,
    /// A tunnel with no byte either way ends after this.
    pub silence: Duration,
    /// It ends with this session.
    pub owner: Option<SessionId>,
}

/// One opened upstream, and what became of it. `Debug` names hosts, no paths.
pub struct RelayGrant {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) paths: Paths,
    pub(crate) dialer: Dialer,
    pub(crate) sent_origin: SentOrigin,
    pub(crate) messages: Messages,
    pub(crate) silence: Duration,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) turn_slots: Arc<Semaphore>,
    pub(crate) tunnels: Tunnels,
    pub(crate) traffic: Traffic,
    most: usize,
    requests: AtomicU64,
}

// === impl Upstream ===

impl Upstream {
    /// Reads `wss://host[:port][/base]`; `https` means the same, `ws` and `http`
    /// are without TLS.
    ///
    /// # Errors
    ///
    /// [`RelayError::InvalidUpstream`] for other schemes, user information, a
    /// query, or a host that hides where it leads.
    pub fn parse(text: &str) -> Result<Self, RelayError> {
        let bad = RelayError::InvalidUpstream;
        if text.contains(['?', '#']) {
            return Err(bad("it has a query or a fragment"));
        }
        let (scheme, rest) = text.split_once("://").ok_or(bad("it has no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "wss" | "https" => "https",
            "ws" | "http" => "http",
            _ => return Err(bad("the scheme is none of wss, https, ws and http")),
        };
        let uri: Uri = format!("{scheme}://{rest}")
            .parse()
            .map_err(|_| bad("it is no URL"))?;
        let target = Target::parse(&uri).map_err(|_| bad("the host cannot be reached"))?;
        let base = uri.path().trim_end_matches('/');
        if base.contains("//") || base.split('/').any(|part| part == "." || part == "..") {
            return Err(bad("its path is not plain"));
        }
        let usual = if target.is_tls() { 443 } else { 80 };
        let authority = target.authority();
        let host = if target.port() == usual {
            authority
                .rsplit_once(':')
                .map_or(&*authority, |(host, _)| host)
        } else {
            &authority
        };
        let host = HeaderValue::from_str(host).map_err(|_| bad("the host cannot be written"))?;
        Ok(Self {
            base: base.into(),
            target,
            host,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// As `Host` names it: without a default port.
    #[must_use]
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The path that all of its own begin with; empty, or without a slash at its
    /// end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether `url` names this upstream, whatever its path.
    #[must_use]
    pub fn is_named_by(&self, url: &str) -> bool {
        Self::parse(url).is_ok_and(|named| named.target == self.target)
    }
}

// === impl RelayOptions ===

impl RelayOptions {
    /// For pages of `origins`: LiveKit's paths, TLS, public addresses.
    #[must_use]
    pub fn livekit(origins: Origins) -> Self {
        Self {
            name: None,
            origins,
            paths: Paths::livekit(),
            fallbacks: Vec::new(),
            local_networks: false,
            plain: false,
            pins: Vec::new(),
            sent_origin: SentOrigin::Kept,
            messages: Messages::Untouched,
            connections: defaults::CONNECTIONS,
            life: defaults::GRANT_LIFE,
            silence: defaults::SILENCE,
            owner: None,
        }
    }

    /// What is open, dialled with `dialer`'s trust and proxies.
    pub(crate) fn open(
        &self,
        upstream: Upstream,
        dialer: &Dialer,
    ) -> Result<RelayGrant, RelayError> {
        let mut upstreams = vec![upstream];
        upstreams.extend(self.fallbacks.iter().cloned());
        if !self.plain && upstreams.iter().any(|upstream| !upstream.target.is_tls()) {
            return Err(RelayError::InvalidUpstream(
                "it is without TLS, and the grant does not say that it may be",
            ));
        }
        let policy = if self.local_networks {
            AddressPolicy::public().with_local_networks()
        } else {
            AddressPolicy::public()
        };
        let most = self.connections.min(defaults::CONNECTIONS_ALL);
        let mut dialer = dialer.clone().with_policy(policy);
        if !self.pins.is_empty() {
            dialer = dialer.with_pins(self.pins.iter().copied());
        }
        Ok(RelayGrant {
            name: self.name.clone(),
            upstreams,
            paths: self.paths.clone(),
            dialer,
            sent_origin: self.sent_origin.clone(),
            messages: self.messages,
            silence: self.silence,
            slots: Arc::new(Semaphore::new(most)),
            turn_slots: Arc::new(Semaphore::new(defaults::TURN_CONNECTIONS)),
            tunnels: Tunnels::default(),
            most,
            requests: AtomicU64::new(0),
            traffic: Traffic::default(),
        })
    }
}

// === impl RelayGrant ===

impl RelayGrant {
    /// The upstream that is dialled first.
    #[must_use]
    pub fn upstream(&self) -> Option<&Upstream> {
        self.upstreams.first()
    }

    /// Requests so far, handshakes included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What passed so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.traffic.passed()
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.most.saturating_sub(self.slots.available_permits())
    }

    /// Connections to TURN servers that are open.
    #[must_use]
    pub fn turn_connections(&self) -> usize {
        defaults::TURN_CONNECTIONS.saturating_sub(self.turn_slots.available_permits())
    }

    /// TURN servers that have a port.
    #[must_use]
    pub fn turn_servers(&self) -> usize {
        self.tunnels.len()
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.traffic.is_news();
    }
}

/// Where it is, without its path.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.target.is_tls() { "wss" } else { "ws" };
        let host = self.host.to_str().unwrap_or_default();
        write!(f, "{scheme}://{host}")
    }
}

// === impl Debug ===

impl fmt::Debug for RelayGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayGrant")
            .field("upstreams", &self.upstreams)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_an_upstream_is_a_scheme_a_host_a_port_and_a_plain_path() {
        for (text, host, base) in [
            ("wss://lk.example.com", "lk.example.com", ""),
            ("https://lk.example.com:443/", "lk.example.com", ""),
            (
                "wss://LK.example.com:8443/a/b/",
                "lk.example.com:8443",
                "/a/b",
            ),
            ("ws://[::1]:7880", "[::1]:7880", ""),
            ("ws://[::1]", "[::1]", ""),
        ] {
            let upstream = Upstream::parse(text).unwrap();
            assert_eq!(
                (upstream.host().to_str().unwrap(), upstream.base()),
                (host, base)
            );
        }
        for text in [
            "lk.example.com",
            "ftp://lk.example.com",
            "wss://u@lk.example.com",
            "wss://",
            "wss://lk.example.com/?a",
            "wss://lk.example.com/#a",
            "wss://127.1",
            "wss://lk.example.com/../a",
            "wss://lk.example.com//a",
            "wss://lk.example.com:0",
        ] {
            assert!(Upstream::parse(text).is_err(), "{text}");
        }
    }
}
