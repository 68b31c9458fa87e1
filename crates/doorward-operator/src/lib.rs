//! A browser drives a session on another machine without ever holding it.
//!
//! The session, its socket and every handle live on a thread of their own
//! ([`actor`]). The browser gets view models ([`vm`]): names, labels and texts, and
//! for each capability a random alias of this session. Nothing that it sends can
//! name a handle, a principal or a source.
//!
//! One browser session at a time has the gateway ([`owner`]): the slot is taken
//! before anything is sent to the gateway, and whatever ends the browser session,
//! the session on the gateway or the connection gives it back.
//!
//! | phase | where |
//! |---|---|
//! | what a gateway is, and what it may say | [`gateway`], [`denial`] |
//! | its thread | [`actor`] |
//! | whose it is | [`owner`], [`login`] |
//! | what the browser sees | [`vm`], [`text`], [`transcript`], [`report`] |
//! | put together | [`room`] |
//! | the kind `capnp` | [`rpc`] |
//! | routes | `surface` |
//!
//! A gateway of a new kind implements [`Gateway`] and
//! [`Link`], and nothing else: bounds, ownership, texts and audit
//! are the room's.

pub mod actor;
pub mod defaults;
pub mod denial;
pub mod gateway;
pub mod login;
pub mod owner;
pub mod report;
pub mod room;
pub mod rpc;
mod surface;
pub mod text;
pub mod transcript;
pub mod vm;

pub use denial::{Denial, Denied};
pub use gateway::{Gateway, Link};
pub use room::{Configured, Operator};
