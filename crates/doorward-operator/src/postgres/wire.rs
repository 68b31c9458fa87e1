//! What the server may say, and how much of it is kept.
//!
//! Every message has its kind and its length in front, so they are looked at before
//! the client library sees them. Until somebody is signed in, some are objections:
//! a question for the password in clear, hashed as of old or with few rounds, unless
//! the server has shown its certificate; and none at all, unless it is known by its
//! certificate or its socket. A row that is over the bound is left out and noted, so
//! that it takes no memory and ends no session; any other message of that size ends
//! it. So do more answers than one statement has use for. What the server says unasked
//! (notices, its parameters) is left out: nothing here uses it, and the library would
//! keep all of it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connected, Duplex, Proven};
use crate::defaults;
use crate::denial::{Denial, Denied};

/// A stream whose messages are looked at.
pub(super) struct Watched {
    stream: Box<dyn Duplex>,
    reader: Reader,
    /// What was looked at and not yet taken.
    passed: BytesMut,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Rc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    asked: Cell<bool>,
    /// It has what a password can be guessed from, or the password.
    told: Cell<bool>,
    objection: Cell<Option<Objection>>,
    left_out: Cell<bool>,
    /// The library asks for types, and keeps all of the answers.
    looking: Cell<bool>,
    lookups: Cell<usize>,
    looked_up: Cell<usize>,
}

