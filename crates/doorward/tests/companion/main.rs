//! The companion over real sockets: a page is paired, signs, and is forgotten.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod approve;
mod drives;
mod drives_harm;
mod drives_uploads;
mod house;
mod openapi;
mod pairing;
mod relays;
mod signing;
mod sockets;
mod vault;
mod watch;
