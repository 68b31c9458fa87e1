//! What the server may say, and how much of it is kept.
//!
//! Every message has its kind and its length in front, so they are looked at before
//! the client library sees them. A question for the password in clear, or hashed as
//! of old, is an objection unless the server has proved who it is. A row that is over
//! the bound is left out and noted, so that it takes no memory and ends no session;
//! any other message of that size ends it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connected, Duplex};
use crate::defaults;

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
    objected: Cell<bool>,
    left_out: Cell<bool>,
}

/// Reads kinds and lengths, and follows messages to their end.
struct Reader {
    proven: bool,
    /// Nobody is signed in yet.
    signing_in: bool,
    head: Vec<u8>,
    body: usize,
    leaves_out: bool,
    seen: Seen,
}

/// Kind and length.
const HEAD: usize = 5;
const AUTHENTICATION: u8 = b'R';
const ROW: u8 = b'D';
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
            let code = match rest {
                [a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
                _ if body < 4 => return Err(wrong("a question without a kind")),
                // Which one it is comes next.
                _ => return Ok(()),
            };
            self.ask(code)?;
        }
        let too_large = body > defaults::MESSAGE;
        if too_large && kind != ROW {
            return Err(wrong("a message is over the bound"));
        }
        self.leaves_out = too_large;
        if too_large {
            self.seen.0.left_out.set(true);
        } else {
            passed.extend_from_slice(&self.head);
        }
        self.body = body - extra;
        self.head.clear();
        Ok(())
    }

    fn ask(&mut self, code: u32) -> io::Result<()> {
        match code {
            0 => self.signing_in = false,
            // In clear, and by MD5.
            3 | 5 if !self.proven => {
                self.seen.0.objected.set(true);
                return Err(wrong("it asks for the password without SCRAM or TLS"));
            }
            _ => self.seen.0.asked.set(true),
        }
        Ok(())
    }
}

// === impl Seen ===

impl Seen {
    /// Whether the server asked for a proof.
    pub(super) fn asked(&self) -> bool {
        self.0.asked.get()
    }

    /// Whether it asked in a way that gets none.
    pub(super) fn objected(&self) -> bool {
        self.0.objected.get()
    }

    /// Whether rows were left out since this was last asked.
    pub(super) fn left_out(&self) -> bool {
        self.0.left_out.take()
    }
}

fn wrong(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(proven: bool) -> (Reader, Seen) {
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

    #[test]
    fn a_password_goes_by_scram_or_to_a_server_that_is_proven() {
        for (code, proven, objected) in [
            (3, false, true),
            (5, false, true),
            (10, false, false),
            (3, true, false),
            (5, true, false),
        ] {
            let (mut reader, seen) = reader(proven);
            let question = message(b'R', &[&[0, 0, 0, code], &b"salt"[..]].concat());
            let mut passed = BytesMut::new();
            let looked = reader.look(&question, &mut passed);
            assert_eq!(looked.is_err(), objected, "{code} {proven}");
            assert_eq!(seen.objected(), objected);
            assert_eq!(seen.asked(), !objected);
            assert_eq!(passed.is_empty(), objected);
        }
    }

    #[test]
    fn op_m2_a_row_over_the_bound_is_left_out_and_what_follows_it_is_read() {
        let (mut reader, seen) = reader(false);
        let large = vec![b'x'; defaults::MESSAGE + 1];
        let (before, after) = (message(b'D', b"a"), message(b'C', b"SELECT 2\0"));
        let sent = [before.clone(), message(b'D', &large), after.clone()].concat();
        let mut passed = BytesMut::new();
        for part in sent.chunks(1000) {
            reader.look(part, &mut passed).unwrap();
        }
        assert_eq!(passed, [before, after].concat());
        assert!(seen.left_out() && !seen.left_out());
        let mut passed = BytesMut::new();
        assert!(reader.look(&message(b'E', &large), &mut passed).is_err());
    }

    proptest! {
        #[test]
        fn messages_pass_as_they_are_however_they_are_cut(
            bodies in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
            part in 1usize..20,
        ) {
            let (mut reader, _) = reader(true);
            reader.signing_in = false;
            let sent: Vec<u8> = bodies.iter().flat_map(|(kind, body)| message(*kind, body)).collect();
            let mut passed = BytesMut::new();
            for part in sent.chunks(part) {
                reader.look(part, &mut passed).unwrap();
            }
            prop_assert_eq!(&passed[..], &sent[..]);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut reader, _) = reader(false);
            let _ = reader.look(&noise, &mut BytesMut::new());
        }
    }
}
