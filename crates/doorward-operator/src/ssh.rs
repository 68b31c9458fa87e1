//! The gateway of kind `ssh`: a machine behind an SSH server, and on it the commands
//! that an operator declared. There is no terminal, no forwarding and no file
//! transfer. The account's login shell reads each command, as SSH has it: it has to
//! read what is quoted as a POSIX shell, csh or fish does, which is tried once
//! somebody is signed in.
//!
//! The host's key is pinned: one that is not is refused before anything about the
//! person is sent, and nothing is learned by first use. Only current algorithms are
//! spoken. RSA is not: the one implementation in Rust leaks by its timing.
//!
//! | what | where |
//! |---|---|
//! | commands, and how they are quoted | `command` |
//! | host keys, the key to sign in with | `keys` |
//! | signing in, in one step or several | `auth` |
//! | what a server may say until then | `allowance` |
//! | one command, within its bounds | `run` |
//! | the connection | `link` |

mod allowance;
mod auth;
mod command;
mod keys;
mod link;
mod run;

use std::borrow::Cow;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use doorward_egress::Dialer;
use russh::client;
use russh::{AlgorithmKind, Preferred, SshId, cipher, compression, kex, mac};

use allowance::Allowance;
pub use command::{Command, Fixed};
pub use keys::{HostKeys, NotAHostKey};
use link::{SshLink, Watcher};

use crate::declared::{Undeclared, all_different, labelled};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::end::End;
use crate::gateway::{Asked, AuthKind, AuthMethod, Descriptor, Gateway, Link};
use crate::reach::{self, Place, Reach};

/// A gateway that speaks SSH.
#[derive(Debug)]
pub struct SshGateway {
    reach: Reach,
    machine: Arc<Machine>,
    config: Arc<client::Config>,
}

/// What is declared of a machine.
#[derive(Clone, Debug)]
pub struct Machine {
    host_keys: HostKeys,
    key: Option<PathBuf>,
    commands: Vec<Command>,
    launches: Vec<Launch>,
    session: Duration,
}

/// Something that can be launched over there, by two commands without fields.
#[derive(Clone, Debug)]
pub struct Launch {
    pub(crate) profile: String,
    pub(crate) label: String,
    pub(crate) summary: String,
    pub(crate) probe: Fixed,
    pub(crate) start: Fixed,
}

// === impl Machine ===

impl Machine {
    /// A machine that shows one of `host_keys`, and on which `commands` may run.
    ///
    /// # Errors
    ///
    /// Two commands of one name, and more than [`defaults::DECLARED`].
    pub fn new(host_keys: HostKeys, commands: Vec<Command>) -> Result<Self, Undeclared> {
        let names = commands.iter();
        let names = names.map(|command| command.outline().operation().name.as_str());
        all_different("commands", names)?;
        Ok(Self {
            host_keys,
            key: None,
            commands,
            launches: Vec::new(),
            session: defaults::SESSION,
        })
    }

    /// Offers to sign in with the private key in this file, which only this user may
    /// read. It is read each time, and asks for its passphrase if it has one.
    #[must_use]
    pub fn key(mut self, file: PathBuf) -> Self {
        self.key = Some(file);
        self
    }

    /// What can be launched.
    ///
    /// # Errors
    ///
    /// Two of one name, and more than [`defaults::DECLARED`].
    pub fn launches(mut self, launches: Vec<Launch>) -> Result<Self, Undeclared> {
        all_different(
            "launches",
            launches.iter().map(|launch| launch.profile.as_str()),
        )?;
        self.launches = launches;
        Ok(self)
    }

    /// Sessions end after this; [`defaults::SESSION`] unless it is called.
    #[must_use]
    pub fn session(mut self, time: Duration) -> Self {
        self.session = time;
        self
    }

    fn runs_something(&self) -> bool {
        !self.commands.is_empty() || !self.launches.is_empty()
    }
}

