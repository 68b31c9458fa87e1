//! The faces that ask the person: a real dialog under Xvfb, a real terminal.
//!
//! With `DOORWARD_SCREENSHOTS=FOLDER` the dialogs are photographed into that folder,
//! as for `docs/screenshots`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod visitor;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{Daemon, Home, finish, has};
use doorward::guard::Clock;
use visitor::{Visitor, hello};

const SERVE: [&str; 7] = [
    "serve",
    "--no-open",
    "--companion",
    "--companion-port",
    "0",
    "--vault",
    "memory",
];
/// With a Cyrillic a for its first letter.
const HOMOGRAPH: &str = "https://xn--pple-43d.com:8443";
const READ: &str = r#"[{"folder":"Holiday photos","rights":["read"]}]"#;
const WRITE: &str = r#"[{"folder":"Notes_2026","rights":["read","write","delete"]}]"#;

/// A screen of its own.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24"])
            .args(["-noreset", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        out.read_line(&mut number).unwrap();
        Self {
            server,
            display: format!(":{}", number.trim()),
        }
    }

    fn tool(&self, words: &[&str]) -> String {
        let mut command = Command::new("xdotool");
        command.args(words).env("DISPLAY", &self.display);
        let told = finish(command);
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    /// The dialog, once it is drawn and has the keyboard.
    fn dialog(&self) -> String {
        for _ in 0..600 {
            let found = self.tool(&["search", "--onlyvisible", "--name", "^doorward$"]);
            if let Some(id) = found.lines().next() {
                self.tool(&["windowfocus", "--sync", id]);
                sleep(Duration::from_millis(500));
                return id.to_owned();
            }
            sleep(Duration::from_millis(50));
        }
        panic!("no dialog comes");
    }

    fn no_dialog(&self) {
        for _ in 0..600 {
            if self
                .tool(&["search", "--onlyvisible", "--name", "^doorward$"])
                .is_empty()
            {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("the dialog stays");
    }

    fn photograph(&self, dialog: &str, name: &str) {
        let Some(folder) = std::env::var_os("DOORWARD_SCREENSHOTS") else {
            return;
        };
        let path = PathBuf::from(folder).join(format!("{name}.png"));
        let mut command = Command::new("import");
        command
            .args(["-window", dialog])
            .arg(path)
            .env("DISPLAY", &self.display);
        assert!(finish(command).status.success());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn t72_t73_a_dialog_shows_who_asks_and_its_deny_is_the_default() {
    if !has("Xvfb") || !has("xdotool") || !has("zenity") {
        return;
    }
    let (home, screen) = (Home::new(), Screen::start());
    let words: Vec<_> = SERVE
        .iter()
        .copied()
        .chain(["--json", "--approve", "dialog"])
        .collect();
    let mut command = home.command(&words);
    command.env("DISPLAY", &screen.display).env("TZ", "UTC");
    let daemon = Daemon::start(command);

    // Enter is Deny.
    let page = Visitor::knock(&daemon, HOMOGRAPH, "Apple \u{202e}\\n_<b>", READ);
    let dialog = screen.dialog();
    screen.photograph(&dialog, "pairing-dialog");
    screen.tool(&["key", "Return"]);
    screen.no_dialog();
    assert_eq!(page.ended(), "pairingGone");

    // Approve, but too soon: it is asked again.
    let page = Visitor::knock(&daemon, "https://app.example", "App", READ);
    let clock = Clock::system();
    let asked = clock.now();
    let first = screen.dialog();
    screen.tool(&["key", "Tab", "space"]);
    let soon = clock.now().since(asked) < Duration::from_secs(3);
    screen.no_longer(&first);
    if soon {
        screen.dialog();
        sleep(Duration::from_secs(3));
        screen.tool(&["key", "Tab", "space"]);
    }
    screen.no_dialog();
    page.confirm();
    let keys = page.paired();
    assert!(hello(&daemon, "https://app.example", &keys).is_some());

    // What could be lost takes typed digits; and a page that goes takes its dialog
    // with it.
    let page = Visitor::knock(&daemon, "https://notes.example", "Notes \\n_<b>", WRITE);
    let dialog = screen.dialog();
    screen.photograph(&dialog, "pairing-dialog-typed");
    page.cancel();
    screen.no_dialog();
    home.done(&["pair", "allow"]);
    let page = Visitor::knock(&daemon, "https://notes.example", "Notes", WRITE);
    screen.dialog();
    screen.tool(&["type", &page.code().replace(' ', "")]);
    // In the first second nothing counts.
    sleep(Duration::from_secs(1));
    screen.tool(&["key", "Return"]);
    screen.no_dialog();
    page.confirm();
    page.paired();
}

impl Screen {
    fn no_longer(&self, dialog: &str) {
        for _ in 0..600 {
            let found = self.tool(&["search", "--onlyvisible", "--name", "^doorward$"]);
            if !found.lines().any(|id| id == dialog) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("the dialog stays");
    }
}

/// `doorward serve` in a terminal of its own.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    out: BufReader<ChildStdout>,
    seen: String,
}

impl Terminal {
    fn start(home: &Home, words: &[&str]) -> Self {
        let plain = home.command(words);
        let quoted: Vec<_> = [plain.get_program()]
            .into_iter()
            .chain(plain.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut command = Command::new("script");
        command
            .args(["-qfec", &quoted.join(" "), "/dev/null"])
            .env_clear();
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let mut script = command
            .env("NO_COLOR", "1")
            .current_dir(home.path("files"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            keys: script.stdin.take().unwrap(),
            out: BufReader::new(script.stdout.take().unwrap()),
            script,
            seen: String::new(),
        }
    }

    /// Reads until this is on the screen, and all that was there with it.
    fn until(&mut self, text: &str) -> String {
        let mut byte = [0_u8];
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains(text) {
            match self.out.read(&mut byte) {
                Ok(1) => all.push(byte[0]),
                _ => panic!("{text:?} does not come: {}", String::from_utf8_lossy(&all)),
            }
        }
        let all = String::from_utf8_lossy(&all).into_owned();
        self.seen.push_str(&all);
        all
    }

    fn keys(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn t73_the_terminal_asks_and_everything_but_a_yes_is_a_no() {
    if !has("script") {
        return;
    }
    let home = Home::new();
    let words: Vec<_> = SERVE
        .iter()
        .copied()
        .chain(["--approve", "terminal", "."])
        .collect();
    let mut terminal = Terminal::start(&home, &words);
    terminal.until("Ctrl-C stops it.");
    let told = home.json(&["pair", "list", "--json"]);
    assert_eq!(told["approve"], "terminal");
    let origin = terminal
        .seen
        .lines()
        .find_map(|line| line.split_once("Companion"));
    let origin = origin
        .unwrap()
        .1
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();

    // Typed ahead: not meant for what comes later. In the first second neither.
    terminal.keys("y\n");
    sleep(Duration::from_millis(500));
    let page = Visitor::knock_at(&origin, HOMOGRAPH, "App", "[]");
    let asked = terminal.until("[y/N]");
    assert!(
        asked.contains(HOMOGRAPH) && asked.contains(&page.code()),
        "{asked}"
    );
    terminal.keys("y\n");
    terminal.until("only just opened");
    terminal.until("[y/N]");
    terminal.keys("\n");
    assert_eq!(page.ended(), "pairingGone");

    let page = Visitor::knock_at(&origin, "https://notes.example", "Notes", WRITE);
    let asked = terminal.until("Enter to deny");
    assert!(!asked.contains(&page.code()), "{asked}");
    page.cancel();
    terminal.until("This request is over.");

    let page = Visitor::knock_at(&origin, "https://notes.example", "Notes", WRITE);
    terminal.until("Enter to deny");
    sleep(Duration::from_millis(1_200));
    terminal.keys(&format!("{}\n", page.code()));
    terminal.until("Approved. Confirm on the page as well.");
    page.confirm();
    terminal.until("https://notes.example is paired.");
    page.paired();
}

#[test]
fn a_face_that_is_not_there_is_told_at_the_start() {
    let home = Home::new();
    for (face, why) in [
        ("dialog", "there is no desktop"),
        ("terminal", "in a terminal"),
    ] {
        let words: Vec<_> = SERVE.iter().copied().chain(["--approve", face]).collect();
        let output = home.run(&words);
        assert_eq!(output.status.code(), Some(78), "{face}");
        assert!(
            common::told(&output).contains(why),
            "{}",
            common::told(&output)
        );
    }
    let words: Vec<_> = SERVE
        .iter()
        .copied()
        .chain(["--json", "--approve", "none"])
        .collect();
    let daemon = Daemon::start(home.command(&words));
    assert_eq!(home.json(&["pair", "list", "--json"])["approve"], "none");
    let refused = Visitor::refused(&daemon, "https://app.example");
    assert_eq!(refused, "approvalUnavailable");
}
