//! One surface for each kind of caller: `cargo run -p doorward --example surface`
//!
//! A handler takes the permit of its surface's caller. With any other it does not
//! compile; without a policy there is no surface.

use std::sync::Arc;
use std::time::Duration;

use doorward::guard::rules::fetch_metadata::Uses;
use doorward::guard::{
    Answer, Call, Capability, GrantOptions, Grants, Native, Open, Origins, Permit, Policy, Refusal,
    Session, Surface, Ticket,
};
use doorward::{Bridge, Serving};

type Failure = Box<dyn std::error::Error>;

/// What this example keeps in its capabilities.
#[derive(Debug)]
pub(crate) struct Note(&'static str);

/// A house with five surfaces of its own, and the path of a note that only its
/// token opens.
pub(crate) async fn open(socket: &std::path::Path) -> Result<(Serving, String), Failure> {
    let mut bridge = Bridge::builder()
        .without_console()
        .native_socket(socket)
        .bind()
        .await?;
    let sessions = Arc::clone(bridge.sessions());
    let notes = Arc::new(Grants::<Note>::new(bridge.clock()));

    // Anybody: there must be nothing to protect.
    bridge
        .mount(Surface::new("about", "/about", Policy::console_files(), (), ()).get("/", about))?;
    // A launch ticket becomes a session.
    let claim = Policy::claim();
    let book = Arc::clone(&sessions);
    bridge.mount(
        Surface::new("enter", "/enter", claim, book, Arc::clone(&sessions)).post("/", enter),
    )?;
    // Cookie and tab proof; a CSRF token on changes. Tightened: small bodies only.
    let api = Policy::console_api()
        .body_at_most(1024)
        .in_flight_at_most(4);
    bridge.mount(Surface::new("whoami", "/whoami", api, sessions, ()).get("/", whoami))?;
    // An unguessable path.
    let media = Policy::media();
    bridge.mount(
        Surface::new("notes", "/notes", media, Arc::clone(&notes), ()).get("/{token}", note),
    )?;
    // A process of the same user, over the socket.
    bridge.mount(Surface::new("hello", "/hello", Policy::native(), (), ()).get("/", hello))?;

    let (token, _grant) = notes.mint(
        Note("remember the milk"),
        GrantOptions {
            life: Duration::from_secs(60),
            idle: None,
            owner: None,
            origins: Origins::Any,
            uses: Uses {
                framed: false,
                document: false,
            },
        },
    )?;
    Ok((
        bridge.serve(),
        format!("/notes/{}", token.reveal().as_str()),
    ))
}

async fn about(_: Arc<()>, _: Permit<Open>, _: Call) -> Answer {
    Answer::text("an example")
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Enter {
    ticket: String,
}

async fn enter(
    sessions: Arc<doorward::guard::Sessions>,
    permit: Permit<Ticket>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Enter { ticket } = call.json()?;
    let claim = sessions.claim(&ticket, permit.proof().as_ref())?;
    Ok(Answer::json(&claim.session))
}

async fn whoami(_: Arc<()>, permit: Permit<Session>, _: Call) -> Answer {
    Answer::json(&permit.proof().id)
}

async fn note(_: Arc<()>, permit: Permit<Capability<Note>>, _: Call) -> Answer {
    Answer::text(permit.proof().data.0)
}

async fn hello(_: Arc<()>, _: Permit<Native>, _: Call) -> Answer {
    Answer::text("hello, neighbour")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (serving, note) = open(&folder.path().join("socket")).await?;
    println!("{}{note}", serving.content_origin());
    for listener in serving.table() {
        for surface in listener.surfaces {
            println!(
                "{:8} {:10} {}",
                listener.name,
                surface.prefix,
                surface.words.join(" ")
            );
        }
    }
    tokio::signal::ctrl_c().await?;
    serving.shutdown().await;
    Ok(())
}
