//! Every number of the relay, with its reason.

use std::time::Duration;

/// A grant lives this long, unless its maker says otherwise: a working day's call.
pub const GRANT_LIFE: Duration = Duration::from_secs(4 * 60 * 60);
/// The longest life that can be asked for: as long as a session.
pub const GRANT_LIFE_MOST: Duration = Duration::from_secs(12 * 60 * 60);
/// Live grants of one run.
pub const GRANTS: usize = 4_096;
/// Grants that one answer lists.
pub const LISTED: usize = 500;
/// Regions of one service: more are not dialled within the time that a client gives.
pub const FALLBACKS: usize = 8;
/// Grants that one `relay.stats` event tells of; of more, the rest come later.
pub const STATS_AT_ONCE: usize = 100;
/// Connections of one grant at once. A page needs two and a few that linger.
pub const CONNECTIONS: usize = 16;
/// Connections of all grants at once, as many as a listener takes; once open they
/// are none of the listener's. One that waits costs 15 KiB.
pub const CONNECTIONS_ALL: usize = 1_024;
/// A client that was turned away tries again after this.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Dialling and the upstream's answer together. livekit-client gives 15 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(12);
/// The body of an answer arrives within this; livekit-client gives 3 s for all of
/// `validate`, people give more.
pub const BODY_WITHIN: Duration = Duration::from_secs(5);
/// The body of an answer: a sentence, or a list of regions.
pub const BODY: usize = 1024 * 1024;
/// The head of an upstream's answer.
pub const ANSWER_HEAD: usize = 64 * 1024;
/// Header lines of it.
pub const ANSWER_HEADERS: usize = 128;

/// What is read at once. Shared by all tunnels of a thread; a tunnel holds memory
/// of its own only for what its reader does not take.
pub const READ: usize = 64 * 1024;
/// A tunnel with no byte either way ends after this. LiveKit pings every 10 s;
/// others less often.
pub const SILENCE: Duration = Duration::from_secs(5 * 60);
/// A Close frame that we send is on its way within this after a revoke; a reader
/// that takes nothing is cut without one.
pub const CUT_WITHIN: Duration = Duration::from_millis(100);
/// After it, what the client still sends is thrown away for this long: a reset
/// would take the Close frame with it.
pub const LINGER: Duration = Duration::from_secs(1);
/// One side has ended; the other has this long for its last frames.
pub const DRAIN: Duration = Duration::from_secs(10);
/// How often a tunnel counts as use of its grant, and is looked at for silence.
pub const LOOK: Duration = Duration::from_secs(10);

/// A message that is looked at. The longest is what a page is told when it joins a
/// full room: some hundred bytes for each participant.
pub const MESSAGE: usize = 2 * 1024 * 1024;

/// TURN servers of one grant that have a port at once. A service names two or
/// three; some name others at each join.
pub const TURN_SERVERS: usize = 8;
/// And of all grants.
pub const TURN_LISTENERS: usize = 256;
/// Connections to TURN servers of one grant: two peer connections to each of four
/// servers, and as many again while ICE restarts.
pub const TURN_CONNECTIONS: usize = 32;
/// And of all grants.
pub const TURN_CONNECTIONS_ALL: usize = 512;
/// The head of a STUN message: what is read before anything is dialled.
pub const TURN_FIRST: usize = 20;
/// It is here within this: a page that connects wants to speak.
pub const TURN_FIRST_WITHIN: Duration = Duration::from_secs(5);
/// A place is made on the server within this after it was dialled: two questions
/// and two answers, on a slow line.
pub const TURN_ALLOCATE_WITHIN: Duration = Duration::from_secs(20);
/// A TURN connection with no byte either way ends after this. A place that is not
/// asked for again lasts ten minutes.
pub const TURN_SILENCE: Duration = Duration::from_secs(12 * 60);
/// A failed accept (out of file descriptors) is tried again after this.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
