//! Every way out of doorward.
//!
//! One place resolves names, checks addresses, connects, speaks TLS and pools
//! connections, so that no room can reach further than its [`AddressPolicy`]
//! says. What leaves here is HTTP/1.1 to a [`Target`] that the caller named:
//! redirects are not followed, proxy variables of the environment are read only
//! where [`Proxies::from_env`] is asked for, and the address that was checked is
//! the address that is connected to.
//!
//! | phase | where |
//! |---|---|
//! | what to reach | [`target`] |
//! | which addresses may be reached | [`address`] |
//! | name to connected stream | [`dial`] |
//! | which way | [`proxy`], [`no_proxy`] |
//! | whom to believe | [`tls`] |
//! | requests over kept connections | [`client`] |

pub mod address;
mod body;
mod chunked;
pub mod client;
pub mod defaults;
pub mod dial;
mod error;
mod head;
pub mod no_proxy;
mod pool;
#[doc(hidden)]
pub mod probe;
pub mod proxy;
mod socks;
mod stream;
pub mod target;
pub mod tls;

pub use address::{AddressKind, AddressPolicy};
pub use body::Incoming;
pub use client::{Client, Limits};
pub use dial::{DialOptions, Dialer};
pub use error::EgressError;
pub use no_proxy::NoProxy;
pub use proxy::{Proxies, Proxy};
pub use stream::Stream;
pub use target::Target;
pub use tls::{SpkiPin, Trust};
