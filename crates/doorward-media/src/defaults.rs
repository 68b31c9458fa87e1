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
/// browsers open six connections to a host, so this keeps one of them free.
pub const STALLED_MOST: usize = 5;
/// A stream that stood still for this long gives way to any other request of its
/// session: a paused player asks again by range when it plays on.
pub const STALLED_LONG: Duration = Duration::from_secs(60);
/// A grant with as many streams as it may have is asked again after this: players
/// end one stream just before they open the next.
pub const STREAM_RETRY: Duration = Duration::from_secs(1);
