//! `/hello` and `/pair`: what a page may ask before it is paired.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_companion::defaults;
use doorward_companion::pairing::{Bytes32, Collected, Held, Mode, Window};
use doorward_companion::signing::Challenge;
use doorward_guard::rules::limits::Bucket;
use doorward_guard::{Answer, Call, Clock, Origin, Page, Permit, Policy, Refusal, Rule, Surface};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{Approval, Companion, refusal};

/// How often pages of one origin may start.
#[derive(Debug)]
pub(super) struct Starts {
    clock: Clock,
    buckets: Mutex<HashMap<Option<Origin>, Bucket>>,
}

/// `/pair` and what it counts.
#[derive(Debug)]
pub(super) struct Knocking {
    room: Arc<Companion>,
    starts: Starts,
    held: Mutex<HashMap<String, usize>>,
}

/// A held request, let go when it is answered or its socket closes.
struct Holding<'a> {
    of: &'a Knocking,
    pid: String,
    held: Option<Held>,
}

impl Companion {
    pub(super) fn hello_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let askers = self.askers.clone();
        Surface::new(
            "hello",
            "/hello",
            Policy::knocking(),
            askers,
            Arc::clone(self),
        )
        .post("/", hello)
    }

    pub(super) fn pair_surface(self: &Arc<Self>) -> Surface<Page, Knocking> {
        let knocking = Knocking {
            room: Arc::clone(self),
            starts: Starts {
                clock: self.clock.clone(),
                buckets: Mutex::default(),
            },
            held: Mutex::default(),
        };
        let askers = self.askers.clone();
        Surface::new("pair", "/pair", Policy::knocking(), askers, knocking)
            .post("/start", start)
            .post("/{pid}/reveal", reveal)
            .post("/{pid}/confirm", confirm)
            .post("/{pid}/cancel", cancel)
            .get_only("/{pid}", wait)
    }

    pub(super) fn mode_name(&self) -> &'static str {
        match self.mode {
            Mode::Ask => "ask",
            Mode::Window => "window",
            Mode::Off => "off",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Hello {
    challenge: String,
    key_id: Option<String>,
}

async fn hello(room: Arc<Companion>, permit: Permit<Page>, call: Call) -> Result<Answer, Refusal> {
    let Hello { challenge, key_id } = call.json()?;
    let challenge = Challenge::parse(&challenge).ok_or(Rule::InvalidJson)?;
    let verifier = &room.book.verifier;
    // One without a pairing costs as much as one with.
    let proof = verifier.hello(
        permit.proof(),
        key_id.as_deref().unwrap_or_default(),
        &challenge,
    );
    let mut answer = json!({
        "v": doorward_companion::pairing::VERSION,
        "instance": room.instance.as_str(),
        "listen": room.listen,
        "now": verifier.now(),
        "pairing": room.mode_name(),
        "paired": proof.is_some(),
    });
    if let (Some(proof), Some(members)) = (proof, answer.as_object_mut()) {
        members.insert(
            "proof".to_owned(),
            Value::from(String::from(Bytes32(proof))),
        );
    }
    Ok(Answer::json(&answer))
}

async fn start(at: Arc<Knocking>, permit: Permit<Page>, call: Call) -> Result<Answer, Refusal> {
    at.starts.take(permit.proof())?;
    if matches!(at.room.approval, Approval::Off) {
        return Err(Rule::ApprovalUnavailable.into());
    }
    let offered = at.room.pairings().start(permit.proof(), call.bytes());
    let bytes = offered.map_err(refusal::pair)?.bytes;
    Ok(Answer::whole(
        StatusCode::OK,
        "application/json",
        bytes.into(),
    ))
}

async fn reveal(at: Arc<Knocking>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let room = &at.room;
    let shown = room
        .pairings()
        .reveal(permit.proof(), call.param("pid"), call.bytes());
    room.sweep();
    room.news();
    let window: Window = shown.map_err(refusal::pair)?;
    room.show(window.clone());
    Ok(Answer::json(&json!({
        "state": "pending",
        "typed": window.typed,
        "expiresIn": window.left(room.clock.now()).as_secs(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    proof: Bytes32,
}

async fn confirm(at: Arc<Knocking>, permit: Permit<Page>, call: Call) -> Result<Answer, Refusal> {
    let Confirm { proof } = call.json()?;
    let room = &at.room;
    let step = room
        .pairings()
        .confirm(permit.proof(), call.param("pid"), &proof.0);
    room.sweep();
    let step = step.map_err(refusal::pair)?;
    let room = Arc::clone(room);
    // The vault may wait for its password: the page learns of it where it waits.
    tokio::spawn(async move { room.follow(step).await });
    Ok(Answer::json(&json!({ "state": "pending" })))
}

async fn cancel(at: Arc<Knocking>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let cancelled = at.room.pairings().cancel(permit.proof(), call.param("pid"));
    at.room.sweep();
    cancelled.map_err(refusal::pair)?;
    Ok(Answer::json(&json!({ "state": "cancelled" })))
}

async fn wait(at: Arc<Knocking>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let (room, origin, pid) = (&at.room, permit.proof(), call.param("pid"));
    let holding = at.hold(origin, pid)?;
    let until = Instant::now() + defaults::HELD_FOR;
    loop {
        let changed = room.changed.notified();
        tokio::pin!(changed);
        // Before it is looked at, so that nothing happens in between unheard.
        changed.as_mut().enable();
        let collected = room.pairings().collect(origin, pid);
        match collected.map_err(refusal::pair)? {
            Collected::Paired {
                key_id,
                proof,
                scopes,
            } => {
                return Ok(Answer::json(&json!({
                    "state": "paired",
                    "keyId": key_id,
                    "proof": String::from(Bytes32(proof)),
                    "scopes": scopes,
                })));
            }
            Collected::Pending => {
                if timeout_at(until, changed).await.is_err() {
                    drop(holding);
                    return Ok(Answer::json(&json!({ "state": "pending" })));
                }
            }
        }
    }
}

impl Knocking {
    fn hold(&self, origin: &Origin, pid: &str) -> Result<Holding<'_>, Rule> {
        let held = self.room.pairings().hold(origin, pid);
        let mut holding = Holding {
            of: self,
            pid: pid.to_owned(),
            held: Some(held.map_err(refusal::pair)?),
        };
        let mut counts = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(pid.to_owned()).or_default();
        *count += 1;
        let most = *count <= defaults::HELD;
        drop(counts);
        if !most {
            holding.let_go();
            return Err(Rule::RateLimited);
        }
        Ok(holding)
    }
}

impl Holding<'_> {
    fn let_go(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        self.of.room.pairings().let_go(held);
        let mut counts = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.pid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.pid);
            }
        }
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Starts {
    /// Like failed proofs: a page that asks and asks is slowed down.
    fn take(&self, origin: &Origin) -> Result<(), Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Some(origin.clone());
        let full = buckets.len() >= doorward_guard::defaults::UNPROVEN_ORIGINS;
        // Later origins share one.
        let key = key.filter(|_| !full || buckets.contains_key(&Some(origin.clone())));
        let rate = doorward_guard::defaults::UNPROVEN_RATE;
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Bucket::new(rate, &self.clock));
        bucket
            .take()
            .map_err(|wait| Refusal::from(Rule::RateLimited).retry_after(wait))
    }
}
