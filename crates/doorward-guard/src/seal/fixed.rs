//! What answers are sealed with, and what handlers may add: one list for each rule.

use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION,
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, LAST_MODIFIED, LOCATION, REFERRER_POLICY, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::SealConfig;
use crate::policy::SealRule;

/// The security headers of one guard's answers, written down once, and an empty
/// `Content-Type`, for the answer to put its own there. None of them is on an allow-list,
/// so nothing that a handler gives stands beside them.
#[derive(Debug)]
pub(crate) struct Seals {
    control: HeaderMap,
    media: HeaderMap,
    relay: HeaderMap,
    companion: HeaderMap,
    compat: HeaderMap,
    plain: HeaderMap,
    /// Pages that may frame media.
    pub(super) framers: Vec<String>,
}

/// Headers whose places an answer need not find anew.
const SEALED: usize = 20;

impl Seals {
    /// Writes them down.
    pub(crate) fn new(config: &SealConfig) -> Self {
        let framers = config.app_origins.clone();
        let mut plain = HeaderMap::with_capacity(SEALED);
        // A map that grows is copied once more, so the type has its place.
        plain.insert(CONTENT_TYPE, HeaderValue::from_static(""));
        plain.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        plain.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        plain.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let with = |more: Vec<(HeaderName, HeaderValue)>| {
            let mut headers = plain.clone();
            headers.extend(more);
            headers
        };
        let fixed = HeaderValue::from_static;
        let nothing = "sandbox; default-src 'none'; frame-ancestors 'none'";
        Self {
            control: with(vec![
                (CONTENT_SECURITY_POLICY, control_policy(config)),
                (X_FRAME_OPTIONS, fixed("DENY")),
                (OPENER_POLICY, fixed("same-origin")),
                (EMBEDDER_POLICY, fixed("require-corp")),
                (RESOURCE_POLICY, fixed("same-origin")),
                (PERMISSIONS_POLICY, fixed(PERMISSIONS)),
            ]),
            media: with(vec![
                (RESOURCE_POLICY, fixed("cross-origin")),
                (EMBEDDER_POLICY, fixed("require-corp")),
                (CONTENT_SECURITY_POLICY, media_policy(true, framers.iter())),
            ]),
            relay: with(vec![
                (RESOURCE_POLICY, fixed("cross-origin")),
                (CONTENT_SECURITY_POLICY, fixed(nothing)),
            ]),
            companion: with(vec![
                (RESOURCE_POLICY, fixed("cross-origin")),
                (CONTENT_SECURITY_POLICY, fixed(nothing)),
            ]),
            compat: with(vec![
                (RESOURCE_POLICY, fixed("cross-origin")),
                (CONTENT_SECURITY_POLICY, fixed(nothing)),
            ]),
            plain,
            framers,
        }
    }

    pub(super) fn of(&self, rule: SealRule) -> &HeaderMap {
        match rule {
            SealRule::Control => &self.control,
            SealRule::Media => &self.media,
            SealRule::Relay => &self.relay,
            SealRule::Companion => &self.companion,
            SealRule::Compat => &self.compat,
            SealRule::Plain => &self.plain,
        }
    }
}

const EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

fn control_policy(config: &SealConfig) -> HeaderValue {
    let socket = config.content_origin.replacen("http", "ws", 1);
    let content = std::iter::once(&config.content_origin)
        .chain(&config.content_lanes)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    policy(&format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {content}; \
         media-src {content}; connect-src 'self' {content} {socket}; font-src 'self'; \
         worker-src 'self'; frame-src {content}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    ))
}

pub(super) fn media_policy<'a>(
    sandboxed: bool,
    framers: impl Iterator<Item = &'a String>,
) -> HeaderValue {
    let sandbox = if sandboxed { "sandbox; " } else { "" };
    let mut framers = framers.map(String::as_str).collect::<Vec<_>>().join(" ");
    if framers.is_empty() {
        "'none'".clone_into(&mut framers);
    }
    policy(&format!(
        "{sandbox}default-src 'none'; frame-ancestors {framers}"
    ))
}

/// What cannot be written allows nothing.
fn policy(text: &str) -> HeaderValue {
    let nothing = "sandbox; default-src 'none'; frame-ancestors 'none'";
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(nothing))
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

static CONTROL: [HeaderName; 6] = [
    CONTENT_LENGTH,
    ETAG,
    ALLOW,
    RETRY_AFTER,
    SET_COOKIE,
    LOCATION,
];
static MEDIA: [HeaderName; 12] = [
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
];
static RELAY: [HeaderName; 12] = [
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
];
static COMPANION: [HeaderName; 10] = [
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
];
static COMPAT: [HeaderName; 10] = [
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
];
static PLAIN: [HeaderName; 3] = [CONTENT_LENGTH, ALLOW, RETRY_AFTER];

/// Moves what the surface allows from `given` to `kept`. Only an answer that is
/// `switching` to another protocol speaks of its connection.
pub(super) fn keep_allowed(
    given: HeaderMap,
    rule: SealRule,
    switching: bool,
    kept: &mut HeaderMap,
) {
    let allowed: &[HeaderName] = match rule {
        SealRule::Control => &CONTROL,
        SealRule::Media => &MEDIA,
        SealRule::Relay => &RELAY,
        SealRule::Companion => &COMPANION,
        SealRule::Compat => &COMPAT,
        SealRule::Plain => &PLAIN,
    };
    // A second value comes without its name.
    let mut last = None;
    for (name, value) in given {
        last = name.or(last);
        let Some(name) = &last else { continue };
        let hop = *name == CONNECTION || *name == UPGRADE;
        if allowed.contains(name) && (switching || !hop) {
            kept.append(name, value);
        }
    }
}
