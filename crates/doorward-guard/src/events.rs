//! What the owner of a session is told as it happens.
//!
//! Rooms publish, tabs listen. A tab that was away catches up on the last
//! [`defaults::EVENT_REPLAY`] events by id, or learns that it missed some.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::defaults;
use crate::table::sessions::SessionId;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts up from one in each run.
    pub id: u64,
    /// Such as `grant.revoked`.
    pub kind: &'static str,
    /// What happened, as JSON on one line.
    pub data: Arc<str>,
    /// Only this session is told; all are, if there is none.
    pub audience: Option<SessionId>,
}

/// Where events are published and heard. Clones share one stream.
#[derive(Clone, Debug)]
pub struct Events(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    past: Mutex<Past>,
    live: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Past {
    last: u64,
    recent: VecDeque<Event>,
}

/// A listener: what it missed, and what is to come.
#[derive(Debug)]
pub struct Subscription {
    /// Events after the id that the listener had seen.
    pub missed: Vec<Event>,
    /// Whether some are gone for good: reload what is shown.
    pub gap: bool,
    /// Events from now on.
    pub live: broadcast::Receiver<Event>,
}

impl Events {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        let live = broadcast::Sender::new(defaults::EVENT_REPLAY);
        Self(Arc::new(Hub {
            past: Mutex::default(),
            live,
        }))
    }

    /// Tells `audience`, or everybody, that `kind` happened.
    pub fn publish<T: Serialize>(
        &self,
        kind: &'static str,
        data: &T,
        audience: Option<&SessionId>,
    ) {
        let data = serde_json::to_string(data).unwrap_or_default().into();
        let mut past = self.0.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.last += 1;
        let event = Event {
            id: past.last,
            kind,
            data,
            audience: audience.cloned(),
        };
        if past.recent.len() >= defaults::EVENT_REPLAY {
            past.recent.pop_front();
        }
        past.recent.push_back(event.clone());
        // Sent under the lock, so that nobody hears events out of order. An
        // error says that nobody listens.
        let _ = self.0.live.send(event);
    }

    /// The same for what only matters now, such as figures: who was away does not
    /// catch up on it, and it takes no place among what is kept.
    pub fn publish_passing<T: Serialize>(
        &self,
        kind: &'static str,
        data: &T,
        audience: Option<&SessionId>,
    ) {
        let data = serde_json::to_string(data).unwrap_or_default().into();
        let past = self.0.past.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            id: past.last,
            kind,
            data,
            audience: audience.cloned(),
        };
        let _ = self.0.live.send(event);
    }

    /// Listens, from after the event `seen` if the listener was here before.
    #[must_use]
    pub fn subscribe(&self, seen: Option<u64>) -> Subscription {
        let past = self.0.past.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.0.live.subscribe();
        let Some(seen) = seen else {
            return Subscription {
                missed: Vec::new(),
                gap: false,
                live,
            };
        };
        let missed: Vec<_> = past
            .recent
            .iter()
            .filter(|event| event.id > seen)
            .cloned()
            .collect();
        let first_kept = past.recent.front().map_or(past.last + 1, |event| event.id);
        // An id from the future is one of an earlier run.
        let gap = seen > past.last || seen + 1 < first_kept;
        Subscription { missed, gap, live }
    }
}

// === impl Events ===

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Event ===

impl Event {
    /// Whether the session `id` is told.
    #[must_use]
    pub fn is_for(&self, id: &SessionId) -> bool {
        self.audience.as_ref().is_none_or(|audience| audience == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_catches_up_on_what_it_missed() {
        let events = Events::new();
        for number in 0..5 {
            events.publish("test", &number, None);
        }
        let subscription = events.subscribe(Some(3));
        let ids: Vec<_> = subscription.missed.iter().map(|event| event.id).collect();
        assert_eq!(ids, [4, 5]);
        assert!(!subscription.gap);
        assert!(events.subscribe(None).missed.is_empty());
    }

    #[test]
    fn a_gap_is_told() {
        let events = Events::new();
        for number in 0..=defaults::EVENT_REPLAY + 1 {
            events.publish("test", &number, None);
        }
        assert!(events.subscribe(Some(1)).gap);
        assert!(!events.subscribe(Some(2)).gap);
        assert!(
            Events::new().subscribe(Some(7)).gap,
            "an id of an earlier run"
        );
    }
}
