//! The chunked transfer coding, read strictly: CRLF alone ends a line, sizes are
//! hexadecimal digits alone, extensions and trailers are bounded and dropped.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::defaults;
use crate::head::Malformed;

/// Where in the coding we are.
#[derive(Debug, Default)]
pub(crate) enum Chunks {
    #[default]
    Size,
    /// So many bytes of this chunk are still to come.
    Data(u64),
    /// The line end behind a chunk's bytes.
    DataEnd,
    /// The trailer section; so many bytes of it were dropped.
    Trailer(usize),
    Done,
}

/// What the bytes at hand amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Data(Bytes),
    More,
    Done,
}

impl Chunks {
    /// Takes what can be taken off `bytes`.
    pub(crate) fn step(&mut self, bytes: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = line(bytes)? else {
                        return Ok(Step::More);
                    };
                    *self = match size(&line)? {
                        0 => Self::Trailer(0),
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(Step::More);
                    }
                    let length = usize::try_from(*left).map_or(bytes.len(), |n| n.min(bytes.len()));
                    let data = bytes.split_to(length).freeze();
                    *left = left.saturating_sub(length as u64);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Step::Data(data));
                }
                Self::DataEnd => {
                    if bytes.len() < 2 {
                        return Ok(Step::More);
                    }
                    if !bytes.starts_with(b"\r\n") {
                        return Err(Malformed("a chunk is longer than it says"));
                    }
                    bytes.advance(2);
                    *self = Self::Size;
                }
                Self::Trailer(dropped) => {
                    let Some(line) = line(bytes)? else {
                        return Ok(Step::More);
                    };
                    *dropped += line.len() + 2;
                    if line.is_empty() {
                        *self = Self::Done;
                    } else if *dropped > defaults::TRAILERS {
                        return Err(Malformed("its trailers are too long"));
                    }
                }
                Self::Done => return Ok(Step::Done),
            }
        }
    }
}

/// One line without its end; `None` when it is not whole yet.
fn line(bytes: &mut BytesMut) -> Result<Option<BytesMut>, Malformed> {
    let seen = bytes.iter().take(defaults::CHUNK_LINE);
    let Some(end) = seen.into_iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() >= defaults::CHUNK_LINE {
            Err(Malformed("a chunk's line is too long"))
        } else {
            Ok(None)
        };
    };
    let mut line = bytes.split_to(end + 1);
    line.truncate(end);
    if line.last() != Some(&b'\r') {
        return Err(Malformed("a chunk's line ends without CR"));
    }
    line.truncate(end.saturating_sub(1));
    if line.contains(&b'\r') {
        return Err(Malformed("a CR inside of a chunk's line"));
    }
    Ok(Some(line))
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed("a chunk's size is no number"));
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Malformed("a chunk's size is no number"))
}
