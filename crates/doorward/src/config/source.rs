//! Sources: folders and buckets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Places;
use super::error::{ConfigError, Whence};
use super::keys::{self, Key};
use super::value::Value;
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
pub enum Place {
    /// A folder, or a single file. Whether it exists is not known here.
    Folder(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket(Bucket),
}

/// A bucket, or what lies below a prefix of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// Its name.
    pub bucket: String,
    /// Only keys below this; empty, or ends with a slash.
    pub prefix: String,
    /// `http://` or `https://` URL of the store; AWS if there is none.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: Option<String>,
    /// Where the bucket's name goes.
    pub addressing: Addressing,
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

/// Who asks a store. Names of environment variables, never what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The usual `AWS_…` variables, if they are there.
    Environment,
    /// Nobody: the bucket is public.
    Anonymous,
    /// Variables of these names.
    Variables {
        /// Holds the access key.
        access_key: String,
        /// Holds the secret key.
        secret_key: String,
        /// Holds the session token, where there is one.
        session_token: Option<String>,
    },
}

/// Keys that say nothing about a folder.
static BUCKET_KEYS: [&Key; 7] = [
    &keys::SOURCE_ENDPOINT,
    &keys::SOURCE_REGION,
    &keys::SOURCE_ADDRESSING,
    &keys::SOURCE_ANONYMOUS,
    &keys::SOURCE_ACCESS_KEY,
    &keys::SOURCE_SECRET_KEY,
    &keys::SOURCE_TOKEN,
];

/// Schemes that later versions will know.
const LATER: [&str; 4] = ["gs", "az", "http", "https"];

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
            if let Place::Bucket(Bucket {
                endpoint: Some(endpoint),
                ..
            }) = &place
                && endpoint.starts_with("http://")
                && !is_loopback(endpoint)
            {
                warnings.push(format!(
                    "source {id}: what is read from {endpoint} is not encrypted on its way"
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
                "a source needs a location: a folder, or s3://bucket/prefix",
            ));
        };
        match location.split_once("://") {
            Some(("s3", rest)) => self.bucket(rest).map(Place::Bucket),
            Some((scheme, _)) if LATER.contains(&scheme) => {
                let why = format!(
                    "{scheme}:// is not in this build: name a folder, or s3://bucket/prefix"
                );
                Err(self.wrong(&keys::SOURCE_LOCATION, &why))
            }
            _ => {
                if let Some(key) = BUCKET_KEYS
                    .iter()
                    .find(|key| self.settings.written(key).is_some())
                {
                    return Err(self.wrong(
                        key,
                        "this is for s3://bucket/prefix; the location is a folder",
                    ));
                }
                let whence = self
                    .settings
                    .written(&keys::SOURCE_LOCATION)
                    .map_or(&self.whence, |(_, whence)| whence);
                Ok(Place::Folder(places.absolute(Path::new(&location), whence)))
            }
        }
    }

    fn bucket(&self, rest: &str) -> Result<Bucket, ConfigError> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = (3..=255).contains(&bucket.len())
            && bucket
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_name || prefix.chars().any(char::is_control) {
            return Err(self.wrong(&keys::SOURCE_LOCATION, "write s3://bucket or s3://bucket/prefix; a bucket is named by 3 or more of a-z, 0-9, dots and dashes"));
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
            bucket: bucket.to_owned(),
            prefix,
            endpoint: self.endpoint()?,
            region: self.settings.text(&keys::SOURCE_REGION),
            addressing,
            credentials: self.credentials()?,
        })
    }

    fn endpoint(&self) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.settings.text(&keys::SOURCE_ENDPOINT) else {
            return Ok(None);
        };
        let is_url = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri
                    .authority()
                    .is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if is_url {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        } else {
            Err(self.wrong(&keys::SOURCE_ENDPOINT, "write the URL of the store, such as \"https://s3.example.com\": http or https, without user name and query"))
        }
    }

    fn credentials(&self) -> Result<Credentials, ConfigError> {
        let variable = |key: &'static Key| {
            match self.settings.text(key) {
            Some(name) if is_variable(&name) => Ok(Some(name)),
            // Not shown: it may be the secret itself.
            Some(_) => Err(self.wrong(key, "this is not the name of an environment variable. Do not write the secret itself here")),
            None => Ok(None),
        }
        };
        let access_key = variable(&keys::SOURCE_ACCESS_KEY)?;
        let secret_key = variable(&keys::SOURCE_SECRET_KEY)?;
        let session_token = variable(&keys::SOURCE_TOKEN)?;
        let anonymous = self.settings.value(&keys::SOURCE_ANONYMOUS) == Some(Value::Flag(true));
        match (access_key, secret_key, session_token) {
            (None, None, None) if anonymous => Ok(Credentials::Anonymous),
            (None, None, None) => Ok(Credentials::Environment),
            _ if anonymous => Err(self.wrong(
                &keys::SOURCE_ANONYMOUS,
                "an anonymous source has no credentials: remove one of the two",
            )),
            (Some(access_key), Some(secret_key), session_token) => Ok(Credentials::Variables {
                access_key,
                secret_key,
                session_token,
            }),
            (None, ..) => Err(self.wrong(
                &keys::SOURCE_ACCESS_KEY,
                "credentials need access_key_env and secret_key_env",
            )),
            (_, None, _) => Err(self.wrong(
                &keys::SOURCE_SECRET_KEY,
                "credentials need access_key_env and secret_key_env",
            )),
        }
    }

    fn wrong(&self, key: &Key, why: &str) -> ConfigError {
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
    fn last_part(&self) -> String {
        let part = match self {
            Self::Folder(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            Self::Bucket(Bucket { bucket, prefix, .. }) => {
                let last = prefix
                    .trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .unwrap_or_default();
                Some(if last.is_empty() {
                    bucket.clone()
                } else {
                    last.to_owned()
                })
            }
        };
        part.unwrap_or_else(|| "files".to_owned())
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

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_loopback(endpoint: &str) -> bool {
    let uri = endpoint.parse::<http::Uri>();
    uri.is_ok_and(|uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")))
}
