//! `doorward folders`: what paired pages may be granted, and whether it is there.

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};

use crate::args::Folders;
use crate::client::Client;
use crate::commands::pair::companion_is_on;
use crate::failure::Failure;
use crate::term::{Paint, say, say_json, say_text, table};

#[derive(Debug, Deserialize, Serialize)]
struct Listed {
    folders: Vec<Folder>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Folder {
    name: String,
    path: String,
    rights: Vec<String>,
    kind: String,
    state: String,
    read_only: bool,
    total_bytes: Option<u64>,
    free_bytes: Option<u64>,
    pairings: Vec<String>,
}

pub(crate) async fn run(folders: &Folders, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    companion_is_on(&client)?;
    let listed: Listed = client.get("/native/folders").await?;
    if folders.json {
        return say_json(&listed);
    }
    if listed.folders.is_empty() {
        return say(
            "No folder is shared. `doorward serve --companion --share NAME=PATH` shares one.",
        );
    }
    let rows: Vec<_> = listed
        .folders
        .into_iter()
        .map(|folder| {
            let state = match folder.read_only {
                true => format!("{}, read-only", folder.state),
                false => folder.state,
            };
            vec![
                folder.name,
                folder.rights.join(", "),
                folder.kind,
                state,
                folder.pairings.len().to_string(),
                folder.path,
            ]
        })
        .collect();
    let headings = ["NAME", "AT MOST", "KIND", "STATE", "PAGES", "PATH"];
    say_text(&table(&headings, &rows, Paint::stdout()))
}
