//! `serve` from its first line to its end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::process::Stdio;

use common::{Daemon, Home, files_in, get, told};
use rustix::process::Signal;

#[test]
fn json_is_one_line_of_exactly_these_members() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "."]);
    let ready = daemon.ready();
    let members: Vec<_> = ready.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "companion",
            "content",
            "control",
            "instance",
            "launchUrl",
            "pid"
        ]
    );
    assert_eq!(ready["instance"], "default");
    assert_eq!(ready["pid"], daemon.child.id());
    assert!(ready["companion"].is_null());
    for origin in ["control", "content"] {
        let origin = daemon.text(origin);
        assert!(origin.starts_with("http://127.0.0.1:"), "{origin}");
        assert_eq!(get(&format!("{origin}/healthz"), &[]).body, b"ok");
    }
    let launch = daemon.text("launchUrl");
    let ticket = launch
        .strip_prefix(&format!("{}/#ticket=", daemon.text("control")))
        .unwrap();
    assert_eq!(ticket.len(), 43);
    home.done(&["stop"]);
    let (status, rest) = daemon.end();
    assert!(status.success());
    assert_eq!(rest, "");
}

#[test]
fn signals_end_it_cleanly_and_its_runtime_files_go() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let daemon = home.serve(&["--json", "."]);
        assert_eq!(files_in(&home.path("run/doorward")).len(), 3);
        daemon.signal(signal);
        let (status, rest) = daemon.end();
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
        assert!(files_in(&home.path("run/doorward")).is_empty());
    }
}

#[test]
fn a_crashed_one_is_no_obstacle() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "."]);
    daemon.signal(Signal::KILL);
    let _ = daemon.end();
    assert_eq!(home.run(&["open", "--print"]).status.code(), Some(69));
    home.serve(&["--json", "."]).signal(Signal::TERM);
}

#[test]
fn the_second_start_tells_of_the_first() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "."]);
    let second = home.run(&["serve", "--no-open", "."]);
    assert_eq!(second.status.code(), Some(1));
    let words = told(&second);
    for part in [
        &*daemon.child.id().to_string(),
        "doorward open",
        "doorward stop",
        "--instance",
    ] {
        assert!(words.contains(part), "{words}");
    }
    // Beside it, under a name and with an audit log of its own.
    let log = home.path("other.jsonl");
    let beside = home.serve(&[
        "--json",
        "--instance",
        "other",
        "--audit",
        log.to_str().unwrap(),
        ".",
    ]);
    assert_eq!(beside.text("instance"), "other");
    home.done(&["--instance", "other", "stop"]);
    assert!(beside.end().0.success());
    assert!(
        home.done(&["open", "--print"])
            .starts_with(&daemon.text("control"))
    );
}

#[test]
fn it_ends_with_its_parent() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--json", "--no-open", "--exit-with-parent", "."]);
    command.stdin(Stdio::piped());
    let mut daemon = Daemon::start(command);
    assert!(daemon.child.try_wait().unwrap().is_none());
    drop(daemon.child.stdin.take());
    assert!(daemon.end().0.success());
}

#[test]
fn people_are_told_where_the_console_is_and_the_folder_is_this_one() {
    let home = Home::new();
    home.file("here.txt", b"here");
    let daemon = home.serve(&["--quiet"]);
    assert!(daemon.first.contains("/#ticket="));
    let url = home.done(&["url", "files:here.txt"]);
    assert_eq!(get(url.trim(), &[]).body, b"here");
    home.done(&["stop"]);
    assert_eq!(daemon.end().1, "");
    let daemon = home.serve(&[]);
    home.done(&["stop"]);
    let rest = daemon.end().1;
    for part in ["Console", "/#ticket=", "Serving", "files", "Ctrl-C"] {
        assert!(rest.contains(part), "{rest}");
    }
    assert!(!rest.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn ports_are_as_asked() {
    let home = Home::new();
    let free = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [0, 1]
        .map(free)
        .map(|socket| socket.local_addr().unwrap().port().to_string());
    let daemon = home.serve(&[
        "--json",
        "--port",
        &ports[0],
        "--content-port",
        &ports[1],
        ".",
    ]);
    assert!(daemon.text("control").ends_with(&ports[0]));
    assert!(daemon.text("content").ends_with(&ports[1]));
}
