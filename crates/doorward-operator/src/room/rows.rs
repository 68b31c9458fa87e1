//! Rows of the transcript that are written whatever becomes of what they tell.

use doorward_guard::{Refusal, SessionId};

use super::Operator;
use crate::transcript::{HUNG_UP, Kind};

/// A row about something under way. It is written when this is dropped: with the
/// outcome, or with [`HUNG_UP`] if nobody waited for one.
pub(super) struct Entry<'a> {
    room: &'a Operator,
    pub(super) session: &'a SessionId,
    kind: Kind,
    summary: String,
    outcome: &'static str,
}

impl Operator {
    /// Begins a row. It must not be dropped while the room is locked.
    pub(super) fn row<'a>(
        &'a self,
        session: &'a SessionId,
        kind: Kind,
        summary: impl Into<String>,
    ) -> Entry<'a> {
        Entry {
            room: self,
            session,
            kind,
            summary: summary.into(),
            outcome: HUNG_UP,
        }
    }
}

impl Entry<'_> {
    /// Says better what it is about.
    pub(super) fn about(&mut self, summary: String) {
        self.summary = summary;
    }

    /// It came to this: `done`, or the name of the refusal.
    pub(super) fn came_to<T>(&mut self, done: &'static str, outcome: &Result<T, Refusal>) {
        self.outcome = outcome
            .as_ref()
            .err()
            .map_or(done, |refusal| refusal.rule().name());
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let Self {
            room,
            session,
            kind,
            summary,
            outcome,
        } = self;
        room.write(session, *kind, summary, outcome);
    }
}
