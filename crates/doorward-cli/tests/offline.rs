//! What needs no running doorward, and the audit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;

use common::{Home, told};

#[test]
fn routes_are_the_same_every_time_and_name_no_port() {
    let home = Home::new();
    let first = home.done(&["routes", "--json"]);
    assert_eq!(first, home.done(&["routes", "--json"]));
    assert!(!first.contains("127.0.0.1"), "{first}");
    let page: serde_json::Value = serde_json::from_str(&first).unwrap();
    let listeners: Vec<_> = page["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listener| listener["name"].clone())
        .collect();
    assert_eq!(
        listeners,
        ["control", "content", "companion", "compat", "native"]
    );
    let markdown = home.done(&["routes", "--markdown"]);
    assert_eq!(markdown, home.done(&["routes", "--markdown"]));
    assert!(markdown.contains("| POST | `/api/session/claim` |"));
    assert!(markdown.contains("| POST | `/pair/start` |"));
    let table = home.done(&["routes"]);
    assert!(table.contains("/native/ticket") && !table.contains('\u{1b}'));
    assert!(
        !home.path("run/doorward").exists(),
        "it asks nobody and leaves nothing"
    );
}

#[test]
fn what_init_writes_passes_check() {
    let home = Home::new();
    let wrote = home.done(&["init"]);
    let file = home.path("config/doorward/doorward.toml");
    assert!(wrote.contains(file.to_str().unwrap()));
    let checked = home.json(&["check", "--json"]);
    assert_eq!(
        (checked["ok"].as_bool(), checked["file"].as_str()),
        (Some(true), file.to_str())
    );
    assert!(home.done(&["check"]).contains("control.port"));
    let again = home.run(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("--force"));

    fs::write(&file, "[control]\nport = 1\n").unwrap();
    home.done(&["init", "--force"]);
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("# doorward.toml")
    );
    let here = home.path("files/own.toml");
    home.done(&["init", here.to_str().unwrap()]);
    home.done(&["check", "own.toml"]);
    let schema: serde_json::Value = home.json(&["check", "--schema"]);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn completions_for_every_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.done(&["completions", shell]);
        assert!(
            script.contains("doorward") && script.contains("take-over"),
            "{shell}"
        );
    }
    assert_eq!(home.run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn the_audit_is_shown_and_verified_and_a_change_is_found() {
    let home = Home::new();
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(1));
    assert_eq!(home.done(&["audit", "tail"]), "");
    let daemon = home.serve(&["--json", "."]);
    let live = home.json(&["audit", "verify", "--json"]);
    assert_eq!(live["comparedWithDaemon"], true);
    home.done(&["stop"]);
    drop(daemon.end());
    let tail = home.done(&["audit", "tail", "--json"]);
    let kinds: Vec<_> = tail
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].clone())
        .collect();
    assert!(kinds.iter().any(|kind| kind == "daemon.started"));
    assert_eq!(kinds.last().unwrap(), "daemon.stopped");
    assert_eq!(
        home.done(&["audit", "tail", "-n", "1", "--kind", "daemon"])
            .lines()
            .count(),
        1
    );
    let whole = home.json(&["audit", "verify", "--json"]);
    assert_eq!(
        (
            whole["verified"].as_bool(),
            whole["comparedWithDaemon"].as_bool()
        ),
        (Some(true), Some(false))
    );

    let log = home.path("state/doorward/audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("daemon.started", "daemon.stopped")).unwrap();
    let broken = home.run(&["audit", "verify"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(told(&broken).contains("altered"), "{}", told(&broken));
    let doctor = home.run(&["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(1));
}

#[test]
fn the_audit_is_followed() {
    let home = Home::new();
    let _daemon = home.serve(&["--json", "."]);
    let words = ["audit", "tail", "--follow", "--kind", "ticket", "--json"];
    let mut tail = common::Daemon::start(home.command(&words));
    assert!(tail.first.contains("ticket.minted"));
    home.done(&["url", home.file("a.txt", b"a").to_str().unwrap()]);
    home.done(&["open", "--print"]);
    let next: serde_json::Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!(next["kind"], "ticket.minted");
    tail.signal(rustix::process::Signal::INT);
    assert!(tail.end().0.success());
}

#[test]
fn records_that_are_cut_off_are_missed_by_the_daemon() {
    let home = Home::new();
    let _daemon = home.serve(&["--json", "."]);
    home.done(&["open", "--print"]);
    let log = home.path("state/doorward/audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let kept: Vec<_> = text.lines().collect();
    fs::write(&log, format!("{}\n", kept[..kept.len() - 1].join("\n"))).unwrap();
    let cut = home.run(&["audit", "verify"]);
    assert_eq!(cut.status.code(), Some(1));
    assert!(told(&cut).contains("running doorward"), "{}", told(&cut));
}

#[test]
fn doctor_finds_this_machine_well_and_tells_what_is_not() {
    let home = Home::new();
    let well = home.json(&["doctor", "--json"]);
    assert_eq!(well["ok"], true);
    let names: Vec<_> = well["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for name in [
        "runtime folder",
        "running",
        "configuration",
        "audit",
        "ports",
        "peer check",
        "proxy",
        "browser",
        "clock",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let daemon = home.serve(&["--json", "."]);
    assert!(
        home.done(&["doctor"])
            .contains(&format!("(pid {}) answers", daemon.child.id()))
    );

    let mut proxied = home.command(&["doctor", "--json"]);
    proxied.env("http_proxy", "http://127.0.0.1:9");
    let proxied = common::finish(proxied);
    assert!(proxied.status.success(), "a warning is no failure");
    let page: serde_json::Value = serde_json::from_slice(&proxied.stdout).unwrap();
    let check = page["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "proxy")
        .unwrap();
    assert_eq!(check["status"], "warn");
    assert!(check["action"].as_str().unwrap().contains("NO_PROXY"));
}

#[test]
fn m44_a_proxy_does_not_capture_our_own_hop() {
    let home = Home::new();
    home.file("a.txt", b"a");
    let words = ["serve", "--json", "--no-open", "."];
    let mut command = home.command(&words);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let _daemon = common::Daemon::start(command);
    let mut url = home.command(&["url", "files:a.txt"]);
    url.env("http_proxy", "http://127.0.0.1:9")
        .env("ALL_PROXY", "http://127.0.0.1:9");
    let made = common::finish(url);
    assert!(made.status.success(), "{}", told(&made));
    assert_eq!(
        common::get(String::from_utf8(made.stdout).unwrap().trim(), &[]).body,
        b"a"
    );
}

/// Of several programs `cargo run` would run none.
#[test]
fn the_first_command_of_the_readme_runs_this_program() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains("\ncargo run --release -- serve "));
    let told = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let run = told["workspace_default_members"].as_array().unwrap();
    let packages = told["packages"].as_array().unwrap();
    let programs: Vec<_> = packages
        .iter()
        .filter(|package| run.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(programs, ["doorward"]);
}
