//! `[companion]`: who may ask to be paired, who is asked, and where it is kept.

use doorward_companion::pairing::Mode;

use super::keys;
use super::value::Value;
use super::written::Written;

/// The companion listener, and who may ask what of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Companion {
    /// Whether there is one.
    pub enabled: bool,
    /// The first free one of these is taken; 0 is any.
    pub ports: Vec<u16>,
    /// Who may ask to be paired.
    pub pairing: Mode,
    /// Schemes besides http and https whose pages may ask.
    pub schemes: Vec<String>,
    /// Where the person is asked.
    pub approve: Face,
    /// Where pairings are kept.
    pub vault: VaultChoice,
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

impl Written {
    pub(super) fn companion(&self) -> Companion {
        let word = |key| self.settings.text(key).unwrap_or_default();
        Companion {
            enabled: self.settings.value(&keys::COMPANION_ENABLED) == Some(Value::Flag(true)),
            ports: match self.settings.value(&keys::COMPANION_PORTS) {
                Some(Value::Ports(ports)) => ports,
                _ => Vec::new(),
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
        }
    }
}
