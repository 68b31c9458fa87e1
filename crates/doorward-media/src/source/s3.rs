//! Stores: S3 and what speaks like it, Google's, Azure's, and web servers. All
//! are spoken to directly.
//!
//! Not through `object_store`, which was the plan: its paths cannot name keys
//! with `//`, a leading `/` or a `..` segment, one such key fails the whole page
//! of a listing, its client resumes bodies by rules of its own, and it keeps
//! the upstream's status, error code and `Retry-After` to itself. What we need
//! is three requests, a signature and an exact reading of the answers; keys may
//! contain anything, and no body is passed on that does not fit what was asked.
//!
//! What differs is a [`Dialect`]: who signs, and how a listing is asked for.

#[cfg(feature = "aws-profiles")]
mod aws;
mod azure;
mod config;
mod credentials;
mod google;
mod index;
mod list;
mod renew;
mod sign;
mod stored;
mod xml;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use doorward_egress::{Client, Incoming};
use doorward_guard::Clock;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};

pub use config::{Addressing, Dialect, StoreConfig};
pub use credentials::{Bearer, Credentials, Headers, Keys, Sas};
pub use google::ServiceAccount;
pub use renew::{Issued, Provide, Providing, Renewed};
pub use stored::Stored;

use crate::defaults;
use crate::error::MediaError;
use crate::fetch::stock::Stock;
use crate::fetch::{FetchStats, Line};
use crate::name::Key;
use config::{Endpoint, is_region};
use renew::Current;
use sign::{encode_path, encode_query};

/// The most that is read of an error's or a listing's XML.
const XML: usize = 4 * 1024 * 1024;
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const AZURE_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// A bucket, or a prefix of one; or what a web server has below a URL.
#[derive(Debug)]
pub struct Store {
    client: Client,
    clock: Clock,
    dialect: Dialect,
    credentials: Credentials,
    headers: Headers,
    index: Vec<String>,
    bucket: String,
    account: String,
    prefix: String,
    endpoint: Option<Endpoint>,
    by_path: bool,
    /// As configured, or as the bucket said.
    region: RwLock<Option<String>>,
    /// What fetching from it taught.
    line: Arc<Line>,
}

/// What is asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a Method,
    key: Option<&'a Key>,
    query: &'a [(&'a str, &'a str)],
    headers: &'a HeaderMap,
}

// === impl Store ===

impl Store {
    /// Whether `key` can lie below the prefix. Some servers resolve `..`, so no
    /// dot segment may stand behind a prefix that is meant as a border.
    pub(in crate::source) fn holds(&self, key: &str) -> bool {
        let no_border = self.prefix.is_empty() && self.dialect != Dialect::Web;
        no_border || !key.split('/').any(|part| part == "." || part == "..")
    }

