//! The real binary in a home of its own, and a client that sees every byte.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Machines are slow at times; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// One user's folders.
pub(crate) struct Home {
    root: TempDir,
}

/// A running `doorward serve`, ended when dropped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) first: String,
    out: BufReader<ChildStdout>,
}

/// An answer as it came.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("dw-").tempdir().unwrap();
        let home = Self { root };
        for folder in ["run", "files", "tmp"] {
            fs::create_dir(home.path(folder)).unwrap();
        }
        fs::set_permissions(home.path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file that is served.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path("files").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.path("files"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        finish(self.command(words))
    }

    /// Runs it, and expects it to work.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(words)).unwrap()
    }

    /// `serve` with these words, once its first line has come.
    pub(crate) fn serve(&self, words: &[&str]) -> Daemon {
        let words: Vec<_> = ["serve", "--no-open"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        Daemon::start(self.command(&words))
    }
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            let _ = tell.send((line, out));
        });
        let (first, out) = told.recv_timeout(PATIENCE).unwrap();
        if first.is_empty() {
            let output = child.wait_with_output().unwrap();
            panic!("serve ended: {}", told_of(&output.status, &output.stderr));
        }
        Self { child, first, out }
    }

    /// The ready line of `--json`.
    pub(crate) fn ready(&self) -> Value {
        serde_json::from_str(&self.first).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.ready()[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end. How it ended, and what else it said on stdout.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

/// Runs to the end, which must come.
pub(crate) fn finish(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let errors = std::thread::spawn(move || {
        let mut stderr = Vec::new();
        err.read_to_end(&mut stderr).unwrap();
        stderr
    });
    let words = std::thread::spawn(move || {
        let mut stdout = Vec::new();
        out.read_to_end(&mut stdout).unwrap();
        stdout
    });
    let status = wait(&mut child);
    let (stdout, stderr) = (words.join().unwrap(), errors.join().unwrap());
    Output {
        status,
        stdout,
        stderr,
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let mut waited = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if waited > PATIENCE {
            let _ = child.kill();
            panic!("it does not end");
        }
        sleep(PAUSE);
        waited += PAUSE;
    }
}

pub(crate) fn told(output: &Output) -> String {
    told_of(&output.status, &output.stderr)
}

fn told_of(status: &ExitStatus, stderr: &[u8]) -> String {
    format!("{status}: {}", String::from_utf8_lossy(stderr))
}

pub(crate) fn get(url: &str, fields: &[(&str, &str)]) -> Reply {
    send("GET", url, fields, "")
}

/// One request on a connection of its own.
pub(crate) fn send(method: &str, url: &str, fields: &[(&str, &str)], body: &str) -> Reply {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    // A cut answer ends in an error; what came before it counts.
    let _ = stream.read_to_end(&mut answer);
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// `name=value` of the cookie that is set.
    pub(crate) fn cookie(&self) -> String {
        let set = self.header("set-cookie").unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

/// Whether `program` is there. In CI it must be.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(
        found || !ci,
        "CI is set, and {program} is not installed: cargo xtask test install"
    );
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

// === impl Drop ===

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
