//! Signed requests: RFC 9421 in one frozen profile, nothing negotiated.
//!
//! ```text
//! Signature-Input: dw=("@method" "@authority" "@path" "@query" "origin"
//!   "x-doorward-instance" "content-type" "content-digest");created=…;expires=…;
//!   nonce="…";keyid="…";alg="hmac-sha256";tag="doorward-sign-1"      (one line)
//! Signature: dw=:…:
//! ```
//!
//! The last two components are there if and only if there is a body; a chunk of
//! an upload has `"x-doorward-offset"` as well. Order, parameters and spelling are
//! exactly these: there is one way to write a signature, so there is nothing to
//! confuse.
//!
//! A signature is good once, for one run of the companion, for thirty seconds. The
//! body is compared with its digest before a handler sees a byte of it. Answers are
//! signed with the other key and carry the request's nonce.

mod answer;
mod head;
mod hello;
pub mod page;
mod refusal;
mod replay;
mod ticket;
mod verify;

pub use answer::{AnswerSignature, Signer, check_answer};
pub use head::{Content, Head, Params, signature_base};
pub use hello::{Challenge, hello_proof};
pub use refusal::SignRefusal;
pub use ticket::{SUBPROTOCOL, SocketTickets, offered_ticket};
pub use verify::{Denied, PairedKey, Proven, Verifier};
