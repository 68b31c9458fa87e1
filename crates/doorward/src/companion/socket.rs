//! `/events`: what a paired page is told as it happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use doorward_companion::defaults;
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
use tokio_util::task::TaskTracker;

use super::{Companion, Over, refusal};

pub(super) const EVENTS: &str = "/events";

/// The sockets that are open, counted by pairing.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: Mutex<HashMap<String, usize>>,
    tasks: TaskTracker,
}

/// What the pages of one pairing are told, as JSON.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) key_id: Arc<str>,
    pub(super) text: Arc<str>,
}

/// The place of one socket; dropping it makes room.
#[derive(Debug)]
struct Place {
    sockets: Arc<Sockets>,
    key_id: String,
}

impl Sockets {
    /// A place for one more of `key_id`.
    fn take(self: &Arc<Self>, key_id: &str) -> Result<Place, Rule> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(key_id).copied().unwrap_or_default();
        if own >= defaults::SOCKETS_PER_KEY || open.values().sum::<usize>() >= defaults::SOCKETS {
            return Err(Rule::TooManyConnections);
        }
        *open.entry(key_id.to_owned()).or_default() += 1;
        Ok(Place {
            sockets: Arc::clone(self),
            key_id: key_id.to_owned(),
        })
    }

    /// Waits until all are gone that were told to go.
    pub(super) async fn gone(&self) {
        self.tasks.close();
        // Each gives up on a page that does not listen.
        let most = defaults::SOCKET_FAREWELL * 2;
        let _ = tokio::time::timeout(most, self.tasks.wait()).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &self.sockets.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key_id);
            }
        }
    }
}

impl Companion {
    pub(super) fn socket_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let (policy, askers) = (Policy::companion_sockets(), self.askers.clone());
        Surface::new("events", EVENTS, policy, askers, Arc::clone(self)).get_only("/", open)
    }
}

async fn open(room: Arc<Companion>, permit: Permit<Page>, mut call: Call) -> Result<Answer, Rule> {
    // Heard from now on, so that no end falls between ticket and socket.
    let (ends, news) = (room.ends.subscribe(), room.told.subscribe());
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
    let place = room.sockets.take(&key_id)?;
    room.sockets.tasks.spawn(async move {
        let _place = place;
        if let Ok((stream, early)) = upgrade.taken::<TcpStream>().await {
            tell(stream, early, (ends, news), &key_id).await;
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

async fn tell(
    stream: TcpStream,
    early: Bytes,
    (mut ends, mut news): (broadcast::Receiver<Over>, broadcast::Receiver<Told>),
    key_id: &str,
) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(defaults::SOCKET_MESSAGE))
        .max_frame_size(Some(defaults::SOCKET_MESSAGE));
    let mut socket =
        WebSocketStream::from_partially_read(stream, early.into(), Role::Server, Some(config))
            .await;
    let mut heard = true;
    let mut next = Message::text(HELLO);
    let mut ping = tokio::time::interval(defaults::SOCKET_PING);
    ping.tick().await;
    let (over, code) = loop {
        let sent = tokio::time::timeout(defaults::SOCKET_SEND_WITHIN, socket.send(next)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        let end = loop {
            tokio::select! {
                end = ends.recv() => match end {
                    Ok(Over::Pairing(ended)) if ended != key_id => {}
                    Ok(Over::Pairing(_)) => break Some(Ok((REVOKED, CloseCode::Policy))),
                    // Or it fell behind, and cannot tell whether it was meant.
                    Ok(Over::Everything) | Err(_) => break Some(Ok((STOPPING, CloseCode::Away))),
                },
                told = news.recv() => match told {
                    Ok(told) if *told.key_id != *key_id => {}
                    Ok(told) => break Some(Err(Message::text(&*told.text))),
                    // Some were missed: the page asks how things are.
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        break Some(Err(Message::text(MISSED)));
                    }
                    Err(broadcast::error::RecvError::Closed) => {
                        break Some(Ok((STOPPING, CloseCode::Away)));
                    }
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
            Some(Ok(end)) => break end,
            Some(Err(told)) => next = told,
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
    let _ = tokio::time::timeout(defaults::SOCKET_FAREWELL, farewell).await;
}

const HELLO: &str = r#"{"kind":"hello"}"#;
const REVOKED: &str = r#"{"kind":"pairing.revoked"}"#;
const MISSED: &str = r#"{"kind":"jobs.changed"}"#;
const STOPPING: &str = r#"{"kind":"companion.stopping"}"#;
