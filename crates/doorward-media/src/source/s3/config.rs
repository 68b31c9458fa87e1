//! What a store is made of, and where its requests go.

use doorward_egress::{AddressPolicy, Client, Dialer, Target, Trust};
use doorward_guard::Clock;
use http::Uri;

use super::credentials::{Credentials, Headers};
use super::{Store, azure};
use crate::defaults;
use crate::error::MediaError;
use crate::fetch::stock::Stock;
use crate::fetch::{Line, MediaTuning};
use crate::name::Key;

/// How a store is spoken to: who signs, where an object's name goes, and how a
/// listing is asked for and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// S3: Signature Version 4, `ListObjectsV2`.
    #[default]
    S3,
    /// Google Cloud Storage by its XML API: as S3 with an HMAC key, or with a
    /// bearer token.
    Gcs,
    /// Azure Blob Storage: Shared Key, shared access signature or bearer token,
    /// `List Blobs`.
    Azure,
    /// A web server. It lists nothing.
    Web,
}

/// How a bucket is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Addressing {
    /// By path for an endpoint of one's own and for buckets with a dot in their
    /// name, by host name otherwise.
    #[default]
    Auto,
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    Virtual,
}

/// What a [`Store`] is made of.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// The bucket; Azure's container; empty for a web server.
    pub bucket: String,
    /// Azure's storage account; empty for the others.
    pub account: String,
    /// Only keys below this prefix; empty for all of them.
    pub prefix: String,
    /// `http://` or `https://` URL of the store; the cloud's own if there is
    /// none. For a web server, the URL below which its files are.
    pub endpoint: Option<String>,
    /// The region to sign for. If there is none, that of the credentials'
    /// profile, or `us-east-1`. A bucket that says it lives elsewhere is
    /// believed once.
    pub region: Option<String>,
    /// How the bucket is addressed.
    pub addressing: Addressing,
    /// Who asks.
    pub credentials: Credentials,
    /// What else is sent to a web server.
    pub headers: Headers,
    /// What a web server is known to have: the names that a listing shows.
    pub index: Vec<String>,
    /// Whom to believe.
    pub trust: Trust,
    /// Which addresses may be reached. The constructors choose, and never a
    /// metadata service.
    pub addresses: AddressPolicy,
}

/// Scheme, authority and path that requests begin with.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    pub(super) base: String,
}

// === impl Dialect ===

impl Dialect {
    /// `s3`, `gcs`, `azure` or `http`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azure => "azure",
            Self::Web => "http",
        }
    }

    fn default_region(self) -> &'static str {
        match self {
            // Where AWS's buckets live, until one says that it lives elsewhere.
            Self::S3 => "us-east-1",
            Self::Gcs | Self::Azure | Self::Web => "auto",
        }
    }
}

// === impl StoreConfig ===

impl StoreConfig {
    /// `bucket` of an S3-compatible store at `endpoint` (AWS if `None`), asked
    /// by `credentials`. An endpoint of one's own may be in a local network.
    #[must_use]
    pub fn new(bucket: &str, endpoint: Option<&str>, credentials: Credentials) -> Self {
        let public = AddressPolicy::public();
        Self {
            dialect: Dialect::S3,
            bucket: bucket.to_owned(),
            account: String::new(),
            prefix: String::new(),
            endpoint: endpoint.map(str::to_owned),
            region: None,
            addressing: Addressing::Auto,
            credentials,
            headers: Headers::default(),
            index: Vec::new(),
            trust: Trust::platform(),
            addresses: if endpoint.is_some() {
                public.with_local_networks()
            } else {
                public
            },
        }
    }

    /// `bucket` of Google Cloud Storage, or of something that stands in for it.
    #[must_use]
    pub fn gcs(bucket: &str, endpoint: Option<&str>, credentials: Credentials) -> Self {
        Self {
            dialect: Dialect::Gcs,
            addressing: Addressing::Path,
            ..Self::new(bucket, endpoint, credentials)
        }
    }

    /// `container` of a storage account of Azure, or of something that stands in
    /// for it.
    #[must_use]
    pub fn azure(
        account: &str,
        container: &str,
        endpoint: Option<&str>,
        credentials: Credentials,
    ) -> Self {
        Self {
            dialect: Dialect::Azure,
            account: account.to_owned(),
            addressing: Addressing::Path,
            ..Self::new(container, endpoint, credentials)
        }
    }

