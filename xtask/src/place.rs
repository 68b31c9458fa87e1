//! Where things are in the work tree.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace. Cargo tells a running crate where its manifest is.
pub(crate) fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&own)
        .parent()
        .context("xtask/ lies in the workspace")?;
    Ok(root.to_owned())
}

/// Cargo's one target directory.
pub(crate) fn target() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(root()?.join(folder)),
        None => Ok(root()?.join("target")),
    }
}

/// An empty folder under the target directory, for files that are made only to be compared.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let folder = target()?.join("xtask").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("clearing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// For messages: relative to the root where it can be.
pub(crate) fn short(path: &Path) -> String {
    root()
        .ok()
        .and_then(|root| path.strip_prefix(root).ok().map(Path::to_owned))
        .unwrap_or_else(|| path.to_owned())
        .display()
        .to_string()
}
