//! The gateway of kind `postgres`: a database, and the statements that an operator
//! declared. A person's texts are never part of one: each is prepared as it was
//! declared, and its parameters are bound apart from it. Around it go the words of a
//! transaction, questions for types that the server alone knows, and what takes back
//! whatever the statement left in the session.
//!
//! One that was not declared to change something runs in a transaction that is read
//! only, which keeps it from changing rows. It does not keep a role with such rights
//! from functions that reach beyond the transaction (`lo_export`, `dblink`,
//! `pg_terminate_backend`, `COPY … TO PROGRAM`): which those are, the database's grants
//! decide.
//!
//! A password goes to a server that proves itself: over TLS, or by SCRAM, in which
//! neither side says it. One that asks for it in clear, hashed as of old, or with so
//! few rounds of SCRAM that it could be guessed, gets none without TLS. Without TLS
//! only this machine is reached, and whoever has the port there has to prove that they
//! know the password as well; a socket is known by its owner.
//!
//! | what | where |
//! |---|---|
//! | statements and their parameters | `statement` |
//! | what the server may say, and how much | `wire` |
//! | values as text | `cell` |
//! | the connection | `link` |

mod cell;
mod link;
mod statement;
mod wire;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use doorward_egress::{Dialer, Target};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use link::PostgresLink;
pub use statement::Statement;

use crate::declared::{Undeclared, all_different};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Asked, AuthKind, AuthMethod, Descriptor, Gateway, Link};
use crate::reach::{self, Place, Reach};

/// A gateway that speaks PostgreSQL's protocol.
#[derive(Debug)]
pub struct PostgresGateway {
    way: Arc<Way>,
}

/// What is declared of a database.
#[derive(Clone, Debug)]
pub struct Database {
    name: String,
    statements: Vec<Statement>,
    session: Duration,
}

/// The way to the server: taken once for the session, and once more for each
/// statement that has to be cancelled.
#[derive(Debug)]
struct Way {
    reach: Reach,
    /// The same place with TLS, where there has to be TLS.
    tls: Option<Target>,
    database: Arc<Database>,
}

/// A connected server, nothing said yet.
struct Connected {
    stream: Box<dyn Duplex>,
    proven: Proven,
}

/// What is known of the other side before anything is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proven {
    /// Anybody on this machine could have the port.
    Nothing,
    /// The socket is of somebody who may have it.
    Owner,
    /// Its certificate is of its name.
    Certificate,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

// === impl Database ===

impl Database {
    /// The database `name`, and what may be asked of it.
    ///
    /// # Errors
    ///
    /// Two statements of one name, and more than [`defaults::DECLARED`]; a name that
    /// is none.
    pub fn new(name: &str, statements: Vec<Statement>) -> Result<Self, Undeclared> {
        // PostgreSQL's own bound on names.
        if !(1..=63).contains(&name.len()) || name.contains(char::is_control) {
            return Err(Undeclared::Name(name.to_owned()));
        }
        let names = statements.iter();
        let names = names.map(|statement| statement.outline().operation().name.as_str());
        all_different("statements", names)?;
        Ok(Self {
            name: name.to_owned(),
            statements,
            session: defaults::SESSION,
        })
    }

    /// Sessions end after this; [`defaults::SESSION`] unless it is called.
    #[must_use]
    pub fn session(mut self, time: Duration) -> Self {
        self.session = time;
        self
    }
}

// === impl PostgresGateway ===

impl PostgresGateway {
    /// The server at `place`, which is dialled directly, without a proxy. TLS is
    /// spoken unless the place is a socket or an address of this machine; `dialer`
    /// knows whom to trust.
    #[must_use]
    pub fn new(place: Place, dialer: &Dialer, database: Arc<Database>) -> Self {
        let tls = match &place {
            Place::Tcp(target) if !is_here(target) => Some(target.with_tls()),
            Place::Tcp(_) | Place::Unix(_) => None,
        };
        Self {
            way: Arc::new(Way {
                reach: Reach::new(place, dialer.clone()),
                tls,
                database,
            }),
        }
    }

    /// Speaks TLS to an address of this machine as well. A socket has none: it is known
    /// by its owner.
    #[must_use]
    pub fn always_with_tls(self) -> Self {
        let way = &self.way;
        let tls = match way.reach.place() {
            Place::Tcp(target) => Some(target.with_tls()),
            Place::Unix(_) => None,
        };
        Self {
            way: Arc::new(Way {
                reach: Reach::new(way.reach.place().clone(), way.reach.dialer().clone()),
                tls,
                database: Arc::clone(&way.database),
            }),
        }
    }
}

