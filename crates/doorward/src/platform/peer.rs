//! Which user's process is on the other end of a connection.
//!
//! This narrows who may speak to us; it never proves who does. It does not see
//! through forwarders: over `ssh -L`, a port proxy or a container's network the
//! peer is the forwarder.

use std::net::SocketAddr;

use doorward_guard::Peer;

/// Whether this platform tells the user of a TCP peer. If not, [`tcp_peer`]
/// answers [`Peer::NotChecked`].
#[must_use]
pub fn tells_tcp_peers() -> bool {
    cfg!(target_os = "linux")
}

/// The user at the other end of a TCP connection of this machine that was
/// accepted at `local` from `remote`.
///
/// Call it once per connection, after accept and before the first read: the
/// kernel forgets the owner of a socket when its process closes it, and then
/// the answer is [`Peer::Unknown`]. Takes a few microseconds.
#[must_use]
#[cfg(target_os = "linux")]
pub fn tcp_peer(local: SocketAddr, remote: SocketAddr) -> Peer {
    match super::sock_diag::owner(remote, local) {
        Ok(Some(uid)) => judge(uid),
        Ok(None) => Peer::Unknown,
        Err(error) => {
            tracing::warn!(%error, "the kernel did not tell who is connecting");
            Peer::Unknown
        }
    }
}

/// This platform does not tell.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn tcp_peer(_local: SocketAddr, _remote: SocketAddr) -> Peer {
    Peer::NotChecked
}

/// The user at the other end of a Unix socket, as it was when they connected.
#[must_use]
#[cfg(unix)]
pub fn unix_peer(stream: &tokio::net::UnixStream) -> Peer {
    match stream.peer_cred() {
        Ok(credentials) => judge(credentials.uid()),
        Err(_) => Peer::Unknown,
    }
}

#[cfg(unix)]
fn judge(uid: u32) -> Peer {
    // The overflow uid stands for users that our user namespace does not know:
    // it may be anybody.
    const OVERFLOW: u32 = 65_534;
    let own = rustix::process::geteuid().as_raw();
    if uid == own && uid != OVERFLOW {
        Peer::SameUser
    } else {
        Peer::OtherUser
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr, SocketAddr) {
        let (stream, remote) = listener.accept().unwrap();
        let local = stream.local_addr().unwrap();
        (stream, local, remote)
    }

    /// A child that connects to `port` as user `uid` and holds the connection
    /// until its stdin closes. `None` where we may not become another user.
    fn connect_as(uid: u32, port: u16) -> Option<Child> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        Command::new("setpriv")
            .args([&format!("--reuid={uid}"), "--clear-groups", "bash", "-c"])
            .arg(format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r _"))
            .stdin(Stdio::piped())
            .spawn()
            .ok()
    }

    #[test]
    fn t98_the_same_user_is_told_over_both_families() {
        for ip in ["127.0.0.1", "::1"] {
            let listener =
                TcpListener::bind(format!("{}:0", if ip == "::1" { "[::1]" } else { ip })).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_server, local, remote) = accepted(&listener);
            assert_eq!(tcp_peer(local, remote), Peer::SameUser, "{ip}");
            // The other way round it is our own end, which is also ours.
            assert_eq!(tcp_peer(remote, local), Peer::SameUser, "{ip}");
            drop(client);
        }
    }

    #[test]
    fn t98_addresses_mapped_into_ipv6_are_told() {
        // A listener on both families sees ::ffff:127.0.0.1; a client on an IPv6
        // socket is an IPv6 row with mapped addresses.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (_server, local, remote) = accepted(&listener);
        assert!(remote.is_ipv6());
        assert_eq!(tcp_peer(local, remote), Peer::SameUser);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let _client = TcpStream::connect((mapped, port)).unwrap();
        let (_server, local, remote) = accepted(&listener);
        assert!(remote.is_ipv4());
        assert_eq!(tcp_peer(local, remote), Peer::SameUser);
    }

    #[test]
    fn t98_another_user_is_told() {
        for uid in [1, 1_000, 65_534] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let Some(mut child) = connect_as(uid, listener.local_addr().unwrap().port()) else {
                eprintln!("skipped: only root can connect as another user");
                return;
            };
            let (server, local, remote) = accepted(&listener);
            assert_eq!(tcp_peer(local, remote), Peer::OtherUser, "uid {uid}");
            drop(child.stdin.take());
            child.wait().unwrap();
            // The client is gone: its row, if any, shows uid 0 and inode 0. To
            // us, who are root here, that must not look like ourselves.
            assert_eq!(tcp_peer(local, remote), Peer::Unknown, "uid {uid}");
            drop(server);
            assert_eq!(tcp_peer(local, remote), Peer::Unknown, "uid {uid}");
        }
    }

    #[test]
    fn t98_a_closed_client_is_unknown_whatever_is_still_unread() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let (mut server, local, remote) = accepted(&listener);
        drop(client);
        assert_eq!(tcp_peer(local, remote), Peer::Unknown);
        let mut unread = Vec::new();
        server.read_to_end(&mut unread).unwrap();
        assert_eq!(unread.len(), 18);
        assert_eq!(tcp_peer(local, remote), Peer::Unknown);
    }

    #[test]
    fn t98_only_established_counts() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, local, remote) = accepted(&listener);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            tcp_peer(local, remote),
            Peer::Unknown,
            "FIN-WAIT has an owner, but is no caller"
        );
        // An address that only a listener covers must not be told as it.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(tcp_peer(nobody, local), Peer::Unknown);
    }

    #[test]
    fn t98_many_connections_on_many_threads_are_not_mixed_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut other = connect_as(65_534, address.port());
        let foreign = other.as_ref().map(|_| accepted(&listener));
        let pairs: Vec<_> = (0..64)
            .map(|_| (TcpStream::connect(address).unwrap(), accepted(&listener)))
            .collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (number, (_, (_, local, remote))) in pairs.iter().enumerate() {
                        assert_eq!(tcp_peer(*local, *remote), Peer::SameUser, "{number}");
                        if let Some((_, local, remote)) = &foreign {
                            assert_eq!(tcp_peer(*local, *remote), Peer::OtherUser, "{number}");
                        }
                    }
                });
            }
        });
        if let Some(child) = &mut other {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn t98_unix_peers_are_told() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        assert_eq!(unix_peer(&ours), Peer::SameUser);
        drop(theirs);
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        for path in [folder.path(), &path] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(path, open).unwrap();
        }
        let script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()";
        let child = Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                script,
            ])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else { return };
        let accepted = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await;
        let (stream, _) = accepted.unwrap().unwrap();
        assert_eq!(unix_peer(&stream), Peer::OtherUser);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(
            unix_peer(&stream),
            Peer::OtherUser,
            "as it was when they connected"
        );
    }
}
