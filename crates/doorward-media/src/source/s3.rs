//! S3-compatible stores, spoken to directly.
//!
//! Not through `object_store`, which was the plan: its paths cannot name keys
//! with `//`, a leading `/` or a `..` segment, one such key fails the whole page
//! of a listing, its client resumes bodies by rules of its own, and it keeps
//! the upstream's status, error code and `Retry-After` to itself. What we need
//! is three requests, a signature and an exact reading of the answers; keys may
//! contain anything, and no body is passed on that does not fit what was asked.

mod credentials;
mod list;
mod sign;
mod stored;
mod xml;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use doorward_egress::{AddressPolicy, Client, Dialer, Incoming, Target, Trust};
use doorward_guard::Clock;
use http::header::{ACCEPT_ENCODING, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};

pub use credentials::Credentials;
pub use stored::Stored;

use crate::defaults;
use crate::error::MediaError;
use crate::fetch::stock::Stock;
use crate::fetch::{FetchStats, Line, MediaTuning};
use crate::name::Key;
use sign::{encode_path, encode_query};

/// The most that is read of an error's or a listing's XML.
const XML: usize = 4 * 1024 * 1024;
/// Where AWS's buckets live, until one says that it lives elsewhere.
const DEFAULT_REGION: &str = "us-east-1";
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

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
    /// The bucket.
    pub bucket: String,
    /// Only keys below this prefix; empty for all of them.
    pub prefix: String,
    /// `http://` or `https://` URL of the store; AWS if there is none.
    pub endpoint: Option<String>,
    /// The region to sign for; `us-east-1` if there is none. A bucket that says
    /// it lives elsewhere is believed once.
    pub region: Option<String>,
    /// How the bucket is addressed.
    pub addressing: Addressing,
    /// Who asks.
    pub credentials: Credentials,
    /// Whom to believe.
    pub trust: Trust,
    /// Which addresses may be reached. [`StoreConfig::new`] chooses: local ones
    /// for a configured endpoint, and never a metadata service.
    pub addresses: AddressPolicy,
}

/// A bucket, or a prefix of one.
#[derive(Debug)]
pub struct Store {
    client: Client,
    clock: Clock,
    credentials: Credentials,
    bucket: String,
    prefix: String,
    endpoint: Option<Endpoint>,
    by_path: bool,
    region: RwLock<String>,
    /// What fetching from it taught.
    line: Arc<Line>,
}

#[derive(Debug)]
struct Endpoint {
    scheme: &'static str,
    authority: String,
    base: String,
}

// === impl StoreConfig ===

impl StoreConfig {
    /// `bucket` at `endpoint` (AWS if `None`), asked by `credentials`.
    #[must_use]
    pub fn new(bucket: &str, endpoint: Option<&str>, credentials: Credentials) -> Self {
        let public = AddressPolicy::public();
        Self {
            bucket: bucket.to_owned(),
            prefix: String::new(),
            endpoint: endpoint.map(str::to_owned),
            region: None,
            addressing: Addressing::Auto,
            credentials,
            trust: Trust::platform(),
            addresses: if endpoint.is_some() {
                public.with_local_networks()
            } else {
                public
            },
        }
    }

    /// The store. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`MediaError::InvalidSource`] for a bucket name or endpoint that cannot
    /// be one.
    pub fn build(self, clock: &Clock) -> Result<Store, MediaError> {
        // Wider than AWS's rules, which other stores do not share; narrow
        // enough to be a path segment or a host label as it stands.
        let sound = !matches!(self.bucket.as_str(), "" | "." | "..")
            && self.bucket.len() <= 255
            && self
                .bucket
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !sound {
            return Err(MediaError::InvalidSource(
                "This is not the name of a bucket.",
            ));
        }
        let endpoint = self.endpoint.as_deref().map(Endpoint::parse).transpose()?;
        let region = self.region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        if !is_region(&region) {
            return Err(MediaError::InvalidSource(
                "This is not the name of a region.",
            ));
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
            credentials: self.credentials,
            bucket: self.bucket,
            prefix,
            endpoint,
            by_path,
            region: RwLock::new(region),
            line: Line::new(&Stock::new(MediaTuning::default())),
        })
    }
}

// === impl Store ===

impl Store {
    /// Whether `key` can lie below the prefix. Some servers resolve `..`, so no
    /// dot segment may stand behind a prefix that is meant as a border.
    pub(in crate::source) fn holds(&self, key: &str) -> bool {
        self.prefix.is_empty() || !key.split('/').any(|part| part == "." || part == "..")
    }

