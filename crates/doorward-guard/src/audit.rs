//! The audit: one typed event for every decision that matters.
//!
//! A room makes an [`Event`]; making it already cuts, escapes and redacts every
//! text in it, so nothing behind this point can leak or forge a line. An
//! [`AuditSink`] seals events into [`Record`]s: JSON lines of which each holds the
//! hash of the one before ([`Chain`]), so that a line cannot be changed, dropped
//! or added in the middle without [`verify`] telling where.
//!
//! The chain has no key: who may write the file may also write a whole new one.
//! It finds accidents and hasty hands, not an attacker with the user's own rights.
//!
//! Two sorts of event differ in how they are taken:
//!
//! - *decisions* ([`AuditSink::decide`]): claims, mints, revokes. Never coalesced,
//!   never dropped: what cannot be written down is not done.
//! - *notes* ([`AuditSink::record`]): refusals, mostly. Callers that proved nothing
//!   can cause any number of them, so those are told once a second per surface and
//!   rule, with their count ([`Coalescer`]), and dropped with a count when the
//!   writer cannot keep up.
//!
//! No I/O and no thread: the sink that writes files lives in the `doorward` crate.

mod coalesce;
mod event;
mod kind;
mod ledger;
mod record;
mod ring;
mod text;
mod verify;

pub use coalesce::Coalescer;
pub use event::{Event, Outcome};
pub use kind::Kind;
pub use ledger::Ledger;
pub use record::{Chain, Link, Record};
pub use ring::{Ring, Select};
pub use text::{redact, sanitise};
pub use verify::{Broken, Start, Verified, Why, verify};

use crate::refusal::Refusal;

/// Where events go.
pub trait AuditSink: Send + Sync + std::fmt::Debug {
    /// Takes note of `event`. Never blocks and never fails: an event may be
    /// coalesced with others of its kind, or dropped and counted when the sink is
    /// full. For refusals and for what has happened anyway.
    fn record(&self, event: Event);

    /// Writes `event` down before its decision takes effect. Never coalesced.
    ///
    /// # Errors
    ///
    /// [`Rule::Internal`](crate::Rule::Internal) if it could not be written: then
    /// the decision must not take effect either.
    fn decide(&self, event: Event) -> Result<(), Refusal>;

    /// The latest records that `select` asks for, oldest first, as far as they
    /// are held in memory.
    fn select(&self, select: &Select) -> Vec<Record>;
}
