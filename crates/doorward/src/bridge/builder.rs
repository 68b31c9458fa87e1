//! What a bridge is made of.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, Weak};

use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::guard::MountError;
use doorward_guard::policy::SealRule;
use doorward_guard::table::sessions::{SessionLimits, Sessions};
use doorward_guard::{
    Answer, Call, Clock, CookieTransport, Guard, HostSet, Open, Origin, Permit, Policy, SealConfig,
    Secret, Surface, Token, defaults,
};
use doorward_media::Media;
use doorward_operator::{Configured, Operator};
use doorward_relay::Relay;
use tokio::sync::Notify;

use super::settings::Settings;
use super::{Bridge, House, Sockets};
use crate::companion::{Companion, CompanionSettings};
use crate::config::{Config, Listener};
use crate::listener::Socket;
use crate::{console, listener, platform};

/// Says what to bind. Everything has a safe default: free ports of 127.0.0.1,
/// the console, an audit in memory, peers checked where the platform can.
#[derive(Debug)]
pub struct BridgeBuilder {
    config: Settings,
    native: Option<PathBuf>,
    disk: Option<(PathBuf, u64)>,
    console: bool,
    cookie: CookieTransport,
    companion: Option<CompanionSettings>,
    app_origins: Vec<Origin>,
    clock: Clock,
    audit: Option<Arc<dyn AuditSink>>,
    egress: Dialer,
    gateways: Vec<Configured>,
    automation: Option<Token>,
}

/// A bridge that cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A port that is taken, or not allowed.
    #[error(
        "cannot listen on 127.0.0.1:{port} ({error}). Choose another port, or 0 for any free one"
    )]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// The native socket cannot be made.
    #[error("cannot listen on the socket {} ({error})", .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The disk cache cannot be had.
    #[error("cannot keep a disk cache in {} ({error})", .path.display())]
    DiskCache {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        error: io::Error,
    },
    /// Two surfaces in each other's way.
    #[error(transparent)]
    Mount(#[from] MountError),
}

