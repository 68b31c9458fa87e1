//! What happened, row by row, as its own browser session may read it.
//!
//! A row is redacted, escaped and cut when it is written, not when it is read:
//! what is held in memory is what an export shows. A field never holds more than
//! [`LOG_FIELD`](doorward_guard::defaults::LOG_FIELD) bytes, and a row is one line.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_guard::audit::{redact, sanitise};
use doorward_guard::{Clock, SessionId};
use serde::Serialize;

use crate::defaults;
use crate::vm::TranscriptRowVm;

/// The latest rows of all browser sessions.
#[derive(Debug)]
pub struct Transcript {
    clock: Clock,
    pages: Mutex<Pages>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "TranscriptKind"))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Signing in, step by step.
    Login,
    /// The session on the gateway ended.
    End,
    /// An operation.
    Call,
    /// A launch, or its probe.
    Launch,
    /// More time was asked for.
    Renewal,
    /// Another gateway was chosen.
    Choice,
}

/// The outcome that nobody waited for: it may have been done, or not.
pub const HUNG_UP: &str = "hungUp";

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    rows: VecDeque<(SessionId, TranscriptRowVm)>,
}

impl Transcript {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            pages: Mutex::default(),
        }
    }

    /// Writes one row for `session`. `outcome` is `ok`, `step` (the person is asked
    /// something), the name of a denial, `tooLate` (nobody answered), or [`HUNG_UP`].
    pub fn write(
        &self,
        session: &SessionId,
        kind: Kind,
        summary: &str,
        outcome: &str,
    ) -> TranscriptRowVm {
        let at = self.clock.rfc3339(self.clock.now());
        let mut pages = self.pages();
        pages.last += 1;
        let row = TranscriptRowVm {
            seq: pages.last,
            at,
            kind,
            summary: clean(summary),
            outcome: clean(outcome),
        };
        if pages.rows.len() >= defaults::TRANSCRIPT {
            pages.rows.pop_front();
        }
        pages.rows.push_back((session.clone(), row.clone()));
        row
    }

    /// The rows of `session` after number `after`, oldest first.
    #[must_use]
    pub fn read(&self, session: &SessionId, after: u64) -> Vec<TranscriptRowVm> {
        self.pages()
            .rows
            .iter()
            .filter(|(owner, row)| owner == session && row.seq > after)
            .map(|(_, row)| row.clone())
            .collect()
    }

    /// The same as text: a row a line.
    #[must_use]
    pub fn export(&self, session: &SessionId) -> String {
        let mut text = String::new();
        for row in self.read(session, 0) {
            text.push_str(&row.line());
            text.push('\n');
        }
        text
    }

    /// The browser session is over: nobody could read its rows any more.
    pub fn forget(&self, session: &SessionId) {
        self.pages().rows.retain(|(owner, _)| owner != session);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clean(text: &str) -> String {
    sanitise(&redact(text)).into_owned()
}

// === impl TranscriptRowVm ===

impl TranscriptRowVm {
    /// The row as a line of text.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            at,
            kind,
            summary,
            outcome,
            ..
        } = self;
        format!("{at}  {}  {outcome}  {summary}", kind.word())
    }
}

// === impl Kind ===

impl Kind {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::End => "end",
            Self::Call => "call",
            Self::Launch => "launch",
            Self::Renewal => "renewal",
            Self::Choice => "choice",
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_guard::table::sessions::SessionLimits;
    use doorward_guard::{Sessions, Token};
    use proptest::prelude::*;

    use super::*;

    fn two() -> (Transcript, SessionId, SessionId) {
        let (clock, _hand) = Clock::fake();
        let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
        let claim = || {
            let ticket = sessions.ticket(false).unwrap();
            sessions.claim(&ticket.reveal(), None).unwrap().session
        };
        (Transcript::new(&clock), claim(), claim())
    }

    #[test]
    fn op_l1_there_are_as_many_rows_as_events_up_to_a_thousand() {
        let (transcript, one, two) = two();
        for number in 0..1_500 {
            transcript.write(&one, Kind::Call, &format!("line\n{number}\r\n"), "ok");
        }
        let rows = transcript.read(&one, 0);
        assert_eq!(rows.len(), defaults::TRANSCRIPT);
        assert_eq!(rows.last().unwrap().seq, 1_500);
        assert_eq!(
            transcript.export(&one).lines().count(),
            defaults::TRANSCRIPT
        );
        assert_eq!(transcript.read(&one, 1_498).len(), 2);
        assert!(transcript.read(&two, 0).is_empty(), "somebody else's");
        transcript.forget(&one);
        assert!(transcript.read(&one, 0).is_empty());
    }

    #[test]
    fn op_l3_tokens_are_not_held() {
        let (transcript, one, _) = two();
        let token = Token::random().reveal().to_string();
        transcript.write(&one, Kind::Login, &format!("with {token}"), &token);
        assert!(!format!("{transcript:?}").contains(&token));
    }

    proptest! {
        #[test]
        fn op_l1_a_row_is_a_line_of_bounded_fields(text in "(.|\n|\r|\u{1b}|\u{9b}|\u{202e}|\u{2029}){0,900}") {
            let (transcript, one, _) = two();
            let row = transcript.write(&one, Kind::Call, &text, &text);
            prop_assert!(row.summary.len() <= 512 && row.outcome.len() <= 512);
            let export = transcript.export(&one);
            prop_assert_eq!(export.matches('\n').count(), 1);
            let hostile = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2029}".contains(c);
            prop_assert!(!export.chars().any(hostile));
        }
    }
}
