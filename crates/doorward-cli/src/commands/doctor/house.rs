//! Checks of what doorward keeps: its runtime folder, itself, its configuration,
//! its audit.

use doorward::audit_log::{self, Trouble};
use doorward::config::{Config, ConfigError};
use doorward::runtime::{Instance, RuntimeDir};
use serde_json::Value;

use super::super::pair;
use super::Finding;
use crate::client::Client;
use crate::term::thousands;

/// The folder is ours alone: opening it checks that.
pub(super) fn runtime() -> Finding {
    let name = "runtime folder";
    match RuntimeDir::open() {
        Ok(dir) => Finding::ok(name, format!("{} is yours alone", dir.path().display())),
        Err(error) => Finding::fail(
            name,
            error.to_string(),
            "Set XDG_RUNTIME_DIR to a folder that only you can enter.",
        ),
    }
}

/// The daemon answers over its socket, and its doors over loopback.
pub(super) async fn running(client: Option<&Client>, instance: &Instance) -> Finding {
    let name = "running";
    let Some(client) = client else {
        return Finding::ok(name, format!("no doorward runs under the name {instance}"));
    };
    let info = client.info();
    let action = format!(
        "`doorward stop`, or `kill {}`, then start it again.",
        info.pid
    );
    if let Err(failure) = client.get::<Value>("/native/state").await {
        return Finding::fail(name, format!("pid {}: {failure}", info.pid), action);
    }
    for origin in [&info.control, &info.content] {
        if !healthy(origin).await {
            return Finding::fail(name, format!("{origin} does not answer"), action);
        }
    }
    Finding::ok(name, format!("{} (pid {}) answers", info.control, info.pid))
}

/// The keyring has what it should have.
pub(super) async fn pairings(client: Option<&Client>) -> Finding {
    let name = "pairings";
    let Some(client) = client.filter(|client| client.info().companion.is_some()) else {
        return Finding::ok(name, "the companion is not on");
    };
    let vault = match pair::vault(client).await {
        Ok(vault) => vault,
        Err(failure) => {
            return Finding::fail(
                name,
                failure.to_string(),
                "`doorward pair list` tells more.",
            );
        }
    };
    let again = "`doorward pair check` asks it again; `doorward pair list` names the pages.";
    match (vault.state.as_str(), vault.missing.len(), vault.unremoved) {
        ("memory", ..) | ("sound", 0, 0) => Finding::ok(name, vault.message),
        ("sound", 0, left) => Finding::warn(
            name,
            format!(
                "the keyring still has the keys of {left} forgotten pages, which are good for nothing"
            ),
            again,
        ),
        ("sound", missing, _) => Finding::warn(
            name,
            format!("the keyring has lost the keys of {missing} pages"),
            "Pair them again; `doorward pair forget ID` takes them off the list.",
        ),
        _ => Finding::warn(name, vault.message, again),
    }
}

/// Whether `GET /healthz` says `ok`, asked directly: no proxy is on this way.
async fn healthy(origin: &str) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = origin.trim_start_matches("http://").to_owned();
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(&host).await?;
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4_096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200 "))
    };
    let within = std::time::Duration::from_secs(5);
    matches!(tokio::time::timeout(within, ask).await, Ok(Ok(true)))
}

pub(super) fn config(config: &Result<Config, ConfigError>) -> Finding {
    let name = "configuration";
    match config {
        Err(error) => Finding::fail(
            name,
            error.to_string(),
            "`doorward check` explains every key; `doorward init` writes a commented file.",
        ),
        Ok(config) => {
            let file = match &config.file {
                Some(file) => format!("{} is sound", file.display()),
                None => "there is no file: the defaults are in effect".to_owned(),
            };
            match config.warnings.as_slice() {
                [] => Finding::ok(name, file),
                warnings => Finding::warn(
                    name,
                    format!("{file}, but: {}", warnings.join("; ")),
                    "`doorward check` shows where each value comes from.",
                ),
            }
        }
    }
}

/// The chain holds.
pub(super) fn audit(config: Option<&Config>) -> Finding {
    let name = "audit";
    let Some(config) = config else {
        return Finding::warn(name, "not checked", "Mend the configuration first.");
    };
    match audit_log::verify(&config.audit_path) {
        Ok(report) => Finding::ok(
            name,
            format!("{} records, unbroken", thousands(report.records)),
        ),
        Err(Trouble::Missing { .. }) => Finding::ok(name, "nothing is written yet"),
        Err(error) => Finding::fail(
            name,
            error.to_string(),
            "Keep a copy of the file, find out who wrote to it, then move it away.",
        ),
    }
}
