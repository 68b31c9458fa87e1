//! JSON bodies: read strictly into a tree, then into the type that is meant.
//!
//! Refused as [`Rule::InvalidJson`]: anything but one JSON text in UTF-8; more
//! than [`JSON_DEPTH`](crate::defaults::JSON_DEPTH) lists and objects within each other; the same
//! key twice in one object, at any depth (parsers disagree on which one counts);
//! numbers that fit no type (`1e400`), lone surrogates, bytes behind the end;
//! whatever the type does not take. As [`Rule::UnknownField`]: a field that the
//! type does not have; the type must say `#[serde(deny_unknown_fields)]`. As
//! [`Rule::AuthorityFieldRejected`]: a field of [`AUTHORITY_FIELDS`] at any depth,
//! whether the type has it or not. The first defect in the text decides; what
//! only the type can tell comes last.

#[cfg(test)]
mod tests;
mod tree;

use serde::de::DeserializeOwned;

use self::tree::{Mismatch, Tree};
use crate::refusal::{Refusal, Rule};

/// Names under which a body could claim to be somebody, or to hold a right.
/// Who calls is decided from the connection and its proofs alone. Compared
/// without regard to case, `_` and `-`. The name somebody signs in with is not
/// here: a login has to say it, and proves it.
pub const AUTHORITY_FIELDS: &[&str] = &[
    // Who.
    "principal",
    "principalid",
    "user",
    "userid",
    "uid",
    "gid",
    "owner",
    "ownerid",
    "endpointowner",
    // From where.
    "source",
    "remoteaddr",
    "remoteaddress",
    // What they may.
    "role",
    "roles",
    "scope",
    "scopes",
    "permission",
    "permissions",
    "privilege",
    "privileges",
    "authority",
    "authorities",
    "admin",
    "isadmin",
    "root",
    "sudo",
    "superuser",
    // What they hold.
    "session",
    "sessionid",
    "capability",
    "capabilities",
    "capabilityid",
    "capid",
    "interfaceid",
    "handle",
    "handleid",
    "handles",
    "slot",
    // For whom.
    "onbehalfof",
    "actas",
    "runas",
    "impersonate",
    "impersonateduser",
    // The prototype of a JavaScript object: no field of ours, ever.
    "proto",
];

/// Reads one JSON text as a `T`, which denies unknown fields.
///
/// # Errors
///
/// The three rules above. What the caller sent is in none of the notes.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("the body is not UTF-8"))?;
    match T::deserialize(Tree::read(text)?) {
        Ok(value) => Ok(value),
        Err(Mismatch::UnknownField) => Err(Rule::UnknownField.into()),
        Err(Mismatch::Other) => Err(invalid("the JSON is not of the expected shape")),
    }
}

/// Whether a field of this name claims an authority.
fn claims_authority(name: &str) -> bool {
    let plain = || {
        name.chars()
            .filter(|c| !matches!(c, '_' | '-'))
            .flat_map(char::to_lowercase)
    };
    AUTHORITY_FIELDS
        .iter()
        .any(|field| plain().eq(field.chars()))
}

fn invalid(note: &'static str) -> Refusal {
    Refusal::from(Rule::InvalidJson).note(note)
}
