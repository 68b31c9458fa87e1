//! What a page asks for, and gets: named folders and rights, never the whole disk.

use std::collections::BTreeMap;

use doorward_guard::audit::sanitise;
use serde::{Deserialize, Serialize};

use crate::defaults;

/// What may be done in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Right {
    /// List and read.
    Read,
    /// Create, change, rename.
    Write,
    /// Remove.
    Delete,
}

impl Right {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// Folders by name, with the rights in each. At most [`defaults::FOLDERS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(BTreeMap<FolderName, Vec<Right>>);

/// One folder of [`Scopes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The name under which the person shares it.
    pub folder: FolderName,
    /// What may be done in it. Not empty, each once.
    pub rights: Vec<Right>,
}

/// The name under which a folder is shared: at most [`defaults::FOLDER_NAME`]
/// characters, none of which could deceive a reader or be a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderName(String);

/// Scopes that no page may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of folders and rights")]
pub struct BadScopes;

impl FolderName {
    /// Reads a name. `None` if it is empty, too long, has a path separator or a
    /// character that a log would escape.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = !text.is_empty()
            && text.chars().count() <= defaults::FOLDER_NAME
            && text.trim() == text
            && text != "."
            && text != ".."
            && !text.contains(['/', '\\'])
            && sanitise(text) == text;
        plain.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scopes {
    /// Whether `right` is given in `folder`.
    #[must_use]
    pub fn allow(&self, folder: &FolderName, right: Right) -> bool {
        self.0
            .get(folder)
            .is_some_and(|rights| rights.contains(&right))
    }

    /// Whether everything in `self` is in `other` too.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|(folder, rights)| rights.iter().all(|&right| other.allow(folder, right)))
    }

    /// Whether anything could be lost: the person then types the code.
    #[must_use]
    pub fn can_harm(&self) -> bool {
        self.0
            .values()
            .flatten()
            .any(|right| matches!(right, Right::Write | Right::Delete))
    }

    /// The folders in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&FolderName, &[Right])> {
        self.0
            .iter()
            .map(|(folder, rights)| (folder, rights.as_slice()))
    }
}

// === impl conversions ===

impl TryFrom<String> for FolderName {
    type Error = BadScopes;

    fn try_from(text: String) -> Result<Self, BadScopes> {
        Self::parse(&text).ok_or(BadScopes)
    }
}

impl From<FolderName> for String {
    fn from(name: FolderName) -> Self {
        name.0
    }
}

impl TryFrom<Vec<Scope>> for Scopes {
    type Error = BadScopes;

    fn try_from(list: Vec<Scope>) -> Result<Self, BadScopes> {
        let mut scopes = BTreeMap::new();
        if list.len() > defaults::FOLDERS {
            return Err(BadScopes);
        }
        for Scope { folder, mut rights } in list {
            let written = rights.len();
            rights.sort_unstable();
            rights.dedup();
            let once = !rights.is_empty() && rights.len() == written;
            if !once || scopes.insert(folder, rights).is_some() {
                return Err(BadScopes);
            }
        }
        Ok(Self(scopes))
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        let scopes = scopes.0.into_iter();
        scopes
            .map(|(folder, rights)| Scope { folder, rights })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(json: &str) -> Option<Scopes> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn a_folder_is_a_name_and_never_a_path() {
        assert!(FolderName::parse("Holiday photos 2026").is_some());
        let long = "x".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            " a",
            "a\u{202e}b",
            "a\nb",
            &long,
        ] {
            assert_eq!(FolderName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn scopes_are_read_strictly() {
        let good = scopes(r#"[{"folder":"A","rights":["write","read"]}]"#).unwrap();
        assert!(good.can_harm());
        assert_eq!(
            serde_json::to_string(&good).unwrap(),
            r#"[{"folder":"A","rights":["read","write"]}]"#
        );
        for bad in [
            r#"[{"folder":"A","rights":[]}]"#,
            r#"[{"folder":"A","rights":["read","read"]}]"#,
            r#"[{"folder":"A","rights":["all"]}]"#,
            r#"[{"folder":"A","rights":["read"],"root":true}]"#,
            r#"[{"folder":"A","rights":["read"]},{"folder":"A","rights":["write"]}]"#,
        ] {
            assert_eq!(scopes(bad), None, "{bad}");
        }
    }

    #[test]
    fn less_is_within_and_more_is_not() {
        let asked = scopes(r#"[{"folder":"A","rights":["read","write"]}]"#).unwrap();
        let less = scopes(r#"[{"folder":"A","rights":["read"]}]"#).unwrap();
        let other = scopes(r#"[{"folder":"B","rights":["read"]}]"#).unwrap();
        assert!(less.within(&asked) && !less.can_harm());
        assert!(!asked.within(&less));
        assert!(!other.within(&asked));
        assert!(Scopes::default().within(&less));
    }
}
