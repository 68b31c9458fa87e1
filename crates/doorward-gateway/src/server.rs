//! The server: its thread, its sockets, and what its sessions share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use doorward_guard::Clock;
use doorward_guard::audit::sanitise;
use doorward_guard::clock::rfc3339;
use doorward_operator::rpc::gateway_capnp::session_gateway;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::accounts::Accounts;
use crate::capabilities::Rooms;
use crate::defaults;
use crate::services::Services;
use crate::session::{Door, Life};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of this machine's loopback; 0 is any free one.
    Tcp(u16),
    /// A socket whose folder is the user's alone.
    Unix(PathBuf),
}

/// What a gateway is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may sign in.
    pub accounts: Accounts,
    /// What it calls itself: never the machine's name, which is nobody's business.
    pub name: String,
    /// What it greets with.
    pub motd: String,
    /// How long an operator's session lasts.
    pub operator_life: Duration,
    /// And a guest's.
    pub guest_life: Duration,
    /// A clock.
    pub clock: Clock,
    /// What goes wrong, for tests.
    #[cfg(feature = "faults")]
    pub faults: Arc<crate::faults::Faults>,
}

/// A gateway that serves. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Server {
    address: Option<SocketAddr>,
    orders: mpsc::Sender<String>,
    _stop: DropGuard,
}

/// What all sessions share. Of one thread.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) lives: RefCell<Vec<Weak<Life>>>,
    pub(crate) rooms: RefCell<Rooms>,
    /// By account.
    pub(crate) notes: RefCell<BTreeMap<String, BTreeMap<String, String>>>,
    pub(crate) services: Services,
    pub(crate) log: RefCell<VecDeque<(u64, String, &'static str, String)>>,
    lines: Cell<u64>,
}

impl Settings {
    /// The usual lives and texts for `accounts`.
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            name: "reference".to_owned(),
            motd: "Welcome to the reference gateway.".to_owned(),
            operator_life: defaults::OPERATOR_LIFE,
            guest_life: defaults::GUEST_LIFE,
            clock: Clock::system(),
            #[cfg(feature = "faults")]
            faults: Arc::default(),
        }
    }
}

impl Server {
    /// Listens, and serves on a thread of its own.
    ///
    /// # Errors
    ///
    /// A port or socket that cannot be had; no thread.
    pub async fn open(listen: Listen, settings: Settings) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(16);
        let (told, opened) = oneshot::channel();
        let stop = CancellationToken::new();
        let inner = stop.clone();
        std::thread::Builder::new()
            .name("reference-gateway".to_owned())
            .spawn(move || serve(listen, settings, queue, inner, told))?;
        let address = opened.await.map_err(io::Error::other)??;
        Ok(Self {
            address,
            orders,
            _stop: stop.drop_guard(),
        })
    }

    /// Its address, if it is on TCP.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Ends every session of `account`.
    pub async fn revoke(&self, account: &str) {
        // An error says that there are none left.
        let _ = self.orders.send(account.to_owned()).await;
    }
}

impl World {
    /// Writes a line down: one line, whatever is in it.
    pub(crate) fn note(&self, kind: &'static str, text: &str) {
        let mut log = self.log.borrow_mut();
        if log.len() >= defaults::LINES {
            log.pop_front();
        }
        self.lines.set(self.lines.get() + 1);
        let at = rfc3339(self.clock.wall());
        log.push_back((self.lines.get(), at, kind, sanitise(text).into_owned()));
    }

    pub(crate) fn leave_all(&self, life: &Life) {
        self.rooms.borrow_mut().leave_all(life);
    }

    fn sweep(&self) {
        let lives: Vec<_> = self
            .lives
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for life in lives {
            let _ = life.check();
        }
        self.lives
            .borrow_mut()
            .retain(|life| life.strong_count() > 0);
    }

    fn revoke(&self, account: &str) {
        let lives: Vec<_> = self
            .lives
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for life in lives.iter().filter(|life| life.account == account) {
            life.end("revoked");
        }
    }
}

fn serve(
    listen: Listen,
    settings: Settings,
    queue: mpsc::Receiver<String>,
    stop: CancellationToken,
    told: oneshot::Sender<io::Result<Option<SocketAddr>>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = told.send(Err(error));
            return;
        }
    };
    let world = Rc::new(World {
        clock: settings.clock.clone(),
        settings,
        lives: RefCell::default(),
        rooms: RefCell::default(),
        notes: RefCell::default(),
        services: Services::default(),
        log: RefCell::default(),
        lines: Cell::new(0),
    });
    LocalSet::new().block_on(&runtime, async move {
        let keeping = keep(listen, world, queue, told);
        let _ = stop.run_until_cancelled(keeping).await;
    });
    runtime.shutdown_background();
}

async fn keep(
    listen: Listen,
    world: Rc<World>,
    queue: mpsc::Receiver<String>,
    told: oneshot::Sender<io::Result<Option<SocketAddr>>>,
) {
    let places = Arc::new(tokio::sync::Semaphore::new(defaults::CONNECTIONS));
    let listener = match Socket::bind(&listen).await {
        Ok((listener, address)) => {
            let _ = told.send(Ok(address));
            listener
        }
        Err(error) => {
            let _ = told.send(Err(error));
            return;
        }
    };
    tokio::task::spawn_local(watch(Rc::clone(&world), queue));
    loop {
        // A connection too many waits in the kernel.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok(connection) = listener.accept(&world).await else {
            tokio::time::sleep(defaults::SWEEP).await;
            continue;
        };
        tokio::task::spawn_local(async move {
            let _place = place;
            connection.await;
        });
    }
}

async fn watch(world: Rc<World>, mut queue: mpsc::Receiver<String>) {
    let mut tick = tokio::time::interval(defaults::SWEEP);
    loop {
        tokio::select! {
            account = queue.recv() => match account {
                Some(account) => world.revoke(&account),
                None => return,
            },
            _ = tick.tick() => world.sweep(),
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

type Connection = std::pin::Pin<Box<dyn Future<Output = ()>>>;

impl Socket {
    async fn bind(listen: &Listen) -> io::Result<(Self, Option<SocketAddr>)> {
        match listen {
            Listen::Tcp(port) => {
                let listener = TcpListener::bind(("127.0.0.1", *port)).await?;
                let address = listener.local_addr()?;
                Ok((Self::Tcp(listener), Some(address)))
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                use std::os::unix::fs::PermissionsExt as _;
                let listener = tokio::net::UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok((Self::Unix(listener), None))
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The next connection, and where it comes from: told by the socket alone.
    async fn accept(&self, world: &Rc<World>) -> io::Result<Connection> {
        let world = Rc::clone(world);
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                world.note("connection", "tcp");
                Ok(Box::pin(speak(world, stream)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                world.note("connection", &format!("unix, user {user}"));
                Ok(Box::pin(speak(world, stream)))
            }
        }
    }
}

async fn speak(world: Rc<World>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let (reader, writer) = tokio::io::split(stream);
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(defaults::MESSAGE / 8));
    options.nesting_limit(16);
    let network = twoparty::VatNetwork::new(
        reader.compat(),
        writer.compat_write(),
        Side::Server,
        options,
    );
    let door: session_gateway::Client = new_client(Door(world));
    // How a connection ends is its own business.
    let _ = RpcSystem::new(Box::new(network), Some(door.client)).await;
}
