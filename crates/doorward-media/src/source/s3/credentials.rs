//! Who asks.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::config::Dialect;
use super::renew::{Provide, Renewed};
use crate::error::MediaError;

/// Who asks a store. Cheap to clone; nothing of it is printed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody: requests are not signed.
    Anonymous,
    /// An access key: an id and a secret to sign with. For Azure, the account
    /// and its key.
    Keys(Arc<Keys>),
    /// A token that is sent as it is.
    Bearer(Arc<Bearer>),
    /// Azure's shared access signature: parameters of the query.
    Signature(Arc<Sas>),
    /// Whatever a provider issues, as long as it lasts.
    Renewed(Arc<Renewed>),
}

/// An access key. The secret is not printed, and wiped when it is dropped.
pub struct Keys {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

/// A bearer token, as the value of `Authorization`.
pub struct Bearer(pub(super) HeaderValue);

/// A shared access signature.
pub struct Sas {
    /// Encoded as it is sent, without a question mark.
    pub(super) query: Zeroizing<String>,
}

/// Headers that go to a web server with every request. Their values are not
/// printed.
#[derive(Clone, Default)]
pub struct Headers(pub(super) HeaderMap);

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

    /// A bearer token.
    ///
    /// # Errors
    ///
    /// [`MediaError::CredentialsRejected`] for a text that no header may hold.
    pub fn bearer(token: &str) -> Result<Self, MediaError> {
        let text = Zeroizing::new(format!("Bearer {}", token.trim()));
        let mut value = HeaderValue::from_str(&text).map_err(unusable)?;
        value.set_sensitive(true);
        Ok(Self::Bearer(Arc::new(Bearer(value))))
    }

    /// A shared access signature, with or without its question mark.
    ///
    /// # Errors
    ///
    /// [`MediaError::CredentialsRejected`] for a text that is not one.
    pub fn signature(text: &str) -> Result<Self, MediaError> {
        let query = text.trim().trim_start_matches('?');
        let sound = query.split('&').any(|pair| pair.starts_with("sig="))
            && query
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"#<>\"\\^`{|}".contains(&byte));
        if !sound {
            return Err(unusable(()));
        }
        let query = Zeroizing::new(query.to_owned());
        Ok(Self::Signature(Arc::new(Sas { query })))
    }

    /// What `provider` issues: asked when it is needed first, before it runs out,
    /// and when the store says that it has.
    #[must_use]
    pub fn renewed(provider: impl Provide + 'static) -> Self {
        Self::Renewed(Arc::new(Renewed::new(Arc::new(provider))))
    }

    /// What an AWS profile gives, by SSO, an assumed role, a program or keys; or,
    /// without a name, what the environment and `AWS_PROFILE` say.
    ///
    /// # Errors
    ///
    /// [`MediaError::CredentialsUnavailable`] in a build without the feature
    /// `aws-profiles`. Whether there is such a profile is seen when it is asked.
    pub fn profile(name: Option<&str>) -> Result<Self, MediaError> {
        #[cfg(feature = "aws-profiles")]
        {
            Ok(Self::renewed(super::aws::Profile::new(name)))
        }
        #[cfg(not(feature = "aws-profiles"))]
        {
            let _ = name;
            let why = "This doorward reads no AWS profiles: use one that is built with the feature aws-profiles.";
            Err(MediaError::CredentialsUnavailable(
                why,
                "not in this build".to_owned(),
            ))
        }
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

    /// Whether a store of this kind takes them. What a provider issues is seen
    /// when it has issued it.
    pub(super) fn suit(&self, dialect: Dialect) -> bool {
        match self {
            Self::Anonymous | Self::Renewed(_) => true,
            Self::Keys(_) => dialect != Dialect::Web,
            Self::Bearer(_) => dialect != Dialect::S3,
            Self::Signature(_) => dialect == Dialect::Azure,
        }
    }
}

// === impl Headers ===

impl Headers {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// [`MediaError::InvalidSource`] for what is no header, and for those that
    /// say how a request is framed or what it asks for: they are not free.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), MediaError> {
        let invalid = |_| MediaError::InvalidSource("This is not a header that can be sent.");
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(()))?;
        let ours = [
            "host",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "range",
        ];
        let begins = ["content-", "transfer-", "proxy-", "if-", "accept-"];
        if ours.contains(&parsed.as_str()) || begins.iter().any(|b| parsed.as_str().starts_with(b))
        {
            return Err(invalid(()));
        }
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| invalid(()))?;
        value.set_sensitive(true);
        self.0.insert(parsed, value);
        Ok(())
    }
}

pub(super) fn unusable<E>(_: E) -> MediaError {
    MediaError::CredentialsRejected("not usable as they are written".to_owned())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sas(..)")
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m40_credentials_are_not_printed() {
        let credentials = Credentials::keys("AKIDEXAMPLE", "hush", Some("token"));
        assert_eq!(format!("{credentials:?}"), "Keys(Keys(..))");
        let bearer = Credentials::bearer("hush").unwrap();
        let sas = Credentials::signature("?sv=2024&sig=hush%3D").unwrap();
        let mut headers = Headers::default();
        headers.insert("X-Api-Key", "hush").unwrap();
        let told = format!("{bearer:?} {sas:?} {headers:?}");
        assert!(!told.contains("hush"), "{told}");
    }

    #[test]
    fn texts_that_are_no_credentials_are_refused_without_being_repeated() {
        for told in [
            Credentials::bearer("a\r\nb-hush").unwrap_err(),
            Credentials::signature("hush").unwrap_err(),
            Credentials::signature("sig=hush b#").unwrap_err(),
        ] {
            assert!(!format!("{told} {told:?}").contains("hush"));
        }
    }

    #[test]
    fn headers_that_frame_a_request_are_not_free() {
        let mut headers = Headers::default();
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "range",
            "If-Match",
            "accept-encoding",
            "Connection",
            "a b",
            "",
        ] {
            assert!(headers.insert(name, "x").is_err(), "{name}");
        }
        assert!(headers.insert("x-a", "b\r\nc: d").is_err());
        headers.insert("Authorization", "Basic YTpi").unwrap();
        headers.insert("cookie", "a=b").unwrap();
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