    /// `s3://bucket/prefix`, for people.
    #[must_use]
    pub fn location(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    /// The same store, with the memory of a room instead of its own.
    pub(crate) fn sharing(mut self, stock: &Arc<Stock>) -> Self {
        self.line = Line::new(stock);
        self
    }

    /// What reading from it came to.
    #[must_use]
    pub fn fetch_stats(&self) -> FetchStats {
        self.line.stats()
    }

    /// Sends one signed request. Follows the bucket to its region once; follows
    /// no other redirect. Any status comes back as an answer. Without a key it is
    /// the bucket that is asked.
    async fn send(
        &self,
        method: Method,
        key: Option<&Key>,
        query: &[(&str, &str)],
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, MediaError> {
        let region = self.region();
        let request = self.request(&method, key, query, headers, &region)?;
        let answer = self.client.send(request).await?;
        let moved = answer
            .headers()
            .get(BUCKET_REGION)
            .and_then(|value| value.to_str().ok());
        match (answer.status().as_u16(), moved) {
            (301 | 307 | 400 | 403, Some(home)) if home != region && is_region(home) => {
                let home = home.to_owned();
                self.region
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone_from(&home);
                let request = self.request(&method, key, query, headers, &home)?;
                Ok(self.client.send(request).await?)
            }
            _ => Ok(answer),
        }
    }

    fn request(
        &self,
        method: &Method,
        key: Option<&Key>,
        query: &[(&str, &str)],
        headers: &HeaderMap,
        region: &str,
    ) -> Result<Request<Bytes>, MediaError> {
        let (scheme, host, base) = match &self.endpoint {
            Some(endpoint) => (endpoint.scheme, endpoint.authority.clone(), &*endpoint.base),
            None => ("https", format!("s3.{region}.amazonaws.com"), ""),
        };
        let key = key.map_or_else(String::new, |key| {
            encode_path(&format!("{}{}", self.prefix, key.as_str()))
        });
        let (authority, path) = if self.by_path {
            (host, format!("{base}/{}/{key}", self.bucket))
        } else {
            (format!("{}.{host}", self.bucket), format!("{base}/{key}"))
        };
        let query = encode_query(query);
        let mark = if query.is_empty() { "" } else { "?" };
        let uri: Uri = format!("{scheme}://{authority}{path}{mark}{query}")
            .parse()
            .map_err(|_| MediaError::InvalidSource("The name is too long for a URL."))?;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        let out = request.headers_mut();
        out.extend(headers.clone());
        // A body that was compressed on the way would fit no Content-Range.
        out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let host = HeaderValue::from_str(&authority)
            .map_err(|_| MediaError::InvalidSource("The endpoint is not a URL."))?;
        out.insert(HOST, host);
        if let Credentials::Keys(keys) = &self.credentials {
            let what = sign::Signable {
                method,
                path: &path,
                query: &query,
                authority: &authority,
            };
            sign::sign(out, &what, keys, region, self.clock.wall())?;
        }
        Ok(request)
    }

    fn region(&self) -> String {
        self.region
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
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

fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A body that is read whole, such as an error's.
async fn text(body: Incoming) -> Result<Bytes, MediaError> {
    whole(body, XML).await
}

/// At most `most` bytes of a body, within [`defaults::WHOLE_BODY_WITHIN`]: what a
/// store sends beyond or after that is its own affair.
async fn whole(body: Incoming, most: usize) -> Result<Bytes, MediaError> {
    let read = Limited::new(body, most).collect();
    let Ok(read) = tokio::time::timeout(defaults::WHOLE_BODY_WITHIN, read).await else {
        return Err(MediaError::UpstreamTimeout);
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(match error.downcast::<doorward_egress::EgressError>() {
            Ok(error) => (*error).into(),
            Err(_) => MediaError::UpstreamWrong("the answer is too long".to_owned()),
        }),
    }
}

/// What a failure means, by status and by the code in its XML.
async fn failure(answer: Response<Incoming>) -> MediaError {
    let (head, body) = answer.into_parts();
    let status = head.status;
    let code = text(body)
        .await
        .ok()
        .and_then(|body| xml::error_code(&body))
        .unwrap_or_default();
    let retry = head
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let note = || format!("{} {code}", status.as_u16());
    match (status.as_u16(), code.as_str()) {
        (_, "NoSuchBucket") => MediaError::BucketMissing,
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "NotSignedUp") => {
            MediaError::CredentialsRejected(note())
        }
        (_, "ExpiredToken" | "TokenRefreshRequired") => MediaError::CredentialsExpired,
        (_, "RequestTimeTooSkewed") => MediaError::ClockSkew,
        (403, "InvalidObjectState") => MediaError::Archived,
        (_, "SlowDown" | "ServiceUnavailable" | "ThrottlingException") | (429 | 503, _) => {
            MediaError::Throttled(retry)
        }
        (404, _) => MediaError::NotFound,
        (401 | 403, _) => MediaError::AccessDenied(note()),
        (412, _) => MediaError::Changed,
        (408 | 504, _) => MediaError::UpstreamTimeout,
        _ if status.is_server_error() => MediaError::UpstreamUnavailable(note()),
        _ => MediaError::UpstreamWrong(note()),
    }
}

/// Whether the answer to a request for bytes carries bytes.
fn is_bytes(status: StatusCode) -> bool {
    status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT
}
