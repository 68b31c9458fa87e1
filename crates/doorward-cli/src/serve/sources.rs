//! Sources: from what the configuration says to what the media room takes,
//! checked before anything is told to be ready.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::config::{self, Config, Whence};
use doorward::guard::Clock;
use doorward::media::{self, Dialect, Location, MediaError, StoreConfig};

use crate::failure::{Code, Failure};
use crate::stores;
use crate::term::{Paint, remark};

/// A store that takes longer to answer is not ready.
const STORE_ANSWERS: Duration = Duration::from_secs(15);

/// A web server in a local network needs to be meant.
const NEAR: &str = "For a server on this machine or in a local network, write local_networks = true under its [[source]].";

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
    /// With its credentials; a profile and a keyring are asked when it is.
    ///
    /// # Errors
    ///
    /// What [`stores::location`] says.
    pub(crate) fn read(source: &config::Source) -> Result<Self, Failure> {
        let location = stores::location(source)?;
        let mut shown = source.place.location();
        // One of the environment is told as well.
        if let Location::Store(store) = &location
            && let Some(endpoint) = &store.endpoint
            && !shown.contains(endpoint.trim_end_matches('/'))
        {
            shown.push_str(&format!(" at {endpoint}"));
        }
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

    /// Asks it for a sign of life.
    ///
    /// # Errors
    ///
    /// Why it gives none.
    pub(crate) async fn check(&self, clock: &Clock) -> Result<(), Failure> {
        match &self.location {
            Location::Folder(path) => folder(path),
            Location::Store(store) => {
                let hint = hint(store);
                let about = |error: MediaError| {
                    let refused = matches!(error, MediaError::EndpointNotAllowed(_));
                    let failure = Failure::from(error).about(format!("cannot read {}", self.shown));
                    match hint {
                        _ if refused && store.dialect == Dialect::Web => failure.next(NEAR),
                        Some(hint) => failure.next(hint),
                        None => failure,
                    }
                };
                let store = store.as_ref().clone().build(clock).map_err(about)?;
                let source = media::Source::Store(Arc::new(store));
                let asked = tokio::time::timeout(STORE_ANSWERS, source.check()).await;
                asked
                    .unwrap_or(Err(MediaError::UpstreamTimeout))
                    .map_err(about)
            }
            _ => Ok(()),
        }
    }
}

/// What to do about a store that nobody signs for.
fn hint(store: &StoreConfig) -> Option<&'static str> {
    match (&store.credentials, store.dialect) {
        (media::Credentials::Anonymous, Dialect::S3) => Some(
            "For a bucket that is not public, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name an AWS profile.",
        ),
        (media::Credentials::Anonymous, Dialect::Gcs) => Some(
            "For a bucket that is not public, set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file.",
        ),
        (media::Credentials::Anonymous, Dialect::Azure) => Some(
            "For a container that is not public, set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.",
        ),
        _ => None,
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
