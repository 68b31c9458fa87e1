//! What depends on the operating system: who is on the other end of a
//! connection, and files that only their owner can open. Only wraps crates that
//! already do it.
//!
//! Linux tells for TCP and Unix sockets. Elsewhere only Unix sockets tell, and
//! TCP peers are [`Peer::NotChecked`](doorward_guard::Peer::NotChecked): start
//! with a clear warning there, see [`tells_tcp_peers`].

pub(crate) mod files;
#[cfg(unix)]
mod limits;
mod peer;
#[cfg(target_os = "linux")]
mod sock_diag;

#[cfg(unix)]
pub use limits::raise_file_limit;
#[cfg(unix)]
pub use peer::unix_peer;
pub use peer::{tcp_peer, tells_tcp_peers};

/// Connections of one listener that the limit on open files leaves room for.
#[must_use]
pub fn connections_that_fit() -> usize {
    #[cfg(unix)]
    return limits::connections_that_fit();
    #[cfg(not(unix))]
    return usize::MAX;
}
