//! Gateways of each kind as the configuration writes them, through the door: a real
//! OpenSSH server, a real PostgreSQL server.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

#[path = "../../../doorward-operator/tests/postgres/server.rs"]
#[allow(dead_code, reason = "the rest is for the room's own tests")]
mod postgres;
#[path = "../../../doorward-operator/tests/ssh/server.rs"]
#[allow(dead_code, reason = "the rest is for the room's own tests")]
mod ssh;

use doorward::config::{Config, Flags};
use doorward_testkit::house::{Reply, TestHouse};
use serde_json::{Value, json};

/// A house with the gateways of this configuration.
async fn open(text: &str) -> TestHouse {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.toml");
    std::fs::write(&path, text).unwrap();
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    let config = Config::load(&flags).unwrap();
    let dialer = config.egress.dialer().unwrap();
    let gateway = config.gateways[0].configured(&dialer).unwrap();
    TestHouse::open_with(&[], |builder| builder.gateway(gateway)).await
}

/// Signs in, and goes on with the cookie and the token that this gave.
async fn sign_in(house: &mut TestHouse, way: &str, body: &Value) -> Reply {
    let path = format!("/api/operator/login/{way}");
    let reply = house.post(&path, &body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cookie = reply.header("set-cookie").unwrap();
    let value = cookie.split_once('=').unwrap().1;
    house.cookie = value.split(';').next().unwrap().to_owned();
    house.csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
    reply
}

async fn call(house: &TestHouse, operation: &str, fields: &Value) -> Reply {
    let caps = house.get("/api/operator/caps").await.json();
    let alias = caps["caps"][0]["ref"].as_str().unwrap_or("none");
    let body = json!({ "ref": alias, "operation": operation, "fields": fields });
    house.post("/api/operator/call", &body.to_string()).await
}

fn quoted(text: &str) -> String {
    Value::from(text.trim()).to_string()
}

#[tokio::test]
async fn op_m1_a_machine_behind_ssh_is_reached_through_the_door() {
    let sshd = ssh::Sshd::start();
    let text = format!(
        r#"
        [[gateway]]
        name = "machine"
        kind = "ssh"
        address = "{}"
        host_keys = [{}]
        key = {}

        [[gateway.command]]
        name = "show"
        run = ["printf", "<%s>", "{{a}}", "{{loud}}"]
        field = [
          {{ name = "a", most = 9, pattern = "[a-z' ]*" }},
          {{ name = "loud", kind = "flag", word = "-loud" }},
        ]
        "#,
        sshd.address(),
        quoted(&sshd.public("host")),
        quoted(&sshd.path("id").display().to_string()),
    );
    let mut house = open(&text).await;
    let came = sign_in(&mut house, "publickey", &json!({ "account": ssh::ACCOUNT })).await;
    let state = &came.json()["state"];
    assert_eq!(state["gateway"]["kind"], "ssh");
    assert_eq!(state["session"]["authStrength"], "publicKey");
    assert_eq!(state["caps"][0]["operations"][0]["name"], "show");
    let shown = call(&house, "show", &json!({ "a": "it's", "loud": true })).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let fields = &shown.json()["fields"];
    assert_eq!(
        fields[1],
        json!({ "name": "output", "value": "<it's><-loud>" })
    );
    for fields in [
        json!({ "a": "x;", "loud": false }),
        json!({ "a": "too long a text", "loud": false }),
        json!({ "a": "x", "loud": "yes" }),
    ] {
        let refused = call(&house, "show", &fields).await;
        assert_eq!(refused.status, 400, "{fields}");
        assert_eq!(refused.denial().as_deref(), Some("badRequest"));
    }
    let out = house.post("/api/operator/logout", "{}").await;
    assert_eq!(out.status, 200, "{}", out.text());
    let stale = call(&house, "show", &json!({ "a": "x", "loud": false })).await;
    assert_eq!(stale.status, 410, "{}", stale.text());
    let state = house.get("/api/operator/state").await;
    for reply in [&came, &shown, &state] {
        assert!(!reply.text().contains(&sshd.address()), "{}", reply.text());
    }
}

#[tokio::test]
async fn op_m1_a_database_is_reached_through_the_door() {
    let server = postgres::Postgres::start().await;
    let text = format!(
        r#"
        [[gateway]]
        name = "shop"
        kind = "postgres"
        address = "{}"
        database = "{}"

        [[gateway.statement]]
        name = "words"
        sql = "select word from canary where n >= $1 order by n"
        field = [{{ name = "n", kind = "number", least = 0, most = 9 }}]
        "#,
        server.address(),
        postgres::DATABASE,
    );
    let mut house = open(&text).await;
    let wrong = json!({ "account": postgres::ROLE, "password": "wrong" }).to_string();
    let denied = house.post("/api/operator/login/password", &wrong).await;
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert_eq!(denied.denial().as_deref(), Some("authenticationDenied"));
    house.hand.advance(std::time::Duration::from_secs(2));
    let right = json!({ "account": postgres::ROLE, "password": postgres::PASSWORD });
    let came = sign_in(&mut house, "password", &right).await;
    let state = &came.json()["state"];
    assert_eq!(state["gateway"]["kind"], "postgres");
    assert_eq!(state["session"]["principalLabel"], postgres::ROLE);
    let words = call(&house, "words", &json!({ "n": 2 })).await;
    assert_eq!(words.status, 200, "{}", words.text());
    let words = words.json();
    assert_eq!(
        (&words["columns"], &words["rows"]),
        (&json!(["word"]), &json!([["two"]]))
    );
    let refused = call(&house, "words", &json!({ "n": 10 })).await;
    assert_eq!(refused.denial().as_deref(), Some("badRequest"));
    let out = house.post("/api/operator/logout", "{}").await;
    assert_eq!(out.status, 200, "{}", out.text());
    let stale = call(&house, "words", &json!({ "n": 2 })).await;
    assert_eq!(stale.status, 410, "{}", stale.text());
}
