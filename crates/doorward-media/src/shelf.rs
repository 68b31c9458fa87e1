//! Sources under the names that people gave them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use doorward_guard::{Clock, Rule};
use zeroize::Zeroizing;

use crate::defaults;
use crate::error::MediaError;
use crate::fetch::MediaTuning;
use crate::fetch::disk::Disk;
use crate::fetch::stock::Stock;
use crate::source::{Credentials, Folder, ServiceAccount, Source, StoreConfig};

/// Where a source is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket, or a prefix of one, in a store of any
    /// [`Dialect`](crate::source::Dialect).
    Store(Box<StoreConfig>),
}

/// One source under its id. What cannot be opened keeps its place and says why.
#[derive(Debug)]
pub struct Shelf {
    id: Box<str>,
    name: Box<str>,
    kind: &'static str,
    location: String,
    source: Result<Source, MediaError>,
    failure: RwLock<Option<&'static str>>,
}

/// All shelves, in the order in which they were added, and what their stores
/// share.
#[derive(Debug, Default)]
pub(crate) struct Shelves(RwLock<Vec<Arc<Shelf>>>, RwLock<Arc<Stock>>);

/// A source that is to be added.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Made of the name, if there is none.
    pub(crate) id: Option<&'a str>,
    /// Made of the location, if there is none.
    pub(crate) name: Option<&'a str>,
    pub(crate) location: Location,
    /// Keeps a source of the configuration that cannot be opened, as failed.
    pub(crate) keep_failed: bool,
}

// === impl Location ===

impl Location {
    /// Reads what a person writes or drops: an absolute path, `s3://bucket/prefix`,
    /// `gs://bucket/prefix`, `az://account/container/prefix` or
    /// `https://host/path/`.
    ///
    /// For S3, endpoint, region and keys come from the environment
    /// (`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID` and the like); for Azure,
    /// `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN`; for Google,
    /// `GOOGLE_APPLICATION_CREDENTIALS`, a service account's key file. Without,
    /// nothing is signed.
    ///
    /// # Errors
    ///
    /// [`MediaError::InvalidSource`], with a sentence.
    pub fn parse(text: &str) -> Result<Self, MediaError> {
        let read = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        };
        let config = match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let endpoint = read(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
                let credentials = Credentials::from_environment().unwrap_or(Credentials::Anonymous);
                let mut config = StoreConfig::new(bucket, endpoint.as_deref(), credentials);
                config.prefix = prefix.to_owned();
                config.region = read(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
                config
            }
            Some(("gs", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let credentials = read(&["GOOGLE_APPLICATION_CREDENTIALS"])
                    .map_or(Ok(Credentials::Anonymous), |path| service_account(&path))?;
                let mut config = StoreConfig::gcs(bucket, None, credentials);
                config.prefix = prefix.to_owned();
                config
            }
            Some(("az", rest)) => {
                let mut parts = rest.splitn(3, '/');
                let mut part = || parts.next().unwrap_or_default();
                let (account, container, prefix) = (part(), part(), part());
                let credentials = match read(&["AZURE_STORAGE_KEY"]) {
                    Some(key) => Credentials::keys(account, &key, None),
                    None => read(&["AZURE_STORAGE_SAS_TOKEN"])
                        .map_or(Ok(Credentials::Anonymous), |sas| {
                            Credentials::signature(&sas)
                        })?,
                };
                let mut config = StoreConfig::azure(account, container, None, credentials);
                config.prefix = prefix.to_owned();
                config
            }
            Some(("https", _)) => StoreConfig::web(text, Credentials::Anonymous),
            Some(_) => {
                return Err(MediaError::InvalidSource(
                    "Only folders, s3://, gs:// and az:// buckets and https:// servers can be opened.",
                ));
            }
            None => {
                let path = Path::new(text);
                if path.is_absolute() && !text.contains('\0') {
                    return Ok(Self::Folder(path.to_owned()));
                }
                return Err(MediaError::InvalidSource(
                    "Name a folder by its full path, or a bucket as s3://name.",
                ));
            }
        };
        Ok(Self::Store(Box::new(config)))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Store(config) => config.dialect.name(),
        }
    }

    /// As people read it; the home folder as `~`.
    fn display(&self) -> String {
        match self {
            Self::Folder(path) => display_path(path),
            Self::Store(config) => config.location(),
        }
    }

    /// A name, if nobody gave one.
    fn usual_name(&self) -> String {
        let text = self.display();
        let last = text
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        if last.is_empty() {
            "files".to_owned()
        } else {
            last.to_owned()
        }
    }

    async fn open(self, clock: &Clock, stock: &Arc<Stock>) -> Result<Source, MediaError> {
        match self {
            Self::Folder(path) => {
                let folder = tokio::task::spawn_blocking(move || Folder::open(&path)).await;
                let stopped = |_| MediaError::NotReadable("the reader stopped".to_owned());
                Ok(Source::Folder(Arc::new(folder.map_err(stopped)??)))
            }
            Self::Store(config) => Ok(Source::Store(Arc::new(config.build(clock)?.sharing(stock)))),
        }
    }
}

