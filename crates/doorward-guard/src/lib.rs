//! The door: one way for a native process to serve a browser on its own machine.
//!
//! Six words carry the crate:
//!
//! - [`Surface`]: a group of routes under one prefix that share one policy. The
//!   only way to add a route.
//! - [`Policy`]: plain data. Who may call, from where, how much, what goes on the
//!   answer. There is no default: pick a preset, then tighten it.
//! - [`Guard`]: the only code that reads policy. It stands in front of every
//!   route, unknown paths included.
//! - [`Permit`]: what a handler receives instead of doing checks. Only the guard
//!   makes one; asking for the wrong kind does not compile.
//! - [`Refusal`]: one rule broken. It alone decides status, name and message.
//! - [`Sealed`]: an answer with its security headers. Nothing else goes out.
//!
//! The life of a request: [`HeadGate`](gate::HeadGate) → peer → Host → door by
//! prefix → preflight → Fetch Metadata and Origin → proof of caller → rate → CSRF
//! → method and content type → [`Permit`] → body within limits → handler → seal
//! → audit.
//!
//! The crate does no I/O and keeps no thread: everything here is a function of
//! rules, request head, tables and time.

pub mod answer;
pub mod audit;
pub mod call;
pub mod caller;
pub mod clock;
mod cookies;
pub mod defaults;
pub mod events;
pub mod gate;
pub mod guard;
mod id;
pub mod origin;
pub mod permit;
pub mod policy;
pub mod raw;
pub mod refusal;
pub mod rules;
pub mod seal;
pub mod secret;
pub mod surface;
pub mod table;

pub use answer::{Answer, Body, BoxError, IntoAnswer};
pub use call::{Call, Payload, Upgrade};
pub use caller::{
    Caller, Capability, Native, Open, Page, Session, Signed, Stamped, Ticket, Visitor,
};
pub use clock::{Clock, FakeClock, Moment};
pub use guard::{Admission, Connection, Entry, Guard, MountError, Peer};
pub use origin::{HostSet, Origin, Origins};
pub use permit::Permit;
pub use policy::{Policy, Rules};
pub use raw::{Lane, Piece, Raw};
pub use refusal::{Refusal, Rule};
pub use seal::{SealConfig, Sealed};
pub use secret::{Secret, Token, TokenHash};
pub use surface::{Ceiling, Handler, Surface};
pub use table::grants::{Grant, GrantId, GrantOptions, Grants};
pub use table::sessions::{CookieTransport, SessionId, Sessions};
