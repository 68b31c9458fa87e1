//! The relay room: its grants, its tunnels, and what they come to.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use doorward_egress::Dialer;
use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::events::Events;
use doorward_guard::rules::fetch_metadata::Uses;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Clock, Grant, GrantOptions, Grants, Peer, SessionId};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::defaults;
use crate::error::RelayError;
use crate::grant::{RelayGrant, RelayOptions, Upstream};
use crate::traffic::milliseconds;
use crate::tunnel::Report;
use crate::turn::PeerLookup;
use crate::ways::{self, Ways};

/// The relay room. One per bridge.
pub struct Relay {
    pub(crate) clock: Clock,
    pub(crate) grants: Arc<Grants<RelayGrant>>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) turn_slots: Arc<Semaphore>,
    pub(crate) turn_listeners: Arc<Semaphore>,
    pub(crate) turn_count: AtomicU64,
    pub(crate) peers: OnceLock<Box<PeerLookup>>,
    pub(crate) ways: Ways,
    configured: Mutex<BTreeMap<Arc<str>, (Upstream, RelayOptions)>>,
    pub(crate) events: Events,
    pub(crate) audit: Arc<dyn AuditSink>,
    dialer: Dialer,
    content: String,
}

/// A grant as its maker gets it. The URL is told here and never again; `Debug`
/// leaves it out.
#[derive(Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Minted {
    /// The capability: `ws://127.0.0.1:P/r/<token>`, for a client to append its
    /// own path to.
    pub url: String,
    /// Its public name: for revoking.
    pub id: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// The room at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Live grants.
    pub grants: usize,
    /// Open connections.
    pub connections: usize,
    /// Open connections to TURN servers.
    pub turn_connections: usize,
}

/// A place among the connections; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) _own: OwnedSemaphorePermit,
    pub(crate) _all: OwnedSemaphorePermit,
}

impl Relay {
    /// An empty room whose URLs begin with `content`, the content listener's
    /// origin. Upstreams are dialled with `dialer`'s trust, proxies and budgets;
    /// each grant brings an address policy of its own.
    #[must_use]
    pub fn new(
        clock: &Clock,
        events: &Events,
        audit: &Arc<dyn AuditSink>,
        content: &str,
        dialer: Dialer,
    ) -> Arc<Self> {
        let grants = Arc::new(Grants::with_capacity(clock, defaults::GRANTS));
        let told = events.clone();
        grants.on_end(move |grant: &Arc<Grant<RelayGrant>>, fate: Fate| {
            let data = json!({ "id": grant.id().as_str(), "reason": fate.word() });
            told.publish("relay.revoked", &data, grant.owner());
        });
        let content = content.trim_end_matches('/');
        Arc::new(Self {
            clock: clock.clone(),
            grants,
            slots: Arc::new(Semaphore::new(defaults::CONNECTIONS_ALL)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            turn_slots: Arc::new(Semaphore::new(defaults::TURN_CONNECTIONS_ALL)),
            turn_listeners: Arc::new(Semaphore::new(defaults::TURN_LISTENERS)),
            turn_count: AtomicU64::new(0),
            peers: OnceLock::new(),
            ways: Ways::default(),
            configured: Mutex::default(),
            events: events.clone(),
            audit: Arc::clone(audit),
            dialer,
            content: content.replacen("http", "ws", 1),
        })
    }

    /// Opens `upstream` under a URL of its own.
    ///
    /// # Errors
    ///
    /// [`RelayError::InvalidUpstream`] for one without TLS where the options do not
    /// allow that; [`Rule::CapacityReached`](doorward_guard::Rule) when there are
    /// too many grants, and whatever keeps the audit from being written.
    pub fn grant(&self, upstream: Upstream, options: &RelayOptions) -> Result<Minted, RelayError> {
        let data = options.open(upstream, &self.dialer)?;
        let mut event = Event::allowed(Kind::GrantMinted, "relay").count(1);
        if let Some(session) = &options.owner {
            event = event.subject(session.as_str());
        }
        self.audit.decide(event)?;
        let options = GrantOptions {
            life: options.life.min(defaults::GRANT_LIFE_MOST),
            idle: None,
            owner: options.owner.clone(),
            origins: options.origins.clone(),
            uses: Uses {
                framed: false,
                document: false,
            },
        };
        data.traffic.is_news();
        let (token, grant) = self.grants.mint(data, options)?;
        Ok(Minted {
            url: format!("{}/r/{}", self.content, token.reveal().as_str()),
            id: grant.id().to_string(),
            expires_at: self.clock.rfc3339(grant.expires()),
        })
    }

    /// Remembers `upstream` under the name that its options have, so that people
    /// open it by that name, with these options and no others. One without a name
    /// is not remembered; of two with one name, the later is.
    pub fn configure(&self, upstream: Upstream, options: RelayOptions) {
        if let Some(name) = options.name.clone() {
            self.configured().insert(name, (upstream, options));
        }
    }

    /// What was configured under this name.
    pub(crate) fn configured_as(&self, name: &str) -> Option<(Upstream, RelayOptions)> {
        self.configured().get(name).cloned()
    }

    fn configured(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, (Upstream, RelayOptions)>> {
        self.configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a grant: its sockets close with 1008. Whether it was live until now.
    pub fn revoke(&self, id: &str) -> bool {
        self.grants.revoke(id)
    }

    /// The live grants, newest first.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Grant<RelayGrant>>> {
        self.grants.live()
    }

    /// Ends what a session owned.
    pub fn session_ended(&self, id: &SessionId) {
        self.grants.revoke_owned(Fate::SessionEnded, id);
    }

    /// Ends what belongs to a session that is not among `live`.
    pub fn end_orphans(&self, live: &HashSet<SessionId>) {
        for owner in self.grants.owners() {
            if !live.contains(&owner) {
                self.session_ended(&owner);
            }
        }
    }

    /// The sessions of which a connection is open.
    #[must_use]
    pub fn streaming_sessions(&self) -> Vec<SessionId> {
        if self.totals().connections == 0 {
            return Vec::new();
        }
        self.grants
            .live()
            .iter()
            .filter(|grant| grant.data.connections() > 0)
            .filter_map(|grant| grant.owner().cloned())
            .collect()
    }

    /// Ends what is due, restarts what would leave by another way now, and tells what
    /// passed since the last time; call it once a second.
    pub fn sweep(&self) {
        self.grants.sweep();
        if self.grants.is_empty() {
            return;
        }
        match self.ways.look(ways::source) {
            0 => {}
            restarted => self.tell_network_changed(restarted),
        }
        let live = self.grants.live();
        let news = live.iter().filter(|grant| grant.data.traffic.take_news());
        // `take` stops asking: the news of the rest stays news.
        let changed: Vec<_> = news
            .take(defaults::STATS_AT_ONCE)
            .map(|grant| self.view(grant))
            .collect();
        if !changed.is_empty() {
            let stats = json!({ "relays": changed });
            self.events.publish_passing("relay.stats", &stats, None);
        }
    }

    /// The room at a glance.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            grants: self.grants.len(),
            connections: defaults::CONNECTIONS_ALL.saturating_sub(self.slots.available_permits()),
            turn_connections: defaults::TURN_CONNECTIONS_ALL
                .saturating_sub(self.turn_slots.available_permits()),
        }
    }

