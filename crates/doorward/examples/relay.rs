//! WebSockets of a page through this process: `cargo run -p doorward --example relay`,
//! then lines `livekit ORIGIN UPSTREAM...` or `any ORIGIN UPSTREAM...` for what a page
//! of ORIGIN may reach; each is answered with a grant in JSON, and `revoke ID` ends one.
//! For trying things out: upstreams may be on this machine, and without TLS.
use doorward::guard::{Origin, Origins};
use doorward::relay::{Paths, RelayOptions, Upstream};
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
    let serving = Bridge::builder().without_console().bind().await?.serve();
    for line in std::io::stdin().lines() {
        match obey(&serving, &line?) {
            Ok(answer) => println!("{answer}"),
            Err(cause) => println!("error: {cause}"),
        }
    }
    serving.shutdown().await;
    Ok(())
}
