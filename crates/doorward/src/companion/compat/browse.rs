//! `/api/drives` and `/api/browse`: the folders, as Sambee's drives.

use std::sync::Arc;

use doorward_companion::compat::{FileInfo, drive_id, drive_of, drive_type};
use doorward_companion::drives::{DriveError, NewKind};
use doorward_guard::caller::Stamped;
use doorward_guard::{Answer, Call, Policy, Refusal, Rule, Surface};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::super::Companion;
use super::book::Roll;
use super::{Permitted, body, in_the_way, refused, said, upload};

impl Companion {
    pub(super) fn compat_drives(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        self.stamped("compatDrives", "/api/drives").get("/", drives)
    }

    pub(super) fn compat_browse(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        Surface::new(
            "compatBrowse",
            "/api/browse",
            Policy::dangerous_stamped_files(),
            self.compat.stamps.clone(),
            Arc::clone(self),
        )
        .get("/{drive}/list", list)
        .get("/{drive}/info", info)
        .get("/{drive}/directories", directories)
        .delete("/{drive}/item", delete)
        .post("/{drive}/rename", rename)
        .post("/{drive}/create", create)
        .post("/{drive}/copy", copy)
        .post("/{drive}/move", shift)
        .post("/{drive}/open", open)
        .post("/{drive}/upload", upload::upload)
    }

    async fn carry(&self, permit: &Permitted, call: Call, moving: bool) -> Result<Answer, Refusal> {
        let Carry {
            source_path,
            dest_path,
            dest_connection_id,
            overwrite,
        } = body(&call)?;
        if source_path.is_empty() || dest_path.is_empty() {
            let detail = "source_path and dest_path are required";
            return Err(said(Rule::PathRefused, detail));
        }
        let here = call.param("drive");
        let there = dest_connection_id.as_deref().map_or(here, drive_of);
        let from = self.spot(permit, here, &source_path).await?;
        let to = self.spot(permit, there, &dest_path).await?;
        if from.path.is_root() || to.path.is_root() {
            return Err(said(
                Rule::RootRefused,
                "Cannot copy or move the drive root",
            ));
        }
        let overwrite = overwrite.unwrap_or_default();
        let room = self.at_once(permit);
        let carried = room.carry(from, to, moving, overwrite).await;
        carried.map_err(in_the_way)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

async fn drives(room: Arc<Companion>, permit: Permitted, _call: Call) -> Result<Answer, Refusal> {
    let mut all = room.at_once(&permit).shared().await.map_err(refused)?;
    all.sort_by(|a, b| a.folder().name().cmp(b.folder().name()));
    let drives: Vec<_> = all
        .iter()
        .map(|granted| {
            let folder = granted.folder();
            json!({
                "id": drive_id(folder.name()),
                "name": folder.name().as_str(),
                "drive_type": drive_type(folder.kind()),
            })
        })
        .collect();
    Ok(Answer::json(&drives))
}

#[derive(Deserialize)]
pub(super) struct At {
    #[serde(default)]
    pub(super) path: String,
}

async fn list(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let At { path } = call.query()?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let path = spot.path.as_str().to_owned();
    let entries = room.at_once(&permit).list(spot).await;
    let entries = entries.map_err(|error| match error {
        DriveError::NotAFolder => said(Rule::NotAFolder, "Path is not a directory"),
        error => refused(error),
    })?;
    // To these pages a backslash is a separator: they could not ask for such a name.
    let named = entries.iter().filter(|entry| !entry.path.contains('\\'));
    let items: Vec<_> = named.map(FileInfo::listed).collect();
    let total = items.len();
    Ok(Answer::json(
        &json!({ "path": path, "items": items, "total": total }),
    ))
}

async fn info(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let At { path } = call.query()?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let entry = room.at_once(&permit).look(spot).await.map_err(refused)?;
    Ok(Answer::json(&FileInfo::looked_at(&entry)))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    include_dot_directories: bool,
}

async fn directories(
    room: Arc<Companion>,
    permit: Permitted,
    call: Call,
) -> Result<Answer, Refusal> {
    let Wanted {
        q,
        include_dot_directories,
    } = call.query()?;
    let spot = room.spot(&permit, call.param("drive"), "").await?;
    let room = room.at_once(&permit);
    let found = room.named(spot, &q, include_dot_directories).await;
    let found = found.map_err(refused)?;
    Ok(Answer::json(&json!({
        "results": found.paths,
        "total_matches": found.total,
        "cache_state": "ready",
        "directory_count": found.looked,
    })))
}

async fn delete(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let At { path } = call.query()?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let thrown = room.at_once(&permit).throw_away(spot).await;
    thrown.map_err(|error| match error {
        DriveError::RootRefused => said(Rule::RootRefused, "Cannot delete the drive root"),
        error => refused(error),
    })?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct Rename {
    path: String,
    new_name: String,
}

async fn rename(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let Rename { path, new_name } = body(&call)?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let renamed = room.at_once(&permit).rename(spot, &new_name).await;
    let entry = renamed.map_err(exists)?;
    Ok(Answer::json(&FileInfo::listed(&entry)))
}

#[derive(Deserialize)]
struct Create {
    parent_path: String,
    name: String,
    #[serde(rename = "type")]
    kind: NewKind,
}

async fn create(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let Create {
        parent_path,
        name,
        kind,
    } = body(&call)?;
    let spot = room
        .spot(&permit, call.param("drive"), &parent_path)
        .await?;
    let created = room.at_once(&permit).create(spot, &name, kind).await;
    let entry = created.map_err(exists)?;
    Ok(Answer::json(&FileInfo::listed(&entry)))
}

#[derive(Deserialize)]
struct Carry {
    source_path: String,
    dest_path: String,
    #[serde(default)]
    dest_connection_id: Option<String>,
    #[serde(default)]
    overwrite: Option<bool>,
}

async fn copy(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    room.carry(&permit, call, false).await
}

async fn shift(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    room.carry(&permit, call, true).await
}

#[derive(Deserialize)]
struct Open {
    path: String,
}

/// There is no picker here: the system's own application opens it, at once.
async fn open(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let Open { path } = body(&call)?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let opened = room.at_once(&permit).open(spot).await;
    opened.map_err(|error| match error {
        DriveError::PathUnknown => Rule::RecentMissing.into(),
        DriveError::NotAFile | DriveError::KindUnsupported => Rule::RecentNotAFile.into(),
        error => refused(error),
    })?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn exists(error: DriveError) -> Refusal {
    match error {
        DriveError::AlreadyExists(_) => Rule::AlreadyExists.into(),
        error => refused(error),
    }
}