impl BridgeBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: Settings::default(),
            native: None,
            disk: None,
            console: true,
            cookie: CookieTransport::default(),
            companion: None,
            app_origins: Vec::new(),
            clock: Clock::system(),
            audit: None,
            egress: Dialer::new(AddressPolicy::public(), Trust::platform()),
            gateways: Vec::new(),
            automation: None,
        }
    }

    /// Listeners and limits as `config` says. Its sources and its audit file are
    /// opened by whoever reads them.
    #[must_use]
    pub fn config(mut self, config: &Config) -> Self {
        self.config = Settings {
            control: config.control.clone(),
            content: config.content.clone(),
        };
        match config.content.disk_cache {
            0 => self,
            bytes => self.disk_cache(&config.cache_path, bytes),
        }
    }

    /// The control listener's port; 0, the default, is any free one.
    #[must_use]
    pub fn control_port(mut self, port: u16) -> Self {
        self.config.control.listener.port = port;
        self
    }

    /// The content listener's port; 0, the default, is any free one. Its other
    /// lanes are always on free ports.
    #[must_use]
    pub fn content_port(mut self, port: u16) -> Self {
        self.config.content.listener.port = port;
        self
    }

    /// Opens the native socket at `path`. Its folder must be the user's alone.
    #[must_use]
    pub fn native_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.native = Some(path.into());
        self
    }

    /// What browsers reach the control listener over: [`CookieTransport::Plain`]
    /// unless this says otherwise. With [`CookieTransport::Secure`] the session's
    /// cookie is `Secure` and named `__Host-…`; a browser that drops such cookies on
    /// plain HTTP (WebKitGTK does) then has no session.
    #[must_use]
    pub fn cookie_transport(mut self, transport: CookieTransport) -> Self {
        self.cookie = transport;
        self
    }

    /// Opens the companion listener: pages may ask to be paired.
    #[must_use]
    pub fn companion(mut self, settings: CompanionSettings) -> Self {
        self.companion = Some(settings);
        self
    }

    /// Keeps what stores gave and memory has no room for in at most `bytes` of a
    /// file in `folder`, which is made if it is missing; see
    /// [`Media::keep_on_disk`].
    #[must_use]
    pub fn disk_cache(mut self, folder: impl Into<PathBuf>, bytes: u64) -> Self {
        self.disk = Some((folder.into(), bytes));
        self
    }

    /// Leaves the console out: for apps that bring their own page.
    #[must_use]
    pub fn without_console(mut self) -> Self {
        self.console = false;
        self
    }

    /// A page that may frame media, besides the console.
    #[must_use]
    pub fn app_origin(mut self, origin: Origin) -> Self {
        self.app_origins.push(origin);
        self
    }

    /// Shorter sessions than the defaults; longer ones are not taken.
    #[must_use]
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.config.control.sessions = limits;
        self
    }

    /// Another clock: for tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where decisions are written down.
    #[must_use]
    pub fn audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Trust, proxies and budgets of what the relay dials; the platform's roots and
    /// no proxy unless this is called. Each of its grants brings an address policy
    /// of its own.
    #[must_use]
    pub fn egress(mut self, dialer: Dialer) -> Self {
        self.egress = dialer;
        self
    }

    /// A gateway that the console may sign in to; the first is chosen.
    #[must_use]
    pub fn gateway(mut self, gateway: Configured) -> Self {
        self.gateways.push(gateway);
        self
    }

    /// Opens the automation report to whoever has `token` beside a session. There
    /// is none unless this is called.
    #[must_use]
    pub fn automation(mut self, token: Token) -> Self {
        self.automation = Some(token);
        self
    }

    /// What weakens the bridge.
    #[must_use]
    pub fn dangerous(self) -> DangerousBuilder {
        DangerousBuilder(self)
    }

    /// Binds the listeners. Nothing is served until [`Bridge::serve`].
    ///
    /// # Errors
    ///
    /// A port, socket or disk cache that cannot be had.
    pub async fn bind(mut self) -> Result<Bridge, BindError> {
        let (control_sockets, control) = bind(&self.config.control.listener, 0)?;
        let (mut content_sockets, content) = bind(&self.config.content.listener, 0)?;
        let mut lanes = Vec::new();
        let anywhere = Listener {
            port: 0,
            ..self.config.content.listener.clone()
        };
        for lane in 1..self.lanes() {
            let (sockets, port) = bind(&anywhere, lane)?;
            content_sockets.extend(sockets);
            lanes.push(port);
        }
        let native_socket =
            match &self.native {
                None => None,
                Some(path) => Some(tokio::net::UnixListener::bind(path).map_err(|error| {
                    BindError::Socket {
                        path: path.clone(),
                        error,
                    }
                })?),
            };
        let settings = self.companion.take();
        let (companion_sockets, companion) = match &settings {
            None => (Vec::new(), None),
            Some(settings) => {
                let (sockets, port) = first_free(&settings.ports)?;
                (sockets, Some((settings, port)))
            }
        };
        let wanted = settings
            .as_ref()
            .and_then(|settings| settings.dangerous_compat);
        let (compat_sockets, compat) = match wanted {
            None => (Vec::new(), None),
            Some(port) => {
                let (sockets, port) = first_free(&[port])?;
                (sockets, Some(port))
            }
        };
        let house = self.house((control, content, compat), &lanes, companion);
        if let Some((folder, bytes)) = &self.disk {
            platform::files::folder(folder)
                .map_err(io::Error::other)
                .and_then(|()| house.media.keep_on_disk(folder, *bytes))
                .map_err(|error| BindError::DiskCache {
                    path: folder.clone(),
                    error,
                })?;
        }
        let seal = SealConfig {
            content_origin: house.content.clone(),
            content_lanes: house.lanes.clone(),
            app_origins: std::iter::once(house.control.clone())
                .chain(self.app_origins.iter().map(ToString::to_string))
                .collect(),
        };
        let guard = |name, hosts, stray_seal| {
            let audit = Arc::clone(&house.audit);
            Guard::new(name, hosts, stray_seal, &seal, &house.clock, audit)
        };
        let ipv6 = self.config.content.listener.ipv6;
        let content = guard("content", HostSet::loopback(content, ipv6), SealRule::Media);
        let mut bridge = Bridge {
            control: guard(
                "control",
                HostSet::loopback(control, self.config.control.listener.ipv6),
                SealRule::Control,
            ),
            content: lanes.iter().fold(content, |content, &port| {
                content.lane(HostSet::loopback(port, ipv6))
            }),
            companion: companion.map(|(_, port)| {
                let hosts = HostSet::loopback(port, false);
                guard("companion", hosts, SealRule::Companion)
            }),
            compat: compat.map(|port| {
                let hosts = HostSet::loopback(port, false);
                guard("compat", hosts, SealRule::Compat)
            }),
            native: native_socket
                .as_ref()
                .map(|_| guard("native", HostSet::native(), SealRule::Plain)),
            sockets: Sockets {
                control: control_sockets,
                content: content_sockets,
                companion: companion_sockets,
                compat: compat_sockets,
                native: native_socket,
            },
            config: self.config.clone(),
            house,
        };
        bridge
            .control
            .mount(health(Policy::health().on_control()))?;
        bridge
            .content
            .mount(health(Policy::health().on_content()))?;
        let room = bridge.house.companion().cloned();
        if let (Some(guard), Some(room)) = (&mut bridge.companion, room) {
            guard.mount(health(Policy::health().on_companion()))?;
            room.mount(guard)?;
        }
        let room = bridge.house.companion().cloned();
        if let (Some(guard), Some(room)) = (&mut bridge.compat, room) {
            room.mount_compat(guard)?;
        }
        if let Some(native) = &mut bridge.native {
            native.mount(health(Policy::health()))?;
        }
        let media = Arc::clone(bridge.media());
        bridge.mount(media.surface())?;
        let relay = Arc::clone(bridge.relay());
        bridge.mount(relay.surface())?;
        if bridge.native.is_some() {
            crate::native::mount(&mut bridge)?;
        }
        if self.console {
            console::mount(&mut bridge)?;
        }
        Ok(bridge)
    }

    /// Ports of the content listener. Whoever forwards ports forwards those that
    /// they know: the first.
    fn lanes(&self) -> usize {
        if self.config.control.peer_check {
            defaults::CONTENT_LANES
        } else {
            1
        }
    }

    fn house(
        &mut self,
        (control, content, compat): (u16, u16, Option<u16>),
        lanes: &[u16],
        companion: Option<(&CompanionSettings, u16)>,
    ) -> Arc<House> {
        let clock = self.clock.clone();
        let limits = self.config.control.sessions;
        let sessions = Arc::new(Sessions::over(self.cookie, &clock, control, limits));
        let events = Events::new();
        let audit: Arc<dyn AuditSink> = self
            .audit
            .clone()
            .unwrap_or_else(|| Arc::new(Ledger::new(&clock)));
        let content = origin(content);
        let grants = self.config.content.grants;
        let media = Media::with_capacity(&clock, &events, &audit, &content, grants);
        let relay = Relay::new(&clock, &events, &audit, &content, self.egress.clone());
        if self.config.control.peer_check {
            // The ports of TURN tunnels have no token.
            relay.check_peers(crate::platform::tcp_peer);
        }
        let gateways = std::mem::take(&mut self.gateways);
        let automation = self.automation.take();
        let operator = Operator::new(&clock, &events, &audit, gateways, automation);
        let companion = companion.map(|(settings, port)| {
            let room = Companion::new(&clock, &audit, port, settings, (&events, &relay, &media));
            (room, origin(port))
        });
        let house = Arc::new(House {
            instance: Secret::<8>::random().reveal().to_string(),
            started: clock.now(),
            control: origin(control),
            content,
            lanes: lanes.iter().copied().map(origin).collect(),
            sessions,
            events,
            audit,
            media,
            relay,
            operator,
            companion,
            compat: compat.map(origin),
            doors: OnceLock::new(),
            stop_asked: Notify::new(),
            audit_told: AtomicU64::new(0),
            clock,
        });
        let weak: Weak<House> = Arc::downgrade(&house);
        house.sessions.on_end(move |id, reason| {
            if let Some(house) = weak.upgrade() {
                house.session_ended(id, reason);
            }
        });
        house
    }
}

