//! The operator room behind a real door, with the reference gateway behind it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::Arc;

use doorward::operator::Configured;
use doorward::operator::rpc::{CapnpGateway, Place, interfaces};
use doorward_gateway::{Accounts, Listen, Profile, Server, Service, Settings};
use doorward_testkit::house::{Reply, TestHouse};
use serde_json::{Value, json};

const LOGIN: &str = "/api/operator/login/password";
const RIGHT: &str = r#"{"account":"ada","password":"hunter2-right"}"#;

struct Both {
    house: TestHouse,
    server: Server,
    /// Connections that a listener in the gateway's place would have seen.
    address: String,
}

async fn open() -> Both {
    let mut accounts = Accounts {
        guests: true,
        ..Accounts::default()
    };
    accounts
        .add_password("ada", Profile::Operator, "hunter2-right")
        .unwrap();
    let service = Service {
        label: "Bell".to_owned(),
        summary: String::new(),
        command: vec!["/bin/true".to_owned()],
        grant: std::collections::BTreeMap::new(),
    };
    accounts.service.insert("bell".to_owned(), service);
    let settings = Settings::new(accounts);
    let server = Server::open(Listen::Tcp(0), settings).await.unwrap();
    let address = server.address().unwrap().to_string();
    let place = Place::parse(&address).unwrap();
    let gateway = Configured::new("lab", &address, Arc::new(CapnpGateway::new(place)));
    let house = TestHouse::open_with(&[], |builder| builder.gateway(gateway)).await;
    Both {
        house,
        server,
        address,
    }
}

/// Goes on with the cookie and the token that signing in gave.
fn take(house: &mut TestHouse, reply: &Reply) {
    let cookie = reply.header("set-cookie").unwrap();
    let value = cookie.split_once('=').unwrap().1;
    house.cookie = value.split(';').next().unwrap().to_owned();
    house.csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
}

async fn sign_in(house: &mut TestHouse) -> Reply {
    let reply = house.post(LOGIN, RIGHT).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    take(house, &reply);
    reply
}

fn alias(state: &Value, name: &str) -> String {
    let caps = state["caps"].as_array().unwrap();
    let cap = caps.iter().find(|cap| cap["name"] == name).unwrap();
    cap["ref"].as_str().unwrap().to_owned()
}

fn call(alias: &str, operation: &str, fields: &Value) -> String {
    json!({ "ref": alias, "operation": operation, "fields": fields }).to_string()
}

#[tokio::test]
async fn op_r1_signing_in_to_a_gateway_gives_the_session_a_new_id() {
    let Both {
        mut house,
        server: _server,
        ..
    } = open().await;
    let (cookie, csrf) = (house.cookie.clone(), house.csrf.clone());
    let reply = sign_in(&mut house).await;
    let set = reply.header("set-cookie").unwrap();
    assert!(
        set.contains("; HttpOnly; SameSite=Strict; Path=/; Max-Age="),
        "{set}"
    );
    assert_ne!((&house.cookie, &house.csrf), (&cookie, &csrf));
    let state = house.get("/api/operator/state").await;
    assert_eq!(state.json()["owner"]["state"], "mine");
    let new = std::mem::replace(&mut house.csrf, csrf);
    let old = house.post("/api/operator/logout", "{}").await;
    assert_eq!(old.denial().as_deref(), Some("csrfMismatch"));
    house.csrf = new;
    let new = std::mem::replace(&mut house.cookie, cookie);
    let old = house.get("/api/operator/state").await;
    assert_eq!(old.denial().as_deref(), Some("browserSessionExpired"));
    house.cookie = new;
    assert_eq!(house.post("/api/operator/logout", "{}").await.status, 200);
}

#[tokio::test]
async fn op_r3_signing_out_of_doorward_ends_the_session_on_the_gateway() {
    let Both {
        mut house,
        server: _server,
        ..
    } = open().await;
    sign_in(&mut house).await;
    assert_eq!(house.post("/api/session/revoke", "{}").await.status, 200);
    // A new browser session finds the gateway free.
    house.cookie.clear();
    let ticket = house.ticket();
    let claim = json!({ "ticket": ticket }).to_string();
    let reply = house.post("/api/session/claim", &claim).await;
    take(&mut house, &reply);
    house.proof = reply.json()["proof"].as_str().unwrap().to_owned();
    let state = house.get("/api/operator/state").await.json();
    assert_eq!(state["owner"]["state"], "free");
    sign_in(&mut house).await;
}

