//! What a tunnel tells at its end.

use std::time::Duration;

use doorward_guard::table::grants::Fate;
use tokio::time::Instant;

use crate::frame::Counts;
use crate::rewrite::Fault;

/// What became of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// From the page to the upstream.
    pub up: Counts,
    /// From the upstream to the page.
    pub down: Counts,
    /// Why it ended.
    pub end: End,
    /// How long pings took, the last time.
    pub rtt: Rtt,
}

/// From a ping that passed to the pong behind it, on either side of us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rtt {
    /// To the page and back: the upstream pinged.
    pub page: Option<Duration>,
    /// To the upstream and back: the page's side pinged, which browsers never do.
    pub upstream: Option<Duration>,
}

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Both sides said that they are done.
    Finished,
    /// The page's side broke off.
    ClientBroke,
    /// The upstream's side broke off.
    UpstreamBroke,
    /// One side was done, and the other went on for too long.
    NotDrained,
    /// The grant ended.
    Grant(Fate),
    /// doorward stops.
    Stopping,
    /// The network changed, and the client is to come back.
    NetworkChanged,
    /// A message cannot be looked at, or the frames are none.
    Faulty(Fault),
    /// Nothing came for too long.
    Silent,
}

/// Measures from a ping one way to the pong the other way.
#[derive(Debug, Default)]
pub(super) struct PingClock {
    pings: u64,
    pongs: u64,
    since: Option<Instant>,
    pub(super) took: Option<Duration>,
}

// === impl PingClock ===

impl PingClock {
    /// Whether a ping was answered just now.
    pub(super) fn look(&mut self, pings: u64, pongs: u64) -> bool {
        if pings == self.pings && pongs == self.pongs {
            return false;
        }
        // Of two pings before one pong the first is measured.
        if pings > self.pings && self.since.is_none() {
            self.since = Some(Instant::now());
        }
        let answered = if pongs > self.pongs {
            self.since.take()
        } else {
            None
        };
        (self.pings, self.pongs) = (pings, pongs);
        if let Some(since) = answered {
            self.took = Some(since.elapsed());
        }
        answered.is_some()
    }
}

// === impl End ===

impl End {
    /// The word that events use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientBroke => "clientBroke",
            Self::UpstreamBroke => "upstreamBroke",
            Self::NotDrained => "notDrained",
            Self::Grant(fate) => fate.word(),
            Self::Stopping => "stopping",
            Self::Silent => "silent",
            Self::NetworkChanged => "networkChanged",
            Self::Faulty(Fault::TooBig) => "messageTooBig",
            Self::Faulty(Fault::Unreadable) => "messageUnreadable",
            Self::Faulty(Fault::Frames) => "framesMalformed",
        }
    }
}
