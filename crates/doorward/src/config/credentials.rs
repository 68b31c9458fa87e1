//! Who asks a store: names of variables, profiles and keyrings, never a secret.

use super::Places;
use super::error::ConfigError;
use super::keys::{self, Key};
use super::source::Kind;
use super::value::Value;
use super::written::Entry;

/// Who asks a store. Names of environment variables, profiles and files, never
/// what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// The cloud's usual variables, if they are there: `AWS_…`, `AZURE_STORAGE_…`,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    Environment,
    /// Nobody: the source is public.
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
    /// An AWS profile; without a name, whatever AWS's own tools would use.
    Profile(Option<String>),
    /// An entry of this user's keyring, under the source's id.
    Keyring {
        /// The public half of an access key.
        key_id: Option<String>,
    },
    /// A variable of this name holds a bearer token.
    Bearer(String),
    /// A variable of this name holds the key of Azure's storage account.
    AccountKey(String),
    /// A variable of this name holds a shared access signature.
    Signature(String),
    /// The JSON key file of a service account of Google's.
    ServiceAccount(std::path::PathBuf),
}

/// Keys that say who asks.
static WHO_ASKS: [&Key; 9] = [
    &keys::SOURCE_PROFILE,
    &keys::SOURCE_CREDENTIALS,
    &keys::SOURCE_ACCESS_KEY,
    &keys::SOURCE_SECRET_KEY,
    &keys::SOURCE_TOKEN,
    &keys::SOURCE_BEARER,
    &keys::SOURCE_ACCOUNT_KEY,
    &keys::SOURCE_SAS,
    &keys::SOURCE_SERVICE_ACCOUNT,
];

impl Entry {
    pub(super) fn credentials(
        &self,
        kind: &Kind,
        places: &Places,
    ) -> Result<Credentials, ConfigError> {
        let anonymous = self.settings.value(&keys::SOURCE_ANONYMOUS) == Some(Value::Flag(true));
        let is_written = |key: &Key| self.settings.written(key).is_some();
        if anonymous && WHO_ASKS.iter().any(|key| is_written(key)) {
            return Err(self.wrong(
                &keys::SOURCE_ANONYMOUS,
                "an anonymous source has no credentials: remove one of the two",
            ));
        }
        let found: Vec<_> = [
            self.keys()?.map(|found| (&keys::SOURCE_ACCESS_KEY, found)),
            self.variable(&keys::SOURCE_BEARER)?
                .map(|name| (&keys::SOURCE_BEARER, Credentials::Bearer(name))),
            self.variable(&keys::SOURCE_ACCOUNT_KEY)?
                .map(|name| (&keys::SOURCE_ACCOUNT_KEY, Credentials::AccountKey(name))),
            self.variable(&keys::SOURCE_SAS)?
                .map(|name| (&keys::SOURCE_SAS, Credentials::Signature(name))),
            self.service_account(places)
                .map(|found| (&keys::SOURCE_SERVICE_ACCOUNT, found)),
            self.named().map(|found| (&keys::SOURCE_CREDENTIALS, found)),
            self.settings
                .text(&keys::SOURCE_PROFILE)
                .map(|name| (&keys::SOURCE_PROFILE, Credentials::Profile(Some(name)))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let key_id = self.settings.text(&keys::SOURCE_KEY_ID);
        let in_keyring = found
            .iter()
            .any(|(_, found)| matches!(found, Credentials::Keyring { .. }));
        if key_id.is_some() && !in_keyring {
            let why = "it goes with credentials = \"keyring\": the keyring holds its secret";
            return Err(self.wrong(&keys::SOURCE_KEY_ID, why));
        }
        match found.as_slice() {
            [] if anonymous => Ok(Credentials::Anonymous),
            [] if *kind == Kind::Web => Ok(Credentials::Anonymous),
            [] => Ok(Credentials::Environment),
            [(key, Credentials::Profile(_))] if *kind != Kind::S3 => {
                Err(self.wrong(key, "AWS's credentials are for s3:// buckets"))
            }
            [(key, Credentials::Environment)] if *kind == Kind::Web => Err(self.wrong(
                key,
                "a web server has no usual variables: name one as bearer_env",
            )),
            [(key, found)] => {
                if *kind == Kind::S3 && in_keyring && key_id.is_none() {
                    let why = "an access key of an S3 store has two halves: write key_id, its public one, here";
                    return Err(self.wrong(key, why));
                }
                Ok(found.clone())
            }
            [_, (key, _), ..] => Err(self.wrong(
                key,
                "a source has credentials of one kind: remove the others",
            )),
        }
    }

    /// `credentials = "…"`.
    fn named(&self) -> Option<Credentials> {
        Some(
            match self.settings.text(&keys::SOURCE_CREDENTIALS)?.as_str() {
                "aws" => Credentials::Profile(None),
                "keyring" => Credentials::Keyring {
                    key_id: self.settings.text(&keys::SOURCE_KEY_ID),
                },
                _ => Credentials::Environment,
            },
        )
    }

    fn keys(&self) -> Result<Option<Credentials>, ConfigError> {
        let access_key = self.variable(&keys::SOURCE_ACCESS_KEY)?;
        let secret_key = self.variable(&keys::SOURCE_SECRET_KEY)?;
        let session_token = self.variable(&keys::SOURCE_TOKEN)?;
        let missing =
            |key| Err(self.wrong(key, "credentials need access_key_env and secret_key_env"));
        match (access_key, secret_key, session_token) {
            (None, None, None) => Ok(None),
            (Some(access_key), Some(secret_key), session_token) => {
                Ok(Some(Credentials::Variables {
                    access_key,
                    secret_key,
                    session_token,
                }))
            }
            (None, ..) => missing(&keys::SOURCE_ACCESS_KEY),
            (_, None, _) => missing(&keys::SOURCE_SECRET_KEY),
        }
    }

    fn service_account(&self, places: &Places) -> Option<Credentials> {
        match self.settings.written(&keys::SOURCE_SERVICE_ACCOUNT) {
            Some((Value::Path(path), whence)) => {
                Some(Credentials::ServiceAccount(places.absolute(path, whence)))
            }
            _ => None,
        }
    }

    fn variable(&self, key: &'static Key) -> Result<Option<String>, ConfigError> {
        match self.settings.text(key) {
            Some(name) if is_variable(&name) => Ok(Some(name)),
            // Not shown: it may be the secret itself.
            Some(_) => Err(self.wrong(key, NOT_A_VARIABLE)),
            None => Ok(None),
        }
    }
}

pub(super) const NOT_A_VARIABLE: &str =
    "this is not the name of an environment variable. Do not write the secret itself here";

pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
