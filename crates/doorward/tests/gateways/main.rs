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
use doorward_testkit::log::Log;
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
        effect = "read"
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

/// Where the words are in `text`, each as a word of its own.
fn found(text: &str, words: &[&str]) -> Vec<String> {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands = |at: usize, word: &str| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !letter(before.chars().next_back()) && !letter(after.chars().next())
    };
    let found = words.iter().filter(|word| {
        let mut places = text.match_indices(**word);
        places.any(|(at, _)| stands(at, word))
    });
    found.map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn op_d2_denials_say_their_name_and_nothing_of_what_is_behind_the_door() {
    let log = Log::hear();
    let mut denials = Vec::new();
    let (server, sshd) = (postgres::Postgres::start().await, ssh::Sshd::start());

    let text = format!(
        r#"
        [[gateway]]
        name = "shop"
        kind = "postgres"
        address = "{}"
        database = "{}"
        "#,
        server.address(),
        postgres::DATABASE,
    );
    let statements = [
        ("locked", "select n from hidden"),
        ("missing", "select 1 from nowhere"),
        ("slow", "select pg_sleep(60)"),
        ("secret", "select $1::int"),
    ];
    let declared = statements.map(|(name, sql)| {
        let field = match name {
            "secret" => "field = [{ name = \"s\", kind = \"secret\" }]",
            _ => "within = \"1s\"",
        };
        format!("[[gateway.statement]]\nname = \"{name}\"\nsql = \"{sql}\"\n{field}\n")
    });
    let mut house = open(&format!("{text}{}", declared.concat())).await;
    let wrong = json!({ "account": postgres::ROLE, "password": "wrong-staple" }).to_string();
    let reply = house.post("/api/operator/login/password", &wrong).await;
    denials.push((reply, 403, "authenticationDenied"));
    house.hand.advance(std::time::Duration::from_secs(2));
    let right = json!({ "account": postgres::ROLE, "password": postgres::PASSWORD });
    sign_in(&mut house, "password", &right).await;
    let secret = json!({ "s": "hunter2-staple" });
    for (operation, fields, status, name) in [
        ("locked", &json!({}), 403, "methodDenied"),
        ("missing", &json!({}), 503, "serviceUnavailable"),
        ("slow", &json!({}), 504, "upstreamTimeout"),
        ("secret", &secret, 400, "badRequest"),
    ] {
        denials.push((call(&house, operation, fields).await, status, name));
    }
    server.stop();
    let gone = call(&house, "locked", &json!({})).await;
    let name = gone.denial().unwrap_or_default();
    assert!(
        matches!(name.as_str(), "upstreamDisconnected" | "staleSession"),
        "{name}"
    );

    let key = sshd.path("id").display().to_string();
    let machine = |host_key: &str| {
        format!(
            "[[gateway]]\nname = \"machine\"\nkind = \"ssh\"\naddress = \"{}\"\nhost_keys = [{}]\nkey = {}\n\
             [[gateway.command]]\nname = \"slow\"\neffect = \"read\"\nwithin = \"1s\"\nrun = [\"sleep\", \"60\"]\n",
            sshd.address(),
            quoted(&sshd.public(host_key)),
            quoted(&key),
        )
    };
    let account = json!({ "account": ssh::ACCOUNT });
    let house = open(&machine("other")).await;
    let login = "/api/operator/login/publickey";
    let reply = house.post(login, &account.to_string()).await;
    denials.push((reply, 502, "hostKeyMismatch"));
    let mut house = open(&machine("host")).await;
    sign_in(&mut house, "publickey", &account).await;
    let reply = call(&house, "slow", &json!({})).await;
    denials.push((reply, 504, "upstreamTimeout"));

    let shown = |name: &str| {
        let public = sshd.public(name);
        let blob = public.split(' ').nth(1).unwrap().to_owned();
        let print = std::process::Command::new("ssh-keygen")
            .arg("-lf")
            .arg(sshd.path(&format!("{name}.pub")))
            .output()
            .unwrap();
        let print = String::from_utf8(print.stdout).unwrap();
        [blob, print.split(' ').nth(1).unwrap().to_owned()]
    };
    let (host, other) = (shown("host"), shown("other"));
    let (database, machine) = (server.address(), sshd.address());
    let mut words = vec![&*database, &*machine, &*key, postgres::ROLE];
    words.extend([postgres::PASSWORD, "wrong-staple", "hunter2-staple"]);
    words.extend(host.iter().chain(&other).map(String::as_str));
    words.extend(statements.map(|(_, sql)| sql));
    words.push("sleep");
    for (reply, status, name) in denials {
        let text = reply.text();
        assert_eq!(reply.status, status, "{name}: {text}");
        assert_eq!(reply.denial().as_deref(), Some(name));
        assert_eq!(found(&text, &words), [""; 0], "{name}: {text}");
    }
    let log = log.text();
    assert!(log.contains("a gateway says no"), "{log}");
    assert_eq!(found(&log, &words), [""; 0], "{log}");
}
