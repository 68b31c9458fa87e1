//! `doorward.toml`, the environment and the command line, made into one [`Config`].
//!
//! Three steps: *written* ([`Written`]) → [`Written::build`] → *meant*
//! ([`Config`]). The command line wins over the environment (`DOORWARD_CONTROL_PORT`
//! for `port` in `[control]`), and that over the file. Everything has a default;
//! every number comes from [`doorward_guard::defaults`], and configuration only
//! lowers it.
//!
//! It refuses keys that do not exist (and names the nearest that does), values
//! of another type, limits above their default, addresses other than loopback,
//! and tables of later versions. Errors name the key and the line.
//!
//! Secrets never stand in the file: it names the environment variables, profiles
//! and keyring entries that hold them.

mod companion;
mod credentials;
mod declared;
mod egress;
mod error;
mod gateway;
mod keys;
mod relay;
mod source;
mod text;
mod value;
mod written;

pub use companion::{Companion, Face, VaultChoice};
pub use credentials::Credentials;
pub use egress::{Egress, WayOut};
pub use error::{ConfigError, Whence};
pub use gateway::{Gateway, Way as GatewayWay};
pub use relay::Relay;
pub use source::{Addressing, Bucket, Cloud, Place, Source, Web};
pub use text::{init, schema};
pub use written::{Flags, Written};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_guard::table::sessions::SessionLimits;
use etcetera::BaseStrategy as _;

use keys::Key;
use value::Value;

const MIB: u64 = 1024 * 1024;

/// Names a file instead of the usual one, if no flag does.
const FILE_VARIABLE: &str = "DOORWARD_CONFIG";

/// What doorward is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The console and its API.
    pub control: Control,
    /// Media addresses.
    pub content: Content,
    /// Pages of other origins.
    pub companion: Companion,
    /// What is served, in the order in which it was named.
    pub sources: Vec<Source>,
    /// Upstreams that are open from the start.
    pub relays: Vec<Relay>,
    /// What the console may sign in to, in the order in which it was named.
    pub gateways: Vec<Gateway>,
    /// How stores and upstreams are reached.
    pub egress: Egress,
    /// Where the audit log is written.
    pub audit_path: PathBuf,
    /// Where files lie that may go at any time.
    pub cache_path: PathBuf,
    /// Where files lie that must not go.
    pub state_path: PathBuf,
    /// Where the user's data is: the trash of the desktop is in it.
    pub data_path: PathBuf,
    /// What takes effect, but is worth a second look.
    pub warnings: Vec<String>,
    rows: Vec<Row>,
}

/// The control listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Control {
    /// How it listens.
    pub listener: Listener,
    /// Whether processes of other users are kept out.
    pub peer_check: bool,
    /// How long sessions last.
    pub sessions: SessionLimits,
    /// Requests of one API surface that run at once.
    pub in_flight: usize,
    /// The longest body of an API call, in bytes.
    pub api_body: u64,
    /// A body arrives within this.
    pub body_within: Duration,
    /// An API answer is taken within this.
    pub api_drain: Duration,
}

/// The content listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Content {
    /// How it listens.
    pub listener: Listener,
    /// A media answer may make no progress for this long.
    pub media_drain: Duration,
    /// Grants that are live at once.
    pub grants: usize,
    /// Bytes of disk for what stores gave and memory has no room for; none if 0.
    pub disk_cache: u64,
}

/// A listener, on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// The port; 0 is any free one.
    pub port: u16,
    /// Whether it listens on `::1` as well.
    pub ipv6: bool,
    /// Connections at once.
    pub connections: usize,
    /// A head arrives within this.
    pub head_within: Duration,
    /// A silent connection is closed after this.
    pub idle_keep_alive: Duration,
    /// The longest request line, in bytes.
    pub request_line: usize,
    /// The longest header line, in bytes.
    pub header_line: usize,
    /// The longest `Cookie` line, in bytes.
    pub cookie_line: usize,
    /// The most header lines.
    pub header_count: usize,
    /// All header lines together, in bytes.
    pub headers_total: usize,
}

/// Where a user's files are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Places {
    /// What `~` stands for.
    pub home: PathBuf,
    /// The usual configuration file.
    pub config: PathBuf,
    /// The usual audit log.
    pub audit: PathBuf,
    /// For files that may go at any time.
    pub cache: PathBuf,
    /// For files that must not go.
    pub state: PathBuf,
    /// For the user's data, of all programs.
    pub data: PathBuf,
}

/// One setting, for people.
#[derive(Clone, Debug)]
struct Row {
    key: &'static Key,
    value: String,
    whence: Whence,
}