// === impl Shelf ===

impl Shelf {
    /// A source that has no id of its own: it is not listed.
    pub(crate) fn loose(location: String, source: Source) -> Self {
        let kind = match source {
            Source::Folder(_) => "folder",
            Source::Store(ref store) => store.dialect().name(),
        };
        let name = location.clone().into();
        Self {
            id: "".into(),
            name,
            kind,
            location,
            source: Ok(source),
            failure: RwLock::new(None),
        }
    }

    /// The id; empty for a source that is not listed.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `folder`, `s3`, `gcs`, `azure` or `http`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The source.
    ///
    /// # Errors
    ///
    /// Why it could not be opened.
    pub fn source(&self) -> Result<&Source, MediaError> {
        self.source.as_ref().map_err(Clone::clone)
    }

    /// What is wrong with it, as far as is known.
    #[must_use]
    pub fn failure(&self) -> Option<&'static str> {
        *self.failure.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the last listing went. Whether that is news.
    pub(crate) fn note(&self, outcome: Option<&MediaError>) -> bool {
        let now = outcome
            .filter(|error| is_about_source(error))
            .map(MediaError::message);
        let mut failure = self.failure.write().unwrap_or_else(PoisonError::into_inner);
        let news = *failure != now;
        *failure = now;
        news
    }

    /// The name of an object on it, as the API writes it.
    #[must_use]
    pub fn label(&self, key: &str) -> String {
        if self.id.is_empty() {
            let slash = if self.location.ends_with('/') {
                ""
            } else {
                "/"
            };
            format!("{}{slash}{key}", self.location)
        } else {
            format!("{}:{key}", self.id)
        }
    }
}

/// Whether an error says something of the source, not of one name in it.
fn is_about_source(error: &MediaError) -> bool {
    !matches!(
        error,
        MediaError::NotFound
            | MediaError::Changed
            | MediaError::Archived
            | MediaError::NotListable
            | MediaError::Redirected
            | MediaError::NotReadable(_)
            | MediaError::InvalidSource(_)
            | MediaError::Refused(_)
    )
}

// === impl Shelves ===

impl Shelves {
    /// Opens `location` and adds it, once `approve` agrees. What is there already
    /// is not added again; the second value says whether it was.
    pub(crate) async fn add(
        &self,
        clock: &Clock,
        wanted: Wanted<'_>,
        approve: impl FnOnce() -> Result<(), MediaError>,
    ) -> Result<(Arc<Shelf>, bool), MediaError> {
        let Wanted {
            id,
            name,
            location,
            keep_failed,
        } = wanted;
        let name = name.map_or_else(|| location.usual_name(), str::to_owned);
        let (kind, display) = (location.kind(), location.display());
        let source = location.open(clock, &self.stock()).await;
        if let (Err(error), false) = (&source, keep_failed) {
            return Err(error.clone());
        }
        let failure = RwLock::new(source.as_ref().err().map(MediaError::message));
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let same = |shelf: &&Arc<Shelf>| shelf.location == display && shelf.source.is_ok();
        if let Some(known) = all.iter().filter(|_| id.is_none()).find(same) {
            return Ok((Arc::clone(known), false));
        }
        if all.len() >= defaults::SOURCES {
            return Err(MediaError::Refused(Rule::CapacityReached.into()));
        }
        approve()?;
        let id = free_id(&all, id.unwrap_or(&name));
        let shelf = Arc::new(Shelf {
            id: id.into(),
            name: name.into(),
            kind,
            location: display,
            source,
            failure,
        });
        all.push(Arc::clone(&shelf));
        Ok((shelf, true))
    }

