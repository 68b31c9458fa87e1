//! Where a gateway is, and how it is reached: directly, at an address that was
//! checked, and once a name led to one always at that one.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_egress::{AddressPolicy, Dialer, EgressError, Proxies, Stream, Target};

use crate::denial::{Denial, Denied};

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host and port.
    Tcp(Target),
    /// A socket of this user's, or of root's.
    Unix(PathBuf),
}

/// A text that is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write host:port, or unix: and an absolute path")]
pub struct NotAPlace;

/// A way to one place.
pub(crate) struct Reach {
    place: Place,
    dialer: Dialer,
    /// The address that answered when the name was first asked for.
    pinned: Mutex<Option<Target>>,
}

impl Place {
    /// Reads `host:port` or `unix:/path`.
    ///
    /// # Errors
    ///
    /// Anything else: no port, a host that a resolver would read as another, a path
    /// that is not absolute.
    pub fn parse(text: &str) -> Result<Self, NotAPlace> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() && !text.contains('\0') {
                Ok(Self::Unix(path))
            } else {
                Err(NotAPlace)
            };
        }
        let (_, port) = text.rsplit_once(':').ok_or(NotAPlace)?;
        let stray = |c: char| matches!(c, '/' | '?' | '#' | '@') || c.is_whitespace();
        if port.is_empty() || text.contains(stray) {
            return Err(NotAPlace);
        }
        let uri: http::Uri = format!("http://{text}/").parse().map_err(|_| NotAPlace)?;
        Target::parse(&uri).map(Self::Tcp).map_err(|_| NotAPlace)
    }
}

// === impl Reach ===

impl Reach {
    /// The place may be on this machine or in a local network: never a link-local
    /// address or a cloud's metadata service. Of `dialer` counts whom it trusts.
    pub(crate) fn new(place: Place, dialer: Dialer) -> Self {
        let policy = AddressPolicy::public().with_local_networks();
        Self {
            place,
            dialer: dialer.with_policy(policy).with_proxies(Proxies::none()),
            pinned: Mutex::default(),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A stream to the host and port, at the address that answered the first time.
    pub(crate) async fn tcp(&self) -> Result<Stream, Denied> {
        let Place::Tcp(target) = &self.place else {
            return Err(Denial::ServiceUnavailable.because("the place is a socket"));
        };
        if let Some(pinned) = self.pinned() {
            return self.dial(&pinned).await;
        }
        let stream = self.dial(target).await?;
        let peer = stream.socket().peer_addr();
        let peer = peer.map_err(|error| Denial::UpstreamDisconnected.because(error.to_string()))?;
        let mine = target.at(peer);
        // Of two that ask at once, the first stays.
        let first = self.lock().get_or_insert_with(|| mine.clone()).clone();
        if first == mine {
            return Ok(stream);
        }
        self.dial(&first).await
    }

    /// What nobody may be shown of it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = match &self.place {
            Place::Tcp(target) => vec![target.authority()],
            Place::Unix(path) => vec![path.display().to_string()],
        };
        if let Some(pinned) = self.pinned() {
            secrets.push(pinned.authority());
        }
        secrets
    }

    async fn dial(&self, target: &Target) -> Result<Stream, Denied> {
        let stream = self.dialer.dial_bytes(target).await;
        stream.map_err(|error| unreached(&error))
    }

    fn pinned(&self) -> Option<Target> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Target>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A socket whose other side is this user, root, or one of `others`.
#[cfg(unix)]
pub(crate) async fn unix(
    path: &std::path::Path,
    others: &[u32],
) -> Result<tokio::net::UnixStream, Denied> {
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| Denial::UpstreamDisconnected.because(error.to_string()))?;
    let peer = stream
        .peer_cred()
        .map_err(|error| Denial::HostKeyMismatch.because(error.to_string()))?;
    let mine = rustix::process::getuid().as_raw();
    if peer.uid() != mine && peer.uid() != 0 && !others.contains(&peer.uid()) {
        let why = format!("the socket is of user {}", peer.uid());
        return Err(Denial::HostKeyMismatch.because(why));
    }
    Ok(stream)
}

#[cfg(not(unix))]
pub(crate) fn no_sockets() -> Denied {
    Denial::ServiceUnavailable.because("there are no Unix sockets here")
}

pub(crate) fn unreached(error: &EgressError) -> Denied {
    let denial = match error {
        error if error.is_timeout() => Denial::UpstreamTimeout,
        // The other side is not who it should be.
        EgressError::Tls { .. } | EgressError::PinMismatch { .. } => Denial::HostKeyMismatch,
        _ => Denial::UpstreamDisconnected,
    };
    denial.because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_port_or_an_absolute_socket() {
        for good in [
            "127.0.0.1:2327",
            "[::1]:2327",
            "gate.example:1",
            "unix:/run/user/1/gate",
        ] {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:99999",
            "127.1:2327",
            "0x7f.0.0.1:2327",
            "a@b:1",
            "a:1/x",
            "http://a:1",
            "unix:relative",
            "unix:",
            "a b:1",
        ] {
            assert_eq!(Place::parse(bad), Err(NotAPlace), "{bad}");
        }
    }

    #[tokio::test]
    async fn op_g2_a_name_is_resolved_once_whatever_it_leads_to_later() {
        use doorward_egress::Trust;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |host: &str| Place::parse(&format!("{host}:{port}")).unwrap();
        let dialer = Dialer::new(AddressPolicy::public(), Trust::platform());
        let mut reach = Reach::new(at("localhost"), dialer);
        assert_eq!(reach.secrets(), [format!("localhost:{port}")]);
        reach.tcp().await.unwrap();
        let pinned = format!("127.0.0.1:{port}");
        assert_eq!(reach.secrets(), [format!("localhost:{port}"), pinned]);
        // A name that leads nowhere now.
        reach.place = at("gone.invalid");
        reach.tcp().await.unwrap();
    }
}
