//! Everything the door can say no with.
//!
//! One variant per rule. The variant alone decides the status, the name and the
//! sentence that the caller reads; what a log may say on top of it travels in
//! the audit event. Names are stable: clients switch on them.

mod told;

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use told::{Told, told};

/// A rule was broken. The answer is `{"denial", "message", "requestId"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    rule: Rule,
    /// Where the rule's own status would mislead the surface's clients.
    forbidden: bool,
    /// The caller may try again after this.
    pub retry_after: Option<Duration>,
    /// Methods that would be allowed here.
    pub allow: Option<String>,
    /// RFC 3339: since when something that stands in the way has stood there.
    pub since: Option<String>,
    /// Our time in seconds since 1970, for who proved to have a key.
    pub now: Option<u64>,
    /// What the caller needs to go on, beside the denial: where an upload is, what
    /// stands in the way.
    pub more: Option<Box<Map<String, Value>>>,
    /// For the log alone; sanitised on entry, never sent.
    pub note: Option<String>,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $status:literal $name:literal $message:literal;)+) => {
        /// The rule that was broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule, in the order in which the guard applies them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name that clients see.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The sentence that people see.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)+ }
            }

            /// The HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let code = match self { $(Self::$variant => $status,)+ };
                StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
}

rules! {
    // The head gate.
    /// The head is not one that a browser would send (GUARD §3).
    MalformedRequest = 400 "malformedRequest" "The request is malformed.";
    /// The request line is longer than the listener allows.
    RequestLineTooLong = 414 "requestLineTooLong" "The request line is too long.";
    /// A header line, their number or their sum is over the limit.
    HeadersTooLarge = 431 "headersTooLarge" "The request headers are too large. The likely cause are cookies that other local apps set for 127.0.0.1: clear them and try again.";
    /// `Transfer-Encoding` on a request.
    LengthRequired = 411 "lengthRequired" "Send a Content-Length: chunked request bodies are not taken.";
    /// `Expect` other than `100-continue`.
    ExpectationFailed = 417 "expectationFailed" "Only Expect: 100-continue is understood.";
    /// The head or the body did not arrive in time.
    RequestTimeout = 408 "requestTimeout" "The request did not arrive in time.";
    /// A service worker script was asked for.
    ServiceWorkerRefused = 403 "serviceWorkerRefused" "Service workers are not served here.";
    /// No connection is free for an unproven caller.
    TooManyConnections = 503 "tooManyConnections" "Too many connections are open.";

    // Who calls, and by which name.
    /// The peer is another user's process, or cannot be told.
    PeerNotAllowed = 403 "peerNotAllowed" "Only processes of the user who started doorward may connect.";
    /// `Host` is not one of ours.
    HostNotAllowed = 403 "hostNotAllowed" "This host name is not served here. Over ssh, forward equal port numbers: ssh -L P:127.0.0.1:P.";
    /// No door stands at this path.
    UnknownRoute = 404 "unknownRoute" "There is nothing here.";
    /// `Sec-Fetch-Site` or `Sec-Fetch-Mode` says this is not our page.
    FetchMetadataRejected = 403 "fetchMetadataRejected" "Only the console's own page may call this.";
    /// `Sec-Fetch-Dest` is a use that this answer must not be put to.
    DestinationNotAllowed = 403 "destinationNotAllowed" "This may not be loaded that way.";
    /// No `Origin` where one is needed.
    OriginMissing = 403 "originMissing" "The request names no origin.";
    /// An `Origin` that is not allowed.
    OriginNotAllowed = 403 "originNotAllowed" "This origin is not allowed here.";
    /// Too many failed proofs; the door stays shut for a while.
    LockedOut = 429 "lockedOut" "Too many failed attempts. Wait, then try again.";

    // Proof.
    /// The ticket is unknown, used or too old.
    TicketInvalid = 403 "ticketInvalid" "This launch link was used already or is too old. Run `doorward open` for a new one.";
    /// No session cookie of ours.
    BrowserSessionRequired = 401 "browserSessionRequired" "Sign in first: run `doorward open`.";
    /// The session ended.
    BrowserSessionExpired = 401 "browserSessionExpired" "The session has ended. Run `doorward open` for a new one.";
    /// The tab proof is missing or wrong.
    TabProofRequired = 401 "tabProofRequired" "This tab has not signed in. Run `doorward open`.";
    /// A capability that was never given, or is long gone.
    GrantUnknown = 404 "grantUnknown" "There is nothing here.";
    /// A capability past its time.
    GrantExpired = 403 "grantExpired" "This address has expired.";
    /// A capability that was taken back.
    GrantRevoked = 403 "grantRevoked" "This address was revoked.";
    /// A native caller without credentials that can be checked.
    NativeOnly = 403 "nativeOnly" "Only native callers may use this.";
    /// A request without a signature, where a page has to be paired.
    SignatureRequired = 401 "signatureRequired" "Sign the request: this page has to be paired.";
    /// The signature is wrong, or of nobody that is known. Which is not told.
    SignatureInvalid = 401 "signatureInvalid" "The signature does not match the request.";
    /// Signed for another run.
    InstanceChanged = 401 "instanceChanged" "The companion was started again. Say hello, then sign again.";
    /// The signature is too old, or from the future.
    ClockSkew = 401 "clockSkew" "The clocks of page and companion differ, or the request was on its way for too long.";
    /// The signature was used before.
    Replayed = 401 "replayed" "This request was sent before.";
    /// The body is not the one that was signed.
    BodyMismatch = 401 "bodyMismatch" "The body is not the one that was signed.";
    /// A WebSocket without a ticket that is good there.
    SocketTicketInvalid = 401 "socketTicketInvalid" "This ticket is not good here. Ask for a new one.";
    /// No stamp, where a page has to be paired.
    StampMissing = 403 "stampMissing" "The request carries no proof that this page is paired.";
    /// No page of this origin is paired this way.
    PageNotPaired = 403 "pageNotPaired" "This page is not paired.";
    /// A stamp that is too old, or from the future.
    StampStale = 403 "stampStale" "The clocks of page and computer differ, or the request was on its way for too long.";
    /// A stamp that the page's secret did not make.
    StampInvalid = 403 "stampInvalid" "The proof does not match.";
    /// Over the caller's rate.
    RateLimited = 429 "rateLimited" "Too many requests. Wait, then try again.";
    /// As many requests of this surface run as may.
    Busy = 503 "busy" "Too many requests are running. Try again.";

    // What is asked, and how.
    /// A state change without a CSRF token.
    CsrfMissing = 403 "csrfMissing" "The request carries no CSRF token.";
    /// A state change with a wrong CSRF token.
    CsrfMismatch = 403 "csrfMismatch" "The CSRF token does not match.";
    /// The path has no such method.
    MethodNotAllowed = 405 "methodNotAllowed" "This method is not allowed here.";
    /// A body without a content type.
    MissingContentType = 415 "missingContentType" "Send Content-Type: application/json.";
    /// A content type other than JSON, or an encoded body.
    UnsupportedContentType = 415 "unsupportedContentType" "Only application/json is taken, without content encoding.";
    /// The body is over the limit.
    BodyTooLarge = 413 "bodyTooLarge" "The request body is too large.";
    /// The body is not the JSON that is expected.
    InvalidJson = 400 "invalidJson" "The request body is not the JSON that is expected.";
    /// The body has a field that does not exist.
    UnknownField = 400 "unknownField" "The request body has an unknown field.";
    /// The body claims an authority that only the server may give.
    AuthorityFieldRejected = 400 "authorityFieldRejected" "The request body claims an authority that only the server gives.";
    /// JSON, but not of the shape that is expected.
    UnexpectedShape = 422 "unexpectedShape" "The request body has not the fields that are expected.";
    /// A form that breaks off, or has not the field that is expected.
    UnexpectedForm = 400 "unexpectedForm" "The form is not whole, or not the one that is expected.";
    /// A query parameter is malformed.
    InvalidQuery = 400 "invalidQuery" "The query is malformed.";

    // Pairing.
    /// Pairing is switched off.
    PairingOff = 403 "pairingOff" "Pairing is switched off on this computer.";
    /// Pages may ask only after a gesture.
    PairingNotNow = 403 "pairingNotNow" "Run `doorward pair allow` on this computer, then try again within two minutes.";
    /// The message is not the protocol's.
    PairingMalformed = 400 "malformed" "The pairing message is not the one that is expected.";
    /// Another version of the protocol.
    VersionMismatch = 400 "versionMismatch" "The page and the companion speak different versions of the pairing protocol. Update the older one.";
    /// As many attempts run as may.
    TooManyAttempts = 503 "tooManyAttempts" "Too many pages ask to be paired. Try again in ten seconds.";
    /// Another request is shown.
    PairingBusy = 409 "pairingBusy" "Another pairing waits for an answer. Try again when it is over.";
    /// The windows are used up.
    GestureNeeded = 429 "gestureNeeded" "Too many pairings were asked for. Run `doorward pair allow` on this computer, then try again.";
    /// There is no such pairing.
    PairingGone = 404 "pairingGone" "This pairing is over. Start again.";
    /// The page broke its commitment.
    CommitmentMismatch = 403 "commitmentMismatch" "The page did not keep to its commitment. Start again.";
    /// A public key that gives no secret.
    WeakKey = 400 "weakKey" "The page's public key cannot be used.";
    /// The page's proof is wrong.
    ProofInvalid = 403 "proofInvalid" "The page's confirmation does not match. Start again.";
    /// An approval that no person meant.
    TooSoon = 409 "tooSoon" "The window had only just opened. Look at the code, then approve.";
    /// The code has to be typed.
    CodeNeeded = 409 "codeNeeded" "Type the six digits that the page shows.";
    /// Other digits were typed.
    CodeWrong = 403 "codeWrong" "These are not the digits of this pairing. Something stands between the page and this computer: do not try again before you know what.";
    /// More was approved than asked for.
    NotAsked = 400 "notAsked" "The page did not ask for this.";
    /// It was approved before.
    AlreadyApproved = 409 "alreadyApproved" "This pairing is approved already.";
    /// The person has not answered yet.
    PairingPending = 409 "pairingPending" "The pairing waits for the person at this computer.";
    /// The vault did not keep the pairing.
    PairingNotKept = 503 "pairingNotKept" "This computer could not keep the pairing, so there is none. It tells its person why.";
    /// No face can ask the person.
    ApprovalUnavailable = 403 "approvalUnavailable" "Nobody is asked on this computer: approval is switched off there.";
    /// There is no keyring for pairings.
    VaultAbsent = 503 "vaultAbsent" "Nothing was paired: there is no keyring to keep it in. Start doorward in a desktop session, or with --vault memory.";
    /// It is locked.
    VaultLocked = 503 "vaultLocked" "Nothing was paired: the keyring is locked. Unlock it, then start the pairing again.";
    /// It does not work.
    VaultFailed = 503 "vaultFailed" "Nothing was paired: the keyring does not work. Look at it with its own program, such as seahorse or kwalletmanager.";
    /// What is kept cannot be listed.
    VaultUnlisted = 503 "vaultUnlisted" "The list of pairings in doorward's state folder cannot be written. Look at its permissions and at the space on its disk.";
    /// It ended, and may come back.
    PairingMayReturn = 503 "pairingMayReturn" "The pairing has ended, but neither the keyring nor the state folder could be told: it may come back when doorward starts again. Mend them, then forget it again.";

    // Folders of this computer.
    /// A folder that is not shared, or not with this page: which is not told.
    FolderUnknown = 404 "folderUnknown" "No such folder is shared with this page.";
    /// The page has not this right in this folder.
    RightMissing = 403 "rightMissing" "This page may not do that in this folder.";
    /// A path that could lead out, or has a second spelling.
    PathRefused = 400 "pathRefused" "This is no path inside of a folder. Write names with / between them, without dots that climb.";
    /// A name that no new file gets.
    NameRefused = 400 "nameRefused" "Choose another name: this one is empty, too long, reserved on some system, or has characters that mislead.";
    /// Nothing is at this path.
    PathUnknown = 404 "pathUnknown" "There is nothing at this path.";
    /// A link on the way leads out, or nowhere: told where pages know the difference.
    PathLeadsOut = 403 "pathLeadsOut" "This path leads out of the folder, or nowhere.";
    /// A folder was needed.
    NotAFolder = 409 "notAFolder" "This is not a folder.";
    /// A file was needed.
    NotAFile = 409 "notAFile" "This is not a file.";
    /// The shared folder itself stays as it is.
    RootRefused = 409 "rootRefused" "The shared folder itself cannot be changed.";
    /// Its drive is not plugged in, or it was removed.
    FolderAbsent = 409 "folderAbsent" "This folder is not there now. Its drive may be unplugged.";
    /// As many threads wait for this folder as may.
    FolderBusy = 503 "folderBusy" "This folder is slow to answer. Try again.";
    /// It did not answer in time.
    FolderSlow = 504 "folderSlow" "This folder does not answer. Its drive or network may be gone.";
    /// The system says no.
    AccessDenied = 403 "accessDenied" "This computer does not let doorward do that.";
    /// A drive or file that cannot be written to.
    ReadOnly = 403 "readOnly" "This drive or file is read-only.";
    /// No space, or the quota is used up.
    DiskFull = 507 "diskFull" "There is no space left on this drive. What was there is unchanged.";
    /// Another program has it open in a way that keeps it.
    InUse = 409 "inUse" "Another program is using this.";
    /// Something is there already.
    AlreadyExists = 409 "alreadyExists" "Something has this name already.";
    /// Source and target are one file, however they are spelled.
    SameFile = 409 "sameFile" "This is the same file. Nothing was changed.";
    /// A folder into itself, or into one that is in it.
    InsideItself = 409 "insideItself" "A folder cannot be put into itself.";
    /// It is another than it was.
    ChangedMeanwhile = 409 "changedMeanwhile" "This was changed meanwhile, so it was left as it is.";
    /// A device, a socket or a pipe.
    KindUnsupported = 409 "kindUnsupported" "Devices, sockets and pipes are never opened.";
    /// Deeper than any real folder.
    TooDeep = 409 "tooDeep" "The folders in this one are nested too deeply.";
    /// There is no trash for this drive.
    TrashUnavailable = 409 "trashUnavailable" "There is no trash for this drive. It can be deleted permanently.";
    /// Not what is opened in the native application.
    OpenRefused = 403 "openRefused" "Only documents, pictures, sound and films are opened; never programs, scripts or launchers.";
    /// What was to be opened is gone.
    RecentMissing = 404 "recentMissing" "There is nothing at this path to open.";
    /// What was to be opened is no file.
    RecentNotAFile = 400 "recentNotAFile" "This is not a file.";
    /// Nothing on this computer opens it.
    OpenFailed = 409 "openFailed" "No program of this computer could be started for this file.";
    /// The page to continue after is none of this listing.
    CursorRefused = 400 "cursorRefused" "The place to continue from is not one of this listing.";
    /// No upload of this page has this id.
    UploadUnknown = 404 "uploadUnknown" "There is no such upload.";
    /// A chunk that does not begin where the upload is.
    OffsetMismatch = 409 "offsetMismatch" "The chunk does not begin where the upload is.";
    /// A chunk without a signed offset, an empty one, or one that goes over the end.
    ChunkRefused = 400 "chunkRefused" "Send chunks that are not empty, with their offset, up to the size that was said.";
    /// Some of it is missing.
    UploadIncomplete = 409 "uploadIncomplete" "The upload is not complete.";
    /// The whole is not what was announced.
    DigestMismatch = 409 "digestMismatch" "What arrived is not what was announced. Upload it again.";
    /// No job of this page has this id.
    JobUnknown = 404 "jobUnknown" "There is no such job.";
    /// It was cancelled.
    JobCancelled = 409 "jobCancelled" "This was cancelled.";
    /// The drive answered with an error.
    DriveFailed = 500 "driveFailed" "The drive answered with an error.";

    // What changes in them.
    /// A subscription of this name exists.
    WatchIdTaken = 409 "watchIdTaken" "A subscription has this id already.";
    /// There is no such subscription.
    WatchUnknown = 404 "watchUnknown" "There is no subscription with this id.";
    /// The system watches no more folders for this user.
    WatchLimit = 503 "watchLimit" "This computer watches no more folders for its user. On Linux, raise fs.inotify.max_user_watches or max_user_instances.";
    /// Not on this system.
    WatchUnsupported = 501 "watchUnsupported" "Folders cannot be watched on this system.";
    // The operator room: what a gateway denies, and who may try.
    /// Another browser session has the gateway, or is signing in to it.
    SessionAlreadyInUse = 409 "sessionAlreadyInUse" "The gateway is in use by another browser session.";
    /// A gateway or address that nobody opened to the console.
    GatewayNotAllowed = 403 "gatewayNotAllowed" "This gateway is not open to the console. Name it when doorward starts.";
    /// A destructive operation that nobody confirmed.
    ConfirmationNeeded = 409 "confirmationNeeded" "This cannot be undone: confirm it.";
    /// The token of the automation report is missing or wrong.
    AutomationTokenInvalid = 403 "automationTokenInvalid" "The automation token is missing or wrong.";
    /// What was asked does not fit the operation.
    BadRequest = 400 "badRequest" "The request does not fit what is asked for.";
    /// The gateway's policy has no such way to sign in.
    DisabledAuthMethod = 403 "disabledAuthMethod" "The gateway does not offer this way to sign in.";
    /// Unknown account or wrong proof: which is not told.
    AuthenticationDenied = 403 "authenticationDenied" "The gateway does not accept these credentials.";
    /// Nobody is signed in to the gateway.
    Unauthenticated = 401 "unauthenticated" "Sign in to the gateway first.";
    /// There is no such capability in this session.
    UnknownCap = 404 "unknownCap" "This session has no such capability.";
    /// The capability is not of the kind that was expected.
    InterfaceMismatch = 409 "interfaceMismatch" "The capability is of another kind than expected. Load the list again.";
    /// The session on the gateway is over.
    StaleSession = 410 "staleSession" "The session on the gateway is over. Sign in again.";
    /// The operation is not allowed, or does not exist.
    MethodDenied = 403 "methodDenied" "The gateway does not allow this operation.";
    /// The gateway has nothing that could do it now.
    ServiceUnavailable = 503 "serviceUnavailable" "The gateway cannot do this now.";
    /// The gateway took too long.
    UpstreamTimeout = 504 "upstreamTimeout" "The gateway did not answer in time.";
    /// The connection to the gateway is gone, or never came about.
    UpstreamDisconnected = 502 "upstreamDisconnected" "The gateway cannot be reached, or the connection broke off.";
    /// The gateway's answer is over the limit.
    ResultTooLarge = 502 "resultTooLarge" "The gateway's answer is too large to show.";
    /// The gateway is not the one that was pinned.
    HostKeyMismatch = 502 "hostKeyMismatch" "The gateway's key is not the pinned one: it may be another machine. Nothing was sent.";
    /// The gateway says that somebody else holds it.
    NotOwner = 409 "notOwner" "Somebody else holds this on the gateway.";

    // What rooms refuse.
    /// An id that names nothing.
    NotFound = 404 "notFound" "There is no such thing.";
    /// A source outside of what was configured.
    SourceNotAllowed = 403 "sourceNotAllowed" "This source is not open to the console. Name it when doorward starts.";
    /// A table is full.
    CapacityReached = 503 "capacityReached" "No more of these can be held at once. Revoke some, then try again.";
    /// A part that failed; the log says how.
    Internal = 500 "internal" "Something failed inside doorward. The log has the request id.";
}