    /// Asks `lookup` whose process connects to a port of a TURN tunnel, and takes
    /// the same user's alone. Nobody is asked unless this is called; the second
    /// call changes nothing.
    pub fn check_peers(
        &self,
        lookup: impl Fn(SocketAddr, SocketAddr) -> Peer + Send + Sync + 'static,
    ) {
        let _ = self.peers.set(Box::new(lookup));
    }

    /// The machine's network is another now, such as with or without a VPN: closes
    /// every socket with 1012, so that clients come back on the new way, and cuts
    /// the connections to TURN servers. Grants stay. [`sweep`](Self::sweep) does
    /// the same by itself to those that would leave by another way now; this is for
    /// who knows of a change that the routing table does not show.
    pub fn network_changed(&self) {
        let Totals {
            connections,
            turn_connections,
            ..
        } = self.totals();
        self.ways.restart_all();
        self.tell_network_changed(connections + turn_connections);
    }

    fn tell_network_changed(&self, connections: usize) {
        let data = json!({ "connections": connections });
        self.events.publish("relay.networkChanged", &data, None);
    }

    /// Closes every socket with 1001 and waits until they are gone, a second or
    /// so. Calling it twice is harmless.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        let most = defaults::CUT_WITHIN + defaults::LINGER + Duration::from_secs(1);
        let _ = tokio::time::timeout(most, self.tasks.wait()).await;
        self.grants.revoke_where(Fate::Closed, |_| true);
    }

    /// A place among the grant's connections and all others.
    pub(crate) fn take_slot(&self, grant: &RelayGrant) -> Result<Slot, RelayError> {
        let take = |from: &Arc<Semaphore>| {
            Arc::clone(from)
                .try_acquire_owned()
                .map_err(|_| RelayError::TooManyConnections)
        };
        Ok(Slot {
            _own: take(&grant.slots)?,
            _all: take(&self.slots)?,
        })
    }

    /// Something that will not work, and whose doing it is not.
    pub(crate) fn tell_warning(
        &self,
        grant: &Grant<RelayGrant>,
        connection: Option<&str>,
        warning: &'static str,
    ) {
        tracing::warn!(connection, warning, "a call will not get far");
        let data = json!({
            "id": grant.id().as_str(),
            "connection": connection,
            "warning": warning,
        });
        self.events.publish("relay.warning", &data, grant.owner());
    }

    pub(crate) fn tell_opened(&self, grant: &Grant<RelayGrant>, connection: &str) {
        let data = json!({ "id": grant.id().as_str(), "connection": connection });
        grant.data.traffic.is_news();
        self.events.publish("relay.opened", &data, grant.owner());
    }

    pub(crate) fn tell_closed(&self, grant: &Grant<RelayGrant>, connection: &str, report: &Report) {
        grant.data.traffic.ended(report.end.word());
        tracing::debug!(
            connection,
            up = report.up.bytes,
            down = report.down.bytes,
            end = report.end.word(),
            "a tunnel ended"
        );
        let data = json!({
            "id": grant.id().as_str(),
            "connection": connection,
            "bytesUp": report.up.bytes,
            "bytesDown": report.down.bytes,
            "framesUp": report.up.frames,
            "framesDown": report.down.frames,
            "reason": report.end.word(),
            "rttPageMs": milliseconds(report.rtt.page),
            "rttUpstreamMs": milliseconds(report.rtt.upstream),
        });
        self.events.publish("relay.closed", &data, grant.owner());
    }
}

// === impl Minted ===

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
