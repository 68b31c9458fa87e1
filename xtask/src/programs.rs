//! The programs of the workspace that chores and browser tests run.

use std::path::PathBuf;

use anyhow::Result;

use crate::place;
use crate::shell::cargo;
use crate::suite::PROFILE;

/// Builds them, and names the folder that they are in.
///
/// Examples among them make cargo take the features that tests have too: one selection
/// for all, or every dependency would be compiled again.
pub(crate) fn built() -> Result<PathBuf> {
    let words = "build --workspace --bins --example types";
    cargo(words.split(' ').chain(PROFILE))?.run()?;
    Ok(place::target()?.join("debug"))
}
