//! The head gate: reads every request head before hyper does.
//!
//! hyper lets through what no browser sends and what two parsers read
//! differently, and its own 400 and 431 cannot be sealed or audited. So each
//! head is judged here first, and only a head that passed whole is released to
//! hyper. Requests are framed by `Content-Length` alone. The gate does no I/O:
//! it is told what arrived and says what may pass.
//!
//! It refuses, and the connection ends:
//!
//! - request lines over the limit (414), header lines, their number or their
//!   sum over the limit (431), as soon as the limit is passed;
//! - methods other than the seven of [`METHODS`] (405);
//! - `Transfer-Encoding` (411, with `Content-Length` 400; RFC 9112 §6.1, §6.3),
//!   `Expect` other than `100-continue` (417; RFC 9110 §10.1.1), `Service-Worker` (403);
//! - as malformed (400): versions other than 1.0 and 1.1, the HTTP/2 preface and
//!   upgrade; lines that end in a bare LF or hold a bare CR, NUL or another control
//!   byte (RFC 9112 §2.2); empty lines before the request line; folded lines, a
//!   space before the colon, names that are no token (RFC 9112 §5); bytes above
//!   0x7F anywhere but in `Cookie`; targets that are neither a path nor an absolute
//!   `http` URL whose authority equals `Host`, or that hold a fragment (RFC 9112
//!   §3.2); no `Host`, two, or one that is no single `name[:port]`; two `Origin`
//!   or one that is empty or a list; `Content-Length` twice, listed, signed or
//!   too large to count (RFC 9112 §6.3); a body on GET or HEAD; two cookies of
//!   our name.
//!
//! What the gate decides depends on the bytes alone, never on how the network
//! cut them into pieces.

mod bytes;
mod head;
#[cfg(test)]
mod tests;

use crate::defaults;
use crate::refusal::Refusal;
use head::Head;
pub use head::METHODS;

/// What a head may measure, in bytes without line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The request line.
    pub request_line: usize,
    /// The request line of a target beneath `/r/`, where it is more.
    pub relay_request_line: usize,
    /// One header line other than `Cookie`.
    pub header_line: usize,
    /// One `Cookie` line.
    pub cookie_line: usize,
    /// The number of header lines.
    pub header_count: usize,
    /// All header lines together.
    pub headers_total: usize,
    /// The name of our cookie, which may come once. `None`: `Cookie` is never
    /// parsed.
    pub our_cookie: Option<String>,
}

/// What to do with the bytes that were shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Keep them all, and come back with more behind them.
    NeedMore,
    /// This many, from the first on, may pass. Come back with the rest.
    Release(usize),
    /// None may pass, now or later. Answer this and close.
    Refuse(Refusal),
}

/// One connection's gate.
#[derive(Debug)]
pub struct HeadGate {
    limits: HeadLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between two requests, or in a head.
    Head(Head),
    /// So many bytes of a body are still to come; never zero.
    Body(u64),
    Open,
    Refused(Refusal),
}

// === impl HeadLimits ===

impl HeadLimits {
    /// The control listener, where the session cookie has this name.
    #[must_use]
    pub fn control(cookie_name: impl Into<String>) -> Self {
        Self {
            our_cookie: Some(cookie_name.into()),
            ..Self::plain()
        }
    }

    /// The content listener: media and relay.
    #[must_use]
    pub fn content() -> Self {
        Self {
            relay_request_line: defaults::RELAY_REQUEST_LINE,
            ..Self::plain()
        }
    }

    /// The companion listener.
    #[must_use]
    pub fn companion() -> Self {
        Self::plain()
    }

    /// The native socket.
    #[must_use]
    pub fn native() -> Self {
        Self::plain()
    }

    fn plain() -> Self {
        Self {
            request_line: defaults::REQUEST_LINE,
            relay_request_line: defaults::REQUEST_LINE,
            header_line: defaults::HEADER_LINE,
            cookie_line: defaults::COOKIE_LINE,
            header_count: defaults::HEADER_COUNT,
            headers_total: defaults::HEADERS_TOTAL,
            our_cookie: None,
        }
    }
}

// === impl HeadGate ===

impl HeadGate {
    /// A gate for a new connection.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            state: State::Head(Head::default()),
        }
    }

    /// Judges what arrived.
    ///
    /// `input` is everything received and not yet released, so after
    /// [`Step::NeedMore`] it starts with the same bytes again; the gate remembers
    /// how far it has looked. A head is released whole, a body in parts as they
    /// come. One call releases at most one head: ask again while bytes are left.
    pub fn step(&mut self, input: &[u8]) -> Step {
        match &mut self.state {
            State::Head(head) => match head.read(&self.limits, input) {
                Ok(None) => Step::NeedMore,
                Ok(Some(judged)) => {
                    self.state = match judged.body {
                        0 => State::Head(Head::default()),
                        left => State::Body(left),
                    };
                    Step::Release(judged.length)
                }
                Err(refusal) => {
                    self.state = State::Refused(refusal.clone());
                    Step::Refuse(refusal)
                }
            },
            State::Body(left) => {
                let here = u64::try_from(input.len()).unwrap_or(u64::MAX);
                if here < *left {
                    *left -= here;
                    release(input.len())
                } else {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX);
                    self.state = State::Head(Head::default());
                    release(part)
                }
            }
            State::Open => release(input.len()),
            State::Refused(refusal) => Step::Refuse(refusal.clone()),
        }
    }

    /// Lets everything through from here on: call it when a 101 is decided,
    /// before the client can see it. A refusal stays a refusal.
    pub fn open(&mut self) {
        if !matches!(self.state, State::Refused(_)) {
            self.state = State::Open;
        }
    }

    /// Part of a head has been shown, and its end has not.
    #[must_use]
    pub fn in_head(&self) -> bool {
        matches!(&self.state, State::Head(head) if head.begun())
    }

    /// Nothing of a next head has been shown.
    #[must_use]
    pub fn between(&self) -> bool {
        matches!(&self.state, State::Head(head) if !head.begun())
    }
}

fn release(count: usize) -> Step {
    if count == 0 {
        Step::NeedMore
    } else {
        Step::Release(count)
    }
}