impl Rule {
    /// Whether the caller tried to prove itself and could not: what a guess
    /// looks like.
    #[must_use]
    pub fn is_failed_proof(self) -> bool {
        matches!(
            self,
            Self::TicketInvalid
                | Self::BrowserSessionRequired
                | Self::BrowserSessionExpired
                | Self::TabProofRequired
                | Self::GrantUnknown
                | Self::SignatureRequired
                | Self::SignatureInvalid
                | Self::InstanceChanged
                | Self::SocketTicketInvalid
                | Self::StampMissing
                | Self::PageNotPaired
                | Self::StampInvalid
                | Self::PairingGone
                | Self::CommitmentMismatch
                | Self::WeakKey
                | Self::ProofInvalid
                | Self::GestureNeeded
                | Self::PairingNotNow
                | Self::PairingBusy
        )
    }
}

/// The body of every refusal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial<'a> {
    /// The stable name.
    pub denial: &'a str,
    /// What happened, for people.
    pub message: &'a str,
    /// Finds the audit event and the log line.
    pub request_id: &'a str,
    /// The caller may try again after this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<&'a str>,
    /// Our time in seconds since 1970, where the clocks differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<u64>,
    /// What the caller needs to go on.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub more: Option<&'a Map<String, Value>>,
}

