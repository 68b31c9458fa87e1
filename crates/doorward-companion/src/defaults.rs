//! Every number of the companion, with its reason.

use std::time::Duration;

/// Attempts that are held at once. An attempt is a kilobyte of memory and nothing
/// that a person sees.
pub const ATTEMPTS: usize = 64;
/// Of these, unrevealed attempts of one origin: a page needs one, its tabs a few.
pub const ATTEMPTS_PER_ORIGIN: usize = 4;
/// A page reveals within this: it only has to hash two answers.
pub const REVEAL_WITHIN: Duration = Duration::from_secs(10);
/// A shown request is answered within this: long enough to compare six digits
/// twice, short enough that nobody approves one that they forgot.
pub const PAIRING_WITHIN: Duration = Duration::from_secs(120);
/// Approval is dead for this long after the window opened, so that a click meant
/// for something else does not approve.
pub const APPROVE_DEAD: Duration = Duration::from_secs(1);
/// A dialog of another program is dead for this long after that was started: two
/// seconds in which a slow machine draws it, and the one of [`APPROVE_DEAD`].
pub const DIALOG_DEAD: Duration = Duration::from_secs(3);
/// One held request of a waiting page lasts this long, then it asks again.
pub const HELD_FOR: Duration = Duration::from_secs(25);
/// Requests that one attempt may hold: a page has one, and its next while that
/// one's socket is still closing.
pub const HELD: usize = 4;
/// A page without a held request for this long is gone.
pub const GONE_AFTER: Duration = Duration::from_secs(10);
/// Windows in [`WINDOWS_SHORT`], over all origins together. A person who mistyped
/// twice has one more; a page that nags has no more.
pub const WINDOWS_IN_SHORT: usize = 3;
/// See [`WINDOWS_IN_SHORT`].
pub const WINDOWS_SHORT: Duration = Duration::from_secs(10 * 60);
/// Windows in [`WINDOWS_LONG`]: with one guess in a million each, a blind attacker
/// succeeds less than once in a hundred years, if every window is approved.
pub const WINDOWS_IN_LONG: usize = 20;
/// See [`WINDOWS_IN_LONG`].
pub const WINDOWS_LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// What `doorward pair allow` opens lasts this long.
pub const GESTURE: Duration = Duration::from_secs(120);
/// Pages of the compatible listener ask no more often than this, over all origins.
pub const INTRODUCED_EVERY: Duration = Duration::from_secs(5);
/// Bytes of one message of the pairing.
pub const PAIRING_MESSAGE: usize = 4 * 1024;
/// Characters of the name that a page gives itself.
pub const LABEL: usize = 64;
/// Characters of a folder's name.
pub const FOLDER_NAME: usize = 64;
/// Folders in one request: as many as a window shows without scrolling.
pub const FOLDERS: usize = 16;
/// Pages that are paired at once. A person approves each, so nobody reaches it.
pub const PAIRINGS: usize = 128;
/// Bytes of one pairing in the vault: sixteen folders with the longest names take
/// six thousand.
pub const KEPT_PAGE: usize = 8 * 1024;
/// Pairings are not waited for longer than this at the start: a keyring that asks
/// for its password answers when it has it.
pub const VAULT_AT_START: Duration = Duration::from_secs(5);

