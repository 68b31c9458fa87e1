//! `doorward doctor`: what could be wrong on this machine, and what to do.

mod house;
mod machine;

use doorward::config::{Config, Flags};
use doorward::runtime::Instance;
use serde::Serialize;
use serde_json::json;

use crate::args::Doctor;
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{Paint, say, say_json};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    status: Status,
    /// What was found.
    found: String,
    /// What to do; `null` if nothing.
    action: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, found)
    }

    fn warn(name: &'static str, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, found).action(action)
    }

    fn fail(name: &'static str, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(name, Status::Fail, found).action(action)
    }

    fn new(name: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self {
            name,
            status,
            found: found.into(),
            action: None,
        }
    }

    fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }
}

/// Fails if one of the checks does.
pub(crate) async fn run(doctor: Doctor, instance: Instance) -> Result<(), Failure> {
    let flags = Flags {
        config: doctor.config.clone(),
        ..Flags::default()
    };
    let config = Config::load(&flags);
    let running = Client::find(&instance).ok().flatten();
    let findings = vec![
        house::runtime(),
        house::running(running.as_ref(), &instance).await,
        house::config(&config),
        house::audit(config.as_ref().ok()),
        house::pairings(running.as_ref()).await,
        machine::ports(config.as_ref().ok(), running.as_ref()),
        machine::peer(),
        machine::proxy(|name| std::env::var(name).ok()),
        machine::way_out(config.as_ref().ok()),
        machine::browser(),
        machine::clock(),
    ];
    let failed = findings
        .iter()
        .filter(|finding| finding.status == Status::Fail)
        .count();
    if doctor.json {
        say_json(&json!({ "ok": failed == 0, "checks": findings }))?;
    } else {
        show(&findings)?;
    }
    match failed {
        0 => Ok(()),
        // A program has read what failed: the list is the answer, not an error.
        _ if doctor.json => Err(Failure::told()),
        1 => Err(Failure::new(Code::Failed, "doctor", "one check failed")),
        count => Err(Failure::new(
            Code::Failed,
            "doctor",
            format!("{count} checks failed"),
        )),
    }
}

fn show(findings: &[Finding]) -> Result<(), Failure> {
    let paint = Paint::stdout();
    let width = findings
        .iter()
        .map(|finding| finding.name.len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let status = match finding.status {
            Status::Ok => paint.green("ok  "),
            Status::Warn => paint.yellow("warn"),
            Status::Fail => paint.red("fail"),
        };
        say(&format!(
            "{status}  {:width$}  {}",
            finding.name, finding.found
        ))?;
        if let Some(action) = &finding.action {
            say(&format!("      {:width$}  {}", "", paint.bold(action)))?;
        }
    }
    Ok(())
}
