//! WebSockets of paired pages: tickets, the handshake, pings, and how they end.
//!
//! What is said on one is its [`Talk`]. A socket ends with its pairing and with the
//! companion, whatever it is doing; a page that reads nothing, or does not answer
//! pings, loses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use doorward_companion::defaults;
use doorward_companion::signing::{SUBPROTOCOL, offered_ticket};
use doorward_guard::{Answer, Call, Page, Permit, Rule};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::task::TaskTracker;

use super::{Companion, Over, refusal};

/// What is said on one socket.
pub(super) trait Talk: Send + 'static {
    /// Where its tickets are good.
    const ROUTE: &'static str;
    /// Bytes of a message from the page.
    const MESSAGE: usize;

    /// What is to be said next; waits for it. May be dropped while it waits.
    fn next(&mut self) -> impl Future<Output = String> + Send;

    /// Hears what the page says.
    ///
    /// # Errors
    ///
    /// What to say last, and why the socket ends.
    fn hear(&mut self, said: &str) -> Result<(), Farewell>;
}

/// The end of a socket: what is said last, and the code.
#[derive(Debug)]
pub(super) struct Farewell(pub(super) String, pub(super) CloseCode);

type Socket = WebSocketStream<TcpStream>;

/// The sockets that are open, counted by pairing.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: Mutex<HashMap<String, usize>>,
    tasks: TaskTracker,
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

/// Lets a page in that has a ticket for `T::ROUTE`; `talk` is told whose it was.
pub(super) async fn enter<T: Talk>(
    room: &Arc<Companion>,
    permit: &Permit<Page>,
    call: Call,
    talk: impl FnOnce(&str) -> T,
) -> Result<Answer, Rule> {
    // Heard from now on, so that no end falls between ticket and socket.
    let ends = room.ends.subscribe();
    let mut offers = call.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offer = offers.next().and_then(|offer| offer.to_str().ok());
    let ticket = offer.filter(|_| offers.next().is_none());
    let ticket = ticket.and_then(offered_ticket);
    let ticket = ticket.ok_or(Rule::SocketTicketInvalid)?;
    let key_id = room.tickets.take(&ticket, permit.proof(), T::ROUTE);
    let key_id = key_id.map_err(refusal::sign)?;
    if room.book.view(&key_id).is_none() {
        return Err(Rule::SocketTicketInvalid);
    }
    let answer = join(room, Ends { ends, key_id }, call, talk)?;
    Ok(answer.header(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    ))
}

/// Lets a page of the compatible listener in, whose stamp held.
pub(super) fn enter_stamped<T: Talk>(
    room: &Arc<Companion>,
    key_id: &str,
    call: Call,
    talk: impl FnOnce(&str) -> T,
) -> Result<Answer, Rule> {
    let ends = room.ends.subscribe();
    if room.book.view(key_id).is_none() {
        return Err(Rule::PageNotPaired);
    }
    let key_id = key_id.to_owned();
    join(room, Ends { ends, key_id }, call, talk)
}

fn join<T: Talk>(
    room: &Arc<Companion>,
    ends: Ends,
    mut call: Call,
    talk: impl FnOnce(&str) -> T,
) -> Result<Answer, Rule> {
    let accept = shaken(call.method(), call.headers()).ok_or(Rule::MalformedRequest)?;
    let upgrade = call.take_upgrade().ok_or(Rule::MalformedRequest)?;
    let place = room.sockets.take(&ends.key_id)?;
    let talk = talk(&ends.key_id);
    room.sockets.tasks.spawn(async move {
        let _place = place;
        if let Ok((stream, early)) = upgrade.taken::<TcpStream>().await {
            let config = WebSocketConfig::default()
                .max_message_size(Some(T::MESSAGE))
                .max_frame_size(Some(T::MESSAGE));
            let (early, config) = (early.into(), Some(config));
            let socket =
                WebSocketStream::from_partially_read(stream, early, Role::Server, config).await;
            converse(socket, talk, ends).await;
        }
    });
    Ok(Answer::empty(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(SEC_WEBSOCKET_ACCEPT, accept))
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

/// When a socket has to end.
struct Ends {
    ends: broadcast::Receiver<Over>,
    key_id: String,
}

impl Ends {
    async fn come(&mut self) -> Farewell {
        loop {
            match self.ends.recv().await {
                Ok(Over::Pairing(ended)) if ended != self.key_id => {}
                Ok(Over::Pairing(_)) => return Farewell(REVOKED.to_owned(), CloseCode::Policy),
                // Or it fell behind, and cannot tell whether it was meant.
                Ok(Over::Everything) | Err(_) => {
                    return Farewell(STOPPING.to_owned(), CloseCode::Away);
                }
            }
        }
    }
}

async fn converse<T: Talk>(mut socket: Socket, mut talk: T, mut ends: Ends) {
    let farewell = tokio::select! {
        farewell = ends.come() => farewell,
        end = speak(&mut socket, &mut talk) => match end {
            Some(farewell) => farewell,
            None => return,
        },
    };
    let Farewell(last, code) = farewell;
    let close = CloseFrame {
        code,
        reason: "".into(),
    };
    let farewell = async {
        socket.send(Message::text(last)).await?;
        socket.close(Some(close)).await
    };
    // Who does not read it loses the connection all the same.
    let _ = tokio::time::timeout(defaults::SOCKET_FAREWELL, farewell).await;
}

/// Speaks and hears until the page is gone, or has to go.
async fn speak<T: Talk>(socket: &mut Socket, talk: &mut T) -> Option<Farewell> {
    let mut heard = true;
    let mut ping = tokio::time::interval(defaults::SOCKET_PING);
    ping.tick().await;
    loop {
        let next = tokio::select! {
            said = socket.next() => match said? {
                Ok(Message::Close(_)) => return None,
                Ok(said) => {
                    heard = true;
                    let said = match &said {
                        Message::Text(said) => said.as_str(),
                        // Bytes are no text, so they are heard as none.
                        Message::Binary(_) => "",
                        _ => continue,
                    };
                    match talk.hear(said) {
                        Ok(()) => continue,
                        Err(farewell) => return Some(farewell),
                    }
                }
                Err(error) => return refused(&error),
            },
            _ = ping.tick() => match std::mem::take(&mut heard) {
                true => Message::Ping(Bytes::new()),
                false => return None,
            },
            next = talk.next() => Message::text(next),
        };
        let sent = tokio::time::timeout(defaults::SOCKET_SEND_WITHIN, socket.send(next)).await;
        sent.ok()?.ok()?;
    }
}

/// The end of a page that did not keep to RFC 6455, or said too much at once.
fn refused(error: &tungstenite::Error) -> Option<Farewell> {
    let code = match error {
        tungstenite::Error::Capacity(_) => CloseCode::Size,
        tungstenite::Error::Utf8(_) => CloseCode::Invalid,
        tungstenite::Error::Protocol(_) => CloseCode::Protocol,
        _ => return None,
    };
    Some(Farewell(REFUSED.to_owned(), code))
}

const REVOKED: &str = r#"{"kind":"pairing.revoked"}"#;
const STOPPING: &str = r#"{"kind":"companion.stopping"}"#;
const REFUSED: &str = r#"{"kind":"message.refused"}"#;
