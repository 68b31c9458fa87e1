//! Sources: folders, buckets and web servers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Places;
use super::credentials::{Credentials, NOT_A_VARIABLE, is_variable};
use super::error::{ConfigError, Whence};
use super::keys::{self, Key, SOURCE_KEYS};
use super::written::Entry;

/// Something that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// Its name in addresses: `a-z`, `0-9` and `-`; no two are equal.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Where that was written.
    pub whence: Whence,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A folder, or a single file. Whether it exists is not known here.
    Folder(PathBuf),
    /// A bucket of a store.
    Bucket(Bucket),
    /// What a web server has below a URL.
    Web(Web),
}

/// A bucket, or what lies below a prefix of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// What kind of store it is in.
    pub cloud: Cloud,
    /// Its name; Azure's container.
    pub bucket: String,
    /// Only keys below this; empty, or ends with a slash.
    pub prefix: String,
    /// `http://` or `https://` URL of the store; the cloud's own if there is none.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: Option<String>,
    /// Where the bucket's name goes.
    pub addressing: Addressing,
    /// Who asks.
    pub credentials: Credentials,
}

/// What kind of store a bucket is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cloud {
    /// S3, or what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
    },
}

/// What a web server has below a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Web {
    /// Ends with a slash.
    pub url: String,
    /// Whether it may be on this machine or in a local network, and speak plain
    /// `http`.
    pub local_networks: bool,
    /// Headers to send, each with the environment variable that holds its value.
    pub headers: Vec<(String, String)>,
    /// What it is known to have.
    pub index: Vec<String>,
    /// Who asks.
    pub credentials: Credentials,
}

/// Where a bucket's name goes in a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// Chosen by endpoint and name.
    #[default]
    Auto,
    /// Into the path.
    Path,
    /// Before the host.
    Virtual,
}

/// What a location begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    S3,
    Gcs,
    Azure,
    Web,
}

pub(super) fn build(
    entries: &[Entry],
    places: &Places,
    warnings: &mut Vec<String>,
) -> Result<Vec<Source>, ConfigError> {
    let mut ids = BTreeSet::new();
    entries
        .iter()
        .map(|entry| {
            let place = entry.place(places)?;
            let written = entry.settings.text(&keys::SOURCE_NAME);
            let name = written.clone().unwrap_or_else(|| place.last_part());
            let slug = slug(&name);
            if written.is_some() && ids.contains(&slug) {
                let why = format!("another source is called {slug} already: choose another name");
                return Err(entry.wrong(&keys::SOURCE_NAME, &why));
            }
            // Names that were not chosen are told apart by number.
            let id = std::iter::once(slug.clone())
                .chain((2_u32..).map(|number| format!("{slug}-{number}")))
                .find(|id| !ids.contains(id))
                .unwrap_or(slug);
            ids.insert(id.clone());
            let url = match &place {
                Place::Bucket(bucket) => bucket.endpoint.as_deref(),
                Place::Web(web) => Some(web.url.as_str()),
                Place::Folder(_) => None,
            };
            if let Some(url) = url.filter(|url| url.starts_with("http://") && !is_loopback(url)) {
                warnings.push(format!(
                    "source {id}: what is read from {url} is not encrypted on its way"
                ));
            }
            Ok(Source {
                id,
                name,
                place,
                whence: entry.whence.clone(),
            })
        })
        .collect()
}

