//! One answer read out of bytes, without a connection: for the fuzzers, which
//! live outside of this crate.

use bytes::BytesMut;
use http::Method;

use crate::chunked::{Chunks, Step};
use crate::head::{self, Framing};

/// What the bytes amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not an answer.
    Refused,
    /// An answer, as far as it goes.
    Answer {
        /// The status.
        status: u16,
        /// The bytes of its body that are there.
        body: Vec<u8>,
        /// Whether that is all of it.
        whole: bool,
        /// Whether its body is not one.
        broken: bool,
    },
    /// Its head is not whole.
    Partial,
}

/// Reads the answer to a `method` request, of which `bytes` arrive `step` at a time.
#[must_use]
pub fn read(bytes: &[u8], method: &Method, step: usize) -> Outcome {
    let mut held = BytesMut::new();
    let mut arriving = bytes.chunks(step.max(1));
    let head = loop {
        match head::take(&mut held, method) {
            Err(_) => return Outcome::Refused,
            Ok(Some(head)) => break head,
            Ok(None) => match arriving.next() {
                Some(chunk) => held.extend_from_slice(chunk),
                None => return Outcome::Partial,
            },
        }
    };
    let status = head.answer.status().as_u16();
    let mut body = Vec::new();
    let (mut whole, mut broken) = (false, false);
    let mut chunks = Chunks::default();
    loop {
        match &head.framing {
            Framing::Length(length) => {
                let missing = usize::try_from(*length)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(body.len());
                let taken = held.split_to(missing.min(held.len()));
                body.extend_from_slice(&taken);
                whole = body.len() as u64 == *length;
            }
            Framing::UntilClose => body.extend_from_slice(&held.split()),
            Framing::Chunked => loop {
                match chunks.step(&mut held) {
                    Ok(Step::Data(data)) => body.extend_from_slice(&data),
                    Ok(Step::More) => break,
                    Ok(Step::Done) => {
                        whole = true;
                        break;
                    }
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            },
        }
        if whole || broken {
            break;
        }
        match arriving.next() {
            Some(chunk) => held.extend_from_slice(chunk),
            None => break,
        }
    }
    Outcome::Answer {
        status,
        body,
        whole,
        broken,
    }
}
