//! The operator room behind a real door, with the reference gateway behind it: its
//! acceptance table, row by row.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod both;
mod choice;
mod door;
mod owner;
mod sessions;
mod told;
