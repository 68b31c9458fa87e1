//! Rows K, R and C: the browser's session, and what hangs on it.

use std::collections::HashSet;
use std::time::Duration;

use doorward::guard::audit::{AuditSink as _, Select};
use doorward::guard::defaults as guard;
use doorward::guard::table::sessions::Claim;
use doorward::guard::{CookieTransport, Token};
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use serde_json::json;

use crate::both::{
    Both, LOGIN, RIGHT, Raw, Silent, Tab, alias, answer_to, call, cookie_of, open, open_with,
    owner, routes, settings, sign_in, stranger, take, until_free,
};

const STATE: &str = "/api/operator/state";
const CALL: &str = "/api/operator/call";

// === the cookie ===

#[tokio::test]
async fn op_k1_the_cookie_is_http_only_strict_and_for_this_host_alone() {
    let mut both = open().await;
    let reply = sign_in(&mut both.house).await;
    let port = port(&both.house);
    let expected = format!(
        "doorward_{port}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}",
        both.house.cookie,
        guard::SESSION_ABSOLUTE.as_secs()
    );
    assert_eq!(reply.header("set-cookie"), Some(&*expected));
    let cookies = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    assert_eq!(cookies.count(), 1);
}

#[tokio::test]
async fn op_k2_each_value_is_43_characters_that_never_come_again() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let other = stranger(&mut both.house).await;
    assert_ne!(other.cookie, both.house.cookie);
    for value in [
        &other.cookie,
        &both.house.cookie,
        &both.house.csrf,
        &other.proof,
    ] {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(value.len() == 43 && value.chars().all(plain), "{value}");
    }
    assert_eq!(both.house.serving.sessions().list().len(), 2);
    let many: HashSet<_> = (0..100_000).map(|_| Token::random().hash()).collect();
    assert_eq!(many.len(), 100_000);
}

#[tokio::test]
async fn op_k3_the_cookies_name_has_the_port() {
    let silent = Silent::open().await;
    let port: u16 = port(&silent.house).parse().unwrap();
    let other = format!("doorward_{}={}", port.wrapping_add(1), silent.house.cookie);
    let raw = Raw::get(&silent.house, STATE).set("Cookie", &other);
    silent.refuses(&raw, 401, "browserSessionRequired").await;
}

#[tokio::test]
async fn op_k4_one_switch_makes_every_cookie_secure() {
    let mut both = open_with(settings(), |builder| {
        builder.cookie_transport(CookieTransport::Secure)
    })
    .await;
    let port = port(&both.house);
    let attributes = "; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=43200";
    // The house sends the plain cookie, which is none of ours here.
    let plain = both.house.get(STATE).await;
    assert_eq!(plain.denial().as_deref(), Some("browserSessionRequired"));
    let name = format!("__Host-doorward_{port}");
    let cookie = |value: &str| format!("{name}={value}");
    let raw = Raw::post(&both.house, LOGIN, RIGHT).set("Cookie", &cookie(&both.house.cookie));
    let entered = raw.send(&both.house).await;
    assert_eq!(entered.status, 200, "{}", entered.text());
    take(&mut both.house, &entered);
    let set = format!("{}{attributes}", cookie(&both.house.cookie));
    assert_eq!(entered.header("set-cookie"), Some(&*set));
    let claim = json!({ "ticket": both.house.ticket() }).to_string();
    let raw = Raw::post(&both.house, "/api/session/claim", &claim);
    let joined = raw.set("Cookie", &cookie(&both.house.cookie));
    let joined = joined.send(&both.house).await;
    take(&mut both.house, &joined);
    let set = format!("{}{attributes}", cookie(&both.house.cookie));
    assert_eq!(joined.header("set-cookie"), Some(&*set));
    let own = cookie(&both.house.cookie);
    let raw = Raw::get(&both.house, STATE).set("Cookie", &format!("{own}; {own}"));
    let twice = raw.send(&both.house).await;
    assert_eq!(twice.denial().as_deref(), Some("malformedRequest"));
    joined.json()["proof"]
        .as_str()
        .unwrap()
        .clone_into(&mut both.house.proof);
    let raw = Raw::post(&both.house, "/api/session/revoke", "{}");
    let out = raw.set("Cookie", &own).send(&both.house).await;
    let cleared = format!("{name}=; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=0");
    assert_eq!(out.header("set-cookie"), Some(&*cleared));
}

