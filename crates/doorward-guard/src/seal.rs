//! The seal: the last step of every answer, refusals and parser errors included.
//!
//! Only the type of the body and headers on the surface's allow-list survive; then the
//! surface's security headers go on. [`Sealed`] has no public constructor, and the listener writes
//! nothing else.

mod fixed;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONNECTION,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected};

use crate::answer::{Answer, Body, Until};
use crate::caller::{GrantCard, SignAnswer};
use crate::origin::{Origin, Origins};
use crate::policy::{Drain, SealRule};
use crate::raw::Raw;
use crate::refusal::{Denial, Refusal, Told, told};
use crate::rules::cors::{self, Readable};
pub(crate) use fixed::Seals;
use fixed::{RESOURCE_POLICY, keep_allowed, media_policy};

/// The origins that seals speak of, known once the listeners are bound.
#[derive(Clone, Debug, Default)]
pub struct SealConfig {
    /// `http://127.0.0.1:P` of the content listener.
    pub content_origin: String,
    /// The origins of its other lanes, for the same URLs.
    pub content_lanes: Vec<String>,
    /// Pages that may frame media: the console, and what an embedder lists.
    pub app_origins: Vec<String>,
}

/// An answer with its security headers: the only thing that goes out.
pub struct Sealed {
    response: Response<Body>,
    drain: Drain,
    closes: bool,
    denial: Option<&'static str>,
    until: Option<Until>,
    raw: Option<Raw>,
}

/// How one answer is sealed. Grows more precise as the guard learns more.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rule: SealRule,
    pub(crate) drain: Drain,
    pub(crate) readable: Readable,
    pub(crate) varies: bool,
    pub(crate) close: bool,
    /// The caller proved itself: what is refused now is not a stranger's.
    pub(crate) proven: bool,
    /// Signs the answer.
    pub(crate) signer: Option<Arc<dyn SignAnswer>>,
    /// Extra pages that may frame this answer.
    pub(crate) framers: Vec<String>,
}

impl Sealed {
    /// How long the client may take over it.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain
    }

    /// Whether the connection closes after it.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// The name of the denial, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<&'static str> {
        self.denial
    }

    /// What cuts it off before its end: for the listener to watch.
    pub fn take_until(&mut self) -> Option<impl Future<Output = ()> + Send + Unpin + use<>> {
        self.until.take()
    }

    /// What tells its body that the listener fetches the bytes itself.
    pub fn take_raw(&mut self) -> Option<Raw> {
        self.raw.take()
    }

    /// The response, for the listener to write as it is.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        self.response
    }
}

impl Plan {
    pub(crate) fn new(rule: SealRule) -> Self {
        Self {
            rule,
            drain: Drain::Api,
            readable: Readable::ByNone,
            varies: false,
            close: false,
            proven: false,
            signer: None,
            framers: Vec::new(),
        }
    }

    /// The pages that `grant` is for may read and frame the answer, refusals too.
    pub(crate) fn reads_as(&mut self, grant: &GrantCard, origin: Option<&Origin>) {
        self.readable = cors::readable(&grant.origins, origin);
        if let Origins::Exact(list) = &grant.origins {
            self.varies = true;
            self.framers = list.iter().map(ToString::to_string).collect();
        }
    }

    /// Seals an answer.
    pub(crate) fn seal(
        &self,
        seals: &Seals,
        request_id: impl fmt::Display,
        answer: Answer,
    ) -> Sealed {
        let Answer {
            mut response,
            mut kind,
            denial,
            until,
            raw,
        } = answer;
        if let Some((name, message)) = &denial {
            let body = Denial {
                denial: name,
                message,
                request_id: &request_id.to_string(),
                retry_after_ms: None,
                since: None,
                now: None,
                more: None,
            };
            let written = Answer::json_with(response.status(), &body);
            kind = written.kind;
            *response.body_mut() = written.response.into_body();
        }
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        let given = std::mem::replace(headers, seals.of(self.rule).clone());
        match kind {
            Some(kind) => headers.insert(CONTENT_TYPE, kind),
            None => headers.remove(CONTENT_TYPE),
        };
        keep_allowed(given, self.rule, switching, headers);
        match self.rule {
            SealRule::Media => self.seal_media(response.headers_mut(), seals),
            SealRule::Relay => self.seal_relay(response.headers_mut()),
            SealRule::Companion => self.seal_companion(&mut response, switching),
            SealRule::Compat => self.seal_compat(response.headers_mut()),
            SealRule::Control | SealRule::Plain => {}
        }
        if self.close {
            let close = const { HeaderValue::from_static("close") };
            response.headers_mut().insert(CONNECTION, close);
        }
        Sealed {
            response,
            closes: self.close,
            drain: if denial.is_some() {
                Drain::Api
            } else {
                self.drain
            },
            denial: denial.map(|(name, _)| name),
            until,
            raw,
        }
    }

