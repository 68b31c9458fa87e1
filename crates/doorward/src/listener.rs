//! The accept loop. Ours, on hyper's HTTP/1.1 connection: deadlines, caps, a
//! reserve for callers that prove themselves, and a drain that ends.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward_guard::gate::HeadLimits;
use doorward_guard::{Connection, Guard, Peer, Refusal, Rule, defaults};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch;
use crate::platform;
use crate::wire::{self, Patience, Shared, Wire, turn_away};

/// What the kernel holds for a client at most, in bytes (it doubles this for its
/// own book-keeping). More than a loopback segment of 64 KiB by enough to stream.
const SEND_BUFFER: u32 = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Free ports that are tried until one is free on both families.
const FREE_PORT_TRIES: u32 = 16;
/// After the last request, connections have this long to finish their answers.
const GRACE: Duration = Duration::from_secs(3);
/// A failed accept (out of file descriptors) is tried again after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// The last connections are kept for callers that prove themselves.
const RESERVE: usize = defaults::CONNECTIONS - defaults::OPEN_CONNECTIONS;

/// Connections over the limit that are told so at once; more are just closed.
const TURNED_AWAY: usize = 64;

/// How a listener treats its connections.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    guard: Arc<Guard>,
    terms: Terms,
    open: AtomicUsize,
    /// Connections over the limit that are being told so.
    turned_away: AtomicUsize,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What a listener grants its clients.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) head: HeadLimits,
    pub(crate) patience: Patience,
    /// Connections at once.
    pub(crate) connections: usize,
    pub(crate) check_peers: bool,
    /// A client that stops sending may still wait for its answer.
    pub(crate) half_close: bool,
}

/// What is accepted from.
#[derive(Debug)]
pub(crate) enum Socket {
    /// And which of the guard's lanes it is.
    Tcp(TcpListener, usize),
    Unix(UnixListener),
}

impl Gatekeeper {
    pub(crate) fn new(guard: Arc<Guard>, terms: Terms, stop: CancellationToken) -> Arc<Self> {
        let (open, turned_away) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let tasks = TaskTracker::new();
        Arc::new(Self {
            guard,
            terms,
            open,
            turned_away,
            stop,
            tasks,
        })
    }

    /// Accepts until stopped, then waits for the connections to end.
    pub(crate) async fn keep(self: Arc<Self>, sockets: Vec<Socket>) {
        futures_util::future::join_all(sockets.into_iter().map(|socket| self.listen(socket))).await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn listen(self: &Arc<Self>, socket: Socket) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.accept(&socket) => accepted,
            };
            if let Err(error) = accepted {
                tracing::warn!(listener = self.guard.listener(), %error, "accept failed");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }

    async fn accept(self: &Arc<Self>, socket: &Socket) -> io::Result<()> {
        match socket {
            Socket::Tcp(listener, lane) => {
                let (stream, remote) = listener.accept().await?;
                // Without it a body just over one loopback segment waits 40 ms.
                let _ = stream.set_nodelay(true);
                let peer = match stream.local_addr() {
                    Ok(local) => self.tcp_peer(local, remote),
                    Err(_) => Peer::Unknown,
                };
                self.take(stream, peer, *lane);
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = platform::unix_peer(&stream);
                self.take(stream, peer, 0);
            }
        }
        Ok(())
    }

    /// Looked up after accept and before the first read; the verdict is given
    /// with the first answer.
    fn tcp_peer(&self, local: SocketAddr, remote: SocketAddr) -> Peer {
        if self.terms.check_peers {
            platform::tcp_peer(local, remote)
        } else {
            Peer::NotChecked
        }
    }

    fn take<S>(self: &Arc<Self>, stream: S, peer: Peer, lane: usize)
    where
        S: wire::Socket + Send + 'static,
    {
        let number = self.open.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(self));
        if number >= self.terms.connections {
            // It holds no place, and in a flood not even an answer.
            drop(place);
            if self.turned_away.load(Ordering::Acquire) >= TURNED_AWAY {
                return;
            }
            self.turned_away.fetch_add(1, Ordering::AcqRel);
            let refusal =
                Refusal::from(Rule::TooManyConnections).retry_after(Duration::from_secs(1));
            let sealed = self.guard.refuse(&refusal);
            let keeper = Arc::clone(self);
            self.tasks.spawn(async move {
                turn_away(stream, sealed).await;
                keeper.turned_away.fetch_sub(1, Ordering::AcqRel);
            });
            return;
        }
        let connection = Connection {
            peer,
            reserve: number >= self.terms.connections.saturating_sub(RESERVE),
            lane,
        };
        let keeper = Arc::clone(self);
        self.tasks.spawn(async move {
            keeper.serve(stream, connection).await;
            drop(place);
        });
    }

    async fn serve<S>(&self, stream: S, connection: Connection)
    where
        S: wire::Socket + Send + 'static,
    {
        let shared = Arc::new(Shared::new(Arc::clone(&self.guard), connection));
        let wire = Wire::new(
            stream,
            self.terms.head.clone(),
            Arc::clone(&shared),
            self.terms.patience,
        );
        let service = service_fn(move |request| dispatch::serve::<S>(Arc::clone(&shared), request));
        let http = http1::Builder::new()
            // The gate has bounded the head already; this bounds hyper's copy.
            .max_buf_size(160 * 1024)
            .max_headers(defaults::HEADER_COUNT)
            // A client may finish sending before it has our answer.
            .half_close(self.terms.half_close)
            // hyper must pass on the very slices that bodies give it: among them
            // are placeholders, and a copy of one is refused.
            .writev(true)
            .serve_connection(wire, service)
            .with_upgrades();
        tokio::pin!(http);
        let ended = tokio::select! {
            ended = http.as_mut() => ended,
            () = self.stop.cancelled() => {
                http.as_mut().graceful_shutdown();
                match tokio::time::timeout(GRACE, http).await {
                    Ok(ended) => ended,
                    Err(_late) => return,
                }
            }
        };
        if let Err(error) = ended {
            // Clients leave in the middle all the time.
            tracing::trace!(listener = self.guard.listener(), %error, "connection ended");
        }
    }
}

/// One of the listener's connections; dropping it makes room.
#[derive(Debug)]
struct Place(Arc<Gatekeeper>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Accepted connections inherit the send buffer. Left to itself the kernel takes
/// megabytes for each, for clients that read nothing.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a port is free again as soon as nobody listens on it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds `port` of 127.0.0.1, and of ::1 if asked, as lane `lane`; 0 is any free
/// port.
///
/// Linux never lets two listeners share a port unless both ask for
/// `SO_REUSEPORT`, which is not asked for here: a taken port fails.
pub(crate) fn bind(port: u16, ipv6: bool, lane: usize) -> io::Result<(Vec<Socket>, u16)> {
    let mut tries = if port == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        let socket = listen(SocketAddr::from(([127, 0, 0, 1], port)))?;
        let bound = socket.local_addr()?.port();
        if !ipv6 {
            return Ok((vec![Socket::Tcp(socket, lane)], bound));
        }
        tries -= 1;
        match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, bound))) {
            Ok(second) => {
                let both = vec![Socket::Tcp(socket, lane), Socket::Tcp(second, lane)];
                return Ok((both, bound));
            }
            // Free on one family, taken on the other: another port may do.
            Err(_) if tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}
