//! What the attempts are told and tell.

use std::time::Duration;

use doorward_guard::{Moment, Origin, Secret};
use serde::{Deserialize, Serialize};

use super::keys::Code;
use super::limits::Mode;
use super::scope::Scopes;
use crate::encoding::Instance;

/// The name of an attempt, which only its page knows: 128 random bits.
pub type Pid = Secret<16>;

/// How a page is paired, and proves itself afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// By a commitment; each request is signed.
    #[default]
    Signed,
    /// Sambee's way, which is weaker: requests carry a MAC of the time. Good on
    /// the compatible listener alone.
    Stamped,
}

/// What pairing is told at the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may ask.
    pub mode: Mode,
    /// Schemes besides http and https, such as `tauri`.
    pub schemes: Vec<String>,
    /// The name of this run.
    pub instance: Instance,
    /// The address that pages call, such as `127.0.0.1:7319`.
    pub listen: String,
}

/// The answer to a start.
#[derive(Debug)]
pub struct Offered {
    /// The bytes to send: they are part of the transcript.
    pub bytes: Vec<u8>,
}

/// What a face shows. Only what is in here may be shown as certain.
#[derive(Clone, Debug)]
pub struct Window {
    /// Names the request to [`Pairings::approve`](super::Pairings::approve) and
    /// [`Pairings::deny`](super::Pairings::deny).
    pub number: u64,
    /// How it is paired.
    pub way: Way,
    /// Who asks: as the browser says, in ASCII.
    pub origin: Origin,
    /// What the page calls itself: not to be trusted.
    pub label: String,
    /// What it asks for.
    pub scopes: Scopes,
    /// The six digits, or characters.
    pub code: Code,
    /// Whether the person types the digits.
    pub typed: bool,
    /// When it is over.
    pub until: Moment,
    /// Whether the page has confirmed.
    pub confirmed: bool,
    /// Whether the person has approved.
    pub approved: bool,
}

/// What a confirmation or an approval led to.
#[derive(Debug)]
pub enum Step {
    /// The other side has still to agree.
    Waiting,
    /// Both agreed, and this caller was the second. It keeps the key, then calls
    /// [`Pairings::kept`](super::Pairings::kept).
    Both(Box<PageKey>),
}

/// A paired page: what the vault keeps.
#[derive(Debug)]
pub struct PageKey {
    /// Names the request to [`Pairings::kept`](super::Pairings::kept).
    pub number: u64,
    /// How it was paired.
    pub way: Way,
    /// The public name of the pairing.
    pub key_id: String,
    /// The page's origin.
    pub origin: Origin,
    /// What the page called itself, as it may be shown.
    pub label: String,
    /// What the person granted.
    pub scopes: Scopes,
    /// Signs the page's requests.
    pub request: Secret<32>,
    /// Signs our answers.
    pub response: Secret<32>,
}

/// What a waiting page is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collected {
    /// Nothing yet.
    Pending,
    /// It is paired. Told once.
    Paired {
        /// The public name of the pairing.
        key_id: String,
        /// See [`Keys::daemon_proof`](super::keys::Keys::daemon_proof).
        proof: [u8; 32],
        /// What the person granted.
        scopes: Scopes,
    },
}

/// Why a pairing ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The person said no.
    Denied,
    /// The person closed the window, or the screen was locked.
    WindowClosed,
    /// The page took it back.
    Cancelled,
    /// The page is no longer there.
    PageGone,
    /// Nobody answered.
    Expired,
    /// A second reveal, a wrong proof, wrong digits.
    Broken,
    /// The person made room for another origin.
    MadeRoom,
    /// The keys could not be kept.
    NotKept,
    /// The window could not be shown.
    NotShown,
}

/// A revealed request that ended without a pairing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The number of its window.
    pub number: u64,
    /// Why it ended.
    pub why: Ending,
    /// Both had agreed, but the page never learned of it: the vault forgets this
    /// key again.
    pub forget: Option<String>,
}

/// `origin` in at most `width` characters for a face, cut at the left end of the
/// host: the registrable name is at its right.
#[must_use]
pub fn origin_at_most(origin: &Origin, width: usize) -> String {
    let text = origin.as_str();
    if text.len() <= width {
        return text.to_owned();
    }
    let (scheme, host) = text.split_once("://").unwrap_or(("", text));
    let room = width.saturating_sub(scheme.len() + "://…".chars().count());
    let cut = host.len().saturating_sub(room);
    // Origins are ASCII.
    format!("{scheme}://…{}", host.get(cut..).unwrap_or_default())
}

/// For a face's count-down.
impl Window {
    /// The time left at `now`.
    #[must_use]
    pub fn left(&self, now: Moment) -> Duration {
        self.until.since(now)
    }
}
