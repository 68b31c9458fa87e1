//! A real OpenSSH server, for one test: its own host key, configuration, accounts
//! and log, as whoever runs the test.
//!
//! Each connection gets an `sshd -i` of its own from a listener on a free port, so
//! that a test can end one while it works. Accounts come from nss_wrapper, and
//! passwords from pam_wrapper: the system's own are not touched.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use doorward_operator::Place;
use doorward_operator::ssh::HostKeys;
use rustix::process::{Pid, Signal, getgid, getuid, kill_process_group};
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "ada";
pub(crate) const PASSWORD: &str = "correct-horse";
pub(crate) const PASSPHRASE: &str = "battery staple";

/// Lines of a server that takes nothing but keys.
pub(crate) const KEYS_ALONE: &[&str] = &[
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
];

pub(crate) struct Sshd {
    folder: TempDir,
    port: u16,
    connections: Arc<Mutex<Vec<Child>>>,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Sshd {
    /// With keys alone.
    pub(crate) fn start() -> Self {
        Self::with(KEYS_ALONE, "/bin/sh")
    }

    /// With these lines in its configuration, and this shell.
    pub(crate) fn with(lines: &[&str], shell: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("home")).unwrap();
        for (name, passphrase) in [
            ("host", ""),
            ("other", ""),
            ("id", ""),
            ("locked", PASSPHRASE),
        ] {
            keygen(&path(name), passphrase);
        }
        let authorized = ["id", "locked"]
            .map(|name| fs::read_to_string(path(&format!("{name}.pub"))).unwrap())
            .concat();
        fs::write(path("authorized"), authorized).unwrap();
        accounts(folder.path(), shell);
        let own = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nLogLevel DEBUG1\n\
             PermitRootLogin yes\nX11Forwarding no\n",
            path("host").display(),
            path("authorized").display(),
        );
        fs::write(path("config"), format!("{}\n{own}", lines.join("\n"))).unwrap();
        if getuid().is_root() {
            // Where Debian's sshd puts the part of it that has no rights.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<Mutex<Vec<Child>>> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let accepting = std::thread::spawn({
            let (connections, over) = (Arc::clone(&connections), Arc::clone(&over));
            let folder = folder.path().to_owned();
            move || accept(&listener, &folder, &connections, &over)
        });
        Self {
            folder,
            port,
            connections,
            over,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place::parse(&self.address()).unwrap()
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The public part of `host` or `other`.
    pub(crate) fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    pub(crate) fn host_keys(&self) -> HostKeys {
        HostKeys::parse([self.public("host").as_str()]).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A pipe with a name: its first line tells that something came so far.
    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        path
    }

    /// Ends every connection as a crash would.
    pub(crate) fn kill(&self) {
        for mut child in self.connections.lock().unwrap().drain(..) {
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
            child.wait().unwrap();
        }
    }

    /// Sends `signal` to whatever serves a connection.
    pub(crate) fn signal(&self, signal: Signal) {
        for child in self.connections.lock().unwrap().iter() {
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            kill_process_group(group, signal).unwrap();
        }
    }

    /// Connections that have not ended.
    pub(crate) fn open_connections(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        let open = connections.iter_mut();
        open.filter_map(|child| child.try_wait().unwrap().is_none().then_some(()))
            .count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Whoever accepts hears of it with the next connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.accepting.take().unwrap().join().unwrap();
        self.kill();
    }
}

/// The first line that comes through `pipe`.
pub(crate) async fn heard(pipe: PathBuf) -> String {
    let read = tokio::task::spawn_blocking(move || fs::read_to_string(pipe).unwrap());
    read.await.unwrap().trim().to_owned()
}

fn accept(
    listener: &TcpListener,
    folder: &Path,
    connections: &Mutex<Vec<Child>>,
    over: &AtomicBool,
) {
    for stream in listener.incoming() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let stream = OwnedFd::from(stream.unwrap());
        let child = serve(folder, stream);
        connections.lock().unwrap().push(child);
    }
}

fn serve(folder: &Path, stream: OwnedFd) -> Child {
    let at = |name: &str| folder.join(name);
    let config = fs::read_to_string(at("config")).unwrap();
    let wrappers = match config.contains("UsePAM yes") {
        true => "libpam_wrapper.so:libnss_wrapper.so",
        false => "libnss_wrapper.so",
    };
    Command::new("/usr/sbin/sshd")
        .arg("-iE")
        .arg(at("log"))
        .arg("-f")
        .arg(at("config"))
        .env("LD_PRELOAD", wrappers)
        .env("PAM_WRAPPER", "1")
        .env("PAM_WRAPPER_SERVICE_DIR", at("pam"))
        .env("NSS_WRAPPER_PASSWD", at("passwd"))
        .env("NSS_WRAPPER_GROUP", at("group"))
        .stdin(Stdio::from(stream.try_clone().unwrap()))
        .stdout(Stdio::from(stream))
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("openssh-server is installed")
}

pub(crate) fn keygen(path: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Who there is, and their passwords.
fn accounts(folder: &Path, shell: &str) {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let home = folder.join("home");
    let passwd = format!(
        "{ACCOUNT}:x:{uid}:{gid}::{}:{shell}\nroot:x:0:0::/root:/bin/sh\n\
         sshd:x:104:65534::/run/sshd:/usr/sbin/nologin\n",
        home.display()
    );
    fs::write(folder.join("passwd"), passwd).unwrap();
    let group = format!("mine:x:{gid}:\nnogroup:x:65534:\n");
    fs::write(folder.join("group"), group).unwrap();
    let mut passwords = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join("passwords"))
        .unwrap();
    writeln!(passwords, "{ACCOUNT}:{PASSWORD}:sshd").unwrap();
    fs::create_dir(folder.join("pam")).unwrap();
    let module = format!(
        "required {} passdb={}",
        matrix().display(),
        folder.join("passwords").display()
    );
    let stack = ["auth", "account", "password", "session"].map(|kind| format!("{kind} {module}\n"));
    for service in ["sshd", "other"] {
        fs::write(folder.join("pam").join(service), stack.concat()).unwrap();
    }
}

/// pam_wrapper's module that reads passwords from a file.
fn matrix() -> PathBuf {
    let library = Path::new("/usr/lib");
    let found = fs::read_dir(library).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path().join("pam_wrapper/pam_matrix.so");
        path.exists().then_some(path)
    });
    found.last().expect("libpam-wrapper is installed")
}
