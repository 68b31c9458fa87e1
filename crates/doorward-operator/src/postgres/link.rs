//! One connection to a database, and the session on it.
//!
//! It runs one transaction at a time; others wait for their turn. Between two turns a
//! statement that nobody waits for any more is cancelled, and whatever the one before
//! left in the session is taken back.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, NoTls};
use tokio_util::sync::CancellationToken;

use super::cell::{Cell, is_shown};
use super::statement::{Bound, Statement};
use super::wire::{Seen, Watched};
use super::{Connected, Way};
use crate::declared::{asked_for, capability};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::end::{End, Lasting};
use crate::gateway::{
    Asked, AuthKind, AuthOutcome, AuthStart, AuthStrength, Capability, Invocation, Link, Output,
    Proof, SessionInfo, Value,
};

/// The name of the one capability, and of what it is.
const STATEMENTS: &str = "statements";

/// A connection to a database.
pub(super) struct PostgresLink {
    way: Arc<Way>,
    stage: RefCell<Stage>,
    /// Calls that run lose their turn with it.
    left: CancellationToken,
    end: End,
}

/// How far it has come. Borrowed for moments, never across an await.
enum Stage {
    Connected(Connected),
    /// Somebody is signing in, or was turned down.
    Busy,
    In(Rc<Session>),
    Out,
}

struct Session {
    client: Arc<Mutex<Client>>,
    leftovers: Leftovers,
    seen: Seen,
    account: String,
    strength: AuthStrength,
    lasting: Lasting,
}

/// Turns that are over. One task makes them ready for the next.
type Leftovers = mpsc::Sender<Leftover>;

struct Leftover {
    client: OwnedMutexGuard<Client>,
    /// Otherwise its statement may still run, and nobody waits for it.
    ended: bool,
}

/// A turn, which goes to the leftovers when it is dropped.
struct Turn {
    client: Option<OwnedMutexGuard<Client>>,
    ended: bool,
    leftovers: Leftovers,
}

/// What a statement may leave in a session, taken back: as of `DISCARD ALL`, without
/// what the library prepared.
const CLEAR: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP";

/// Tells that the session is over when it is dropped.
struct Over(End);

// === impl PostgresLink ===

impl PostgresLink {
    pub(super) fn new(connected: Connected, way: Arc<Way>) -> Self {
        Self {
            way,
            stage: RefCell::new(Stage::Connected(connected)),
            left: CancellationToken::new(),
            end: End::new(),
        }
    }

    /// Whatever is waited for, if that is what stands here.
    fn take(&self, is: impl FnOnce(&Stage) -> bool) -> Option<Stage> {
        let mut stage = self.stage.borrow_mut();
        is(&stage).then(|| std::mem::replace(&mut *stage, Stage::Busy))
    }

    fn held(&self) -> Result<Rc<Session>, Denied> {
        match &*self.stage.borrow() {
            Stage::In(session) => {
                session.lasting.remaining()?;
                Ok(Rc::clone(session))
            }
            Stage::Out => Err(Denial::StaleSession.into()),
            Stage::Connected(_) | Stage::Busy => Err(Denial::Unauthenticated.into()),
        }
    }

    async fn sign_in(
        &self,
        connected: Connected,
        account: String,
        password: &Proof,
    ) -> Result<Session, Denied> {
        let seen = Seen::default();
        let mut config = tokio_postgres::Config::new();
        config
            .user(&account)
            .password(password.reveal())
            .dbname(&self.way.database.name)
            .application_name("doorward")
            // Where there is TLS, it is spoken already.
            .ssl_mode(SslMode::Disable);
        let watched = Watched::over(connected, seen.clone());
        let (client, connection) = config.connect_raw(watched, NoTls).await.map_err(|error| {
            seen.objection()
                .unwrap_or_else(|| unsigned(&error, seen.told()))
        })?;
        let end = self.end.clone();
        tokio::task::spawn_local(async move {
            let note = match connection.await {
                Ok(()) => "the connection was closed".to_owned(),
                Err(error) => note(&error),
            };
            end.tell(Denial::UpstreamDisconnected.because(note));
        });
        let cancel = client.cancel_token();
        let strength = match seen.asked() {
            true => AuthStrength::Password,
            false => AuthStrength::None,
        };
        let lasting = Lasting::from_now(self.way.database.session);
        self.end.tell_after(lasting);
        Ok(Session {
            client: Arc::new(Mutex::new(client)),
            leftovers: leftovers(Arc::clone(&self.way), cancel, self.end.clone()),
            seen,
            account,
            strength,
            lasting,
        })
    }

