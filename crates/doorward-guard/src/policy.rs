//! Policy: plain data that says who may call, from where and how much.
//!
//! There is no `Default`. A policy starts as a preset, named for what the surface
//! is for, and is tightened from there. What weakens one sits behind
//! [`Policy::dangerous`], so a reviewer can search for one word.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::caller::{
    Caller, Capability, Judge, Native, Open, Page, Session, Signed, StampJudge, Stamped, Ticket,
    Visitor,
};
use crate::defaults::{self, Rate};

/// The rules of one surface whose callers are of kind `C`.
#[derive(Debug)]
pub struct Policy<C: Caller> {
    rules: Rules,
    caller: PhantomData<fn() -> C>,
}

/// What the guard reads. One field per rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// What the caller proves.
    pub caller: CallerKind,
    /// Which processes may be on the other end.
    pub peer: PeerRule,
    /// Which pages may call.
    pub origin: OriginRule,
    /// Which uses the browser may put the answer to.
    #[serde(rename = "fetchMetadata")]
    pub fetch: FetchRule,
    /// Which pages may read the answer.
    pub cors: CorsRule,
    /// State changes carry a CSRF token.
    pub csrf: bool,
    /// What a body may be.
    pub content: ContentRule,
    /// The longest body, in bytes.
    pub body_limit: u64,
    /// The whole body arrives within this.
    #[serde(serialize_with = "seconds")]
    pub body_within: Duration,
    /// How long the client may take over the answer.
    pub drain: Drain,
    /// Requests that run at once.
    pub in_flight: Option<usize>,
    /// What a capability that was never given, or a path that leads nowhere,
    /// answers with.
    #[serde(skip_serializing_if = "Stranger::is_unknown")]
    pub stranger: Stranger,
    /// What counts as use of the session.
    #[serde(skip_serializing_if = "ActivityRule::is_usual")]
    pub activity: ActivityRule,
    /// What goes on every answer.
    pub seal: SealRule,
}

/// What counts as use of a session, beside real input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ActivityRule {
    /// Every state change.
    Changes,
    /// Nothing: a request that could change something may as well be a timer's.
    InputAlone,
}

impl ActivityRule {
    fn is_usual(&self) -> bool {
        *self == Self::Changes
    }
}

/// What callers hear of what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stranger {
    /// 404, as if nothing stood here.
    Unknown,
    /// 403: a 404 means something else to this surface's clients, who would try
    /// for ever (livekit-client).
    Forbidden,
}

impl Stranger {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// What a caller proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerKind {
    /// Nothing.
    Open,
    /// A launch ticket, once.
    Ticket,
    /// Session cookie and tab proof; a CSRF token on state changes.
    Session,
    /// An unguessable token in the path.
    Capability,
    /// Peer credentials of the same user.
    Native,
    /// The origin that its browser names.
    Page,
    /// A signature of a paired page.
    Signed,
    /// The origin that its browser names, or that it names none.
    Visitor,
    /// A MAC of a paired page over the time alone.
    Stamped,
}

/// Which processes may be on the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerRule {
    /// Any: the token in the URL is the proof.
    Any,
    /// Processes of the user who started this one.
    SameUser,
}

/// Which pages may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OriginRule {
    /// Any, or none: nothing here depends on it.
    Any,
    /// If named, our own; state changes must name it.
    Same,
    /// If named, one that the grant is for.
    ByGrant,
    /// One that the caller's book knows, always named.
    Known,
    /// None: browsers do not come here.
    Absent,
}

/// Which uses the browser may put the answer to (Fetch Metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchRule {
    /// Any.
    Any,
    /// A navigation typed by the person, or our own page.
    Page,
    /// Our own page's `fetch`.
    Api,
    /// Media elements and `fetch`; frames and documents as the grant says.
    Media,
    /// `fetch` and WebSockets.
    Relay,
}