    /// Seals a refusal.
    pub(crate) fn refuse(
        &self,
        seals: &Seals,
        request_id: impl fmt::Display,
        refusal: &Refusal,
    ) -> Sealed {
        let rule = refusal.rule();
        let denial = Denial {
            denial: rule.name(),
            message: rule.message(),
            request_id: &request_id.to_string(),
            retry_after_ms: refusal
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)),
            since: refusal.since.as_deref(),
            now: refusal.now,
            more: refusal.more.as_deref(),
        };
        let mut answer = match self.rule {
            SealRule::Compat => {
                let Told { status, body } = told(refusal);
                Answer::json_with(status, &body)
            }
            _ => Answer::json_with(refusal.status(), &denial),
        };
        if let Some(after) = refusal.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            answer = answer.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = refusal
            .allow
            .as_deref()
            .and_then(|a| HeaderValue::from_str(a).ok())
        {
            answer = answer.header(ALLOW, allow);
        }
        Sealed {
            denial: Some(rule.name()),
            // Nobody earns more time with a refusal.
            drain: Drain::Api,
            ..self.seal(seals, request_id, answer)
        }
    }

    fn seal_media(&self, headers: &mut HeaderMap, seals: &Seals) {
        // Browsers' own PDF viewers do not start in a sandbox.
        let sandboxed = headers
            .get(CONTENT_TYPE)
            .is_none_or(|kind| kind != "application/pdf");
        if !sandboxed || !self.framers.is_empty() {
            let policy = media_policy(sandboxed, seals.framers.iter().chain(&self.framers));
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        let exposed = const {
            HeaderValue::from_static(
                "accept-ranges, content-range, content-length, etag, last-modified",
            )
        };
        self.seal_cors(headers, exposed);
    }

    fn seal_relay(&self, headers: &mut HeaderMap) {
        // An upstream never chooses what its bytes are to a browser on our origin.
        if let Some(kind) = headers.get(CONTENT_TYPE) {
            let essence = kind.to_str().unwrap_or_default();
            let essence = essence.split(';').next().unwrap_or_default().trim();
            let kept = ["application/json", "text/plain", "application/x-protobuf"]
                .iter()
                .any(|known| essence.eq_ignore_ascii_case(known));
            if !kept {
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                headers.insert(CONTENT_TYPE, text);
            }
        }
        let exposed = const { HeaderValue::from_static("content-length, retry-after") };
        self.seal_cors(headers, exposed);
    }

    /// Signs what is whole; what streams goes through grants.
    fn seal_companion(&self, response: &mut Response<Body>, switching: bool) {
        if let Some(signer) = self.signer.as_deref().filter(|_| !switching) {
            sign(response, signer);
        }
        let headers = response.headers_mut();
        if self.readable == Readable::ByNone {
            let own = const { HeaderValue::from_static("same-origin") };
            headers.insert(RESOURCE_POLICY, own);
        }
        let exposed =
            const { HeaderValue::from_static("signature, signature-input, content-digest") };
        self.seal_cors(headers, exposed);
    }

    /// Files among them, that a page shows in frames and pictures: never as a page
    /// that runs something on this origin.
    fn seal_compat(&self, headers: &mut HeaderMap) {
        if self.readable == Readable::ByNone && self.framers.is_empty() {
            let own = const { HeaderValue::from_static("same-origin") };
            headers.insert(RESOURCE_POLICY, own);
        }
        // Browsers' own PDF viewers do not start in a sandbox.
        let sandboxed = headers
            .get(CONTENT_TYPE)
            .is_none_or(|kind| kind != "application/pdf");
        if !sandboxed || !self.framers.is_empty() {
            let policy = media_policy(sandboxed, self.framers.iter());
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        let exposed = const { HeaderValue::from_static("content-length, retry-after") };
        self.seal_cors(headers, exposed);
    }

    fn seal_cors(&self, headers: &mut HeaderMap, exposed: HeaderValue) {
        let allowed = match &self.readable {
            Readable::ByNone => None,
            Readable::ByAll => Some(const { HeaderValue::from_static("*") }),
            Readable::By(origin) => HeaderValue::from_str(origin.as_str()).ok(),
        };
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        if self.varies {
            headers.insert(VARY, const { HeaderValue::from_static("origin") });
        }
    }
}

// === impl Sealed ===

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("status", &self.response.status())
            .finish_non_exhaustive()
    }
}

