//! The upstream is asked: dialled, sent the rebuilt request, and heard. Nothing
//! was said to the page until here.

use bytes::Bytes;
use doorward_egress::{EgressError, Stream};
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::defaults;
use crate::error::RelayError;
use crate::grant::{RelayGrant, Upstream};

/// A request, before it is known which upstream hears it.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// What the upstream said.
pub(crate) enum Asked {
    /// An answer, whole.
    Answered(Parts, Bytes),
    /// 101: the connection, and what came behind its head.
    Switched(Parts, Stream, Bytes),
}

/// Asks the first upstream that can be reached. Redirects are answers.
pub(crate) async fn ask(grant: &RelayGrant, question: &Question) -> Result<Asked, RelayError> {
    let asking = async {
        let (upstream, stream) = dial(grant).await?;
        exchange(upstream, stream, question).await
    };
    timeout(defaults::ANSWER_WITHIN, asking)
        .await
        .unwrap_or(Err(RelayError::Timeout))
}

/// The first upstream that can be reached; the first failure, if none can.
async fn dial(grant: &RelayGrant) -> Result<(&Upstream, Stream), RelayError> {
    let mut first: Option<EgressError> = None;
    for upstream in &grant.upstreams {
        match grant.dialer.dial(upstream.target()).await {
            Ok(stream) => return Ok((upstream, stream)),
            Err(error) => {
                tracing::debug!(%error, "an upstream cannot be reached");
                first.get_or_insert(error);
            }
        }
    }
    Err(first
        .unwrap_or(EgressError::Target("there is no upstream"))
        .into())
}

async fn exchange(
    upstream: &Upstream,
    stream: Stream,
    question: &Question,
) -> Result<Asked, RelayError> {
    let broken = |error: hyper::Error| RelayError::Broken(error.to_string());
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(defaults::ANSWER_HEAD)
        .max_headers(defaults::ANSWER_HEADERS)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends when the stream is taken out of it, or with the sender.
    tokio::spawn(connection.with_upgrades());

    let request = rebuild(upstream, question)?;
    let mut response = sender.send_request(request).await.map_err(broken)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(broken)?;
        let (head, _) = response.into_parts();
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| RelayError::Broken("the connection is lost".to_owned()))?;
        return Ok(Asked::Switched(head, parts.io.into_inner(), parts.read_buf));
    }
    let (head, body) = response.into_parts();
    let body = timeout(
        defaults::BODY_WITHIN,
        Limited::new(body, defaults::BODY).collect(),
    )
    .await
    .map_err(|_| RelayError::Timeout)?
    .map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => RelayError::TooLarge,
        Err(error) => RelayError::Broken(error.to_string()),
    })?;
    Ok(Asked::Answered(head, body.to_bytes()))
}

/// The request as the upstream gets it: origin-form, `Host` from the grant.
fn rebuild(upstream: &Upstream, question: &Question) -> Result<Request<Empty<Bytes>>, RelayError> {
    let target = target(upstream, question).ok_or(RelayError::TargetMalformed)?;
    let mut request = Request::new(Empty::new());
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = target;
    *request.headers_mut() = question.headers.clone();
    request
        .headers_mut()
        .insert(http::header::HOST, upstream.host().clone());
    Ok(request)
}

/// The upstream's own path, then the client's: a path, whatever either holds.
fn target(upstream: &Upstream, question: &Question) -> Option<Uri> {
    let mut text = format!("{}{}", upstream.base(), question.path);
    if let Some(query) = &question.query {
        text.push('?');
        text.push_str(query);
    }
    let target = Uri::try_from(text).ok()?;
    (target.authority().is_none() && target.path().starts_with('/')).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::beneath_token;

    /// What tried to move the reference's upstream (D1), between `/r/token` and
    /// the end.
    const CORPUS: [&str; 26] = [
        "@evil.com",
        ".evil.com",
        ":81",
        "/@evil.com",
        "//evil.com",
        "/\\evil.com",
        "/%2fevil",
        "/..",
        "/../..",
        "/./rtc",
        "*",
        "#fragment",
        "/rtc#f",
        "/\0",
        "/%00",
        "/é",
        "/rtc?@evil",
        "/rtc?//evil.com",
        "/rtc?u=http://evil.com",
        "http://evil.com/",
        "/rtc/http://evil.com",
        "/rtc;@evil",
        "?x",
        "/?x@evil.com:81",
        "/%40evil.com",
        "/rtc%0d%0aHost:%20evil",
    ];

    fn check(tail: &str) {
        let Ok(uri) = format!("/r/token{tail}").parse::<Uri>() else {
            return;
        };
        let Some((path, query)) = beneath_token(&uri) else {
            return;
        };
        let question = Question {
            method: Method::GET,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: HeaderMap::new(),
        };
        for text in ["wss://lk.example.com", "wss://lk.example.com:8443/base"] {
            let upstream = Upstream::parse(text).unwrap();
            let Ok(request) = rebuild(&upstream, &question) else {
                continue;
            };
            assert_eq!(request.uri().authority(), None, "{tail:?}");
            assert_eq!(request.uri().scheme(), None, "{tail:?}");
            let target = request.uri().to_string();
            assert!(
                target.starts_with(&format!("{}/", upstream.base())),
                "{tail:?} {target}"
            );
            assert!(!target.starts_with("//"), "{tail:?} {target}");
            assert!(
                target.bytes().all(|byte| byte.is_ascii_graphic()),
                "{tail:?}"
            );
            let mut hosts = request.headers().get_all("host").iter();
            assert_eq!(hosts.next(), Some(upstream.host()));
            assert_eq!(hosts.next(), None);
        }
    }

    #[test]
    fn r5_the_corpus_never_moves_the_upstream() {
        for one in CORPUS {
            check(one);
            for two in CORPUS {
                check(&format!("{one}{two}"));
            }
        }
    }

    /// More in `cargo xtask soak`.
    fn cases() -> u32 {
        match std::env::var_os("DOORWARD_SOAK") {
            Some(_) => 1_000_000,
            None => 100_000,
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: cases(),
            ..Default::default()
        })]
        #[test]
        fn r5_no_request_target_moves_the_upstream(
            parts in proptest::collection::vec((0..CORPUS.len(), "[ -~]{0,6}"), 0..5),
        ) {
            let tail: String = parts
                .iter()
                .map(|(at, text)| format!("{}{text}", CORPUS[*at]))
                .collect();
            check(&tail);
        }
    }
}
