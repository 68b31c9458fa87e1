//! A web page and this computer, introduced by the person in front of it.
//!
//! - [`pairing`]: the person compares six digits, and page and companion share a
//!   key that never crossed the wire.
//! - [`signing`]: what the page asks afterwards, each request signed by that key.
//! - [`vault`]: what is kept between runs.
//! - [`compat`]: the weaker protocol of Sambee, for its own pages.
//! - [`drives`]: the folders that the person shares with it.
//! - [`watch`]: what changes in them.
//!
//! | phase | where |
//! |---|---|
//! | a page commits to its key and nonce | [`pairing::Pairings::start`] |
//! | it reveals them; the window opens | [`pairing::Pairings::reveal`] |
//! | the person approves, the page confirms | [`pairing::Pairings::approve`], [`pairing::Pairings::confirm`] |
//! | the pairing is kept, then told | [`pairing::Pairings::kept`], [`pairing::Pairings::collect`] |
//! | a request is proven | [`signing::Verifier::verify`] |
//! | its body is proven | [`signing::Proven::body`] |
//! | its answer is signed | [`signing::Signer::sign`] |
//!
//! Pairing, signing and vault do no I/O and keep no thread: they are functions of
//! messages, tables and time. The drives read and write files, on threads of the
//! runtime that may block.

pub mod compat;
pub mod defaults;
pub mod drives;
mod encoding;
pub mod pairing;
pub mod signing;
pub mod vault;
pub mod watch;

pub use encoding::Instance;
