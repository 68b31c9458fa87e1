//! `doorward relay`: upstreams that pages reach through this process.

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::{Relay, RelayAdd, RelayCommand};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{Paint, say, say_json, say_text, table};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    url: String,
    id: String,
    expires_at: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Listed {
    relays: Vec<Open>,
    total: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    id: String,
    name: Option<String>,
    upstream: String,
    created_at: String,
    expires_at: String,
    connections: u64,
    turn_connections: u64,
    requests: u64,
    bytes_up: u64,
    bytes_down: u64,
    frames_up: u64,
    frames_down: u64,
    rtt_page_ms: Option<f64>,
    rtt_upstream_ms: Option<f64>,
    last_end: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Revoked {
    revoked: u64,
}

pub(crate) async fn run(relay: Relay, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    match relay.command {
        RelayCommand::Add(wanted) => add(&client, *wanted).await,
        RelayCommand::List { json } => list(&client, json).await,
        RelayCommand::Revoke { id, json } => revoke(&client, &id, json).await,
    }
}

async fn add(client: &Client, wanted: RelayAdd) -> Result<(), Failure> {
    let plain = ["ws://", "http://"]
        .iter()
        .any(|scheme| wanted.upstream.to_ascii_lowercase().starts_with(scheme));
    if plain && !wanted.allow_local {
        return Err(Failure::usage(format!(
            "{:?} is without TLS: write wss://, or --allow-local for one on this machine or in a local network",
            wanted.upstream
        )));
    }
    let mut body = json!({
        "upstream": wanted.upstream,
        "fallbacks": wanted.fallbacks,
        "origins": wanted.origins,
        "paths": wanted.paths,
        "allowLocal": wanted.allow_local,
        "livekit": wanted.livekit,
        "turn": wanted.turn,
    });
    if let (Some(life), Some(members)) = (wanted.life, body.as_object_mut()) {
        members.insert("life".to_owned(), Value::from(life.as_secs()));
    }
    let minted: Minted = client.post("/native/relays", &body).await?;
    if wanted.json {
        say_json(&minted)
    } else {
        say(&minted.url)
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let listed: Listed = client.get("/native/relays").await?;
    if json {
        return say_json(&listed);
    }
    if listed.relays.is_empty() {
        return say("No upstream is open. `doorward relay add URL` opens one.");
    }
    let rows: Vec<_> = listed
        .relays
        .into_iter()
        .map(|open| {
            vec![
                open.id,
                open.name.unwrap_or_default(),
                open.upstream,
                open.connections.to_string(),
                open.requests.to_string(),
                open.created_at,
                open.expires_at,
            ]
        })
        .collect();
    let headings = [
        "RELAY", "NAME", "UPSTREAM", "OPEN", "REQUESTS", "SINCE", "ENDS AT",
    ];
    say_text(&table(&headings, &rows, Paint::stdout()))
}

async fn revoke(client: &Client, id: &str, json: bool) -> Result<(), Failure> {
    let is_id = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_id || id.is_empty() {
        return Err(Failure::usage(format!("{id:?} is not the id of a relay")));
    }
    let answer: Revoked = client.delete(&format!("/native/relays/{id}")).await?;
    if answer.revoked == 0 {
        let failure = Failure::new(Code::Failed, "notFound", "there is no such open upstream");
        return Err(failure.next("It may have ended, or have been closed, already."));
    }
    if json {
        return say_json(&answer);
    }
    say("1 upstream closed.")
}
