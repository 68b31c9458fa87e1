//! An audit in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::AuditSink;
use super::coalesce::Coalescer;
use super::event::Event;
use super::record::{Chain, Link, Record};
use super::ring::{Ring, Select};
use crate::clock::{self, Clock};
use crate::defaults;
use crate::refusal::Refusal;

/// A sink that keeps the latest records in memory: for tests, and for programs
/// that embed the guard and keep no file. It never refuses a decision.
#[derive(Debug)]
pub struct Ledger {
    clock: Clock,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    chain: Chain,
    ring: Ring,
    coalescer: Coalescer,
}

impl Ledger {
    /// Keeps the latest [`defaults::AUDIT_QUEUE`] records.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self::with_capacity(clock, defaults::AUDIT_QUEUE)
    }

    /// Keeps the latest `most` records.
    #[must_use]
    pub fn with_capacity(clock: &Clock, most: usize) -> Self {
        let pages = Pages {
            chain: Chain::new(),
            ring: Ring::new(most),
            coalescer: Coalescer::new(),
        };
        Self {
            clock: clock.clone(),
            pages: Mutex::new(pages),
        }
    }

    /// The latest `limit` records with a number above `after`, oldest first.
    #[must_use]
    pub fn recent(&self, after: u64, limit: usize) -> Vec<Record> {
        self.select(&Select::after(after, limit))
    }

    /// The last record.
    #[must_use]
    pub fn end(&self) -> Link {
        self.pages().chain.end().clone()
    }

    /// Also tells what has been held back long enough.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        for event in pages.coalescer.due(self.clock.now()) {
            self.write(&mut pages, &event);
        }
        pages
    }

    fn write(&self, pages: &mut Pages, event: &Event) {
        let record = pages.chain.seal(event, clock::rfc3339(self.clock.wall()));
        pages.ring.push(record);
    }
}

// === impl AuditSink ===

impl AuditSink for Ledger {
    fn record(&self, event: Event) {
        let mut pages = self.pages();
        if let Some(event) = pages.coalescer.offer(event, self.clock.now()) {
            self.write(&mut pages, &event);
        }
    }

    fn decide(&self, event: Event) -> Result<(), Refusal> {
        self.write(&mut self.pages(), &event);
        Ok(())
    }

    fn select(&self, select: &Select) -> Vec<Record> {
        self.pages().ring.select(select)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audit::{Kind, verify};
    use crate::refusal::Rule;

    #[test]
    fn the_latest_are_kept_in_order_and_bound() {
        let (clock, _hand) = Clock::fake();
        let ledger = Ledger::with_capacity(&clock, 10);
        for number in 1..=25 {
            ledger
                .decide(Event::allowed(Kind::GrantMinted, "grants").count(number))
                .unwrap();
        }
        let all = ledger.recent(0, 100);
        assert_eq!(
            all.iter().map(|record| record.seq).collect::<Vec<_>>(),
            (16..=25).collect::<Vec<_>>()
        );
        let before = Link {
            seq: 15,
            hash: all[0].prev.clone(),
        };
        let lines: Vec<_> = all.iter().map(Record::line).collect();
        assert_eq!(verify(lines, Some(&before)).unwrap().end, ledger.end());
        let seqs = |after, limit| {
            ledger
                .recent(after, limit)
                .iter()
                .map(|record| record.seq)
                .collect::<Vec<_>>()
        };
        assert_eq!(seqs(22, 100), [23, 24, 25]);
        assert_eq!(seqs(0, 2), [24, 25]);
        assert!(seqs(25, 2).is_empty() && seqs(0, 0).is_empty());
    }

    #[test]
    fn refusals_are_coalesced_and_decisions_are_not() {
        let (clock, hand) = Clock::fake();
        let ledger = Ledger::new(&clock);
        for _ in 0..100 {
            ledger.record(Event::refused("claim", &Rule::TicketInvalid.into(), "r"));
            ledger
                .decide(Event::allowed(Kind::SessionClaimed, "claim"))
                .unwrap();
        }
        let kinds = |kind: &str| Select {
            kind: Some(kind.to_owned()),
            ..Select::after(0, 1_000)
        };
        assert_eq!(ledger.select(&kinds("refused")).len(), 1);
        assert_eq!(ledger.select(&kinds("session")).len(), 100);
        assert_eq!(ledger.select(&kinds("session.claimed")).len(), 100);
        assert!(ledger.select(&kinds("sess")).is_empty());
        hand.advance(Duration::from_secs(1));
        let refused = ledger.select(&kinds("refused"));
        assert_eq!(
            refused
                .iter()
                .map(|record| record.count)
                .collect::<Vec<_>>(),
            [1, 99]
        );
    }
}