impl Gateway for PostgresGateway {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            kind: "postgres",
            methods: vec![AuthMethod {
                kind: AuthKind::Password,
                label: "Role and password".to_owned(),
                profiles: Vec::new(),
                interactive: false,
                enabled: true,
            }],
        }
    }

    fn connect(&self) -> Asked<'_, Rc<dyn Link>> {
        Box::pin(async move {
            let connected = self.way.take().await?;
            let link: Rc<dyn Link> = Rc::new(PostgresLink::new(connected, Arc::clone(&self.way)));
            Ok(link)
        })
    }

    fn secrets(&self) -> Vec<String> {
        self.way.reach.secrets()
    }
}

// === impl Way ===

impl Way {
    async fn take(&self) -> Result<Connected, Denied> {
        match (self.reach.place(), &self.tls) {
            #[cfg(unix)]
            (Place::Unix(path), _) => {
                let stream = reach::unix(path, &keepers(path)).await?;
                Ok(Connected {
                    stream: Box::new(stream),
                    proven: Proven::Owner,
                })
            }
            #[cfg(not(unix))]
            (Place::Unix(_), _) => Err(reach::no_sockets()),
            (Place::Tcp(_), None) => {
                let stream = self.reach.tcp().await?;
                let peer = stream.socket().peer_addr();
                if !peer.is_ok_and(|peer| peer.ip().is_loopback()) {
                    let why = "it is not on this machine, and has no TLS";
                    return Err(Denial::HostKeyMismatch.because(why));
                }
                Ok(Connected {
                    stream: Box::new(stream),
                    proven: Proven::Nothing,
                })
            }
            (Place::Tcp(_), Some(target)) => {
                let refused = Cell::new(false);
                let plain = self.reach.tcp().await?;
                let secured = self
                    .reach
                    .dialer()
                    .secure(target, plain, async |stream| {
                        ask_for_tls(stream).await.inspect_err(|error| {
                            refused.set(error.kind() == io::ErrorKind::Unsupported);
                        })
                    })
                    .await;
                let stream = secured.map_err(|error| match refused.get() {
                    true => Denial::HostKeyMismatch.because("the server speaks no TLS"),
                    false => reach::unreached(&error),
                })?;
                Ok(Connected {
                    stream: Box::new(stream),
                    proven: Proven::Certificate,
                })
            }
        }
    }
}

/// `SSLRequest`. One byte answers it, and what comes after is TLS or nothing: bytes
/// that somebody put between end the handshake.
async fn ask_for_tls(stream: &mut doorward_egress::Stream) -> io::Result<()> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    stream.write_all(&SSL_REQUEST).await?;
    stream.flush().await?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await?;
    match answer {
        [b'S'] => Ok(()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Where the address is this machine's; a name is looked at once it was resolved.
fn is_here(target: &Target) -> bool {
    match target.address() {
        Some(address) => address.is_loopback(),
        None => target.host() == "localhost",
    }
}

/// Who besides this user and root may have the socket: the owner of its folder, if
/// nobody else can put one there.
#[cfg(unix)]
fn keepers(path: &std::path::Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = path.parent().and_then(|folder| folder.metadata().ok());
    let kept = folder.filter(|folder| folder.mode() & 0o002 == 0);
    kept.map(|folder| folder.uid()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use doorward_egress::{AddressPolicy, Trust};

    use super::*;

    fn gateway(place: &str) -> PostgresGateway {
        let dialer = Dialer::new(AddressPolicy::public(), Trust::platform());
        let database = Arc::new(Database::new("shop", vec![]).unwrap());
        PostgresGateway::new(Place::parse(place).unwrap(), &dialer, database)
    }

    #[test]
    fn whatever_is_not_this_machine_has_tls() {
        for here in [
            "127.0.0.1:5432",
            "[::1]:5432",
            "localhost:5432",
            "unix:/run/s",
        ] {
            assert!(gateway(here).way.tls.is_none(), "{here}");
        }
        for there in ["10.0.0.7:5432", "db.example:5432", "localhost.example:5432"] {
            assert!(gateway(there).way.tls.is_some(), "{there}");
        }
        assert!(gateway("127.0.0.1:1").always_with_tls().way.tls.is_some());
    }

    #[test]
    fn a_database_has_a_name() {
        for wrong in ["", "a\nb", &"x".repeat(64)] {
            assert!(Database::new(wrong, vec![]).is_err(), "{wrong:?}");
        }
    }
}
