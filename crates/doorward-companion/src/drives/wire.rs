//! What pages say to the drives, and hear.

use doorward_guard::{Refusal, Rule};
use serde::{Deserialize, Serialize};

use super::change::{NewKind, OnConflict};
use super::entry::Entry;
use super::error::DriveError;
use super::folders::FolderView;
use super::jobs::JobView;
use super::list::{Order, Sort};
use super::path::RelPath;
use super::room::Link;
use super::upload::{Announced, from_hex, from_rfc3339};
use crate::defaults;

/// A path inside of a folder, with `/` between names of which none is `.` or `..`.
/// Bytes that are no text, control characters and backslashes are written `\\xHH`,
/// which this pattern leaves out.
#[derive(utoipa::ToSchema)]
#[schema(
    pattern = r"^(?:(?:[^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.[^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.\.[^/\\\x00-\x1f\x7f-\x9f]+)(?:/(?:[^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.[^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.\.[^/\\\x00-\x1f\x7f-\x9f]+))*)?$"
)]
#[expect(dead_code, reason = "a description")]
pub(super) struct PathText(String);

/// A name that a new file may have: at most 255 bytes, no device of Windows, and
/// nothing that misleads.
#[derive(utoipa::ToSchema)]
#[schema(
    pattern = r#"^[^ /\\:*?"<>|\x00-\x1f\x7f-\x9f](?:[^/\\:*?"<>|\x00-\x1f\x7f-\x9f]*[^ ./\\:*?"<>|\x00-\x1f\x7f-\x9f])?$"#
)]
#[expect(dead_code, reason = "a description")]
pub(super) struct NameText(String);

/// `GET /drives`
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Shown {
    /// What this page was granted.
    pub folders: Vec<FolderView>,
}

/// `GET /drives/{folder}/list`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The folder to list; the shared one itself if it is not said.
    #[param(value_type = PathText, inline, required = false)]
    pub(super) path: String,
    /// What it is sorted by.
    #[param(inline)]
    pub(super) sort: Sort,
    /// Which way.
    #[param(inline)]
    pub(super) order: Order,
    /// `next` of the page before.
    pub(super) after: Option<String>,
    /// Entries on a page: 200 unless said, 1,000 at most.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u16>,
    /// Whether what desktops hide is listed.
    pub(super) hidden: bool,
}

/// `GET /drives/{folder}/info`
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InfoQuery {
    /// What is asked about.
    #[param(value_type = PathText, inline)]
    pub(super) path: String,
}

/// `GET /drives/{folder}/search`
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// What names have in them, in any case.
    #[param(min_length = 1, max_length = 255)]
    pub(super) q: String,
    /// Where to begin.
    #[param(value_type = PathText, inline)]
    #[serde(default)]
    pub(super) path: String,
    /// Entries at most: 100 unless said, 500 at most.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u16>,
    /// Whether what desktops hide is looked into.
    #[serde(default)]
    pub(super) hidden: bool,
}

/// `POST /drives/{folder}/create`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// Where.
    #[schema(value_type = PathText)]
    pub(super) path: String,
    /// What.
    pub(super) kind: NewKind,
}

/// `POST /drives/{folder}/rename`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    /// What.
    #[schema(value_type = PathText)]
    pub(super) path: String,
    /// Its new name, in the same folder.
    #[schema(value_type = NameText)]
    pub(super) name: String,
}

/// `POST /drives/{folder}/copy` and `/move`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Carry {
    /// What.
    #[schema(value_type = PathText)]
    pub(super) path: String,
    /// Where to, its new name included.
    pub(super) to: Target,
    /// What happens if something is there.
    #[serde(default)]
    pub(super) on_conflict: OnConflict,
}

/// Where something goes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// The folder; the same if it is not said.
    pub(super) folder: Option<String>,
    /// Where in it.
    #[schema(value_type = PathText)]
    pub(super) path: String,
}

/// `POST /drives/{folder}/delete`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    /// What.
    #[schema(value_type = PathText)]
    pub(super) path: String,
    /// For good, instead of into the trash.
    #[serde(default)]
    pub(super) permanently: bool,
}

/// `POST /drives/{folder}/open`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    /// What.
    #[schema(value_type = PathText)]
    pub(super) path: String,
}

/// `POST /drives/{folder}/grants`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Grants {
    /// Of what.
    #[schema(value_type = Vec<PathText>, min_items = 1, max_items = 500)]
    pub(super) paths: Vec<String>,
    /// Whether browsers save them.
    #[serde(default)]
    pub(super) download: bool,
}

/// `POST /drives/{folder}/uploads`
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Begin {
    /// Where it goes.
    #[schema(value_type = PathText)]
    pub(super) path: String,
    /// Bytes in all.
    #[schema(minimum = 0, maximum = 9007199254740992_i64)]
    pub(super) size: u64,
    /// RFC 3339: when it was changed last.
    #[schema(format = DateTime)]
    pub(super) modified_at: Option<String>,
    /// What happens if something is there.
    #[serde(default)]
    pub(super) on_conflict: OnConflict,
    /// SHA-256 of the whole, in hexadecimal, if it is known.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(super) sha256: Option<String>,
}

/// `POST /drives/uploads/{id}/finish`
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct FinishQuery {
    /// What happens if something is there by now, instead of what was said first.
    #[param(inline)]
    pub(super) on_conflict: Option<OnConflict>,
}

/// What was deleted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Deleted {
    /// What.
    pub path: String,
    /// Whether it is in the trash.
    pub trashed: bool,
}

/// A job that was begun.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Begun {
    /// How it is.
    pub job: JobView,
}

/// `GET /jobs`
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobList {
    /// Those of this pairing, the newest first.
    pub jobs: Vec<JobView>,
}

/// Media URLs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Linked {
    /// Those that were made.
    pub grants: Vec<Link>,
    /// Those that were not.
    pub refused: Vec<NotLinked>,
}

/// A media URL that was not made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NotLinked {
    /// Of what.
    pub path: String,
    /// Why, by its stable name.
    pub denial: String,
}

/// What was opened.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Opened {
    /// It.
    pub opened: Entry,
}

impl Begin {
    pub(super) fn read(self) -> Result<Announced, DriveError> {
        let path = RelPath::parse(&self.path)?;
        let wrong = || DriveError::from(Refusal::from(Rule::InvalidJson));
        let modified = match &self.modified_at {
            Some(text) => Some(from_rfc3339(text).ok_or_else(wrong)?),
            None => None,
        };
        let sha256 = match &self.sha256 {
            Some(text) => Some(from_hex(text).ok_or_else(wrong)?),
            None => None,
        };
        if self.size > defaults::UPLOAD {
            return Err(wrong());
        }
        Ok(Announced {
            path,
            size: self.size,
            modified,
            conflict: self.on_conflict,
            sha256,
        })
    }
}
