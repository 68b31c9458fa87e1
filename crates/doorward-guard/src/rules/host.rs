//! `Host`: the rule that ends DNS rebinding.

use http::header::HOST;
use http::request::Parts;

use crate::origin::HostSet;
use crate::refusal::{Refusal, Rule};

/// The member of `hosts` that the request names. Judged for every request of a
/// connection alone, and before anything else is looked at.
///
/// # Errors
///
/// [`Rule::HostNotAllowed`]; [`Rule::MalformedRequest`] if there is not exactly
/// one readable `Host`.
pub fn check<'a>(head: &Parts, hosts: &'a HostSet) -> Result<&'a str, Refusal> {
    let mut lines = head.headers.get_all(HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(Rule::MalformedRequest.into());
    };
    let host = line.to_str().map_err(|_| Rule::MalformedRequest)?;
    hosts
        .find(host)
        .ok_or_else(|| Refusal::from(Rule::HostNotAllowed).note(host))
}
