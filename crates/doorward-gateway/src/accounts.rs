//! Who may sign in, and how that is checked.

use std::collections::BTreeMap;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_guard::Secret;
use serde::{Deserialize, Serialize};

/// The accounts of a gateway: what stands in its file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// By name.
    #[serde(default)]
    pub account: BTreeMap<String, Account>,
    /// Whether guests get in.
    #[serde(default)]
    pub guests: bool,
    /// Whether nobody in particular gets in.
    #[serde(default)]
    pub anonymous: bool,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What it may do.
    pub profile: Profile,
    /// Argon2id, as a PHC string.
    pub password: Option<String>,
    /// An Ed25519 public key, in base64.
    pub key: Option<String>,
}

/// Sets of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// All.
    Operator,
    /// To look, and to talk.
    Guest,
    /// To look.
    Anonymous,
}

/// What is wrong with accounts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The file is not what it has to be.
    #[error("the accounts cannot be read: {0}")]
    Malformed(String),
    /// A hash that is none, or costs more than it may.
    #[error("the password of {0} is not an Argon2id hash that is taken here")]
    Hash(String),
    /// A key that is none.
    #[error("the key of {0} is not an Ed25519 public key in base64")]
    Key(String),
    /// A password could not be hashed.
    #[error("the password cannot be hashed")]
    Unhashable,
}

/// An account that does not exist is checked against this: it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// A PHC string is never longer.
const HASH: usize = 512;

impl Accounts {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// Text that is not TOML of this shape; hashes and keys that are none.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let accounts: Self =
            toml::from_str(text).map_err(|error| AccountsError::Malformed(error.to_string()))?;
        for (name, account) in &accounts.account {
            let sound = |hash: &String| hash.starts_with("$argon2id$") && hash.len() <= HASH;
            if !account.password.as_ref().is_none_or(sound) {
                return Err(AccountsError::Hash(name.clone()));
            }
            let key = account.key.as_ref().map(|key| STANDARD.decode(key));
            if !key.is_none_or(|key| key.is_ok_and(|key| key.len() == 32)) {
                return Err(AccountsError::Key(name.clone()));
            }
        }
        Ok(accounts)
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// Names that no file can hold.
    pub fn to_toml(&self) -> Result<String, AccountsError> {
        toml::to_string(self).map_err(|error| AccountsError::Malformed(error.to_string()))
    }

    /// Adds an account with a password.
    ///
    /// # Errors
    ///
    /// The password cannot be hashed.
    pub fn add_password(
        &mut self,
        name: &str,
        profile: Profile,
        password: &str,
    ) -> Result<(), AccountsError> {
        let salt = Secret::<16>::random();
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), salt.bytes())
            .map_err(|_| AccountsError::Unhashable)?;
        let account = Account {
            profile,
            password: Some(hash.to_string()),
            key: None,
        };
        self.account.insert(name.to_owned(), account);
        Ok(())
    }

    /// Adds an account with an Ed25519 public key.
    pub fn add_key(&mut self, name: &str, profile: Profile, key: &[u8]) {
        let account = Account {
            profile,
            password: None,
            key: Some(STANDARD.encode(key)),
        };
        self.account.insert(name.to_owned(), account);
    }

    /// The hash that a password of `name` has to match; somebody's all the same if
    /// there is no such account.
    pub(crate) fn hash_of(&self, name: &str) -> (String, Option<Profile>) {
        let account = self.account.get(name);
        let found = account.and_then(|account| Some((account.password.clone()?, account.profile)));
        match found {
            Some((hash, profile)) => (hash, Some(profile)),
            None => (NOBODY.to_owned(), None),
        }
    }

    /// The profile of `name`, if `signature` is its key's over `challenge`.
    pub(crate) fn signed(&self, name: &str, challenge: &[u8], signature: &[u8]) -> Option<Profile> {
        let account = self.account.get(name)?;
        let key = STANDARD.decode(account.key.as_ref()?).ok()?;
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(challenge, signature).ok()?;
        Some(account.profile)
    }
}

/// Whether `password` is the one of `hash`. Takes tens of milliseconds.
pub(crate) fn matches(password: &[u8], hash: &str) -> bool {
    Argon2::default().verify_password(password, hash).is_ok()
}

// === impl Profile ===

impl Profile {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Guest => "guest",
            Self::Anonymous => "anonymous",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_a_stranger_costs_as_much() {
        let mut accounts = Accounts::default();
        accounts
            .add_password("ada", Profile::Operator, "right")
            .unwrap();
        let (hash, profile) = accounts.hash_of("ada");
        assert_eq!(profile, Some(Profile::Operator));
        assert!(matches(b"right", &hash) && !matches(b"wrong", &hash));
        let (nobody, none) = accounts.hash_of("nobody");
        assert_eq!(none, None);
        let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&nobody), cost(&hash));
        assert!(!matches(b"", &nobody));
        let written = toml::to_string(&accounts).unwrap();
        assert!(!written.contains("right"));
        assert_eq!(Accounts::parse(&written).unwrap().account.len(), 1);
    }

    #[test]
    fn what_is_no_hash_and_no_key_is_refused() {
        for text in [
            "[account.a]\nprofile = \"operator\"\npassword = \"plain\"",
            "[account.a]\nprofile = \"operator\"\nkey = \"AAAA\"",
            "[account.a]\nprofile = \"root\"",
            "[account.a]\nprofile = \"guest\"\nadmin = true",
        ] {
            assert!(Accounts::parse(text).is_err(), "{text}");
        }
    }
}