/// A signature is good for this long after it was made. Thirty seconds outlive a
/// slow preflight and a busy disk.
pub const SIGNED_BEFORE: u64 = 30;
/// A page's clock may be ahead of ours by this many seconds.
pub const SIGNED_AHEAD: u64 = 5;
/// A signature may ask to be good for at most this many seconds.
pub const SIGNED_LIFE: u64 = 60;
/// A nonce is remembered for this long: more than a signature's whole window.
pub const NONCE_KEPT: Duration = Duration::from_secs(SIGNED_BEFORE + SIGNED_AHEAD + 5);
/// Nonces that are remembered for one key: the paired rate of 200 in a second,
/// kept for forty. A full memory refuses instead of forgetting.
pub const NONCES: usize = 8_192;
/// Bytes of `Signature-Input`: ours has about 330.
pub const SIGNATURE_INPUT: usize = 512;
/// Bytes of a signed body that is not a chunk of an upload.
pub const SIGNED_BODY: usize = 64 * 1024;
/// Bytes of a chunk of an upload. Browsers cannot hash as they send, so each chunk
/// is hashed whole, in memory, on both sides.
pub const CHUNK: usize = 8 * 1024 * 1024;
/// A stamp of the compatible listener is good for so many seconds before and after
/// its time. Sambee's number.
pub const STAMP_GOOD: u64 = 30;
/// Uploads of the compatible listener that are read at once, of all pages: each has a
/// piece in memory.
pub const COMPAT_UPLOADS: usize = 16;
/// Bytes that are written or read in one go there.
pub const COMPAT_PIECE: usize = 1024 * 1024;
/// A page there waits this long for the vault, then asks again: it gives up on an
/// answer after ten seconds.
pub const COMPAT_KEPT_WITHIN: Duration = Duration::from_secs(5);
/// A WebSocket ticket is used within this.
pub const SOCKET_TICKET: Duration = Duration::from_secs(15);
/// Unused WebSocket tickets that are held at once.
pub const SOCKET_TICKETS: usize = 256;
/// Of these, tickets of one key.
pub const SOCKET_TICKETS_PER_KEY: usize = 32;
/// Event sockets that are open at once.
pub const SOCKETS: usize = 256;
/// Of these, sockets of one key: a page has one in each of its tabs.
pub const SOCKETS_PER_KEY: usize = 16;
/// Event sockets are pinged this often. A page that has said nothing when the next
/// ping is due is gone.
pub const SOCKET_PING: Duration = Duration::from_secs(25);
/// Bytes of a message on an event socket: pages have nothing to say there.
pub const SOCKET_MESSAGE: usize = 1024;
/// An event waits for a page that does not read for this long.
pub const SOCKET_SEND_WITHIN: Duration = Duration::from_secs(5);
/// A page has this long to take the reason of an end, so that all is over within a
/// second.
pub const SOCKET_FAREWELL: Duration = Duration::from_millis(500);
/// Ends that an event socket may be behind. Two in the time that a task takes to
/// wake are rare; a socket that missed some ends.
pub const SOCKET_ENDS_AHEAD: usize = 64;
/// News that an event socket may be behind: then it says that some were missed.
pub const SOCKET_NEWS_AHEAD: usize = 256;
/// Ports that pages look for a companion at: the first free one is taken, so two
/// people on one machine have one each.
pub const PORTS: [u16; 5] = [7319, 7320, 7321, 7322, 7323];

/// The port of the compatible listener: its pages know no other.
pub const COMPAT_PORT: u16 = 21_549;

/// Relays that one pairing has open at once: a call, and some that linger.
pub const RELAYS_PER_KEY: usize = 16;

/// Bytes of a path inside of a folder: as many as Linux takes.
pub const PATH: usize = 4_096;
/// Bytes of a new name: as many as every file system takes.
pub const NAME: usize = 255;
/// Folders and drives that are shared at once.
pub const SHARED: usize = 64;
/// Threads that wait for one folder at once: a dead network drive has these and no
/// more.
pub const FOLDER_THREADS: usize = 4;
/// Requests for one folder at once, those that wait for a thread included.
pub const FOLDER_PLACES: usize = 12;
/// A folder answers within this, or the page hears that it does not. Long enough for
/// a disk that has to spin up.
pub const FOLDER_WITHIN: Duration = Duration::from_secs(20);
/// The same for what is asked of every folder in one request.
pub const FOLDER_LOOK_WITHIN: Duration = Duration::from_secs(2);
/// When to ask a busy folder again.
pub const FOLDER_RETRY: Duration = Duration::from_secs(2);
/// Entries on one page of a listing.
pub const LISTED: usize = 1_000;
/// Entries on a page that says no number.
pub const LISTED_UNASKED: usize = 200;
/// Entries that one search looks at.
pub const SEARCHED: usize = 200_000;
/// Folders that a search remembers to look into: some megabytes of paths.
pub const SEARCH_AHEAD: usize = 20_000;
/// A search takes no longer.
pub const SEARCH_WITHIN: Duration = Duration::from_secs(10);
/// Folders that are told of a search for folders. Sambee's number.
pub const NAMED: usize = 50;
/// Folders that such a search looks at. Sambee's number.
pub const NAMED_LOOKED: usize = 100_000;
/// It takes no longer: its pages wait for ten seconds.
pub const NAMED_WITHIN: Duration = Duration::from_secs(8);
/// Entries that one search finds.
pub const FOUND: usize = 500;
/// Characters that are searched for: as many as a name has.
pub const SEARCH_WORD: usize = NAME;
/// Folders in folders that are copied or removed in one go. Each holds two handles
/// while what is in it is done.
pub const TREE_DEPTH: usize = 200;
/// A file of at most this is copied while its caller waits; everything else is a job.
pub const COPIED_AT_ONCE: u64 = 1024 * 1024;
/// Jobs of one pairing that wait or run.
pub const JOBS_PER_KEY: usize = 16;
/// Jobs of one folder that run at once: they share its disk.
pub const JOBS_PER_FOLDER: usize = 2;
/// A job that ended is told for this long.
pub const JOB_KEPT: Duration = Duration::from_secs(10 * 60);
/// Jobs of one pairing that are remembered.
pub const JOBS_KEPT: usize = 200;
/// A job's progress is told this often, if there is any.
pub const JOB_TOLD: Duration = Duration::from_millis(500);
/// Uploads of one pairing that are not finished.
pub const UPLOADS_PER_KEY: usize = 16;
/// Unfinished uploads in all.
pub const UPLOADS: usize = 64;
/// An upload that nothing is added to is removed after this.
pub const UPLOAD_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest file that is uploaded: as far as a page counts exactly.
pub const UPLOAD: u64 = 1 << 53;
/// What was written of an upload is brought to the disk each time that so much is
/// new, so that finishing a long one does not take long.
pub const UPLOAD_SYNCED: u64 = 64 * 1024 * 1024;
/// Media URLs that one pairing has at once.
pub const LINKS_PER_KEY: usize = 10_000;
/// Media URLs that one request asks for.
pub const LINKS: usize = 500;

