//! What a gateway is: the two traits that every kind implements, and the data
//! that crosses them.
//!
//! A [`Gateway`] is a place that can be connected to: data that may move between
//! threads. A [`Link`] is one connection to it, with the session that was opened
//! on it and every handle that the session holds; it never leaves its thread, so
//! it may be made of `Rc`s.
//!
//! What crosses is names and texts. A [`Capability`] has a `contract`, which is the
//! link's own word for what it is (an interface id, a profile): the room hands it
//! back with a call and shows it to nobody.
//!
//! The room bounds everything: arguments before they get here, results after,
//! time around each future. A future that takes too long is dropped. A link need
//! not survive that for the call, but has to for the calls beside it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::denial::Denied;

/// What most questions to a gateway come to.
pub type Asked<'a, T> = LocalBoxFuture<'a, Result<T, Denied>>;

/// A place that can be connected to: one kind, one address.
pub trait Gateway: Send + Sync + 'static {
    /// What can be told before anything is connected.
    fn descriptor(&self) -> Descriptor;

    /// Connects. Called on the gateway's own thread, within
    /// [`defaults::CONNECT`](crate::defaults::CONNECT). An implementation resolves
    /// its address once and stays with it, checks it before it dials, and refuses
    /// another side than the one that was pinned.
    ///
    /// # Errors
    ///
    /// `UpstreamDisconnected`, `UpstreamTimeout`, `HostKeyMismatch`,
    /// `ServiceUnavailable`.
    fn connect(&self) -> Asked<'_, Rc<dyn Link>>;

    /// Texts that must never reach a browser, whoever says them: the address that
    /// is dialled, for one.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One connection to a gateway, and the session on it. Dropping it closes both.
pub trait Link: 'static {
    /// Begins to sign in.
    ///
    /// # Errors
    ///
    /// `DisabledAuthMethod`, `AuthenticationDenied`, and whatever breaks.
    fn begin_auth(&self, start: AuthStart) -> Asked<'_, AuthOutcome>;

    /// Answers the step that [`begin_auth`](Self::begin_auth), [`renew`](Self::renew)
    /// or this one came to.
    ///
    /// # Errors
    ///
    /// As of what came to the step.
    fn continue_auth(&self, answer: Proof) -> Asked<'_, AuthOutcome>;

    /// Gives a sign-in up, or the asking for more time.
    fn cancel_auth(&self) -> LocalBoxFuture<'_, ()>;

    /// The session as it is now.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`, `StaleSession`.
    fn session(&self) -> Asked<'_, SessionInfo>;

    /// Asks for more time, with a password or for a step to answer. It comes to the
    /// same session, with another end; what was asked for before is given up. The room
    /// asks and answers one at a time.
    ///
    /// # Errors
    ///
    /// `MethodDenied` if the gateway gives none, `AuthenticationDenied` if the
    /// proof is wrong.
    fn renew(&self, proof: Option<Proof>, duration: Duration) -> Asked<'_, AuthOutcome>;

    /// What the session may use.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`, `StaleSession`.
    fn list(&self) -> Asked<'_, Vec<Capability>>;

    /// Runs one operation. The room has checked the arguments against the
    /// operation's fields and against
    /// [`defaults::ARGUMENTS`](crate::defaults::ARGUMENTS).
    ///
    /// # Errors
    ///
    /// Any denial.
    fn invoke(&self, call: Invocation) -> Asked<'_, Output>;

    /// Services that there are.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` unless the gateway has such a list.
    fn catalogue(&self) -> Asked<'_, Vec<Service>> {
        unavailable()
    }

    /// What can be launched.
    ///
    /// # Errors
    ///
    /// As of [`catalogue`](Self::catalogue).
    fn launchers(&self) -> Asked<'_, Vec<Launcher>> {
        unavailable()
    }

    /// Whether `profile` could be launched now.
    ///
    /// # Errors
    ///
    /// As of [`catalogue`](Self::catalogue); `UnknownCap` for no such profile.
    fn probe(&self, _profile: String) -> Asked<'_, LaunchStatus> {
        unavailable()
    }

    /// Launches `profile` with the grants of that name.
    ///
    /// # Errors
    ///
    /// As of [`probe`](Self::probe).
    fn launch(&self, _profile: String, _grants: Vec<String>) -> Asked<'_, LaunchStatus> {
        unavailable()
    }

    /// Ends the session over there. Twice is as good as once.
    fn logout(&self) -> LocalBoxFuture<'_, ()>;

    /// Whether the other side still answers.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from answering.
    fn health(&self) -> Asked<'_, ()>;

    /// Comes when the link is of no use any more: the connection broke, or the
    /// session was taken back. Never comes otherwise.
    fn ended(&self) -> LocalBoxFuture<'_, Denied>;
}

