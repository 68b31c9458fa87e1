//! What goes wrong: a clear sentence, and the right exit code.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use common::{Home, finish, get, told};
use doorward_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// It ends with `code`, and says all of `parts` in one paragraph.
fn fails(output: &Output, code: i32, parts: &[&str]) {
    let words = told(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    for part in parts {
        assert!(words.contains(part), "{part}: {words}");
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    if code != 2 {
        let last = stderr.lines().last().unwrap();
        assert!(
            last.starts_with("doorward: ") && last.trim_end().ends_with(['.', '`']),
            "{stderr}"
        );
    }
}

#[test]
fn wrong_usage_is_2() {
    let home = Home::new();
    for words in [
        &["sreve"][..],
        &["serve", "--colour"],
        &["serve", "--port", "99999"],
        &["serve", "--instance", "Not A Name"],
        &["url"],
        &["url", "x", "--life", "13h"],
        &["url", "x", "--download", "--framed"],
        &["revoke"],
        &["revoke", "g_x", "--all"],
        &["sessions", "revoke", "../x", "--instance", "UPPER"],
        &["routes", "--json", "--markdown"],
        &[],
    ] {
        fails(&home.run(words), 2, &[]);
    }
    let json = home.run(&["serve", "--colour", "--json"]);
    let page: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(page["error"]["code"], 2);
}

#[test]
fn help_tells_the_codes_and_hides_the_dangerous() {
    let home = Home::new();
    assert!(home.done(&["--help"]).contains("77 refused"));
    assert!(!home.done(&["serve", "-h"]).contains("dangerous"));
    assert!(
        home.done(&["serve", "--help"])
            .contains("--dangerous-without-peer-check")
    );
    assert!(home.done(&["--version"]).starts_with("doorward "));
}

#[test]
fn nobody_there_is_69() {
    let home = Home::new();
    for words in [
        &["open"][..],
        &["url", "x:y"],
        &["revoke", "--all"],
        &["sessions", "list"],
        &["sessions", "revoke", "all"],
        &["stop"],
    ] {
        fails(
            &home.run(words),
            69,
            &["doorward is not running", "doorward serve"],
        );
    }
    let json = home.run(&["stop", "--json"]);
    let page: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (
            page["error"]["code"].as_u64(),
            page["error"]["name"].as_str()
        ),
        (Some(69), Some("notRunning"))
    );
}

#[test]
fn bad_configuration_is_78() {
    let home = Home::new();
    let file = home.path("files/own.toml");
    for (text, parts) in [
        ("[control]\nprot = 1\n", &["prot", "line 2", "port"][..]),
        ("[control]\nbind = \"0.0.0.0\"\n", &["127.0.0.1", "line 2"]),
        (
            "[content]\nconnections = 100000\n",
            &["connections", "at most"],
        ),
        ("port = \n", &["line 1"]),
        ("[relay]\n", &["relay"]),
    ] {
        fs::write(&file, text).unwrap();
        fails(&home.run(&["check", "own.toml"]), 78, parts);
        fails(
            &home.run(&["serve", "--no-open", "--config", "own.toml", "."]),
            78,
            parts,
        );
        assert!(
            !home.path("run/doorward").exists(),
            "found before anything is made"
        );
    }
    fails(&home.run(&["check", "none.toml"]), 78, &["none.toml"]);
    fails(&home.run(&["serve", "ftp://bucket"]), 78, &["ftp://"]);
    fs::write(&file, "[[source]]\nlocation = \"s3://bucket\"\ncredentials = { access_key_env = \"A_K\", secret_key_env = \"S_K\" }\n").unwrap();
    fails(&home.run(&["serve", "--config", "own.toml"]), 78, &["A_K"]);
    let json = home.run(&["serve", "--json", "--config", "none.toml"]);
    let page: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(page["error"]["code"], 78);
}

#[test]
fn folders_that_cannot_be_served_are_told_at_once() {
    let home = Home::new();
    home.file("film.mp4", b"x");
    fails(
        &home.run(&["serve", "no-such"]),
        1,
        &["no-such", "no such folder"],
    );
    fails(&home.run(&["serve", "film.mp4"]), 1, &["doorward url"]);
    assert!(common::files_in(&home.path("run/doorward")).is_empty());
    // In the file it is a warning: the others are served.
    fs::write(
        home.path("files/own.toml"),
        "[[source]]\nlocation = \"gone\"\n[[source]]\nlocation = \".\"\n",
    )
    .unwrap();
    let daemon = home.serve(&["--json", "--config", "own.toml"]);
    let url = home.done(&["url", "files:film.mp4"]);
    assert_eq!(get(url.trim(), &[]).body, b"x");
    drop(daemon);
}

#[test]
fn a_taken_port_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--content-port"] {
        fails(
            &home.run(&["serve", "--no-open", flag, &port, "."]),
            1,
            &[&port, "Choose another"],
        );
    }
}

#[test]
fn an_audit_log_that_cannot_be_kept_stops_it() {
    let home = Home::new();
    let folder = home.path("files");
    fails(
        &home.run(&["serve", "--audit", folder.to_str().unwrap(), "."]),
        1,
        &["audit"],
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let home = Home::new();
    let _daemon = home.serve(&["--json", "."]);
    fails(&home.run(&["url", "no-such.txt"]), 1, &["no-such.txt"]);
    fails(&home.run(&["url", "nobody:no-such.txt"]), 1, &[]);
    let refused = home.run(&["url", "ftp://bucket/x", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let page: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(page["error"]["message"].is_string());
}

#[test]
fn buckets_are_checked_at_the_start() {
    let home = Home::new();
    let root = home.path("buckets");
    fs::create_dir(&root).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(S3Server::start(&root)).unwrap();
    store
        .put("pictures", "2026/a.txt", b"from the store")
        .unwrap();
    let serve = |bucket: &str, key: &str, secret: &str| {
        let mut command = home.command(&["serve", "--json", "--no-open", bucket]);
        command
            .env("AWS_ENDPOINT_URL", store.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        command
    };
    fails(
        &finish(serve("s3://missing", ACCESS_KEY, SECRET_KEY)),
        1,
        &["s3://missing", "no such bucket"],
    );
    fails(
        &finish(serve("s3://pictures", ACCESS_KEY, "wrong")),
        77,
        &["credentials"],
    );
    fails(
        &finish(serve("s3://pictures", "nobody", SECRET_KEY)),
        77,
        &["s3://pictures"],
    );
    fails(
        &finish(serve("s3://pictures", "", "")),
        77,
        &["AWS_ACCESS_KEY_ID"],
    );
    let mut nowhere = serve("s3://pictures", ACCESS_KEY, SECRET_KEY);
    nowhere.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    fails(&finish(nowhere), 1, &["127.0.0.1:9"]);

    let daemon = common::Daemon::start(serve("s3://pictures/2026", ACCESS_KEY, SECRET_KEY));
    let url = home.done(&["url", "2026:a.txt"]);
    assert_eq!(get(url.trim(), &[]).body, b"from the store");
    let part = get(url.trim(), &[("Range", "bytes=5-7")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &b"the"[..]));
    drop(daemon);
}
