//! Every number in the guard, with its reason. Configuration moves them down;
//! moving one up takes `dangerous()`.

use std::time::Duration;

/// Request line. Eight KiB is what nginx and Apache allow; no URL of ours comes near.
pub const REQUEST_LINE: usize = 8 * 1024;
/// Request line on the relay: LiveKit puts a whole SDP into its query.
pub const RELAY_REQUEST_LINE: usize = 64 * 1024;
/// One header line.
pub const HEADER_LINE: usize = 8 * 1024;
/// The `Cookie` line. Browsers share the cookie jar of 127.0.0.1 between every
/// local app, so what arrives there is not ours to limit tightly.
pub const COOKIE_LINE: usize = 48 * 1024;
/// Number of header lines. Browsers send fewer than thirty.
pub const HEADER_COUNT: usize = 64;
/// All header lines together.
pub const HEADERS_TOTAL: usize = 64 * 1024;

/// Body of a ticket claim or login: a few names and a password.
pub const LOGIN_BODY: u64 = 4 * 1024;
/// Body of a JSON call.
pub const API_BODY: u64 = 64 * 1024;
/// Body that is a chunk of an upload: browsers hash each whole, in memory.
pub const CHUNK_BODY: u64 = 8 * 1024 * 1024;
/// Such a body makes progress within this. A page in the background is slow, one
/// that is gone sends nothing.
pub const CHUNK_PROGRESS: Duration = Duration::from_secs(30);
/// Chunks that are read at once, all pages together: 48 MiB of memory.
pub const CHUNKS_IN_FLIGHT: usize = 6;
/// Nesting of a JSON body; our deepest shape has four levels.
pub const JSON_DEPTH: usize = 16;

/// The whole head arrives within this.
pub const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// The head on a connection taken from the reserve arrives within this.
pub const RESERVE_HEAD_WITHIN: Duration = Duration::from_secs(1);
/// The whole API body arrives within this, however steadily it trickles.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);
/// A kept-alive connection may be silent for this long.
pub const IDLE_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// An API answer is taken by the client within this.
pub const API_DRAIN: Duration = Duration::from_secs(10);
/// A media answer makes progress within this: a paused player holds its body
/// for as long as a person may pause.
pub const MEDIA_DRAIN: Duration = Duration::from_secs(15 * 60);

/// Bytes of a file that are promised to a connection before the kernel took them.
/// Large enough that promising costs nothing beside sending, small enough that a
/// client which stalls was counted little more than it took.
pub const RAW_AHEAD: usize = 512 * 1024;

/// Connections per listener.
pub const CONNECTIONS: usize = 1_024;
/// From this connection on, only proven callers stay: a flood from another
/// process cannot lock out the window that is already open.
pub const OPEN_CONNECTIONS: usize = 992;
/// Ports of the content listener. Browsers open six connections to a host and
/// port, and players that stand still hold theirs for as long as they like: three
/// give each browser eighteen.
pub const CONTENT_LANES: usize = 3;
/// API requests of one surface that run at once.
pub const IN_FLIGHT: usize = 32;

/// Steady requests per second of one session, and the burst above it.
pub const SESSION_RATE: Rate = Rate {
    per_second: 50,
    burst: 200,
};
/// Steady requests per second of one paired page, and the burst above it.
pub const PAIRED_RATE: Rate = Rate {
    per_second: 200,
    burst: 400,
};
/// Failed proofs per surface and Origin. Loopback is not exempt: any page can
/// make its browser guess for it.
pub const UNPROVEN_RATE: Rate = Rate {
    per_second: 5,
    burst: 10,
};
/// Origins with a bucket of failed proofs of their own; later ones share one.
pub const UNPROVEN_ORIGINS: usize = 256;

/// A session without activity ends.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends, active or not.
pub const SESSION_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// Tabs that share one session.
pub const SESSION_TABS: usize = 8;
/// Live sessions; each is claimed with a ticket that only this user can make.
pub const SESSIONS: usize = 64;
/// A launch ticket is claimed within this.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);
/// Launch tickets that wait to be claimed.
pub const TICKETS: usize = 32;

/// Back-off after a failed login: doubled from one second up to this.
pub const LOGIN_BACKOFF_MOST: Duration = Duration::from_secs(60);
/// Failed logins within [`LOGIN_WINDOW`] that lock the door.
pub const LOGIN_FAILURES: usize = 10;
/// The window in which failed logins count, and how long the door stays locked.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Live grants of one run.
pub const GRANTS: usize = 1_000_000;
/// Grants that one call mints.
pub const GRANTS_PER_CALL: usize = 500;
/// An expired or revoked grant answers so for this long, then it is unknown.
pub const GRANT_AFTERLIFE: Duration = Duration::from_secs(10 * 60);
/// Origins of which a book of grants remembers that one of them was named.
pub const NAMED_ORIGINS: usize = 1_024;

/// How long a browser may remember a preflight's answer. Chromium caps at two
/// hours; ten minutes bounds how long a revoked origin keeps asking unprompted.
pub const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// One field of an audit event or log line, in bytes.
pub const LOG_FIELD: usize = 512;
/// One audit file; then the next is begun.
pub const AUDIT_FILE: u64 = 16 * 1024 * 1024;
/// Audit files that are kept.
pub const AUDIT_FILES: usize = 8;
/// Audit events that wait for the writer.
pub const AUDIT_QUEUE: usize = 4_096;
/// Refusals of unproven callers are told once per this, with their count.
pub const AUDIT_COALESCE: Duration = Duration::from_secs(1);

/// Events that a reconnecting tab can catch up on.
pub const EVENT_REPLAY: usize = 1_024;

/// A steady rate and the burst above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Requests per second, steadily.
    pub per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
}