    fn info(&self, session: &Session) -> Result<SessionInfo, Denied> {
        Ok(SessionInfo {
            profile: self.way.database.name.clone(),
            principal: session.account.clone(),
            strength: session.strength,
            remaining: Some(session.lasting.remaining()?),
        })
    }
}

impl Link for PostgresLink {
    fn begin_auth(&self, start: AuthStart) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let connected = self.take(|stage| matches!(stage, Stage::Connected(_)));
            let Some(Stage::Connected(connected)) = connected else {
                return Err(Denial::BadRequest.because("somebody signed in here before"));
            };
            if start.kind != AuthKind::Password {
                return Err(Denial::DisabledAuthMethod.into());
            }
            let password = start.proof.ok_or(Denial::BadRequest)?;
            if start.account.is_empty() {
                return Err(Denial::BadRequest.because("an account is needed"));
            }
            let session = self.sign_in(connected, start.account, &password).await?;
            let info = self.info(&session)?;
            let mut stage = self.stage.borrow_mut();
            // Whoever left in the meantime is not let in.
            if matches!(*stage, Stage::Out) {
                return Err(Denial::StaleSession.into());
            }
            *stage = Stage::In(Rc::new(session));
            Ok(AuthOutcome::Session(info))
        })
    }

    fn continue_auth(&self, _: Proof) -> Asked<'_, AuthOutcome> {
        Box::pin(async { Err(Denial::BadRequest.because("nothing was asked")) })
    }

    fn cancel_auth(&self) -> LocalBoxFuture<'_, ()> {
        self.stage.replace(Stage::Out);
        Box::pin(async {})
    }

    fn session(&self) -> Asked<'_, SessionInfo> {
        Box::pin(async move { self.info(&*self.held()?) })
    }

    fn renew(&self, _: Option<Proof>, _: Duration) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            self.held()?;
            Err(Denial::MethodDenied.because("sign in again for more time"))
        })
    }

    fn list(&self) -> Asked<'_, Vec<Capability>> {
        Box::pin(async move {
            let session = self.held()?;
            let lease = session.lasting.remaining()?;
            let outlines = self.way.database.statements.iter().map(Statement::outline);
            Ok(vec![capability(STATEMENTS, "Statements", outlines, lease)])
        })
    }

    fn invoke(&self, call: Invocation) -> Asked<'_, Output> {
        Box::pin(async move {
            let session = self.held()?;
            let statements = &self.way.database.statements;
            let statement = asked_for(&call, STATEMENTS, statements, Statement::outline)?;
            let bound = statement.bind(&call)?;
            let client = Arc::clone(&session.client).lock_owned().await;
            // It may have ended while others had their turn.
            self.held()?;
            let mut turn = Turn {
                client: Some(client),
                ended: false,
                leftovers: session.leftovers.clone(),
            };
            let running = turn.run(statement, bound, &session.seen);
            let Some(output) = self.left.run_until_cancelled(running).await else {
                return Err(Denial::StaleSession.into());
            };
            turn.ended = true;
            output
        })
    }

    fn logout(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            // What runs comes to no commit any more, and the connection is given up even
            // if this is: a call that is under way would keep it.
            self.left.cancel();
            let _over = Over(self.end.clone());
            if let Stage::In(session) = self.stage.replace(Stage::Out) {
                // It comes back once what ran was cancelled.
                drop(session.client.lock().await);
                drop(session);
                self.end.comes().await;
            }
        })
    }

    fn health(&self) -> Asked<'_, ()> {
        Box::pin(async move {
            let session = self.held()?;
            // A server that works on a statement is there.
            if let Ok(client) = session.client.try_lock() {
                client
                    .check_connection()
                    .await
                    .map_err(|error| denied(&error))?;
            }
            match self.end.told() {
                Some(denied) => Err(denied),
                None => Ok(()),
            }
        })
    }

    fn ended(&self) -> LocalBoxFuture<'_, Denied> {
        Box::pin(async move {
            let denied = self.end.comes().await;
            // Whoever left ended it themselves.
            match *self.stage.borrow() {
                Stage::Out => Denial::StaleSession.into(),
                _ => denied,
            }
        })
    }
}

