//! The seal: the last step of every answer, refusals and parser errors included.
//!
//! Only headers on the surface's allow-list survive; then the surface's security
//! headers go on. [`Sealed`] has no public constructor, and the listener writes
//! nothing else.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED,
    LOCATION, REFERRER_POLICY, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};

use crate::answer::{Answer, Body, Until};
use crate::caller::{GrantCard, SignAnswer};
use crate::origin::{Origin, Origins};
use crate::policy::{Drain, SealRule};
use crate::raw::Raw;
use crate::refusal::{Denial, Refusal, Told, told};
use crate::rules::cors::{self, Readable};

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
    pub(crate) fn seal(&self, config: &SealConfig, request_id: &str, answer: Answer) -> Sealed {
        let Answer {
            mut response,
            denial,
            until,
            raw,
        } = answer;
        if let Some((name, message)) = &denial {
            let body = Denial {
                denial: name,
                message,
                request_id,
                retry_after_ms: None,
                since: None,
                now: None,
                more: None,
            };
            let written = Answer::json_with(response.status(), &body).response;
            let (head, body) = written.into_parts();
            response.headers_mut().extend(head.headers);
            *response.body_mut() = body;
        }
        keep_allowed(response.headers_mut(), self.rule);
        match self.rule {
            SealRule::Control => seal_control(response.headers_mut(), config),
            SealRule::Media => self.seal_media(response.headers_mut(), config),
            SealRule::Relay => self.seal_relay(&mut response),
            SealRule::Companion => self.seal_companion(&mut response),
            SealRule::Compat => self.seal_compat(&mut response),
            SealRule::Plain => seal_plain(response.headers_mut()),
        }
        if self.close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Sealed {
            response,
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
        config: &SealConfig,
        request_id: &str,
        refusal: &Refusal,
    ) -> Sealed {
        let rule = refusal.rule();
        let denial = Denial {
            denial: rule.name(),
            message: rule.message(),
            request_id,
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
            ..self.seal(config, request_id, answer)
        }
    }

    fn seal_media(&self, headers: &mut HeaderMap, config: &SealConfig) {
        seal_plain(headers);
        set(headers, "cross-origin-resource-policy", "cross-origin");
        set(headers, "cross-origin-embedder-policy", "require-corp");
        let sandbox = match headers.get(CONTENT_TYPE) {
            // Browsers' own PDF viewers do not start in a sandbox.
            Some(kind) if kind == "application/pdf" => "",
            _ => "sandbox; ",
        };
        let mut framers: Vec<&str> = config.app_origins.iter().map(String::as_str).collect();
        framers.extend(self.framers.iter().map(String::as_str));
        let framers = if framers.is_empty() {
            "'none'".to_owned()
        } else {
            framers.join(" ")
        };
        let policy = format!("{sandbox}default-src 'none'; frame-ancestors {framers}");
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        self.seal_cors(
            headers,
            "accept-ranges, content-range, content-length, etag, last-modified",
        );
    }

    fn seal_relay(&self, response: &mut Response<Body>) {
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        if !switching {
            for name in [CONNECTION, UPGRADE] {
                headers.remove(name);
            }
        }
        seal_plain(headers);
        set(headers, "cross-origin-resource-policy", "cross-origin");
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
        );
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
        self.seal_cors(headers, "content-length, retry-after");
    }

    /// Signs what is whole; what streams goes through grants.
    fn seal_companion(&self, response: &mut Response<Body>) {
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !switching {
            for name in [CONNECTION, UPGRADE] {
                response.headers_mut().remove(name);
            }
        }
        if let Some(signer) = self.signer.as_deref().filter(|_| !switching) {
            sign(response, signer);
        }
        let headers = response.headers_mut();
        seal_plain(headers);
        let policy = match self.readable {
            Readable::ByNone => "same-origin",
            Readable::By(_) | Readable::ByAll => "cross-origin",
        };
        set(headers, "cross-origin-resource-policy", policy);
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
        );
        self.seal_cors(headers, "signature, signature-input, content-digest");
    }

    /// Files among them, that a page shows in frames and pictures: never as a page
    /// that runs something on this origin.
    fn seal_compat(&self, response: &mut Response<Body>) {
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        if !switching {
            for name in [CONNECTION, UPGRADE] {
                headers.remove(name);
            }
        }
        seal_plain(headers);
        let is_for_others = self.readable != Readable::ByNone || !self.framers.is_empty();
        let policy = if is_for_others {
            "cross-origin"
        } else {
            "same-origin"
        };
        set(headers, "cross-origin-resource-policy", policy);
        let sandbox = match headers.get(CONTENT_TYPE) {
            // Browsers' own PDF viewers do not start in a sandbox.
            Some(kind) if kind == "application/pdf" => "",
            _ => "sandbox; ",
        };
        let framers = match self.framers.as_slice() {
            [] => "'none'".to_owned(),
            framers => framers.join(" "),
        };
        let policy = format!("{sandbox}default-src 'none'; frame-ancestors {framers}");
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        self.seal_cors(headers, "content-length, retry-after");
    }

    fn seal_cors(&self, headers: &mut HeaderMap, exposed: &'static str) {
        let allowed = match &self.readable {
            Readable::ByNone => None,
            Readable::ByAll => Some(HeaderValue::from_static("*")),
            Readable::By(origin) => HeaderValue::from_str(origin.as_str()).ok(),
        };
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(exposed),
            );
        }
        if self.varies {
            headers.insert(VARY, HeaderValue::from_static("origin"));
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

fn seal_control(headers: &mut HeaderMap, config: &SealConfig) {
    seal_plain(headers);
    let socket = config.content_origin.replacen("http", "ws", 1);
    let content = std::iter::once(&config.content_origin)
        .chain(&config.content_lanes)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {content}; \
         media-src {content}; connect-src 'self' {content} {socket}; font-src 'self'; \
         worker-src 'self'; frame-src {content}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set(headers, "cross-origin-opener-policy", "same-origin");
    set(headers, "cross-origin-embedder-policy", "require-corp");
    set(headers, "cross-origin-resource-policy", "same-origin");
    set(headers, "permissions-policy", PERMISSIONS);
}

fn sign(response: &mut Response<Body>, signer: &dyn SignAnswer) {
    let body = std::mem::take(response.body_mut());
    let Some(Ok(whole)) = body.collect().now_or_never() else {
        // Nothing unsigned goes out where a signature is expected.
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return;
    };
    let bytes = whole.to_bytes();
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let signed = signer.sign(response.status(), kind, &bytes);
    response.headers_mut().extend(signed);
    *response.body_mut() = Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync();
}

fn seal_plain(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Everything off but what a media console needs for itself.
const PERMISSIONS: &str = "accelerometer=(), \
    browsing-topics=(), camera=(), clipboard-read=(), compute-pressure=(), \
    display-capture=(), encrypted-media=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
    identity-credentials-get=(), idle-detection=(), interest-cohort=(), keyboard-map=(), \
    local-fonts=(), magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), \
    publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), \
    serial=(), storage-access=(), usb=(), window-management=(), \
    xr-spatial-tracking=(), fullscreen=(self), picture-in-picture=(self), autoplay=(self), \
    clipboard-write=(self)";

