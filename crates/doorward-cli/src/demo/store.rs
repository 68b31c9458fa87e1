//! A small S3-compatible store over one folder, for the demo: `GET` and `HEAD`
//! of objects with ranges, and listings. It only reads, only listens on
//! 127.0.0.1, and answers nobody whose signature is not right.
//!
//! Not one from a crate: the one at hand brings HTTP/2 into the build, which
//! this binary must not have, and minutes of compiling into every first start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use doorward::guard::Clock;
use doorward::media::range::Asked;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::check::Lock;

type Answer = Response<Full<Bytes>>;

/// A store that is open until it is dropped.
#[derive(Debug)]
pub(super) struct Store {
    port: u16,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Room {
    bucket: String,
    root: PathBuf,
    lock: Lock,
}

impl Store {
    /// Serves the folder `root` as `bucket`.
    pub(super) async fn open(
        root: &Path,
        bucket: &str,
        key: &str,
        secret: &str,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let room = Arc::new(Room {
            bucket: bucket.to_owned(),
            root: root.to_owned(),
            lock: Lock::new(key, secret, &format!("127.0.0.1:{port}"), Clock::system()),
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Without it, heads and bodies that are written apart wait 40 ms.
                let _ = stream.set_nodelay(true);
                let room = Arc::clone(&room);
                let answer = service_fn(move |request| {
                    let room = Arc::clone(&room);
                    async move { Ok::<_, std::convert::Infallible>(room.answer(&request)) }
                });
                tokio::spawn(async move {
                    let _ = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Ok(Self { port, task })
    }

    /// `http://127.0.0.1:P`.
    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Room {
    fn answer<B>(&self, request: &Request<B>) -> Answer {
        if let Err(code) = self.lock.check(request) {
            return error(StatusCode::FORBIDDEN, code);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
        }
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        let (bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((&path, ""));
        if bucket != self.bucket {
            return error(StatusCode::NOT_FOUND, "NoSuchBucket");
        }
        let found = if key.is_empty() {
            self.list(request.uri().query().unwrap_or_default())
        } else {
            self.object(key, request.headers())
        };
        let mut answer = found.unwrap_or_else(|_| error(StatusCode::NOT_FOUND, "NoSuchKey"));
        if request.method() == Method::HEAD {
            let length = hyper::body::Body::size_hint(answer.body())
                .exact()
                .unwrap_or(0);
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            *answer.body_mut() = Full::default();
        }
        answer
    }

    fn object(&self, key: &str, headers: &HeaderMap) -> io::Result<Answer> {
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Ok(error(StatusCode::NOT_FOUND, "NoSuchKey"));
        }
        let path = self.root.join(key);
        // A few megabytes at most, just written: waiting for them blocks nobody.
        let modified = std::fs::metadata(&path)?.modified()?;
        let bytes = Bytes::from(std::fs::read(&path)?);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let digest = Sha256::digest(&bytes);
        let tag: String = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let tag = format!("\"{tag}\"");
        if headers
            .get(IF_MATCH)
            .is_some_and(|wanted| wanted.as_bytes() != tag.as_bytes())
        {
            return Ok(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"));
        }
        // One range is all that our side ever asks for.
        let range = match Asked::of(headers) {
            Asked::One(range) => match range.within(size) {
                Ok(range) => range,
                Err(_) => return Ok(error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange")),
            },
            _ => None,
        };
        let modified = DateTime::<Utc>::from(modified)
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let (status, part, told) = match range {
            None => (StatusCode::OK, bytes, None),
            Some(range) => {
                let first = usize::try_from(range.first())
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let end = usize::try_from(range.last())
                    .unwrap_or(usize::MAX)
                    .saturating_add(1)
                    .min(bytes.len());
                (
                    StatusCode::PARTIAL_CONTENT,
                    bytes.slice(first..end.max(first)),
                    Some(range.content_range(size)),
                )
            }
        };
        let mut fields = vec![
            (ETAG, tag),
            (LAST_MODIFIED, modified),
            (ACCEPT_RANGES, "bytes".to_owned()),
        ];
        fields.extend(told.map(|told| (CONTENT_RANGE, told)));
        Ok(answer(status, &fields, part))
    }

    /// `ListObjectsV2`, folder by folder.
    fn list(&self, query: &str) -> io::Result<Answer> {
        let pairs: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let read = |wanted: &str| {
            let value = pairs
                .iter()
                .find(|(name, _)| *name == wanted)
                .map_or("", |(_, value)| *value);
            percent_decode_str(value).decode_utf8_lossy().into_owned()
        };
        let (prefix, after) = (read("prefix"), read("continuation-token"));
        let most = read("max-keys").parse().unwrap_or(1_000).clamp(1, 1_000);
        let (folder, begin) = prefix
            .rsplit_once('/')
            .map_or(("", &*prefix), |(folder, begin)| (folder, begin));
        let mut found = Vec::new();
        if !folder.split('/').any(|part| matches!(part, "." | "..")) {
            for entry in std::fs::read_dir(self.root.join(folder))
                .into_iter()
                .flatten()
            {
                let entry = entry?;
                let (name, metadata) = (
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.metadata()?,
                );
                let slash = if folder.is_empty() { "" } else { "/" };
                if name.starts_with(begin) {
                    found.push((format!("{folder}{slash}{name}"), metadata));
                }
            }
        }
        found.retain(|(key, _)| *key > after);
        found.sort_by(|(one, _), (two, _)| one.cmp(two));
        let more = found.len() > most;
        found.truncate(most);
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult>".to_owned();
        for (key, metadata) in &found {
            let name = escape(key);
            if metadata.is_dir() {
                xml.push_str(&format!(
                    "<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>"
                ));
            } else {
                let at = DateTime::<Utc>::from(metadata.modified()?)
                    .to_rfc3339_opts(SecondsFormat::Millis, true);
                let size = metadata.len();
                xml.push_str(&format!("<Contents><Key>{name}</Key><LastModified>{at}</LastModified><Size>{size}</Size></Contents>"));
            }
        }
        let next = found.last().filter(|_| more).map(|(key, _)| escape(key));
        let next = next.map(|key| format!("<NextContinuationToken>{key}</NextContinuationToken>"));
        xml.push_str(&format!(
            "<IsTruncated>{more}</IsTruncated>{}</ListBucketResult>",
            next.unwrap_or_default()
        ));
        Ok(answer(StatusCode::OK, &[], xml.into()))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn error(status: StatusCode, code: &str) -> Answer {
    let xml =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    answer(status, &[], xml.into())
}

fn answer(status: StatusCode, fields: &[(HeaderName, String)], body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    for (name, value) in fields {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

// === impl Drop ===

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn ask(path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        let room = Room {
            bucket: "demo".to_owned(),
            root: folder.path().to_owned(),
            lock: Lock::new("demo", "secret", "127.0.0.1:1", Clock::system()),
        };
        let mut request = Request::builder().uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = room.answer(&request.body(()).unwrap());
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn nobody_without_the_key_is_answered() {
        let now = DateTime::<Utc>::from(Clock::system().wall());
        let now = now.format("%Y%m%dT%H%M%SZ").to_string();
        let host = ("host", "127.0.0.1:1");
        let date = ("x-amz-date", &*now);
        let hash = ("x-amz-content-sha256", "x");
        let signed = |key: &str, names: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/2026/r/s3/aws4_request, SignedHeaders={names}, Signature=00"
            )
        };
        let all = "host;x-amz-content-sha256;x-amz-date";
        let wrong = signed("demo", all);
        for (fields, code) in [
            (vec![host], "AccessDenied"),
            (
                vec![
                    ("host", "evil.example"),
                    date,
                    hash,
                    ("authorization", &wrong),
                ],
                "AccessDenied",
            ),
            (
                vec![host, date, hash, ("authorization", &signed("other", all))],
                "InvalidAccessKeyId",
            ),
            (
                vec![
                    host,
                    date,
                    hash,
                    ("authorization", &signed("demo", "x-amz-date")),
                ],
                "AccessDenied",
            ),
            (
                vec![
                    host,
                    ("x-amz-date", "20200101T000000Z"),
                    hash,
                    ("authorization", &wrong),
                ],
                "RequestTimeTooSkewed",
            ),
            (
                vec![host, date, hash, ("authorization", &wrong)],
                "SignatureDoesNotMatch",
            ),
        ] {
            let (status, body) = ask("/demo/a.txt", &fields).await;
            assert_eq!(status, StatusCode::FORBIDDEN);
            assert!(
                body.contains(&format!("<Code>{code}</Code>")),
                "{code}: {body}"
            );
        }
    }
}
