//! The operator room and the reference gateway, over real sockets: each test over a
//! TCP socket and over a Unix one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod bounds;
mod denials;
mod entry;
mod house;
mod lent;
mod renewed;
mod sockets;