/// Folders that one pairing watches at once, over all its sockets: two panes, the
/// folders of an open tree, and some tabs.
pub const WATCHES_PER_KEY: usize = 64;
/// Folders that are watched at once, those of [`WATCH_LINGER`] included. Linux gives a
/// user eight thousand and more.
pub const WATCHED: usize = 256;
/// A folder that nobody looks at any more is watched for this long, so that a page
/// that was cut off hears what it missed.
pub const WATCH_LINGER: Duration = Duration::from_secs(60);
/// What changes within this is told as one: soon enough to look like at once, and
/// seldom enough for a page that draws a list each time.
pub const WATCH_WINDOW: Duration = Duration::from_millis(200);
/// Changes that are told one by one within [`WATCH_WINDOW`]: twenty times what a
/// thousand changes in a second are. With more, listing the folder is cheaper.
pub const WATCH_PENDING: usize = 4_096;
/// Lists of changes that are kept of one folder: most of a minute of steady change.
pub const WATCH_KEPT: usize = 256;
/// Bytes of them: a few seconds of a thousand changes in a second, and 64 MiB in all
/// if every folder that may be watched changes so.
pub const WATCH_KEPT_BYTES: usize = 256 * 1024;
/// Bytes of one list of changes.
pub const WATCH_TOLD: usize = 64 * 1024;
/// Bytes of the name of a subscription.
pub const WATCH_ID: usize = 64;
/// Bytes of a page's message: a path of [`PATH`] bytes, each of which JSON may need
/// two or three for.
pub const WATCH_MESSAGE: usize = 16 * 1024;
/// Messages of a page in a [`WATCH_SECOND`]: all its folders at once after it was cut
/// off, and some more.
pub const WATCH_SAID: u32 = 128;
/// See [`WATCH_SAID`].
pub const WATCH_SECOND: Duration = Duration::from_secs(1);
/// Answers that wait for a page that says more than it hears.
pub const WATCH_ANSWERS: usize = 256;
/// The path of a folder that does not change is walked this often. A folder that was
/// removed while another program stands in it does not say so, nor one of which a
/// folder above it was moved.
pub const WATCH_LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A folder that was opened is watched within this.
pub const WATCH_JOIN_WITHIN: Duration = Duration::from_secs(10);
/// How often a watch is asked for that may have ended meanwhile, or a folder that is
/// busy.
pub const WATCH_TRIES: usize = 8;
/// What the system tells is worked off in parts of so many, so that others run too.
pub const WATCH_SIGNALS: usize = 4_096;
/// Bytes that are taken from the system at once.
pub const WATCH_BUFFER: usize = 64 * 1024;
