//! Running other programs: shown before they run, from the root of the workspace, failing by name.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::place;

/// A program and its words, not yet run.
#[derive(Debug)]
pub(crate) struct Step(Command);

/// `step("cargo", ["fmt", "--check"])`
pub(crate) fn step<W: AsRef<OsStr>>(
    program: &str,
    words: impl IntoIterator<Item = W>,
) -> Result<Step> {
    let mut command = Command::new(program);
    command.args(words).current_dir(place::root()?);
    Ok(Step(command))
}

/// Cargo, the one that runs us.
pub(crate) fn cargo<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<Step> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    step(&cargo, words)
}

impl Step {
    pub(crate) fn inside(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Gives it a file to read.
    pub(crate) fn input(mut self, from: &Path) -> Result<Self> {
        let file = File::open(from).with_context(|| format!("reading {}", from.display()))?;
        self.0.stdin(file);
        Ok(self)
    }

    /// Runs it in plain sight.
    pub(crate) fn run(mut self) -> Result<()> {
        let line = self.line();
        println!("$ {line}");
        let status = self
            .0
            .status()
            .with_context(|| format!("starting `{line}`"))?;
        if !status.success() {
            bail!("`{line}` failed ({status})");
        }
        Ok(())
    }

    /// Runs it and takes what it prints; its complaints stay in sight.
    pub(crate) fn read(mut self) -> Result<Vec<u8>> {
        let line = self.line();
        println!("$ {line}");
        let output = self
            .0
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("starting `{line}`"))?;
        if !output.status.success() {
            bail!("`{line}` failed ({})", output.status);
        }
        Ok(output.stdout)
    }

    /// Runs it in silence: did it succeed, and what did it print?
    pub(crate) fn ask(mut self) -> Option<String> {
        let output = self
            .0
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn line(&self) -> String {
        let program = Path::new(self.0.get_program())
            .file_name()
            .unwrap_or_default();
        let mut line = program.to_string_lossy().into_owned();
        for word in self.0.get_args() {
            line.push(' ');
            line.push_str(&word.to_string_lossy());
        }
        line
    }
}

/// The version line of a tool, if it is here.
pub(crate) fn version(program: &str, words: &[&str]) -> Option<String> {
    step(program, words).ok()?.ask()
}

/// Node 20.19 or newer, which the console and the browser tests need; else why not.
pub(crate) fn node_missing() -> Option<String> {
    let Some(said) = version("node", &["--version"]) else {
        return Some("node is not installed (20.19 or newer, https://nodejs.org)".to_owned());
    };
    let mut numbers = said
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < (20, 19) {
        return Some(format!(
            "node is {said}, 20.19 or newer is needed (https://nodejs.org)"
        ));
    }
    version("npm", &["--version"])
        .is_none()
        .then(|| "npm is not installed".to_owned())
}
