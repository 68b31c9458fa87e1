//! A locked screen, told by a logind that this test plays on a D-Bus of its own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod visitor;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Daemon, Home, has};
use tokio::runtime::Runtime;
use visitor::Visitor;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, connection};

const OURS: &str = "/org/freedesktop/login1/session/_31";
const THEIRS: &str = "/org/freedesktop/login1/session/_32";

/// A D-Bus that takes the place of the system's.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut out = BufReader::new(daemon.stdout.take().unwrap());
        out.read_line(&mut address).unwrap();
        Self {
            daemon,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A session as logind has it.
struct Session {
    user: u32,
    locked: bool,
    /// How often somebody asked whose it is.
    asked: Arc<AtomicUsize>,
}

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        self.locked
    }

    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let path = format!("/org/freedesktop/login1/user/_{}", self.user);
        (self.user, path.try_into().unwrap())
    }

    #[zbus(signal)]
    async fn lock(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// logind, with a session of this user and one of another.
struct Logind {
    bus: Connection,
    asked: [Arc<AtomicUsize>; 2],
}

impl Logind {
    async fn start(address: &str) -> Self {
        let asked = [Arc::default(), Arc::default()];
        let me = rustix::process::geteuid().as_raw();
        let session = |user, asked: &Arc<AtomicUsize>| Session {
            user,
            locked: false,
            asked: Arc::clone(asked),
        };
        let bus = connection::Builder::address(address)
            .unwrap()
            .serve_at(OURS, session(me, &asked[0]))
            .unwrap()
            .serve_at(THEIRS, session(me + 1, &asked[1]))
            .unwrap()
            .name("org.freedesktop.login1")
            .unwrap()
            .build()
            .await
            .unwrap();
        Self { bus, asked }
    }

    async fn session(&self, path: &str) -> InterfaceRef<Session> {
        self.bus.object_server().interface(path).await.unwrap()
    }

    /// As a desktop that says it is locked, or is no longer.
    async fn hint(&self, path: &str, locked: bool) {
        let session = self.session(path).await;
        session.get_mut().await.locked = locked;
        let changed = session.get().await;
        changed
            .locked_hint_changed(session.signal_emitter())
            .await
            .unwrap();
    }

    /// Locks a session until doorward has asked whose it is, once more.
    async fn lock_until_asked(&self, path: &str) {
        let asked = &self.asked[usize::from(path == THEIRS)];
        let before = asked.load(Ordering::Acquire);
        for _ in 0..600 {
            self.hint(path, true).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if asked.load(Ordering::Acquire) > before {
                return;
            }
        }
        panic!("doorward does not listen");
    }
}

#[test]
fn t69_a_locked_screen_ends_the_request_that_is_shown() {
    if !has("dbus-daemon") {
        return;
    }
    let (home, bus, runtime) = (Home::new(), Bus::start(), Runtime::new().unwrap());
    let logind = runtime.block_on(Logind::start(&bus.address));
    let mut command = home.command(&[
        "serve",
        "--no-open",
        "--json",
        "--companion",
        "--companion-port",
        "0",
        "--vault",
        "memory",
        "--approve",
        "command",
    ]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address);
    let daemon = Daemon::start(command);
    let pending = || home.json(&["pair", "list", "--json"])["pending"].clone();

    // Somebody else's screen: what is shown here stays. Signals are heard in their
    // order, so the first was dealt with once it is asked about the second.
    let page = Visitor::knock(&daemon, "https://app.example", "App", "[]");
    runtime.block_on(async {
        logind.lock_until_asked(THEIRS).await;
        logind.lock_until_asked(THEIRS).await;
        // Unlocked, which ends nothing either.
        logind.hint(OURS, false).await;
        logind.lock_until_asked(THEIRS).await;
    });
    assert_eq!(pending()["origin"], "https://app.example");

    // This one's.
    runtime.block_on(logind.lock_until_asked(OURS));
    assert_eq!(page.ended(), "pairingGone");
    assert!(pending().is_null());
    let late = home.run(&["pair", "approve", "--code", &page.code(), "--json"]);
    assert!(!late.status.success());

    // And where the desktop says nothing, but is told to lock.
    let page = Visitor::knock(&daemon, "https://app.example", "App", "[]");
    runtime.block_on(async {
        let session = logind.session(OURS).await;
        Session::lock(session.signal_emitter()).await.unwrap();
    });
    assert_eq!(page.ended(), "pairingGone");
    assert!(pending().is_null());
}
