//! What a connection is written to, and how pieces of a body get there without
//! passing through this process.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use doorward_guard::{Lane, Piece, raw};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A byte stream that may be able to fetch pieces itself.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whether [`poll_piece`](Self::poll_piece) does anything.
    fn sends_pieces(&self) -> bool {
        false
    }

    /// Sends at most `most` bytes of the front of `piece`. `Ok(0)` when there is
    /// nothing where the piece should be.
    fn poll_piece(
        &self,
        _cx: &mut Context<'_>,
        _piece: &Piece,
        _most: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// What comes next in the bytes that hyper wants written.
pub(super) enum Next<'a, 'b> {
    /// Slices to write as they are.
    Plain(&'a [IoSlice<'b>]),
    /// So many bytes of pieces.
    Pieces(usize),
}

/// Looks for placeholders. They must stand for exactly what `lane` owes: a body
/// gives both at once, and hyper drops or copies neither. Anything else is an
/// error, for what a placeholder holds is nobody's file.
pub(super) fn next<'a, 'b>(lane: &Lane, bytes: &'a [IoSlice<'b>]) -> io::Result<Next<'a, 'b>> {
    let total = |slices: &[IoSlice<'_>]| slices.iter().map(|slice| slice.len()).sum::<usize>();
    let stands = |slice: &&IoSlice<'_>| raw::is_placeholder(slice);
    let placeholders: usize = bytes.iter().filter(stands).map(|slice| slice.len()).sum();
    if placeholders != lane.owed() {
        return Err(astray());
    }
    if placeholders == 0 {
        return Ok(Next::Plain(bytes));
    }
    let plain = bytes.iter().take_while(|slice| !stands(slice)).count();
    let (plain, rest) = bytes.split_at_checked(plain).ok_or_else(astray)?;
    if total(plain) > 0 || rest.is_empty() {
        return Ok(Next::Plain(plain));
    }
    let pieces = rest.iter().take_while(stands).count();
    Ok(Next::Pieces(rest.get(..pieces).map_or(0, total)))
}

/// Sends at most `most` bytes of what `lane` owes next.
pub(super) fn poll_pieces<S: Socket>(
    socket: &S,
    lane: &Lane,
    cx: &mut Context<'_>,
    most: usize,
) -> Poll<io::Result<usize>> {
    let Some(piece) = lane.next() else {
        return Poll::Ready(Err(astray()));
    };
    let sent = std::task::ready!(socket.poll_piece(cx, &piece, most.min(piece.length())))?;
    if sent == 0 {
        let why = "the file ended before its answer";
        return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
    }
    lane.sent(sent);
    Poll::Ready(Ok(sent))
}

fn astray() -> io::Error {
    io::Error::other("a body's placeholders and pieces do not match")
}

/// `sendfile` between the socket's readiness and `try_io`, which keeps the two
/// in step.
#[cfg(target_os = "linux")]
macro_rules! sends_pieces {
    ($socket:ty) => {
        impl Socket for $socket {
            fn sends_pieces(&self) -> bool {
                true
            }

            fn poll_piece(
                &self,
                cx: &mut Context<'_>,
                piece: &Piece,
                most: usize,
            ) -> Poll<io::Result<usize>> {
                loop {
                    std::task::ready!(self.poll_write_ready(cx))?;
                    let sent =
                        self.try_io(tokio::io::Interest::WRITABLE, || splice(self, piece, most));
                    match sent {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        sent => return Poll::Ready(sent),
                    }
                }
            }
        }
    };
}

#[cfg(target_os = "linux")]
fn splice(to: impl std::os::fd::AsFd, piece: &Piece, most: usize) -> io::Result<usize> {
    match piece {
        Piece::File { file, at, .. } => {
            let mut at = *at;
            Ok(rustix::fs::sendfile(to, file, Some(&mut at), most)?)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(target_os = "linux")]
sends_pieces!(TcpStream);
#[cfg(target_os = "linux")]
sends_pieces!(UnixStream);

#[cfg(not(target_os = "linux"))]
impl Socket for TcpStream {}
#[cfg(all(unix, not(target_os = "linux")))]
impl Socket for UnixStream {}
#[cfg(test)]
impl Socket for tokio::io::DuplexStream {}