    /// How it is spoken to.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Asks for a sign of life.
    pub(in crate::source) async fn check(&self) -> Result<(), MediaError> {
        if self.dialect != Dialect::Web {
            let one = crate::source::Query {
                limit: 1,
                ..crate::source::Query::default()
            };
            return self.list(&one).await.map(|_| ());
        }
        // Whatever it says of its top: it is there, and it knows us.
        let first = self.index.first().and_then(|name| Key::parse(name));
        let (key, nothing) = (first.as_ref(), HeaderMap::new());
        match self.send(Method::HEAD, key, &[], &nothing).await {
            Ok(answer) => match answer.status().as_u16() {
                401 | 407 | 429 | 500.. => Err(failure(answer).await),
                _ => Ok(()),
            },
            Err(MediaError::Redirected) if key.is_none() => Ok(()),
            Err(error) => Err(error),
        }
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
    /// no other redirect: a web server's is [`MediaError::Redirected`]. Credentials that the store calls expired are renewed
    /// once, where somebody issues them. Any status comes back as an answer,
    /// except what says no to such credentials: that comes back as the error
    /// that it is. Without a key it is the bucket that is asked.
    async fn send(
        &self,
        method: Method,
        key: Option<&Key>,
        query: &[(&str, &str)],
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, MediaError> {
        let mut headers = headers.clone();
        if self.dialect == Dialect::Azure {
            self.count_from_the_start(key, &mut headers).await?;
        }
        let asked = Asked {
            method: &method,
            key,
            query,
            headers: &headers,
        };
        let current = self.credentials.current(&self.clock).await?;
        let answer = self.exchange(asked, &current).await?;
        let status = answer.status().as_u16();
        if self.dialect == Dialect::Web && matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(MediaError::Redirected);
        }
        if !matches!(self.credentials, Credentials::Renewed(_))
            || ![400, 401, 403].contains(&status)
        {
            return Ok(answer);
        }
        let error = failure(answer).await;
        // HEAD tells no code; S3 answers 400 to a key that has run out.
        let spent = matches!(error, MediaError::CredentialsExpired)
            || status == 401
            || (status == 400 && method == Method::HEAD);
        if spent && let Some(fresh) = self.credentials.renew(&current, &self.clock).await {
            return self.exchange(asked, &fresh?).await;
        }
        Err(error)
    }

    /// One exchange, and a second one if the bucket says that it lives elsewhere.
    async fn exchange(
        &self,
        asked: Asked<'_>,
        current: &Current,
    ) -> Result<Response<Incoming>, MediaError> {
        let region = self.region(current.region.as_deref());
        let request = self.request(asked, &region, &current.credentials)?;
        let answer = self.client.send(request).await?;
        let moved = answer
            .headers()
            .get(BUCKET_REGION)
            .and_then(|value| value.to_str().ok());
        match (answer.status().as_u16(), moved) {
            (301 | 307 | 400 | 403, Some(home))
                if self.dialect == Dialect::S3 && home != region && is_region(home) =>
            {
                let home = home.to_owned();
                *self.region.write().unwrap_or_else(PoisonError::into_inner) = Some(home.clone());
                let request = self.request(asked, &home, &current.credentials)?;
                Ok(self.client.send(request).await?)
            }
            _ => Ok(answer),
        }
    }

    fn request(
        &self,
        asked: Asked<'_>,
        region: &str,
        credentials: &Credentials,
    ) -> Result<Request<Bytes>, MediaError> {
        let key = asked.key.map_or_else(String::new, |key| {
            encode_path(&format!("{}{}", self.prefix, key.as_str()))
        });
        let (scheme, authority, path) = self.address(&key, region);
        let mut query = encode_query(asked.query);
        let signed_query = query.clone();
        if let Credentials::Signature(sas) = credentials {
            if sas.ends().is_some_and(|ends| ends <= self.clock.wall()) {
                return Err(MediaError::CredentialsExpired);
            }
            let and = if query.is_empty() { "" } else { "&" };
            query.push_str(and);
            query.push_str(&sas.query);
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let uri: Uri = format!("{scheme}://{authority}{path}{mark}{query}")
            .parse()
            .map_err(|_| MediaError::InvalidSource("The name is too long for a URL."))?;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = uri;
        let out = request.headers_mut();
        out.extend(self.headers.0.clone());
        out.extend(asked.headers.clone());
        // A body that was compressed on the way would fit no Content-Range.
        out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let host = HeaderValue::from_str(&authority)
            .map_err(|_| MediaError::InvalidSource("The endpoint is not a URL."))?;
        out.insert(HOST, host);
        if self.dialect == Dialect::Azure {
            azure::prepare(out);
        }
        if !credentials.suit(self.dialect) {
            return Err(credentials::unusable(()));
        }
        match (credentials, self.dialect) {
            (Credentials::Keys(keys), Dialect::Azure) => {
                azure::sign(
                    out,
                    asked.method,
                    &path,
                    asked.query,
                    keys,
                    self.clock.wall(),
                )?;
            }
            (Credentials::Keys(keys), _) => {
                let what = sign::Signable {
                    method: asked.method,
                    path: &path,
                    query: &signed_query,
                    authority: &authority,
                };
                sign::sign(out, &what, keys, region, self.clock.wall())?;
            }
            (Credentials::Bearer(bearer), _) => {
                out.insert(AUTHORIZATION, bearer.0.clone());
            }
            // A provider must issue what can be sent.
            (Credentials::Renewed(_), _) => return Err(credentials::unusable(())),
            (Credentials::Anonymous | Credentials::Signature(_), _) => {}
        }
        Ok(request)
    }

    /// Azure knows no ranges from the end, so the size is asked for first.
    async fn count_from_the_start(
        &self,
        key: Option<&Key>,
        headers: &mut HeaderMap,
    ) -> Result<(), MediaError> {
        let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
        let Some(last) = range
            .and_then(|range| range.strip_prefix("bytes=-"))
            .and_then(|count| count.parse::<u64>().ok())
        else {
            return Ok(());
        };
        let nothing = HeaderMap::new();
        let head = Box::pin(self.send(Method::HEAD, key, &[], &nothing)).await?;
        let size = head
            .headers()
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        // Else the same request tells what is wrong.
        if let (StatusCode::OK, Some(size)) = (head.status(), size) {
            // Where no byte is asked for, one that no reading of the rules has.
            let nothing = last == 0 || size == 0;
            let first = if nothing {
                size.saturating_add(1)
            } else {
                size.saturating_sub(last)
            };
            let value = HeaderValue::from_str(&format!("bytes={first}-"));
            headers.insert(RANGE, value.map_err(credentials::unusable)?);
        }
        Ok(())
    }
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
    let told = head
        .headers
        .get(AZURE_CODE)
        .and_then(|value| value.to_str().ok());
    let code = match told {
        Some(code) if xml::is_code(code) => code.to_owned(),
        _ => text(body)
            .await
            .ok()
            .and_then(|body| xml::error_code(&body))
            .unwrap_or_default(),
    };
    let retry = head
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let note = || format!("{} {code}", status.as_u16());
    match (status.as_u16(), code.as_str()) {
        (_, "NoSuchBucket" | "ContainerNotFound") => MediaError::BucketMissing,
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "NotSignedUp"
            | "InvalidSecurity"
            | "AuthenticationFailed"
            | "InvalidAuthenticationInfo",
        ) => MediaError::CredentialsRejected(note()),
        (_, "ExpiredToken" | "TokenRefreshRequired") => MediaError::CredentialsExpired,
        (_, "RequestTimeTooSkewed") => MediaError::ClockSkew,
        (403, "InvalidObjectState") | (409, "BlobArchived") => MediaError::Archived,
        (_, "SlowDown" | "ServiceUnavailable" | "ServerBusy" | "ThrottlingException")
        | (429 | 503, _) => MediaError::Throttled(retry),
        (404 | 410, _) => MediaError::NotFound,
        (409, "PublicAccessNotPermitted") => MediaError::AccessDenied(note()),
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
