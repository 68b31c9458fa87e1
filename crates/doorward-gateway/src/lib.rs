//! The reference gateway: a server that the console can sign in to, and a test bed
//! for the protocol of `doorward-operator`'s kind `capnp`.
//!
//! Accounts have an Argon2id hash or an Ed25519 key; guests and nobody in
//! particular get in where the settings say so. A session has the capabilities of
//! its profile, ends after its life, and is checked at each call: a capability that
//! outlived its session answers that it is stale, one that outlived its lease that
//! it is unknown.
//!
//! Operators run what the file lists, each a program with fixed arguments: what they
//! choose are names, and nothing that they send reaches a shell, an argument or the
//! environment.
//!
//! It refuses unknown accounts exactly as wrong passwords, and takes as long over
//! them. An operator gets more time by the proof that signing in took, given again:
//! the password, or a signature for that alone. No session is longer than twelve hours.

pub mod accounts;
mod capabilities;
mod challenge;
pub mod defaults;
#[cfg(feature = "faults")]
pub mod faults;
mod renewal;
mod server;
pub mod services;
mod session;

pub use accounts::{Account, Accounts, Profile};
pub use server::{Listen, Server, Settings};
pub use services::Service;