#[tokio::test]
async fn op_k7_sessions_and_tickets_are_few() {
    let mut silent = Silent::open().await;
    let mine = Tab::of(&silent.house);
    for _ in 1..guard::SESSIONS {
        stranger(&mut silent.house).await;
    }
    silent.house.cookie.clear();
    let claim = json!({ "ticket": silent.house.ticket() }).to_string();
    let reply = silent.house.post("/api/session/claim", &claim).await;
    assert_eq!(
        (reply.status, reply.denial().as_deref()),
        (503, Some("capacityReached"))
    );
    mine.enter(&mut silent.house);
    assert_eq!(
        silent.house.get(STATE).await.status,
        200,
        "who is in stays in"
    );
    let mut tickets = 0;
    while silent.house.serving.launch_url(false).is_ok() {
        tickets += 1;
    }
    assert_eq!(tickets, guard::TICKETS);
    assert_eq!(guard::SESSIONS, 64);
}

#[tokio::test]
async fn op_k8_without_a_session_nothing_answers() {
    let silent = Silent::open().await;
    for (method, path) in routes("/api/operator")
        .iter()
        .filter(|(method, _)| method != "HEAD")
    {
        let line = format!("{method} {path} HTTP/1.1");
        let body = if method == "POST" { "{}" } else { "" };
        let raw = Raw::new(&silent.house, &line, body).without("Cookie");
        silent.refuses(&raw, 401, "browserSessionRequired").await;
        let port = port(&silent.house);
        let forged = format!("doorward_{port}={}", *Token::random().reveal());
        let raw = Raw::new(&silent.house, &line, body).set("Cookie", &forged);
        silent.refuses(&raw, 401, "browserSessionExpired").await;
    }
}

#[tokio::test]
async fn op_k9_two_cookies_of_our_name_are_refused() {
    let silent = Silent::open().await;
    let own = format!("doorward_{}={}", port(&silent.house), silent.house.cookie);
    let raw = Raw::get(&silent.house, STATE).set("Cookie", &format!("{own}; {own}"));
    silent.refuses(&raw, 400, "malformedRequest").await;
    let raw = Raw::get(&silent.house, STATE).also("Cookie", &own);
    silent.refuses(&raw, 400, "malformedRequest").await;
}

// === its life ===

