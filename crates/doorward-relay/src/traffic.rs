//! What passes under a grant, counted as it passes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::frame::Counts;
use crate::tunnel::Rtt;

/// Counters of one grant, over all its connections, open ones included.
#[derive(Debug, Default)]
pub struct Traffic {
    up: Way,
    down: Way,
    rtt: Mutex<Rtt>,
    last_end: Mutex<Option<&'static str>>,
    news: AtomicBool,
}

#[derive(Debug, Default)]
struct Way {
    bytes: AtomicU64,
    frames: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// Bytes from pages to the upstream, frame headers included.
    pub bytes_up: u64,
    /// Bytes from the upstream to pages.
    pub bytes_down: u64,
    /// WebSocket frames from pages to the upstream.
    pub frames_up: u64,
    /// WebSocket frames from the upstream to pages.
    pub frames_down: u64,
    /// The last ping of the upstream, to the page and back, in milliseconds.
    pub rtt_page_ms: Option<f64>,
    /// The last ping of the page's side, to the upstream and back, in milliseconds;
    /// browsers never ping.
    pub rtt_upstream_ms: Option<f64>,
    /// Why the connection that ended last did, as [`End::word`](crate::tunnel::End).
    pub last_end: Option<&'static str>,
}

// === impl Traffic ===

impl Traffic {
    /// So much more passed since `before`.
    pub(crate) fn add(&self, before: [Counts; 2], now: [Counts; 2]) {
        if before == now {
            return;
        }
        for (way, (before, now)) in [&self.up, &self.down]
            .into_iter()
            .zip(before.iter().zip(&now))
        {
            let more = |now: u64, before: u64| now.saturating_sub(before);
            way.bytes
                .fetch_add(more(now.bytes, before.bytes), Ordering::Relaxed);
            way.frames
                .fetch_add(more(now.frames, before.frames), Ordering::Relaxed);
        }
        self.is_news();
    }

    /// A ping took this long; what is unknown stays as it was.
    pub(crate) fn took(&self, rtt: Rtt) {
        let mut kept = self.rtt.lock().unwrap_or_else(PoisonError::into_inner);
        kept.page = rtt.page.or(kept.page);
        kept.upstream = rtt.upstream.or(kept.upstream);
    }

    /// A connection ended.
    pub(crate) fn ended(&self, word: &'static str) {
        *self.last_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
        self.is_news();
    }

    /// Something of the grant is to be told, if only that it is there.
    pub(crate) fn is_news(&self) {
        self.news.store(true, Ordering::Release);
    }

    /// Whether something is, since this was last asked.
    pub(crate) fn take_news(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn passed(&self) -> Passed {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let rtt = *self.rtt.lock().unwrap_or_else(PoisonError::into_inner);
        Passed {
            bytes_up: of(&self.up.bytes),
            bytes_down: of(&self.down.bytes),
            frames_up: of(&self.up.frames),
            frames_down: of(&self.down.frames),
            rtt_page_ms: milliseconds(rtt.page),
            rtt_upstream_ms: milliseconds(rtt.upstream),
            last_end: *self.last_end.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// To a thousandth of a millisecond.
pub(crate) fn milliseconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_adds_up_over_connections_and_is_news_once() {
        let traffic = Traffic::default();
        assert!(!traffic.take_news());
        let counts = |bytes, frames| Counts {
            bytes,
            frames,
            ..Counts::default()
        };
        let none = [Counts::default(); 2];
        traffic.add(none, none);
        assert!(!traffic.take_news(), "nothing passed");
        traffic.add(none, [counts(10, 1), counts(0, 0)]);
        traffic.add([counts(10, 1), counts(0, 0)], [counts(15, 2), counts(7, 1)]);
        traffic.add(none, [counts(100, 1), counts(0, 0)]);
        assert!(traffic.take_news());
        assert!(!traffic.take_news());
        let rtt = |page, upstream| Rtt {
            page: Some(Duration::from_micros(page)),
            upstream,
        };
        traffic.took(rtt(1_500, None));
        traffic.took(Rtt::default());
        traffic.ended("finished");
        assert!(traffic.take_news());
        let passed = Passed {
            bytes_up: 115,
            bytes_down: 7,
            frames_up: 3,
            frames_down: 1,
            rtt_page_ms: Some(1.5),
            rtt_upstream_ms: None,
            last_end: Some("finished"),
        };
        assert_eq!(traffic.passed(), passed);
    }
}
