//! What was written: file, environment and command line, laid over one another.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Whence};
use super::keys::{
    self, FOLDER_KEYS, GATEWAY_KEYS, KEYS, Key, LATER, NESTED, Nested, RELAY_KEYS, SOURCE_KEYS,
    TABLES,
};
use super::value::{Raw, Unfit, Value};

/// Tables that may be there more than once.
const LISTS: &[&str] = &["source", "relay", "gateway"];

/// Such a table inside of another: `[[companion.folder]]`.
const FOLDERS: (&str, &str) = ("companion", "folder");

/// What the command line says; `None` where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file to read instead of the usual one.
    pub config: Option<PathBuf>,
    /// `--port`: of the control listener.
    pub port: Option<u16>,
    /// `--content-port`.
    pub content_port: Option<u16>,
    /// Whether processes of other users are kept out.
    pub peer_check: Option<bool>,
    /// Whether pages may ask to be paired.
    pub companion: Option<bool>,
    /// `--companion-port`: the only one that is tried.
    pub companion_port: Option<u16>,
    /// `--pairing`, `--approve` and `--vault`, as the file would say it.
    pub pairing: Option<String>,
    /// See [`Flags::pairing`].
    pub approve: Option<String>,
    /// See [`Flags::pairing`].
    pub vault: Option<String>,
    /// Where the audit log is written.
    pub audit_path: Option<PathBuf>,
    /// What to serve. Instead of the sources of the file, if there is any.
    pub sources: Vec<String>,
    /// `--share`: folders for paired pages, besides those of the file, each
    /// `NAME=PATH`, `NAME=PATH:rw` or `NAME=PATH:rwd`.
    pub shares: Vec<String>,
}

/// What was written, read but not yet understood. Each key has one value: the
/// command line wins over the environment, and that over the file.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub(super) settings: Settings,
    pub(super) sources: Vec<Entry>,
    pub(super) relays: Vec<Entry>,
    pub(super) folders: Vec<Entry>,
    pub(super) gateways: Vec<Entry>,
    pub(super) warnings: Vec<String>,
}

/// Values by key. `Debug` leaves the values out: a proxy's may have a password.
#[derive(Clone, Default)]
pub(super) struct Settings(BTreeMap<&'static str, (Value, Whence)>);

/// One `[[source]]`, `[[relay]]` or `[[gateway]]`, or one SOURCE of the command line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) settings: Settings,
    pub(super) whence: Whence,
    /// Tables within it, by the list that they are of.
    parts: Vec<(&'static str, Entry)>,
}

impl Written {
    /// Nothing but defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the text of a file; `path` is told in errors.
    ///
    /// # Errors
    ///
    /// Text that is not TOML, keys that do not exist, values that they do not
    /// take.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = File { text, path };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            whence: file.at(&error.span().unwrap_or(0..0)),
            message: error.message().to_owned(),
        })?;
        let mut written = Self::new();
        for (name, value) in table.get_ref() {
            let whence = file.at(&name.span());
            let name: &str = name.get_ref();
            if LATER.contains(&name) {
                return Err(ConfigError::NotInThisBuild {
                    whence,
                    table: name.to_owned(),
                });
            }
            match name {
                "source" => written.sources = file.entries(name, SOURCE_KEYS, value)?,
                "relay" => written.relays = file.entries(name, RELAY_KEYS, value)?,
                "gateway" => written.gateways = file.entries(name, GATEWAY_KEYS, value)?,
                _ => {}
            }
            if LISTS.contains(&name) {
                continue;
            }
            let Some(table) = value.get_ref().as_table().filter(|_| is_table(name)) else {
                return Err(unknown_table(whence, name));
            };
            if let Some(folders) = table.get(FOLDERS.1).filter(|_| name == FOLDERS.0) {
                written.folders = file.entries("companion.folder", FOLDER_KEYS, folders)?;
            }
            file.settings(KEYS, name, table, &mut written.settings)?;
        }
        Ok(written)
    }

    /// Lays the environment over it: `DOORWARD_<TABLE>_<KEY>`. Variables of that
    /// form that are no key become a warning.
    ///
    /// # Errors
    ///
    /// Values that their keys do not take.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with("DOORWARD_")) else {
                continue;
            };
            let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
                let tables = TABLES.iter().map(|(table, _)| table.to_uppercase());
                if tables
                    .map(|table| format!("DOORWARD_{table}_"))
                    .any(|start| name.starts_with(&start))
                {
                    self.warnings.push(format!(
                        "{name} is not a setting of doorward; it is ignored"
                    ));
                }
                continue;
            };
            let whence = Whence::Variable(name.to_owned());
            self.settings.put(
                key,
                &Raw::from_text(key.kind, &value.to_string_lossy()),
                whence,
            )?;
        }
        Ok(self)
    }

    /// Lays the command line over it.
    ///
    /// # Errors
    ///
    /// Values that their keys do not take.
    pub fn flags(mut self, flags: &Flags) -> Result<Self, ConfigError> {
        let settings = &mut self.settings;
        let port = |port: Option<u16>| port.map(|port| Raw::Number(port.into()));
        let path = flags
            .audit_path
            .as_ref()
            .map(|path| Raw::Text(path.to_string_lossy().into_owned()));
        let text = |text: &Option<String>| text.clone().map(Raw::Text);
        let ports = flags
            .companion_port
            .map(|port| Raw::Numbers(vec![port.into()]));
        for (key, raw) in [
            (&keys::CONTROL_PORT, port(flags.port)),
            (&keys::CONTENT_PORT, port(flags.content_port)),
            (&keys::PEER_CHECK, flags.peer_check.map(Raw::Flag)),
            (&keys::COMPANION_ENABLED, flags.companion.map(Raw::Flag)),
            (&keys::COMPANION_PORTS, ports),
            (&keys::COMPANION_PAIRING, text(&flags.pairing)),
            (&keys::COMPANION_APPROVE, text(&flags.approve)),
            (&keys::COMPANION_VAULT, text(&flags.vault)),
            (&keys::AUDIT_PATH, path),
        ] {
            if let Some(raw) = raw {
                settings.put(key, &raw, Whence::Flag)?;
            }
        }
        if !flags.sources.is_empty() {
            self.sources.clear();
        }
        for share in &flags.shares {
            self.folders.push(shared(share)?);
        }
        for source in &flags.sources {
            let mut settings = Settings::default();
            settings.put(
                &keys::SOURCE_LOCATION,
                &Raw::Text(source.clone()),
                Whence::Flag,
            )?;
            self.sources.push(Entry {
                settings,
                whence: Whence::Flag,
                parts: Vec::new(),
            });
        }
        Ok(self)
    }
}

