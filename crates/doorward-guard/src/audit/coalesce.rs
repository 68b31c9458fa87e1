//! Many refusals, told as few.

use std::borrow::Cow;
use std::collections::HashMap;

use super::event::Event;
use crate::clock::Moment;
use crate::defaults;
use crate::refusal::Rule;

/// Pairs of surface and rule that are counted apart. There are far fewer; the
/// bound is for surfaces that an embedder names at run time.
const PAIRS: usize = 1_024;
/// The surface under which all further ones are counted.
const OTHERS: &str = "others";

/// Tells refusals of unproven callers once per [`defaults::AUDIT_COALESCE`], per
/// surface and rule, with their count. The first is told at once, so that a
/// single refusal is never late; no count is lost.
#[derive(Debug, Default)]
pub struct Coalescer {
    windows: HashMap<(Cow<'static, str>, Rule), Window>,
}

#[derive(Debug)]
struct Window {
    opened: Moment,
    held: Option<Event>,
}

impl Coalescer {
    /// Holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives back what is to be told now: `event` itself, or one that it was
    /// added to, or nothing. Whatever is not a refusal of an unproven caller
    /// comes back unchanged.
    pub fn offer(&mut self, event: Event, now: Moment) -> Option<Event> {
        let Some(rule) = event.denial().filter(|_| event.is_unproven_refusal()) else {
            return Some(event);
        };
        let mut key = (event.surface_cow().clone(), rule);
        let mut event = event;
        if self.windows.len() >= PAIRS && !self.windows.contains_key(&key) {
            key.0 = Cow::Borrowed(OTHERS);
            event = event.at_surface(OTHERS);
        }
        let Some(window) = self.windows.get_mut(&key) else {
            self.windows.insert(
                key,
                Window {
                    opened: now,
                    held: None,
                },
            );
            return Some(event);
        };
        match &mut window.held {
            Some(held) => held.absorb(event),
            None => window.held = Some(event),
        }
        if !window.is_over(now) {
            return None;
        }
        window.opened = now;
        window.held.take()
    }

    /// Gives back what was held long enough. Call it about once per
    /// [`defaults::AUDIT_COALESCE`].
    pub fn due(&mut self, now: Moment) -> Vec<Event> {
        let mut due = Vec::new();
        self.windows.retain(|_, window| {
            if !window.is_over(now) {
                return true;
            }
            window.opened = now;
            let held = window.held.take();
            let goes_on = held.is_some();
            due.extend(held);
            goes_on
        });
        due
    }

    /// Gives back everything that is held.
    pub fn flush(&mut self) -> Vec<Event> {
        self.windows
            .drain()
            .filter_map(|(_, window)| window.held)
            .collect()
    }

    /// Whether nothing is held or counted.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.windows.is_empty()
    }
}

impl Window {
    fn is_over(&self, now: Moment) -> bool {
        now.since(self.opened) >= defaults::AUDIT_COALESCE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audit::Kind;
    use crate::clock::Clock;

    fn refusal(surface: &'static str, rule: Rule) -> Event {
        Event::refused(surface, &rule.into(), "r-1")
    }

    #[test]
    fn t106_a_flood_is_told_once_a_second_and_every_one_is_counted() {
        let (clock, hand) = Clock::fake();
        let mut coalescer = Coalescer::new();
        let mut told = Vec::new();
        for step in 0..10_000_u32 {
            let rule = if step % 2 == 0 {
                Rule::HostNotAllowed
            } else {
                Rule::TicketInvalid
            };
            told.extend(coalescer.offer(refusal("claim", rule), clock.now()));
            told.extend(coalescer.due(clock.now()));
            hand.advance(Duration::from_millis(1));
        }
        hand.advance(Duration::from_secs(1));
        told.extend(coalescer.due(clock.now()));
        assert_eq!(told.iter().map(Event::number).sum::<u64>(), 10_000);
        // Ten seconds, two rules: one at once, then one a second.
        assert!((20..=22).contains(&told.len()), "{}", told.len());
        hand.advance(Duration::from_secs(1));
        assert!(coalescer.due(clock.now()).is_empty());
        assert!(coalescer.is_idle());
    }

    #[test]
    fn a_single_refusal_is_not_late() {
        let (clock, _hand) = Clock::fake();
        let mut coalescer = Coalescer::new();
        let first = refusal("claim", Rule::TicketInvalid);
        assert_eq!(coalescer.offer(first.clone(), clock.now()), Some(first));
        assert_eq!(
            coalescer.offer(refusal("claim", Rule::TicketInvalid), clock.now()),
            None
        );
        assert_eq!(coalescer.flush().len(), 1);
    }

    #[test]
    fn decisions_and_proven_callers_are_never_coalesced() {
        let (clock, _hand) = Clock::fake();
        let mut coalescer = Coalescer::new();
        let proven = refusal("grants", Rule::CsrfMissing).subject("s_1");
        let decision = Event::allowed(Kind::GrantMinted, "grants");
        for event in [proven, decision] {
            for _ in 0..5 {
                assert_eq!(
                    coalescer.offer(event.clone(), clock.now()),
                    Some(event.clone())
                );
            }
        }
        assert!(coalescer.is_idle());
    }

    #[test]
    fn surfaces_named_at_run_time_do_not_grow_the_table() {
        let (clock, _hand) = Clock::fake();
        let mut coalescer = Coalescer::new();
        let told: u64 = (0..5_000)
            .filter_map(|number| {
                let name = format!("surface {number}");
                let event = Event::refused(name, &Rule::UnknownRoute.into(), "r-1");
                coalescer.offer(event, clock.now())
            })
            .map(|event| event.number())
            .sum();
        assert!(coalescer.windows.len() <= PAIRS + Rule::ALL.len());
        let held: u64 = coalescer.flush().iter().map(Event::number).sum();
        assert_eq!(told + held, 5_000);
    }
}