// === impl Refusal ===

impl Refusal {
    /// The rule that was broken.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The status: the rule's, or 403 where a 404 would mislead.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.rule.status() {
            StatusCode::NOT_FOUND if self.forbidden => StatusCode::FORBIDDEN,
            status => status,
        }
    }

    /// Never answers 404.
    #[must_use]
    pub fn never_not_found(mut self) -> Self {
        self.forbidden = true;
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds the methods that would be allowed.
    #[must_use]
    pub fn allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    /// Adds since when the obstacle has stood.
    #[must_use]
    pub fn since(mut self, at: impl Into<String>) -> Self {
        self.since = Some(at.into());
        self
    }

    /// Adds what the caller needs to go on.
    #[must_use]
    pub fn more(mut self, key: &str, value: Value) -> Self {
        let more = self.more.get_or_insert_default();
        more.insert(key.to_owned(), value);
        self
    }

    /// Adds what only the log may say.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.rule.message())
    }
}

impl std::error::Error for Refusal {}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Self {
            rule,
            forbidden: false,
            retry_after: None,
            allow: None,
            since: None,
            now: None,
            more: None,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_an_error_status_and_a_sentence() {
        for rule in Rule::ALL {
            assert!(rule.status().as_u16() >= 400, "{rule:?}");
            assert!(rule.message().ends_with('.'), "{rule:?}");
            assert!(rule.name().chars().all(char::is_alphanumeric), "{rule:?}");
        }
    }
}
