//! `doorward pair`: pages that are introduced to this computer.

use std::io::{BufRead as _, IsTerminal as _};

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::{Pair, PairCommand};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{Paint, remark, say, say_json, say_text, table};

#[derive(Debug, Deserialize, Serialize)]
struct Overview {
    pairing: String,
    approve: String,
    pending: Option<Pending>,
    pairings: Vec<Paired>,
    vault: Vault,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Vault {
    /// A word for programs.
    pub(super) state: String,
    /// A sentence for people.
    pub(super) message: String,
    pub(super) missing: Vec<Missing>,
    pub(super) unremoved: usize,
}

/// Listed, and not in effect.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Missing {
    key_id: String,
    origin: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    number: u64,
    origin: String,
    label: String,
    scopes: Vec<Scope>,
    typed: bool,
    confirmed: bool,
    expires_in: u64,
    expires_at: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Paired {
    key_id: String,
    origin: String,
    label: String,
    scopes: Vec<Scope>,
    created_at: String,
    last_used_at: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Scope {
    folder: String,
    rights: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Forgotten {
    forgotten: u64,
}

/// What is about pages needs their listener.
pub(super) fn companion_is_on(client: &Client) -> Result<(), Failure> {
    if client.info().companion.is_some() {
        return Ok(());
    }
    let failure = Failure::new(Code::Failed, "companionOff", "the companion is not on");
    Err(failure.next(
        "Start doorward with `doorward serve --companion`, or set enabled = true under [companion].",
    ))
}

pub(crate) async fn run(pair: Pair, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    companion_is_on(&client)?;
    match pair.command {
        PairCommand::List { json } => list(&client, json).await,
        PairCommand::Approve { code, json } => approve(&client, code, json).await,
        PairCommand::Deny { json } => {
            let pending = pending(&client).await?;
            let path = format!("/native/pairings/{}/deny", pending.number);
            let told: Value = client.post(&path, &json!({})).await?;
            tell(json, &told, &format!("Denied to {}.", pending.origin))
        }
        PairCommand::Allow { origin, json } => {
            let body = json!({ "origin": origin });
            let told: Value = client.post("/native/pairings/allow", &body).await?;
            let who = origin.as_deref().unwrap_or("Any page");
            tell(
                json,
                &told,
                &format!("{who} may ask to be paired for two minutes."),
            )
        }
        PairCommand::Check { json } => {
            let overview: Overview = client.post("/native/pairings/check", &json!({})).await?;
            show(&overview, json)
        }
        PairCommand::Forget { id, json } => forget(&client, &id, json).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    show(&client.get("/native/pairings").await?, json)
}

/// How the vault of a running companion is.
pub(super) async fn vault(client: &Client) -> Result<Vault, Failure> {
    let overview: Overview = client.get("/native/pairings").await?;
    Ok(overview.vault)
}

fn show(overview: &Overview, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(overview);
    }
    if let Some(pending) = &overview.pending {
        say(&format!(
            "{} asks to be paired ({} s left). Answer with `doorward pair approve` or `doorward pair deny`.",
            pending.origin, pending.expires_in
        ))?;
    }
    if overview.pairings.is_empty() {
        say("No page is paired.")?;
    } else {
        let rows: Vec<_> = overview
            .pairings
            .iter()
            .map(|page| {
                let scopes = words(&page.scopes);
                let used = page.last_used_at.as_deref().unwrap_or("not yet");
                let cells = [&page.key_id, &page.origin, &scopes, &page.created_at, used];
                cells.map(str::to_owned).to_vec()
            })
            .collect();
        let headings = ["PAIRING", "ORIGIN", "MAY", "SINCE", "LAST USED"];
        say_text(&table(&headings, &rows, Paint::stdout()))?;
    }
    let Vault {
        message,
        missing,
        unremoved,
        ..
    } = &overview.vault;
    say(message)?;
    if !missing.is_empty() {
        say("Not in effect, because the keyring did not give their keys:")?;
        let rows: Vec<_> = missing
            .iter()
            .map(|page| vec![page.key_id.clone(), page.origin.clone()])
            .collect();
        say_text(&table(&["PAIRING", "ORIGIN"], &rows, Paint::stdout()))?;
    }
    if *unremoved > 0 {
        say(&format!(
            "Forgotten, and still to be removed from the keyring: {unremoved}. They are good for nothing."
        ))?;
    }
    Ok(())
}

/// Shows who asks and for what; the person types what the page shows.
async fn approve(client: &Client, code: Option<String>, json: bool) -> Result<(), Failure> {
    let pending = pending(client).await?;
    remark(&format!("Origin:  {}", pending.origin));
    remark(&format!("Asks for: {}", words(&pending.scopes)));
    remark(&format!("Until:   {}", pending.expires_at));
    let code = match code {
        Some(code) => code,
        None => type_code()?,
    };
    let path = format!("/native/pairings/{}/approve", pending.number);
    let told: Value = client.post(&path, &json!({ "code": code })).await?;
    let text = match told.get("state").and_then(Value::as_str) {
        Some("paired") => format!("{} is paired.", pending.origin),
        _ => "Approved. Confirm on the page as well.".to_owned(),
    };
    tell(json, &told, &text)
}

fn type_code() -> Result<String, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to type the code at: give it with --code".to_owned(),
        ));
    }
    remark("Type the six digits or characters that the page shows, or press Ctrl-C:");
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    match read {
        Ok(_) if !line.trim().is_empty() => Ok(line.trim().to_owned()),
        _ => Err(Failure::usage("no code was typed".to_owned())),
    }
}

async fn pending(client: &Client) -> Result<Pending, Failure> {
    let overview: Overview = client.get("/native/pairings").await?;
    overview.pending.ok_or_else(|| {
        let failure = Failure::new(Code::Failed, "notFound", "no page asks to be paired");
        failure.next("Start the pairing on the page first.")
    })
}

async fn forget(client: &Client, id: &str, json: bool) -> Result<(), Failure> {
    let is_id = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_id || id.is_empty() {
        return Err(Failure::usage(format!("{id:?} is not the id of a pairing")));
    }
    let answer: Forgotten = client.delete(&format!("/native/pairings/{id}")).await?;
    if answer.forgotten == 0 && id != "all" {
        let failure = Failure::new(Code::Failed, "notFound", "there is no such pairing");
        return Err(failure.next("`doorward pair list` shows them."));
    }
    if json {
        return say_json(&answer);
    }
    say(&format!("Pairings ended: {}.", answer.forgotten))
}

fn words(scopes: &[Scope]) -> String {
    if scopes.is_empty() {
        return "no folder".to_owned();
    }
    let each = scopes
        .iter()
        .map(|scope| format!("{} ({})", scope.folder, scope.rights.join(", ")));
    each.collect::<Vec<_>>().join(", ")
}

fn tell(json: bool, told: &Value, text: &str) -> Result<(), Failure> {
    if json { say_json(told) } else { say(text) }
}