/// What weakens a bridge, in one place.
#[derive(Debug)]
pub struct DangerousBuilder(BridgeBuilder);

impl DangerousBuilder {
    /// Lets any process connect: for forwarded ports, where the peer is the
    /// forwarder. Tokens and sessions still stand. Content has one lane then, its
    /// own port: nobody forwards ports that are not known beforehand.
    #[must_use]
    pub fn without_peer_check(mut self) -> BridgeBuilder {
        self.0.config.control.peer_check = false;
        self.0
    }
}

/// As browsers write it: without the default port.
fn origin(port: u16) -> String {
    match port {
        80 => "http://127.0.0.1".to_owned(),
        port => format!("http://127.0.0.1:{port}"),
    }
}

/// The first of `ports` that nobody has.
fn first_free(ports: &[u16]) -> Result<(Vec<Socket>, u16), BindError> {
    let mut taken = None;
    for &port in ports {
        match listener::bind(port, false, 0) {
            Ok(bound) => return Ok(bound),
            Err(error) => taken = Some(BindError::Port { port, error }),
        }
    }
    Err(taken.unwrap_or_else(|| BindError::Port {
        port: 0,
        error: io::ErrorKind::InvalidInput.into(),
    }))
}

fn bind(listener: &Listener, lane: usize) -> Result<(Vec<Socket>, u16), BindError> {
    let port = listener.port;
    listener::bind(port, listener.ipv6, lane).map_err(|error| BindError::Port { port, error })
}

fn health(policy: Policy<Open>) -> Surface<Open, ()> {
    Surface::new("health", "/healthz", policy, (), ())
        .get("/", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            Answer::text("ok")
        })
}