#[tokio::test]
async fn op_f7_another_browser_is_told_since_when_and_nothing_else() {
    let Both {
        mut house,
        server: _server,
        ..
    } = open().await;
    sign_in(&mut house).await;
    house.cookie.clear();
    let claim = json!({ "ticket": house.ticket() }).to_string();
    let reply = house.post("/api/session/claim", &claim).await;
    take(&mut house, &reply);
    house.proof = reply.json()["proof"].as_str().unwrap().to_owned();
    let state = house.get("/api/operator/state").await.json();
    assert_eq!(state["owner"]["state"], "inUse");
    assert_eq!(
        (&state["session"], &state["caps"]),
        (&Value::Null, &json!([]))
    );
    for reply in [
        house.post(LOGIN, RIGHT).await,
        house
            .post("/api/operator/call", &call("x", "y", &json!({})))
            .await,
        house.get("/api/operator/caps").await,
        house.get("/api/operator/audit/recent").await,
        house
            .post("/api/operator/config", r#"{"gateway":"lab"}"#)
            .await,
    ] {
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert_eq!(reply.denial().as_deref(), Some("sessionAlreadyInUse"));
        assert!(reply.json()["since"].is_string());
    }
    let rows = house.get("/api/operator/transcript/redacted").await.json();
    let mine = rows["rows"].as_array().unwrap();
    assert!(mine.iter().all(|row| row["outcome"] != "ok"), "{rows}");
}

#[tokio::test]
async fn op_d3_a_body_that_claims_an_authority_reaches_no_gateway() {
    let Both {
        house,
        server,
        address,
    } = open().await;
    // Whatever would be sent would find nobody.
    drop(server);
    assert!(!address.is_empty());
    for field in [
        "capId",
        "interfaceId",
        "sessionId",
        "source",
        "remoteAddr",
        "principal",
        "endpointOwner",
        "slot",
        "handle",
    ] {
        for (path, body) in [
            (
                LOGIN,
                json!({ "account": "a", "password": "b", field: "x" }),
            ),
            ("/api/operator/login/guest", json!({ field: 1 })),
            (
                "/api/operator/call",
                json!({ "ref": "a", "operation": "b", "fields": { field: 1 } }),
            ),
            (
                "/api/operator/config",
                json!({ "gateway": "lab", field: {} }),
            ),
        ] {
            let reply = house.post(path, &body.to_string()).await;
            assert_eq!(reply.status, 400, "{path} {field}");
            assert_eq!(reply.denial().as_deref(), Some("authorityFieldRejected"));
        }
    }
    let state = house.get("/api/operator/state").await.json();
    assert_eq!(state["owner"]["state"], "free");
    let kinds = doorward::guard::audit::AuditSink::select(
        &*house.ledger,
        &doorward::guard::audit::Select {
            kind: Some("gateway".to_owned()),
            ..doorward::guard::audit::Select::after(0, 100)
        },
    );
    assert!(kinds.is_empty(), "no attempt was made: {kinds:?}");
}

#[tokio::test]
async fn op_d2_no_answer_of_any_class_holds_what_must_not_leave() {
    let Both {
        mut house,
        address,
        server: _server,
    } = open().await;
    let mut replies = vec![sign_in(&mut house).await];
    let state = replies[0].json()["state"].clone();
    let (system, notes) = (alias(&state, "system"), alias(&state, "notes"));
    let runner = alias(&state, "runner");
    let none = json!({});
    let planted =
        json!({ "name": "a", "text": format!("{address} {}", interfaces().next().unwrap()) });
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
        replies.push(house.get(&format!("/api/operator/{path}")).await);
    }
    for (path, body) in [
        ("call", call(&system, "motd", &none)),
        ("call", call(&system, "status", &none)),
        ("call", call(&system, "nothing", &none)),
        ("call", call(&notes, "put", &planted)),
        ("call", call(&notes, "get", &json!({ "name": "a" }))),
        ("call", call(&notes, "delete", &json!({ "name": "a" }))),
        (
            "call",
            call(&runner, "attach", &json!({ "profile": "bell" })),
        ),
        ("call", call("c_AAAAAAAAAAA", "motd", &none)),
        ("call", "{".to_owned()),
        ("call", format!("\"{}\"", "x".repeat(70_000))),
        ("launch/probe", r#"{"profile":"x"}"#.to_owned()),
        ("launch/start", r#"{"profile":"x"}"#.to_owned()),
        ("config", r#"{"gateway":"other"}"#.to_owned()),
        (
            "config",
            json!({ "gateway": "lab", "address": "169.254.169.254:80" }).to_string(),
        ),
        ("session/renew", r#"{"seconds":60}"#.to_owned()),
        (
            "login/password",
            r#"{"account":"ada","password":"hunter2-wrong"}"#.to_owned(),
        ),
        ("login/password", RIGHT.to_owned()),
        ("login/step", r#"{"answer":"eA=="}"#.to_owned()),
        ("logout", "{}".to_owned()),
        ("call", call(&system, "motd", &none)),
    ] {
        replies.push(house.post(&format!("/api/operator/{path}"), &body).await);
    }
    for path in ["transcript/redacted", "transcript/redacted?format=text"] {
        replies.push(house.get(&format!("/api/operator/{path}")).await);
    }
    replies.push(house.get("/api/audit").await);
    replies.push(house.call("DELETE", "/api/operator/call", "").await);
    replies.push(house.call("GET", "/healthz", "").await);
    let statuses: std::collections::BTreeSet<_> =
        replies.iter().map(|reply| reply.status).collect();
    for status in [200, 400, 403, 404, 405, 409, 410, 413, 429, 503] {
        assert!(statuses.contains(&status), "no {status} in {statuses:?}");
    }
    let mut forbidden = vec![
        address.clone(),
        "hunter2".to_owned(),
        "-----BEGIN".to_owned(),
        "/proc/".to_owned(),
        house.proof.clone(),
    ];
    for id in interfaces() {
        forbidden.extend([id.to_string(), format!("{id:x}")]);
    }
    if let Some(home) = std::env::var_os("HOME") {
        let home = home.to_string_lossy().into_owned();
        forbidden.extend((home.len() > 3).then_some(home));
    }
    for reply in &replies {
        let whole = format!("{:?} {}", reply.headers, reply.text()).to_lowercase();
        for word in forbidden.iter().filter(|word| word.len() > 3) {
            let found = whole.contains(&word.to_lowercase());
            assert!(!found, "{word} in {whole}");
        }
        assert!(
            !whole.contains(&address.to_lowercase()) && !whole.contains("hunter2"),
            "{whole}"
        );
        assert!(!whole.contains("access-control-"), "{whole}");
        for name in [
            "x-frame-options",
            "x-content-type-options",
            "referrer-policy",
            "cache-control",
            "content-security-policy",
            "cross-origin-opener-policy",
            "cross-origin-embedder-policy",
            "cross-origin-resource-policy",
        ] {
            assert!(reply.header(name).is_some(), "{name} is missing: {whole}");
        }
        assert!(reply.header("server").is_none());
    }
}

#[tokio::test]
async fn op_u1_there_is_no_report_unless_a_token_was_given() {
    let Both { house, .. } = open().await;
    let reply = house.get("/api/operator/automation/report").await;
    assert_eq!(
        (reply.status, reply.denial().as_deref()),
        (404, Some("unknownRoute"))
    );
    let token = doorward::guard::Token::random();
    let house = TestHouse::open_with(&[], |builder| builder.automation(token)).await;
    let body = r#"{"status":"passed","summary":"all well"}"#;
    for reply in [
        house.get("/api/operator/automation/report").await,
        house.post("/api/operator/automation/report", body).await,
    ] {
        assert_eq!(reply.denial().as_deref(), Some("automationTokenInvalid"));
    }
}