/// Why a server is told nothing.
type Objection = (Denial, &'static str);

/// Reads kinds and lengths, and follows messages to their end.
struct Reader {
    proven: Proven,
    /// Nobody is signed in yet.
    signing_in: bool,
    /// It said that it knows the password, which the library checks.
    vouched: bool,
    head: Vec<u8>,
    body: usize,
    leaves_out: bool,
    seen: Seen,
}

/// Kind and length.
const HEAD: usize = 5;
const AUTHENTICATION: u8 = b'R';
const ROW: u8 = b'D';
/// Parameters, notices, notifications.
const UNASKED: [u8; 3] = [b'S', b'N', b'A'];
/// A statement was prepared, or bound.
const ANSWERS: [u8; 2] = [b'1', b'2'];

/// Kinds of authentication messages.
const SIGNED_IN: u32 = 0;
const IN_CLEAR: u32 = 3;
const BY_MD5: u32 = 5;
const CHALLENGE: u32 = 11;
const VOUCHES: u32 = 12;

/// What is read at once.
const CHUNK: usize = 8 * 1024;

// === impl Watched ===

impl Watched {
    pub(super) fn over(connected: Connected, seen: Seen) -> Self {
        Self {
            stream: connected.stream,
            reader: Reader {
                proven: connected.proven,
                signing_in: true,
                vouched: false,
                head: Vec::with_capacity(HEAD + 4),
                body: 0,
                leaves_out: false,
                seen,
            },
            passed: BytesMut::new(),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.passed.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.reader.look(read.filled(), &mut this.passed)?;
        }
        let taken = this.passed.len().min(buffer.remaining());
        buffer.put_slice(&this.passed.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

// === impl Reader ===

impl Reader {
    fn look(&mut self, mut bytes: &[u8], passed: &mut BytesMut) -> io::Result<()> {
        while let Some(first) = bytes.first() {
            if self.body > 0 {
                let taken = self.body.min(bytes.len());
                if !self.leaves_out {
                    passed.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                }
                bytes.advance(taken);
                self.body -= taken;
                continue;
            }
            self.head.push(*first);
            bytes.advance(1);
            self.judge(passed)?;
        }
        Ok(())
    }

    /// Lets a head through once it is known what it is of.
    fn judge(&mut self, passed: &mut BytesMut) -> io::Result<()> {
        let (kind, length, rest) = match self.head.as_slice() {
            [kind, a, b, c, d, rest @ ..] => (*kind, [*a, *b, *c, *d], rest),
            _ => return Ok(()),
        };
        let extra = rest.len();
        let length = u32::from_be_bytes(length);
        let body = length
            .checked_sub(4)
            .and_then(|body| usize::try_from(body).ok())
            .ok_or_else(|| wrong("a message is shorter than its length"))?;
        let question = self.signing_in && kind == AUTHENTICATION;
        if question {
            let Some((code, said)) = rest.split_first_chunk() else {
                return match body < 4 {
                    true => Err(wrong("a question without a kind")),
                    // Which one it is comes next.
                    false => Ok(()),
                };
            };
            let code = u32::from_be_bytes(*code);
            if code == CHALLENGE {
                if body > defaults::CHALLENGE {
                    return Err(wrong("a challenge is over the bound"));
                }
                if extra < body {
                    return Ok(());
                }
            }
            let rounds = rounds(said);
            self.ask(code, rounds)?;
        }
        let too_large = body > defaults::MESSAGE;
        if too_large && kind != ROW {
            return Err(wrong("a message is over the bound"));
        }
        if too_large {
            self.seen.0.left_out.set(true);
        }
        if ANSWERS.contains(&kind) {
            self.seen.answered()?;
        }
        if kind == ROW {
            self.seen.given(body)?;
        }
        self.leaves_out = too_large || UNASKED.contains(&kind);
        if !self.leaves_out {
            passed.extend_from_slice(&self.head);
        }
        self.body = body - extra;
        self.head.clear();
        Ok(())
    }

    fn ask(&mut self, code: u32, rounds: u32) -> io::Result<()> {
        let certain = self.proven == Proven::Certificate;
        match code {
            SIGNED_IN if self.proven == Proven::Nothing && !self.vouched => {
                let why = "it asks for nothing, and has proved nothing";
                return Err(self.seen.object((Denial::HostKeyMismatch, why)));
            }
            SIGNED_IN => self.signing_in = false,
            IN_CLEAR | BY_MD5 if !certain => {
                let why = "it asks for the password without SCRAM or TLS";
                return Err(self.seen.object((Denial::DisabledAuthMethod, why)));
            }
            CHALLENGE if !certain && rounds < defaults::SCRAM_ROUNDS => {
                let why = "it asks for so few rounds that the password could be guessed";
                return Err(self.seen.object((Denial::DisabledAuthMethod, why)));
            }
            IN_CLEAR | BY_MD5 | CHALLENGE => {
                self.seen.0.asked.set(true);
                self.seen.0.told.set(true);
            }
            VOUCHES => self.vouched = true,
            _ => self.seen.0.asked.set(true),
        }
        Ok(())
    }
}

/// The rounds in a challenge (`r=…,s=…,i=4096`); none where there are no other words.
fn rounds(challenge: &[u8]) -> u32 {
    let text = std::str::from_utf8(challenge).unwrap_or_default();
    let part = text.splitn(3, ',').nth(2).unwrap_or_default();
    let rounds = part.strip_prefix("i=").unwrap_or_default();
    rounds.parse().unwrap_or_default()
}

// === impl Seen ===

impl Seen {
    /// Whether the server asked for a proof.
    pub(super) fn asked(&self) -> bool {
        self.0.asked.get()
    }

    /// Whether it got one.
    pub(super) fn told(&self) -> bool {
        self.0.told.get()
    }

    /// Why it gets none.
    pub(super) fn objection(&self) -> Option<Denied> {
        let (denial, why) = self.0.objection.get()?;
        Some(denial.because(why))
    }

    /// A statement begins.
    pub(super) fn begins(&self) {
        self.0.left_out.set(false);
        self.0.looking.set(true);
        self.0.lookups.set(0);
        self.0.looked_up.set(0);
    }

    /// Its types are known: what comes now is its result.
    pub(super) fn is_prepared(&self) {
        self.0.looking.set(false);
    }

    /// Whether rows were left out since it began.
    pub(super) fn left_out(&self) -> bool {
        self.0.left_out.get()
    }

    fn object(&self, objection: Objection) -> io::Error {
        self.0.objection.set(Some(objection));
        wrong(objection.1)
    }

    /// A row's body, in bytes.
    fn given(&self, body: usize) -> io::Result<()> {
        if !self.0.looking.get() {
            return Ok(());
        }
        let looked_up = self.0.looked_up.get().saturating_add(HEAD + body);
        self.0.looked_up.set(looked_up);
        if looked_up > defaults::MESSAGE {
            return Err(wrong("it has types without bound"));
        }
        Ok(())
    }

    fn answered(&self) -> io::Result<()> {
        let lookups = self.0.lookups.get() + 1;
        self.0.lookups.set(lookups);
        if lookups > defaults::LOOKUPS {
            return Err(wrong("it has types without end"));
        }
        Ok(())
    }
}

fn wrong(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(proven: Proven) -> (Reader, Seen) {
        let seen = Seen::default();
        let connected = Connected {
            stream: Box::new(tokio::io::empty()),
            proven,
        };
        (Watched::over(connected, seen.clone()).reader, seen)
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    fn question(code: u32, said: &[u8]) -> Vec<u8> {
        message(b'R', &[&code.to_be_bytes(), said].concat())
    }

    #[test]
    fn a_password_goes_by_scram_or_to_a_server_with_a_certificate() {
        use Proven::{Certificate, Nothing, Owner};
        for (code, proven, objected) in [
            (IN_CLEAR, Nothing, true),
            (BY_MD5, Nothing, true),
            (IN_CLEAR, Owner, true),
            (BY_MD5, Owner, true),
            (10, Nothing, false),
            (IN_CLEAR, Certificate, false),
            (BY_MD5, Certificate, false),
        ] {
            let (mut reader, seen) = reader(proven);
            let mut passed = BytesMut::new();
            let looked = reader.look(&question(code, b"salt"), &mut passed);
            assert_eq!(looked.is_err(), objected, "{code} {proven:?}");
            let denied = seen.objection().map(|denied| denied.denial);
            assert_eq!(denied, objected.then_some(Denial::DisabledAuthMethod));
            assert_eq!(seen.asked(), !objected);
            assert_eq!(seen.told(), proven == Certificate);
            assert_eq!(passed.is_empty(), objected);
        }
    }

    #[test]
    fn whoever_asks_for_nothing_is_known_otherwise_or_believed_nothing() {
        for (proven, objected) in [
            (Proven::Nothing, true),
            (Proven::Owner, false),
            (Proven::Certificate, false),
        ] {
            let (mut reader, seen) = reader(proven);
            let looked = reader.look(&question(SIGNED_IN, b""), &mut BytesMut::new());
            assert_eq!(looked.is_err(), objected, "{proven:?}");
            let denied = seen.objection().map(|denied| denied.denial);
            assert_eq!(denied, objected.then_some(Denial::HostKeyMismatch));
        }
        let (mut reader, _) = reader(Proven::Nothing);
        let sent = [question(VOUCHES, b"v=AAAA"), question(SIGNED_IN, b"")].concat();
        reader.look(&sent, &mut BytesMut::new()).unwrap();
        assert!(!reader.signing_in);
    }

    #[test]
    fn a_challenge_has_enough_rounds_or_is_not_answered() {
        for (said, proven, good) in [
            ("r=a,s=b,i=4096", Proven::Nothing, true),
            ("r=a,s=b,i=4095", Proven::Nothing, false),
            ("r=a,s=b,i=1", Proven::Owner, false),
            ("r=a,s=b,i=1", Proven::Certificate, true),
            ("i=4096,r=a,s=b,i=1", Proven::Nothing, false),
            ("r=a,s=b", Proven::Nothing, false),
            ("", Proven::Nothing, false),
        ] {
            let (mut reader, seen) = reader(proven);
            let mut passed = BytesMut::new();
            let sent = question(CHALLENGE, said.as_bytes());
            let looked = sent.chunks(3).try_for_each(|part| {
                let looked = reader.look(part, &mut passed);
                // Nothing of it passes before all of it was read.
                assert!(passed.is_empty() || passed.len() == sent.len());
                looked
            });
            assert_eq!(looked.is_ok(), good, "{said}");
            assert_eq!(seen.told(), good, "{said}");
            assert_eq!(passed.is_empty(), !good, "{said}");
        }
        let (mut reader, _) = reader(Proven::Nothing);
        let long = question(CHALLENGE, &[b'x'; defaults::CHALLENGE]);
        assert!(reader.look(&long, &mut BytesMut::new()).is_err());
    }

    #[test]
    fn what_the_server_says_unasked_is_not_kept() {
        let (mut reader, _) = reader(Proven::Nothing);
        let said = UNASKED.map(|kind| message(kind, b"application_name\0x\0"));
        let mut passed = BytesMut::new();
        for part in said.concat().chunks(7) {
            reader.look(part, &mut passed).unwrap();
        }
        assert!(passed.is_empty());
        reader.look(&message(b'Z', b"I"), &mut passed).unwrap();
        assert_eq!(passed, message(b'Z', b"I"));
    }

    #[test]
    fn a_statement_has_so_many_answers() {
        for kind in ANSWERS {
            let (mut reader, seen) = reader(Proven::Nothing);
            let one = message(kind, b"");
            let mut passed = BytesMut::new();
            for _ in 0..2 {
                seen.begins();
                reader
                    .look(&one.repeat(defaults::LOOKUPS), &mut passed)
                    .unwrap();
            }
            assert!(reader.look(&one, &mut passed).is_err());
        }
    }

    #[test]
    fn what_is_said_about_types_is_bounded_and_a_result_by_whoever_reads_it() {
        let (mut reader, seen) = reader(Proven::Nothing);
        let row = message(b'D', &[b'x'; defaults::MESSAGE / 2]);
        let mut passed = BytesMut::new();
        seen.begins();
        reader.look(&row, &mut passed).unwrap();
        seen.is_prepared();
        reader.look(&row.repeat(3), &mut passed).unwrap();
        seen.begins();
        reader.look(&row, &mut passed).unwrap();
        assert!(reader.look(&row, &mut passed).is_err());
    }

    #[test]
    fn op_m2_a_row_over_the_bound_is_left_out_and_what_follows_it_is_read() {
        let (mut reader, seen) = reader(Proven::Nothing);
        let large = vec![b'x'; defaults::MESSAGE + 1];
        let (before, after) = (message(b'D', b"a"), message(b'C', b"SELECT 2\0"));
        let sent = [before.clone(), message(b'D', &large), after.clone()].concat();
        let mut passed = BytesMut::new();
        for part in sent.chunks(1000) {
            reader.look(part, &mut passed).unwrap();
        }
        assert_eq!(passed, [before, after].concat());
        assert!(seen.left_out());
        seen.begins();
        assert!(!seen.left_out());
        let mut passed = BytesMut::new();
        assert!(reader.look(&message(b'E', &large), &mut passed).is_err());
    }

    proptest! {
        #[test]
        fn messages_pass_as_they_are_however_they_are_cut(
            mut bodies in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
            part in 1usize..20,
        ) {
            let (mut reader, _) = reader(Proven::Certificate);
            reader.signing_in = false;
            bodies.retain(|(kind, _)| !UNASKED.contains(kind));
            let sent: Vec<u8> = bodies.iter().flat_map(|(kind, body)| message(*kind, body)).collect();
            let mut passed = BytesMut::new();
            for part in sent.chunks(part) {
                reader.look(part, &mut passed).unwrap();
            }
            prop_assert_eq!(&passed[..], &sent[..]);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut reader, _) = reader(Proven::Nothing);
            let _ = reader.look(&noise, &mut BytesMut::new());
        }
    }
}
