//! Pairing: the person compares six digits.
//!
//! ```text
//!  page                               companion                       person
//!   | start {commitment, scopes}  ->  |                                  |
//!   | <- offer {key, nonce, pid}      |                                  |
//!   | reveal {key, nonce}         ->  | the window opens             ->  |
//!   | shows the digits                | shows the digits, origin, scopes |
//!   | confirm {proof}             ->  |                      <- approve  |
//!   | <- proof, key id                | keeps the keys                   |
//! ```
//!
//! The page commits to its key and nonce before it sees ours, and opens them only
//! after ours are fixed: who stands between has one guess in a million at the
//! digits, each in a window that a person looks at. Keys are told to nobody; both
//! sides derive them, and the page may use its own only after both the approval
//! here and its own confirmation, in either order, once.
//!
//! What ends a pairing for good: Deny, a closed window, the page's cancel, a page
//! that is no longer there, a second reveal, a broken commitment or proof, wrong
//! digits, two minutes, the end of the process.

mod attempt;
pub mod keys;
mod limits;
mod machine;
pub mod page;
mod refusal;
mod scope;
mod told;
mod wire;

pub use limits::Mode;
pub use machine::{Held, Introduced, NotIntroduced, Pairings, Plainly};
pub use refusal::PairRefusal;
pub use scope::{BadScopes, FolderName, Right, Scope, Scopes};
pub use told::{
    Collected, Config, Ended, Ending, Offered, PageKey, Pid, Step, Way, Window, origin_at_most,
};
pub use wire::{Bytes32, Offer, Reveal, SUITE, Start, VERSION};
