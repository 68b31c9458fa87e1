//! `/events`: what a paired page is told as it happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_companion::signing::{SUBPROTOCOL, offered_ticket};
use doorward_guard::{Answer, Call, Page, Permit, Policy, Rule, Surface};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{Companion, Over, refusal};

pub(super) const EVENTS: &str = "/events";
/// A page that has said nothing when the next ping is due is gone.
const PING: Duration = Duration::from_secs(25);
/// Pages have nothing to say here.
const MESSAGE: usize = 1024;
/// Events wait for a page that does not read for this long.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// A page has this long to take the reason of an end, so that all is over within a
/// second.
const FAREWELL: Duration = Duration::from_millis(500);

impl Companion {
    pub(super) fn socket_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let (policy, askers) = (Policy::companion_sockets(), self.askers.clone());
        Surface::new("events", EVENTS, policy, askers, Arc::clone(self)).get("/", open)
    }
}

async fn open(room: Arc<Companion>, permit: Permit<Page>, mut call: Call) -> Result<Answer, Rule> {
    // Heard from now on, so that no end falls between ticket and socket.
    let ends = room.ends.subscribe();
    let mut offers = call.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offer = offers.next().and_then(|offer| offer.to_str().ok());
    let ticket = offer.filter(|_| offers.next().is_none());
    let ticket = ticket.and_then(offered_ticket);
    let ticket = ticket.ok_or(Rule::SocketTicketInvalid)?;
    let key_id = room.tickets.take(&ticket, permit.proof(), EVENTS);
    let key_id = key_id.map_err(refusal::sign)?;
    if room.book.view(&key_id).is_none() {
        return Err(Rule::SocketTicketInvalid);
    }
    let accept = shaken(call.method(), call.headers()).ok_or(Rule::MalformedRequest)?;
    let upgrade = call.take_upgrade().ok_or(Rule::MalformedRequest)?;
    tokio::spawn(async move {
        if let Ok((stream, early)) = upgrade.taken::<TcpStream>().await {
            tell(stream, early, ends, &key_id).await;
        }
    });
    Ok(Answer::empty(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .header(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        ))
}

/// The answer to a handshake of RFC 6455 section 4.1.
fn shaken(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let one = |name| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        first.filter(|_| values.next().is_none())
    };
    let connection = one(CONNECTION)?;
    let upgrades = connection
        .split(',')
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let key = one(SEC_WEBSOCKET_KEY)?;
    // Sixteen bytes of base64.
    let good = method == Method::GET
        && upgrades
        && one(UPGRADE)?.eq_ignore_ascii_case("websocket")
        && one(SEC_WEBSOCKET_VERSION)? == "13"
        && key.len() == 24
        && key.ends_with("==");
    good.then(|| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())
        .flatten()
}

async fn tell(stream: TcpStream, early: Bytes, mut ends: broadcast::Receiver<Over>, key_id: &str) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    let mut socket =
        WebSocketStream::from_partially_read(stream, early.into(), Role::Server, Some(config))
            .await;
    let mut heard = true;
    let mut next = Message::text(HELLO);
    let mut ping = tokio::time::interval(PING);
    ping.tick().await;
    let (over, code) = loop {
        let sent = tokio::time::timeout(SEND_WITHIN, socket.send(next)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        let end = loop {
            tokio::select! {
                end = ends.recv() => match end {
                    Ok(Over::Pairing(ended)) if ended != key_id => {}
                    Ok(Over::Pairing(_)) => break Some((REVOKED, CloseCode::Policy)),
                    // Or it fell behind, and cannot tell whether it was meant.
                    Ok(Over::Everything) | Err(_) => break Some((STOPPING, CloseCode::Away)),
                },
                _ = ping.tick() => break None,
                message = socket.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    // What a page claims here is not read.
                    Some(Ok(_)) => heard = true,
                },
            }
        };
        match end {
            Some(end) => break end,
            None if !std::mem::take(&mut heard) => return,
            None => next = Message::Ping(Bytes::new()),
        }
    };
    let close = CloseFrame {
        code,
        reason: "".into(),
    };
    let farewell = async {
        socket.send(Message::text(over)).await?;
        socket.close(Some(close)).await
    };
    // Who does not read it loses the connection all the same.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

const HELLO: &str = r#"{"kind":"hello"}"#;
const REVOKED: &str = r#"{"kind":"pairing.revoked"}"#;
const STOPPING: &str = r#"{"kind":"companion.stopping"}"#;
