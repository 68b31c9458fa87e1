//! `doorward gateway` as a process of its own, and `doorward serve` in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::io::Write as _;
use std::process::Stdio;

use common::{Daemon, Home, Reply, send};
use rustix::process::Signal;
use serde_json::{Value, json};

const OPERATOR: &str = "/api/operator";

/// A tab of the console.
struct Tab {
    origin: String,
    cookie: String,
    proof: String,
    csrf: String,
}

impl Tab {
    /// By the launch link of a daemon.
    fn open(launch: &str) -> Self {
        let (origin, ticket) = launch.trim().split_once("/#ticket=").unwrap();
        let own = [("Origin", origin), ("Sec-Fetch-Site", "same-origin")];
        let body = json!({ "ticket": ticket }).to_string();
        let claimed = send("POST", &format!("{origin}/api/session/claim"), &own, &body);
        assert_eq!(claimed.status, 200);
        let told = claimed.json();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self {
            origin: origin.to_owned(),
            cookie: claimed.cookie(),
            proof: text("proof"),
            csrf: text("csrf"),
        }
    }

    fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let mut fields = vec![
            ("Origin", &*self.origin),
            ("Sec-Fetch-Site", "same-origin"),
            ("Cookie", &*self.cookie),
            ("X-Doorward-Proof", &*self.proof),
            ("X-Csrf-Token", &*self.csrf),
        ];
        fields.extend(more);
        send(
            method,
            &format!("{}{OPERATOR}{path}", self.origin),
            &fields,
            body,
        )
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, &[], &body.to_string())
    }

    fn sign_in(&mut self) -> Value {
        let body = json!({ "account": "ada", "password": "right" });
        let reply = self.post("/login/password", &body);
        assert_eq!(reply.status, 200, "{}", reply.json());
        self.cookie = reply.cookie();
        reply.json()["csrf"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.csrf);
        reply.json()["state"].clone()
    }

    fn call(&self, state: &Value, cap: &str, operation: &str, fields: &Value) -> Reply {
        let caps = state["caps"].as_array().unwrap();
        let found = caps.iter().find(|one| one["name"] == cap).unwrap();
        let call = json!({
            "ref": found["ref"], "operation": operation, "fields": fields, "confirmed": true,
        });
        self.post("/call", &call)
    }
}

/// An account, by the command line.
fn add_account(home: &Home) {
    let file = home.path("accounts.toml");
    let words = [
        "gateway",
        "add-account",
        "ada",
        "--accounts",
        file.to_str().unwrap(),
    ];
    let mut child = home
        .command(&words)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"right\n").unwrap();
    assert!(child.wait().unwrap().success());
}

fn gateway(home: &Home, listen: &str) -> Daemon {
    let file = home.path("accounts.toml");
    let words = [
        "gateway",
        "--listen",
        listen,
        "--accounts",
        file.to_str().unwrap(),
    ];
    Daemon::start(home.command(&words))
}

fn serve(home: &Home, address: &str, words: &[&str]) -> Daemon {
    let config = home.path("doorward.toml");
    let text = format!("[[gateway]]\nname = \"lab\"\naddress = \"{address}\"\n");
    std::fs::write(&config, text).unwrap();
    let words: Vec<_> = ["--json", "--config", config.to_str().unwrap()]
        .iter()
        .chain(words)
        .copied()
        .collect();
    home.serve(&words)
}

/// Calls that were written down, which is before they are sent.
fn calls(tab: &Tab) -> usize {
    let recent = tab.get("/audit/recent").json();
    let events = recent["events"].as_array().unwrap();
    events
        .iter()
        .filter(|event| event["kind"] == "gateway.called")
        .count()
}

