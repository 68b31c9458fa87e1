//! How often a window may open, over all origins together.

use std::collections::VecDeque;

use doorward_guard::{Moment, Origin};

use super::refusal::PairRefusal;
use crate::defaults;

/// Who may ask, from `pairing` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Any page may ask, within the limits.
    #[default]
    Ask,
    /// Only within two minutes of `doorward pair allow`.
    Window,
    /// Nobody.
    Off,
}

/// The windows that were opened, and what the person allowed on top.
#[derive(Debug, Default)]
pub(super) struct Windows {
    opened: VecDeque<Moment>,
    gesture: Option<Gesture>,
}

#[derive(Debug)]
struct Gesture {
    until: Moment,
    /// Only this origin gets a window meanwhile.
    origin: Option<Origin>,
    /// One window beyond the limits.
    spare: bool,
}

impl Windows {
    /// The person let pages ask, or this one.
    pub(super) fn allow(&mut self, origin: Option<Origin>, now: Moment) {
        self.gesture = Some(Gesture {
            until: now.plus(defaults::GESTURE),
            origin,
            spare: true,
        });
    }

    /// The gesture has done its work.
    pub(super) fn fulfilled(&mut self) {
        self.gesture = None;
    }

    pub(super) fn sweep(&mut self, now: Moment) {
        if self.gesture.as_ref().is_some_and(|g| g.until <= now) {
            self.gesture = None;
        }
        let long_ago = |at: &Moment| now.since(*at) >= defaults::WINDOWS_LONG;
        while self.opened.front().is_some_and(long_ago) {
            self.opened.pop_front();
        }
    }

    /// Whether the person named `origin` just now.
    pub(super) fn reserved_for(&self, origin: &Origin) -> bool {
        let named = self.gesture.as_ref().and_then(|g| g.origin.as_ref());
        named == Some(origin)
    }

    /// Whether a page of `origin` may ask at all.
    pub(super) fn may_ask(&self, mode: Mode, origin: &Origin) -> Result<(), PairRefusal> {
        match mode {
            Mode::Off => return Err(PairRefusal::Off),
            Mode::Window if self.gesture.is_none() => return Err(PairRefusal::NotNow),
            Mode::Window | Mode::Ask => {}
        }
        let kept_for = self.gesture.as_ref().and_then(|g| g.origin.as_ref());
        match kept_for {
            Some(other) if other != origin => Err(PairRefusal::Busy),
            _ => Ok(()),
        }
    }

    /// Counts a window, or refuses it.
    pub(super) fn open(&mut self, now: Moment) -> Result<(), PairRefusal> {
        let recent = |at: &&Moment| now.since(**at) < defaults::WINDOWS_SHORT;
        let short = self.opened.iter().filter(recent).count();
        let spent =
            short >= defaults::WINDOWS_IN_SHORT || self.opened.len() >= defaults::WINDOWS_IN_LONG;
        if spent {
            match &mut self.gesture {
                Some(gesture) if gesture.spare => gesture.spare = false,
                _ => return Err(PairRefusal::GestureNeeded),
            }
        }
        self.opened.push_back(now);
        Ok(())
    }
}