impl Config {
    /// Reads what this user and this command line say: the file named by
    /// `flags`, by `DOORWARD_CONFIG` or, if it exists, the usual one.
    ///
    /// # Errors
    ///
    /// Anything that [`Written`] or [`Written::build`] refuses; a file that was
    /// named and cannot be read; no home folder.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_from(flags, std::env::vars_os(), &Places::of_user()?)
    }

    /// As [`Config::load`], with another environment and other places.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_from(
        flags: &Flags,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        places: &Places,
    ) -> Result<Self, ConfigError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let by_variable = variables
            .iter()
            .find(|(name, value)| name == FILE_VARIABLE && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value));
        let named = flags.config.clone().or(by_variable);
        let file = named.clone().unwrap_or_else(|| places.config.clone());
        let (file, written) = match std::fs::read_to_string(&file) {
            Ok(text) => (Some(file.clone()), Written::parse(&text, &file)?),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                (None, Written::new())
            }
            Err(source) => return Err(ConfigError::Unreadable { path: file, source }),
        };
        let mut config = written
            .environment(variables)?
            .flags(flags)?
            .build(places)?;
        config.file = file;
        Ok(config)
    }

    /// Every setting, its value and where it comes from, as text for a terminal:
    /// what `doorward check` prints.
    #[must_use]
    pub fn explain(&self) -> String {
        text::explain(self)
    }
}

impl Places {
    /// The places of this user, by the XDG folders.
    ///
    /// # Errors
    ///
    /// There is no home folder.
    pub fn of_user() -> Result<Self, ConfigError> {
        let base = etcetera::choose_base_strategy().map_err(|_| ConfigError::NoHome)?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self {
            home: base.home_dir().to_owned(),
            config: base.config_dir().join("doorward").join("doorward.toml"),
            audit: state.join("doorward").join("audit.jsonl"),
            state: state.join("doorward"),
            cache: base.cache_dir().join("doorward"),
            data: base.data_dir(),
        })
    }

    /// `written` as an absolute path: `~/` is the home folder, others start at
    /// the folder of the file they stand in, or at the working directory.
    fn absolute(&self, written: &Path, whence: &Whence) -> PathBuf {
        if let Ok(rest) = written.strip_prefix("~") {
            return self.home.join(rest);
        }
        let from = match whence {
            Whence::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(written),
            Whence::Default | Whence::Variable(_) | Whence::Flag => written.to_owned(),
        };
        // It fails for an empty path, which no key takes.
        std::path::absolute(&from).unwrap_or(from)
    }
}

impl Written {
    /// Makes sense of what was written.
    ///
    /// # Errors
    ///
    /// Values that contradict each other; sources that are neither a folder, a
    /// bucket nor a web server.
    pub fn build(self, places: &Places) -> Result<Config, ConfigError> {
        let (control, content) = (self.control(), self.content());
        let same = control.listener.port != 0 && control.listener.port == content.listener.port;
        if let Some((_, whence)) = self.settings.written(&keys::CONTENT_PORT).filter(|_| same) {
            return Err(ConfigError::Value {
                whence: whence.clone(),
                key: keys::CONTENT_PORT.path.to_owned(),
                why: "the console has this port: media need another, so that what is shown cannot reach the console".to_owned(),
            });
        }
        let companion = self.companion(places)?;
        let audit_path = match self.settings.written(&keys::AUDIT_PATH) {
            Some((Value::Path(path), whence)) => places.absolute(path, whence),
            _ => places.audit.clone(),
        };
        let mut warnings = self.warnings.clone();
        if !control.peer_check {
            warnings.push("control.peer_check is off: processes of other users on this machine may reach the console's door. Only a port forward needs this".to_owned());
        }
        warnings.extend(companion.warning());
        let sources = source::build(&self.sources, places, &mut warnings)?;
        let relays = relay::build(&self.relays)?;
        let gateways = gateway::build(&self.gateways, places)?;
        let egress = self.egress(places)?;
        let rows = keys::KEYS
            .iter()
            .map(|key| self.row(key, &audit_path))
            .collect();
        Ok(Config {
            file: None,
            control,
            content,
            companion,
            sources,
            relays,
            gateways,
            egress,
            audit_path,
            cache_path: places.cache.clone(),
            state_path: places.state.clone(),
            data_path: places.data.clone(),
            warnings,
            rows,
        })
    }

