//! A web page and this computer, introduced by the person in front of it.
//!
//! - [`pairing`]: the person compares six digits, and page and companion share a
//!   key that never crossed the wire.
//! - [`signing`]: what the page asks afterwards, each request signed by that key.
//! - [`vault`]: what is kept between runs.
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
//! The crate does no I/O and keeps no thread: everything here is a function of
//! messages, tables and time.

pub mod defaults;
mod encoding;
pub mod pairing;
pub mod signing;
pub mod vault;

pub use encoding::Instance;
