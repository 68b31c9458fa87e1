//! Pairings in a real keyring: they outlive the daemon, and each way that the
//! keyring fails is told apart.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod visitor;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use common::{Daemon, Home, Reply, finish, has, send};
use doorward::companion_core::pairing::keys::Keys;
use doorward::companion_core::signing::Params;
use doorward::companion_core::signing::page::sign;
use doorward::guard::{Clock, Secret};
use serde_json::{Value, json};
use visitor::Visitor;

const PAGE: &str = "https://app.example";

/// A D-Bus session of its own, and GNOME's keyring with the password `pw` if it is
/// unlocked. Otherwise D-Bus starts one that nobody unlocks.
struct Desktop {
    bus: Child,
    address: String,
    keyring: Option<Child>,
}

impl Desktop {
    fn start(home: &Home, unlocked: bool) -> Self {
        let mut bus = plain(home, "dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut out = BufReader::new(bus.stdout.take().unwrap());
        out.read_line(&mut address).unwrap();
        let mut desktop = Self {
            bus,
            address: address.trim().to_owned(),
            keyring: None,
        };
        if unlocked {
            let keyring = desktop.unlock(home, &["--foreground", "--unlock"]);
            desktop.keyring = Some(keyring);
            desktop.wait(home);
        }
        desktop
    }

    fn unlock(&self, home: &Home, words: &[&str]) -> Child {
        let mut keyring = plain(home, "gnome-keyring-daemon")
            .args(words)
            .arg("--components=secrets")
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        keyring.stdin.take().unwrap().write_all(b"pw").unwrap();
        keyring
    }

    fn wait(&self, home: &Home) {
        for _ in 0..600 {
            let mut ask = plain(home, "dbus-send");
            ask.env("DBUS_SESSION_BUS_ADDRESS", &self.address).args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.secrets",
            ]);
            let told = finish(ask);
            if String::from_utf8_lossy(&told.stdout).contains("true") {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("no keyring comes");
    }

    fn serve(&self, home: &Home) -> Daemon {
        let mut command = home.command(SERVE);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        Daemon::start(command)
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in self.keyring.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const SERVE: &[&str] = &[
    "serve",
    "--no-open",
    "--json",
    "--companion",
    "--companion-port",
    "0",
    "--approve",
    "command",
];

fn plain(home: &Home, program: &str) -> Command {
    let ours = home.command(&[]);
    let mut command = Command::new(program);
    command.env_clear().stderr(Stdio::null());
    for (name, value) in ours.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("XDG_DATA_HOME", home.path("data"));
    command
}

/// A page and its person, until the person's answer.
fn pair(home: &Home, daemon: &Daemon) -> Result<Keys, Value> {
    let page = Visitor::knock(daemon, PAGE, "App", "[]");
    assert_eq!(page.confirm().status, 200);
    // What is approved in the first second was not meant.
    sleep(Duration::from_millis(1_200));
    let told = home.run(&["pair", "approve", "--code", &page.code(), "--json"]);
    if told.status.success() {
        return Ok(page.paired());
    }
    assert_eq!(page.ended(), "pairingNotKept");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    Err(told["error"].clone())
}

/// See [`visitor::hello`].
fn hello(daemon: &Daemon, keys: &Keys) -> Option<String> {
    visitor::hello(daemon, PAGE, keys)
}

fn signed(daemon: &Daemon, keys: &Keys, instance: &str) -> Reply {
    let origin = daemon.text("companion");
    let request = http::Request::builder()
        .uri("/pairing")
        .header("host", origin.replace("http://", ""))
        .header("origin", PAGE)
        .header("x-doorward-instance", instance);
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let now = Clock::system().wall().duration_since(UNIX_EPOCH).unwrap();
    let nonce = Secret::<16>::random().reveal().to_string();
    let params = Params {
        created: now.as_secs(),
        expires: now.as_secs() + 60,
        nonce: &nonce,
        key_id: &keys.key_id,
    };
    sign(&mut parts, &keys.request, &params, None).unwrap();
    let names = ["signature-input", "signature"];
    let mut fields = vec![("Origin", PAGE), ("X-Doorward-Instance", instance)];
    fields.extend(names.map(|name| (name, parts.headers[name].to_str().unwrap())));
    send("GET", &format!("{origin}/pairing"), &fields, "")
}

fn vault(home: &Home) -> Value {
    home.json(&["pair", "list", "--json"])["vault"].clone()
}

/// Until the keyring has nothing left of what was forgotten: it is told afterwards.
fn removed(home: &Home) {
    for _ in 0..600 {
        let told = vault(home);
        assert_eq!(told["state"], "sound");
        if told["unremoved"] == 0 {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("the keyring still has it");
}

fn finding(home: &Home) -> Value {
    let doctor: Value = serde_json::from_slice(&home.run(&["doctor", "--json"]).stdout).unwrap();
    let checks = doctor["checks"].as_array().unwrap();
    let of_pairings = checks.iter().find(|check| check["name"] == "pairings");
    of_pairings.unwrap().clone()
}

#[test]
fn a_pairing_is_kept_in_the_keyring_of_the_desktop_and_each_failure_is_told_apart() {
    if !has("dbus-daemon") || !has("gnome-keyring-daemon") {
        return;
    }
    let home = Home::new();
    let desktop = Desktop::start(&home, true);
    let daemon = desktop.serve(&home);
    assert_eq!(vault(&home)["state"], "sound");
    let keys = pair(&home, &daemon).unwrap();
    let first = hello(&daemon, &keys).unwrap();
    assert_eq!(signed(&daemon, &keys, &first).status, 200);
    assert_eq!(finding(&home)["status"], "ok");
    home.done(&["stop"]);
    let (_, said) = daemon.end();
    drop(desktop);

    // The list has no secret, and is the user's alone.
    let list = home.path("state/doorward/pairings.default.json");
    let text = fs::read_to_string(&list).unwrap();
    assert!(text.contains(&keys.key_id) && text.contains(PAGE), "{text}");
    for secret in [&keys.request, &keys.response] {
        assert!(!format!("{text}{said}").contains(secret.reveal().as_str()));
    }
    let mode = fs::metadata(&list).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Another session of the desktop, another run of the daemon: still paired.
    let desktop = Desktop::start(&home, true);
    let daemon = desktop.serve(&home);
    let second = hello(&daemon, &keys).unwrap();
    assert_ne!(first, second);
    let own = signed(&daemon, &keys, &second);
    assert_eq!((own.status, &own.json()["origin"]), (200, &json!(PAGE)));
    let stale = signed(&daemon, &keys, &first);
    assert_eq!(stale.json()["denial"], "instanceChanged");
    drop(daemon);
    drop(desktop);

    // Locked, and nobody unlocks it.
    let desktop = Desktop::start(&home, false);
    let daemon = desktop.serve(&home);
    let told = vault(&home);
    assert_eq!(told["state"], "locked", "{told}");
    assert_eq!(told["missing"][0]["origin"], PAGE);
    assert!(
        home.done(&["pair", "list"])
            .contains("The keyring is locked.")
    );
    assert_eq!(finding(&home)["status"], "warn");
    assert!(hello(&daemon, &keys).is_none());
    let refused = pair(&home, &daemon).unwrap_err();
    assert_eq!(refused["name"], "vaultLocked", "{refused}");
    assert!(hello(&daemon, &keys).is_none());
    drop(daemon);
    drop(desktop);

    // No D-Bus.
    let daemon = Daemon::start(home.command(SERVE));
    let told = vault(&home);
    assert_eq!(told["state"], "absent", "{told}");
    assert!(hello(&daemon, &keys).is_none());
    drop(daemon);

    // Emptied behind our back.
    fs::remove_dir_all(home.path("data")).unwrap();
    let desktop = Desktop::start(&home, true);
    let daemon = desktop.serve(&home);
    let told = vault(&home);
    assert_eq!(told["state"], "emptied", "{told}");
    assert!(
        finding(&home)["found"]
            .as_str()
            .unwrap()
            .contains("emptied")
    );
    assert!(hello(&daemon, &keys).is_none());
    let gone = home.json(&["pair", "forget", "all", "--json"]);
    assert_eq!(gone["forgotten"], 1);
    let keys = pair(&home, &daemon).unwrap();
    assert_eq!(
        home.json(&["pair", "check", "--json"])["vault"]["state"],
        "sound"
    );
    assert!(hello(&daemon, &keys).is_some());

    // What is forgotten leaves the keyring too.
    home.done(&["pair", "forget", &keys.key_id]);
    assert!(hello(&daemon, &keys).is_none());
    drop(daemon);
    let daemon = desktop.serve(&home);
    assert!(hello(&daemon, &keys).is_none());
    removed(&home);
}

#[test]
fn in_memory_a_pairing_ends_with_the_daemon() {
    let home = Home::new();
    let words: Vec<_> = SERVE.iter().copied().chain(["--vault", "memory"]).collect();
    let daemon = Daemon::start(home.command(&words));
    assert_eq!(vault(&home)["state"], "memory");
    let keys = pair(&home, &daemon).unwrap();
    assert!(hello(&daemon, &keys).is_some());
    drop(daemon);
    let daemon = Daemon::start(home.command(&words));
    assert!(hello(&daemon, &keys).is_none());
    assert!(!home.path("state/doorward/pairings.default.json").exists());
}

#[test]
fn without_a_desktop_the_kernel_keeps_pairings_or_nobody_does() {
    if !has("keyctl") {
        return;
    }
    let home = Home::new();
    // In a session keyring of its own; what lasts is in the user's.
    let serve = || {
        let plain = home.command(SERVE);
        let mut command = Command::new("keyctl");
        command.args(["session", "-"]).arg(plain.get_program());
        command
            .args(plain.get_args())
            .env_clear()
            .stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        Daemon::start(command)
    };
    let daemon = serve();
    let Ok(keys) = pair(&home, &daemon) else {
        // Containers often have none.
        assert_eq!(vault(&home)["missing"], json!([]));
        return;
    };
    home.done(&["stop"]);
    drop(daemon);
    let daemon = serve();
    assert!(hello(&daemon, &keys).is_some());
    home.done(&["pair", "forget", "all"]);
    assert!(hello(&daemon, &keys).is_none());
    removed(&home);
}