// === impl Turn ===

impl Turn {
    /// Runs `statement` in a transaction of its own. What is not read to its end is
    /// not done.
    async fn run(
        &mut self,
        statement: &Statement,
        bound: Vec<Bound>,
        seen: &Seen,
    ) -> Result<Output, Denied> {
        let Some(client) = &mut self.client else {
            return Err(Denial::ServiceUnavailable.into());
        };
        let broken = |error: tokio_postgres::Error| denied(&error);
        let transaction = client
            .build_transaction()
            .read_only(statement.read_only())
            .start()
            .await
            .map_err(broken)?;
        // What came of the one before is behind that.
        seen.begins();
        let milliseconds = statement.outline().time().as_millis();
        transaction
            .batch_execute(&format!("SET LOCAL statement_timeout = {milliseconds}"))
            .await
            .map_err(broken)?;
        let prepared = transaction.prepare(statement.sql()).await.map_err(broken)?;
        seen.is_prepared();
        if prepared.params().len() != bound.len() {
            let why = "the statement has other parameters than its fields";
            return Err(Denial::ServiceUnavailable.because(why));
        }
        let columns = prepared.columns();
        if columns.len() > defaults::COLUMNS {
            return Err(Denial::ResultTooLarge.into());
        }
        if let Some(column) = columns.iter().find(|column| !is_shown(column.type_())) {
            let (name, ty) = (column.name(), column.type_());
            let why = format!("{name} is of type {ty}: cast it to text in the statement");
            return Err(Denial::ServiceUnavailable.because(why));
        }
        let columns: Vec<_> = columns.iter().map(|one| one.name().to_owned()).collect();
        let portal = transaction
            .bind_raw(&prepared, bound)
            .await
            .map_err(broken)?;
        // One more than are shown, to know whether there are more.
        let most = i32::try_from(defaults::ROWS + 1).unwrap_or(i32::MAX);
        let given = transaction.query_portal_raw(&portal, most).await;
        let mut given = pin!(given.map_err(broken)?);
        let mut size = columns.iter().map(String::len).sum::<usize>();
        let mut rows: Vec<Vec<Option<String>>> = Vec::new();
        while let Some(row) = given.try_next().await.map_err(broken)? {
            if rows.len() > defaults::ROWS {
                let why = "it sends more rows than it was asked for";
                return Err(Denial::UpstreamDisconnected.because(why));
            }
            let mut cells = Vec::with_capacity(columns.len());
            for at in 0..columns.len() {
                let Cell(text) = row.try_get(at).map_err(|error| unshown(&error))?;
                size += text.as_ref().map_or(0, String::len) + defaults::CELL;
                if size > defaults::RESULT {
                    return Err(Denial::ResultTooLarge.into());
                }
                cells.push(text);
            }
            rows.push(cells);
        }
        let truncated = rows.len() > defaults::ROWS;
        // One that changes something was done by half when its rows were cut.
        if seen.left_out() || (truncated && !statement.read_only()) {
            return Err(Denial::ResultTooLarge.into());
        }
        let changed = given.rows_affected();
        transaction.commit().await.map_err(broken)?;
        if columns.is_empty() {
            let changed = changed.unwrap_or(0).to_string();
            let fields = vec![("rows".to_owned(), changed)];
            return Ok(Output::whole(Value::Fields(fields)));
        }
        rows.truncate(defaults::ROWS);
        Ok(Output {
            value: Value::Table { columns, rows },
            truncated,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let ended = self.ended;
            // There is one turn, so there is room, unless the task is gone with the
            // thread and the connection.
            let _ = self.leftovers.try_send(Leftover { client, ended });
        }
    }
}

// === impl Over ===

impl Drop for Over {
    fn drop(&mut self) {
        self.0.tell(Denial::StaleSession.into());
    }
}

// === impl Way ===

impl Way {
    /// Tells the server, over a connection of its own, to give up what it does for
    /// the session. Comes back once it was told.
    async fn cancel(&self, token: &CancelToken) -> Result<(), Denied> {
        let mut connected = self.take().await?;
        let stream = &mut connected.stream;
        let sent = token.cancel_query_raw(&mut *stream, NoTls).await;
        sent.map_err(|error| denied(&error))?;
        // It hangs up when it has passed that on.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    }
}

fn leftovers(way: Arc<Way>, cancel: CancelToken, end: End) -> Leftovers {
    let (sender, mut left) = mpsc::channel::<Leftover>(1);
    tokio::task::spawn_local(async move {
        while let Some(Leftover { client, ended }) = left.recv().await {
            let clearing = async {
                if !ended {
                    way.cancel(&cancel).await?;
                }
                // Its transaction was given up before, and this is behind that.
                let cleared = client.batch_execute(CLEAR).await;
                cleared.map_err(|error| denied(&error))
            };
            let cleared = timeout(defaults::CANCEL, clearing).await;
            if !matches!(cleared, Ok(Ok(()))) {
                let why = "what a statement left could not be taken back";
                end.tell(Denial::UpstreamDisconnected.because(why));
            }
        }
    });
    sender
}

/// Why somebody is not signed in to a server that was or was not `told` a proof.
fn unsigned(error: &tokio_postgres::Error, told: bool) -> Denied {
    if error.as_db_error().is_some() {
        return denied(error);
    }
    let source = std::error::Error::source(error);
    let broken = source.and_then(|source| source.downcast_ref::<io::Error>());
    let denial = match broken {
        // A proof of the server's that does not hold.
        Some(broken) if broken.kind() == io::ErrorKind::InvalidInput => Denial::HostKeyMismatch,
        // One that hangs up over a proof says that it is wrong, or one could guess
        // without its being counted.
        _ if told => Denial::AuthenticationDenied,
        None if !error.is_closed() => Denial::DisabledAuthMethod,
        _ => Denial::UpstreamDisconnected,
    };
    denial.because(error.to_string())
}

/// A value that cannot be shown.
fn unshown(error: &tokio_postgres::Error) -> Denied {
    Denial::ServiceUnavailable.because(error.to_string())
}

/// What the server says, in our terms.
fn denied(error: &tokio_postgres::Error) -> Denied {
    let denial = match error.as_db_error() {
        Some(said) => denial(said.code().code()),
        None => Denial::UpstreamDisconnected,
    };
    denial.because(note(error))
}

/// What is noted of an error: of the server's words its code alone. They quote values,
/// secrets among them.
fn note(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return error.to_string();
    };
    let code = said.code().code().chars();
    let code: String = code.filter(char::is_ascii_alphanumeric).take(5).collect();
    format!("SQLSTATE {code}")
}

/// A SQLSTATE (PostgreSQL, appendix A), the longest part that decides first.
fn denial(code: &str) -> Denial {
    match code {
        // No privilege; a change in a transaction that makes none.
        "42501" | "25006" => Denial::MethodDenied,
        // Cancelled, by its own time or by us.
        "57014" => Denial::UpstreamTimeout,
        // No such database.
        "3D000" => Denial::ServiceUnavailable,
        _ => match code.get(..2) {
            Some("08") => Denial::UpstreamDisconnected,
            // Values that are none, and constraints that they break.
            Some("22" | "23") => Denial::BadRequest,
            Some("28") => Denial::AuthenticationDenied,
            // It shuts down, or crashed.
            Some("57") => Denial::UpstreamDisconnected,
            _ => Denial::ServiceUnavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_d5_what_the_server_says_has_a_denial() {
        for (code, expected) in [
            ("42501", Denial::MethodDenied),
            ("25006", Denial::MethodDenied),
            ("57014", Denial::UpstreamTimeout),
            ("57P01", Denial::UpstreamDisconnected),
            ("08006", Denial::UpstreamDisconnected),
            ("28P01", Denial::AuthenticationDenied),
            ("28000", Denial::AuthenticationDenied),
            ("3D000", Denial::ServiceUnavailable),
            ("22P02", Denial::BadRequest),
            ("23505", Denial::BadRequest),
            ("42P01", Denial::ServiceUnavailable),
            ("53300", Denial::ServiceUnavailable),
            ("XX000", Denial::ServiceUnavailable),
            ("", Denial::ServiceUnavailable),
        ] {
            assert_eq!(denial(code), expected, "{code}");
        }
    }
}
