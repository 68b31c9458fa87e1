//! One file per rule. Each is a function of the policy, the request head, the
//! tables and the time; none knows of another.

pub mod content;
pub mod cors;
pub mod csrf;
pub mod fetch_metadata;
pub mod host;
pub mod json;
pub mod limits;
pub mod origin;
pub mod peer;

use http::Method;

/// Whether `method` may change state (RFC 9110 §9.2.1).
#[must_use]
pub fn changes_state(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
