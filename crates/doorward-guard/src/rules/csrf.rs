//! CSRF: every state change carries its tab's token.

use http::request::Parts;

use crate::refusal::{Refusal, Rule};
use crate::rules::changes_state;
use crate::secret::{Token, TokenHash};

/// The header that carries it.
pub const HEADER: &str = "x-csrf-token";

/// Refuses a state change without the token of the proven tab. Runs before the
/// body is read.
///
/// # Errors
///
/// [`Rule::CsrfMissing`], [`Rule::CsrfMismatch`].
pub fn check(head: &Parts, expected: Option<&TokenHash>) -> Result<(), Refusal> {
    if !changes_state(&head.method) {
        return Ok(());
    }
    let mut lines = head.headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else {
        return Err(Rule::CsrfMissing.into());
    };
    let sent = line
        .to_str()
        .ok()
        .and_then(Token::parse)
        .map(|token| token.hash());
    match (sent, expected, lines.next()) {
        (Some(sent), Some(expected), None) if sent == *expected => Ok(()),
        _ => Err(Rule::CsrfMismatch.into()),
    }
}