fn sign(response: &mut Response<Body>, signer: &dyn SignAnswer) {
    let whole = match response.body().bytes() {
        Some(bytes) => Some(bytes.clone()),
        None => {
            let body = std::mem::replace(response.body_mut(), Body::whole(Bytes::new()));
            let read = body.collect().now_or_never();
            read.and_then(Result::ok).map(Collected::to_bytes)
        }
    };
    let Some(bytes) = whole else {
        // Nothing unsigned goes out where a signature is expected.
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return;
    };
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
    signer.sign(
        status,
        kind.unwrap_or_default(),
        &bytes,
        response.headers_mut(),
    );
    *response.body_mut() = Body::whole(bytes);
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::origin::Origin;
    use crate::refusal::Rule;

    fn seals() -> Seals {
        Seals::new(&SealConfig {
            content_origin: "http://127.0.0.1:7001".into(),
            content_lanes: vec!["http://127.0.0.1:7002".into()],
            app_origins: vec!["http://127.0.0.1:7000".into()],
        })
    }

    fn header<'a>(sealed: &'a Sealed, name: &str) -> Option<&'a str> {
        sealed
            .response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    #[test]
    fn t40_the_control_listener_never_speaks_cors() {
        let answer =
            Answer::text("x").header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let sealed = Plan::new(SealRule::Control).seal(&seals(), "r", answer);
        assert!(
            !sealed
                .response
                .headers()
                .keys()
                .any(|name| name.as_str().starts_with("access-"))
        );
        let policy = header(&sealed, "content-security-policy").unwrap();
        let content = "http://127.0.0.1:7001 http://127.0.0.1:7002";
        for rule in [
            format!("connect-src 'self' {content} ws://127.0.0.1:7001;"),
            format!("img-src 'self' {content};"),
            format!("media-src {content};"),
            format!("frame-src {content};"),
        ] {
            assert!(policy.contains(&rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn t53_upstream_headers_pass_by_allow_list() {
        let mut answer = Answer::text("x");
        for name in [
            "set-cookie",
            "location",
            "link",
            "refresh",
            "strict-transport-security",
            "clear-site-data",
            "access-control-allow-origin",
            "content-security-policy",
            "transfer-encoding",
            "connection",
            "server",
            "x-amz-meta-secret",
            "timing-allow-origin",
        ] {
            answer = answer.header(
                HeaderName::from_static(name),
                HeaderValue::from_static("evil"),
            );
        }
        let sealed = Plan::new(SealRule::Media).seal(&seals(), "r", answer);
        assert!(
            sealed
                .response
                .headers()
                .values()
                .all(|value| value != "evil")
        );
    }

    #[test]
    fn t52_media_is_sealed_for_other_origins() {
        let mut plan = Plan::new(SealRule::Media);
        plan.readable = Readable::By(Origin::parse("https://app.example").unwrap());
        plan.varies = true;
        plan.framers = vec!["https://app.example".into()];
        let sealed = plan.refuse(&seals(), "r", &Rule::GrantExpired.into());
        assert_eq!(
            header(&sealed, "cross-origin-resource-policy"),
            Some("cross-origin")
        );
        assert_eq!(
            header(&sealed, "access-control-allow-origin"),
            Some("https://app.example")
        );
        assert_eq!(header(&sealed, "vary"), Some("origin"));
        assert_eq!(header(&sealed, "cache-control"), Some("no-store"));
        assert_eq!(
            header(&sealed, "content-security-policy"),
            Some(
                "sandbox; default-src 'none'; frame-ancestors http://127.0.0.1:7000 https://app.example"
            )
        );
    }

    #[test]
    fn s9_a_page_of_a_folder_runs_nothing_and_refusals_speak_its_language() {
        let mut plan = Plan::new(SealRule::Compat);
        plan.framers = vec!["https://app.example".into()];
        let page = Answer::whole(StatusCode::OK, "text/html", bytes::Bytes::new());
        let sealed = plan.seal(&seals(), "r", page);
        assert_eq!(
            header(&sealed, "content-security-policy"),
            Some("sandbox; default-src 'none'; frame-ancestors https://app.example")
        );
        assert_eq!(header(&sealed, "x-content-type-options"), Some("nosniff"));
        let refused = plan.refuse(&seals(), "r", &Rule::SignatureRequired.into());
        assert_eq!(refused.response.status(), StatusCode::FORBIDDEN);
        assert_eq!(refused.denial(), Some("signatureRequired"));
    }

    #[test]
    fn an_answer_has_the_type_that_it_says_and_no_other() {
        for rule in [
            SealRule::Control,
            SealRule::Media,
            SealRule::Relay,
            SealRule::Companion,
            SealRule::Compat,
            SealRule::Plain,
        ] {
            let none = Plan::new(rule).seal(&seals(), "r", Answer::empty(StatusCode::NO_CONTENT));
            assert_eq!(header(&none, "content-type"), None, "{rule:?}");
            let one = Answer::whole(StatusCode::OK, "application/json", Bytes::new())
                .header(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            let one = Plan::new(rule).seal(&seals(), "r", one).into_response();
            let types: Vec<_> = one.headers().get_all(CONTENT_TYPE).iter().collect();
            assert_eq!(types, ["text/plain"], "{rule:?}");
            let denied = Answer::denial(StatusCode::BAD_GATEWAY, "upstreamWrong", "Wrong.")
                .header(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            let denied = Plan::new(rule).seal(&seals(), "r", denied);
            assert_eq!(header(&denied, "content-type"), Some("application/json"));
            let refused = Plan::new(rule).refuse(&seals(), "r", &Rule::RateLimited.into());
            assert_eq!(header(&refused, "content-type"), Some("application/json"));
        }
    }

    #[test]
    fn a_pdf_is_not_sandboxed() {
        let pdf = Answer::whole(http::StatusCode::OK, "application/pdf", bytes::Bytes::new());
        let sealed = Plan::new(SealRule::Media).seal(&seals(), "r", pdf);
        assert!(
            !header(&sealed, "content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
    }

    #[test]
    fn a_refusal_says_when_to_try_again() {
        let refusal =
            Refusal::from(Rule::RateLimited).retry_after(std::time::Duration::from_millis(1_200));
        let sealed = Plan::new(SealRule::Plain).refuse(&seals(), "r", &refusal);
        assert_eq!(header(&sealed, "retry-after"), Some("2"));
        assert_eq!(sealed.denial(), Some("rateLimited"));
    }

    #[test]
    fn t33_a_refusal_earns_no_more_time_than_any_answer() {
        let mut plan = Plan::new(SealRule::Media);
        plan.drain = Drain::Events;
        let refused = plan.refuse(&seals(), "r", &Rule::GrantUnknown.into());
        assert_eq!(refused.drain(), Drain::Api);
        let denial = Answer::denial(http::StatusCode::BAD_GATEWAY, "upstreamWrong", "Wrong.");
        assert_eq!(plan.seal(&seals(), "r", denial).drain(), Drain::Api);
        assert_eq!(
            plan.seal(&seals(), "r", Answer::text("x")).drain(),
            Drain::Events
        );
    }
}
