//! A native page that is paired with a companion and signs its requests:
//! `cargo run -p doorward --example signed`.
//!
//! The companion is in this process, and a hook approves; in an app that would be its
//! window. It says a signed `GET /pairing`, to be sent with `nc`: good once, for half a
//! minute. It serves until standard input ends.
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use doorward::approve::{Answer, Approval, Hook, Hooked, Hooks};
use doorward::companion_core::pairing::keys::Keys;
use doorward::companion_core::pairing::page::Page;
use doorward::companion_core::pairing::{Bytes32, Scopes};
use doorward::companion_core::signing::{Params, page::sign};
use doorward::guard::{Clock, Origin, Secret};
use doorward::{Bridge, CompanionSettings, Serving};
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error>;

/// An approval in the first second counts for nothing.
const READ_FIRST: Duration = Duration::from_millis(1_100);

/// Serves a companion whose person says yes to `hooks`.
pub(crate) async fn open(settings: CompanionSettings) -> Result<(Serving, Hooks, String), Failure> {
    let (hook, hooks) = Hook::new();
    let settings = CompanionSettings {
        ports: vec![0],
        approval: Approval::By(Arc::new(hook)),
        ..settings
    };
    let bridge = Bridge::builder().without_console().companion(settings);
    let serving = bridge.bind().await?.serve();
    let origin = serving.state().companion.ok_or("no companion")?;
    let host = origin.trim_start_matches("http://").to_owned();
    Ok((serving, hooks, host))
}

/// Pairs a page at `origin` that asks for `scopes`: its keys, and the name of the
/// companion's run.
pub(crate) async fn pair(
    host: &str,
    hooks: &mut Hooks,
    origin: &Origin,
    scopes: Scopes,
) -> Result<(Keys, String), Failure> {
    let page = Page::new(origin, "Example", scopes);
    let offer = post(host, "/pair/start", origin, page.start()).await?;
    let told: Value = serde_json::from_slice(&offer)?;
    let word = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let (pid, instance) = (
        word("pid").ok_or("no attempt")?,
        word("instance").ok_or("no run")?,
    );
    let reveal = page.reveal().to_vec();
    post(host, &format!("/pair/{pid}/reveal"), origin, &reveal).await?;
    let comparing = page.compare(&offer, host).ok_or("no offer")?;
    // Here a person would compare the digits of both.
    let request = loop {
        match hooks.next().await.ok_or("nobody is asked")? {
            Hooked::Request(request) => break request,
            Hooked::News(_) => {}
        }
    };
    request.opened();
    tokio::time::sleep(READ_FIRST).await;
    let keys = comparing.keys().clone();
    request.answer(Answer::Approved(Some(keys.code.to_string())));
    let proof = json!({ "proof": String::from(Bytes32(keys.page_proof())) });
    post(
        host,
        &format!("/pair/{pid}/confirm"),
        origin,
        proof.to_string().as_bytes(),
    )
    .await?;
    let paired: Value = serde_json::from_slice(
        &ask(
            host,
            &format!("GET /pair/{pid} HTTP/1.1\r\nOrigin: {origin}\r\n"),
            b"",
        )
        .await?,
    )?;
    if paired.get("state") != Some(&json!("paired")) {
        return Err(paired.to_string().into());
    }
    Ok((keys, instance))
}

/// The name of the companion's run.
#[allow(dead_code, reason = "for those that include this file")]
pub(crate) async fn instance(host: &str, origin: &Origin) -> Result<String, Failure> {
    let challenge = Secret::<32>::random();
    let hello = json!({ "challenge": challenge.reveal().as_str() }).to_string();
    let told: Value =
        serde_json::from_slice(&post(host, "/hello", origin, hello.as_bytes()).await?)?;
    let name = told.get("instance").and_then(Value::as_str);
    Ok(name.ok_or("no run")?.to_owned())
}

/// A signed `GET /pairing`, as it is sent: by the key with this id.
pub(crate) fn signed(
    host: &str,
    origin: &Origin,
    (key_id, key): (&str, &Secret<32>),
    instance: &str,
) -> Result<String, Failure> {
    let request = Request::get("/pairing")
        .header("host", host)
        .header("origin", origin.as_str())
        .header("x-doorward-instance", instance)
        .body(())?;
    let (mut parts, ()) = request.into_parts();
    let now = Clock::system().wall().duration_since(UNIX_EPOCH)?.as_secs();
    let nonce = Secret::<16>::random().reveal().to_string();
    let params = Params {
        created: now,
        expires: now + 60,
        nonce: &nonce,
        key_id,
    };
    sign(&mut parts, key, &params, None)?;
    let mut text = "GET /pairing HTTP/1.1\r\n".to_owned();
    for (name, value) in &parts.headers {
        write!(text, "{name}: {}\r\n", value.to_str()?)?;
    }
    text.push_str("\r\n");
    Ok(text)
}

async fn post(host: &str, path: &str, origin: &Origin, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nOrigin: {origin}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    ask(host, &head, body).await
}

/// The body of the answer, if it is 200.
async fn ask(host: &str, head: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(host).await?;
    let head = format!("{head}Host: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("no answer")?;
    let body = answer.split_off(end + 4);
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(body),
        false => Err(String::from_utf8_lossy(&body).into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (serving, mut hooks, host) = open(CompanionSettings::default()).await?;
    let origin = Origin::parse("https://page.example").ok_or("no origin")?;
    let (keys, instance) = pair(&host, &mut hooks, &origin, Scopes::default()).await?;
    let request = signed(&host, &origin, (&keys.key_id, &keys.request), &instance)?;
    println!(
        "for {host}:

{request}"
    );
    for line in std::io::stdin().lines() {
        line?;
    }
    serving.shutdown().await;
    Ok(())
}
