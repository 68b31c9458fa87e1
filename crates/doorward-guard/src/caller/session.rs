use std::sync::Arc;

use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::cookies;
use crate::policy::CallerKind;
use crate::refusal::{Refusal, Rule};
use crate::rules::changes_state;
use crate::secret::Token;
use crate::table::sessions::{Life, SessionId, SessionProof, Sessions};

/// The header with the tab's proof.
pub const PROOF_HEADER: &str = "x-doorward-proof";
/// The header that says: a person did this.
pub const ACTIVE_HEADER: &str = "x-doorward-active";

static PROOF: HeaderName = HeaderName::from_static(PROOF_HEADER);
static ACTIVE: HeaderName = HeaderName::from_static(ACTIVE_HEADER);

/// Proves a browser session: cookie and tab proof, on every call.
#[derive(Debug)]
pub struct Session;

/// Notes that a session is in use, once every rule has passed.
#[derive(Debug)]
#[doc(hidden)]
pub struct Activity {
    sessions: Arc<Sessions>,
    id: SessionId,
    /// Whether it followed real input.
    pub(crate) input: bool,
}

impl sealed::Sealed for Session {}

impl Caller for Session {
    const KIND: CallerKind = CallerKind::Session;
    type Book = Arc<Sessions>;
    type Proof = SessionProof;

    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<Self::Proof>, Unproven> {
        let cookie = read_cookie(&ask.head.headers, book.cookie_name())?;
        let proof = read_proof(ask.head)?;
        let session = book.prove(cookie.as_ref(), proof.as_ref())?;
        let input = is_input(ask.head);
        let activity = (input || changes_state(&ask.head.method)).then(|| Activity {
            sessions: Arc::clone(book),
            id: session.id.clone(),
            input,
        });
        Ok(Proven {
            csrf: Some(session.csrf),
            activity,
            ..Proven::bare(session)
        })
    }

    fn life(proof: &SessionProof) -> Option<&Life> {
        Some(&proof.life)
    }
}

impl Activity {
    pub(crate) fn note(&self) {
        self.sessions.touch(&self.id);
    }
}

/// The token in the cookie called `name`. Other cookies, of other local apps, are
/// passed over, whatever is in them.
///
/// # Errors
///
/// [`Rule::MalformedRequest`] for two of that name: somebody tossed one in.
pub fn read_cookie(headers: &HeaderMap, name: &str) -> Result<Option<Token>, Refusal> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for value in cookies::called(line.as_bytes(), name) {
            if found.replace(value).is_some() {
                return Err(Rule::MalformedRequest.into());
            }
        }
    }
    Ok(found.and_then(|value| Token::parse(std::str::from_utf8(value).ok()?)))
}

fn read_proof(head: &Parts) -> Result<Option<Token>, Refusal> {
    let mut lines = head.headers.get_all(&PROOF).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.to_str().ok().and_then(Token::parse)),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Rule::MalformedRequest.into()),
    }
}

fn is_input(head: &Parts) -> bool {
    head.headers.get(&ACTIVE).is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cookies: &[&str]) -> Result<Option<Token>, Refusal> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(
                COOKIE,
                http::HeaderValue::from_bytes(cookie.as_bytes()).unwrap(),
            );
        }
        read_cookie(&headers, "doorward_7000")
    }

    #[test]
    fn t42_our_cookie_is_found_among_others() {
        let token = Token::random();
        let text = token.reveal();
        for line in [
            format!("doorward_7000={}", &*text),
            format!("a=b; doorward_7000={}; c=\u{e9}", &*text),
            format!("doorward_70001=x; doorward_7000={}", &*text),
            format!("xdoorward_7000=x;doorward_7000={}", &*text),
        ] {
            assert_eq!(read(&[&line]).unwrap().as_ref(), Some(&token), "{line}");
        }
        assert_eq!(
            read(&["", "; ;", "doorward_7001=x", "doorward_7000=short"]).unwrap(),
            None
        );
    }

    #[test]
    fn t42_two_of_our_name_are_refused() {
        let one = format!("doorward_7000={}", &*Token::random().reveal());
        for lines in [
            vec![format!("{one}; {one}")],
            vec![one.clone(), one.clone()],
        ] {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            assert_eq!(read(&lines).unwrap_err().rule(), Rule::MalformedRequest);
        }
    }
}
