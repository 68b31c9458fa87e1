//! What goes wrong: what happened, why, and what to do, in one short paragraph.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use doorward::audit_log::AuditError;
use doorward::bridge::BindError;
use doorward::config::ConfigError;
use doorward::guard::Refusal;
use doorward::media::MediaError;
use doorward::runtime::RuntimeError;
use serde_json::json;

/// How the program ends. Scripts switch on these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// It did not work.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// There is no running doorward to ask (`EX_UNAVAILABLE`).
    NotRunning = 69,
    /// The daemon, a store or the system says no (`EX_NOPERM`).
    Refused = 77,
    /// The configuration does not take effect (`EX_CONFIG`).
    Config = 78,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure(Box<Story>);

#[derive(Debug)]
struct Story {
    code: Code,
    name: String,
    what: String,
    why: Option<String>,
    next: Option<String>,
}

impl Failure {
    /// `name` is stable, `what` a clause without a full stop.
    pub(crate) fn new(code: Code, name: impl Into<String>, what: impl Into<String>) -> Self {
        Self(Box::new(Story {
            code,
            name: name.into(),
            what: what.into(),
            why: None,
            next: None,
        }))
    }

    /// Puts `what` before: what there was becomes the reason.
    pub(crate) fn about(mut self, what: impl Into<String>) -> Self {
        let before = std::mem::replace(&mut self.0.what, what.into());
        self.0.why = Some(before);
        self
    }

    /// Adds the reason, a clause.
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.0.why = Some(why.to_string());
        self
    }

    /// Adds what to do, a sentence.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = Some(next.into());
        self
    }

    /// The command line makes no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Code::Usage, "usage", what).next("`doorward --help` shows how it is used.")
    }

    /// Nobody is there.
    pub(crate) fn not_running(instance: &impl fmt::Display) -> Self {
        let what = match instance.to_string().as_str() {
            "default" => "doorward is not running".to_owned(),
            other => format!("no doorward runs under the name {other}"),
        };
        Self::new(Code::NotRunning, "notRunning", what)
            .next("Start it with `doorward serve FOLDER`, then try again.")
    }

    /// The operating system does not let us begin.
    pub(crate) fn start(error: io::Error) -> Self {
        Self::new(Code::Failed, "start", "cannot start").why(error)
    }

    /// It failed, and the output has told how.
    pub(crate) fn told() -> Self {
        Self::new(Code::Failed, "told", "")
    }

    /// As [`Failure::told`], with the code of this one.
    pub(crate) fn told_already(&self) -> Self {
        Self::new(self.0.code, "told", "")
    }

    /// Tells it to people, and to programs if they read; returns how to end.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        match self.0.name.as_str() {
            // Whoever reads our output went away, as `head` does.
            "nobodyReading" => return ExitCode::SUCCESS,
            "told" => return self.0.code.into(),
            _ => {}
        }
        if json {
            self.tell_json();
        }
        // Nobody is left to hear that stderr is closed.
        let _ = writeln!(io::stderr(), "doorward: {self}");
        self.0.code.into()
    }

    /// `{"error": …}` on stdout.
    pub(crate) fn tell_json(&self) {
        let _ = writeln!(io::stdout(), "{}", json!({ "error": self.json() }));
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let Story {
            code,
            name,
            what,
            why,
            next,
        } = &*self.0;
        json!({
            "code": *code as u8,
            "name": name,
            "message": what,
            "reason": why,
            "action": next,
        })
    }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = |text: &str| text.trim_end().trim_end_matches('.').to_owned();
        f.write_str(&stopped(&self.0.what))?;
        if let Some(why) = &self.0.why {
            write!(f, ": {}", stopped(why))?;
        }
        f.write_str(".")?;
        match &self.0.next {
            Some(next) => write!(f, " {next}"),
            None => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        if let ConfigError::Proxies(error) = error {
            let what = "the environment's proxy settings do not take effect";
            return Self::new(Code::Config, "proxySettings", what)
                .why(error)
                .next("HTTPS_PROXY and ALL_PROXY take http://host:port or socks5h://host:port.");
        }
        Self::new(
            Code::Config,
            "config",
            "the configuration does not take effect",
        )
        .why(error)
        .next("`doorward check` shows every setting, `doorward init` writes a commented file.")
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::AlreadyRunning { instance, info } => {
                let place = info
                    .map(|info| format!(" at {} (pid {})", info.control, info.pid))
                    .unwrap_or_default();
                let what = match instance.as_str() {
                    "default" => format!("doorward is running already{place}"),
                    other => format!("a doorward named {other} is running already{place}"),
                };
                Self::new(Code::Failed, "alreadyRunning", what).next(
                    "`doorward open` shows it, `doorward stop` ends it, and --instance NAME starts one beside it.",
                )
            }
            error => Self::new(Code::Failed, "runtime", "cannot use the runtime folder").why(error),
        }
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::new(Code::Failed, "bind", error.to_string())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(
            Code::Failed,
            "audit",
            "cannot keep the audit log, and nothing is served without one",
        )
        .why(error)
        .next("--audit FILE or [audit] path choose another place.")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let rule = refusal.rule();
        Self::new(Code::Refused, rule.name(), rule.message())
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        let code = match &error {
            MediaError::AccessDenied(_)
            | MediaError::CredentialsRejected(_)
            | MediaError::CredentialsExpired
            | MediaError::CredentialsUnavailable(..)
            | MediaError::EndpointNotAllowed(_) => Code::Refused,
            _ => Code::Failed,
        };
        Self::new(code, error.name(), error.message())
    }
}

/// Writing to stdout or stderr failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let name = match error.kind() {
            io::ErrorKind::BrokenPipe => "nobodyReading",
            _ => "output",
        };
        Self::new(Code::Failed, name, "cannot write the output").why(error)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_paragraph_with_one_stop_after_each_part() {
        let failure = Failure::new(Code::Failed, "x", "it broke.")
            .why("it was glass.")
            .next("Sweep.");
        assert_eq!(failure.to_string(), "it broke: it was glass. Sweep.");
        assert_eq!(
            Failure::new(Code::Failed, "x", "it broke").to_string(),
            "it broke."
        );
    }
}
