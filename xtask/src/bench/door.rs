//! doorward itself, as it is installed, with its sources in a configuration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::process::Process;
use crate::place;
use crate::shell::cargo;

/// What one call of the native socket mints at most.
const PER_CALL: usize = 500;

pub(super) struct Door {
    pub(super) process: Process,
    socket: PathBuf,
}

/// Where the stores are that doorward reads from.
pub(super) struct Sources<'a> {
    pub(super) folder: &'a Path,
    pub(super) store: u16,
    pub(super) tls: u16,
    pub(super) ca: &'a Path,
    pub(super) far: u16,
}

/// Builds what drives parts of doorward alone. AWS profiles are left out: they take
/// minutes to compile, and none of these has to do with them.
pub(super) fn examples() -> Result<()> {
    let words = "build --release --package doorward --no-default-features \
                 --example calls --example drives --example measured --example relay";
    cargo(words.split(' '))?.run()
}

impl Door {
    pub(super) fn start(sources: &Sources<'_>) -> Result<Self> {
        let binary = place::target()?.join("release/doorward");
        let runtime = place::scratch("bench-runtime")?;
        let mut config = format!(
            "[[source]]\nname = \"local\"\nlocation = \"{}\"\n",
            sources.folder.display()
        );
        for (name, endpoint) in [
            ("store", format!("http://127.0.0.1:{}", sources.store)),
            ("tls", format!("https://127.0.0.1:{}", sources.tls)),
            ("far", format!("http://127.0.0.1:{}", sources.far)),
        ] {
            config.push_str(&format!(
                "[[source]]\nname = \"{name}\"\nlocation = \"s3://bucket\"\nendpoint = \"{endpoint}\"\n\
                 addressing = \"path\"\nanonymous = true\n"
            ));
        }
        let file = runtime.join("doorward.toml");
        fs::write(&file, config)?;
        let mut command = Command::new(binary);
        for name in [
            "RUNTIME_DIR",
            "STATE_HOME",
            "CONFIG_HOME",
            "DATA_HOME",
            "CACHE_HOME",
        ] {
            command.env(format!("XDG_{name}"), &runtime);
        }
        command
            .env("SSL_CERT_FILE", sources.ca)
            .args(["serve", "--json", "--no-open", "--config"])
            .arg(&file)
            // It warns that nginx, as a store, lists nothing.
            .stderr(fs::File::create(runtime.join("log"))?)
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let out = process.child().stdout.take().context("doorward's output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let socket = find_socket(&runtime)?;
        match socket {
            Some(socket) if !line.is_empty() => Ok(Self { process, socket }),
            _ => bail!("doorward did not start: {}", runtime.join("log").display()),
        }
    }

    /// A URL for each of `sources` (`name:key`).
    pub(super) fn mint(&self, sources: &[String]) -> Result<Vec<String>> {
        let mut urls = Vec::with_capacity(sources.len());
        for some in sources.chunks(PER_CALL) {
            let answer = self.post(some)?;
            urls.extend(
                answer
                    .split("\"url\":\"")
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next().map(str::to_owned)),
            );
        }
        if urls.len() != sources.len() {
            bail!("{} URLs for {} sources", urls.len(), sources.len());
        }
        Ok(urls)
    }

    pub(super) fn url(&self, source: &str) -> Result<String> {
        let urls = self.mint(&[source.to_owned()])?;
        urls.into_iter().next().context("no URL")
    }

    fn post(&self, sources: &[String]) -> Result<String> {
        let body = format!("{{\"sources\":[\"{}\"]}}", sources.join("\",\""));
        let mut stream = UnixStream::connect(&self.socket)?;
        write!(
            stream,
            "POST /native/media/grants HTTP/1.1\r\nHost: doorward\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 20") {
            bail!("minting was answered with {answer}");
        }
        Ok(answer)
    }
}

fn find_socket(folder: &Path) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find_socket(&path)? {
                return Ok(Some(found));
            }
        } else if path.extension().is_some_and(|end| end == "sock") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Of this tree.
pub(super) fn version() -> String {
    let commit = crate::shell::version("git", &["rev-parse", "--short", "HEAD"]);
    format!(
        "{}, commit {}, release build",
        env!("CARGO_PKG_VERSION"),
        commit.as_deref().unwrap_or("unknown")
    )
}
