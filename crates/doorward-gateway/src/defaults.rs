//! Every number of the reference gateway, with its reason.

use std::time::Duration;

/// A session of an operator: a task at hand.
pub const OPERATOR_LIFE: Duration = Duration::from_secs(15 * 60);
/// A session of a guest or of nobody in particular: a look around.
pub const GUEST_LIFE: Duration = Duration::from_secs(5 * 60);
/// No session is longer than this, however often it gets more time: as long as
/// doorward lets a browser session be.
pub const LONGEST_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Flows for more time that one session may have open: one is answered, and some were
/// left behind.
pub const RENEWALS: usize = 4;
/// A challenge is signed within this.
pub const CHALLENGE: Duration = Duration::from_secs(120);
/// Connections at once.
pub const CONNECTIONS: usize = 64;
/// Messages that we take, in bytes: a console's largest call, and some more.
pub const MESSAGE: usize = 256 * 1024;
/// Ended sessions are noticed, and told, this often.
pub const SWEEP: Duration = Duration::from_millis(250);
/// Notes of one account.
pub const NOTES: usize = 256;
/// One of them, in bytes.
pub const NOTE: usize = 48 * 1024;
/// Channels of the chat.
pub const CHANNELS: usize = 64;
/// Events that wait for one member.
pub const EVENTS: usize = 500;
/// Lines of the log, and of the audit, that are held.
pub const LINES: usize = 1_000;
/// Services that operators may run.
pub const SERVICES: usize = 16;
/// What one of them can be given.
pub const GRANTS: usize = 16;
/// What is kept of what a service says, in bytes: the last screens.
pub const TAIL: usize = 16 * 1024;
