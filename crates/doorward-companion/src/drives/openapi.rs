//! The routes of the drives as OpenAPI: `docs/openapi.json` is made of this.
//!
//! The functions here are nothing but descriptions; a test holds them to the routes
//! of the surfaces.
#![expect(
    dead_code,
    reason = "descriptions of routes, of which only macros read"
)]

use serde_json::Value;
use utoipa::OpenApi;

use super::entry::Entry;
use super::jobs::JobView;
use super::list::Listing;
use super::search::Found;
use super::upload::UploadView;
use super::wire::{
    Begin, Begun, Carry, Create, Delete, Deleted, FinishQuery, Grants, InfoQuery, JobList, Linked,
    ListQuery, Open, Opened, Rename, SearchQuery, Shown,
};

/// Why something was refused.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
struct Denial {
    /// The stable name.
    denial: String,
    /// What happened, for people.
    message: String,
    /// Finds the audit event and the log line.
    request_id: String,
    /// The caller may try again after this many milliseconds.
    #[schema(required = false)]
    retry_after_ms: Option<u64>,
    /// Where the upload is.
    #[schema(required = false)]
    offset: Option<u64>,
    /// What stands in the way.
    #[schema(required = false, value_type = Object)]
    existing: Option<Value>,
    /// What was to come.
    #[schema(required = false, value_type = Object)]
    incoming: Option<Value>,
}

/// What an upload ended as.
#[derive(utoipa::ToSchema)]
struct Ended {
    /// It is over.
    ended: bool,
}

macro_rules! routes {
    ($($(#[doc = $doc:literal])+ $name:ident = $method:ident $path:literal
        $(, path $($param:literal)+)? $(, query $query:ty)? $(, body $body:ty)?
        => $($status:literal $answer:ty),+;)+) => {
        $(
            $(#[doc = $doc])+
            #[utoipa::path(
                $method,
                path = $path,
                params($($(($param = String, Path),)+)? $($query)?),
                $(request_body = $body,)?
                responses(
                    $((status = $status, body = $answer),)+
                    (status = "4XX", body = Denial),
                    (status = "5XX", body = Denial),
                )
            )]
            fn $name() {}
        )+

        #[derive(OpenApi)]
        #[openapi(
            info(
                title = "doorward: folders of this computer, for paired pages",
                description = "Every request is signed by the page's key, and every answer by the companion's: SECURITY.md and the published vectors say how. Paths are relative, with `/` between their names; bytes of a name that are no text, control characters and backslashes are written `\\xHH`.",
                license(name = "MIT OR Apache-2.0"),
            ),
            paths($($name,)+),
        )]
        struct Document;
    };
}

routes! {
    /// What this page was granted.
    shared = get "/drives" => 200 Shown;
    /// One page of a folder.
    list = get "/drives/{folder}/list", path "folder", query ListQuery => 200 Listing;
    /// One file, folder or link.
    info = get "/drives/{folder}/info", path "folder", query InfoQuery => 200 Entry;
    /// Names that have a word in them.
    search = get "/drives/{folder}/search", path "folder", query SearchQuery => 200 Found;
    /// Makes an empty file or folder.
    create = post "/drives/{folder}/create", path "folder", body Create => 201 Entry;
    /// Renames in its folder.
    rename = post "/drives/{folder}/rename", path "folder", body Rename => 200 Entry;
    /// Copies. A file of at most 1 MiB and a link at once, all else as a job.
    copy = post "/drives/{folder}/copy", path "folder", body Carry => 200 Entry, 202 Begun;
    /// Moves. On one drive at once, to another as a job.
    shift = post "/drives/{folder}/move", path "folder", body Carry => 200 Entry, 202 Begun;
    /// Deletes, into the trash unless said otherwise. A folder for good as a job.
    delete_ = post "/drives/{folder}/delete", path "folder", body Delete => 200 Deleted, 202 Begun;
    /// Opens a document in its application.
    open = post "/drives/{folder}/open", path "folder", body Open => 200 Opened;
    /// Makes media URLs of files.
    grants = post "/drives/{folder}/grants", path "folder", body Grants => 201 Linked;
    /// Begins an upload.
    begin = post "/drives/{folder}/uploads", path "folder", body Begin => 201 UploadView;
    /// Where an upload is.
    resume = get "/drives/uploads/{id}", path "id" => 200 UploadView;
    /// Removes an upload.
    discard = delete "/drives/uploads/{id}", path "id" => 200 Ended;
    /// Gives a complete upload its name.
    finish = post "/drives/uploads/{id}/finish", path "id", query FinishQuery => 201 Entry;
    /// Long operations of this page.
    jobs = get "/jobs" => 200 JobList;
    /// One of them.
    job = get "/jobs/{id}", path "id" => 200 JobView;
    /// Ends one soon; what was done is told.
    cancel = delete "/jobs/{id}", path "id" => 200 JobView;
}

/// A chunk, whose bytes are no JSON.
#[utoipa::path(
    put,
    path = "/drives/uploads/{id}",
    params(
        ("id" = String, Path),
        ("x-doorward-offset" = u64, Header, description = "Where the chunk begins; signed."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = UploadView),
        (status = "4XX", body = Denial),
        (status = "5XX", body = Denial),
    )
)]
fn chunk() {}

#[derive(OpenApi)]
#[openapi(paths(chunk))]
struct Chunks;

/// The document, as pretty JSON with a line break at its end.
#[must_use]
pub fn openapi() -> String {
    let document = Document::openapi().merge_from(Chunks::openapi());
    // Maps with text keys always have a JSON form.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
