//! Rows D and L: what leaves, and what may come in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward::config::{Places, Written};
use doorward::guard::audit::{AuditSink as _, Select};
use doorward::operator::rpc::interfaces;
use doorward_gateway::Service;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::{Reply, TestHouse};
use doorward_testkit::log::Log;
use serde_json::{Value, json};

use crate::both::{
    Both, LOGIN, RIGHT, Raw, Silent, Tab, WRONG, alias, call, is_sealed, open, open_with, routes,
    settings, sign_in, stranger, until_free,
};

const STATE: &str = "/api/operator/state";
const CALL: &str = "/api/operator/call";
const CONFIG: &str = "/api/operator/config";

/// Names of fields that claim an authority.
const AUTHORITY: [&str; 12] = [
    "capId",
    "cap_id",
    "interfaceId",
    "sessionId",
    "source",
    "remoteAddr",
    "principal",
    "endpointOwner",
    "slot",
    "handle",
    "INTERFACE-ID",
    "remoteAddress",
];

#[tokio::test]
async fn op_d1_answers_have_the_fields_of_the_view_models_and_no_others() {
    let known: BTreeSet<_> = include_str!(
        "../../../doorward-operator/src/snapshots/doorward_operator__vm__tests__view_model_fields.snap"
    )
    .lines()
    .filter_map(|line| line.rsplit('.').next())
    .map(str::to_owned)
    .chain(["methods", "services", "launchers", "events", "ended", "cancelled"].map(str::to_owned))
    .collect();
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let system = alias(&state["state"], "system");
    let mut seen = BTreeSet::new();
    let answers = [
        state,
        both.house.get(STATE).await.json(),
        both.house.get("/api/operator/auth/methods").await.json(),
        both.house.get("/api/operator/caps").await.json(),
        both.house.get("/api/operator/services").await.json(),
        both.house.get("/api/operator/launchers").await.json(),
        both.house.get("/api/operator/health").await.json(),
        both.house.get("/api/operator/audit/recent").await.json(),
        both.house
            .get("/api/operator/transcript/redacted")
            .await
            .json(),
        both.house
            .post(CALL, &call(&system, "status", &json!({})))
            .await
            .json(),
        both.house.post(CALL, "{").await.json(),
        both.house.post("/api/operator/logout", "{}").await.json(),
    ];
    for answer in &answers {
        assert!(answer.is_object(), "{answer}");
        names(answer, &mut seen);
    }
    let strangers: Vec<_> = seen.difference(&known).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert!(seen.len() > 40, "{seen:?}");
}

fn names(value: &Value, into: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        into.insert(name.clone());
        names(value, into);
    }
    value
        .as_array()
        .into_iter()
        .flatten()
        .for_each(|item| names(item, into));
}

// === what must not leave ===

/// Everything that no answer may hold, with what it is.
fn forbidden(both: &Both, tab: &Tab) -> BTreeMap<String, &'static str> {
    let mut words = BTreeMap::from([
        (both.address.clone(), "the gateway's address"),
        ("hunter2".to_owned(), "a password"),
        ("-----begin".to_owned(), "a key"),
        ("/proc/".to_owned(), "a file of the kernel"),
        ("socket:[".to_owned(), "a descriptor"),
        (tab.proof.clone(), "the tab's proof"),
        (tab.cookie.clone(), "the session's id"),
        (both.house.folder().display().to_string(), "a folder"),
        (format!("\"{}\"", std::process::id()), "the process"),
        (format!(":{},", std::process::id()), "the process"),
        (format!(":{}}}", std::process::id()), "the process"),
        (tab.csrf.clone(), "the CSRF token"),
    ]);
    for id in interfaces() {
        words.insert(id.to_string(), "an interface");
        words.insert(format!("{id:x}"), "an interface in hex");
    }
    let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    words.insert(machine.trim().to_owned(), "the machine");
    for (name, what) in [
        ("HOME", "a home"),
        ("PATH", "the environment"),
        ("CARGO", "the environment"),
    ] {
        words.insert(std::env::var(name).unwrap_or_default(), what);
    }
    words.retain(|word, _| word.len() > 4);
    words
        .into_iter()
        .map(|(word, what)| (word.to_lowercase(), what))
        .collect()
}

