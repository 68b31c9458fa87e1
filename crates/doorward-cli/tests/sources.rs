//! `doorward source`: the file keeps its comments, the keyring has the secrets,
//! and what is wrong with either is told apart.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::{Daemon, Home, finish, has};
use doorward_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use serde_json::Value;

fn file(home: &Home) -> PathBuf {
    home.path("config").join("doorward/doorward.toml")
}

fn write(home: &Home, text: &str) {
    fs::create_dir_all(file(home).parent().unwrap()).unwrap();
    fs::write(file(home), text).unwrap();
}

/// Runs it with something on stdin.
fn fed(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// All that it said.
fn told(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    format!("{}: {out}{err}", output.status)
}

fn fails(output: &Output, code: i32, name: &str) -> String {
    let words = told(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    assert!(words.contains(name), "{name}: {words}");
    words
}

fn store() -> (tokio::runtime::Runtime, tempfile::TempDir, S3Server) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let root = tempfile::tempdir().unwrap();
    let server = runtime.block_on(S3Server::start(root.path())).unwrap();
    server.put("films", "a.mp4", b"0123456789").unwrap();
    (runtime, root, server)
}

#[test]
fn the_file_keeps_its_comments() {
    let home = Home::new();
    let before = "# Mine.\n[audit]\npath = \"a.jsonl\" # here\n\n# The first.\n[[source]]\nlocation = \"~/Pictures\"\n";
    write(&home, before);
    fs::set_permissions(file(&home), fs::Permissions::from_mode(0o640)).unwrap();
    home.done(&[
        "source",
        "add",
        "Films \"2026\"",
        "s3://films/2026",
        "--endpoint",
        "http://127.0.0.1:9",
        "--region",
        "eu",
        "--anonymous",
    ]);
    let text = fs::read_to_string(file(&home)).unwrap();
    assert!(text.starts_with(before), "{text}");
    let added = home.json(&[
        "source",
        "add",
        "Web",
        "http://192.168.0.9/x",
        "--local-networks",
        "--index",
        "a b.mp4",
        "--index",
        "c.mp4",
        "--json",
    ]);
    assert_eq!(
        (&added["added"]["id"], &added["keyring"]),
        (&"web".into(), &Value::Null)
    );
    let listed = home.json(&["source", "list", "--json"]);
    let ids: Vec<_> = listed["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["pictures", "films-2026", "web"]);
    assert_eq!(
        listed["sources"][1]["location"],
        "s3://films/2026/ at http://127.0.0.1:9"
    );
    assert!(home.done(&["source", "list"]).contains("192.168.0.9"));
    home.done(&["source", "remove", "Films \"2026\""]);
    home.done(&["source", "remove", "web"]);
    assert_eq!(
        fs::read_to_string(file(&home)).unwrap().trim_end(),
        before.trim_end()
    );
    assert_eq!(
        fs::metadata(file(&home)).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let left: Vec<_> = fs::read_dir(file(&home).parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "nothing lies around");
}

#[test]
fn a_file_that_was_not_there_is_the_commented_one() {
    let home = Home::new();
    assert!(home.done(&["source", "list"]).contains("No source"));
    assert!(!file(&home).exists());
    home.done(&["source", "add", "here", "/tmp"]);
    let text = fs::read_to_string(file(&home)).unwrap();
    assert!(
        text.contains("# doorward.toml") && text.ends_with("location = \"/tmp\"\n"),
        "{text}"
    );
    home.done(&["check"]);
    home.done(&["source", "check"]);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let home = Home::new();
    write(&home, "[[source]]\nname = \"a\"\nlocation = \"/tmp\"\n");
    let before = fs::read_to_string(file(&home)).unwrap();
    for (words, code, name) in [
        (&["source", "add", "a", "/tmp"][..], 78, "already"),
        (&["source", "add", "b", "s3://x"], 78, "write s3://bucket"),
        (
            &["source", "add", "b", "http://host/"],
            78,
            "local_networks",
        ),
        (
            &["source", "add", "b", "https://host/", "--profile", "x"],
            78,
            "web server",
        ),
        (
            &[
                "source",
                "add",
                "b",
                "s3://abc",
                "--profile",
                "x",
                "--anonymous",
            ],
            2,
            "",
        ),
        (
            &["source", "add", "b", "s3://abc", "--secret-key", "hush"],
            2,
            "",
        ),
        (&["source", "remove", "b"], 1, "no source called b"),
        (&["source", "check", "b"], 1, "no source called b"),
    ] {
        fails(&home.run(words), code, name);
    }
    write(&home, "[contol]\n");
    fails(
        &home.run(&["source", "add", "b", "/tmp"]),
        78,
        "did you mean [control]",
    );
    assert_eq!(fs::read_to_string(file(&home)).unwrap(), "[contol]\n");
    write(&home, &before);
    let linked = home.path("elsewhere.toml");
    fs::rename(file(&home), &linked).unwrap();
    std::os::unix::fs::symlink(&linked, file(&home)).unwrap();
    home.done(&["source", "add", "b", "/tmp"]);
    assert!(fs::symlink_metadata(file(&home)).unwrap().is_symlink());
    assert!(fs::read_to_string(linked).unwrap().contains("name = \"b\""));
}

#[test]
fn sources_are_asked_for_a_sign_of_life() {
    let home = Home::new();
    let (_runtime, _root, server) = store();
    write(
        &home,
        &format!(
            "[[source]]\nlocation = \"s3://films\"\nendpoint = \"{0}\"\nname = \"good\"\ncredentials = {{ access_key_env = \"K\", secret_key_env = \"S\" }}\n\
         [[source]]\nlocation = \"s3://films\"\nendpoint = \"{0}\"\nname = \"bad\"\nanonymous = true\n\
         [[source]]\nlocation = \"https://127.0.0.1:9/\"\nname = \"near\"\n",
            server.endpoint()
        ),
    );
    let with_keys = |words: &[&str]| {
        let mut command = home.command(words);
        command.env("K", ACCESS_KEY).env("S", SECRET_KEY);
        command
    };
    let good = finish(with_keys(&["source", "check", "good"]));
    assert!(good.status.success(), "{}", told(&good));
    let all = finish(with_keys(&["source", "check", "--json"]));
    assert_eq!(all.status.code(), Some(77));
    let lines: Vec<_> = std::str::from_utf8(&all.stdout).unwrap().lines().collect();
    let all: Value = serde_json::from_str(lines[0]).unwrap();
    let names: Vec<_> = (0..3)
        .map(|at| all["sources"][at]["error"]["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [None, Some("accessDenied"), Some("endpointNotAllowed")]
    );
    assert_eq!(lines.len(), 1);
    let near = finish(with_keys(&["source", "check", "near"]));
    fails(&near, 77, "local_networks = true");
    fails(
        &home.run(&["source", "check", "good"]),
        78,
        "variable K is not set",
    );
}

#[test]
fn m36_a_profile_with_a_program_opens_a_bucket() {
    let home = Home::new();
    let (_runtime, _root, server) = store();
    fs::create_dir(home.path(".aws")).unwrap();
    let tool = home.path("tool.sh");
    fs::write(&tool, format!(
        "#!/bin/sh\necho run >> {}\nexpires=$(date -u -d '+40 seconds' +%Y-%m-%dT%H:%M:%SZ)\necho '{{\"Version\":1,\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\",\"Expiration\":\"'$expires'\"}}'\n",
        home.path("runs").display()
    )).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(home.path(".aws/config"), format!(
        "[profile work]\nregion = us-east-1\ncredential_process = {}\n[profile sso]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-3\nsso_start_url = https://doorward.example/start\n",
        tool.display()
    )).unwrap();
    let add = |name: &str, profile: &str| {
        home.done(&[
            "source",
            "add",
            name,
            "s3://films",
            "--endpoint",
            &server.endpoint(),
            "--profile",
            profile,
        ]);
    };
    add("work", "work");
    add("gone", "gone");
    add("sso", "sso");
    home.done(&["source", "check", "work"]);
    fails(
        &home.run(&["source", "check", "gone"]),
        77,
        "no such profile",
    );
    fails(&home.run(&["source", "check", "sso"]), 77, "aws sso login");
    fs::remove_file(home.path("runs")).unwrap();
    // What cannot be asked is served as failed; what can be is served.
    let daemon = home.serve(&["--json"]);
    let url = home.json(&["url", "work:a.mp4", "--json"]);
    let reply = common::get(url["url"].as_str().unwrap(), &[("Range", "bytes=2-3")]);
    assert_eq!((reply.status, &reply.body[..]), (206, &b"23"[..]));
    let runs = fs::read_to_string(home.path("runs"))
        .unwrap()
        .lines()
        .count();
    assert!(runs <= 3, "once for the check, once to serve: {runs}");
    drop(daemon);
    // By the environment alone, as AWS's own tools would.
    let mut command = home.command(&["serve", "--no-open", "--json", "s3://films"]);
    command
        .env("AWS_PROFILE", "work")
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    let daemon = Daemon::start(command);
    assert!(daemon.first.contains("\"control\""), "{}", daemon.first);
}

/// In a desktop session of its own: a D-Bus, and GNOME's keyring with the
/// password `pw`, unlocked or not.
/// Everything is logged, as far as it ever is.
fn desktop(home: &Home, unlocked: bool, words: &[&str], input: &str) -> Output {
    // The one that is started is ended; one that D-Bus starts ends with its bus.
    let script = match unlocked {
        true => concat!(
            "printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 & K=$!; ",
            "for i in $(seq 600); do dbus-send --session --print-reply --dest=org.freedesktop.DBus / ",
            "org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true && break; sleep 0.1; done; ",
            "\"$0\" \"$@\"; CODE=$?; kill $K; exit $CODE"
        ),
        false => "exec \"$0\" \"$@\"",
    };
    let plain = home.command(words);
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", script]);
    command
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear();
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("XDG_DATA_HOME", home.path("data"))
        .current_dir(home.path("files"));
    fed(command, input)
}

#[test]
fn m40_secrets_live_in_the_keyring_of_the_desktop() {
    if !has("dbus-run-session") || !has("gnome-keyring-daemon") {
        return;
    }
    let home = Home::new();
    let (_runtime, _root, server) = store();
    let endpoint = server.endpoint();
    let add = [
        "source",
        "add",
        "films",
        "s3://films",
        "--endpoint",
        &endpoint,
        "--key-id",
        ACCESS_KEY,
        "--json",
    ];
    let added = desktop(&home, true, &add, &format!("{SECRET_KEY}\n"));
    assert!(added.status.success(), "{}", told(&added));
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!(added["keyring"], "desktop");
    let text = fs::read_to_string(file(&home)).unwrap();
    assert!(
        text.contains("credentials = \"keyring\"") && !text.contains(SECRET_KEY),
        "{text}"
    );

    // Another session, the same keyring: it is there, and the bucket opens.
    let mut seen = String::new();
    for words in [
        &["source", "check", "films"][..],
        &["source", "list", "--json"],
        &["check", "--json"],
        &["check"],
    ] {
        let output = desktop(&home, true, words, "");
        assert!(output.status.success(), "{}", told(&output));
        seen.push_str(&told(&output));
    }
    assert!(!seen.contains(SECRET_KEY));

    // Nobody unlocks it; nobody is there; it knows nothing.
    let locked = desktop(&home, false, &["source", "check", "films", "--json"], "");
    fails(&locked, 77, "keyringLocked");
    let absent = home.run(&["source", "check", "films", "--json"]);
    fails(&absent, 1, "keyringAbsent");
    // Served as failed all the same: it may be unlocked later.
    let daemon = home.serve(&["--json"]);
    assert!(daemon.first.contains("\"control\""), "{}", daemon.first);
    drop(daemon);
    let removed = desktop(&home, true, &["source", "remove", "films"], "");
    assert!(
        told(&removed).contains("its secret from the keyring"),
        "{}",
        told(&removed)
    );
    let again = format!(
        "[[source]]\nname = \"films\"\nlocation = \"s3://films\"\nkey_id = \"{ACCESS_KEY}\"\ncredentials = \"keyring\"\n"
    );
    write(&home, &again);
    let missing = desktop(&home, true, &["source", "check", "--json"], "");
    fails(&missing, 78, "secretMissing");
    // A wrong secret is the store's to tell.
    write(&home, "");
    let wrong = desktop(&home, true, &add, "wrong-secret");
    assert!(wrong.status.success(), "{}", told(&wrong));
    let rejected = desktop(&home, true, &["source", "check"], "");
    let words = fails(&rejected, 77, "does not accept");
    assert!(!words.contains("wrong-secret"));
    // Nothing to keep: nothing is written.
    write(&home, "");
    fails(&desktop(&home, true, &add, ""), 1, "it is empty");
    assert_eq!(fs::read_to_string(file(&home)).unwrap(), "");
}

#[test]
fn without_a_desktop_the_kernel_keeps_secrets_or_nobody_does() {
    if !has("keyctl") {
        return;
    }
    let home = Home::new();
    let name = format!("kernel-{}", std::process::id());
    let (_runtime, _root, server) = store();
    let add = [
        "source",
        "add",
        &name,
        "s3://films",
        "--endpoint",
        &server.endpoint(),
        "--key-id",
        ACCESS_KEY,
        "--json",
    ];
    // In a session keyring of its own, which is gone with it.
    let in_session = |words: &[&str], input: &str| {
        let plain = home.command(words);
        let mut command = Command::new("keyctl");
        command
            .arg("session")
            .arg("-")
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear();
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        fed(command, input)
    };
    let added = in_session(&add, SECRET_KEY);
    if added.status.success() {
        assert!(
            told(&added).contains("until this machine starts again"),
            "{}",
            told(&added)
        );
        let checked = in_session(&["source", "check"], "");
        assert!(checked.status.success(), "{}", told(&checked));
        let removed = in_session(&["source", "remove", &name], "");
        assert!(removed.status.success(), "{}", told(&removed));
    } else {
        // Containers often have none.
        fails(&added, 1, "keyringAbsent");
        assert!(
            !file(&home).exists(),
            "a source whose secret is not kept is not added"
        );
    }
    assert!(!told(&added).contains(SECRET_KEY));
}
