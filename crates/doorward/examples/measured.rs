//! What `cargo xtask bench guard` measures:
//! `cargo run -p doorward --example measured -- FOLDER 300 190`.
//!
//! A companion whose vault has as many pages as it takes, and a console with as many
//! sessions. For each page and each session so many requests are written into the
//! files `signed` and `session`, one of each in turn: rates are counted one by one, so
//! none is passed, and nothing has to be switched off. A signed request is good for
//! half a minute. It says `host:port` of both, and serves until standard input ends.

#[path = "signed.rs"]
#[expect(dead_code, reason = "only its requests are of use here")]
mod signed;

use std::path::Path;
use std::sync::Arc;

use doorward::companion_core::defaults::PAIRINGS;
use doorward::companion_core::pairing::Way;
use doorward::companion_core::vault::{Answering, KeptPage, Vault};
use doorward::guard::caller::PROOF_HEADER;
use doorward::guard::defaults::SESSIONS;
use doorward::guard::{Answer, Call, Origin, Permit, Policy, Secret, Session, Surface};
use doorward::{Bridge, CompanionSettings, Keep, Serving};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// As long as what `/pairing` answers.
const NOTE: &str = concat!(
    r#"{"text":"The door is kept. The door is kept. The door is kept. The door is kept. "#,
    r#"The door is kept. The door is kept. The door is kept. The door is kept. The door is kept."}"#
);

/// Has what it was given.
#[derive(Debug)]
struct Full(Vec<KeptPage>);

impl Vault for Full {
    fn keep<'a>(&'a self, _page: &'a KeptPage) -> Answering<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn read<'a>(&'a self, key_ids: &'a [String]) -> Answering<'a, Vec<Option<KeptPage>>> {
        let found = |id: &String| self.0.iter().find(|page| page.key_id == *id).cloned();
        let pages = key_ids.iter().map(found).collect();
        Box::pin(async { Ok(pages) })
    }

    fn remove<'a>(&'a self, _key_id: &'a str) -> Answering<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn pages() -> Result<Vec<KeptPage>, Failure> {
    let page = |number| -> Result<KeptPage, Failure> {
        Ok(KeptPage {
            key_id: Secret::<16>::random().reveal().to_string(),
            origin: Origin::parse(&format!("https://page{number}.example")).ok_or("no origin")?,
            label: "Example".to_owned(),
            scopes: serde_json::from_value(json!([]))?,
            request: Secret::random(),
            response: Secret::random(),
            created: 1_790_000_000,
            way: Way::Signed,
        })
    };
    (0..PAIRINGS).map(page).collect()
}

/// Serves a companion that knows `pages`, and `/api/note` for sessions. The register
/// of the pairings is a file in `folder`.
async fn open(folder: &Path, pages: &[KeptPage]) -> Result<Serving, Failure> {
    let register = folder.join("pairings.json");
    let kept: Vec<_> = pages
        .iter()
        .map(|page| json!({ "keyId": page.key_id, "origin": page.origin.as_str() }))
        .collect();
    let list = json!({ "v": 1, "kept": kept, "forgotten": [] });
    std::fs::write(&register, list.to_string())?;
    let settings = CompanionSettings {
        ports: vec![0],
        keep: Some(Keep {
            vault: Arc::new(Full(pages.to_vec())),
            register,
        }),
        ..CompanionSettings::default()
    };
    let mut bridge = Bridge::builder()
        .without_console()
        .companion(settings)
        .bind()
        .await?;
    let sessions = Arc::clone(bridge.house().sessions());
    let note = Surface::new("note", "/api/note", Policy::console_api(), sessions, ());
    bridge.mount(
        note.get("/", |_: Arc<()>, _: Permit<Session>, _: Call| async {
            Answer::whole(http::StatusCode::OK, "application/json", NOTE.into())
        }),
    )?;
    let serving = bridge.serve();
    let companion = Arc::clone(serving.house().companion().ok_or("no companion")?);
    companion.restore().await;
    match companion.paired().len() == pages.len() {
        true => Ok(serving),
        false => Err("a page was not restored".into()),
    }
}

/// As a console's `fetch` sends it.
fn session(serving: &Serving, host: &str) -> Result<String, Failure> {
    let house = serving.house();
    let sessions = house.sessions();
    let failed = |refusal: doorward::guard::Refusal| refusal.rule().name();
    let ticket = sessions.ticket(false).map_err(failed)?;
    let claim = sessions.claim(&ticket.reveal(), None).map_err(failed)?;
    let (name, cookie) = (sessions.cookie_name(), claim.cookie.reveal());
    let proof = claim.proof.reveal();
    Ok(format!(
        "GET /api/note HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nsec-fetch-site: same-origin\r\n\
         sec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\n{PROOF_HEADER}: {}\r\ncookie: {name}={}\r\n\r\n",
        proof.as_str(),
        cookie.as_str(),
    ))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [folder, signed, sessions] = words.as_slice() else {
        return Err("measured FOLDER SIGNED SESSION".into());
    };
    let (folder, signed, often) = (Path::new(folder), signed.parse()?, sessions.parse()?);
    let pages = pages()?;
    let serving = open(folder, &pages).await?;
    let control = serving.control_origin().replacen("http://", "", 1);
    let calls: Result<Vec<_>, _> = (0..SESSIONS).map(|_| session(&serving, &control)).collect();
    std::fs::write(folder.join("session"), calls?.concat().repeat(often))?;

    let origin = serving.state().companion.ok_or("no companion")?;
    let host = origin.replacen("http://", "", 1);
    let asker = pages.first().ok_or("no page")?.origin.clone();
    let instance = signed::instance(&host, &asker).await?;
    let mut requests = String::new();
    for _ in 0..signed {
        for page in &pages {
            let key = (page.key_id.as_str(), &page.request);
            requests.push_str(&signed::signed(&host, &page.origin, key, &instance)?);
        }
    }
    std::fs::write(folder.join("signed"), requests)?;
    println!("{host} {control}");
    for line in std::io::stdin().lines() {
        line?;
    }
    serving.shutdown().await;
    Ok(())
}
