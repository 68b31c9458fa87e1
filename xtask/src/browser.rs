//! The browser tests and the screenshots: both are node code in tests/browser, driving a real `doorward serve`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell::{cargo, node_missing, step};
use crate::stage::Ending;
use crate::suite::PROFILE;
use crate::{generate, place, programs};

/// The stage.
pub(crate) fn run() -> Result<Ending> {
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    let folder = prepare()?;
    let daemon = programs::built()?.join("doorward");
    step("node", ["run.js"])?
        .inside(&folder)
        .env("DOORWARD_BIN", daemon)
        .run()?;
    Ok(Ending::Passed)
}

/// Takes every picture anew, from a console that is built anew.
pub(crate) fn screenshots() -> Result<()> {
    if let Some(why) = node_missing() {
        anyhow::bail!(why);
    }
    generate::write()?;
    let folder = prepare()?;
    let daemon = programs::built()?.join("doorward");
    let to = place::root()?.join("docs/screenshots");
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    step("node", ["screenshots.js".as_ref(), to.as_os_str()])?
        .inside(&folder)
        .env("DOORWARD_BIN", daemon)
        .run()?;
    // Of another program's window, by the test that looks at it.
    let words = ["test", "--workspace", "--test", "faces", "dialog"];
    cargo(words.iter().chain(&PROFILE))?
        .env("DOORWARD_SCREENSHOTS", &to)
        .run()
}

/// The tests with what they need.
pub(crate) fn prepare() -> Result<PathBuf> {
    let root = place::root()?;
    let folder = root.join("tests/browser");
    // Pages that are paired use the client, which is built for them.
    for folder in [&folder, &root.join("packages/client")] {
        step("npm", ["ci"])?.inside(folder).run()?;
    }
    Ok(folder)
}
