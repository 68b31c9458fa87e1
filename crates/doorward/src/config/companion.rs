//! `[companion]`: who may ask to be paired, who is asked, and where it is kept.

use std::path::PathBuf;

use doorward_companion::defaults;
use doorward_companion::drives::{Offered, RESERVED, Shared};
use doorward_companion::pairing::{FolderName, Mode, Right};

use super::Places;
use super::error::ConfigError;
use super::keys::{self, Key};
use super::value::Value;
use super::written::{Entry, Settings, Written};

/// The companion listener, and who may ask what of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Companion {
    /// Whether there is one.
    pub enabled: bool,
    /// The first free one of these is taken; 0 is any.
    pub ports: Vec<u16>,
    /// The port of the compatible listener, where that is wanted; 0 is any.
    pub dangerous_compat: Option<u16>,
    /// Who may ask to be paired.
    pub pairing: Mode,
    /// Schemes besides http and https whose pages may ask.
    pub schemes: Vec<String>,
    /// Where the person is asked.
    pub approve: Face,
    /// Where pairings are kept.
    pub vault: VaultChoice,
    /// Folders that paired pages may be granted.
    pub folders: Vec<Shared>,
    /// Drives that they may be granted besides.
    pub drives: Offered,
    /// The most that any page may do on those.
    pub drive_rights: Vec<Right>,
}

/// Where the person is asked whether a page may be paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Face {
    /// The first of the following that there is.
    Auto,
    /// A dialog of the desktop.
    Dialog,
    /// The terminal that doorward runs in.
    Terminal,
    /// `doorward pair approve` alone.
    Command,
    /// Nowhere: every request is denied.
    Nowhere,
}

/// Where pairings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultChoice {
    /// The keyring of this user.
    Keyring,
    /// Nowhere: they end with doorward.
    Memory,
}

impl Companion {
    /// What is worth a second look.
    pub(super) fn warning(&self) -> Option<String> {
        self.dangerous_compat?;
        let what = match self.enabled {
            true => {
                "companion.dangerous_compat is on: pages that pair over Sambee's own API prove themselves in a weaker way, and are asked for every shared folder with all its rights. Turn it off once they speak doorward's protocol"
            }
            false => "companion.dangerous_compat has no effect: the companion is not on",
        };
        Some(what.to_owned())
    }
}

impl Written {
    pub(super) fn companion(&self, places: &Places) -> Result<Companion, ConfigError> {
        let word = |key| self.settings.text(key).unwrap_or_default();
        Ok(Companion {
            enabled: self.settings.value(&keys::COMPANION_ENABLED) == Some(Value::Flag(true)),
            ports: match self.settings.value(&keys::COMPANION_PORTS) {
                Some(Value::Ports(ports)) => ports,
                _ => Vec::new(),
            },
            dangerous_compat: match (
                word(&keys::COMPANION_COMPAT).as_str(),
                self.settings.value(&keys::COMPAT_PORT),
            ) {
                ("sambee", Some(Value::Port(port))) => Some(port),
                _ => None,
            },
            pairing: match word(&keys::COMPANION_PAIRING).as_str() {
                "ask" => Mode::Ask,
                "window" => Mode::Window,
                _ => Mode::Off,
            },
            schemes: self.settings.list(&keys::COMPANION_SCHEMES),
            approve: match word(&keys::COMPANION_APPROVE).as_str() {
                "auto" => Face::Auto,
                "dialog" => Face::Dialog,
                "terminal" => Face::Terminal,
                "command" => Face::Command,
                _ => Face::Nowhere,
            },
            vault: match word(&keys::COMPANION_VAULT).as_str() {
                "memory" => VaultChoice::Memory,
                _ => VaultChoice::Keyring,
            },
            folders: self.shared(places)?,
            drives: match word(&keys::COMPANION_DRIVES).as_str() {
                "removable" => Offered::Removable,
                "all" => Offered::All,
                _ => Offered::None,
            },
            drive_rights: rights(&self.settings, &keys::COMPANION_DRIVE_RIGHTS),
        })
    }

    fn shared(&self, places: &Places) -> Result<Vec<Shared>, ConfigError> {
        let mut shared: Vec<Shared> = Vec::new();
        for entry in &self.folders {
            let folder = entry.shared(places)?;
            if shared.iter().any(|known| known.name == folder.name) {
                let why = format!(
                    "another folder is called {} already: give each a name of its own",
                    folder.name.as_str()
                );
                return Err(entry.wrong(&keys::FOLDER_NAME, &why));
            }
            shared.push(folder);
        }
        if let Some(entry) = self.folders.get(defaults::SHARED) {
            let why = format!("at most {} folders are shared", defaults::SHARED);
            return Err(entry.wrong(&keys::FOLDER_NAME, &why));
        }
        Ok(shared)
    }
}

