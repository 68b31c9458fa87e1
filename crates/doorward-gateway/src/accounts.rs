//! Who may sign in, and how that is checked; what operators may run, and for how
//! long they are lent what.

use std::collections::BTreeMap;

use argon2::password_hash::Error as NoMatch;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_guard::Secret;
use serde::{Deserialize, Serialize};

use crate::capabilities;
use crate::defaults;
use crate::services::Service;

/// The accounts of a gateway, and what they get: what stands in its file.
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
    /// What operators may run, by name.
    #[serde(default)]
    pub service: BTreeMap<String, Service>,
    /// Capabilities that are lent for less than a session: seconds, by name.
    #[serde(default)]
    pub lease: BTreeMap<String, u64>,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What it may do.
    pub profile: Profile,
    /// Argon2id, as a PHC string, at the cost that [`Accounts::add_password`] has.
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
    /// A hash that is none, or of another cost: its time would tell that there is
    /// such an account.
    #[error(
        "the password of {0} is not an Argon2id hash as `doorward gateway add-account` makes it"
    )]
    Hash(String),
    /// A key that is none.
    #[error("the key of {0} is not an Ed25519 public key in base64")]
    Key(String),
    /// A service that could not be run as it is written.
    #[error("the service {0}: {1}")]
    Service(String, &'static str),
    /// A lease of something that is lent to nobody, or for no time.
    #[error("there is no capability {0:?} to be lent for some seconds")]
    Lease(String),
    /// A password could not be hashed.
    #[error("the password cannot be hashed")]
    Unhashable,
}

/// An account that does not exist is checked against this: it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How each hash begins: all cost the same.
const COST: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// Salt and output of each, in bytes: what is shorter or is not there costs less.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Nobody's key, for the same reason: the curve's base point.
const NOBODYS_KEY: [u8; 32] = {
    let mut key = [0x66; 32];
    key[0] = 0x58;
    key
};

