//! Upstreams through the running daemon.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use common::{Home, finish, get, told};

/// An upstream that says what it was asked, once for each connection.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream: TcpStream = stream;
            let mut head = Vec::new();
            let mut some = [0; 1024];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut some).unwrap_or(0);
                if read == 0 {
                    break;
                }
                head.extend_from_slice(&some[..read]);
            }
            let text = String::from_utf8(head).unwrap();
            let line = text.lines().next().unwrap_or_default();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{line}",
                line.len()
            );
        }
    });
    format!("ws://127.0.0.1:{port}/base")
}

#[test]
fn an_upstream_is_opened_listed_used_and_closed() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "."]);
    assert!(home.done(&["relay", "list"]).contains("relay add"));

    let upstream = upstream();
    let opened = home.json(&["relay", "add", &upstream, "--allow-local", "--json"]);
    let members: Vec<_> = opened.as_object().unwrap().keys().collect();
    assert_eq!(members, ["expiresAt", "id", "url"]);
    let url = opened["url"].as_str().unwrap();
    let content = daemon.text("content").replacen("http", "ws", 1);
    assert!(url.starts_with(&format!("{content}/r/")), "{url}");

    let beneath = format!(
        "{}/rtc/validate?access_token=s",
        url.replacen("ws", "http", 1)
    );
    let reply = get(&beneath, &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        b"GET /base/rtc/validate?access_token=s HTTP/1.1"
    );
    let closed = format!("{}/admin", url.replacen("ws", "http", 1));
    assert_eq!(get(&closed, &[]).status, 403);

    let listed = home.json(&["relay", "list", "--json"]);
    let relay = &listed["relays"][0];
    assert_eq!(listed["total"], 1);
    assert_eq!(relay["requests"], 2);
    assert_eq!(relay["id"], opened["id"]);
    assert!(upstream.starts_with(relay["upstream"].as_str().unwrap()));
    let token = url.rsplit('/').next().unwrap();
    assert!(!listed.to_string().contains(token), "told once");

    let id = opened["id"].as_str().unwrap();
    assert!(home.done(&["relay", "list"]).contains(id));
    assert!(home.done(&["relay", "revoke", id]).contains("1 upstream"));
    assert_eq!(get(&beneath, &[]).status, 403);
    let again = home.run(&["relay", "revoke", id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("no such open upstream"));
}

#[test]
fn what_cannot_be_opened_is_said() {
    let home = Home::new();
    let _daemon = home.serve(&["--json", "."]);
    for (words, code, part) in [
        (vec!["ws://lk.example.com"], 2, "without TLS"),
        (vec!["wss://u:p@lk.example.com"], 1, "cannot be opened"),
        (vec!["ftp://lk.example.com"], 1, "scheme"),
        (
            vec!["wss://lk.example.com", "--origin", "nonsense"],
            1,
            "scheme://host:port",
        ),
        (vec!["wss://lk.example.com", "--path", "rtc"], 1, "slash"),
    ] {
        let mut all = vec!["relay", "add"];
        all.extend(words);
        let failed = home.run(&all);
        assert_eq!(
            failed.status.code(),
            Some(code),
            "{all:?}: {}",
            told(&failed)
        );
        assert!(told(&failed).contains(part), "{all:?}: {}", told(&failed));
    }
    assert_eq!(home.json(&["relay", "list", "--json"])["total"], 0);
    let wrong = home.run(&["relay", "revoke", "../x"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn r19_proxy_settings_that_are_none_stop_the_start() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--no-open", "."]);
    command.env("HTTPS_PROXY", "gopher://proxy.example:70");
    let failed = finish(command);
    assert_eq!(failed.status.code(), Some(78), "{}", told(&failed));
    assert!(told(&failed).contains("proxy"), "{}", told(&failed));
}

#[test]
fn a_configured_upstream_is_open_from_the_start_and_opens_again_by_its_name() {
    let home = Home::new();
    let upstream = upstream();
    let config = format!(
        "[[relay]]\nname = \"meet\"\nupstream = \"{upstream}\"\nlocal_networks = true\npaths = [\"/only\"]\nlife = \"1h\"\n"
    );
    let file = home.file("relays.toml", config.as_bytes());
    let checked = home.json(&["check", "--json", file.to_str().unwrap()]);
    assert_eq!(checked["relays"][0]["name"], "meet");
    let daemon = home.serve(&["--json", "--config", file.to_str().unwrap(), "."]);
    let ready = daemon.ready();
    let first = &ready["relays"][0];
    assert_eq!(first["name"], "meet");
    let at = |url: &serde_json::Value, path: &str| {
        let url = url.as_str().unwrap().replacen("ws", "http", 1);
        get(&format!("{url}{path}"), &[])
    };
    let reply = at(&first["url"], "/only/this");
    assert_eq!(reply.body, b"GET /base/only/this HTTP/1.1");
    assert_eq!(at(&first["url"], "/rtc").status, 403);

    let again = home.json(&["relay", "add", "meet", "--life", "10m", "--json"]);
    assert_ne!(again["url"], first["url"]);
    assert_eq!(at(&again["url"], "/only").status, 200);
    let listed = home.json(&["relay", "list", "--json"]);
    for relay in listed["relays"].as_array().unwrap() {
        assert_eq!(relay["name"], "meet");
    }
    assert!(home.done(&["relay", "list"]).contains("meet"));

    // As the configuration says, and not otherwise.
    for more in [
        &["--path", "/"][..],
        &["--allow-local"],
        &["--livekit"],
        &["--origin", "https://a.example"],
    ] {
        let mut line = vec!["relay", "add", "meet"];
        line.extend(more);
        let failed = home.run(&line);
        assert!(!failed.status.success(), "{more:?}");
        assert!(
            told(&failed).contains("as the configuration says"),
            "{}",
            told(&failed)
        );
    }
    let failed = home.run(&["relay", "add", "another"]);
    assert!(told(&failed).contains("nothing in the configuration has this name"));
}
