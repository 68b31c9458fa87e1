//! Autobahn's test suite through the relay. It runs on Python 2.7 only, which Debian has no more: pyenv has.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::shell::{node_missing, step, version};
use crate::stage::Ending;
use crate::{browser, place, programs};

const SUITE: &str = "autobahntestsuite==0.8.2";
const PYTHON: &str = "2.7.18";

/// The stage: cases of every kind, some minutes.
pub(crate) fn run() -> Result<Ending> {
    fuzz(&[])
}

/// Every case there is: an hour or two.
pub(crate) fn soak() -> Result<Ending> {
    fuzz(&["*"])
}

/// Without `cases`, some of every kind.
fn fuzz(cases: &[&str]) -> Result<Ending> {
    let Some(python) = python() else {
        return Ok(Ending::Skipped(missing()));
    };
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    install()?;
    let folder = browser::prepare()?;
    programs::built()?;
    step("node", ["autobahn.js"].iter().chain(cases))?
        .inside(&folder)
        .env("AUTOBAHN_PYTHON", python)
        .env("AUTOBAHN_SITE", site()?)
        .run()?;
    Ok(Ending::Passed)
}

/// Puts the suite into a folder of its own; else why not.
pub(crate) fn install() -> Result<Option<String>> {
    let Some(python) = python() else {
        return Ok(Some(missing()));
    };
    let site = site()?;
    if site.join("autobahntestsuite").is_dir() {
        return Ok(None);
    }
    let pip = ["-m", "pip", "install", "-q", SUITE, "--target"].map(Path::new);
    step(
        &python.to_string_lossy(),
        pip.into_iter().chain([site.as_path()]),
    )?
    .run()?;
    Ok(None)
}

fn site() -> Result<PathBuf> {
    Ok(place::target()?.join("autobahn/site"))
}

fn python() -> Option<PathBuf> {
    if version("python2.7", &["-c", "import sys, pip"]).is_some() {
        return Some("python2.7".into());
    }
    let python = Path::new(&version("pyenv", &["prefix", PYTHON])?).join("bin/python");
    python.is_file().then_some(python)
}

fn missing() -> String {
    format!("Autobahn's suite needs Python 2.7: pyenv install {PYTHON}")
}
