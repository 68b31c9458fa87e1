//! By which way each connection left, and whether the machine would take the same
//! one now.
//!
//! A VPN that comes up, another network, a cable that is plugged in: the routing
//! table answers otherwise than when a connection was made, and the connection is
//! still on the old way. The table is asked for each place that is connected to, by
//! a UDP socket that is connected and sends nothing; the answer is the address that
//! a new connection would come from.
//!
//! Two looks must say the same: a VPN on its way up changes the table more than
//! once. No answer (no network at all) is not another way. Of IPv6 addresses the
//! first half counts, because machines take a new second half every day
//! (RFC 8981).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The ways of all connections.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    all: Mutex<CancellationToken>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    ways: HashMap<u64, Way>,
}

#[derive(Debug)]
struct Way {
    from: IpAddr,
    to: SocketAddr,
    /// The last look found another.
    moved: bool,
    restart: CancellationToken,
}

/// A connection that is looked after until this is dropped.
#[derive(Debug)]
pub(crate) struct Looked {
    taken: Arc<Mutex<Taken>>,
    id: u64,
}

impl Ways {
    /// Cancelled when the network changes: for a connection that is about to be
    /// made.
    pub(crate) fn restart(&self) -> CancellationToken {
        lock(&self.all).child_token()
    }

    /// Looks after a connection that was made: `restart` is cancelled once it would
    /// leave by another way. One whose addresses the system does not tell is not
    /// looked after.
    pub(crate) fn look_after(
        &self,
        socket: &TcpStream,
        restart: &CancellationToken,
    ) -> Option<Looked> {
        let (from, to) = (socket.local_addr().ok()?.ip(), socket.peer_addr().ok()?);
        let mut taken = lock(&self.taken);
        let id = taken.next;
        taken.next += 1;
        let way = Way {
            from,
            to,
            moved: false,
            restart: restart.clone(),
        };
        taken.ways.insert(id, way);
        Some(Looked {
            taken: Arc::clone(&self.taken),
            id,
        })
    }

    /// Restarts every connection that would leave by another way now, by what
    /// `source` says of each place that is connected to. How many those are.
    pub(crate) fn look(&self, source: impl Fn(SocketAddr) -> Option<IpAddr>) -> usize {
        let mut known = HashMap::new();
        let mut restarted = 0;
        for way in lock(&self.taken).ways.values_mut() {
            let now = *known.entry(way.to).or_insert_with(|| source(way.to));
            let moves = now.is_some_and(|now| network(now) != network(way.from));
            if moves && way.moved && !way.restart.is_cancelled() {
                way.restart.cancel();
                restarted += 1;
            }
            way.moved = moves;
        }
        restarted
    }

    /// Restarts every connection.
    pub(crate) fn restart_all(&self) {
        std::mem::take(&mut *lock(&self.all)).cancel();
    }
}

/// The address that a connection to `to` would come from; `None` if there is no
/// way. Nothing is sent.
pub(crate) fn source(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What of an address says on which network it is.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => u128::from(address) >> 64 << 64,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Looked {
    fn drop(&mut self) {
        lock(&self.taken).ways.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn way(from: &str, to: &str) -> (Ways, CancellationToken) {
        let ways = Ways::default();
        let restart = ways.restart();
        let way = Way {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            moved: false,
            restart: restart.clone(),
        };
        lock(&ways.taken).ways.insert(0, way);
        (ways, restart)
    }

    #[test]
    fn two_looks_that_agree_restart_a_connection_and_only_once() {
        let (ways, restart) = way("10.0.0.2", "192.0.2.1:443");
        let to = |address: &str| {
            let address = address.parse().unwrap();
            ways.look(|_| Some(address))
        };
        assert_eq!(to("10.0.0.2"), 0);
        // There and back between two looks.
        assert_eq!((to("10.8.0.6"), to("10.0.0.2"), to("10.8.0.6")), (0, 0, 0));
        assert!(!restart.is_cancelled());
        assert_eq!(to("10.8.0.6"), 1);
        assert!(restart.is_cancelled());
        assert_eq!(to("10.8.0.6"), 0);
    }

    #[test]
    fn no_way_at_all_is_no_other_way() {
        let (ways, restart) = way("10.0.0.2", "192.0.2.1:443");
        for _ in 0..3 {
            assert_eq!(ways.look(|_| None), 0);
        }
        assert!(!restart.is_cancelled());
    }

    #[test]
    fn a_new_address_of_the_same_ipv6_network_is_no_other_way() {
        let (ways, restart) = way("2001:db8:1:2::a", "[2001:db8::1]:443");
        let to = |address: &str| {
            let address = address.parse().unwrap();
            ways.look(|_| Some(address)) + ways.look(|_| Some(address))
        };
        assert_eq!(to("2001:db8:1:2:ffff:1:2:3"), 0);
        assert_eq!(to("2001:db8:1:3::a"), 1);
        assert!(restart.is_cancelled());
    }

    #[test]
    fn each_place_is_asked_for_once_a_look() {
        let (ways, _) = way("10.0.0.2", "192.0.2.1:443");
        for id in 1..100 {
            let to = if id % 2 == 0 {
                "192.0.2.1:443"
            } else {
                "192.0.2.2:443"
            };
            let way = Way {
                from: "10.0.0.2".parse().unwrap(),
                to: to.parse().unwrap(),
                moved: false,
                restart: ways.restart(),
            };
            lock(&ways.taken).ways.insert(id, way);
        }
        let asked = Cell::new(0);
        ways.look(|_| {
            asked.set(asked.get() + 1);
            None
        });
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn a_real_connection_on_an_unchanged_machine_stays() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let ways = Ways::default();
        let restart = ways.restart();
        let looked = ways.look_after(&socket, &restart);
        assert_eq!(lock(&ways.taken).ways.len(), 1);
        assert_eq!(ways.look(source) + ways.look(source), 0);
        drop(looked);
        assert!(lock(&ways.taken).ways.is_empty());
        ways.restart_all();
        assert!(restart.is_cancelled() && !ways.restart().is_cancelled());
    }
}