/// What can be told of a gateway before anything is connected.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// `capnp`, `ssh`, `postgres`.
    pub kind: &'static str,
    /// Ways to sign in, in the order in which they are shown.
    pub methods: Vec<AuthMethod>,
}

/// A way to sign in.
#[derive(Clone, Debug)]
pub struct AuthMethod {
    /// Which.
    pub kind: AuthKind,
    /// For people.
    pub label: String,
    /// Profiles that may be asked for; any, if there are none.
    pub profiles: Vec<String>,
    /// Whether it may come in several steps.
    pub interactive: bool,
    /// Whether it is offered.
    pub enabled: bool,
}

/// Ways to sign in that the room knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum AuthKind {
    /// A name and a password.
    Password,
    /// Nobody in particular.
    Anonymous,
    /// A guest.
    Guest,
    /// A name and a key: the gateway sets a challenge, which is signed elsewhere.
    PublicKey,
}

/// What signing in begins with.
#[derive(Debug)]
pub struct AuthStart {
    /// How.
    pub kind: AuthKind,
    /// The account; empty for anonymous and guest.
    pub account: String,
    /// The profile that is wanted; the gateway's own choice if it is empty.
    pub profile: String,
    /// The password, where there is one.
    pub proof: Option<Proof>,
}

/// A password or another secret on its way to a gateway. Wiped when dropped; it
/// has no `Display`, no `Serialize`, and its `Debug` says nothing.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Proof(Zeroizing<String>);

/// What a sign-in came to, or the asking for more time.
#[derive(Debug)]
pub enum AuthOutcome {
    /// The person is asked something.
    Step(Step),
    /// There is a session.
    Session(SessionInfo),
}

/// What the person is asked.
#[derive(Clone, Debug)]
pub struct Step {
    /// For people.
    pub prompt: String,
    /// Whether the answer is a secret, not to be shown while it is typed.
    pub secret: bool,
    /// What has to be signed, where it is a challenge.
    pub challenge: Option<String>,
}

/// A session on a gateway. Its id stays with the link.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Which rights it has, by name.
    pub profile: String,
    /// Who it is, for people.
    pub principal: String,
    /// How well that was proven.
    pub strength: AuthStrength,
    /// It ends after this, unless it is renewed; never of itself, if there is none.
    pub remaining: Option<Duration>,
}

/// How well it was proven who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum AuthStrength {
    /// Not at all.
    None,
    /// By being there: the same machine and user.
    LocalPresence,
    /// By a password.
    Password,
    /// By a key.
    PublicKey,
    /// By a key in hardware.
    HardwareKey,
}

/// Something a session may use.
#[derive(Clone, Debug)]
pub struct Capability {
    /// Its name in this session.
    pub name: String,
    /// The link's own word for what it is. Never shown.
    pub contract: String,
    /// What it is, for people.
    pub label: String,
    /// What can be done with it.
    pub operations: Vec<Operation>,
    /// It is lent for this long; as long as the session, if there is none.
    pub lease: Option<Duration>,
}

/// Something that can be done.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name: ASCII letters, digits, `-` and `_`.
    pub name: String,
    /// For people.
    pub label: String,
    /// What it takes. No two have one name, and none a name of
    /// [`AUTHORITY_FIELDS`](doorward_guard::rules::json::AUTHORITY_FIELDS): the guard
    /// refuses bodies with those.
    pub fields: Vec<Field>,
    /// What it does over there.
    pub effect: Effect,
}

/// One argument.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name: as an operation's.
    pub name: String,
    /// For people.
    pub label: String,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether it has to be there.
    pub required: bool,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of at most `most` bytes.
    Line {
        /// Bytes.
        most: usize,
    },
    /// Text of at most `most` bytes.
    Text {
        /// Bytes.
        most: usize,
    },
    /// One line that is not shown, and not written down anywhere.
    Secret {
        /// Bytes.
        most: usize,
    },
    /// A whole number.
    Number {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// Yes or no.
    Flag,
    /// One of these.
    Choice(Vec<String>),
}

