//! `doorward gateway` as a process of its own, and `doorward serve` in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

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
    Daemon::start(gateway_command(home, listen))
}

fn gateway_command(home: &Home, listen: &str) -> Command {
    let file = home.path("accounts.toml");
    let words = [
        "gateway",
        "--listen",
        listen,
        "--accounts",
        file.to_str().unwrap(),
    ];
    home.command(&words)
}

fn serve(home: &Home, address: &str, words: &[&str]) -> Daemon {
    Daemon::start(serve_command(home, address, words))
}

fn serve_command(home: &Home, address: &str, words: &[&str]) -> Command {
    let config = home.path("doorward.toml");
    let text = format!("[[gateway]]\nname = \"lab\"\naddress = \"{address}\"\n");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let all = ["serve", "--no-open", "--json", "--config", config];
    let all: Vec<_> = all.iter().chain(words).copied().collect();
    home.command(&all)
}

/// A socket of each kind that a gateway can be told to listen on.
fn places(home: &Home) -> [String; 2] {
    let path = home.path("run").join("gate");
    ["127.0.0.1:0".to_owned(), format!("unix:{}", path.display())]
}

/// Waits until the gateway's log, as its operator reads it, has this line.
fn until_logged(tab: &Tab, state: &Value, line: &str) {
    let all = json!({ "most": 500 });
    for _ in 0..1_000 {
        let log = tab.call(state, "log", "read", &all);
        assert_eq!(log.status, 200, "{}", log.json());
        let rows = log.json()["rows"].clone();
        if rows.as_array().unwrap().iter().any(|row| row[3] == line) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the gateway never wrote: {line}");
}

/// Takes down what a process says on stderr.
fn listen_to(daemon: &mut Daemon) -> JoinHandle<Vec<u8>> {
    let mut stderr = daemon.child.stderr.take().unwrap();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        stderr.read_to_end(&mut said).unwrap();
        said
    })
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
    for at in 0..2 {
        let home = Home::new();
        add_account(&home);
        let upstream = gateway(&home, &places(&home)[at]);
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
fn op_f4_a_daemon_that_is_killed_leaves_no_session_and_the_next_one_signs_in() {
    for at in 0..2 {
        let home = Home::new();
        add_account(&home);
        let upstream = gateway(&home, &places(&home)[at]);
        let address = upstream.first.trim().to_owned();
        let daemon = serve(&home, &address, &["."]);
        let mut tab = Tab::open(&daemon.text("launchUrl"));
        tab.sign_in();
        daemon.signal(Signal::KILL);
        let (status, _) = daemon.end();
        assert!(!status.success());
        let daemon = serve(&home, &address, &["."]);
        // What the old one gave out is worth nothing.
        tab.origin = daemon.text("control");
        assert_eq!(tab.get("/state").status, 401);
        let mut tab = Tab::open(&daemon.text("launchUrl"));
        assert_eq!(tab.get("/state").json()["owner"]["state"], "free");
        let state = tab.sign_in();
        // Nobody signed out: the gateway noticed by itself.
        until_logged(&tab, &state, "ada ended: dropped");
    }
}

#[test]
fn op_r7_the_command_line_takes_the_slot_from_its_owner_and_signs_out_over_there() {
    for at in 0..2 {
        let home = Home::new();
        add_account(&home);
        let upstream = gateway(&home, &places(&home)[at]);
        let daemon = serve(&home, upstream.first.trim(), &["."]);
        let mut owner = Tab::open(&daemon.text("launchUrl"));
        let state = owner.sign_in();
        let listed = home.json(&["sessions", "list", "--json"]);
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
        let id = listed["sessions"][0]["id"].as_str().unwrap();
        let mut other = Tab::open(&home.done(&["open", "--print"]));
        let login = json!({ "account": "ada", "password": "right" });
        let in_use = other.post("/login/password", &login);
        assert_eq!(in_use.json()["denial"], "sessionAlreadyInUse");
        let revoked = home.json(&["sessions", "revoke", id, "--json"]);
        assert_eq!(revoked, json!({ "revoked": 1 }));
        assert_eq!(other.get("/state").json()["owner"]["state"], "free");
        let call = owner.call(&state, "system", "motd", &json!({}));
        assert_eq!(call.status, 401, "{}", call.json());
        let state = other.sign_in();
        until_logged(&other, &state, "ada ended: logout");
        let log = home.done(&["audit", "tail", "--json"]);
        let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let of_owner: Vec<(Value, Value)> = events
            .filter(|event: &Value| event["subject"] == id)
            .map(|event| (event["kind"].clone(), event["detail"].clone()))
            .collect();
        for (kind, why) in [
            ("gateway.released", "revoked"),
            ("session.revoked", "revoked"),
        ] {
            let of_kind = of_owner.iter().filter(|(known, _)| known == kind);
            let why_all: Vec<_> = of_kind.map(|(_, why)| why).collect();
            assert_eq!(why_all, [why], "{kind}: {log}");
        }
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
fn op_k6_op_l2_the_audit_file_and_all_that_is_said_have_no_secret_and_no_control() {
    let home = Home::new();
    add_account(&home);
    let heard = |mut command: Command| {
        command.env("DOORWARD_LOG", "trace");
        let mut daemon = Daemon::start(command);
        let stderr = listen_to(&mut daemon);
        (daemon, stderr)
    };
    let (upstream, upstream_said) = heard(gateway_command(&home, "127.0.0.1:0"));
    let address = upstream.first.trim().to_owned();
    let (daemon, said) = heard(serve_command(&home, &address, &["."]));
    let mut tab = Tab::open(&daemon.text("launchUrl"));
    let early = [tab.cookie.clone(), tab.csrf.clone()];
    let hostile = json!({ "account": "a\u{202e}\u{2028}b", "password": "hunter2" });
    assert_eq!(
        tab.post("/login/password", &hostile).json()["denial"],
        "authenticationDenied"
    );
    std::thread::sleep(Duration::from_millis(1_050));
    let state = tab.sign_in();
    tab.call(&state, "notes", "put", &json!({ "name": "a", "text": "b" }));
    let hostile = json!({ "name": "\u{202e}\u{1b}[2J\r\n\u{2028}" });
    assert_eq!(tab.call(&state, "notes", "get", &hostile).status, 400);
    let hostile = [
        ("X-Csrf-Token", "\u{9b}2J\u{202e}"),
        ("Cookie", "a=\u{2028}"),
    ];
    assert_eq!(
        tab.ask("POST", "/%1b%0a\u{202e}", &hostile, "{}").status,
        400
    );
    let more = json!({ "proof": "right", "seconds": 60 });
    assert_eq!(tab.post("/session/renew", &more).status, 200);
    tab.post("/logout", &json!({}));
    let log = home.done(&["audit", "tail", "--json"]);
    for kind in [
        "gateway.claimed",
        "gateway.denied",
        "gateway.entered",
        "gateway.called",
        "gateway.renewed",
        "gateway.released",
    ] {
        assert!(log.contains(kind), "{kind} is missing: {log}");
    }
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    home.done(&["audit", "verify"]);
    // To the end, what is said while it stops included.
    daemon.signal(Signal::TERM);
    let ready = daemon.first.clone();
    let (status, out) = daemon.end();
    assert!(status.success());
    upstream.signal(Signal::TERM);
    let (_, upstream_out) = upstream.end();
    let text = |said: JoinHandle<Vec<u8>>| String::from_utf8(said.join().unwrap()).unwrap();
    let stderr = text(said);
    assert!(stderr.contains("a gateway says no"), "{stderr}");
    let all = [
        ("audit", log),
        ("stderr", stderr),
        ("stdout", ready + &out),
        ("the gateway's stderr", text(upstream_said)),
        ("the gateway's stdout", upstream_out),
    ];
    let cookies = [&early[0], &tab.cookie].map(|cookie| cookie.split_once('=').unwrap().1);
    let secrets = [
        "hunter2", "$argon2", &tab.proof, &tab.csrf, &early[1], cookies[0], cookies[1],
    ];
    for (what, said) in all {
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} in {what}: {said}");
        }
        let mut words = said.split(|c: char| !c.is_alphanumeric());
        assert!(
            !words.any(|word| word == "right"),
            "the password in {what}: {said}"
        );
        // Where the gateway is, whoever runs the daemon may read in its log.
        let is_log = what.contains("stderr");
        assert!(
            is_log || !said.contains(&address),
            "{address} in {what}: {said}"
        );
        let moves = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2028}".contains(c);
        assert!(!said.chars().any(moves), "{what}: {said:?}");
    }
}
