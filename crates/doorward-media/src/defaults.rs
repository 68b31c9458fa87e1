//! Every number of the media room, with its reason.

use std::time::Duration;

/// A grant that somebody asked for lives this long, unless they say otherwise:
/// a film and the break in it.
pub const GRANT_LIFE: Duration = Duration::from_secs(4 * 60 * 60);
/// The longest life that can be asked for: as long as a session.
pub const GRANT_LIFE_MOST: Duration = Duration::from_secs(12 * 60 * 60);
/// A grant that a listing minted lives as long as its session can.
pub const LISTED_LIFE: Duration = GRANT_LIFE_MOST;
/// And ends after this without use: most of a listing is never opened.
pub const LISTED_IDLE: Duration = Duration::from_secs(30 * 60);
/// Sources of one run, those that were dropped into the console included.
pub const SOURCES: usize = 256;
/// Grants that one answer lists.
pub const LISTED_GRANTS: usize = 500;
/// How often a running stream counts as use of its grant.
pub const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// A listing, an error or the first bytes of an object arrive whole within this.
pub const WHOLE_BODY_WITHIN: Duration = Duration::from_secs(30);
/// Grants that one `grant.stats` event tells of; of more, the rest come later.
pub const STATS_AT_ONCE: usize = 100;

/// A body that broke off is asked for so often without a byte coming.
pub const RESUME_TRIES: u32 = 5;
/// And for so long, once it was tried twice: people reload after a minute.
pub const RESUME_WITHIN: Duration = Duration::from_secs(60);
/// The first pause between two tries; the next ones double. There is none before
/// the first try: a dropped connection is the usual case.
pub const RESUME_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, whatever the source asks for: somebody is watching.
pub const RESUME_PAUSE_MOST: Duration = Duration::from_secs(5);
/// After so many bytes the pauses begin anew: a source that drops every few bytes
/// is not asked without pause for ever.
pub const RESUME_PROGRESS: u64 = 64 * 1024;
/// So many bytes are read again from a source that answers a range with
/// everything, to find the rest.
pub const SKIP_MOST: u64 = 1024 * 1024;
/// A rate is measured over so many bytes: beyond the slow start of TCP.
pub const RATE_OVER: u64 = 1024 * 1024;
/// A source whose answers never begin sooner is far: local stores and those of
/// the same city answer within a few milliseconds, if the machine is not busy.
pub const FAR: Duration = Duration::from_millis(20);
/// Requests of a source that wait for their answers at once, beside which the time
/// to an answer still is the source's own.
pub const CROWD: usize = 4;
/// A source that gives less on one connection, in bytes a second, is slow: far
/// below what a local disk or network gives, on a busy machine too.
pub const SLOW: u64 = 8 * 1024 * 1024;
/// So many measurements are needed to call a source far or slow: the first has
/// the handshakes in it, and one more may have met a busy machine.
pub const MEASURED: usize = 3;

/// The unit in which bytes are kept: what PDF viewers ask for, and no more than
/// one chunk of a connection.
pub const BLOCK: u64 = 64 * 1024;
/// Ranges up to this are kept and shared; anything longer passes straight
/// through, so that a film does not push out what is looked at again.
pub const SMALL: u64 = 512 * 1024;
/// The longest request that reading on in small ranges grows to. It doubles each
/// time, so a thousand ranges of 2 KiB take half a dozen requests.
pub const RUN_MOST: u64 = 1024 * 1024;
/// Bytes that a room keeps: a folder of thumbnails, or the index and some pages
/// of a few large documents.
pub const CACHE: u64 = 64 * 1024 * 1024;
/// Blocks that are written to disk at once. What leaves memory faster than that is
/// not kept: a disk that is slow must not hold memory.
pub const DISK_WRITES: usize = 16;
/// What keeping a piece takes beside its bytes.
pub const PIECE_OVERHEAD: u64 = 256;
/// Objects of which is known where they were read last.
pub const TRAILS: usize = 1024;
/// Bytes of a room that are on their way to readers at once.
pub const UNDERWAY: u64 = 64 * 1024 * 1024;
/// Of these, what is read ahead for one stream: seven parts of 2 MiB.
pub const AHEAD: u64 = 14 * 1024 * 1024;
/// Streams that are read ahead at once: with more, each of them is slow enough.
pub const AHEAD_STREAMS: usize = 16;
/// Parts of one stream at once: seven gave 5.2 times one connection's rate at a
/// round trip of 40 ms, and no browser opens more than six to a host.
pub const AHEAD_PARTS: usize = 7;
/// The shortest part: below it the round trip outweighs the bytes.
pub const PART_LEAST: u64 = 256 * 1024;
/// The longest part at the start: seven of them are a seek of 4 MiB at once.
pub const PART_FIRST: u64 = 640 * 1024;
/// The longest part, which they grow to: 200 ms at 10 MB/s, five round trips.
pub const PART_MOST: u64 = 2 * 1024 * 1024;
/// A stream whose reader has not asked for this long lets go of what waits.
pub const AHEAD_IDLE: Duration = Duration::from_secs(2);
/// A reader that kept the source waiting for this long gets less read ahead, however
/// little of it has passed.
pub const AHEAD_UNWANTED: Duration = Duration::from_millis(250);
/// A stream looks after so many bytes whether its source turned out to be far.
pub const WIDEN_EVERY: u64 = 1024 * 1024;

/// Parts that one answer to several ranges has: PDF viewers and zip readers ask
/// for a handful, and each part is a request of its own to a store.
pub const PARTS: usize = 16;
/// Ranges with at most so many bytes between them are one: the frame of a part
/// costs as much.
pub const PART_GAP: u64 = 128;
/// A stream of which the client has taken nothing for this long stands still:
/// players that are slow take some far more often.
pub const STALLED_AFTER: Duration = Duration::from_secs(2);
/// With so many of a session standing still, one gives way to the next request:
/// browsers open six connections to a host and port, so these are nearly all.
pub const STALLED_MOST: usize = 5;
/// A stream that stood still for this long gives way to any other request of its
/// session: a paused player asks again by range when it plays on.
pub const STALLED_LONG: Duration = Duration::from_secs(60);
/// A grant with as many streams as it may have is asked again after this: players
/// end one stream just before they open the next.
pub const STREAM_RETRY: Duration = Duration::from_secs(1);

/// Folders that are read for listings at once: as many as requests of the console are
/// answered at once. A folder on a sick disk may hold its thread for long.
pub const READERS: usize = doorward_guard::defaults::IN_FLIGHT;

/// Names that the index of a web server may have: what a person writes down.
pub const INDEX: usize = 10_000;
/// Issued credentials are renewed this long before they run out: a film's next
/// range must not meet a key that ends on its way.
pub const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// Whoever issues credentials answers within this; some ask people or the
/// network first.
pub const ISSUED_WITHIN: Duration = Duration::from_secs(30);
/// Who failed to issue credentials is asked again after this.
pub const ISSUE_AGAIN: Duration = Duration::from_secs(10);