/// Which pages may read the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CorsRule {
    /// Only our own: no `Access-Control-*` ever.
    None,
    /// Those that the grant is for.
    ByGrant,
    /// Those that the caller's book knows.
    Known,
}

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ContentRule {
    /// There is none.
    None,
    /// JSON, or nothing.
    Json,
    /// JSON, or a form with a file, which goes to its handler as it arrives and
    /// makes progress within [`defaults::CHUNK_PROGRESS`].
    JsonOrForm,
    /// A chunk of an upload, whole: it makes progress within the time, however long
    /// it takes.
    Chunk,
}

/// How long the client may take over the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Drain {
    /// [`defaults::API_DRAIN`].
    Api,
    /// [`defaults::MEDIA_DRAIN`] without progress.
    Media,
    /// As long as the caller stays proven.
    Events,
}

/// The set of headers that goes on every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SealRule {
    /// Console pages and their API.
    Control,
    /// Bytes for other origins.
    Media,
    /// What an upstream said, for other origins: never rendered.
    Relay,
    /// Answers to pages of other origins, and their WebSockets.
    Companion,
    /// The same in Sambee's shapes, and files in frames and pictures.
    Compat,
    /// Nothing that a browser would render.
    Plain,
}

/// What weakens a policy, in one place.
#[derive(Debug)]
pub struct Dangerous<C: Caller>(Policy<C>);

// === impl Policy ===

impl Policy<Open> {
    /// A liveness answer: tells nothing, so that anybody may ask.
    #[must_use]
    pub fn health() -> Self {
        Self::from(Rules {
            peer: PeerRule::Any,
            ..Rules::closed(CallerKind::Open, SealRule::Plain)
        })
    }

    /// The same for the control listener: its peer check and its seal.
    #[must_use]
    pub fn on_control(mut self) -> Self {
        self.rules.peer = PeerRule::SameUser;
        self.rules.seal = SealRule::Control;
        self
    }

    /// The same for the content listener, so that pages which embed nothing
    /// unasked (COEP) can tell whether a connection to it is to be had.
    #[must_use]
    pub fn on_content(mut self) -> Self {
        self.rules.seal = SealRule::Media;
        self
    }

    /// The same for the companion listener.
    #[must_use]
    pub fn on_companion(mut self) -> Self {
        self.rules.peer = PeerRule::SameUser;
        self.rules.seal = SealRule::Companion;
        self
    }

    /// The console's own files: no secret is in them.
    #[must_use]
    pub fn console_files() -> Self {
        Self::from(Rules {
            origin: OriginRule::Same,
            fetch: FetchRule::Page,
            ..Rules::closed(CallerKind::Open, SealRule::Control)
        })
    }
}

impl Policy<Ticket> {
    /// A launch ticket is exchanged for a session.
    #[must_use]
    pub fn claim() -> Self {
        Self::from(Rules {
            origin: OriginRule::Same,
            fetch: FetchRule::Api,
            content: ContentRule::Json,
            body_limit: defaults::LOGIN_BODY,
            ..Rules::closed(CallerKind::Ticket, SealRule::Control)
        })
    }
}

impl Policy<Session> {
    /// The console's API.
    #[must_use]
    pub fn console_api() -> Self {
        Self::from(Rules {
            origin: OriginRule::Same,
            fetch: FetchRule::Api,
            csrf: true,
            content: ContentRule::Json,
            body_limit: defaults::API_BODY,
            ..Rules::closed(CallerKind::Session, SealRule::Control)
        })
    }

    /// Keeps a session alive only after real input: what is asked here may be asked
    /// by a timer in a hidden tab, though it is a `POST`. A handler that changes
    /// something calls [`Sessions::touch`](crate::Sessions::touch) itself.
    #[must_use]
    pub fn by_input_alone(mut self) -> Self {
        self.rules.activity = ActivityRule::InputAlone;
        self
    }

    /// The console's event stream: outside the in-flight and drain limits,
    /// because it stays open as long as its tab.
    #[must_use]
    pub fn console_events() -> Self {
        let api = Self::console_api().rules;
        Self::from(Rules {
            content: ContentRule::None,
            body_limit: 0,
            drain: Drain::Events,
            in_flight: None,
            ..api
        })
    }
}

