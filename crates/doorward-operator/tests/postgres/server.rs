//! A real PostgreSQL server, for one test: its own cluster, roles and log.
//!
//! It does not run as root, so where root runs the tests it runs as `postgres`.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward_operator::Place;
use rustix::process::getuid;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio_postgres::{Client, NoTls};

pub(crate) const ROLE: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const DATABASE: &str = "shop";

pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    host: IpAddr,
    port: u16,
}

/// What is in the database, and who may do what.
const SHOP: &str = "
    CREATE ROLE ada LOGIN PASSWORD 'correct horse';
    CREATE ROLE clear LOGIN PASSWORD 'correct horse';
    SET password_encryption = 'md5';
    CREATE ROLE old LOGIN PASSWORD 'correct horse';
    CREATE TABLE canary (n int PRIMARY KEY, word text, at timestamptz DEFAULT '2020-02-02 02:02:02Z');
    INSERT INTO canary VALUES (1, 'one'), (2, 'two');
    CREATE TABLE hidden (n int);
    GRANT SELECT, INSERT, UPDATE, DELETE ON canary TO ada;
";

/// Who is asked for what: by SCRAM, unless their name says otherwise.
const RULES: &str = "
local all admin trust
local all all scram-sha-256
host all clear all password
host all old all md5
host all all all scram-sha-256
";

impl Postgres {
    /// Without TLS.
    pub(crate) async fn start() -> Self {
        Self::with_tls(None).await
    }

    /// With this certificate and key in PEM.
    pub(crate) async fn with_tls(tls: Option<(&str, &str)>) -> Self {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::at(here, tls).await.unwrap()
    }

    /// On this address, and its port; any that is free, if it is 0. None if it is taken.
    pub(crate) async fn at(here: SocketAddr, tls: Option<(&str, &str)>) -> Option<Self> {
        let mut server = Self {
            folder: tempfile::Builder::new().prefix("pg").tempdir().unwrap(),
            programs: programs(),
            host: here.ip(),
            port: here.port(),
        };
        let path = |name: &str| server.folder.path().join(name);
        server.give(server.folder.path());
        server.run(
            "initdb",
            &[
                "--no-sync",
                "-A",
                "trust",
                "-U",
                "admin",
                "-E",
                "UTF8",
                "--locale=C",
                "-D",
            ],
            Some(&path("data")),
        );
        fs::write(path("data/pg_hba.conf"), RULES).unwrap();
        let mut settings = format!(
            "unix_socket_directories = '{}'\nlisten_addresses = '{}'\nfsync = off\n\
             max_connections = 30\nlog_statement = all\nlog_parameter_max_length = 0\n\
             log_parameter_max_length_on_error = 0\nlog_line_prefix = '%m %d '\n\
             log_connections = on\n",
            server.folder.path().display(),
            server.host
        );
        if let Some((certificate, key)) = tls {
            for (name, pem) in [("data/server.crt", certificate), ("data/server.key", key)] {
                fs::write(path(name), pem).unwrap();
                fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
                server.give(&path(name));
            }
            settings.push_str("ssl = on\n");
        }
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(path("data/postgresql.conf"))
            .unwrap();
        file.write_all(settings.as_bytes()).unwrap();
        if !server.listen() {
            return None;
        }
        let admin = server.admin("postgres").await;
        admin
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await
            .unwrap();
        server
            .admin(DATABASE)
            .await
            .batch_execute(SHOP)
            .await
            .unwrap();
        Some(server)
    }

    pub(crate) fn address(&self) -> String {
        SocketAddr::new(self.host, self.port).to_string()
    }

    pub(crate) fn place(&self) -> Place {
        Place::parse(&self.address()).unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// Somebody who may do everything.
    pub(crate) async fn admin(&self, database: &str) -> Client {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        let (client, connection) = tokio_postgres::Config::new()
            .user("admin")
            .dbname(database)
            .application_name("test")
            .connect_raw(stream, NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// How many came by a port so far, to sign in or to cancel.
    pub(crate) fn visits(&self) -> usize {
        let log = self.log();
        let came = log.matches("connection received: host=").count();
        came - log.matches("connection received: host=[local]").count()
    }

    /// Ends it as a crash would.
    pub(crate) fn stop(&self) {
        self.run(
            "pg_ctl",
            &["-s", "-m", "immediate", "stop", "-D"],
            Some(&self.data()),
        );
    }

    /// On the port that it had.
    pub(crate) fn start_again(&self) {
        assert!(self.try_listen(), "{}", self.log());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Takes a free port, unless it has one. It cannot take any by itself, so another
    /// may be quicker.
    fn listen(&mut self) -> bool {
        if self.port != 0 {
            return self.try_listen();
        }
        for _ in 0..5 {
            let free = TcpListener::bind((self.host, 0)).unwrap();
            self.port = free.local_addr().unwrap().port();
            drop(free);
            if self.try_listen() {
                return true;
            }
        }
        panic!("the server does not start: {}", self.log());
    }

    fn try_listen(&self) -> bool {
        let options = format!("-p {}", self.port);
        let log = self.folder.path().join("log").display().to_string();
        let arguments = ["-s", "-w", "-l", &log, "-o", &options, "start", "-D"];
        self.try_run("pg_ctl", &arguments, Some(&self.data()))
    }

    fn run(&self, program: &str, arguments: &[&str], folder: Option<&Path>) {
        assert!(self.try_run(program, arguments, folder), "{program}");
    }

    fn try_run(&self, program: &str, arguments: &[&str], folder: Option<&Path>) -> bool {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(arguments)
            .args(folder)
            .current_dir(self.folder.path())
            .env_remove("PGDATA")
            // What a test has put under its own feet.
            .env_remove("LD_PRELOAD")
            .stdout(std::process::Stdio::null());
        if getuid().is_root() {
            let (uid, gid) = account();
            command.uid(uid).gid(gid);
        }
        command.status().unwrap().success()
    }

    fn give(&self, path: &Path) {
        if getuid().is_root() {
            let (uid, gid) = account();
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have been stopped before.
        self.try_run(
            "pg_ctl",
            &["-s", "-m", "immediate", "stop", "-D"],
            Some(&self.data()),
        );
    }
}

/// User and group of `postgres`.
fn account() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut lines = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|line| line[0] == "postgres");
    let line = found.expect("postgresql is installed");
    (line[2].parse().unwrap(), line[3].parse().unwrap())
}

/// Debian keeps each version's programs apart.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let found = versions.map(|entry| entry.unwrap().path().join("bin"));
    found.max().expect("postgresql is installed")
}
