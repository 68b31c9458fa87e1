//! Everything that can go wrong on the way out.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::AddressKind;

/// Why a request did not leave, or its answer did not arrive.
///
/// The text is for logs: it may name hosts and addresses, never paths, queries
/// or headers.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The URL names no host that could be reached, or hides which.
    #[error("not a target: {0}")]
    Target(&'static str),
    /// The name does not resolve.
    #[error("{host} does not resolve")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Every address of the name is one that the policy refuses.
    #[error("{address} is a {kind} address, which is not allowed here")]
    AddressRefused {
        /// The first address that was refused.
        address: IpAddr,
        /// What it is.
        kind: AddressKind,
    },
    /// No address could be connected to.
    #[error("{host} cannot be connected to")]
    Connect {
        /// The name.
        host: String,
        /// The last address's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// Name, connection and handshake took too long together.
    #[error("{host} was not reached in time")]
    DialTimeout {
        /// The name.
        host: String,
    },
    /// The other side is not who it says, or speaks no TLS that we accept.
    #[error("TLS with {host} failed")]
    Tls {
        /// The name.
        host: String,
        /// What rustls said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The proxy's settings are not ones that can be used. Never names
    /// credentials.
    #[error("the proxy settings cannot be used: {0}")]
    ProxySettings(&'static str),
    /// The proxy cannot be reached, or speaks something else.
    #[error("the proxy {proxy} failed: {why}")]
    Proxy {
        /// Scheme, host and port.
        proxy: String,
        /// What happened.
        why: String,
    },
    /// The proxy wants credentials, or others (407; SOCKS method or password).
    #[error("the proxy {proxy} does not accept the credentials")]
    ProxyAuth {
        /// Scheme, host and port.
        proxy: String,
    },
    /// The proxy does not connect to the target: an HTTP status, or a SOCKS
    /// reply (RFC 1928 section 6).
    #[error("the proxy {proxy} refuses the target ({code})")]
    ProxyRefused {
        /// Scheme, host and port.
        proxy: String,
        /// What it answered.
        code: u16,
    },
    /// The certificate is valid and its key is none that was pinned.
    #[error("{host} has a key that is not pinned")]
    PinMismatch {
        /// The name.
        host: String,
    },
    /// The roots to trust cannot be read.
    #[error("the certificates to trust cannot be used: {0}")]
    Roots(String),
    /// As many requests run as may.
    #[error("too many upstream requests are running")]
    Busy,
    /// The exchange broke off.
    #[error("the exchange with the upstream broke off")]
    Exchange(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The head of the answer did not arrive in time.
    #[error("the upstream did not answer in time")]
    HeadTimeout,
    /// The body of the answer fell silent.
    #[error("the upstream fell silent inside of a body")]
    BodyTimeout,
}

impl EgressError {
    /// Whether time ran out, as opposed to something being wrong.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::DialTimeout { .. } | Self::HeadTimeout | Self::BodyTimeout
        )
    }

    /// Whether the policy said no before anything was sent.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Target(_) | Self::AddressRefused { .. })
    }
}