fn keep_allowed(headers: &mut HeaderMap, rule: SealRule) {
    let allowed: &[HeaderName] = match rule {
        SealRule::Control => &[
            CONTENT_TYPE,
            CONTENT_LENGTH,
            ETAG,
            ALLOW,
            RETRY_AFTER,
            SET_COOKIE,
            LOCATION,
        ],
        SealRule::Media => &[
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_RANGE,
            CONTENT_DISPOSITION,
            CONTENT_ENCODING,
            ACCEPT_RANGES,
            ETAG,
            LAST_MODIFIED,
            ALLOW,
            RETRY_AFTER,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ],
        SealRule::Relay => &[
            CONTENT_TYPE,
            CONTENT_LENGTH,
            ALLOW,
            RETRY_AFTER,
            CONNECTION,
            UPGRADE,
            SEC_WEBSOCKET_ACCEPT,
            SEC_WEBSOCKET_EXTENSIONS,
            SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_VERSION,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ],
        SealRule::Companion => &[
            CONTENT_TYPE,
            CONTENT_LENGTH,
            ALLOW,
            RETRY_AFTER,
            CONNECTION,
            UPGRADE,
            SEC_WEBSOCKET_ACCEPT,
            SEC_WEBSOCKET_PROTOCOL,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ],
        SealRule::Compat => &[
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_DISPOSITION,
            ALLOW,
            RETRY_AFTER,
            CONNECTION,
            UPGRADE,
            SEC_WEBSOCKET_ACCEPT,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ],
        SealRule::Plain => &[CONTENT_TYPE, CONTENT_LENGTH, ALLOW, RETRY_AFTER],
    };
    let strangers: Vec<HeaderName> = headers
        .keys()
        .filter(|&name| !allowed.contains(name))
        .cloned()
        .collect();
    for name in strangers {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &'static str) {
    headers.insert(
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;
    use crate::refusal::Rule;

    fn config() -> SealConfig {
        SealConfig {
            content_origin: "http://127.0.0.1:7001".into(),
            content_lanes: vec!["http://127.0.0.1:7002".into()],
            app_origins: vec!["http://127.0.0.1:7000".into()],
        }
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
        let sealed = Plan::new(SealRule::Control).seal(&config(), "r", answer);
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
        let sealed = Plan::new(SealRule::Media).seal(&config(), "r", answer);
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
        let sealed = plan.refuse(&config(), "r", &Rule::GrantExpired.into());
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
        let sealed = plan.seal(&config(), "r", page);
        assert_eq!(
            header(&sealed, "content-security-policy"),
            Some("sandbox; default-src 'none'; frame-ancestors https://app.example")
        );
        assert_eq!(header(&sealed, "x-content-type-options"), Some("nosniff"));
        let refused = plan.refuse(&config(), "r", &Rule::SignatureRequired.into());
        assert_eq!(refused.response.status(), StatusCode::FORBIDDEN);
        assert_eq!(refused.denial(), Some("signatureRequired"));
    }

    #[test]
    fn a_pdf_is_not_sandboxed() {
        let pdf = Answer::whole(http::StatusCode::OK, "application/pdf", bytes::Bytes::new());
        let sealed = Plan::new(SealRule::Media).seal(&config(), "r", pdf);
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
        let sealed = Plan::new(SealRule::Plain).refuse(&config(), "r", &refusal);
        assert_eq!(header(&sealed, "retry-after"), Some("2"));
        assert_eq!(sealed.denial(), Some("rateLimited"));
    }

    #[test]
    fn t33_a_refusal_earns_no_more_time_than_any_answer() {
        let mut plan = Plan::new(SealRule::Media);
        plan.drain = Drain::Events;
        let refused = plan.refuse(&config(), "r", &Rule::GrantUnknown.into());
        assert_eq!(refused.drain(), Drain::Api);
        let denial = Answer::denial(http::StatusCode::BAD_GATEWAY, "upstreamWrong", "Wrong.");
        assert_eq!(plan.seal(&config(), "r", denial).drain(), Drain::Api);
        assert_eq!(
            plan.seal(&config(), "r", Answer::text("x")).drain(),
            Drain::Events
        );
    }
}
