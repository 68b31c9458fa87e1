//! The bridge: listeners, guards and rooms, put together.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let bridge = doorward::Bridge::builder().bind().await?.serve();
//! println!("{}", bridge.launch_url(false)?);
//! bridge.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod house;
mod settings;

use settings::Settings;

pub use builder::{BindError, BridgeBuilder};
pub use house::{Doors, House, ListenerRow, State};

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use doorward_guard::caller::Caller;
use doorward_guard::guard::MountError;
use doorward_guard::policy::CallerKind;
use doorward_guard::{Connection, Guard, Sealed, Surface};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch;
use crate::listener::{Gatekeeper, Socket, Terms};

/// Tables are swept, and what plays keeps its session, this often.
const SWEEP: Duration = Duration::from_secs(1);

/// Bound listeners that take surfaces, and do not serve yet.
#[derive(Debug)]
pub struct Bridge {
    house: Arc<House>,
    control: Guard,
    content: Guard,
    companion: Option<Guard>,
    compat: Option<Guard>,
    native: Option<Guard>,
    sockets: Sockets,
    config: Settings,
}

/// A bridge that serves. [`Serving::shutdown`] lets answers finish; dropping it
/// does not wait for them.
#[derive(Debug)]
pub struct Serving {
    house: Arc<House>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Which of our listeners a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The console and its API.
    Control,
    /// Media.
    Content,
    /// What pages of other origins ask for.
    Companion,
    /// The same in Sambee's protocol.
    Compat,
    /// The native socket.
    Native,
}

#[derive(Debug)]
struct Sockets {
    control: Vec<Socket>,
    content: Vec<Socket>,
    companion: Vec<Socket>,
    compat: Vec<Socket>,
    native: Option<tokio::net::UnixListener>,
}

impl Bridge {
    /// Says what to bind.
    #[must_use]
    pub fn builder() -> BridgeBuilder {
        BridgeBuilder::new()
    }

    /// What the surfaces share.
    #[must_use]
    pub fn house(&self) -> Arc<House> {
        Arc::clone(&self.house)
    }

    /// Adds a surface to the listener that its callers belong to: capabilities
    /// to content, native callers to the socket, all others to control.
    ///
    /// # Errors
    ///
    /// A prefix or route that is malformed or taken; [`MountError::NoListener`]
    /// for native callers where there is no socket.
    pub fn mount<C: Caller, S: Send + Sync + 'static>(
        &mut self,
        surface: Surface<C, S>,
    ) -> Result<(), MountError> {
        let surface = surface.within(&self.config.ceiling());
        match C::KIND {
            CallerKind::Capability => self.content.mount(surface),
            CallerKind::Page | CallerKind::Signed => match &mut self.companion {
                Some(companion) => companion.mount(surface),
                None => Err(MountError::NoListener {
                    surface: surface.name(),
                }),
            },
            CallerKind::Visitor | CallerKind::Stamped => match &mut self.compat {
                Some(compat) => compat.mount(surface),
                None => Err(MountError::NoListener {
                    surface: surface.name(),
                }),
            },
            CallerKind::Native => match &mut self.native {
                Some(native) => native.mount(surface),
                None => Err(MountError::NoListener {
                    surface: surface.name(),
                }),
            },
            CallerKind::Open | CallerKind::Ticket | CallerKind::Session => {
                self.control.mount(surface)
            }
        }
    }

    /// Starts to serve. Needs a tokio runtime.
    #[must_use]
    pub fn serve(self) -> Serving {
        let Self {
            house,
            control,
            content,
            companion,
            compat,
            native,
            sockets,
            config,
        } = self;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let keep = |guard: Guard, terms: Terms, sockets: Vec<Socket>| {
            let guard = Arc::new(guard);
            let keeper = Gatekeeper::new(Arc::clone(&guard), terms, stop.clone());
            tasks.spawn(keeper.keep(sockets));
            guard
        };
        let cookie = house.sessions().cookie_name();
        let control = keep(control, config.control_terms(cookie), sockets.control);
        let content = keep(content, config.content_terms(), sockets.content);
        let companion =
            companion.map(|guard| keep(guard, config.companion_terms(), sockets.companion));
        let compat = compat.map(|guard| {
            tracing::warn!(
                "the compatible listener is on: pages there prove themselves in a weaker way"
            );
            keep(guard, config.companion_terms(), sockets.compat)
        });
        let native = native
            .zip(sockets.native)
            .map(|(guard, socket)| keep(guard, config.native_terms(), vec![Socket::Unix(socket)]));
        house.open(Doors {
            control,
            content,
            companion,
            compat,
            native,
        });
        if let Some(companion) = house.companion().cloned() {
            // Not among those that are waited for: it may ask for a password.
            tokio::spawn(async move {
                tokio::join!(companion.restore(), companion.drives().recover());
            });
        }
        let (sweeper, until) = (Arc::clone(&house), stop.clone());
        tasks.spawn(async move {
            while until
                .run_until_cancelled(tokio::time::sleep(SWEEP))
                .await
                .is_some()
            {
                sweeper.sweep();
            }
        });
        tasks.close();
        Serving { house, stop, tasks }
    }

    /// Every surface, its policy and its routes.
    #[must_use]
    pub fn table(&self) -> Vec<ListenerRow> {
        [
            Some(&self.control),
            Some(&self.content),
            self.companion.as_ref(),
            self.compat.as_ref(),
            self.native.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(|guard| ListenerRow::new(guard, None))
        .collect()
    }
}

impl Serving {
    /// What the surfaces share.
    #[must_use]
    pub fn house(&self) -> Arc<House> {
        Arc::clone(&self.house)
    }

    /// Answers one request without a socket, as `listener` would: for tests and
    /// for custom schemes. `None` if that listener is not open.
    pub async fn answer(
        &self,
        listener: Listener,
        connection: Connection,
        request: http::Request<http_body_util::Full<bytes::Bytes>>,
    ) -> Option<Sealed> {
        let doors = self.house.doors()?;
        let guard = match listener {
            Listener::Control => &doors.control,
            Listener::Content => &doors.content,
            Listener::Companion => doors.companion.as_ref()?,
            Listener::Compat => doors.compat.as_ref()?,
            Listener::Native => doors.native.as_ref()?,
        };
        Some(dispatch::answer(guard, connection, request).await)
    }

    /// Ends all sessions and grants, lets answers finish for a moment, and frees
    /// the ports.
    pub async fn shutdown(self) {
        // While its sockets can still be told why.
        self.house.relay().shutdown().await;
        self.house.operator().shutdown().await;
        if let Some(companion) = self.house.companion() {
            companion.shutdown().await;
        }
        self.house.close();
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

// === impl Deref ===

impl Deref for Bridge {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl Deref for Serving {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

// === impl Drop ===

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
