//! What is told when it is ready.

use doorward::config::Config;
use doorward::relay::Minted;
use doorward::runtime::RuntimeInfo;
use serde::Serialize;

use super::sources::Wanted;
use crate::failure::Failure;
use crate::term::{Paint, say, say_json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    instance: &'a str,
    control: &'a str,
    content: &'a str,
    companion: Option<&'a str>,
    launch_url: &'a str,
    pid: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    relays: &'a [OpenRelay],
    #[serde(skip_serializing_if = "Option::is_none")]
    automation_token: Option<&'a str>,
}

/// A `[[relay]]` that is open. Its URL is told when it is ready, and not again.
#[derive(Serialize)]
pub(super) struct OpenRelay {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) minted: Minted,
}

/// One line, and nothing else ever.
pub(super) fn json(
    info: &RuntimeInfo,
    launch: &str,
    relays: &[OpenRelay],
    automation: Option<&str>,
) -> Result<(), Failure> {
    say_json(&Ready {
        instance: info.instance.as_str(),
        control: &info.control,
        content: &info.content,
        companion: info.companion.as_deref(),
        launch_url: launch,
        pid: info.pid,
        relays,
        automation_token: automation,
    })
}

/// The URL alone.
pub(super) fn quiet(launch: &str) -> Result<(), Failure> {
    say(launch)
}

pub(super) fn people(
    info: &RuntimeInfo,
    lanes: &[String],
    launch: &str,
    wanted: &[Wanted],
    relays: &[OpenRelay],
    config: &Config,
) -> Result<(), Failure> {
    let paint = Paint::stdout();
    let row =
        |label: &str, text: &str| say(&format!("  {}  {text}", paint.dim(&format!("{label:<9}"))));
    say(&paint.bold(concat!("doorward ", env!("CARGO_PKG_VERSION"))))?;
    row("Console", &paint.cyan(launch))?;
    row(
        "",
        &paint.dim("works once, for a minute; `doorward open` makes another"),
    )?;
    row("Media", &info.content)?;
    if let Some(companion) = &info.companion {
        row("Companion", companion)?;
    }
    let width = wanted
        .iter()
        .map(|wanted| wanted.name.chars().count())
        .max()
        .unwrap_or(0);
    for (number, wanted) in wanted.iter().enumerate() {
        let label = if number == 0 { "Serving" } else { "" };
        let trouble = match &wanted.trouble {
            Some(trouble) => format!("  {}", paint.red(trouble)),
            None => String::new(),
        };
        row(
            label,
            &format!("{:<width$}  {}{trouble}", wanted.name, wanted.shown),
        )?;
    }
    if wanted.is_empty() {
        row("Serving", "nothing: name a folder, or s3://bucket/prefix")?;
    }
    let width = relays.iter().map(|open| open.name.chars().count()).max();
    let width = width.unwrap_or(0);
    for (number, OpenRelay { name, minted }) in relays.iter().enumerate() {
        let label = if number == 0 { "Relay" } else { "" };
        row(label, &format!("{name:<width$}  {}", minted.url))?;
    }
    row("Audit", &config.audit_path.display().to_string())?;
    if std::env::var_os("SSH_CONNECTION").is_some() {
        let forwarded: String = [&info.control, &info.content]
            .into_iter()
            .chain(lanes)
            .filter_map(|origin| origin.rsplit(':').next())
            .map(|port| format!("-L {port}:127.0.0.1:{port} "))
            .collect();
        row("Over ssh", &format!("ssh {forwarded}HOST"))?;
    }
    say(&paint.dim("  Ctrl-C stops it."))
}