#[tokio::test]
async fn op_r1_signing_in_gives_a_new_id_each_time() {
    let mut both = open().await;
    let mut seen = vec![Tab::of(&both.house)];
    for _ in 0..2 {
        let set = sign_in(&mut both.house).await;
        assert!(
            set.header("set-cookie")
                .unwrap()
                .contains("; HttpOnly; SameSite=Strict")
        );
        assert_eq!(owner(&both.house).await, "mine");
        for old in &seen {
            assert_ne!(
                (&old.cookie, &old.csrf),
                (&both.house.cookie, &both.house.csrf)
            );
            let port = port(&both.house);
            let cookie = format!("doorward_{port}={}", old.cookie);
            let raw = Raw::get(&both.house, STATE).set("Cookie", &cookie);
            let reply = raw.send(&both.house).await;
            assert_eq!(reply.denial().as_deref(), Some("browserSessionExpired"));
            let raw = Raw::post(&both.house, "/api/operator/logout", "{}");
            let reply = raw.set("X-Csrf-Token", &old.csrf).send(&both.house).await;
            assert_eq!(reply.denial().as_deref(), Some("csrfMismatch"));
            both.house.hand.advance(Duration::from_secs(1));
        }
        seen.push(Tab::of(&both.house));
    }
    // In each other way as well, in one step or two.
    for (way, body) in [
        ("guest", "{}"),
        ("anonymous", "{}"),
        ("publickey", r#"{"account":"kay"}"#),
    ] {
        let before = Tab::of(&both.house);
        let path = format!("/api/operator/login/{way}");
        let mut reply = both.house.post(&path, body).await;
        if way == "publickey" {
            assert!(
                reply.header("set-cookie").is_none(),
                "nothing is gained yet"
            );
            let asked = both.house.get(STATE).await.json();
            let answer = answer_to(&asked["step"]);
            let step = json!({ "answer": answer }).to_string();
            reply = both.house.post("/api/operator/login/step", &step).await;
        }
        assert_eq!(reply.status, 200, "{way}: {}", reply.text());
        take(&mut both.house, &reply);
        assert_ne!(both.house.cookie, before.cookie, "{way}");
        assert_ne!(both.house.csrf, before.csrf, "{way}");
        let after = Tab::of(&both.house);
        before.enter(&mut both.house);
        let old = both.house.get(STATE).await;
        assert_eq!(old.denial().as_deref(), Some("browserSessionExpired"));
        after.enter(&mut both.house);
    }
    // A tab that joins gives the session another id, too.
    let before = both.house.cookie.clone();
    let claim = json!({ "ticket": both.house.ticket() }).to_string();
    let joined = both.house.post("/api/session/claim", &claim).await;
    assert_ne!(cookie_of(&joined), before);
    let old = both.house.get(STATE).await;
    assert_eq!(old.denial().as_deref(), Some("browserSessionExpired"));
}

#[tokio::test]
async fn op_r2_an_id_that_was_planted_opens_nothing_after() {
    let mut both = open().await;
    let planted = Token::random().reveal().to_string();
    let port = port(&both.house);
    // Before the claim: it is not continued.
    let claim = json!({ "ticket": both.house.ticket() }).to_string();
    let raw = Raw::post(&both.house, "/api/session/claim", &claim);
    let raw = raw.set("Cookie", &format!("doorward_{port}={planted}"));
    let reply = raw.send(&both.house).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_ne!(cookie_of(&reply), planted);
    // Before the sign-in: whoever knew the id knows nothing after it.
    take(&mut both.house, &reply);
    reply.json()["proof"]
        .as_str()
        .unwrap()
        .clone_into(&mut both.house.proof);
    let known = Tab::of(&both.house);
    sign_in(&mut both.house).await;
    for cookie in [&planted, &known.cookie] {
        let raw = Raw::get(&both.house, STATE);
        let raw = raw.set("Cookie", &format!("doorward_{port}={cookie}"));
        let reply = raw.send(&both.house).await;
        assert_eq!(reply.denial().as_deref(), Some("browserSessionExpired"));
    }
}

/// What the gateway wrote down, as another operator reads it.
async fn log_of(both: &mut Both) -> String {
    let next = stranger(&mut both.house).await;
    next.enter(&mut both.house);
    until_free(&both.house).await;
    let state = sign_in(&mut both.house).await.json();
    let log = alias(&state["state"], "log");
    let read = call(&log, "read", &json!({ "most": 100 }));
    both.house.post(CALL, &read).await.text()
}

#[tokio::test]
async fn op_r3_signing_out_ends_the_session_on_the_gateway() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let out = both.house.post("/api/session/revoke", "{}").await;
    assert_eq!(out.status, 200);
    let cleared = format!(
        "doorward_{}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
        port(&both.house)
    );
    assert_eq!(out.header("set-cookie"), Some(&*cleared));
    let old = both.house.get(STATE).await;
    assert_eq!(old.denial().as_deref(), Some("browserSessionExpired"));
    let written = both.house.ledger.select(&Select::after(0, 1_000));
    for (kind, detail) in [
        ("session.revoked", "revoked"),
        ("gateway.released", "revoked"),
    ] {
        let told = written
            .iter()
            .filter(|record| record.kind == kind && record.detail == detail);
        assert_eq!(told.count(), 1, "{kind}: {written:?}");
    }
    let log = log_of(&mut both).await;
    assert!(log.contains("ada ended: logout"), "{log}");
}

#[tokio::test]
async fn op_r3_signing_out_of_the_gateway_leaves_the_browser_session() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let motd = call(&alias(&state["state"], "system"), "motd", &json!({}));
    let out = both.house.post("/api/operator/logout", "{}").await;
    assert_eq!(out.json()["ended"], true);
    let stale = both.house.post(CALL, &motd).await;
    assert_eq!(
        (stale.status, stale.denial().as_deref()),
        (410, Some("staleSession"))
    );
    assert_eq!(owner(&both.house).await, "free");
}

#[tokio::test]
async fn op_r4_a_hidden_tab_that_asks_on_and_on_keeps_nothing_alive() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let motd = call(&alias(&state["state"], "system"), "motd", &json!({}));
    // A session on the gateway is shorter: it is given up, and the browser's goes on.
    let minute = Duration::from_secs(60);
    for _ in 0..29 {
        both.house.hand.advance(minute);
        both.house.get(STATE).await;
        both.house.get("/api/operator/transcript/redacted").await;
        both.house.post(CALL, &motd).await;
    }
    assert_eq!(both.house.get(STATE).await.status, 200);
    both.house.hand.advance(minute);
    let idle = both.house.get(STATE).await;
    assert_eq!(
        (idle.status, idle.denial().as_deref()),
        (401, Some("browserSessionExpired"))
    );
}

