//! From what the configuration says of a source to what the media room takes.
//! Variables, files, profiles and the keyring that it names are looked up here.

use doorward::config::{self, Bucket, Cloud, Place, Web};
use doorward::guard::Clock;
use doorward::media::source::{Dialect, Headers, ServiceAccount};
use doorward::media::{self, Credentials, Location, MediaError, StoreConfig};

use crate::failure::{Code, Failure};
use crate::keyring::InKeyring;

/// One source, while its credentials are looked up.
struct Asked<'a> {
    id: &'a str,
    dialect: Dialect,
    /// Azure's account.
    account: Option<&'a str>,
}

/// Where a source is, with whatever opens it.
///
/// # Errors
///
/// A variable or file that is named is not there, or holds something else.
pub(crate) fn location(source: &config::Source) -> Result<Location, Failure> {
    Ok(match &source.place {
        Place::Folder(path) => Location::Folder(path.clone()),
        Place::Bucket(bucket) => Location::Store(Box::new(store(&source.id, bucket)?)),
        Place::Web(web) => Location::Store(Box::new(server(&source.id, web)?)),
        other => {
            let what = format!("this doorward cannot serve {}", other.location());
            return Err(Failure::new(Code::Config, "notInThisBuild", what));
        }
    })
}

fn store(id: &str, bucket: &Bucket) -> Result<StoreConfig, Failure> {
    let (name, endpoint) = (bucket.bucket.as_str(), bucket.endpoint.as_deref());
    let asked = |dialect, account| Asked {
        id,
        dialect,
        account,
    };
    let find = |asked: &Asked<'_>| asked.credentials(&bucket.credentials);
    let mut store = match &bucket.cloud {
        Cloud::Gcs => StoreConfig::gcs(name, endpoint, find(&asked(Dialect::Gcs, None))?),
        Cloud::Azure { account } => {
            let credentials = find(&asked(Dialect::Azure, Some(account)))?;
            StoreConfig::azure(account, name, endpoint, credentials)
        }
        _ => {
            let usual = read(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
            let endpoint = endpoint.or(usual.as_deref());
            let mut store = StoreConfig::new(name, endpoint, find(&asked(Dialect::S3, None))?);
            store.region = bucket.region.clone().or_else(|| usual_region(bucket));
            store.addressing = match bucket.addressing {
                config::Addressing::Auto => media::Addressing::Auto,
                config::Addressing::Path => media::Addressing::Path,
                config::Addressing::Virtual => media::Addressing::Virtual,
            };
            store
        }
    };
    store.prefix.clone_from(&bucket.prefix);
    Ok(store)
}

/// A profile that is named has a region of its own.
fn usual_region(bucket: &Bucket) -> Option<String> {
    match bucket.credentials {
        config::Credentials::Profile(Some(_)) => None,
        _ => read(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
    }
}

fn server(id: &str, web: &Web) -> Result<StoreConfig, Failure> {
    let asked = Asked {
        id,
        dialect: Dialect::Web,
        account: None,
    };
    let mut store = StoreConfig::web(&web.url, asked.credentials(&web.credentials)?);
    if web.local_networks {
        store.addresses = store.addresses.with_local_networks();
    }
    let mut headers = Headers::default();
    for (name, variable) in &web.headers {
        let value = asked.variable(variable)?;
        headers
            .insert(name, &value)
            .map_err(|error| asked.unusable(&format!("the header {name}"), &error))?;
    }
    store.headers = headers;
    store.index.clone_from(&web.index);
    Ok(store)
}

impl Asked<'_> {
    fn credentials(&self, named: &config::Credentials) -> Result<Credentials, Failure> {
        match named {
            config::Credentials::Anonymous => Ok(Credentials::Anonymous),
            config::Credentials::Environment => self.usual(),
            config::Credentials::Variables {
                access_key,
                secret_key,
                session_token,
            } => {
                let token = session_token.as_deref().map(|name| self.variable(name));
                let token = token.transpose()?;
                let (key, secret) = (self.variable(access_key)?, self.variable(secret_key)?);
                Ok(Credentials::keys(&key, &secret, token.as_deref()))
            }
            config::Credentials::Profile(name) => {
                Credentials::profile(name.as_deref()).map_err(|error| {
                    Failure::from(error).about(format!("source {} cannot be asked", self.id))
                })
            }
            config::Credentials::Keyring { key_id } => Ok(Credentials::renewed(InKeyring {
                id: self.id.to_owned(),
                dialect: self.dialect,
                key_id: key_id.clone().or_else(|| self.account.map(str::to_owned)),
                clock: Clock::system(),
            })),
            config::Credentials::Bearer(name) => {
                let token = self.variable(name)?;
                Credentials::bearer(&token).map_err(|error| self.unusable(name, &error))
            }
            config::Credentials::AccountKey(name) => Ok(self.account_key(&self.variable(name)?)),
            config::Credentials::Signature(name) => {
                let text = self.variable(name)?;
                Credentials::signature(&text).map_err(|error| self.unusable(name, &error))
            }
            config::Credentials::ServiceAccount(path) => self.service_account(path),
            _ => {
                let what = format!("source {} names credentials of another version", self.id);
                Err(Failure::new(Code::Config, "notInThisBuild", what))
            }
        }
    }

    /// The variables that this cloud's own tools use, if they are there.
    fn usual(&self) -> Result<Credentials, Failure> {
        let profile = || match read(&["AWS_PROFILE"]) {
            Some(_) => self.credentials(&config::Credentials::Profile(None)),
            None => Ok(Credentials::Anonymous),
        };
        match self.dialect {
            Dialect::S3 => Credentials::from_environment().map_or_else(profile, Ok),
            Dialect::Gcs => match read(&["GOOGLE_APPLICATION_CREDENTIALS"]) {
                Some(path) => self.service_account(path.as_ref()),
                None => Ok(Credentials::Anonymous),
            },
            Dialect::Azure => {
                let sas = "AZURE_STORAGE_SAS_TOKEN";
                match (read(&["AZURE_STORAGE_KEY"]), read(&[sas])) {
                    (Some(key), _) => Ok(self.account_key(&key)),
                    (None, Some(text)) => {
                        Credentials::signature(&text).map_err(|error| self.unusable(sas, &error))
                    }
                    (None, None) => Ok(Credentials::Anonymous),
                }
            }
            _ => Ok(Credentials::Anonymous),
        }
    }

    fn account_key(&self, key: &str) -> Credentials {
        Credentials::keys(self.account.unwrap_or_default(), key, None)
    }

    fn service_account(&self, path: &std::path::Path) -> Result<Credentials, Failure> {
        let shown = path.display().to_string();
        let json = std::fs::read_to_string(path)
            .map_err(|error| self.missing(&format!("cannot read {shown}: {error}")))?;
        let json = zeroize::Zeroizing::new(json);
        ServiceAccount::parse(&json, &Clock::system())
            .map(Credentials::renewed)
            .map_err(|error| self.unusable(&shown, &error))
    }

    fn variable(&self, name: &str) -> Result<String, Failure> {
        let missing = || self.missing(&format!("the environment variable {name} is not set"));
        read(&[name]).ok_or_else(missing)
    }

    fn missing(&self, why: &str) -> Failure {
        let what = format!("source {} has no credentials", self.id);
        Failure::new(Code::Config, "credentialsMissing", what)
            .why(why)
            .next("Set it, or correct [source.credentials].")
    }

    /// What `place` holds is not repeated.
    fn unusable(&self, place: &str, error: &MediaError) -> Failure {
        let what = format!("source {} cannot use what {place} holds", self.id);
        Failure::new(Code::Config, error.name(), what).why(error.message())
    }
}

fn read(names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}
