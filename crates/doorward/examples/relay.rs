//! WebSockets of a page through this process: `cargo run -p doorward --example relay`,
//! then lines `livekit ORIGIN UPSTREAM...`, `turn ORIGIN UPSTREAM...` (media too) or
//! `any ORIGIN UPSTREAM...` for what a page of ORIGIN may reach; each is answered with a
//! grant in JSON, and `revoke ID` ends one. A file of certificates may be named, which
//! are trusted besides the platform's: `cargo run ... --example relay ROOTS.pem`. For trying things out: upstreams may be on this machine, and without TLS.
use doorward::egress::{AddressPolicy, Dialer, Trust};
use doorward::guard::{Origin, Origins};
use doorward::relay::{LiveKit, Messages, Paths, RelayOptions, Upstream};
use doorward::{Bridge, Serving};

type Failure = Box<dyn std::error::Error>;

/// Does what one line says, and answers it.
pub(crate) fn obey(serving: &Serving, line: &str) -> Result<String, Failure> {
    let mut words = line.split_whitespace();
    let kind = words.next().ok_or("an empty line")?;
    let first = words.next().ok_or("too few words")?;
    if kind == "revoke" {
        return Ok(serving.relay().revoke(first).to_string());
    }
    let origins = Origins::Exact(vec![Origin::parse(first).ok_or("no origin")?]);
    let mut upstreams = words.map(Upstream::parse).collect::<Result<Vec<_>, _>>()?;
    if upstreams.is_empty() {
        return Err("no upstream".into());
    }
    let mut options = RelayOptions::livekit(origins);
    options.local_networks = true;
    options.plain = true;
    if kind == "turn" {
        options.messages = Messages::LiveKit(LiveKit {
            turn: true,
            ..LiveKit::default()
        });
    }
    if kind == "any" {
        options.paths = Paths::beneath(["/"]);
        options.connections = usize::MAX;
    }
    let upstream = upstreams.remove(0);
    options.fallbacks = upstreams;
    let minted = serving.relay().grant(upstream, &options)?;
    Ok(serde_json::to_string(&minted)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut builder = Bridge::builder().without_console();
    if let Some(roots) = std::env::args_os().nth(1) {
        let roots = std::fs::read(roots)?;
        let trust = Trust::with_extra_pem([roots.as_slice()])?;
        builder = builder.egress(Dialer::new(AddressPolicy::public(), trust));
    }
    let serving = builder.bind().await?.serve();
    for line in std::io::stdin().lines() {
        match obey(&serving, &line?) {
            Ok(answer) => println!("{answer}"),
            Err(cause) => println!("error: {cause}"),
        }
    }
    serving.shutdown().await;
    Ok(())
}
