//! What the room keeps count of for TURN, and what it tells of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_egress::Target;
use doorward_guard::audit::Event;
use doorward_guard::{Grant, Peer, Refusal};
use serde_json::json;

use super::TurnReport;
use crate::grant::RelayGrant;
use crate::relay::{Relay, Slot};

impl Relay {
    /// Whose process is there.
    pub(crate) fn peer(&self, local: SocketAddr, remote: SocketAddr) -> Peer {
        self.peers
            .get()
            .map_or(Peer::NotChecked, |lookup| lookup(local, remote))
    }

    /// A place among the connections to TURN servers.
    pub(crate) fn take_turn_slot(&self, grant: &RelayGrant) -> Option<Slot> {
        Some(Slot {
            _own: Arc::clone(&grant.turn_slots).try_acquire_owned().ok()?,
            _all: Arc::clone(&self.turn_slots).try_acquire_owned().ok()?,
        })
    }

    /// The next name of a connection to a TURN server.
    pub(crate) fn turn_name(&self) -> String {
        format!("turn-{}", self.turn_count.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn tell_turned_away(&self, refusal: &Refusal) {
        self.audit.record(Event::refused("relay", refusal, ""));
    }

    pub(crate) fn tell_turn_opened(
        &self,
        grant: &Grant<RelayGrant>,
        connection: &str,
        server: &Target,
    ) {
        let data = json!({
            "id": grant.id().as_str(),
            "connection": connection,
            "server": server.authority(),
            "tls": server.is_tls(),
        });
        self.events
            .publish("relay.turnOpened", &data, grant.owner());
    }

    pub(crate) fn tell_turn_closed(
        &self,
        grant: &Grant<RelayGrant>,
        connection: &str,
        server: &Target,
        report: &TurnReport,
    ) {
        grant.data.traffic.is_news();
        tracing::debug!(
            connection,
            up = report.up,
            down = report.down,
            end = report.reason,
            refused = report.refused,
            "a connection to a TURN server ended"
        );
        let data = json!({
            "id": grant.id().as_str(),
            "connection": connection,
            "server": server.authority(),
            "tls": server.is_tls(),
            "bytesUp": report.up,
            "bytesDown": report.down,
            "reason": report.reason,
            "refused": report.refused,
            "allocated": report.allocated,
        });
        let (kind, owner) = ("relay.turnClosed", grant.owner());
        if report.opened {
            self.events.publish(kind, &data, owner);
        } else {
            // Whoever comes can make these: they must not push out what is kept.
            self.events.publish_passing(kind, &data, owner);
        }
    }
}
