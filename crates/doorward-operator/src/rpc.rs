//! The gateway of kind `capnp`: sessions and capabilities over Cap'n Proto RPC, as
//! `schema/gateway.capnp` has them.
//!
//! What the other side refuses comes as a value, so that its kind is known; an
//! exception of the protocol, or a message over the limit, is the end of the
//! connection and of the session. Arguments are measured before they are sent,
//! because a message over *their* limit would end it as well.
//!
//! A capability is listed with the operations that are known here for its
//! interface (`contracts`), and with none if it is of another. Its interface id
//! is checked by the gateway whenever it is fetched.

mod contracts;
mod link;

/// `schema/gateway.capnp`, made by `cargo xtask generate`.
#[rustfmt::skip]
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::unimplemented,
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    unused_imports,
    unused_mut,
    unused_parens,
    unused_qualifications,
    unused_variables,
    reason = "generated"
)]
pub mod gateway_capnp;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::PoisonError;

use doorward_egress::{AddressPolicy, Dialer, EgressError, Target, Trust};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Asked, AuthKind, AuthMethod, Descriptor, Gateway, Link};
pub use contracts::interfaces;
use link::CapnpLink;

/// Where a gateway of this kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host and port.
    Tcp(Target),
    /// A socket of this user's, or of root's.
    Unix(PathBuf),
}

/// A gateway that speaks Cap'n Proto RPC.
pub struct CapnpGateway {
    place: Place,
    dialer: Dialer,
    /// The address that the name had when it was first asked for.
    pinned: Mutex<Option<Target>>,
}

/// A text that is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write host:port, or unix: and an absolute path")]
pub struct NotAPlace;

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

impl CapnpGateway {
    /// A gateway at `place`, which may be on this machine or in a local network:
    /// never a link-local address or a cloud's metadata service.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let policy = AddressPolicy::public().with_local_networks();
        Self {
            place,
            dialer: Dialer::new(policy, Trust::platform()),
            pinned: Mutex::default(),
        }
    }

    /// The target, by the address that it had the first time.
    async fn pinned(&self, target: &Target) -> Result<Target, Denied> {
        let known = self.lock().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self
            .dialer
            .pin(target)
            .await
            .map_err(|error| unreached(&error))?;
        // Of two that ask at once, the first stays.
        Ok(self.lock().get_or_insert(found).clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Target>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreached(error: &EgressError) -> Denied {
    let denial = if error.is_timeout() {
        Denial::UpstreamTimeout
    } else {
        Denial::UpstreamDisconnected
    };
    denial.because(error.to_string())
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<Rc<dyn Link>, Denied> {
    Ok(Rc::new(CapnpLink::over(stream).await?))
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> Result<Rc<dyn Link>, Denied> {
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| Denial::UpstreamDisconnected.because(error.to_string()))?;
    let peer = stream
        .peer_cred()
        .map_err(|error| Denial::HostKeyMismatch.because(error.to_string()))?;
    if peer.uid() != rustix::process::getuid().as_raw() && peer.uid() != 0 {
        let why = format!("the socket is of user {}", peer.uid());
        return Err(Denial::HostKeyMismatch.because(why));
    }
    speak(stream).await
}

#[cfg(not(unix))]
async fn unix(_: &std::path::Path) -> Result<Rc<dyn Link>, Denied> {
    Err(Denial::ServiceUnavailable.because("there are no Unix sockets here"))
}

// === impl Gateway ===

impl Gateway for CapnpGateway {
    fn descriptor(&self) -> Descriptor {
        let method = |kind, label: &str, interactive| AuthMethod {
            kind,
            label: label.to_owned(),
            profiles: Vec::new(),
            interactive,
            // Which of them an account may use, the gateway says when it is asked.
            enabled: true,
        };
        Descriptor {
            kind: "capnp",
            methods: vec![
                method(AuthKind::Password, "Password", false),
                method(AuthKind::PublicKey, "Key", true),
                method(AuthKind::Guest, "Guest", false),
                method(AuthKind::Anonymous, "Anonymous", false),
            ],
        }
    }

    fn connect(&self) -> Asked<'_, Rc<dyn Link>> {
        Box::pin(async move {
            match &self.place {
                Place::Unix(path) => unix(path).await,
                Place::Tcp(target) => {
                    let target = self.pinned(target).await?;
                    let stream = self.dialer.dial_bytes(&target).await;
                    speak(stream.map_err(|error| unreached(&error))?).await
                }
            }
        })
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = match &self.place {
            Place::Tcp(target) => vec![target.authority()],
            Place::Unix(path) => vec![path.display().to_string()],
        };
        if let Some(pinned) = self.lock().as_ref() {
            secrets.push(pinned.authority());
        }
        for id in interfaces() {
            secrets.extend([format!("{id:#x}"), format!("{id:x}"), id.to_string()]);
        }
        secrets
    }
}

impl fmt::Debug for CapnpGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapnpGateway")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Words of a message that we take: the largest result and what is around it.
fn most_words() -> usize {
    defaults::MESSAGE / 8
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
    async fn op_g2_metadata_and_link_local_addresses_are_not_dialled() {
        for place in [
            "169.254.169.254:80",
            "[fe80::1]:2327",
            "100.100.100.200:80",
            "0.0.0.0:1",
        ] {
            let gateway = CapnpGateway::new(Place::parse(place).unwrap());
            let denied = gateway.connect().await.err().unwrap();
            assert_eq!(denied.denial, Denial::UpstreamDisconnected, "{place}");
            assert!(denied.note.unwrap().contains("not allowed"), "{place}");
        }
    }
}
