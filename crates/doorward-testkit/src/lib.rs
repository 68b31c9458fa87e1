//! What doorward's tests share: hostile requests as data ([`corpus`]) and the
//! functions that the fuzzers run ([`fuzz_targets`]).

pub mod corpus;
pub mod fuzz_targets;
#[cfg(feature = "house")]
#[expect(clippy::panic, reason = "a test that cannot set its stage must fail")]
pub mod house;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "s3")]
pub mod s3;
