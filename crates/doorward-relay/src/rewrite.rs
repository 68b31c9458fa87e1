//! Messages from an upstream, changed on their way, for the grants that ask.
//!
//! A stream that puts the frames of the upstream's messages together, shows each
//! whole message to an [`EditMessage`], and gives on what it leaves. A message
//! that stays is given on in the very frames that it came in; one that changes
//! comes in one frame. Control frames do not wait for a message that has begun.
//! What goes to the upstream passes untouched.
//!
//! What cannot be read is never let through, because what it names would escape:
//! a message of more than [`defaults::MESSAGE`] bytes ends the connection with
//! 1009 as soon as a header says so, an unreadable one with 1007, and frames that
//! no browser takes with 1002. Memory follows the bytes that have come, never the
//! length that a header claims.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::defaults;
use crate::frame::close_frame;
use crate::signal::Malformed;

/// Looks at whole messages.
pub trait EditMessage {
    /// The message in its new form; `None` if it stays as it is.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for what cannot be read; the connection ends.
    fn edit(&mut self, message: &[u8], is_text: bool) -> Result<Option<Vec<u8>>, Malformed>;
}

/// Why a connection was ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message is longer than is kept: 1009.
    TooBig,
    /// A message cannot be read: 1007.
    Unreadable,
    /// The frames are none that a browser takes: 1002.
    Frames,
}

/// The frames of one direction, server to client, without I/O.
pub struct Rewriter<E> {
    edit: E,
    /// Frames that are not whole.
    inbox: Vec<u8>,
    /// The data frames of a message that goes on, as they came.
    frames: Vec<u8>,
    /// Their payload, and whether it is text.
    message: Option<(bool, Vec<u8>)>,
    outbox: Vec<u8>,
    fault: Option<Fault>,
}

/// A stream whose reading side goes through a [`Rewriter`].
#[derive(Debug)]
pub struct Rewriting<S, E> {
    stream: S,
    rewriter: Rewriter<E>,
    given: usize,
}

/// The header of a frame.
struct Head {
    last: bool,
    opcode: u8,
    /// Of the header.
    width: usize,
    payload: u64,
}

// === impl Rewriter ===

impl<E: EditMessage> Rewriter<E> {
    /// Nothing has come yet.
    pub fn new(edit: E) -> Self {
        Self {
            edit,
            inbox: Vec::new(),
            frames: Vec::new(),
            message: None,
            outbox: Vec::new(),
            fault: None,
        }
    }

    /// What the upstream sent next.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.extend_from_slice(bytes);
        let mut rest = &*inbox;
        let outcome = loop {
            match self.step(rest) {
                Ok(0) => break Ok(()),
                Ok(used) => rest = rest.get(used..).unwrap_or_default(),
                Err(fault) => break Err(fault),
            }
        };
        match outcome {
            Ok(()) if rest.is_empty() => {}
            Ok(()) => {
                let used = inbox.len() - rest.len();
                inbox.drain(..used);
                self.inbox = inbox;
            }
            Err(fault) => self.end(fault),
        }
    }

    /// What may go on to the page.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Why it ended, if it did: a Close frame is the last of the outbox.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        let message = self
            .message
            .as_ref()
            .map_or(0, |(_, payload)| payload.len());
        self.inbox.len() + self.frames.len() + message + self.outbox.len()
    }

    /// Takes one whole frame off the front of `bytes`: how long it was, or zero.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(head) = Head::read(bytes)? else {
            return Ok(0);
        };
        let before = self
            .message
            .as_ref()
            .map_or(0, |(_, payload)| payload.len());
        let most = u64::try_from(defaults::MESSAGE.saturating_sub(before)).unwrap_or(0);
        // Many empty fragments are a way to be long, too.
        if head.payload > most || self.frames.len() > 2 * defaults::MESSAGE {
            return Err(Fault::TooBig);
        }
        let payload = usize::try_from(head.payload).map_err(|_| Fault::TooBig)?;
        let whole = head.width + payload;
        let Some(frame) = bytes.get(..whole) else {
            return Ok(0);
        };
        let payload = frame.get(head.width..).unwrap_or_default();
        match (head.opcode, &mut self.message) {
            (0x8..=0xa, _) => self.outbox.extend_from_slice(frame),
            (opcode @ (1 | 2), None) if head.last => {
                let edited = self.edit.edit(payload, opcode == 1);
                self.give(edited, opcode == 1, frame)?;
            }
            (opcode @ (1 | 2), message @ None) => {
                *message = Some((opcode == 1, payload.to_vec()));
                self.frames.extend_from_slice(frame);
            }
            (0, Some((_, message))) => {
                message.extend_from_slice(payload);
                self.frames.extend_from_slice(frame);
                if head.last
                    && let Some((is_text, message)) = self.message.take()
                {
                    let frames = std::mem::take(&mut self.frames);
                    let edited = self.edit.edit(&message, is_text);
                    self.give(edited, is_text, &frames)?;
                }
            }
            _ => return Err(Fault::Frames),
        }
        Ok(whole)
    }

    fn give(
        &mut self,
        edited: Result<Option<Vec<u8>>, Malformed>,
        is_text: bool,
        frames: &[u8],
    ) -> Result<(), Fault> {
        match edited {
            Ok(None) => self.outbox.extend_from_slice(frames),
            Ok(Some(message)) => put_frame(&mut self.outbox, is_text, &message),
            Err(Malformed) => return Err(Fault::Unreadable),
        }
        Ok(())
    }

    fn end(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.frames = Vec::new();
        self.message = None;
        let (code, reason) = fault.close();
        self.outbox.extend(close_frame(code, reason, None));
    }
}

