//! Who asks.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Who asks a store. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody: requests are not signed.
    Anonymous,
    /// An access key.
    Keys(Arc<Keys>),
}

/// An access key. The secret is not printed, and wiped when it is dropped.
pub struct Keys {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

// === impl Credentials ===

impl Credentials {
    /// An access key and, for temporary ones, its session token.
    #[must_use]
    pub fn keys(id: &str, secret: &str, token: Option<&str>) -> Self {
        Self::Keys(Arc::new(Keys {
            id: id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
            token: token.map(|token| Zeroizing::new(token.to_owned())),
        }))
    }

    /// The access key in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`; `None` unless the first two are there and not empty.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let read = |name| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .map(Zeroizing::new)
        };
        let id = read("AWS_ACCESS_KEY_ID")?;
        let secret = read("AWS_SECRET_ACCESS_KEY")?;
        let token = read("AWS_SESSION_TOKEN");
        Some(Self::keys(
            &id,
            &secret,
            token.as_ref().map(|token| token.as_str()),
        ))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m40_credentials_are_not_printed() {
        let credentials = Credentials::keys("AKIDEXAMPLE", "hush", Some("token"));
        assert_eq!(format!("{credentials:?}"), "Keys(Keys(..))");
    }

    #[test]
    fn the_environment_needs_both_halves() {
        let lookup = |given: &'static [(&str, &str)]| {
            Credentials::from_lookup(move |name| {
                given
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(lookup(&[]).is_none());
        assert!(lookup(&[("AWS_ACCESS_KEY_ID", "a")]).is_none());
        assert!(lookup(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "")]).is_none());
        let full = lookup(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]);
        let Some(Credentials::Keys(keys)) = full else {
            panic!("keys")
        };
        assert_eq!(
            (keys.id.as_str(), keys.secret.as_str(), keys.token.is_none()),
            ("a", "b", true)
        );
    }
}