#[test]
fn op_f4_a_gateway_that_is_killed_in_the_middle_of_a_call_frees_the_slot() {
    for listen in ["127.0.0.1:0", "unix"] {
        let home = Home::new();
        add_account(&home);
        let path = format!("unix:{}", home.path("run").join("gate").display());
        let listen = if listen == "unix" { &path } else { listen };
        let upstream = gateway(&home, listen);
        let address = upstream.first.trim().to_owned();
        let daemon = serve(&home, &address, &["."]);
        let mut tab = Tab::open(&daemon.text("launchUrl"));
        let state = tab.sign_in();
        let none = json!({});
        let motd = tab.call(&state, "system", "motd", &none);
        assert!(motd.json()["text"].as_str().unwrap().contains("Welcome"));
        // It hears nothing any more, and then it is gone.
        upstream.signal(Signal::STOP);
        let call = std::thread::scope(|scope| {
            let call = scope.spawn(|| tab.call(&state, "system", "motd", &none));
            while calls(&tab) < 2 {
                std::thread::yield_now();
            }
            upstream.signal(Signal::KILL);
            call.join().unwrap()
        });
        assert_eq!(call.status, 502, "{}", call.json());
        assert_eq!(call.json()["denial"], "upstreamDisconnected");
        assert_eq!(tab.get("/state").json()["owner"]["state"], "free");
        let stale = tab.call(&state, "system", "motd", &none);
        assert_eq!(
            (stale.status, &stale.json()["denial"]),
            (410, &json!("staleSession"))
        );
        let gone = tab.post(
            "/login/password",
            &json!({ "account": "ada", "password": "right" }),
        );
        assert_eq!(gone.json()["denial"], "upstreamDisconnected");
        for answer in [call, stale, gone] {
            let whole = format!("{} {}", answer.head, String::from_utf8_lossy(&answer.body));
            assert!(!whole.contains(&address), "{whole}");
        }
        // Another one in its place is signed in to.
        if let Some(path) = address.strip_prefix("unix:") {
            std::fs::remove_file(path).unwrap();
        }
        let _again = gateway(&home, &address);
        tab.sign_in();
    }
}

#[test]
fn op_u1_a_report_is_there_if_the_command_line_says_so() {
    let home = Home::new();
    let refused = home.run(&["serve", "--no-open", "--automation-report", "."]);
    assert_eq!(refused.status.code(), Some(2), "it needs --json");
    let daemon = serve(&home, "127.0.0.1:1", &["--automation-report", "."]);
    let token = daemon.text("automationToken");
    let tab = Tab::open(&daemon.text("launchUrl"));
    let body = r#"{"status":"passed","summary":"all well"}"#;
    let path = "/automation/report";
    let without = tab.ask("POST", path, &[], body);
    assert_eq!(without.json()["denial"], "automationTokenInvalid");
    let known = [("X-Automation-Token", &*token)];
    assert_eq!(tab.ask("POST", path, &known, body).status, 200);
    let read = tab.ask("GET", path, &known, "").json();
    assert_eq!(read["report"]["summary"], "all well");
    let log = home.done(&["audit", "tail", "--json"]);
    assert!(log.contains("automation.reported") && !log.contains(&token));
}

#[test]
fn op_u1_without_the_flag_there_is_no_such_path() {
    let home = Home::new();
    let daemon = serve(&home, "127.0.0.1:1", &["."]);
    assert!(daemon.ready().get("automationToken").is_none());
    let tab = Tab::open(&daemon.text("launchUrl"));
    let report = tab.get("/automation/report");
    assert_eq!(
        (report.status, &report.json()["denial"]),
        (404, &json!("unknownRoute"))
    );
}

#[test]
fn op_l2_the_audit_file_has_a_line_for_each_event_and_no_secret() {
    let home = Home::new();
    add_account(&home);
    let upstream = gateway(&home, "127.0.0.1:0");
    let address = upstream.first.trim().to_owned();
    let daemon = serve(&home, &address, &["."]);
    let mut tab = Tab::open(&daemon.text("launchUrl"));
    let hostile = json!({ "account": "a\u{202e}\u{2028}b", "password": "hunter2" });
    assert_eq!(
        tab.post("/login/password", &hostile).json()["denial"],
        "authenticationDenied"
    );
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    let state = tab.sign_in();
    tab.call(&state, "notes", "put", &json!({ "name": "a", "text": "b" }));
    tab.post("/logout", &json!({}));
    let log = home.done(&["audit", "tail", "--json"]);
    for kind in [
        "gateway.claimed",
        "gateway.denied",
        "gateway.entered",
        "gateway.called",
        "gateway.released",
    ] {
        assert!(log.contains(kind), "{kind} is missing: {log}");
    }
    for secret in ["hunter2", "right\"", &tab.proof, &tab.csrf, &address] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    let moves = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2028}".contains(c);
    assert!(!log.chars().any(moves), "{log:?}");
    home.done(&["audit", "verify"]);
}
