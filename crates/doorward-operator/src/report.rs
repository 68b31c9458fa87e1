//! The automation report: what a script that drives the console says of its run,
//! for another script to read.
//!
//! Off unless a token was given at the start: then there is no such path. Reading
//! and writing both take that token beside the session, so a page in the console's
//! tab that does not know it can do neither.

use std::sync::{Mutex, PoisonError};

use doorward_guard::{Clock, Refusal, Rule, Token};
use serde::{Deserialize, Serialize};

use crate::defaults;
use crate::text::Veil;
use crate::vm::ReportVm;

/// The header with the token.
pub const TOKEN_HEADER: &str = "x-automation-token";

/// The latest report.
#[derive(Debug)]
pub struct Report {
    clock: Clock,
    token: Token,
    latest: Mutex<Option<ReportVm>>,
}

/// What an automation says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// How it goes.
    pub status: ReportStatus,
    /// In a sentence; at most [`defaults::REPORT`] bytes.
    pub summary: String,
}

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ReportStatus {
    /// It runs.
    Running,
    /// It went well.
    Passed,
    /// It did not.
    Failed,
}

impl Report {
    /// No report yet, for whoever has `token`.
    #[must_use]
    pub fn new(clock: &Clock, token: Token) -> Self {
        Self {
            clock: clock.clone(),
            token,
            latest: Mutex::default(),
        }
    }

    /// Whether `given` is the token, told in constant time.
    ///
    /// # Errors
    ///
    /// [`Rule::AutomationTokenInvalid`].
    pub fn check(&self, given: Option<&str>) -> Result<(), Refusal> {
        match given.and_then(Token::parse) {
            Some(token) if token == self.token => Ok(()),
            _ => Err(Rule::AutomationTokenInvalid.into()),
        }
    }

    /// The latest report.
    #[must_use]
    pub fn read(&self) -> Option<ReportVm> {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes another one.
    ///
    /// # Errors
    ///
    /// [`Rule::BodyTooLarge`].
    pub fn write(&self, reported: &Reported) -> Result<ReportVm, Refusal> {
        if reported.summary.len() > defaults::REPORT {
            return Err(Rule::BodyTooLarge.into());
        }
        let report = ReportVm {
            status: reported.status,
            summary: Veil::default().line(&reported.summary, defaults::REPORT),
            at: self.clock.rfc3339(self.clock.now()),
        };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_u1_only_the_token_opens_it() {
        let (clock, _hand) = Clock::fake();
        let token = Token::random();
        let text = token.reveal();
        let report = Report::new(&clock, token);
        assert!(report.check(Some(&text)).is_ok());
        for wrong in [
            None,
            Some(""),
            Some(&text[1..]),
            Some(&*Token::random().reveal()),
        ] {
            let refusal = report.check(wrong).unwrap_err();
            assert_eq!(refusal.rule(), Rule::AutomationTokenInvalid);
        }
        assert!(!format!("{report:?}").contains(text.as_str()));
    }

    #[test]
    fn a_report_is_a_bounded_line() {
        let (clock, _hand) = Clock::fake();
        let report = Report::new(&clock, Token::random());
        assert!(report.read().is_none());
        let mut reported = Reported {
            status: ReportStatus::Passed,
            summary: "all\u{1b}[2J well".to_owned(),
        };
        report.write(&reported).unwrap();
        assert_eq!(report.read().unwrap().summary, "all\\u{1b}[2J well");
        reported.summary = "x".repeat(defaults::REPORT + 1);
        assert_eq!(
            report.write(&reported).unwrap_err().rule(),
            Rule::BodyTooLarge
        );
    }
}
