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
