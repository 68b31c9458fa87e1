//! Where the URLs of one connection's messages lead.

use std::fmt;
use std::sync::Arc;

use doorward_guard::Grant;
use zeroize::Zeroizing;

use crate::grant::{LiveKit, RelayGrant, Stun};
use crate::ice::IceUrl;
use crate::livekit::{IceAdvice, ice_advice};
use crate::relay::Relay;
use crate::rewrite::EditMessage;
use crate::signal::{self, Ice, Malformed, Maps};
use crate::turn::NoPort;

/// Maps what an upstream names: TURN servers to tunnels, the grant's own upstreams
/// to the grant's URL.
pub(crate) struct Mapping {
    pub(crate) relay: Arc<Relay>,
    pub(crate) grant: Arc<Grant<RelayGrant>>,
    pub(crate) connection: String,
    /// The grant's URL, as the page named it.
    pub(crate) here: Zeroizing<String>,
    pub(crate) asked: LiveKit,
    pub(crate) list: IceList,
}

/// What a list of ICE servers came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IceList {
    turn: usize,
    over_udp: usize,
    no_port: Option<NoPort>,
}

impl EditMessage for Mapping {
    fn edit(&mut self, message: &[u8], is_text: bool) -> Result<Option<Vec<u8>>, Malformed> {
        signal::rewrite(message, is_text, self)
    }
}

impl Maps for Mapping {
    fn ice(&mut self, url: &str) -> Ice {
        let kind = IceUrl::parse(url);
        if !self.asked.turn {
            self.list.turn += usize::from(matches!(kind, IceUrl::Turn(_) | IceUrl::TurnOverUdp));
            return Ice::Kept;
        }
        match kind {
            IceUrl::Turn(server) => match self.relay.turn_port(&self.grant, &server) {
                Ok(port) => {
                    self.list.turn += 1;
                    Ice::Replaced(format!("turn:127.0.0.1:{port}?transport=tcp"))
                }
                Err(no_port) => {
                    self.list.no_port = Some(no_port);
                    Ice::Dropped
                }
            },
            IceUrl::TurnOverUdp => {
                self.list.over_udp += 1;
                Ice::Dropped
            }
            IceUrl::Stun if self.asked.stun == Stun::Kept => Ice::Kept,
            IceUrl::Stun | IceUrl::Other => Ice::Dropped,
        }
    }

    fn ice_listed(&mut self) {
        let list = std::mem::take(&mut self.list);
        if list.turn > 0 {
            return;
        }
        let warning = match list {
            IceList {
                no_port: Some(NoPort::TooMany),
                ..
            } => "tooManyTurnServers",
            IceList {
                no_port: Some(NoPort::System),
                ..
            } => "noPort",
            IceList { over_udp: 1.., .. } => "turnOverUdpOnly",
            // Who is told to use nothing but TURN can never connect.
            _ if self.asked.turn || self.is_far() => "noTurn",
            _ => return,
        };
        self.relay
            .tell_warning(&self.grant, Some(&self.connection), warning);
    }

    fn server(&mut self, url: &str) -> Option<String> {
        let known = self
            .grant
            .data
            .upstreams
            .iter()
            .any(|upstream| upstream.is_named_by(url));
        known.then(|| self.here.to_string())
    }
}

impl Mapping {
    fn is_far(&self) -> bool {
        self.grant
            .data
            .upstream()
            .is_some_and(|upstream| ice_advice(&upstream.target().to_string()) == IceAdvice::Relay)
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