    /// What a web server has below `url`. Public addresses alone, unless
    /// [`addresses`](Self::addresses) says more; plain `http` is refused where
    /// it does not.
    #[must_use]
    pub fn web(url: &str, credentials: Credentials) -> Self {
        Self {
            dialect: Dialect::Web,
            addresses: AddressPolicy::public(),
            ..Self::new("", Some(url), credentials)
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> String {
        let Self { bucket, prefix, .. } = self;
        match self.dialect {
            Dialect::S3 => format!("s3://{bucket}/{prefix}"),
            Dialect::Gcs => format!("gs://{bucket}/{prefix}"),
            Dialect::Azure => format!("az://{}/{bucket}/{prefix}", self.account),
            Dialect::Web => {
                let base = self.endpoint.as_deref().unwrap_or_default();
                format!("{}/{prefix}", base.trim_end_matches('/'))
            }
        }
    }

    /// The store. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`MediaError::InvalidSource`] for a bucket name or endpoint that cannot
    /// be one, for credentials that such a store does not take, and for plain
    /// `http` to a web server in the internet.
    pub fn build(self, clock: &Clock) -> Result<Store, MediaError> {
        let invalid = |what| Err(MediaError::InvalidSource(what));
        // Wider than AWS's rules, which other stores do not share; narrow
        // enough to be a path segment or a host label as it stands.
        let sound = !matches!(self.bucket.as_str(), "" | "." | "..")
            && self.bucket.len() <= 255
            && is_plain(&self.bucket, b"-._");
        if !sound && self.dialect != Dialect::Web {
            return invalid("This is not the name of a bucket.");
        }
        if self.dialect == Dialect::Azure
            && !((3..=24).contains(&self.account.len()) && is_plain(&self.account, b"-"))
        {
            return invalid("This is not the name of a storage account.");
        }
        if !self.credentials.suit(self.dialect) {
            return invalid("These credentials are not for a store of this kind.");
        }
        if self.index.len() > defaults::INDEX || self.index.iter().any(|k| Key::parse(k).is_none())
        {
            return invalid("The index names too many files, or one that cannot be.");
        }
        let endpoint = self.endpoint.as_deref().map(Endpoint::parse).transpose()?;
        if self.dialect == Dialect::Web {
            match &endpoint {
                None => return invalid("A web server needs a URL."),
                Some(endpoint) if endpoint.scheme == "http" && self.is_public() => {
                    return invalid(
                        "Plain http:// is for servers of local networks: use https://.",
                    );
                }
                Some(_) => {}
            }
        }
        let region = self.region;
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            return invalid("This is not the name of a region.");
        }
        let mut prefix = self.prefix.trim_start_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let by_path = match self.addressing {
            Addressing::Path => true,
            Addressing::Virtual => false,
            Addressing::Auto => endpoint.is_some() || self.bucket.contains('.'),
        };
        Ok(Store {
            client: Client::new(Dialer::new(self.addresses, self.trust)),
            clock: clock.clone(),
            dialect: self.dialect,
            credentials: self.credentials,
            headers: self.headers,
            index: self.index,
            bucket: self.bucket,
            account: self.account,
            prefix,
            endpoint,
            by_path,
            region: std::sync::RwLock::new(region),
            line: Line::new(&Stock::new(MediaTuning::default())),
        })
    }

    fn is_public(&self) -> bool {
        self.addresses == AddressPolicy::public()
    }
}

// === impl Store ===

impl Store {
    /// Authority and encoded path of an object, or of the bucket.
    pub(super) fn address(&self, key: &str, region: &str) -> (&'static str, String, String) {
        let (scheme, host, base) = match (&self.endpoint, self.dialect) {
            (Some(endpoint), _) => (endpoint.scheme, endpoint.authority.clone(), &*endpoint.base),
            (None, Dialect::Gcs) => ("https", "storage.googleapis.com".to_owned(), ""),
            (None, Dialect::Azure) => ("https", azure::host(&self.account), ""),
            (None, Dialect::S3 | Dialect::Web) => {
                ("https", format!("s3.{region}.amazonaws.com"), "")
            }
        };
        let bucket = &self.bucket;
        let (authority, path) = match self.dialect {
            Dialect::Web => (host, format!("{base}/{key}")),
            Dialect::Azure if key.is_empty() => (host, format!("{base}/{bucket}")),
            _ if self.by_path => (host, format!("{base}/{bucket}/{key}")),
            _ => (format!("{bucket}.{host}"), format!("{base}/{key}")),
        };
        (scheme, authority, path)
    }

    /// The region that is known; else the one that the credentials come with.
    pub(super) fn region(&self, issued: Option<&str>) -> String {
        let known = self.region.read();
        let known = known.unwrap_or_else(std::sync::PoisonError::into_inner);
        let issued = issued.filter(|region| is_region(region));
        known
            .as_deref()
            .or(issued)
            .unwrap_or_else(|| self.dialect.default_region())
            .to_owned()
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn parse(text: &str) -> Result<Self, MediaError> {
        let invalid =
            MediaError::InvalidSource("The endpoint is not an http:// or https:// URL of a store.");
        let uri: Uri = text.parse().map_err(|_| invalid.clone())?;
        let target = Target::parse(&uri).map_err(|_| invalid.clone())?;
        if uri.query().is_some() {
            return Err(invalid);
        }
        let scheme = if target.is_tls() { "https" } else { "http" };
        // Without the port where it is the usual one, as `Host` is written.
        let full = target.to_string();
        let usual = if target.is_tls() { ":443" } else { ":80" };
        let authority = full.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority
            .strip_suffix(usual)
            .unwrap_or(authority)
            .to_owned();
        Ok(Self {
            scheme,
            authority,
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

pub(super) fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len()) && is_plain(text, b"-_")
}

fn is_plain(text: &str, besides: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte))
}