impl<G: std::fmt::Debug + Send + Sync + 'static> Policy<Capability<G>> {
    /// Bytes behind an unguessable URL. Bounded by streams and connections, not
    /// by requests: webviews send thousands of tiny ranges.
    #[must_use]
    pub fn media() -> Self {
        Self::from(Rules {
            peer: PeerRule::Any,
            origin: OriginRule::ByGrant,
            fetch: FetchRule::Media,
            cors: CorsRule::ByGrant,
            drain: Drain::Media,
            in_flight: None,
            ..Rules::closed(CallerKind::Capability, SealRule::Media)
        })
    }
}

impl<G: std::fmt::Debug + Send + Sync + 'static> Policy<Capability<G>> {
    /// An upstream behind an unguessable URL: WebSockets and small answers.
    /// Bounded by connections, which the room counts.
    #[must_use]
    pub fn relay() -> Self {
        Self::from(Rules {
            peer: PeerRule::Any,
            origin: OriginRule::ByGrant,
            fetch: FetchRule::Relay,
            cors: CorsRule::ByGrant,
            in_flight: None,
            stranger: Stranger::Forbidden,
            ..Rules::closed(CallerKind::Capability, SealRule::Relay)
        })
    }
}

impl Policy<Page> {
    /// What a page may ask before it is paired: who this is, and to be paired.
    #[must_use]
    pub fn knocking() -> Self {
        Self::from(Rules {
            origin: OriginRule::Known,
            fetch: FetchRule::Relay,
            cors: CorsRule::Known,
            content: ContentRule::Json,
            body_limit: defaults::LOGIN_BODY,
            ..Rules::closed(CallerKind::Page, SealRule::Companion)
        })
    }

    /// WebSockets of paired pages, each by a ticket. Bounded by connections and by
    /// what the room allows a pairing.
    #[must_use]
    pub fn companion_sockets() -> Self {
        Self::from(Rules {
            content: ContentRule::None,
            body_limit: 0,
            in_flight: None,
            ..Self::knocking().rules
        })
    }
}

impl<V: Judge> Policy<Signed<V>> {
    /// What a paired page may ask.
    #[must_use]
    pub fn paired() -> Self {
        Self::from(Rules {
            origin: OriginRule::Known,
            fetch: FetchRule::Relay,
            cors: CorsRule::Known,
            content: ContentRule::Json,
            body_limit: defaults::API_BODY,
            ..Rules::closed(CallerKind::Signed, SealRule::Companion)
        })
    }

    /// A paired page sends a file, in chunks that are held in memory whole. Each has
    /// its place before it is read, so that few are.
    #[must_use]
    pub fn paired_chunks() -> Self {
        Self::from(Rules {
            content: ContentRule::Chunk,
            body_limit: defaults::CHUNK_BODY,
            body_within: defaults::CHUNK_PROGRESS,
            in_flight: Some(defaults::CHUNKS_IN_FLIGHT),
            ..Self::paired().rules
        })
    }
}

impl Policy<Visitor> {
    /// What may be asked on the compatible listener without a pairing: whether there
    /// is one, and for one. Weaker than [`Policy::knocking`]: no commitment, and who
    /// names no origin may say one.
    #[must_use]
    pub fn dangerous_visiting() -> Self {
        Self::from(Rules {
            fetch: FetchRule::Relay,
            cors: CorsRule::Known,
            content: ContentRule::Json,
            body_limit: defaults::LOGIN_BODY,
            ..Rules::closed(CallerKind::Visitor, SealRule::Compat)
        })
    }
}

impl<V: StampJudge> Policy<Stamped<V>> {
    /// What a paired page may ask on the compatible listener. Weaker than
    /// [`Policy::paired`]: its proof covers the time alone.
    #[must_use]
    pub fn dangerous_stamped() -> Self {
        Self::from(Rules {
            fetch: FetchRule::Relay,
            cors: CorsRule::Known,
            content: ContentRule::Json,
            body_limit: defaults::API_BODY,
            ..Rules::closed(CallerKind::Stamped, SealRule::Compat)
        })
    }

