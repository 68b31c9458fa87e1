//! Media beside a surface of your own: `cargo run -p doorward --example embed -- FILE`
use std::sync::Arc;

use doorward::guard::{Answer, Call, Permit, Policy, Session, Surface};
use doorward::media::MediaOptions;
use doorward::{Bridge, Serving};

type Failure = Box<dyn std::error::Error>;

/// Opens the house and makes a URL for `file`.
pub(crate) async fn open(file: &str) -> Result<(Serving, String), Failure> {
    let mut bridge = Bridge::builder().bind().await?;
    let (policy, sessions) = (Policy::console_api(), Arc::clone(bridge.sessions()));
    let greeting = Surface::new("greeting", "/api/greeting", policy, sessions, ()).get("/", greet);
    bridge.mount(greeting)?;
    let serving = bridge.serve();
    let minted = serving.media().grant(file, MediaOptions::default()).await?;
    Ok((serving, minted.url))
}

/// Runs only for a proven session: nobody else has a permit.
async fn greet(_: Arc<()>, permit: Permit<Session>, _: Call) -> Answer {
    Answer::json(&format!("hello, {}", permit.proof().id))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let file = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "README.md".to_owned());
    let (serving, url) = open(&file).await?;
    println!("{url}\nconsole: {}", serving.launch_url(false)?);
    tokio::signal::ctrl_c().await?;
    serving.shutdown().await;
    Ok(())
}
