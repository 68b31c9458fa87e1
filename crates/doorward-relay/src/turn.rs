//! TURN servers under ports of ours, so that media too leaves the way that the
//! native process leaves.
//!
//! A page's `iceServers` name `turn:127.0.0.1:<port>?transport=tcp`; what connects
//! there is carried byte for byte to the real server, over TCP or TLS, dialled as
//! everything else is. Credentials, DTLS and SRTP stay end to end.
//!
//! # Who may come
//!
//! The port cannot carry a token, and an attacker on this machine can find it. So:
//!
//! - it listens on 127.0.0.1 alone, for one grant and one server, and ends with
//!   the grant;
//! - only processes of the same user are taken, where the platform tells;
//! - nothing is dialled before the first bytes are a STUN request for a place
//!   (or a binding), and nothing else passes until the server has made a place,
//!   which takes credentials that only the grant's page was given; that has to
//!   happen within [`defaults::TURN_ALLOCATE_WITHIN`] and
//!   within a few kilobytes;
//! - connections are few, for each grant and in total.
//!
//! What remains to such a process is to guess a TURN server's credentials, as
//! from anywhere else, and to take places among the grant's connections. A server
//! that sends its client elsewhere (300) is cut off: the client would go there
//! past the tunnel.
//!
//! Firefox takes no TURN server on loopback unless
//! `media.peerconnection.ice.loopback` is set; Chromium's engine does.
//!
//! Which server is dialled comes out of the upstream's own messages, the one
//! exception to the rule that a grant names all that is reached. The grant's
//! address policy holds for it, and what does not speak STUN is cut off at once.

mod carry;
mod room;
pub mod stun;

pub(crate) use carry::TurnReport;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_egress::Target;
use doorward_guard::policy::PeerRule;
use doorward_guard::rules::peer;
use doorward_guard::{Grant, Peer};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::defaults;
use crate::grant::RelayGrant;
use crate::relay::Relay;

/// Tells whose process is at the other end of a connection that was accepted at
/// the first address from the second.
pub type PeerLookup = dyn Fn(SocketAddr, SocketAddr) -> Peer + Send + Sync;

/// The tunnels of one grant.
#[derive(Default)]
pub(crate) struct Tunnels(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_server: HashMap<Target, Tunnel>,
    asked: u64,
}

struct Tunnel {
    port: u16,
    /// When it was asked for last.
    asked: u64,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// What an accept loop knows.
struct Post {
    relay: Arc<Relay>,
    grant: Arc<Grant<RelayGrant>>,
    server: Target,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPort {
    /// As many as may be are taken.
    TooMany,
    /// The system gives none.
    System,
}

impl Relay {
    /// The port under which `server` is reached for this grant; the same one as
    /// long as the grant lives and others do not need its place.
    pub(crate) fn turn_port(
        self: &Arc<Self>,
        grant: &Arc<Grant<RelayGrant>>,
        server: &Target,
    ) -> Result<u16, NoPort> {
        let mut table = grant
            .data
            .tunnels
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        table.asked += 1;
        let asked = table.asked;
        if let Some(tunnel) = table.by_server.get_mut(server) {
            tunnel.asked = asked;
            return Ok(tunnel.port);
        }
        table.make_room()?;
        let place = Arc::clone(&self.turn_listeners)
            .try_acquire_owned()
            .map_err(|_| NoPort::TooMany)?;
        let listener = listen().map_err(|error| {
            tracing::warn!(%error, "there is no port for a TURN tunnel");
            NoPort::System
        })?;
        let port = listener.local_addr().map_err(|_| NoPort::System)?.port();
        let open = Arc::new(AtomicUsize::new(0));
        let stop = self.stop.child_token();
        let post = Post {
            relay: Arc::clone(self),
            grant: Arc::clone(grant),
            server: server.clone(),
            open: Arc::clone(&open),
            stop: stop.clone(),
            _place: place,
        };
        self.tasks.spawn(accept(listener, post));
        let tunnel = Tunnel {
            port,
            asked,
            open,
            stop,
        };
        table.by_server.insert(server.clone(), tunnel);
        Ok(port)
    }
}

// === impl Tunnels ===

impl Tunnels {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_server.len()
    }
}

impl Table {
    /// Servers change from one answer to the next: the tunnel that nobody uses and
    /// that was not asked for the longest makes way.
    fn make_room(&mut self) -> Result<(), NoPort> {
        if self.by_server.len() < defaults::TURN_SERVERS {
            return Ok(());
        }
        let idle = self
            .by_server
            .iter()
            .filter(|(_, tunnel)| tunnel.open.load(Ordering::Relaxed) == 0)
            .min_by_key(|(_, tunnel)| tunnel.asked)
            .map(|(server, _)| server.clone())
            .ok_or(NoPort::TooMany)?;
        if let Some(tunnel) = self.by_server.remove(&idle) {
            tunnel.stop.cancel();
        }
        Ok(())
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(listener: TcpListener, post: Post) {
    let post = Arc::new(post);
    let ended = post.grant.ended();
    tokio::pin!(ended);
    let mut told_full = false;
    loop {
        let accepted = tokio::select! {
            biased;
            _fate = &mut ended => return,
            () = post.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, remote)) = accepted else {
            // Out of file descriptors: others have to end first.
            tokio::time::sleep(defaults::ACCEPT_AGAIN).await;
            continue;
        };
        // Once, before the first read.
        let who = match stream.local_addr() {
            Ok(local) => post.relay.peer(local, remote),
            Err(_) => Peer::Unknown,
        };
        if let Err(refusal) = peer::check(PeerRule::SameUser, who) {
            post.relay.tell_turned_away(&refusal);
            continue;
        }
        let Some(slot) = post.relay.take_turn_slot(&post.grant.data) else {
            // Once, until there is room again.
            if !std::mem::replace(&mut told_full, true) {
                post.relay
                    .tell_warning(&post.grant, None, "tooManyTurnConnections");
            }
            continue;
        };
        told_full = false;
        let post = Arc::clone(&post);
        post.open.fetch_add(1, Ordering::Relaxed);
        post.relay.clone().tasks.spawn(async move {
            let _slot = slot;
            carry::carry(&post, stream).await;
            post.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

// === impl Debug ===

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnels({})", self.len())
    }
}
