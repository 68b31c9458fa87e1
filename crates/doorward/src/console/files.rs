//! The console's files, built from packages/console and embedded here. There is
//! no secret in them and no path to any file of the machine.

use std::sync::Arc;

use bytes::Bytes;
use doorward_guard::{Answer, Call, Open, Permit, Policy, Refusal, Rule, Surface};
use http::header::{HOST, LOCATION};
use http::{HeaderValue, StatusCode};
use include_dir::{Dir, include_dir};

use crate::bridge::House;

static DIST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../packages/console/dist");

/// `GET /` and every built file, each a route of its own: what is not there has
/// no route.
pub(super) fn surface(house: &Arc<House>) -> Surface<Open, House> {
    let policy = Policy::console_files();
    let page = Surface::new("console", "/", policy, (), Arc::clone(house)).get("/", index);
    let mut files = Vec::new();
    list(&DIST, &mut files);
    files.sort_unstable();
    files
        .into_iter()
        .fold(page, |surface, file| surface.get(format!("/{file}"), serve))
}

fn list(folder: &'static Dir<'static>, files: &mut Vec<&'static str>) {
    files.extend(folder.files().filter_map(|file| file.path().to_str()));
    for below in folder.dirs() {
        list(below, files);
    }
}

/// The page itself. Other names of this machine are other origins, with storage
/// of their own, so they are sent to the one that our links use.
async fn index(house: Arc<House>, _permit: Permit<Open>, call: Call) -> Result<Answer, Refusal> {
    let canonical = house.control_origin();
    let host = call.header(HOST.as_str()).unwrap_or_default();
    if canonical.strip_prefix("http://") == Some(host) {
        return named("index.html");
    }
    let target = HeaderValue::from_str(&format!("{canonical}/")).map_err(|_| Rule::Internal)?;
    Ok(Answer::empty(StatusCode::PERMANENT_REDIRECT).header(LOCATION, target))
}

async fn serve(_house: Arc<House>, _permit: Permit<Open>, call: Call) -> Result<Answer, Refusal> {
    named(call.path().trim_start_matches('/'))
}

/// Looked up in the embedded table, which knows no `..`.
fn named(path: &str) -> Result<Answer, Refusal> {
    let file = DIST.get_file(path).ok_or(Rule::UnknownRoute)?;
    Ok(Answer::whole(
        StatusCode::OK,
        content_type(path),
        Bytes::from_static(file.contents()),
    ))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("bcmap" | "pfb" | "ttf" | "icc") => "application/octet-stream",
        _ => "text/plain; charset=utf-8",
    }
}
