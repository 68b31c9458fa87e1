//! Tickets for WebSockets, which cannot carry a signature.
//!
//! A signed request buys one; it travels as a subprotocol, never in a URL.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use doorward_guard::{Clock, Moment, Origin, Token, TokenHash};

use super::refusal::SignRefusal;
use super::verify::Proven;
use crate::defaults;

/// The only subprotocol that a handshake is answered with.
pub const SUBPROTOCOL: &str = "doorward.v1";
const TICKET: &str = "doorward.ticket.";

/// The unused tickets of this run.
#[derive(Debug)]
pub struct SocketTickets {
    clock: Clock,
    tickets: Mutex<HashMap<TokenHash, Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    key_id: String,
    origin: Origin,
    route: String,
    until: Moment,
}

impl SocketTickets {
    /// None was bought.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            tickets: Mutex::default(),
        }
    }

    /// Makes a ticket for `route`, good once, for [`defaults::SOCKET_TICKET`].
    ///
    /// # Errors
    ///
    /// [`SignRefusal::TooMany`] while too many are unused.
    pub fn mint(&self, buyer: &Proven, route: &str) -> Result<Token, SignRefusal> {
        let now = self.clock.now();
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.until > now);
        let key = buyer.key();
        let own = tickets.values().filter(|at| at.key_id == key.key_id);
        if own.count() >= defaults::SOCKET_TICKETS_PER_KEY
            || tickets.len() >= defaults::SOCKET_TICKETS
        {
            return Err(SignRefusal::TooMany);
        }
        let token = Token::random();
        let ticket = Ticket {
            key_id: key.key_id.clone(),
            origin: key.origin.clone(),
            route: route.to_owned(),
            until: now.plus(defaults::SOCKET_TICKET),
        };
        tickets.insert(token.hash(), ticket);
        Ok(token)
    }

    /// Takes a ticket and tells whose it was. It is used up even if it is not good
    /// here.
    ///
    /// # Errors
    ///
    /// [`SignRefusal::TicketInvalid`].
    pub fn take(
        &self,
        ticket: &Token,
        origin: &Origin,
        route: &str,
    ) -> Result<String, SignRefusal> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = tickets.remove(&ticket.hash());
        let good = taken.filter(|taken| {
            taken.until > self.clock.now() && taken.origin == *origin && taken.route == route
        });
        good.map(|taken| taken.key_id)
            .ok_or(SignRefusal::TicketInvalid)
    }

    /// Forgets the tickets of a pairing that was revoked.
    pub fn revoke(&self, key_id: &str) {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.key_id != key_id);
    }
}

/// The ticket in `Sec-WebSocket-Protocol`: exactly [`SUBPROTOCOL`], then one ticket.
/// What else a page claims there is not read, it is refused.
#[must_use]
pub fn offered_ticket(protocols: &str) -> Option<Token> {
    let (first, second) = protocols.split_once(',')?;
    let ticket = second.trim_ascii().strip_prefix(TICKET)?;
    (first.trim_ascii() == SUBPROTOCOL)
        .then(|| Token::parse(ticket))
        .flatten()
}
