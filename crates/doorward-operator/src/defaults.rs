//! Every number of the operator room, with its reason.

use std::time::Duration;

/// All arguments of one call: as much as a body of the API holds. Checked before
/// anything is sent, because a message over the peer's limit kills a connection.
pub const ARGUMENTS: usize = 64 * 1024;
/// What an operation may give: more than a person reads, less than a tab minds.
pub const RESULT: usize = 256 * 1024;
/// A message of a Cap'n Proto gateway: a result of many short texts is a few times
/// its texts. One that is longer ends the connection.
pub const MESSAGE: usize = 1024 * 1024;
/// The gateway is connected to within this.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Any question to a gateway is answered within this.
pub const CALL: Duration = Duration::from_secs(15);
/// Calls of one gateway that run at once.
pub const IN_FLIGHT: usize = 8;
/// Questions that wait for a gateway's thread. More than may run, because a
/// question that was given up on still stands in the queue.
pub const QUEUE: usize = 32;
/// The session on the gateway hears of its end within this; then its connection
/// is cut, which says the same.
pub const LOGOUT: Duration = Duration::from_secs(1);

/// An attempt to sign in may hold the slot for this long: connecting and one
/// question, and some more.
pub const TRYING: Duration = Duration::from_secs(30);
/// And for this long while a step waits for the person: a code has to be fetched
/// from a telephone.
pub const ASKING: Duration = Duration::from_secs(120);
/// Steps of one sign-in. A gateway that asks more than this never ends.
pub const STEPS: usize = 8;

/// Capabilities of one session that are shown.
pub const CAPABILITIES: usize = 256;
/// Operations of one capability.
pub const OPERATIONS: usize = 64;
/// Fields of one operation.
pub const FIELDS: usize = 32;
/// Entries of a catalogue.
pub const CATALOGUE: usize = 256;
/// A name or label from a gateway, in bytes.
pub const LABEL: usize = 256;
/// A sentence from a gateway, in bytes.
pub const SENTENCE: usize = 1_024;
/// Rows of a table from a gateway.
pub const ROWS: usize = 2_000;
/// Operations that a configuration declares for one gateway: what one capability
/// has room for.
pub const DECLARED: usize = OPERATIONS;
/// Choices of one field. More is a list to search, not to choose from.
pub const CHOICES: usize = 64;
/// A pattern of a field, in bytes. It is compiled when the configuration is read.
pub const PATTERN: usize = 256;
/// A statement that a configuration declares, in bytes.
pub const STATEMENT: usize = 16 * 1024;
/// A command as it is sent to a shell, quoted: half of what Linux takes as one
/// argument of a program (128 KiB), because the shell there may wrap it once more.
pub const COMMAND: usize = 64 * 1024;
/// A declared operation runs for this long, unless it says less. A second less than
/// a call, so that the other side ends it and says so.
pub const RUNNING: Duration = Duration::from_secs(14);
/// A session on a gateway that knows no end of its own: a working day.
pub const SESSION: Duration = Duration::from_secs(8 * 60 * 60);
/// A private key's file, in bytes.
pub const KEY_FILE: u64 = 16 * 1024;
/// What is on its way in one channel of an SSH connection: a result, and not much
/// more, because what is over that is thrown away.
pub const WINDOW: u32 = 512 * 1024;
/// An SSH connection that says nothing is asked after this whether it is there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// And given up after this many questions.
pub const KEEP_ALIVES: usize = 3;
/// An SSH connection on which nothing can be read and nothing written is given up after
/// this. Longer than a person is waited for, because nobody says anything meanwhile.
pub const QUIET: Duration = Duration::from_secs(135);
/// What an SSH server may say before somebody is signed in, in bytes: keys and prompts
/// are a few thousand, and nobody reads on while a person is asked.
pub const SIGNING_IN: usize = 1024 * 1024;
/// Answers to prompts in one sign-in at an SSH server, those that need no person among
/// them: a password, a code, and some rounds without a question.
pub const REPLIES: usize = 2 * STEPS;
/// A machine that has no room for another command is asked again after this,
pub const ROOM_FIRST: Duration = Duration::from_millis(20);
/// after twice that each time, and for the last time after this. About two seconds
/// and a half in all.
pub const ROOM_LAST: Duration = Duration::from_millis(1_280);
/// A statement that nobody waits for any more is cancelled within this, or its
/// connection is cut.
pub const CANCEL: Duration = Duration::from_secs(3);

/// Columns of a statement's result: PostgreSQL's own bound on them.
pub const COLUMNS: usize = 1_664;
/// What a cell of a table counts besides its text, in bytes: about what it takes to
/// send an empty one to the browser.
pub const CELL: usize = 4;
/// What a statement may make the library ask the server about types, each answer a
/// statement that is prepared or bound. It asks within a question, so that a server
/// which always has one more type to name would fill the stack.
pub const LOOKUPS: usize = 64;
/// The least rounds of SCRAM that a server without TLS may ask for: what RFC 7677
/// asks for, and PostgreSQL has unless it is told otherwise. With fewer, whoever has the
/// port gets a proof that is quickly guessed from.
pub const SCRAM_ROUNDS: u32 = 4_096;
/// A challenge of SCRAM, in bytes: two nonces and a salt are a hundred or so.
pub const CHALLENGE: usize = 1_024;

/// An account's name, in bytes.
pub const ACCOUNT: usize = 256;
/// A password or another proof, in bytes: a login body holds no more.
pub const PROOF: usize = 2 * 1024;
/// The longest that a renewal may ask for. The gateway decides.
pub const RENEWAL: Duration = Duration::from_secs(12 * 60 * 60);

/// Rows of the transcript. A person scrolls back over a working day at most.
pub const TRANSCRIPT: usize = 1_000;
/// Records of the audit that the console is told at once.
pub const AUDIT: usize = 100;
/// An automation's report, in bytes: a sentence, not a log.
pub const REPORT: usize = 4 * 1024;

/// The health of a gateway counts as degraded if its answer took longer.
pub const DEGRADED: Duration = Duration::from_millis(1_500);
/// A probe of a gateway's health is answered within this.
pub const HEALTH: Duration = Duration::from_secs(3);
