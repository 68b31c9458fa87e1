//! `/native/folders`: what is shared with paired pages, for the person's own commands.

use std::sync::Arc;

use doorward_companion::drives::FolderView;
use doorward_guard::{Answer, Call, Native, Permit, Policy, Surface};
use futures_util::future::join_all;
use serde::Serialize;

use super::Companion;

/// A folder as its owner sees it.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    view: FolderView,
    path: String,
    /// Public names of the pairings that have it.
    pairings: Vec<String>,
}

impl Companion {
    pub(crate) fn folders_surface(self: &Arc<Self>) -> Surface<Native, Self> {
        let room = Arc::clone(self);
        Surface::new(
            "nativeFolders",
            "/native/folders",
            Policy::native(),
            (),
            room,
        )
        .get("/", list)
    }
}

async fn list(room: Arc<Companion>, _permit: Permit<Native>, _call: Call) -> Answer {
    let pages = room.paired();
    let folders = tokio::task::spawn_blocking({
        let folders = Arc::clone(room.folders());
        move || folders.all()
    });
    let folders = folders.await.unwrap_or_default();
    let rows = folders.iter().map(|folder| async {
        let has = |scopes: &doorward_companion::pairing::Scopes| {
            let mut rights = folder.rights().iter();
            rights.any(|right| scopes.allow(folder.name(), *right))
        };
        let pages = pages.iter().filter(|page| has(&page.scopes));
        Row {
            view: folder.view(folder.rights()).await,
            path: folder.path().to_string_lossy().into_owned(),
            pairings: pages.map(|page| page.key_id.clone()).collect(),
        }
    });
    Answer::json(&serde_json::json!({ "folders": join_all(rows).await }))
}