/// What a gateway may know and no browser: interface ids in every way of writing,
/// and a key.
fn secrets() -> String {
    let ids: Vec<_> = interfaces()
        .map(|id| format!("{id:#X} {id:016x} {id}"))
        .collect();
    let ids = ids.join(" ");
    format!("{ids}\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
}

/// Every request with the fields of a hostile page on top, and what came of it.
struct Matrix {
    replies: Vec<(String, Reply)>,
}

impl Matrix {
    async fn ask(&mut self, house: &TestHouse, raw: Raw) {
        let line = String::from_utf8_lossy(&raw.bytes())
            .lines()
            .next()
            .unwrap()
            .to_owned();
        let hostile = raw
            .also("X-Cap-Id", "7")
            .also("X-Interface-Id", "0xfbbdc602980cb986")
            .also("X-Remote-User", "root")
            .also("X-Forwarded-For", "10.1.2.3")
            .also("Forwarded", "for=10.1.2.3;by=secret-proxy")
            .also("X-Session-Id", "hunter2-session");
        let reply = hostile.send(house).await;
        self.replies.push((line, reply));
    }

    async fn get(&mut self, house: &TestHouse, path: &str) {
        self.ask(house, Raw::get(house, path)).await;
    }

    async fn post(&mut self, house: &TestHouse, path: &str, body: &str) {
        self.ask(house, Raw::post(house, path, body)).await;
    }
}

#[tokio::test]
async fn op_d2_no_answer_of_any_class_holds_what_must_not_leave() {
    let places = Places::of_user().unwrap();
    let text = "[control]\nhead_within = \"1s\"\nbody_within = \"1s\"";
    let written = Written::parse(text, std::path::Path::new("doorward.toml")).unwrap();
    let config = written.build(&places).unwrap();
    let mut settings = settings();
    let service = Service {
        label: format!("Bell {}", secrets().lines().next().unwrap()),
        summary: secrets(),
        command: ["/bin/echo", &secrets(), " end"]
            .map(str::to_owned)
            .to_vec(),
        grant: BTreeMap::new(),
    };
    settings.motd = format!("{} end", secrets());
    settings.accounts.service.insert("bell".to_owned(), service);
    let mut both = open_with(settings, |builder| builder.config(&config)).await;
    let mut matrix = Matrix {
        replies: Vec::new(),
    };
    let login = sign_in(&mut both.house).await;
    let state = login.json()["state"].clone();
    let tab = Tab::of(&both.house);
    let words = forbidden(&both, &tab);
    let [system, notes, runner, chat, log, audit] =
        ["system", "notes", "runner", "chat", "log", "audit"].map(|name| alias(&state, name));
    let none = json!({});
    // What the gateway has to say in all that it can be made to say.
    let planted = format!(
        "{} {} {} {} {} end",
        both.address,
        secrets(),
        tab.proof,
        tab.cookie,
        tab.csrf
    );
    let attach = call(&runner, "attach", &json!({ "profile": "bell" }));
    // A line of chat is short.
    let line = format!("{} {} end", both.address, tab.proof);
    let house = &both.house;

    // What works, and what the gateway says with everything planted in it.
    for path in [
        "state",
        "auth/methods",
        "caps",
        "services",
        "launchers",
        "health",
        "audit/recent",
        "transcript/redacted",
        "transcript/redacted?format=text",
        "transcript/redacted?format=x",
        "nothing",
        "automation/report",
    ] {
        matrix.get(house, &format!("/api/operator/{path}")).await;
    }
    for (path, body) in [
        ("call", call(&system, "motd", &none)),
        ("call", call(&system, "hostname", &none)),
        ("call", call(&system, "status", &none)),
        ("call", call(&system, "nothing", &none)),
        (
            "call",
            call(&notes, "put", &json!({ "name": "a", "text": planted })),
        ),
        ("call", call(&notes, "get", &json!({ "name": "a" }))),
        ("call", call(&notes, "list", &none)),
        ("call", call(&notes, "delete", &json!({ "name": "a" }))),
        ("call", call(&notes, "get", &json!({ "name": "missing" }))),
        (
            "call",
            call(&runner, "attach", &json!({ "profile": "none" })),
        ),
        ("call", attach.clone()),
        ("launch/start", r#"{"profile":"bell"}"#.to_owned()),
        ("launch/probe", r#"{"profile":"bell"}"#.to_owned()),
        (
            "call",
            call(
                &chat,
                "join",
                &json!({ "channel": "lobby", "nickname": "ada" }),
            ),
        ),
        (
            "call",
            call(&chat, "send", &json!({ "channel": "lobby", "text": line })),
        ),
        ("call", call(&chat, "poll", &json!({ "most": 10 }))),
        ("call", call(&log, "read", &json!({ "most": 100 }))),
        ("call", call(&audit, "read", &json!({ "most": 100 }))),
        ("call", call("c_AAAAAAAAAAA", "motd", &none)),
        ("call", "{".to_owned()),
        ("call", format!("{{\"ref\":\"{}\"}}", "x".repeat(60_000))),
        ("launch/probe", r#"{"profile":"x"}"#.to_owned()),
        ("launch/start", r#"{"profile":"x"}"#.to_owned()),
        ("config", r#"{"gateway":"other"}"#.to_owned()),
        (
            "config",
            json!({ "gateway": "lab", "address": "169.254.169.254:80" }).to_string(),
        ),
        ("session/renew", r#"{"seconds":60}"#.to_owned()),
        ("session/renew/step", r#"{"answer":"eA=="}"#.to_owned()),
        ("session/renew/cancel", "{}".to_owned()),
        ("login/step", r#"{"answer":"eA=="}"#.to_owned()),
    ] {
        matrix
            .post(house, &format!("/api/operator/{path}"), &body)
            .await;
    }
    loop {
        matrix.post(house, CALL, &attach).await;
        let (_, last) = matrix.replies.last().unwrap();
        assert_eq!(last.status, 200, "{}", last.text());
        if last.text().contains(" end") {
            break;
        }
        both.house.hand.advance(Duration::from_secs(1));
    }
    // All of it arrived, and came back without what must not leave.
    let ends = matrix
        .replies
        .iter()
        .filter(|(_, reply)| reply.status == 200 && reply.text().contains(" end"));
    let ends: Vec<_> = ends.map(|(_, reply)| reply.text()).collect();
    assert!(ends.len() >= 4, "motd, note, chat and service: {ends:?}");
    for field in AUTHORITY {
        let body = json!({ "account": "a", "password": "b", field: planted }).to_string();
        assert!(body.len() < 4_096, "{}", body.len());
        matrix.post(house, LOGIN, &body).await;
    }
    // What the door refuses.
    let state = || Raw::get(house, STATE);
    let login = || Raw::post(house, LOGIN, RIGHT);
    for raw in [
        state().without("Cookie"),
        state().without("X-Doorward-Proof"),
        state().set("Host", "evil.example:1"),
        state().set("Origin", "null"),
        state().without("Host"),
        login().without("Origin"),
        login().without("X-Csrf-Token"),
        login().without("Content-Type"),
        login().set("Content-Type", "text/plain"),
        login().set("Content-Length", "5000"),
        login()
            .without("Content-Length")
            .also("Transfer-Encoding", "chunked"),
        login().also("Expect", "x"),
        login().also("X-Long", &"x".repeat(9_000)),
        Raw::get(house, &format!("{STATE}?{}", "x".repeat(9_000))),
        Raw::get(house, LOGIN),
        Raw::new(house, &format!("DELETE {STATE} HTTP/1.1"), ""),
        Raw::new(house, "TRACE / HTTP/1.1", ""),
        Raw::get(house, "/healthz"),
        Raw::get(house, "/"),
        Raw::get(house, "/nothing.js"),
        Raw::get(house, "/assets/console.js"),
        Raw::get(house, "/assets/console.css"),
        Raw {
            body: b"{".to_vec(),
            ..login()
        },
    ] {
        both.house.hand.advance(Duration::from_secs(1));
        matrix.ask(house, raw).await;
    }
    // Who is another, who guesses, and a gateway that is gone.
    let other = stranger(&mut both.house).await;
    other.enter(&mut both.house);
    matrix.post(&both.house, LOGIN, RIGHT).await;
    tab.enter(&mut both.house);
    matrix.post(&both.house, LOGIN, WRONG).await;
    matrix.post(&both.house, LOGIN, RIGHT).await;
    both.faults.mislabel.store(true, Ordering::SeqCst);
    matrix.get(&both.house, "/api/operator/caps").await;
    let mislabelled = both.house.get(STATE).await.json();
    let wrong = mislabelled["caps"][0]["operations"][0]["name"].clone();
    let first = mislabelled["caps"][0]["ref"].as_str().unwrap().to_owned();
    let fields = json!({ "profile": "x" });
    let wrong = call(&first, wrong.as_str().unwrap(), &fields);
    matrix.post(&both.house, CALL, &wrong).await;
    drop(both.server);
    until_free(&both.house).await;
    matrix
        .post(&both.house, CALL, &call(&first, "motd", &none))
        .await;
    both.house.hand.advance(Duration::from_secs(60));
    matrix.post(&both.house, LOGIN, RIGHT).await;
    for path in ["transcript/redacted", "transcript/redacted?format=text"] {
        matrix
            .get(&both.house, &format!("/api/operator/{path}"))
            .await;
    }
    matrix.get(&both.house, "/api/audit").await;
    let raw = Raw::get(&both.house, STATE).bytes();
    let burst = both
        .house
        .send(Listener::Control, &raw.repeat(250), 250)
        .await;
    let limited = burst.into_iter().find(|reply| reply.status == 429).unwrap();
    matrix.replies.push(("a burst".to_owned(), limited));

    let statuses: BTreeSet<_> = matrix
        .replies
        .iter()
        .map(|(_, reply)| reply.status)
        .collect();
    for status in [
        200, 400, 401, 403, 404, 405, 408, 409, 410, 411, 413, 414, 415, 417, 429, 431, 502, 503,
    ] {
        assert!(statuses.contains(&status), "no {status} in {statuses:?}");
    }
    for (line, reply) in &matrix.replies {
        if line != "GET /healthz HTTP/1.1" {
            is_sealed(reply);
        }
        let whole = format!("{:?} {}", reply.headers, reply.text()).to_lowercase();
        for (word, what) in &words {
            assert!(!whole.contains(word), "{what} ({word}) in {line}: {whole}");
        }
        for word in ["10.1.2.3", "secret-proxy", "private key"] {
            assert!(!whole.contains(word), "{word} in {line}: {whole}");
        }
        // The caller's own address, or another of this machine, with its port.
        let text = reply.text();
        let ports = text.split("127.0.0.1:").skip(1);
        let mut told = ports.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        assert!(told.next().is_none(), "an address in {line}: {whole}");
    }
}

// === what must not come in ===

#[tokio::test]
async fn op_d3_a_body_that_claims_an_authority_reaches_no_gateway() {
    let posts = routes("/api/operator");
    let posts = posts.iter().filter(|(method, _)| method == "POST");
    let token = doorward::guard::Token::random();
    let text = token.reveal().to_string();
    let silent = Silent::open_with(|builder| builder.automation(token)).await;
    for (_, path) in posts {
        for field in AUTHORITY {
            let raw = Raw::post(&silent.house, path, &json!({ field: "x" }).to_string());
            let raw = raw.also("X-Automation-Token", &text);
            silent.refuses(&raw, 400, "authorityFieldRejected").await;
        }
    }
    // However deep, and among what is in order.
    for (path, body) in [
        (LOGIN, json!({ "account": "a", "password": "b", "slot": 1 })),
        (
            CALL,
            json!({ "ref": "a", "operation": "b", "fields": { "capId": 1 } }),
        ),
        (CONFIG, json!({ "gateway": "lab", "sessionId": {} })),
        (
            "/api/operator/launch/start",
            json!({ "profile": "x", "grants": [{ "source": 1 }] }),
        ),
    ] {
        let raw = Raw::post(&silent.house, path, &body.to_string());
        silent.refuses(&raw, 400, "authorityFieldRejected").await;
    }
    assert!(silent.house.serving.house().operator().is_free());
    let written = silent.house.ledger.select(&Select {
        kind: Some("gateway".to_owned()),
        ..Select::after(0, 100)
    });
    assert!(written.is_empty(), "no attempt was made: {written:?}");
}

#[tokio::test]
async fn op_d3_a_profile_is_no_more_than_the_accounts_own() {
    let both = open().await;
    for (path, body) in [
        ("guest", json!({ "profile": "operator" })),
        ("anonymous", json!({ "profile": "operator" })),
        ("anonymous", json!({ "profile": "guest" })),
        (
            "password",
            json!({ "account": "ada", "password": "hunter2-right", "profile": "root" }),
        ),
    ] {
        let path = format!("/api/operator/login/{path}");
        let denied = both.house.post(&path, &body.to_string()).await;
        assert_eq!(
            denied.denial().as_deref(),
            Some("authenticationDenied"),
            "{body}"
        );
        both.house.hand.advance(Duration::from_secs(60));
    }
    // Less may be asked for.
    let less = json!({ "account": "ada", "password": "hunter2-right", "profile": "guest" });
    let reply = both.house.post(LOGIN, &less.to_string()).await.json();
    assert_eq!(reply["state"]["session"]["profile"], "guest");
    let names: Vec<_> = reply["state"]["caps"].as_array().unwrap().iter().collect();
    assert!(
        !names
            .iter()
            .any(|cap| cap["name"] == "runner" || cap["name"] == "notes")
    );
}

#[tokio::test]
async fn op_d3_headers_and_queries_that_claim_an_authority_change_nothing() {
    let mut both = open().await;
    let hostile = |raw: Raw| {
        raw.also("X-Principal", "root")
            .also("X-Session-Id", "1")
            .also("X-Remote-Addr", "10.0.0.1")
            .also("X-Forwarded-User", "root")
    };
    let path = format!("{LOGIN}?principal=root&source=10.0.0.1&profile=root");
    let reply = hostile(Raw::post(&both.house, &path, RIGHT))
        .send(&both.house)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["state"]["session"]["principalLabel"], "ada");
    crate::both::take(&mut both.house, &reply);
    let log = alias(&reply.json()["state"], "log");
    let read = call(&log, "read", &json!({ "most": 100 }));
    let log = both.house.post(CALL, &read).await.text();
    assert!(!log.contains("root") && !log.contains("10.0.0.1"), "{log}");
}

#[tokio::test]
async fn op_d4_an_alias_is_of_one_session_and_ends_with_it() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let old = alias(&state["state"], "system");
    let motd = call(&old, "motd", &json!({}));
    assert_eq!(both.house.post(CALL, &motd).await.status, 200);
    both.house.post("/api/operator/logout", "{}").await;
    let stale = both.house.post(CALL, &motd).await;
    assert_eq!(
        (stale.status, stale.denial().as_deref()),
        (410, Some("staleSession"))
    );
    let next = stranger(&mut both.house).await;
    next.enter(&mut both.house);
    let state = sign_in(&mut both.house).await.json();
    assert_ne!(alias(&state["state"], "system"), old);
    let unknown = both.house.post(CALL, &motd).await;
    assert_eq!(
        (unknown.status, unknown.denial().as_deref()),
        (404, Some("unknownCap"))
    );
}

#[tokio::test]
async fn op_d5_a_gateways_words_are_not_the_answers() {
    let log = Log::hear();
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let notes = alias(&state["state"], "notes");
    // The gateway says "no such note".
    let missing = both
        .house
        .post(CALL, &call(&notes, "get", &json!({ "name": "a" })))
        .await;
    assert_eq!(missing.denial().as_deref(), Some("badRequest"));
    assert!(!missing.text().contains("such note"), "{}", missing.text());
    let written = both.house.ledger.select(&Select::after(0, 1_000));
    assert!(!format!("{written:?}").contains("such note"));
    // Whoever runs doorward finds it in the log.
    let heard = log.text();
    let said = heard.lines().find(|line| line.contains("such note"));
    assert!(
        said.is_some_and(|line| line.contains("badRequest")),
        "{heard}"
    );
}

// === transcript and logs ===

#[tokio::test]
async fn op_l1_whatever_a_gateway_says_is_shown_and_moves_nothing() {
    let hostile = "a\r\nb\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}1m\u{7f}\u{202e}c\u{2028}d\u{2066}e";
    let mut settings = settings();
    settings.motd = hostile.to_owned();
    let mut both = open_with(settings, |builder| builder).await;
    let state = sign_in(&mut both.house).await.json();
    let (system, notes) = (
        alias(&state["state"], "system"),
        alias(&state["state"], "notes"),
    );
    let shown = both
        .house
        .post(CALL, &call(&system, "motd", &json!({})))
        .await;
    assert_eq!(
        shown.json()["text"],
        "a\nb\\u{1b}[31m\\u{1b}]0;title\\u{7}\\u{9b}1m\\u{7f}\\u{202e}c\\u{2028}d\\u{2066}e"
    );
    // What a person types gets into the transcript, one line each.
    let name = "x\u{202e}y\u{2029}z".repeat(3);
    let put = json!({ "name": name, "text": "one\ntwo" });
    let put = both.house.post(CALL, &call(&notes, "put", &put)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let rows = both
        .house
        .get("/api/operator/transcript/redacted")
        .await
        .json();
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "a sign-in and two calls: {rows:?}");
    for row in rows {
        for field in ["summary", "outcome"] {
            let text = row[field].as_str().unwrap();
            let moves = |c: char| c.is_control() || "\u{202e}\u{2028}\u{2029}\u{2066}".contains(c);
            assert!(text.len() <= 512 && !text.chars().any(moves), "{text:?}");
        }
    }
    let text = both
        .house
        .get("/api/operator/transcript/redacted?format=text")
        .await;
    assert_eq!(text.text().lines().count(), rows.len());
}

#[tokio::test]
async fn op_l2_an_event_is_a_line_whatever_is_in_it() {
    let mut both = open().await;
    for account in ["a\u{202e}b", "\u{2028}", "x\u{9b}31m"] {
        let body = json!({ "account": account, "password": "hunter2-x" }).to_string();
        both.house.post(LOGIN, &body).await;
        both.house.hand.advance(Duration::from_secs(60));
    }
    sign_in(&mut both.house).await;
    let records = both.house.ledger.select(&Select::after(0, 1_000));
    assert!(records.len() > 5);
    for record in &records {
        let line = record.line();
        let line = line.strip_suffix('\n').unwrap_or(&line);
        assert!(
            line.bytes().all(|byte| byte >= 0x20 && byte != 0x7f),
            "{line:?}"
        );
        assert!(
            !line.contains(['\u{202e}', '\u{2028}', '\u{9b}']),
            "{line:?}"
        );
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[tokio::test]
async fn op_k6_op_l3_no_secret_is_in_any_output() {
    let log = Log::hear();
    tracing::trace!("the log is heard");
    let mut both = open().await;
    let mut secrets = vec![Tab::of(&both.house)];
    both.house.post(LOGIN, WRONG).await;
    both.house.hand.advance(Duration::from_secs(1));
    let state = sign_in(&mut both.house).await.json();
    secrets.push(Tab::of(&both.house));
    let more = json!({ "seconds": 60, "proof": "hunter2-renewal" }).to_string();
    both.house.post("/api/operator/session/renew", &more).await;
    let answer = r#"{"answer":"hunter2-signature"}"#;
    both.house
        .post("/api/operator/session/renew/step", answer)
        .await;
    let notes = alias(&state["state"], "notes");
    let token = secrets[0].proof.clone();
    let named = json!({ "name": token, "text": "x" });
    both.house.post(CALL, &call(&notes, "put", &named)).await;
    both.house
        .post("/api/operator/login/step", r#"{"answer":"hunter2-step"}"#)
        .await;
    let mut said = String::new();
    for path in [
        STATE,
        "/api/operator/caps",
        "/api/operator/audit/recent",
        "/api/operator/transcript/redacted",
        "/api/operator/transcript/redacted?format=text",
        "/api/audit",
    ] {
        said += &both.house.get(path).await.text();
    }
    both.house.post("/api/operator/logout", "{}").await;
    both.house.hand.advance(Duration::from_secs(2));
    let records = both.house.ledger.select(&Select::after(0, usize::MAX));
    said.extend(records.iter().map(|record| record.line()));
    said += &format!(
        "{:?} {:?}",
        both.house.serving.house().operator(),
        both.server
    );
    said += &log.text();
    assert!(said.contains("the log is heard") && said.contains("gateway.entered"));
    let known = secrets
        .into_iter()
        .flat_map(|tab| [tab.cookie, tab.proof, tab.csrf]);
    for secret in known.chain(["hunter2".to_owned()]) {
        let at = said.find(&secret).unwrap_or(usize::MAX);
        let around = said.get(at.saturating_sub(120)..).unwrap_or_default();
        let around: String = around.chars().take(300).collect();
        assert!(at == usize::MAX, "{secret} was told: {around}");
    }
}