    fn control(&self) -> Control {
        Control {
            listener: self.listener(&CONTROL),
            peer_check: self.settings.value(&keys::PEER_CHECK) != Some(Value::Flag(false)),
            sessions: SessionLimits {
                idle: self.time(&keys::SESSION_IDLE),
                absolute: self.time(&keys::SESSION_ABSOLUTE),
            },
            in_flight: self.size(&keys::IN_FLIGHT),
            api_body: self.count(&keys::API_BODY),
            body_within: self.time(&keys::BODY_WITHIN),
            api_drain: self.time(&keys::API_DRAIN),
        }
    }

    fn content(&self) -> Content {
        Content {
            listener: self.listener(&CONTENT),
            media_drain: self.time(&keys::MEDIA_DRAIN),
            grants: self.size(&keys::GRANTS),
            disk_cache: self.count(&keys::DISK_CACHE) * MIB,
        }
    }

    fn listener(&self, keys: &ListenerKeys) -> Listener {
        Listener {
            port: match self.settings.value(keys.port) {
                Some(Value::Port(port)) => port,
                _ => 0,
            },
            ipv6: self.settings.value(keys.bind) == Some(Value::Bind { ipv6: true }),
            connections: self.size(keys.connections),
            head_within: self.time(keys.head_within),
            idle_keep_alive: self.time(keys.idle_keep_alive),
            request_line: self.size(keys.request_line),
            header_line: self.size(keys.header_line),
            cookie_line: self.size(keys.cookie_line),
            header_count: self.size(keys.header_count),
            headers_total: self.size(keys.headers_total),
        }
    }

    /// A key of another kind would be the tightest there is.
    fn time(&self, key: &Key) -> Duration {
        match self.settings.value(key) {
            Some(Value::Time(time)) => time,
            _ => Duration::ZERO,
        }
    }

    fn count(&self, key: &Key) -> u64 {
        match self.settings.value(key) {
            Some(Value::Count(count)) => count,
            _ => 0,
        }
    }

    fn size(&self, key: &Key) -> usize {
        usize::try_from(self.count(key)).unwrap_or(usize::MAX)
    }

    fn row(&self, key: &'static Key, audit_path: &Path) -> Row {
        let whence = self
            .settings
            .written(key)
            .map_or(Whence::Default, |(_, whence)| whence.clone());
        let value = match self.settings.value(key) {
            Some(Value::Path(_)) | None => Value::Path(audit_path.to_owned()).toml(),
            Some(Value::Text(text)) if key.path == keys::EGRESS_PROXY.path => egress::shown(&text),
            Some(value) => value.toml(),
        };
        Row { key, value, whence }
    }
}

/// The keys that each listener has.
struct ListenerKeys {
    port: &'static Key,
    bind: &'static Key,
    connections: &'static Key,
    head_within: &'static Key,
    idle_keep_alive: &'static Key,
    request_line: &'static Key,
    header_line: &'static Key,
    cookie_line: &'static Key,
    header_count: &'static Key,
    headers_total: &'static Key,
}

static CONTROL: ListenerKeys = ListenerKeys {
    port: &keys::CONTROL_PORT,
    bind: &keys::CONTROL_BIND,
    connections: &keys::CONTROL_CONNECTIONS,
    head_within: &keys::CONTROL_HEAD_WITHIN,
    idle_keep_alive: &keys::CONTROL_IDLE,
    request_line: &keys::CONTROL_REQUEST_LINE,
    header_line: &keys::CONTROL_HEADER_LINE,
    cookie_line: &keys::CONTROL_COOKIE_LINE,
    header_count: &keys::CONTROL_HEADER_COUNT,
    headers_total: &keys::CONTROL_HEADERS_TOTAL,
};

static CONTENT: ListenerKeys = ListenerKeys {
    port: &keys::CONTENT_PORT,
    bind: &keys::CONTENT_BIND,
    connections: &keys::CONTENT_CONNECTIONS,
    head_within: &keys::CONTENT_HEAD_WITHIN,
    idle_keep_alive: &keys::CONTENT_IDLE,
    request_line: &keys::CONTENT_REQUEST_LINE,
    header_line: &keys::CONTENT_HEADER_LINE,
    cookie_line: &keys::CONTENT_COOKIE_LINE,
    header_count: &keys::CONTENT_HEADER_COUNT,
    headers_total: &keys::CONTENT_HEADERS_TOTAL,
};

// === impl Control and Content ===

impl Default for Control {
    fn default() -> Self {
        Written::new().control()
    }
}

impl Default for Content {
    fn default() -> Self {
        Written::new().content()
    }
}

#[cfg(test)]
mod tests;