    /// What its stores share.
    pub(crate) fn stock(&self) -> Arc<Stock> {
        Arc::clone(&self.1.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other budgets, for stores that are added from now on.
    pub(crate) fn tune(&self, tuning: MediaTuning) {
        let mut stock = self.1.write().unwrap_or_else(PoisonError::into_inner);
        *stock = Arc::new(Stock::with(tuning, stock.disk.clone()));
    }

    /// A place for what leaves memory, for stores that are added from now on.
    pub(crate) fn keep_on(&self, disk: Disk) {
        let mut stock = self.1.write().unwrap_or_else(PoisonError::into_inner);
        *stock = Arc::new(Stock::with(stock.tuning, Some(Arc::new(disk))));
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shelf>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Shelf>> {
        self.all().into_iter().find(|shelf| shelf.id() == id)
    }
}

/// An id out of a name: lower-case letters, digits and dashes, and unused.
fn free_id(all: &[Arc<Shelf>], name: &str) -> String {
    let mut stem: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    while stem.contains("--") {
        stem = stem.replace("--", "-");
    }
    let stem = match stem.trim_matches('-') {
        "" => "source",
        stem => stem,
    };
    let mut id = stem.to_owned();
    let mut number = 2_usize;
    while all.iter().any(|shelf| shelf.id() == id) {
        id = format!("{stem}-{number}");
        number += 1;
    }
    id
}

pub(crate) fn display_path(path: &Path) -> String {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute());
    match home
        .as_deref()
        .and_then(|home| path.strip_prefix(home).ok())
    {
        Some(below) if below.as_os_str().is_empty() => "~".to_owned(),
        Some(below) => format!("~/{}", below.display()),
        None => path.display().to_string(),
    }
}

/// The key file that Google's own tools use.
fn service_account(path: &str) -> Result<Credentials, MediaError> {
    const UNFIT: MediaError = MediaError::InvalidSource(
        "GOOGLE_APPLICATION_CREDENTIALS names a file that cannot be read, or is no service account's key.",
    );
    let json = Zeroizing::new(std::fs::read_to_string(path).map_err(|_| UNFIT)?);
    let account = ServiceAccount::parse(&json, &Clock::system()).map_err(|_| UNFIT)?;
    Ok(Credentials::renewed(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names_and_are_unique() {
        assert_eq!(free_id(&[], "My Pictures (2026)"), "my-pictures-2026");
        assert_eq!(free_id(&[], "…"), "source");
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(Arc::new(Folder::open(folder.path()).unwrap()));
        let mut shelf = Shelf::loose("x".to_owned(), source);
        shelf.id = "a".into();
        assert_eq!(free_id(&[Arc::new(shelf)], "A"), "a-2");
    }

    #[test]
    fn locations_are_paths_and_buckets() {
        assert!(matches!(Location::parse("/tmp"), Ok(Location::Folder(_))));
        let Ok(Location::Store(config)) = Location::parse("s3://bucket/a/b") else {
            panic!("s3")
        };
        assert_eq!(
            (config.bucket.as_str(), config.prefix.as_str()),
            ("bucket", "a/b")
        );
        for (text, kind, shown) in [
            ("s3://bucket", "s3", "s3://bucket/"),
            ("gs://bucket/a", "gcs", "gs://bucket/a"),
            (
                "az://account/container/a/b",
                "azure",
                "az://account/container/a/b",
            ),
            (
                "https://files.example/films",
                "http",
                "https://files.example/films/",
            ),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(
                (location.kind(), location.display().as_str()),
                (kind, shown)
            );
        }
        for not in ["", "relative", "ftp://bucket", "http://x/", "~/x"] {
            assert!(
                matches!(Location::parse(not), Err(MediaError::InvalidSource(_))),
                "{not}"
            );
        }
    }

    #[test]
    fn googles_key_file_is_a_service_accounts_or_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        std::fs::write(&file, "{}").unwrap();
        for unfit in [file.to_str().unwrap(), "/nonexistent/key.json"] {
            let told = service_account(unfit).unwrap_err();
            assert!(
                told.message().contains("GOOGLE_APPLICATION_CREDENTIALS"),
                "{told}"
            );
        }
    }
}
