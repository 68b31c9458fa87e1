//! `doorward.toml` while it is edited: what is in it stays as it was written,
//! comments included, and it is replaced at once or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use doorward::config::{self, ConfigError, Places, Written};
use toml_edit::{DocumentMut, Table};

use crate::failure::{Code, Failure};

/// The file that is edited, and the sources in it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    text: String,
    places: Places,
    pub(super) sources: Vec<config::Source>,
}

impl File {
    /// The file that is named, by `DOORWARD_CONFIG` if not here; the usual one
    /// otherwise. One that is not there is what `doorward init` would write.
    ///
    /// # Errors
    ///
    /// It cannot be read, or does not take effect as it is.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let places = Places::of_user()?;
        let by_variable = std::env::var_os("DOORWARD_CONFIG").filter(|value| !value.is_empty());
        let path = named
            .map(Path::to_owned)
            .or_else(|| by_variable.map(PathBuf::from))
            .unwrap_or_else(|| places.config.clone());
        // What a link leads to is edited, and the link stays.
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => config::init(),
            Err(source) => return Err(ConfigError::Unreadable { path, source }.into()),
        };
        let mut file = Self {
            path,
            text: String::new(),
            places,
            sources: Vec::new(),
        };
        file.take(text)?;
        Ok(file)
    }

    /// The source that is called so, by id or by name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn find(&self, name: &str) -> Result<&config::Source, Failure> {
        self.position(name)
            .and_then(|at| self.sources.get(at))
            .ok_or_else(|| self.unknown(name))
    }

    /// Adds a source. It counts once [`File::write`] was called.
    ///
    /// # Errors
    ///
    /// The configuration does not take effect with it.
    pub(super) fn append(&mut self, table: &Table) -> Result<config::Source, Failure> {
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}[[source]]\n{table}"));
        self.take(text)?;
        self.sources
            .last()
            .cloned()
            .ok_or_else(|| self.unknown("the new source"))
    }

    /// Takes a source out. It counts once [`File::write`] was called.
    ///
    /// # Errors
    ///
    /// There is none that is called so.
    pub(super) fn remove(&mut self, name: &str) -> Result<config::Source, Failure> {
        let found = self.position(name);
        let (Some(at), Ok(source)) = (found, self.find(name).cloned()) else {
            return Err(self.unknown(name));
        };
        let mut document: DocumentMut = self.text.parse().map_err(|_| self.unknown(name))?;
        let item = document.get_mut("source");
        match item {
            Some(toml_edit::Item::ArrayOfTables(tables)) => {
                tables.remove(at);
            }
            Some(item) => {
                if let Some(list) = item.as_array_mut() {
                    list.remove(at);
                }
            }
            None => return Err(self.unknown(name)),
        }
        self.take(document.to_string())?;
        Ok(source)
    }

    /// Replaces the file at once; its permissions stay.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(super) fn write(&self) -> Result<(), Failure> {
        self.replace().map_err(|error| {
            let what = format!("cannot write {}", self.path.display());
            Failure::new(Code::Failed, "config", what).why(error)
        })
    }

    fn replace(&self) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(self.text.as_bytes())?;
        if let Ok(known) = std::fs::metadata(&self.path) {
            new.as_file().set_permissions(known.permissions())?;
        }
        new.as_file().sync_all()?;
        new.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Takes `text` for what the file holds, if that takes effect.
    fn take(&mut self, text: String) -> Result<(), Failure> {
        let config = Written::parse(&text, &self.path)?.build(&self.places)?;
        self.sources = config.sources;
        self.text = text;
        Ok(())
    }

    fn position(&self, name: &str) -> Option<usize> {
        let is = |source: &config::Source| source.id == name || source.name == name;
        self.sources.iter().position(is)
    }

    fn unknown(&self, name: &str) -> Failure {
        let what = format!("{} has no source called {name}", self.path.display());
        Failure::new(Code::Failed, "notFound", what).next("`doorward source list` names them.")
    }
}