impl Accounts {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// Text that is not TOML of this shape; hashes and keys that are none; services
    /// without an absolute path, leases of nothing.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let accounts: Self =
            toml::from_str(text).map_err(|error| AccountsError::Malformed(error.to_string()))?;
        for (name, account) in &accounts.account {
            let sound = |hash: &String| hash.starts_with(COST) && whole(hash).is_some();
            if !account.password.as_ref().is_none_or(sound) {
                return Err(AccountsError::Hash(name.clone()));
            }
            let key = account.key.as_ref().map(|key| STANDARD.decode(key));
            if !key.is_none_or(|key| key.is_ok_and(|key| key.len() == 32)) {
                return Err(AccountsError::Key(name.clone()));
            }
        }
        if accounts.service.len() > defaults::SERVICES {
            let name = accounts.service.keys().last().cloned().unwrap_or_default();
            return Err(AccountsError::Service(name, "there are too many"));
        }
        for (name, service) in &accounts.service {
            let sound = service.check(name);
            sound.map_err(|why| AccountsError::Service(name.clone(), why))?;
        }
        for (name, seconds) in &accounts.lease {
            if *seconds == 0 || !capabilities::NAMES.contains(&name.as_str()) {
                return Err(AccountsError::Lease(name.clone()));
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

    /// The profile of `name`, if `signature` is its key's over `challenge`; somebody's
    /// key is asked all the same if there is none.
    pub(crate) fn signed(&self, name: &str, challenge: &[u8], signature: &[u8]) -> Option<Profile> {
        let (key, profile) = self.key_of(name);
        let key = UnparsedPublicKey::new(&ED25519, key);
        let right = key.verify(challenge, signature).is_ok();
        profile.filter(|_| right)
    }

    fn key_of(&self, name: &str) -> (Vec<u8>, Option<Profile>) {
        let account = self.account.get(name);
        let found = account.and_then(|account| {
            let key = STANDARD.decode(account.key.as_ref()?).ok()?;
            Some((key, account.profile))
        });
        match found {
            Some((key, profile)) => (key, Some(profile)),
            None => (NOBODYS_KEY.to_vec(), None),
        }
    }
}

/// Whether `password` is the one of `hash`, which takes tens of milliseconds. `None`
/// if that could not be evaluated, which takes none.
pub(crate) fn matches(password: &[u8], hash: &str) -> Option<bool> {
    match Argon2::default().verify_password(password, &whole(hash)?) {
        Ok(()) => Some(true),
        Err(NoMatch::PasswordInvalid) => Some(false),
        Err(_) => None,
    }
}

/// The hash, if nothing is missing of it.
fn whole(hash: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(hash).ok()?;
    let salt = hash.salt.as_ref().map(|salt| salt.len());
    let output = hash.hash.as_ref().map(|output| output.len());
    (salt == Some(SALT) && output == Some(OUTPUT)).then_some(hash)
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
    fn op_a4_a_password_is_kept_as_argon2id_and_a_stranger_costs_as_much() {
        let mut accounts = Accounts::default();
        accounts
            .add_password("ada", Profile::Operator, "right")
            .unwrap();
        let (hash, profile) = accounts.hash_of("ada");
        assert_eq!(profile, Some(Profile::Operator));
        assert_eq!(matches(b"right", &hash), Some(true));
        assert_eq!(matches(b"wrong", &hash), Some(false));
        let (nobody, none) = accounts.hash_of("nobody");
        assert_eq!(none, None);
        let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&nobody), cost(&hash));
        assert_eq!(matches(b"", &nobody), Some(false), "it is evaluated");
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
            "[service.a]\nlabel = \"A\"\ncommand = []",
            "[service.a]\nlabel = \"A\"\ncommand = [\"true\"]",
            "[service.a]\nlabel = \"A\"\ncommand = [\"/bin/a\\u0000b\"]",
            "[service.a]\nlabel = \"A\"\ncommand = [\"/bin/a\"]\nshell = true",
            "[service.a]\nlabel = \"A\"\ncommand = [\"/bin/a\"]\n[service.a.grant.g]\nlabel = \"G\"\nvariable = \"A=B\"\nvalue = \"1\"",
            "[lease]\nrunner = 0",
            "[lease]\nnothing = 5",
        ] {
            assert!(Accounts::parse(text).is_err(), "{text}");
        }
        let sound = "[service.a]\nlabel = \"A\"\ncommand = [\"/bin/a\", \"b c\"]\n\
                     [service.a.grant.g]\nlabel = \"G\"\nvariable = \"A_1\"\nvalue = \"1\"\n\
                     [lease]\nrunner = 5";
        let accounts = Accounts::parse(sound).unwrap();
        assert_eq!((accounts.service.len(), accounts.lease.len()), (1, 1));
    }

    #[test]
    fn op_a4_a_hash_that_costs_less_or_more_is_not_taken() {
        let mut accounts = Accounts::default();
        accounts
            .add_password("ada", Profile::Operator, "right")
            .unwrap();
        let text = accounts.to_toml().unwrap();
        assert!(Accounts::parse(&text).is_ok());
        for other in ["m=8,t=2,p=1", "m=19456,t=1,p=1", "m=1048576,t=2,p=1"] {
            let text = text.replace("m=19456,t=2,p=1", other);
            let refused = Accounts::parse(&text);
            assert!(matches!(refused, Err(AccountsError::Hash(_))), "{other}");
        }
        // What has no output, or a short one, would be turned down without any work.
        let hash = accounts.account["ada"].password.clone().unwrap();
        let (salted, output) = hash.rsplit_once('$').unwrap();
        for part in [salted, COST, &hash[..hash.len() - 11]] {
            assert_eq!(matches(b"right", part), None, "{part}");
            let text = text.replace(&hash, part);
            let refused = Accounts::parse(&text);
            assert!(matches!(refused, Err(AccountsError::Hash(_))), "{part}");
        }
        let short_salt = format!("{COST}AAAAAAAAAAA${output}");
        let refused = Accounts::parse(&text.replace(&hash, &short_salt));
        assert!(matches!(refused, Err(AccountsError::Hash(_))));
    }

    #[test]
    fn op_a4_a_signature_is_checked_against_a_key_whoever_it_is_for() {
        let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let public = aws_lc_rs::signature::KeyPair::public_key(&key).as_ref();
        let mut accounts = Accounts::default();
        accounts
            .add_password("ada", Profile::Operator, "right")
            .unwrap();
        accounts.add_key("kay", Profile::Operator, public);
        let signature = key.sign(b"this");
        let signed = |name: &str| accounts.signed(name, b"this", signature.as_ref());
        assert_eq!(signed("kay"), Some(Profile::Operator));
        assert_eq!(accounts.key_of("kay").0, public);
        for name in ["ada", "nobody", ""] {
            assert_eq!(signed(name), None);
            // One that would be turned down before any work is done is none.
            let (other, profile) = accounts.key_of(name);
            assert_eq!((&other[..], profile), (&NOBODYS_KEY[..], None));
            aws_lc_rs::signature::ParsedPublicKey::new(&ED25519, other).unwrap();
        }
    }
}
