//! `Origin`: which page sent this.

use http::header::ORIGIN;
use http::request::Parts;

use crate::origin::{Origin, Origins};
use crate::policy::OriginRule;
use crate::refusal::{Refusal, Rule};
use crate::rules::changes_state;

/// The one `Origin` that the request names, if any.
///
/// # Errors
///
/// [`Rule::OriginNotAllowed`] for what no browser would write;
/// [`Rule::MalformedRequest`] for two.
pub fn read(head: &Parts) -> Result<Option<Origin>, Refusal> {
    let mut lines = head.headers.get_all(ORIGIN).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Rule::MalformedRequest.into());
    }
    let text = line.to_str().map_err(|_| Rule::MalformedRequest)?;
    match Origin::parse(text) {
        None if text == "null" => Ok(Some(Origin::opaque())),
        Some(origin) => Ok(Some(origin)),
        None => Err(Refusal::from(Rule::OriginNotAllowed).note(text)),
    }
}

/// Refuses what the surface's policy does not let in before the caller is known.
/// `host` is the authority that the request was sent to; it is a member of the
/// configured set, so an attacker's name cannot vouch for itself.
///
/// # Errors
///
/// [`Rule::OriginMissing`], [`Rule::OriginNotAllowed`].
pub fn check(
    rule: OriginRule,
    head: &Parts,
    origin: Option<&Origin>,
    host: &str,
) -> Result<(), Refusal> {
    match (rule, origin) {
        // Nobody can say who that is. A grant for any page is for such pages too.
        (OriginRule::Known, None) => Err(Rule::OriginMissing.into()),
        (OriginRule::Any | OriginRule::Known, Some(origin)) if origin.is_opaque() => {
            Err(refused(origin))
        }
        (OriginRule::Any | OriginRule::ByGrant | OriginRule::Known, _)
        | (OriginRule::Absent, None) => Ok(()),
        (OriginRule::Same, None) if changes_state(&head.method) => Err(Rule::OriginMissing.into()),
        (OriginRule::Same, None) => Ok(()),
        (OriginRule::Same, Some(origin))
            if origin.as_str().strip_prefix("http://") == Some(host) =>
        {
            Ok(())
        }
        (OriginRule::Same | OriginRule::Absent, Some(origin)) => Err(refused(origin)),
    }
}

/// Refuses a page that the grant is not for.
///
/// # Errors
///
/// [`Rule::OriginNotAllowed`].
pub fn check_grant(origins: &Origins, origin: Option<&Origin>) -> Result<(), Refusal> {
    match origin {
        Some(origin) if !origins.allow(origin) => Err(refused(origin)),
        _ => Ok(()),
    }
}

fn refused(origin: &Origin) -> Refusal {
    Refusal::from(Rule::OriginNotAllowed).note(origin.as_str())
}
