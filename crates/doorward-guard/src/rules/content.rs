//! What kind of body, and how long it says it is. Judged before it is read.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;

use crate::policy::{ContentRule, Rules};
use crate::refusal::{Refusal, Rule};

/// Refuses a body that the surface does not take.
///
/// # Errors
///
/// [`Rule::BodyTooLarge`], [`Rule::MissingContentType`],
/// [`Rule::UnsupportedContentType`].
pub fn check(rules: &Rules, head: &Parts) -> Result<(), Refusal> {
    let length = declared_length(head)?;
    if length > rules.body_limit && !streams(rules, head) {
        return Err(Rule::BodyTooLarge.into());
    }
    if length == 0 || rules.content == ContentRule::None {
        return Ok(());
    }
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(Rule::UnsupportedContentType.into());
    }
    let is_right = match rules.content {
        ContentRule::Chunk => is_bytes,
        ContentRule::JsonOrForm => is_json_or_form,
        ContentRule::Json | ContentRule::None => is_json,
    };
    let mut lines = head.headers.get_all(CONTENT_TYPE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Err(Rule::MissingContentType.into()),
        (Some(line), None) if line.to_str().is_ok_and(is_right) => Ok(()),
        _ => Err(Rule::UnsupportedContentType.into()),
    }
}

/// Whether the body goes to its handler as it arrives, however long it is.
#[must_use]
pub fn streams(rules: &Rules, head: &Parts) -> bool {
    let kind = || head.headers.get(CONTENT_TYPE)?.to_str().ok();
    rules.content == ContentRule::JsonOrForm && kind().is_some_and(is_form)
}

/// What `Content-Length` says; zero if it is not there.
///
/// # Errors
///
/// [`Rule::MalformedRequest`].
pub fn declared_length(head: &Parts) -> Result<u64, Refusal> {
    match head.headers.get(CONTENT_LENGTH) {
        None => Ok(0),
        Some(line) => line
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Rule::MalformedRequest.into()),
    }
}

/// `application/octet-stream`: what else the bytes are is nobody's word.
fn is_bytes(value: &str) -> bool {
    value
        .trim()
        .eq_ignore_ascii_case("application/octet-stream")
}

fn is_json_or_form(value: &str) -> bool {
    is_json(value) || is_form(value)
}

/// `multipart/form-data` with its boundary.
fn is_form(value: &str) -> bool {
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    essence.trim().eq_ignore_ascii_case("multipart/form-data") && !parameters.trim().is_empty()
}

/// `application/json` in any case, with parameters but not in a list.
fn is_json(value: &str) -> bool {
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    essence.trim().eq_ignore_ascii_case("application/json") && !parameters.contains(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_streams_only_where_forms_are_taken() {
        let request =
            http::Request::builder().header(CONTENT_TYPE, "multipart/form-data; boundary=x");
        let request = request.header(CONTENT_LENGTH, u64::MAX);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let rules = |content| Rules {
            content,
            ..crate::policy::Policy::knocking().into_rules()
        };
        assert!(check(&rules(ContentRule::JsonOrForm), &head).is_ok());
        assert!(streams(&rules(ContentRule::JsonOrForm), &head));
        for content in [ContentRule::Json, ContentRule::Chunk] {
            let refused = check(&rules(content), &head).unwrap_err();
            assert_eq!(refused.rule(), Rule::BodyTooLarge);
            assert!(!streams(&rules(content), &head));
        }
        assert!(!is_form("multipart/form-data") && !is_form("application/json; boundary=x"));
    }

    #[test]
    fn t36_only_json_is_json() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json, text/plain",
            "application/json; a=b, text/plain",
            "text/json",
            "application/jsonp",
            "",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