#[tokio::test]
async fn op_r4_input_and_changes_keep_a_session_alive() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let notes = alias(&state["state"], "notes");
    let put = call(&notes, "put", &json!({ "name": "a", "text": "b" }));
    let list = call(&notes, "list", &json!({}));
    let most = Duration::from_secs(10 * 60);
    for _ in 0..4 {
        both.house.hand.advance(most);
        // The gateway's clock stands; ours ends its session unless it gets more time.
        let more = json!({ "seconds": 900, "proof": "hunter2-right" }).to_string();
        let more = both.house.post("/api/operator/session/renew", &more).await;
        assert_eq!(more.status, 200, "{}", more.text());
    }
    both.house.hand.advance(most);
    assert_eq!(both.house.post(CALL, &put).await.status, 200);
    let by_hand = Raw::post(&both.house, CALL, &list).also("X-Doorward-Active", "1");
    for _ in 0..4 {
        both.house.hand.advance(most);
        by_hand.send(&both.house).await;
    }
    assert_eq!(both.house.get(STATE).await.status, 200);
}

#[tokio::test]
async fn op_r4_idle_time_gives_the_gateway_back() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    both.house.hand.advance(guard::SESSION_IDLE);
    // Nobody asks and nobody sweeps but the house itself.
    until_free(&both.house).await;
    let log = log_of(&mut both).await;
    assert!(log.contains("ada ended: logout"), "{log}");
}

#[tokio::test]
async fn op_r5_a_session_ends_after_twelve_hours_however_busy() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let step = Duration::from_secs(10 * 60);
    let mut passed = Duration::ZERO;
    while passed + step < guard::SESSION_ABSOLUTE {
        both.house.hand.advance(step);
        passed += step;
        let more = json!({ "seconds": 900, "proof": "hunter2-right" }).to_string();
        let raw = Raw::post(&both.house, "/api/operator/session/renew", &more);
        let reply = raw.also("X-Doorward-Active", "1").send(&both.house).await;
        assert_eq!(reply.status, 200, "{passed:?}: {}", reply.text());
    }
    let second = Duration::from_secs(1);
    both.house
        .hand
        .advance(guard::SESSION_ABSOLUTE - passed - second);
    assert_eq!(owner(&both.house).await, "mine", "to the last second");
    both.house.hand.advance(second);
    let over = both.house.get(STATE).await;
    assert_eq!(over.denial().as_deref(), Some("browserSessionExpired"));
    until_free(&both.house).await;
}

#[tokio::test]
async fn op_r6_the_gateways_own_end_gives_the_slot_back() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let motd = call(&alias(&state["state"], "system"), "motd", &json!({}));
    both.gateway
        .advance(doorward_gateway::defaults::OPERATOR_LIFE);
    until_free(&both.house).await;
    let stale = both.house.post(CALL, &motd).await;
    assert_eq!(
        (stale.status, stale.denial().as_deref()),
        (410, Some("staleSession"))
    );
    sign_in(&mut both.house).await;
    both.server.revoke("ada").await;
    until_free(&both.house).await;
    let stale = both.house.get("/api/operator/caps").await;
    assert_eq!(stale.denial().as_deref(), Some("staleSession"));
}

#[tokio::test]
async fn op_r7_a_revoke_from_the_command_line_is_a_sign_out() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let id = both.house.serving.sessions().list()[0]
        .id
        .as_str()
        .to_owned();
    let line = format!("DELETE /native/sessions/{id} HTTP/1.1\r\nHost: doorward\r\n\r\n");
    let revoked = both.house.send(Listener::Native, line.as_bytes(), 1).await;
    assert_eq!(revoked[0].status, 200, "{}", revoked[0].text());
    let old = both.house.get(STATE).await;
    assert_eq!(old.denial().as_deref(), Some("browserSessionExpired"));
    let written = both.house.ledger.select(&Select::after(0, 1_000));
    let of_it = |kind: &str| {
        written
            .iter()
            .any(|record| record.kind == kind && record.subject.as_deref() == Some(&*id))
    };
    assert!(
        of_it("session.revoked") && of_it("gateway.released"),
        "{written:?}"
    );
    let log = log_of(&mut both).await;
    assert!(log.contains("ada ended: logout"), "{log}");
}

// === CSRF, tab proof, peer ===

