//! `/r/<token>/…`: an upstream.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Capability, Permit, Policy, Surface};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::ask::{self, Asked, Question};
use crate::error::RelayError;
use crate::grant::{Messages, RelayGrant, SentOrigin};
use crate::livekit;
use crate::mapping::{IceList, Mapping};
use crate::path::beneath_token;
use crate::relay::Relay;
use crate::rewrite::Rewriting;
use crate::tunnel::{self, End, Ends, Framing, Report};

/// What of a request the upstream sees besides the handshake. No cookie, no
/// forwarding header.
const SENT: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, USER_AGENT];
/// What of a handshake the upstream sees, as the client wrote it.
const SHAKEN: [HeaderName; 4] = [
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
];
/// What of an answer the page sees; the seal decides in the end.
const MIRRORED: [HeaderName; 2] = [CONTENT_TYPE, RETRY_AFTER];
/// And what of an upgrade.
const SWITCHED: [HeaderName; 3] = [
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
];

impl Relay {
    /// Every grant's upstream, for the content listener.
    #[must_use]
    pub fn surface(self: &Arc<Self>) -> Surface<Capability<RelayGrant>, Self> {
        let book = Arc::clone(&self.grants);
        Surface::new("relay", "/r", Policy::relay(), book, Arc::clone(self))
            .get("/{token}", pass)
            .get("/{token}/", pass)
            .get("/{token}/{*path}", pass)
    }
}

async fn pass(
    relay: Arc<Relay>,
    permit: Permit<Capability<RelayGrant>>,
    mut call: Call,
) -> Result<Answer, RelayError> {
    let grant = Arc::clone(permit.proof());
    let data = &grant.data;
    data.count_request();
    grant.touch(relay.clock.now());
    let (path, query) = beneath_token(call.uri()).ok_or(RelayError::TargetMalformed)?;
    if !data.paths.open(path, call.method() == Method::HEAD) {
        return Err(RelayError::PathNotAllowed);
    }
    let upgrading = call.headers().contains_key(UPGRADE);
    if upgrading {
        check_handshake(call.method(), call.headers())?;
    }
    // Before anything is dialled.
    let slot = relay.take_slot(data)?;
    let mut question = Question {
        method: call.method().clone(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: headers_to_send(call.headers(), &data.sent_origin, upgrading),
    };
    if data.messages != Messages::Untouched {
        // Any of them may change what a message looks like.
        question.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    }
    // The grant's own URL, as this page names it.
    let here = Zeroizing::new(match call.header("host") {
        Some(host) => format!("ws://{host}/r/{}", call.param("token")),
        None => return Err(RelayError::TargetMalformed),
    });
    let asked = tokio::select! {
        asked = ask::ask(data, &question) => asked?,
        // A revoke does not wait for an upstream.
        _fate = grant.ended() => return Err(RelayError::Broken("the grant ended".to_owned())),
        () = relay.stop.cancelled() => return Err(RelayError::Broken("stopping".to_owned())),
    };
    let (head, body) =
        match asked {
            Asked::Answered(head, body) => (head, body),
            Asked::Switched(head, upstream, first) => {
                let connection = permit.request_id();
                let mapping = match data.messages {
                    Messages::Untouched => None,
                    Messages::LiveKit(asked) => {
                        if head.headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
                            let why = "it agreed to an extension that nobody offered";
                            return Err(RelayError::Broken(why.to_owned()));
                        }
                        Some(Mapping {
                            relay: Arc::clone(&relay),
                            grant: Arc::clone(&grant),
                            connection: connection.clone(),
                            here,
                            asked,
                            list: IceList::default(),
                        })
                    }
                };
                let upgrade = call.take_upgrade().filter(|_| upgrading).ok_or(
                    RelayError::HandshakeMalformed("the connection cannot be upgraded"),
                )?;
                let mut answer = Answer::empty(StatusCode::SWITCHING_PROTOCOLS)
                    .header(CONNECTION, HeaderValue::from_static("Upgrade"))
                    .header(UPGRADE, HeaderValue::from_static("websocket"));
                for name in SWITCHED {
                    if let Some(value) = whole_line(&head.headers, &name) {
                        answer = answer.header(name, value);
                    }
                }
                let room = Arc::clone(&relay);
                let restart = relay.ways.restart();
                let looked = relay.ways.look_after(upstream.socket(), &restart);
                relay.tasks.spawn(async move {
                    let Ok((client, early)) = upgrade.taken::<TcpStream>().await else {
                        return;
                    };
                    let _ = client.set_nodelay(true);
                    room.tell_opened(&grant, &connection);
                    let ends = Ends {
                        grant: &grant,
                        clock: &room.clock,
                        stop: &room.stop,
                        restart: &restart,
                        silence: grant.data.silence,
                        framing: Framing::WebSocket,
                    };
                    let report = match mapping {
                        None => tunnel::splice(client, upstream, &early, &first, ends).await,
                        Some(mapping) => {
                            let mut changed = Rewriting::new(upstream, mapping, &first);
                            let report =
                                tunnel::splice(client, &mut changed, &early, &[], ends).await;
                            let end = changed.fault().map_or(report.end, End::Faulty);
                            Report { end, ..report }
                        }
                    };
                    // Whoever hears of it finds its place free.
                    drop((slot, looked));
                    room.tell_closed(&grant, &connection, &report);
                });
                return Ok(answer);
            }
        };
    drop(slot);
    let mut body = body;
    if path == "/settings/regions" && head.status.is_success() {
        body = livekit::map_regions(&body, |url| {
            let known = data
                .upstreams
                .iter()
                .any(|upstream| upstream.is_named_by(url));
            known.then(|| here.to_string())
        })
        .into();
    }
    let mut answer = Answer::whole(head.status, "text/plain; charset=utf-8", body);
    for name in MIRRORED {
        if let Some(value) = head.headers.get(&name) {
            answer = answer.header(name, value.clone());
        }
    }
    Ok(answer)
}