/// `NAME=PATH`, with `:rw` or `:rwd` behind it for more than reading.
fn shared(text: &str) -> Result<Entry, ConfigError> {
    let (name, place) = text.split_once('=').unwrap_or(("", text));
    let (path, rights) = match place.rsplit_once(':') {
        Some((path, "r")) => (path, vec!["read"]),
        Some((path, "rw")) => (path, vec!["read", "write"]),
        Some((path, "rwd")) => (path, vec!["read", "write", "delete"]),
        _ => (place, vec!["read"]),
    };
    let rights = rights.into_iter().map(str::to_owned).collect();
    let mut settings = Settings::default();
    settings.put(
        &keys::FOLDER_PATH,
        &Raw::Text(path.to_owned()),
        Whence::Flag,
    )?;
    settings.put(&keys::FOLDER_RIGHTS, &Raw::List(rights), Whence::Flag)?;
    if !name.is_empty() {
        settings.put(
            &keys::FOLDER_NAME,
            &Raw::Text(name.to_owned()),
            Whence::Flag,
        )?;
    }
    Ok(Entry {
        settings,
        whence: Whence::Flag,
        parts: Vec::new(),
    })
}

/// A file while it is read.
#[derive(Clone, Copy)]
struct File<'a> {
    text: &'a str,
    path: &'a Path,
}