// === impl Rewriting ===

impl<S, E: EditMessage> Rewriting<S, E> {
    /// `first` came from the stream before.
    pub fn new(stream: S, edit: E, first: &[u8]) -> Self {
        let mut rewriter = Rewriter::new(edit);
        rewriter.feed(first);
        Self {
            stream,
            rewriter,
            given: 0,
        }
    }

    /// Why it ended, if it was here.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.rewriter.fault()
    }

    /// Gives what there is; whether there was anything.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let outbox = self.rewriter.outbox();
        let rest = outbox.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.given += count;
        if self.given >= outbox.len() {
            // A connection that waits holds no buffer.
            *outbox = Vec::new();
            self.given = 0;
        }
        count > 0
    }
}

impl<S: AsyncRead + Unpin, E: EditMessage + Unpin> AsyncRead for Rewriting<S, E> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.give(buffer) || buffer.remaining() == 0 || this.fault().is_some() {
                // After a fault it has ended.
                return Poll::Ready(Ok(()));
            }
            let start = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            let fresh = buffer.filled().get(start..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.rewriter.feed(fresh);
            buffer.set_filled(start);
        }
    }
}

impl<S: AsyncWrite + Unpin, E: Unpin> AsyncWrite for Rewriting<S, E> {
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

// === impl Head ===

impl Head {
    /// `None` if it is not whole. No extension was agreed on, and servers do not
    /// mask.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let short = u64::from(second & 0x7f);
        let control = opcode >= 8;
        if first & 0x70 != 0 || second & 0x80 != 0 || (control && (!last || short > 125)) {
            return Err(Fault::Frames);
        }
        let width = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = rest.get(..width) else {
            return Ok(None);
        };
        let payload = match width {
            0 => short,
            _ => extended
                .iter()
                .fold(0, |length, &byte| (length << 8) | u64::from(byte)),
        };
        Ok(Some(Self {
            last,
            opcode,
            width: width + 2,
            payload,
        }))
    }
}

fn put_frame(to: &mut Vec<u8>, is_text: bool, message: &[u8]) {
    to.push(if is_text { 0x81 } else { 0x82 });
    match (u8::try_from(message.len()), u16::try_from(message.len())) {
        (Ok(length @ ..126), _) => to.push(length),
        (_, Ok(length)) => {
            to.push(126);
            to.extend(length.to_be_bytes());
        }
        _ => {
            to.push(127);
            to.extend(
                u64::try_from(message.len())
                    .unwrap_or(u64::MAX)
                    .to_be_bytes(),
            );
        }
    }
    to.extend_from_slice(message);
}

// === impl Fault ===

impl Fault {
    fn close(self) -> (u16, &'static str) {
        match self {
            Self::TooBig => (1009, "the message is too long to be looked at"),
            Self::Unreadable => (1007, "the message cannot be read"),
            Self::Frames => (1002, "the frames are malformed"),
        }
    }
}

// === impl Debug ===

impl<E> fmt::Debug for Rewriter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewriter")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
