//! Capability URLs for upstreams.
//!
//! A webview's own sockets do not leave through the VPN, the proxy or the roots
//! of trust that the native process is covered by. A grant opens one upstream
//! under an unguessable URL, `/r/<token>/…`: WebSockets are passed through byte
//! for byte, and the few small answers that belong to them are forwarded.
//!
//! The upstream comes from the grant and never from the request. It is dialled
//! first; its own answer is mirrored, and the page is told 101 only after the
//! upstream said so.
//!
//! | phase | where |
//! |---|---|
//! | what a request may name | [`path`] |
//! | who may | [`grant`], [`relay`] |
//! | the upstream is asked | `ask` |
//! | bytes go both ways | [`tunnel`], [`frame`] |
//! | LiveKit's habits | [`livekit`] |
//! | URLs in messages, where a grant asks | [`rewrite`], [`signal`], [`protobuf`], `mapping` |
//! | media too | [`ice`], [`turn`] |
//! | the machine's network is another | `ways` |
//! | what the console and the command line ask | [`api`] |
//! | routes | `surface`, `api_surface` |

pub mod api;
mod api_surface;
mod ask;
pub mod defaults;
pub mod error;
pub mod frame;
pub mod grant;
pub mod ice;
pub mod livekit;
mod mapping;
pub mod path;
pub mod protobuf;
pub mod relay;
pub mod rewrite;
pub mod signal;
mod surface;
pub mod traffic;
pub mod tunnel;
pub mod turn;
mod ways;

pub use error::RelayError;
pub use grant::{LiveKit, Messages, RelayGrant, RelayOptions, SentOrigin, Stun, Upstream};
pub use path::Paths;
pub use relay::{Minted, Relay, Totals};