impl File<'_> {
    fn at(&self, span: &Range<usize>) -> Whence {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Whence::File {
            path: self.path.to_owned(),
            line,
        }
    }

    /// The tables of a list, each headed `[[name]]`.
    fn entries(
        &self,
        name: &str,
        keys: &'static [&'static Key],
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<Entry>, ConfigError> {
        let whence = self.at(&value.span());
        let wrong = |whence| ConfigError::Value {
            whence,
            key: name.to_owned(),
            why: format!("write each {name} as a table of its own, headed [[{name}]]"),
        };
        let list = value
            .get_ref()
            .as_array()
            .ok_or_else(|| wrong(whence.clone()))?;
        list.iter()
            .map(|item| {
                let whence = self.at(&item.span());
                let table = item
                    .get_ref()
                    .as_table()
                    .ok_or_else(|| wrong(whence.clone()))?;
                let mut settings = Settings::default();
                self.settings(keys, name, table, &mut settings)?;
                let mut parts = Vec::new();
                for nested in NESTED.iter().filter(|nested| nested.within == name) {
                    let Some(value) = table.get(nested.name) else {
                        continue;
                    };
                    let within = self.entries(nested.path, nested.keys, value)?;
                    parts.extend(within.into_iter().map(|part| (nested.path, part)));
                }
                Ok(Entry {
                    settings,
                    whence,
                    parts,
                })
            })
            .collect()
    }

    fn settings(
        &self,
        list: &'static [&'static Key],
        table: &str,
        values: &DeTable<'_>,
        settings: &mut Settings,
    ) -> Result<(), ConfigError> {
        for (name, value) in values {
            let list_within =
                |nested: &&Nested| (nested.within, nested.name) == (table, name.get_ref().as_ref());
            if (table, name.get_ref().as_ref()) == FOLDERS || NESTED.iter().any(list_within) {
                continue;
            }
            let whence = self.at(&name.span());
            let path = format!("{table}.{}", name.get_ref());
            let is_table = list.iter().any(|key| key.table() == path);
            // A few keys are a text or a table.
            let written_as_table = is_table && value.get_ref().is_table();
            if let Some(key) = keys::find(list, &path).filter(|_| !written_as_table) {
                settings.put(key, &Raw::from_toml(value.get_ref()), whence)?;
                continue;
            }
            match value.get_ref().as_table().filter(|_| is_table) {
                Some(values) => self.settings(list, &path, values, settings)?,
                None => return Err(unknown_key(whence, list, table, name.get_ref())),
            }
        }
        Ok(())
    }
}

fn is_table(name: &str) -> bool {
    TABLES.iter().any(|(table, _)| *table == name)
}

fn unknown_table(whence: Whence, name: &str) -> ConfigError {
    if is_table(name) {
        let why = format!("this is a table: write [{name}] on a line of its own");
        return ConfigError::Value {
            whence,
            key: name.to_owned(),
            why,
        };
    }
    let tables = TABLES
        .iter()
        .map(|(table, _)| *table)
        .chain(LISTS.iter().copied());
    // A key that stands above its table.
    let stray = KEYS
        .iter()
        .find(|key| key.name() == name)
        .map(|key| key.path.to_owned());
    let nearest = stray.or_else(|| keys::nearest(name, tables).map(|table| format!("[{table}]")));
    ConfigError::UnknownKey {
        whence,
        key: name.to_owned(),
        nearest,
    }
}

fn unknown_key(
    whence: Whence,
    list: &'static [&'static Key],
    table: &str,
    name: &str,
) -> ConfigError {
    let here = list
        .iter()
        .filter(|key| key.table() == table)
        .map(|key| key.name());
    let nearest = keys::nearest(name, here).map(|name| format!("{table}.{name}"));
    // It may stand in the wrong table.
    let elsewhere = || {
        list.iter()
            .find(|key| key.name() == name)
            .map(|key| key.path.to_owned())
    };
    let nearest = nearest.or_else(elsewhere);
    ConfigError::UnknownKey {
        whence,
        key: format!("{table}.{name}"),
        nearest,
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Entry {
    /// The tables of a list within it.
    pub(super) fn parts(&self, nested: &Nested) -> impl Iterator<Item = &Self> {
        let parts = self.parts.iter();
        let path = nested.path;
        parts.filter_map(move |(known, part)| (*known == path).then_some(part))
    }
}

impl Settings {
    fn put(&mut self, key: &'static Key, raw: &Raw, whence: Whence) -> Result<(), ConfigError> {
        let name = key.path.to_owned();
        let value = key.kind.accept(raw).map_err(|unfit| match unfit {
            Unfit::Wrong(why) => ConfigError::Value {
                whence: whence.clone(),
                key: name.clone(),
                why,
            },
            Unfit::TooHigh { most } => ConfigError::TooHigh {
                whence: whence.clone(),
                key: name.clone(),
                most,
            },
        })?;
        self.0.insert(key.path, (value, whence));
        Ok(())
    }

    /// What was written for `key`.
    pub(super) fn written(&self, key: &Key) -> Option<&(Value, Whence)> {
        self.0.get(key.path)
    }

    /// What was written for `key`, or its default.
    pub(super) fn value(&self, key: &Key) -> Option<Value> {
        self.written(key)
            .map(|(value, _)| value.clone())
            .or_else(|| key.kind.default_value())
    }

    pub(super) fn text(&self, key: &Key) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &Key) -> bool {
        self.value(key) == Some(Value::Flag(true))
    }

    pub(super) fn list(&self, key: &Key) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(list)) => list,
            _ => Vec::new(),
        }
    }
}
