//! `doorward sessions`: browsers that are signed in.

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};

use crate::args::{Sessions, SessionsCommand};
use crate::client::Client;
use crate::failure::Failure;
use crate::term::{Paint, say, say_json, say_text, table};

#[derive(Debug, Deserialize, Serialize)]
struct Listed {
    sessions: Vec<Session>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: String,
    created_at: String,
    idle_expires_at: String,
    expires_at: String,
    tabs: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Revoked {
    revoked: u64,
}

pub(crate) async fn run(sessions: Sessions, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    match sessions.command {
        SessionsCommand::List { json } => list(&client, json).await,
        SessionsCommand::Revoke { id, json } => revoke(&client, &id, json).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let listed: Listed = client.get("/native/sessions").await?;
    if json {
        return say_json(&listed);
    }
    if listed.sessions.is_empty() {
        return say("No browser is signed in. `doorward open` signs one in.");
    }
    let rows: Vec<_> = listed
        .sessions
        .into_iter()
        .map(|session| {
            vec![
                session.id,
                session.tabs.to_string(),
                session.created_at,
                session.idle_expires_at,
                session.expires_at,
            ]
        })
        .collect();
    let headings = ["SESSION", "TABS", "SINCE", "ENDS UNLESS USED BY", "ENDS AT"];
    say_text(&table(&headings, &rows, Paint::stdout()))
}

async fn revoke(client: &Client, id: &str, json: bool) -> Result<(), Failure> {
    let is_id = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_id || id.is_empty() {
        return Err(Failure::usage(format!("{id:?} is not the id of a session")));
    }
    let answer: Revoked = client.delete(&format!("/native/sessions/{id}")).await?;
    if json {
        return say_json(&answer);
    }
    match answer.revoked {
        1 => say("1 session ended."),
        count => say(&format!("{count} sessions ended.")),
    }
}
