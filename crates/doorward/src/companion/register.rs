//! The list of the pairings that are kept: `pairings.json` in the state folder.
//!
//! It has no secret. It says which entries of the vault count: one that it does not
//! name is never read, so what was forgotten stays forgotten even while the vault
//! does not answer. Written whole, beside itself, then renamed.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::platform::files;

const VERSION: u32 = 1;
/// Far more than the most pairings take.
const LONGEST: u64 = 1024 * 1024;

/// The list and its file.
#[derive(Debug)]
pub(super) struct Register {
    path: PathBuf,
    pages: Pages,
}

/// A pairing that the vault should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed {
    /// The public name of the pairing.
    pub key_id: String,
    /// The page's origin.
    pub origin: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    v: u32,
    kept: Vec<Listed>,
    /// The vault may still have these, and is to remove them.
    forgotten: Vec<String>,
}

/// The list cannot be read or written. What stands in the log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unlisted;

impl Register {
    /// Reads the list; an empty one if there is no file.
    ///
    /// # Errors
    ///
    /// Anything that makes it doubtful, so that nothing counts.
    pub(super) fn open(path: &Path) -> Result<Self, Unlisted> {
        let unread = |why: &dyn std::fmt::Display| {
            tracing::error!(path = %path.display(), %why, "cannot read the list of pairings");
            Unlisted
        };
        let mut pages = Pages {
            v: VERSION,
            kept: Vec::new(),
            forgotten: Vec::new(),
        };
        if let Some(file) = files::open_existing(path).map_err(|why| unread(&why))? {
            let mut text = String::new();
            let read = file.take(LONGEST).read_to_string(&mut text);
            read.map_err(|why| unread(&why))?;
            pages = serde_json::from_str(&text).map_err(|why| unread(&why))?;
        }
        if pages.v != VERSION {
            return Err(unread(&"another version wrote it"));
        }
        Ok(Self {
            path: path.to_owned(),
            pages,
        })
    }

    pub(super) fn kept(&self) -> &[Listed] {
        &self.pages.kept
    }

    pub(super) fn forgotten(&self) -> &[String] {
        &self.pages.forgotten
    }

    /// `key_id` is about to be written, and is to be removed unless it is
    /// [kept](Self::keep).
    pub(super) fn expect(&mut self, key_id: &str) -> Result<(), Unlisted> {
        self.change(|pages| pages.forgotten.push(key_id.to_owned()))
    }

    /// The vault has it, and it counts.
    pub(super) fn keep(&mut self, listed: Listed) -> Result<(), Unlisted> {
        self.change(|pages| {
            pages.forgotten.retain(|id| *id != listed.key_id);
            pages.kept.push(listed);
        })
    }

    /// It counts no longer, whatever the vault has.
    pub(super) fn forget(&mut self, key_id: &str) -> Result<(), Unlisted> {
        self.change(|pages| {
            pages.kept.retain(|listed| listed.key_id != key_id);
            if !pages.forgotten.iter().any(|id| id == key_id) {
                pages.forgotten.push(key_id.to_owned());
            }
        })
    }

    /// The vault has it no longer.
    pub(super) fn removed(&mut self, key_id: &str) -> Result<(), Unlisted> {
        self.change(|pages| pages.forgotten.retain(|id| id != key_id))
    }

    fn change(&mut self, how: impl FnOnce(&mut Pages)) -> Result<(), Unlisted> {
        let mut pages = self.pages.clone();
        how(&mut pages);
        write(&self.path, &pages).map_err(|why| {
            tracing::error!(path = %self.path.display(), %why, "cannot write the list of pairings");
            Unlisted
        })?;
        self.pages = pages;
        Ok(())
    }
}

fn write(path: &Path, pages: &Pages) -> Result<(), files::NotPrivate> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    files::folder(folder)?;
    let beside = path.with_extension("new");
    // Of a run that was cut off.
    let _ = std::fs::remove_file(&beside);
    let mut file = files::create(&beside)?;
    let text = serde_json::to_vec(pages).map_err(std::io::Error::from)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key_id: &str) -> Listed {
        Listed {
            key_id: key_id.to_owned(),
            origin: "https://app.example".to_owned(),
        }
    }

    #[test]
    fn what_was_forgotten_stays_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/pairings.json");
        let mut register = Register::open(&path).unwrap();
        for id in ["a", "b"] {
            register.expect(id).unwrap();
            register.keep(listed(id)).unwrap();
        }
        register.forget("a").unwrap();
        let mut again = Register::open(&path).unwrap();
        assert_eq!(again.kept(), [listed("b")]);
        assert_eq!(again.forgotten(), ["a"]);
        again.removed("a").unwrap();
        assert!(Register::open(&path).unwrap().forgotten().is_empty());
    }

    #[test]
    fn a_pairing_that_was_cut_off_while_it_was_kept_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairings.json");
        Register::open(&path).unwrap().expect("a").unwrap();
        let register = Register::open(&path).unwrap();
        assert!(register.kept().is_empty());
        assert_eq!(register.forgotten(), ["a"]);
    }

    #[test]
    fn a_list_that_makes_no_sense_is_no_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairings.json");
        for text in [
            "",
            "{}",
            r#"{"v":2,"kept":[],"forgotten":[]}"#,
            r#"{"v":1,"kept":[],"forgotten":[],"more":1}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Register::open(&path).err(), Some(Unlisted), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(Register::open(&path).err(), Some(Unlisted));
    }
}