    /// The same, and files are sent to it.
    #[must_use]
    pub fn dangerous_stamped_files() -> Self {
        Self::from(Rules {
            content: ContentRule::JsonOrForm,
            ..Self::dangerous_stamped().rules
        })
    }

    /// Files are read from it: by scripts, in pictures and in frames.
    #[must_use]
    pub fn dangerous_stamped_reading() -> Self {
        Self::from(Rules {
            fetch: FetchRule::Media,
            content: ContentRule::None,
            body_limit: 0,
            drain: Drain::Media,
            in_flight: None,
            ..Self::dangerous_stamped().rules
        })
    }

    /// Its WebSockets. Bounded by connections and by what the room allows a pairing.
    #[must_use]
    pub fn dangerous_stamped_sockets() -> Self {
        Self::from(Rules {
            content: ContentRule::None,
            body_limit: 0,
            in_flight: None,
            ..Self::dangerous_stamped().rules
        })
    }
}

impl Policy<Native> {
    /// The Unix socket or named pipe of the same user.
    #[must_use]
    pub fn native() -> Self {
        Self::from(Rules {
            origin: OriginRule::Absent,
            content: ContentRule::Json,
            body_limit: defaults::API_BODY,
            ..Rules::closed(CallerKind::Native, SealRule::Plain)
        })
    }
}

impl<C: Caller> Policy<C> {
    fn from(rules: Rules) -> Self {
        Self {
            rules,
            caller: PhantomData,
        }
    }

    /// Takes bodies of at most `bytes`, if that is less than before.
    #[must_use]
    pub fn body_at_most(mut self, bytes: u64) -> Self {
        self.rules.body_limit = self.rules.body_limit.min(bytes);
        self
    }

    /// Runs at most `requests` at once, if that is less than before.
    #[must_use]
    pub fn in_flight_at_most(mut self, requests: usize) -> Self {
        let most = self
            .rules
            .in_flight
            .map_or(requests, |now| now.min(requests));
        self.rules.in_flight = Some(most);
        self
    }

    /// Only processes of the same user may connect.
    #[must_use]
    pub fn same_user(mut self) -> Self {
        self.rules.peer = PeerRule::SameUser;
        self
    }

    /// What weakens this policy. Say in a comment why the surface needs it.
    #[must_use]
    pub fn dangerous(self) -> Dangerous<C> {
        Dangerous(self)
    }

    pub(crate) fn into_rules(self) -> Rules {
        self.rules
    }
}

// === impl Dangerous ===

impl<C: Caller> Dangerous<C> {
    /// Lets processes of other users connect: for forwarded ports, where the
    /// peer is the forwarder.
    #[must_use]
    pub fn without_peer_check(mut self) -> Policy<C> {
        self.0.rules.peer = PeerRule::Any;
        self.0
    }

    /// Takes bodies of up to `bytes`, which are held in memory whole.
    #[must_use]
    pub fn body_of_up_to(mut self, bytes: u64) -> Policy<C> {
        self.0.rules.body_limit = bytes;
        self.0
    }
}

// === impl Rules ===

impl Rules {
    /// The tightest rules that `caller` can have; presets open what they need.
    fn closed(caller: CallerKind, seal: SealRule) -> Self {
        Self {
            caller,
            peer: PeerRule::SameUser,
            origin: OriginRule::Any,
            fetch: FetchRule::Any,
            cors: CorsRule::None,
            csrf: false,
            content: ContentRule::None,
            body_limit: 0,
            body_within: defaults::BODY_WITHIN,
            drain: Drain::Api,
            in_flight: match caller {
                CallerKind::Open => None,
                _ => Some(defaults::IN_FLIGHT),
            },
            stranger: Stranger::Unknown,
            activity: ActivityRule::Changes,
            seal,
        }
    }