/// All lines of this name as the one that they mean (RFC 9110 section 5.3).
fn whole_line(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&lines.join(&b", "[..])).ok()
}

fn headers_to_send(from: &HeaderMap, origin: &SentOrigin, upgrading: bool) -> HeaderMap {
    let mut to = HeaderMap::new();
    let shaken: &[HeaderName] = if upgrading { &SHAKEN } else { &[] };
    for name in SENT.iter().chain(shaken) {
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
    if upgrading {
        to.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let origin = match origin {
        SentOrigin::Kept => from.get(ORIGIN).cloned(),
        SentOrigin::Dropped => None,
        SentOrigin::Fixed(value) => Some(value.clone()),
    };
    if let Some(origin) = origin {
        to.insert(ORIGIN, origin);
    }
    debug_assert!(!to.contains_key(HOST), "Host is the grant's");
    to
}

/// RFC 6455 section 4.2.1.
fn check_handshake(method: &Method, headers: &HeaderMap) -> Result<(), RelayError> {
    use base64::Engine as _;
    let bad = RelayError::HandshakeMalformed;
    let one = |name: &HeaderName| {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.to_str().ok(),
            _ => None,
        }
    };
    if method != Method::GET {
        return Err(bad("it is not a GET"));
    }
    let websocket = |text: &str| text.trim().eq_ignore_ascii_case("websocket");
    if !one(&UPGRADE).is_some_and(websocket) {
        return Err(bad("it upgrades to something else"));
    }
    let names_upgrade = headers.get_all(CONNECTION).iter().any(|line| {
        line.to_str().is_ok_and(|line| {
            line.split(',')
                .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        })
    });
    if !names_upgrade {
        return Err(bad("Connection does not name Upgrade"));
    }
    if one(&SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(RelayError::VersionNotSupported);
    }
    let key = one(&SEC_WEBSOCKET_KEY)
        .and_then(|key| base64::engine::general_purpose::STANDARD.decode(key).ok());
    match key {
        Some(key) if key.len() == 16 => Ok(()),
        _ => Err(bad("the key is not sixteen bytes")),
    }
}