/// What an operation does over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It looks.
    Read,
    /// It changes something.
    Write,
    /// It changes something that cannot be had back: the person confirms it.
    Destructive,
}

/// One call.
#[derive(Debug)]
pub struct Invocation {
    /// The capability's name.
    pub capability: String,
    /// Its contract, as it was listed.
    pub contract: String,
    /// The operation's name.
    pub operation: String,
    /// The arguments, in the order of the operation's fields. Those that were left
    /// out are not there.
    pub arguments: Vec<(String, Argument)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Of a line, a text or a choice.
    Text(String),
    /// Of a secret.
    Secret(Proof),
    /// Of a number.
    Number(i64),
    /// Of a flag.
    Flag(bool),
}

/// What an operation gave, before it is bounded and escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The thing itself.
    pub value: Value,
    /// Whether the gateway left something out.
    pub truncated: bool,
}

/// The shapes of what an operation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It was done.
    Nothing,
    /// Text, with line breaks.
    Text(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// A table.
    Table {
        /// Its heads.
        columns: Vec<String>,
        /// Its rows, each as long as the heads. A cell may have no value, which is not
        /// an empty text.
        rows: Vec<Vec<Option<String>>>,
    },
}

/// A service of a gateway.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name over there.
    pub id: String,
    /// For people.
    pub label: String,
    /// For people.
    pub summary: String,
    /// The capability that is it, by name, if the session has one.
    pub capability: Option<String>,
    /// Whether it runs, in a word.
    pub status: String,
}

/// Something that can be launched.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Its name over there.
    pub profile: String,
    /// For people.
    pub label: String,
    /// For people.
    pub summary: String,
    /// Whether it can be launched at all.
    pub supported: bool,
    /// Whether it runs, in a word.
    pub status: String,
    /// What it needs.
    pub grants: Vec<LaunchGrant>,
}

/// What something that is launched is given.
#[derive(Clone, Debug)]
pub struct LaunchGrant {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub label: String,
    /// Whether it does not run without.
    pub required: bool,
}

/// What became of a launch, or would.
#[derive(Clone, Debug)]
pub struct LaunchStatus {
    /// The profile.
    pub profile: String,
    /// In a word.
    pub status: String,
    /// Whether it can be launched.
    pub supported: bool,
    /// For people.
    pub message: String,
    /// The grants that it gets.
    pub grants: Vec<String>,
}

fn unavailable<'a, T: 'a>() -> Asked<'a, T> {
    Box::pin(async { Err(crate::Denial::ServiceUnavailable.into()) })
}

// === impl Proof ===

impl Proof {
    /// Takes `text` over. The caller wipes what it was read from.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, to be sent and not to be kept.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Proof {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Proof {}

// === impl AuthKind ===

impl AuthKind {
    /// Its name, as the browser has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Anonymous => "anonymous",
            Self::Guest => "guest",
            Self::PublicKey => "publicKey",
        }
    }
}

// === impl Output ===

impl Output {
    /// All of `value`.
    #[must_use]
    pub fn whole(value: Value) -> Self {
        Self {
            value,
            truncated: false,
        }
    }

    /// Bytes of text in it.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.value {
            Value::Nothing => 0,
            Value::Text(text) => text.len(),
            Value::Fields(fields) => fields
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum(),
            Value::Table { columns, rows } => {
                let cells = rows.iter().flatten().flatten();
                columns.iter().chain(cells).map(String::len).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_k6_a_proof_shows_nothing() {
        let proof = Proof::new("hunter2".to_owned());
        let start = AuthStart {
            kind: AuthKind::Password,
            account: "ada".to_owned(),
            profile: String::new(),
            proof: Some(proof.clone()),
        };
        assert!(!format!("{start:?}").contains("hunter2"));
        assert!(!format!("{:?}", Argument::Secret(proof)).contains("hunter2"));
    }

    #[test]
    fn the_size_of_a_result_is_all_of_its_text() {
        let table = Value::Table {
            columns: vec!["ab".to_owned()],
            rows: vec![vec![Some("cde".to_owned())], vec![None]],
        };
        assert_eq!(Output::whole(table).size(), 5);
        let fields = Value::Fields(vec![("a".to_owned(), "bc".to_owned())]);
        assert_eq!(Output::whole(fields).size(), 3);
        assert_eq!(Output::whole(Value::Nothing).size(), 0);
    }
}