impl Launch {
    /// Something called `profile`: `probe` ends with 0 if it runs, `start` starts it.
    ///
    /// # Errors
    ///
    /// A name or texts that are no lines.
    pub fn new(
        profile: &str,
        label: &str,
        summary: &str,
        probe: Fixed,
        start: Fixed,
    ) -> Result<Self, Undeclared> {
        if !crate::room::bounds::is_name(profile) {
            return Err(Undeclared::Name(profile.to_owned()));
        }
        Ok(Self {
            profile: profile.to_owned(),
            label: labelled(label, profile)?,
            summary: labelled(summary, profile)?,
            probe,
            start,
        })
    }
}

// === impl SshGateway ===

impl SshGateway {
    /// The machine at `place`, which is dialled directly, without a proxy.
    #[must_use]
    pub fn new(place: Place, dialer: &Dialer, machine: Arc<Machine>) -> Self {
        Self {
            reach: Reach::new(place, dialer.clone()),
            config: Arc::new(config(&machine.host_keys)),
            machine,
        }
    }
}

impl Gateway for SshGateway {
    fn descriptor(&self) -> Descriptor {
        let method = |kind, label: &str, enabled| AuthMethod {
            kind,
            label: label.to_owned(),
            profiles: Vec::new(),
            // A passphrase, or a second factor.
            interactive: true,
            enabled,
        };
        Descriptor {
            kind: "ssh",
            methods: vec![
                method(AuthKind::Password, "Password", true),
                method(AuthKind::PublicKey, "Key", self.machine.key.is_some()),
            ],
        }
    }

    fn connect(&self) -> Asked<'_, Rc<dyn Link>> {
        Box::pin(async move {
            let end = End::new();
            let watcher = Watcher::new(self.machine.host_keys.clone(), end.clone());
            let seen = watcher.seen();
            let config = Arc::clone(&self.config);
            let allowance = Allowance::new();
            let handle = match self.reach.place() {
                #[cfg(unix)]
                Place::Unix(path) => {
                    let stream = allowance.over(reach::unix(path, &[]).await?);
                    client::connect_stream(config, stream, watcher).await
                }
                #[cfg(not(unix))]
                Place::Unix(_) => return Err(reach::no_sockets()),
                Place::Tcp(_) => {
                    let stream = allowance.over(self.reach.tcp().await?);
                    client::connect_stream(config, stream, watcher).await
                }
            };
            let handle = handle.map_err(|error| match seen.mismatch() {
                true => Denial::HostKeyMismatch.because("the host's key is not pinned"),
                false => broken(&error),
            })?;
            let machine = Arc::clone(&self.machine);
            let link: Rc<dyn Link> = Rc::new(SshLink::new(handle, machine, allowance, seen, end));
            Ok(link)
        })
    }

    fn secrets(&self) -> Vec<String> {
        self.reach.secrets()
    }
}

/// Current algorithms alone. Strict key exchange is offered; a server without it is
/// spoken to by AES in GCM, whose messages cannot be left out unseen either.
fn config(host_keys: &HostKeys) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-doorward")),
        window_size: defaults::WINDOW,
        preferred: Preferred {
            kex: Cow::Borrowed(&[
                kex::MLKEM768X25519_SHA256,
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::EXTENSION_SUPPORT_AS_CLIENT,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]),
            key: Cow::Owned(host_keys.algorithms()),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(&[
                cipher::AES_256_GCM,
                cipher::AES_128_GCM,
                cipher::CHACHA20_POLY1305,
            ]),
            mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        keepalive_interval: Some(defaults::KEEP_ALIVE),
        keepalive_max: defaults::KEEP_ALIVES,
        inactivity_timeout: Some(defaults::QUIET),
        nodelay: true,
        ..client::Config::default()
    }
}

/// What went wrong with the connection, in our terms.
fn broken(error: &russh::Error) -> Denied {
    let denial = match error {
        russh::Error::UnknownKey
        | russh::Error::WrongServerSig
        | russh::Error::NoCommonAlgo {
            kind: AlgorithmKind::Key,
            ..
        } => Denial::HostKeyMismatch,
        russh::Error::NoCommonAlgo { .. } | russh::Error::Version => Denial::ServiceUnavailable,
        russh::Error::ConnectionTimeout
        | russh::Error::KeepaliveTimeout
        | russh::Error::InactivityTimeout
        | russh::Error::Elapsed(_) => Denial::UpstreamTimeout,
        _ => Denial::UpstreamDisconnected,
    };
    denial.because(error.to_string())
}
