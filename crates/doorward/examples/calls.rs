//! Calls through a gateway, as fast as they go: `cargo run -p doorward --example calls -- 5`.
//!
//! The reference gateway listens on a Unix socket, and the operator's room signs in to
//! it and calls it, as many at once as may. After a second that does not count it says,
//! for so many seconds: microseconds from call to call, and by how many KiB the memory
//! of this process grew.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::guard::audit::{AuditSink, Ledger};
use doorward::guard::events::Events;
use doorward::guard::table::sessions::SessionLimits;
use doorward::guard::{Clock, SessionId, Sessions};
use doorward::operator::gateway::{AuthKind, AuthStart, Proof};
use doorward::operator::room::CallRequest;
use doorward::operator::rpc::{CapnpGateway, Place};
use doorward::operator::{Configured, Operator, defaults};
use doorward_gateway::{Accounts, Listen, Profile, Server, Settings};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A note of this many bytes is read again and again.
const NOTE: usize = 1_024;
/// This does not count.
const WARM: Duration = Duration::from_secs(1);

struct Desk {
    room: Arc<Operator>,
    session: SessionId,
    notes: String,
    done: AtomicU64,
}

impl Desk {
    async fn call(&self, operation: &str, fields: serde_json::Value) -> Result<(), Failure> {
        let call = CallRequest {
            r#ref: self.notes.clone(),
            operation: operation.to_owned(),
            fields: fields.as_object().cloned().unwrap_or_default(),
            confirmed: false,
        };
        let answer = self.room.call(&self.session, "example", call).await;
        answer.map(drop).map_err(|refusal| refusal.rule().name())?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn read_on(&self) -> Result<(), Failure> {
        loop {
            self.call("get", serde_json::json!({ "name": "a" })).await?;
        }
    }
}

async fn open(folder: &std::path::Path) -> Result<(Desk, Server), Failure> {
    let mut accounts = Accounts::default();
    accounts.add_password("ada", Profile::Operator, "example")?;
    let socket = folder.join("gate");
    let address = format!("unix:{}", socket.display());
    let server = Server::open(Listen::Unix(socket), Settings::new(accounts)).await?;
    let clock = Clock::system();
    let audit: Arc<dyn AuditSink> = Arc::new(Ledger::new(&clock));
    let gateway = Arc::new(CapnpGateway::new(Place::parse(&address)?));
    let gateways = vec![Configured::new("example", address, gateway)];
    let room = Operator::new(&clock, &Events::new(), &audit, gateways, None);
    let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
    let ticket = sessions.ticket(false).map_err(|_| "no ticket")?;
    let claim = sessions.claim(&ticket.reveal(), None);
    let session = claim.map_err(|_| "no session")?.session;
    let start = AuthStart {
        kind: AuthKind::Password,
        account: "ada".to_owned(),
        profile: String::new(),
        proof: Some(Proof::new("example".to_owned())),
    };
    let signed_in = room.login(&session, "example", start).await;
    signed_in.map_err(|refusal| refusal.rule().name())?;
    let caps = room.state(&session).caps;
    let notes = caps.into_iter().find(|cap| cap.name == "notes");
    let desk = Desk {
        room,
        session,
        notes: notes.ok_or("no notes")?.r#ref,
        done: AtomicU64::new(0),
    };
    Ok((desk, server))
}

/// KiB of this process that are in memory.
fn resident() -> Result<i64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("no VmRSS")?.trim().parse()?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds: u64 = std::env::args().nth(1).ok_or("for how long?")?.parse()?;
    let folder = tempfile::tempdir()?;
    let (desk, _server) = open(folder.path()).await?;
    let desk = Arc::new(desk);
    let note = serde_json::json!({ "name": "a", "text": "x".repeat(NOTE) });
    desk.call("put", note).await?;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..defaults::IN_FLIGHT {
        let desk = Arc::clone(&desk);
        callers.spawn(async move { desk.read_on().await });
    }
    let measured = async {
        tokio::time::sleep(WARM).await;
        let (before, from) = (resident()?, desk.done.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let calls = desk.done.load(Ordering::Relaxed) - from;
        let grown = resident()? - before;
        println!("{} {grown}", seconds * 1_000_000 / calls.max(1));
        Ok::<_, Failure>(())
    };
    tokio::select! {
        measured = measured => measured,
        // None of them ends but by failing.
        Some(failed) = callers.join_next() => failed?,
    }
}
