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
//! | what a configuration declares, where it is, when it ends | [`declared`], `reach`, `end` |
//! | the kinds `capnp`, `ssh`, `postgres` | [`rpc`], [`ssh`], [`postgres`] |
//! | routes | `surface` |
//!
//! A gateway of a new kind implements [`Gateway`] and
//! [`Link`], and nothing else: bounds, ownership, texts and audit
//! are the room's.

pub mod actor;
pub mod declared;
pub mod defaults;
pub mod denial;
mod end;
pub mod gateway;
pub mod login;
pub mod owner;
pub mod postgres;
mod reach;
pub mod report;
pub mod room;
pub mod rpc;
pub mod ssh;
mod surface;
pub mod text;
pub mod transcript;
pub mod vm;

pub use denial::{Denial, Denied};
pub use gateway::{Gateway, Link};
pub use reach::{NotAPlace, Place};
pub use room::{Configured, Operator};
