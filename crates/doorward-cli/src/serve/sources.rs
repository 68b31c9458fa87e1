//! Sources: from what the configuration says to what the media room takes,
//! checked before anything is told to be ready.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::config::{self, Bucket, Config, Place, Whence};
use doorward::guard::Clock;
use doorward::media::{self, Location, MediaError, StoreConfig};

use crate::failure::{Code, Failure};
use crate::term::{Paint, remark};

/// A store that takes longer to answer is not ready.
const STORE_ANSWERS: Duration = Duration::from_secs(15);

/// A source that is to be served.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// In addresses.
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) location: Location,
    /// Where it is, for people.
    pub(crate) shown: String,
    /// Named on the command line: then it must work.
    pub(crate) asked: bool,
    /// Why it does not work; the console lists it as failed.
    pub(crate) trouble: Option<String>,
}

/// What is configured.
pub(super) fn read(config: &Config) -> Result<Vec<Wanted>, Failure> {
    config.sources.iter().map(Wanted::read).collect()
}

/// Asks every source for a sign of life.
///
/// # Errors
///
/// One that was named on the command line gives none. Those of the file are
/// served as failed: others may work, and a store may come back.
pub(super) async fn check(wanted: &mut [Wanted], clock: &Clock) -> Result<(), Failure> {
    for source in wanted {
        let Err(failure) = source.check(clock).await else {
            continue;
        };
        if source.asked {
            return Err(failure);
        }
        remark(&format!("{} {failure}", Paint::stderr().yellow("Warning:")));
        source.trouble = Some("not ready".to_owned());
    }
    Ok(())
}

impl Wanted {
    fn read(source: &config::Source) -> Result<Self, Failure> {
        let (location, shown) = match &source.place {
            Place::Folder(path) => (Location::Folder(path.clone()), path.display().to_string()),
            Place::Bucket(bucket) => {
                let store = store(&source.id, bucket)?;
                let at = match &store.endpoint {
                    Some(endpoint) => format!(" at {endpoint}"),
                    None => String::new(),
                };
                let shown = format!("s3://{}/{}{at}", bucket.bucket, bucket.prefix);
                (Location::S3(Box::new(store)), shown)
            }
        };
        Ok(Self {
            id: source.id.clone(),
            name: source.name.clone(),
            location,
            shown,
            asked: source.whence == Whence::Flag,
            trouble: None,
        })
    }

    /// One that the demo made.
    #[cfg(feature = "demo")]
    pub(crate) fn demo(id: &str, name: &str, location: Location, shown: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            location,
            shown: shown.to_owned(),
            asked: true,
            trouble: None,
        }
    }

    async fn check(&self, clock: &Clock) -> Result<(), Failure> {
        match &self.location {
            Location::Folder(path) => folder(path),
            Location::S3(store) => {
                let signed = matches!(store.credentials, media::Credentials::Keys(_));
                let about = |failure: Failure| {
                    let failure = failure.about(format!("cannot read {}", self.shown));
                    if signed {
                        failure
                    } else {
                        failure.next("For a bucket that is not public, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
                    }
                };
                let store = store.as_ref().clone().build(clock);
                let store = store.map_err(|error| about(error.into()))?;
                let source = media::Source::S3(Arc::new(store));
                let asked = tokio::time::timeout(STORE_ANSWERS, source.check()).await;
                asked
                    .unwrap_or(Err(MediaError::UpstreamTimeout))
                    .map_err(|error| about(error.into()))
            }
            _ => Ok(()),
        }
    }
}

/// The folder can be listed.
fn folder(path: &Path) -> Result<(), Failure> {
    let Err(error) = std::fs::read_dir(path) else {
        return Ok(());
    };
    let failure = |code, name| Failure::new(code, name, format!("cannot serve {}", path.display()));
    Err(match error.kind() {
        io::ErrorKind::NotFound => failure(Code::Failed, "notFound")
            .why("there is no such folder")
            .next("Check the path; for a bucket, write s3://bucket/prefix."),
        io::ErrorKind::NotADirectory => failure(Code::Failed, "notAFolder")
            .why("it is a file, not a folder")
            .next("Serve the folder around it, or make one URL with `doorward url FILE`."),
        io::ErrorKind::PermissionDenied => failure(Code::Refused, "accessDenied")
            .why("you may not read it")
            .next("Run doorward as a user who may, or change the folder's permissions."),
        _ => failure(Code::Failed, "notReadable").why(error),
    })
}

/// What the configuration names in the environment is looked up here.
fn store(id: &str, bucket: &Bucket) -> Result<StoreConfig, Failure> {
    let read = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let named = |variable: &str| {
        read(&[variable]).ok_or_else(|| {
            let what = format!("source {id} has no credentials");
            Failure::new(Code::Config, "credentialsMissing", what)
                .why(format!("the environment variable {variable} is not set"))
                .next("Set it, or correct [source.credentials].")
        })
    };
    let credentials = match &bucket.credentials {
        config::Credentials::Anonymous => media::Credentials::Anonymous,
        config::Credentials::Environment => {
            media::Credentials::from_environment().unwrap_or(media::Credentials::Anonymous)
        }
        config::Credentials::Variables {
            access_key,
            secret_key,
            session_token,
        } => {
            let token = session_token.as_deref().map(named).transpose()?;
            let (key, secret) = (named(access_key)?, named(secret_key)?);
            media::Credentials::keys(&key, &secret, token.as_deref())
        }
    };
    let endpoint = bucket
        .endpoint
        .clone()
        .or_else(|| read(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    let mut store = StoreConfig::new(&bucket.bucket, endpoint.as_deref(), credentials);
    store.prefix.clone_from(&bucket.prefix);
    store.region = bucket
        .region
        .clone()
        .or_else(|| read(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
    store.addressing = match bucket.addressing {
        config::Addressing::Auto => media::Addressing::Auto,
        config::Addressing::Path => media::Addressing::Path,
        config::Addressing::Virtual => media::Addressing::Virtual,
    };
    Ok(store)
}
