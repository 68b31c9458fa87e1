//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from. Later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whence {
    /// It is not set.
    Default,
    /// A line of the file, counted from one.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag,
}

/// A configuration that does not take effect. The daemon ends with exit code 78.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{whence}: {message}")]
    Syntax {
        /// Where.
        whence: Whence,
        /// What the parser says.
        message: String,
    },
    /// A key or table that does not exist.
    #[error("{whence}: there is no {key}{}", nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    UnknownKey {
        /// Where.
        whence: Whence,
        /// What was written.
        key: String,
        /// The valid key that looks most like it.
        nearest: Option<String>,
    },
    /// A table that a later version will know.
    #[error("{whence}: [{table}] is not in this build: remove it, or use a doorward that has it")]
    NotInThisBuild {
        /// Where.
        whence: Whence,
        /// The table.
        table: String,
    },
    /// A value that its key does not take.
    #[error("{whence}: {key}: {why}")]
    Value {
        /// Where.
        whence: Whence,
        /// The key.
        key: String,
        /// Why not, and what it takes.
        why: String,
    },
    /// A limit that only code may raise.
    #[error(
        "{whence}: {key} is at most {most}; the file, the environment and flags only lower it. Raising it takes `dangerous()` in code"
    )]
    TooHigh {
        /// Where.
        whence: Whence,
        /// The key.
        key: String,
        /// The highest value.
        most: String,
    },
    /// Variables that are to name a proxy, and name none.
    #[error("the environment's proxy settings do not take effect: {0}")]
    Proxies(doorward_egress::EgressError),
    /// There is no home folder to find the files in.
    #[error("cannot find your home folder: set HOME, or give --config and [audit] path")]
    NoHome,
}

// === impl Whence ===

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}