impl Entry {
    fn place(&self, places: &Places) -> Result<Place, ConfigError> {
        let Some(location) = self.settings.text(&keys::SOURCE_LOCATION) else {
            return Err(self.wrong(
                &keys::SOURCE_LOCATION,
                "a source needs a location: a folder, s3://bucket/prefix, or another of those that `doorward init` shows",
            ));
        };
        let (kind, rest) = match location.split_once("://") {
            Some(("s3", rest)) => (Kind::S3, rest),
            Some(("gs", rest)) => (Kind::Gcs, rest),
            Some(("az", rest)) => (Kind::Azure, rest),
            Some(("http" | "https", _)) => (Kind::Web, location.as_str()),
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let why = format!(
                    "{scheme}:// is nothing that doorward reads: name a folder, s3://, gs:// or az:// and a bucket, or https://"
                );
                return Err(self.wrong(&keys::SOURCE_LOCATION, &why));
            }
            _ => (Kind::Folder, location.as_str()),
        };
        let stray = SOURCE_KEYS
            .iter()
            .find(|key| self.settings.written(key).is_some() && !kind.takes(key));
        if let Some(key) = stray {
            let why = format!("this says nothing about {}", kind.name());
            return Err(self.wrong(key, &why));
        }
        match kind {
            Kind::Folder => {
                let whence = self
                    .settings
                    .written(&keys::SOURCE_LOCATION)
                    .map_or(&self.whence, |(_, whence)| whence);
                Ok(Place::Folder(places.absolute(Path::new(rest), whence)))
            }
            Kind::Web => self.web(rest, places).map(Place::Web),
            Kind::S3 | Kind::Gcs | Kind::Azure => {
                self.bucket(kind, rest, places).map(Place::Bucket)
            }
        }
    }

    fn bucket(&self, kind: Kind, rest: &str, places: &Places) -> Result<Bucket, ConfigError> {
        let wrong = |why| self.wrong(&keys::SOURCE_LOCATION, why);
        let (cloud, rest) = match kind {
            Kind::Azure => {
                let (account, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let account = account.to_owned();
                (Cloud::Azure { account }, rest)
            }
            Kind::Gcs => (Cloud::Gcs, rest),
            _ => (Cloud::S3, rest),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |name: &str| {
            (3..=255).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let sound = is_name(bucket)
            && match &cloud {
                Cloud::Azure { account } => is_name(account) && account.len() <= 24,
                Cloud::S3 | Cloud::Gcs => true,
            };
        if !sound || prefix.chars().any(char::is_control) {
            return Err(wrong(match cloud {
                Cloud::Azure { .. } => {
                    "write az://account/container or az://account/container/prefix; each is named by 3 or more of a-z, 0-9 and dashes"
                }
                Cloud::Gcs => {
                    "write gs://bucket or gs://bucket/prefix; a bucket is named by 3 or more of a-z, 0-9, dots, dashes and underscores"
                }
                Cloud::S3 => {
                    "write s3://bucket or s3://bucket/prefix; a bucket is named by 3 or more of a-z, 0-9, dots and dashes"
                }
            }));
        }
        let prefix = match prefix {
            "" => String::new(),
            prefix if prefix.ends_with('/') => prefix.to_owned(),
            prefix => format!("{prefix}/"),
        };
        let addressing = match self.settings.text(&keys::SOURCE_ADDRESSING).as_deref() {
            Some("path") => Addressing::Path,
            Some("virtual") => Addressing::Virtual,
            _ => Addressing::Auto,
        };
        Ok(Bucket {
            cloud,
            bucket: bucket.to_owned(),
            prefix,
            endpoint: self.endpoint()?,
            region: self.settings.text(&keys::SOURCE_REGION),
            addressing,
            credentials: self.credentials(&kind, places)?,
        })
    }

    fn web(&self, url: &str, places: &Places) -> Result<Web, ConfigError> {
        if !is_url(url) {
            return Err(self.wrong(&keys::SOURCE_LOCATION, "write a URL such as \"https://files.example.com/films/\": http or https, without user name and query"));
        }
        let local_networks = self.settings.flag(&keys::SOURCE_LOCAL_NETWORKS);
        if url.starts_with("http://") && !local_networks {
            return Err(self.wrong(&keys::SOURCE_LOCATION, "plain http:// is for servers of local networks: write https://, or local_networks = true"));
        }
        let headers = self.settings.list(&keys::SOURCE_HEADERS);
        let headers: Option<Vec<_>> = headers
            .iter()
            .map(|line| {
                let (name, variable) = line.split_once(':')?;
                let (name, variable) = (name.trim(), variable.trim());
                let sound = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
                (sound && is_variable(variable)).then(|| (name.to_owned(), variable.to_owned()))
            })
            .collect();
        let Some(headers) = headers else {
            let why = format!("write \"Header: VARIABLE\"; {NOT_A_VARIABLE}");
            return Err(self.wrong(&keys::SOURCE_HEADERS, &why));
        };
        Ok(Web {
            url: format!("{}/", url.trim_end_matches('/')),
            local_networks,
            headers,
            index: self.settings.list(&keys::SOURCE_INDEX),
            credentials: self.credentials(&Kind::Web, places)?,
        })
    }

    fn endpoint(&self) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.settings.text(&keys::SOURCE_ENDPOINT) else {
            return Ok(None);
        };
        if is_url(&text) {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        } else {
            Err(self.wrong(&keys::SOURCE_ENDPOINT, "write the URL of the store, such as \"https://s3.example.com\": http or https, without user name and query"))
        }
    }

    pub(super) fn wrong(&self, key: &Key, why: &str) -> ConfigError {
        let whence = self
            .settings
            .written(key)
            .map_or(&self.whence, |(_, whence)| whence);
        ConfigError::Value {
            whence: whence.clone(),
            key: key.path.to_owned(),
            why: why.to_owned(),
        }
    }
}

impl Place {
    /// `folder`, `s3`, `gcs`, `azure` or `http`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Bucket(bucket) => match bucket.cloud {
                Cloud::S3 => "s3",
                Cloud::Gcs => "gcs",
                Cloud::Azure { .. } => "azure",
            },
            Self::Web(_) => "http",
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Bucket(bucket) => {
                let Bucket {
                    bucket: name,
                    prefix,
                    ..
                } = bucket;
                let at = match &bucket.endpoint {
                    Some(url) => format!(" at {url}"),
                    None => String::new(),
                };
                match &bucket.cloud {
                    Cloud::S3 => format!("s3://{name}/{prefix}{at}"),
                    Cloud::Gcs => format!("gs://{name}/{prefix}{at}"),
                    Cloud::Azure { account } => format!("az://{account}/{name}/{prefix}{at}"),
                }
            }
            Self::Web(web) => web.url.clone(),
        }
    }

    /// Who asks; nobody asks for a folder.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Folder(_) => None,
            Self::Bucket(bucket) => Some(&bucket.credentials),
            Self::Web(web) => Some(&web.credentials),
        }
    }

    /// Who asks, in a few words after a comma; nothing where that is the usual.
    pub(super) fn asked_by(&self) -> String {
        match self.credentials() {
            None | Some(Credentials::Environment) => String::new(),
            Some(Credentials::Anonymous) => match self {
                Self::Web(_) => String::new(),
                _ => ", anonymous".to_owned(),
            },
            Some(Credentials::Variables { secret_key, .. }) => format!(", by ${secret_key}"),
            Some(Credentials::Profile(Some(name))) => format!(", by the profile {name}"),
            Some(Credentials::Profile(None)) => ", by what AWS's own tools use".to_owned(),
            Some(Credentials::Keyring { .. }) => ", by a secret of the keyring".to_owned(),
            Some(
                Credentials::Bearer(name)
                | Credentials::AccountKey(name)
                | Credentials::Signature(name),
            ) => format!(", by ${name}"),
            Some(Credentials::ServiceAccount(path)) => format!(", by {}", path.display()),
        }
    }

    fn last_part(&self) -> String {
        let last = |path: &str| {
            let path = path.trim_end_matches('/').rsplit('/').next();
            path.unwrap_or_default().to_owned()
        };
        let part = match self {
            Self::Folder(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            Self::Bucket(Bucket { bucket, prefix, .. }) => Some(match last(prefix) {
                last if last.is_empty() => bucket.clone(),
                last => last,
            }),
            Self::Web(web) => Some(last(&web.url)),
        };
        part.unwrap_or_else(|| "files".to_owned())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Folder => "a folder",
            Self::S3 => "an s3:// bucket",
            Self::Gcs => "a gs:// bucket",
            Self::Azure => "an az:// container",
            Self::Web => "a web server",
        }
    }

    fn takes(self, key: &Key) -> bool {
        let name = key.path.strip_prefix("source.").unwrap_or(key.path);
        match name {
            "name" | "location" => true,
            "anonymous" | "credentials" => self != Self::Folder,
            "endpoint" => !matches!(self, Self::Folder | Self::Web),
            "region" | "addressing" | "profile" | "credentials.session_token_env" => {
                self == Self::S3
            }
            "key_id" | "credentials.access_key_env" | "credentials.secret_key_env" => {
                matches!(self, Self::S3 | Self::Gcs)
            }
            "credentials.bearer_env" => matches!(self, Self::Gcs | Self::Azure | Self::Web),
            "credentials.account_key_env" | "credentials.sas_env" => self == Self::Azure,
            "credentials.service_account" => self == Self::Gcs,
            "local_networks" | "index" | "headers_env" => self == Self::Web,
            _ => false,
        }
    }
}

fn slug(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<_> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let slug: String = parts.join("-").chars().take(48).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "source".to_owned()
    } else {
        slug.to_owned()
    }
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    })
}

fn is_loopback(endpoint: &str) -> bool {
    let uri = endpoint.parse::<http::Uri>();
    uri.is_ok_and(|uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")))
}
