//! Rows G and M2: which gateway it is, and what it is asked at most.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward::guard::audit::{AuditSink as _, Select};
use doorward::operator::defaults;
use doorward_gateway::{Listen, Server};
use doorward_testkit::house::TestHouse;
use serde_json::{Value, json};

use crate::both::{
    Raw, Silent, alias, call, configured, open, open_with, owner, settings, sign_in,
};

const STATE: &str = "/api/operator/state";
const CALL: &str = "/api/operator/call";
const CONFIG: &str = "/api/operator/config";

/// A house with the gateways `lab` and `attic`, and a second address of `lab`.
async fn two() -> (TestHouse, [Server; 3], [String; 3]) {
    let mut servers = Vec::new();
    for name in ["lab", "attic", "spare"] {
        let mut settings = settings();
        settings.motd = format!("This is {name}.");
        servers.push(Server::open(Listen::Tcp(0), settings).await.unwrap());
    }
    let servers: [Server; 3] = servers.try_into().unwrap();
    let addresses = [0, 1, 2].map(|at| servers[at].address().unwrap().to_string());
    let place = doorward::operator::rpc::Place::parse(&addresses[2]).unwrap();
    let spare = Arc::new(doorward::operator::rpc::CapnpGateway::new(place));
    let lab = configured("lab", &addresses[0]).also(&addresses[2], spare);
    let attic = configured("attic", &addresses[1]);
    let house = TestHouse::open_with(&[], |builder| builder.gateway(lab).gateway(attic)).await;
    (house, servers, addresses)
}

async fn motd(house: &mut TestHouse) -> String {
    let state = sign_in(house).await.json();
    let system = alias(&state["state"], "system");
    let reply = house.post(CALL, &call(&system, "motd", &json!({}))).await;
    reply.json()["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn op_g1_turning_to_another_gateway_drops_the_old_one_first() {
    let (mut house, _servers, addresses) = two().await;
    assert_eq!(motd(&mut house).await, "This is lab.");
    let turned = house.post(CONFIG, r#"{"gateway":"attic"}"#).await;
    assert_eq!(turned.status, 200, "{}", turned.text());
    assert_eq!(turned.json()["gateway"]["name"], "attic");
    assert_eq!(motd(&mut house).await, "This is attic.");
    let spare = json!({ "gateway": "lab", "address": addresses[2] }).to_string();
    let turned = house.post(CONFIG, &spare).await;
    assert!(!turned.text().contains(&addresses[2]), "{}", turned.text());
    assert_eq!(motd(&mut house).await, "This is spare.");
    let chosen = house.ledger.select(&Select {
        kind: Some("gateway".to_owned()),
        ..Select::after(0, 1_000)
    });
    let order: Vec<_> = chosen
        .iter()
        .filter(|record| matches!(&*record.kind, "gateway.chosen" | "gateway.released"))
        .map(|record| record.detail.as_str())
        .collect();
    assert_eq!(order, ["attic", "anotherGateway", "lab", "anotherGateway"]);
    // A stranger's page, and a tab without the token, turn nothing.
    let raw = Raw::post(&house, CONFIG, r#"{"gateway":"attic"}"#).without("X-Csrf-Token");
    assert_eq!(
        raw.send(&house).await.denial().as_deref(),
        Some("csrfMissing")
    );
    assert_eq!(house.get(STATE).await.json()["gateway"]["name"], "lab");
}

#[tokio::test]
async fn op_g2_only_what_was_configured_can_be_reached() {
    let silent = Silent::open().await;
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = other.local_addr().unwrap().to_string();
    let localhost = silent.address.replace("127.0.0.1", "localhost");
    for (gateway, address) in [
        ("attic", None),
        ("", None),
        ("LAB", None),
        ("lab", Some(other.as_str())),
        ("lab", Some(localhost.as_str())),
        ("lab", Some("169.254.169.254:80")),
        ("lab", Some("")),
    ] {
        let body = json!({ "gateway": gateway, "address": address }).to_string();
        let raw = Raw::post(&silent.house, CONFIG, &body);
        silent.refuses(&raw, 403, "gatewayNotAllowed").await;
    }
    let own = json!({ "gateway": "lab", "address": silent.address }).to_string();
    assert_eq!(silent.house.post(CONFIG, &own).await.status, 200);
    silent.heard_nothing();
}

#[tokio::test]
async fn op_g3_no_authority_is_carried_over() {
    let (mut house, _servers, _) = two().await;
    let state = sign_in(&mut house).await.json();
    let old = alias(&state["state"], "system");
    let turned = house.post(CONFIG, r#"{"gateway":"attic"}"#).await.json();
    assert_eq!(turned["owner"]["state"], "free");
    assert_eq!(
        (&turned["session"], &turned["caps"]),
        (&Value::Null, &json!([]))
    );
    let motd = call(&old, "motd", &json!({}));
    let stale = house.post(CALL, &motd).await;
    assert_eq!(stale.denial().as_deref(), Some("staleSession"));
    sign_in(&mut house).await;
    let unknown = house.post(CALL, &motd).await;
    assert_eq!(
        (unknown.status, unknown.denial().as_deref()),
        (404, Some("unknownCap"))
    );
}

// === bounds of the gateway ===

#[tokio::test]
async fn op_m2_eight_calls_run_at_once() {
    let mut both = open().await;
    let state = sign_in(&mut both.house).await.json();
    let system = alias(&state["state"], "system");
    let motd = call(&system, "motd", &json!({}));
    both.faults.hang.store(true, Ordering::SeqCst);
    let house = Arc::new(both.house);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..defaults::IN_FLIGHT + 1 {
        let (house, motd) = (Arc::clone(&house), motd.clone());
        calls.spawn(async move { house.post(CALL, &motd).await });
    }
    let turned_away = calls.join_next().await.unwrap().unwrap();
    assert_eq!(
        (turned_away.status, turned_away.denial().as_deref()),
        (503, Some("busy"))
    );
    both.faults.hang.store(false, Ordering::SeqCst);
    while let Some(reply) = calls.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
}

#[tokio::test]
async fn op_m2_arguments_and_results_over_the_limit() {
    let mut settings = settings();
    settings.motd = "x".repeat(defaults::RESULT + 1);
    let mut both = open_with(settings, |builder| builder).await;
    let state = sign_in(&mut both.house).await.json();
    let (system, notes) = (
        alias(&state["state"], "system"),
        alias(&state["state"], "notes"),
    );
    let large = both
        .house
        .post(CALL, &call(&system, "motd", &json!({})))
        .await;
    assert_eq!(
        (large.status, large.denial().as_deref()),
        (502, Some("resultTooLarge"))
    );
    let long = json!({ "name": "a", "text": "x".repeat(50 * 1024) });
    let long = both.house.post(CALL, &call(&notes, "put", &long)).await;
    assert_eq!(
        (long.status, long.denial().as_deref()),
        (400, Some("badRequest"))
    );
    let fits = json!({ "name": "a", "text": "x".repeat(40 * 1024) });
    assert_eq!(
        both.house
            .post(CALL, &call(&notes, "put", &fits))
            .await
            .status,
        200
    );
    assert_eq!(owner(&both.house).await, "mine");
}