#[tokio::test]
async fn op_c1_every_change_carries_its_own_tabs_token() {
    let mut silent = Silent::open().await;
    let other = stranger(&mut silent.house).await;
    let posts = routes("/api/operator")
        .into_iter()
        .filter(|(method, _)| method == "POST");
    for (_, path) in posts {
        // Not even JSON: the token comes first.
        let post = || Raw::post(&silent.house, &path, "{");
        let raw = post().without("X-Csrf-Token");
        silent.refuses(&raw, 403, "csrfMissing").await;
        for wrong in [
            "x",
            &*other.csrf,
            &*silent.house.proof,
            &*Token::random().reveal(),
        ] {
            let raw = post().set("X-Csrf-Token", wrong);
            silent.refuses(&raw, 403, "csrfMismatch").await;
        }
    }
}

#[tokio::test]
async fn op_c2_the_token_is_43_characters_and_turns_with_the_session() {
    let mut both = open().await;
    let before = both.house.csrf.clone();
    sign_in(&mut both.house).await;
    assert_ne!(both.house.csrf, before);
    assert_eq!(both.house.csrf.len(), 43);
}

#[test]
fn op_c3_secrets_are_compared_in_one_place() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open = vec![
        sources.join("doorward-guard/src"),
        sources.join("doorward-operator/src"),
        sources.join("doorward-gateway/src"),
        sources.join("doorward/src"),
    ];
    let mut read = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        if path.iter().any(|part| part == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests say what they like.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        read += 1;
        for line in text.lines() {
            let compared = line.contains(" == ") || line.contains(" != ");
            assert!(
                !line.contains(".reveal()") || !compared,
                "{}: {line}",
                path.display()
            );
        }
    }
    assert!(read > 50, "{read}");
}

#[test]
fn op_c3_all_proofs_have_the_one_comparator() {
    // Session id, tab proof, CSRF token and automation token: each is a `Token`, and
    // what is kept of it a `TokenHash`.
    let _: fn(&Claim) -> [&Token; 3] = |claim| [&claim.cookie, &claim.proof, &claim.csrf];
    let _: fn(doorward::BridgeBuilder, Token) -> _ = doorward::BridgeBuilder::automation;
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../doorward-guard/src/secret.rs"
    );
    let text = std::fs::read_to_string(file).unwrap();
    let (own, _) = text.split_once("#[cfg(test)]").unwrap();
    let count = |part: &str| own.matches(part).count();
    // Their only equality takes the same time wherever they differ.
    assert_eq!(count("fn eq("), 2);
    assert_eq!(count(".ct_eq(&"), 2);
    assert_eq!(count("self.0 =="), 0);
    assert!(!own.contains("derive(PartialEq") && !own.contains(", PartialEq"));
}

#[tokio::test]
async fn op_c4_cookie_and_csrf_without_the_tabs_proof_open_nothing() {
    let mut silent = Silent::open().await;
    let other = stranger(&mut silent.house).await;
    for (method, path) in routes("/api/operator")
        .iter()
        .filter(|(method, _)| method != "HEAD")
    {
        let line = format!("{method} {path} HTTP/1.1");
        let body = if method == "POST" { "{}" } else { "" };
        let all = || Raw::new(&silent.house, &line, body);
        let raw = all().without("X-Doorward-Proof");
        silent.refuses(&raw, 401, "tabProofRequired").await;
        let raw = all().set("X-Doorward-Proof", &other.proof);
        silent.refuses(&raw, 401, "tabProofRequired").await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn op_c5_another_users_process_is_turned_away() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI is root");
        println!("skipped: only root can become another user");
        return;
    }
    let silent = Silent::open().await;
    let host = silent.house.host(Listener::Control);
    let (address, port) = host.split_once(':').unwrap();
    let raw = Raw::post(&silent.house, LOGIN, RIGHT).also("Connection", "close");
    let text = String::from_utf8(raw.bytes()).unwrap();
    let script = "exec 3<>/dev/tcp/$0/$1; printf %s \"$2\" >&3; cat <&3";
    let asked = tokio::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "bash",
            "-c",
            script,
        ])
        .args([address, port, &text])
        .output()
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer} {asked:?}");
    assert!(answer.contains("peerNotAllowed"), "{answer}");
    silent.heard_nothing();
}

fn port(house: &TestHouse) -> String {
    let host = house.host(Listener::Control);
    host.rsplit(':').next().unwrap().to_owned()
}
