//! How a refusal is told on the compatible listener: `{"detail", "code"?}`.
//!
//! The rules stay those of the house, and so do audit and seal. Only status and
//! words are those that Sambee's frontend knows: it tells states apart by
//! `code`, shows `detail`, and takes 403 for every proof that does not hold.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{Refusal, Rule};

/// What is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) body: Map<String, Value>,
}

/// `refusal`, in Sambee's terms. `more` may say a `detail` that is more exact.
pub(crate) fn told(refusal: &Refusal) -> Told {
    let rule = refusal.rule();
    let said = refusal.more.as_deref().and_then(|more| more.get("detail"));
    let detail = said.cloned().unwrap_or_else(|| Value::from(detail(rule)));
    let mut body = Map::new();
    body.insert("detail".to_owned(), detail);
    if let Some(code) = code(rule) {
        body.insert("code".to_owned(), Value::from(code));
    }
    Told {
        status: status(refusal),
        body,
    }
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal.rule() {
        Rule::PairingGone
        | Rule::PairingNotKept
        | Rule::VaultAbsent
        | Rule::VaultLocked
        | Rule::VaultFailed
        | Rule::VaultUnlisted
        | Rule::NotAFolder
        | Rule::NotAFile
        | Rule::RootRefused
        | Rule::SameFile
        | Rule::InsideItself
        | Rule::KindUnsupported
        | Rule::TooDeep => StatusCode::BAD_REQUEST,
        Rule::PairingBusy => StatusCode::TOO_MANY_REQUESTS,
        Rule::FolderAbsent => StatusCode::NOT_FOUND,
        Rule::DiskFull | Rule::InUse | Rule::OpenFailed => StatusCode::INTERNAL_SERVER_ERROR,
        _ => match refusal.status() {
            // It knows no other answer to a proof that does not hold.
            StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
            status => status,
        },
    }
}

fn detail(rule: Rule) -> &'static str {
    match rule {
        Rule::OriginMissing => "Missing Origin header",
        Rule::OriginNotAllowed => "Origin is not allowed to access the companion bootstrap API",
        Rule::StampMissing => "Missing authentication (headers or query params)",
        Rule::PageNotPaired => "Not paired with this origin",
        Rule::StampStale => "Request timestamp too old or too new",
        Rule::StampInvalid => "Invalid authentication",
        Rule::PairingPending => "Waiting for companion confirmation",
        Rule::PairingGone => "Unknown or expired pairing",
        Rule::PairingBusy => "Another pairing request is already waiting for approval",
        Rule::RootRefused => "Cannot change the drive root",
        Rule::FolderUnknown => "Drive not found",
        Rule::PathLeadsOut => "Path is outside the drive boundary",
        Rule::TrashUnavailable => "This drive has no trash, and nothing is deleted for good here",
        Rule::PathUnknown => "File or directory not found",
        rule => rule.message(),
    }
}

fn code(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::PairingPending => Some("pair_confirmation_pending"),
        Rule::RecentMissing => Some("recent_file_target_missing"),
        Rule::RecentNotAFile => Some("recent_file_target_not_file"),
        Rule::OpenFailed => Some("recent_file_native_launch_failed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_is_401_and_all_have_a_detail() {
        for &rule in Rule::ALL {
            let Told { status, body } = told(&rule.into());
            assert!(status.is_client_error() || status.is_server_error());
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{rule:?}");
            assert!(body["detail"].is_string(), "{rule:?}");
        }
    }

    #[test]
    fn a_more_exact_detail_wins_and_nothing_else_is_told() {
        let refusal = Refusal::from(Rule::StampMissing)
            .more("detail", Value::from("Missing ts query param"))
            .more("secret", Value::from("x"))
            .note("y");
        let Told { status, body } = told(&refusal);
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(
            Value::Object(body),
            serde_json::json!({ "detail": "Missing ts query param" })
        );
    }
}