impl Entry {
    fn shared(&self, places: &Places) -> Result<Shared, ConfigError> {
        let Some((Value::Path(written), whence)) = self.settings.written(&keys::FOLDER_PATH) else {
            let why = "a folder needs a path, such as \"~/Pictures\"";
            return Err(self.wrong(&keys::FOLDER_PATH, why));
        };
        let path: PathBuf = places.absolute(written, whence);
        let last = || {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let name = self.settings.text(&keys::FOLDER_NAME).or_else(last);
        let name = FolderName::parse(name.unwrap_or_default().trim());
        let name = name.filter(|name| name.as_str() != RESERVED).ok_or_else(|| {
            let why = format!(
                "a name has at most {} characters, none of them / or \\ or one that misleads, and is not {RESERVED:?}",
                defaults::FOLDER_NAME
            );
            self.wrong(&keys::FOLDER_NAME, &why)
        })?;
        let rights = rights(&self.settings, &keys::FOLDER_RIGHTS);
        Ok(Shared { name, path, rights })
    }
}

/// In the order in which they are listed everywhere.
fn rights(settings: &Settings, key: &Key) -> Vec<Right> {
    let written = settings.list(key);
    let all = [Right::Read, Right::Write, Right::Delete].into_iter();
    all.filter(|right| written.iter().any(|word| word == right.name()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::{file, places};
    use super::super::written::Flags;
    use super::*;

    fn build(text: &str, shares: &[&str]) -> Result<Config, ConfigError> {
        let flags = Flags {
            shares: shares.iter().map(|text| (*text).to_owned()).collect(),
            ..Flags::default()
        };
        Written::parse(text, &file())?
            .flags(&flags)?
            .build(&places())
    }

    #[test]
    fn folders_are_shared_by_name_to_read_unless_more_is_said() {
        let text = r#"
            [companion]
            drives = "removable"
            [[companion.folder]]
            path = "~/Pictures"
            [[companion.folder]]
            name = "Work files"
            path = "/srv/work"
            rights = ["delete", "read"]
        "#;
        let config = build(text, &["In=/srv/in:rw", "/srv/plain"])
            .unwrap()
            .companion;
        let told: Vec<_> = config
            .folders
            .iter()
            .map(|shared| {
                (
                    shared.name.as_str(),
                    shared.path.to_str().unwrap(),
                    shared.rights.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("Pictures", "/home/u/Pictures", &[Right::Read][..]),
                ("Work files", "/srv/work", &[Right::Read, Right::Delete]),
                ("In", "/srv/in", &[Right::Read, Right::Write]),
                ("plain", "/srv/plain", &[Right::Read]),
            ]
        );
        assert_eq!(
            (config.drives, config.drive_rights),
            (Offered::Removable, vec![Right::Read])
        );
        let none = build("", &[]).unwrap().companion;
        assert!(none.folders.is_empty() && none.drives == Offered::None);
    }

    #[test]
    fn the_compatible_listener_is_off_until_its_dangerous_name_is_written() {
        let off = build("[companion]\ncompat_port = 7400", &[]).unwrap();
        assert_eq!(off.companion.dangerous_compat, None);
        assert!(off.warnings.is_empty());
        let text = "[companion]\nenabled = true\ndangerous_compat = \"sambee\"";
        let on = build(text, &[]).unwrap();
        assert_eq!(on.companion.dangerous_compat, Some(21_549));
        assert!(on.warnings[0].contains("dangerous_compat") && on.warnings.len() == 1);
        let text = "[companion]\ndangerous_compat = \"sambee\"\ncompat_port = 0";
        let alone = build(text, &[]).unwrap();
        assert_eq!(alone.companion.dangerous_compat, Some(0));
        assert!(alone.warnings[0].contains("is not on"));
        for wrong in [
            "dangerous_compat = true",
            "dangerous_compat = \"other\"",
            "compat = \"sambee\"",
        ] {
            assert!(
                build(&format!("[companion]\n{wrong}"), &[]).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_not_a_shared_folder_is_refused_with_its_line() {
        for (text, why) in [
            ("[[companion.folder]]\nname = \"A\"", "needs a path"),
            ("[[companion.folder]]\npath = \"/\"", "a name has"),
            ("[[companion.folder]]\npath = \"/srv/uploads\"", "uploads"),
            (
                "[[companion.folder]]\npath = \"/a\"\nrights = []",
                "each once",
            ),
            (
                "[[companion.folder]]\npath = \"/a\"\nrights = [\"read\", \"read\"]",
                "each once",
            ),
            (
                "[[companion.folder]]\npath = \"/a\"\nroot = true",
                "companion.folder.root",
            ),
            (
                "[[companion.folder]]\npath = \"/a\"\n[[companion.folder]]\npath = \"/b/a\"",
                "another folder",
            ),
            ("[companion]\nfolder = \"/a\"", "[[companion.folder]]"),
        ] {
            let refused = build(text, &[]).unwrap_err().to_string();
            assert!(
                refused.contains(why) && refused.contains("doorward.toml line"),
                "{text}: {refused}"
            );
        }
    }
}
