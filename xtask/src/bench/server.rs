//! The servers that are compared, each started on a free port and ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::place;

/// A running server.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) version: String,
    child: Child,
    folder: PathBuf,
    kind: Kind,
}

enum Kind {
    Doorward { binary: PathBuf, runtime: PathBuf },
    Nginx { port: u16 },
}

impl Server {
    pub(super) fn doorward(folder: &Path) -> Result<Self> {
        let binary = place::target()?.join("release/doorward");
        let runtime = place::scratch("bench-runtime")?;
        let mut child = command(&binary, &runtime)
            .args(["serve", "--json", "--no-open"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .context("starting doorward")?;
        let out = child.stdout.take().context("doorward has an output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        if line.is_empty() {
            bail!("doorward did not start");
        }
        let version = format!("{}, release", env!("CARGO_PKG_VERSION"));
        let kind = Kind::Doorward { binary, runtime };
        Ok(Self {
            name: "doorward",
            version,
            child,
            folder: folder.to_owned(),
            kind,
        })
    }

    pub(super) fn nginx(folder: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let prefix = place::scratch("bench-nginx")?;
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {0}/pid; error_log {0}/error warn;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; sendfile on; tcp_nodelay on; client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n\
             fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
             server {{ listen 127.0.0.1:{port}; root {1}; }} }}\n",
            prefix.display(),
            folder.display()
        );
        let file = prefix.join("nginx.conf");
        fs::write(&file, config)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .spawn()
            .context("starting nginx")?;
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                let said = Command::new("nginx").arg("-v").output()?;
                let version = format!(
                    "{}, sendfile, one worker",
                    String::from_utf8_lossy(&said.stderr)
                        .trim()
                        .trim_start_matches("nginx version: ")
                );
                let kind = Kind::Nginx { port };
                return Ok(Self {
                    name: "nginx",
                    version,
                    child,
                    folder: folder.to_owned(),
                    kind,
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("nginx did not start")
    }

    /// A URL for a file of the folder.
    pub(super) fn url(&self, file: &str) -> Result<String> {
        match &self.kind {
            Kind::Nginx { port } => Ok(format!("http://127.0.0.1:{port}/{file}")),
            Kind::Doorward { binary, runtime } => {
                let said = command(binary, runtime)
                    .arg("url")
                    .arg(self.folder.join(file))
                    .output()?;
                let url = String::from_utf8_lossy(&said.stdout).trim().to_owned();
                if !said.status.success() || url.is_empty() {
                    bail!("doorward url: {}", String::from_utf8_lossy(&said.stderr));
                }
                Ok(url)
            }
        }
    }

    /// User and system time so far.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').context("no name in stat")?.1;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<u64>().ok())
            .sum();
        // USER_HZ is 100 on every Linux that we know of.
        Ok(ticks as f64 / 100.0)
    }

    pub(super) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .context("no VmRSS in status")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(binary: &Path, runtime: &Path) -> Command {
    let mut command = Command::new(binary);
    for name in [
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
    ] {
        command.env(name, runtime);
    }
    command
}

/// A file of `size` bytes that are on the disk and in its cache.
pub(super) fn fill(path: &Path, size: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let block: Vec<u8> = (0..1024 * 1024).map(|at| (at % 251) as u8).collect();
    for _ in 0..size / block.len() as u64 {
        file.write_all(&block)?;
    }
    Ok(())
}

/// A file of `size` bytes that takes no space.
pub(super) fn sparse(path: &Path, size: u64) -> Result<()> {
    Ok(File::create(path)?.set_len(size)?)
}

/// Processor and number of cores.
pub(super) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores")
}