    /// The rate that a proven caller draws from.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        match self.caller {
            CallerKind::Session => Some(defaults::SESSION_RATE),
            CallerKind::Signed | CallerKind::Stamped => Some(defaults::PAIRED_RATE),
            _ => None,
        }
    }

    /// The policy in words, a sentence per rule: what the Doors panel shows.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![
            match self.caller {
                CallerKind::Open => "Anybody may ask; there is nothing to protect in the answer.",
                CallerKind::Ticket => "The caller brings a launch ticket, which is good once; wrong ones shut the door for a while.",
                CallerKind::Session => {
                    "The caller proves a session: the cookie and this tab's own proof."
                }
                CallerKind::Capability => {
                    "The caller holds an unguessable address, kept here only as a hash."
                }
                CallerKind::Page => "Any page may knock; its browser says of which origin it is.",
                CallerKind::Signed => "The caller is a paired page: each request carries a signature that is good once, and the answer is signed back.",
                CallerKind::Visitor => "Anybody of this user may knock; a page's browser says of which origin it is.",
                CallerKind::Stamped => "The caller is a page that was paired the older, weaker way: each request carries a proof that is good for thirty seconds, whatever is asked with it.",
                CallerKind::Native => "The caller is a process of the same user, by its socket.",
            }
            .to_owned(),
        ];
        if self.peer == PeerRule::SameUser {
            words.push("Only processes of the user who started doorward may connect.".to_owned());
        }
        words.extend(
            match self.origin {
                OriginRule::Any => None,
                OriginRule::Same => {
                    Some("Pages of other origins, other ports included, are refused.")
                }
                OriginRule::ByGrant => {
                    Some("A page that names its origin must be one the address was made for.")
                }
                OriginRule::Known => Some("The page's origin is always named, and refused where it is null or not known here."),
                OriginRule::Absent => Some("Browsers are refused."),
            }
            .map(str::to_owned),
        );
        words.extend(
            match self.fetch {
                FetchRule::Any => None,
                FetchRule::Page => Some("It opens as a page of its own, not inside another site."),
                FetchRule::Api => Some("Only the console's own scripts may fetch it."),
                FetchRule::Media => Some("It loads as an image, video, audio or data; never as a script or style; as a frame or page only where the address allows."),
                FetchRule::Relay => Some("It answers WebSockets and fetch; nothing of it is ever a page, a frame, a script or a picture."),
            }
            .map(str::to_owned),
        );
        if self.csrf {
            words.push("Every change carries a CSRF token.".to_owned());
        }
        words.push(match self.cors {
            CorsRule::None => "No other origin may read the answer.".to_owned(),
            CorsRule::Known => {
                "The page that asks may read the answer, without credentials; no other may."
                    .to_owned()
            }
            CorsRule::ByGrant => {
                "The origins of the grant may read the answer, without credentials.".to_owned()
            }
        });
        if matches!(self.content, ContentRule::Json | ContentRule::JsonOrForm) {
            words.push(format!(
                "Bodies are JSON of at most {} bytes.",
                self.body_limit
            ));
        }
        if self.content == ContentRule::JsonOrForm {
            words.push(format!(
                "Files come as forms, of any size, which make progress within {} seconds.",
                defaults::CHUNK_PROGRESS.as_secs()
            ));
        }
        if self.content == ContentRule::Chunk {
            words.push(format!(
                "Bodies are chunks of at most {} bytes, which make progress within {} seconds.",
                self.body_limit,
                self.body_within.as_secs()
            ));
        }
        if self.activity == ActivityRule::InputAlone {
            words.push(
                "It keeps a session alive only where a person did something, or something was changed."
                    .to_owned(),
            );
        }
        if let Some(rate) = self.rate() {
            let who = match self.caller {
                CallerKind::Signed | CallerKind::Stamped => "A paired page",
                _ => "A session",
            };
            words.push(format!(
                "{who} may ask {} times a second, {} at once.",
                rate.per_second, rate.burst
            ));
        }
        if let Some(most) = self.in_flight {
            words.push(format!("At most {most} requests run at once."));
        }
        words
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(time.as_secs_f64())
}
