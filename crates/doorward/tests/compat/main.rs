//! The compatible listener over real sockets: what Sambee's pages send, and
//! what they get; and that nothing else of this house is weaker there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod files;
mod hardening;
mod house;
mod pairing;
mod shape;
mod sockets;
mod table;
