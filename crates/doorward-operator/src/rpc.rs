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

use std::rc::Rc;

use doorward_egress::{AddressPolicy, Dialer, Trust};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::defaults;
use crate::denial::Denied;
use crate::gateway::{Asked, AuthKind, AuthMethod, Descriptor, Gateway, Link};
use crate::reach::{self, Reach};
pub use crate::reach::{NotAPlace, Place};
pub use contracts::interfaces;
use link::CapnpLink;

/// A gateway that speaks Cap'n Proto RPC.
#[derive(Debug)]
pub struct CapnpGateway {
    reach: Reach,
}

impl CapnpGateway {
    /// A gateway at `place`, which may be on this machine or in a local network:
    /// never a link-local address or a cloud's metadata service.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let dialer = Dialer::new(AddressPolicy::public(), Trust::platform());
        Self {
            reach: Reach::new(place, dialer),
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<Rc<dyn Link>, Denied> {
    Ok(Rc::new(CapnpLink::over(stream).await?))
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
            match self.reach.place() {
                #[cfg(unix)]
                Place::Unix(path) => speak(reach::unix(path, &[]).await?).await,
                #[cfg(not(unix))]
                Place::Unix(_) => Err(reach::no_sockets()),
                Place::Tcp(_) => speak(self.reach.tcp().await?).await,
            }
        })
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.reach.secrets();
        for id in interfaces() {
            secrets.extend([format!("{id:#x}"), format!("{id:x}"), id.to_string()]);
        }
        secrets
    }
}

/// Words of a message that we take: the largest result and what is around it.
fn most_words() -> usize {
    defaults::MESSAGE / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denial::Denial;

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
