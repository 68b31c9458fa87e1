//! One connection to a TURN server.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::UNIX_EPOCH;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Post;
use super::stun::{Cut, From, Talk};
use crate::defaults;
use crate::error::RelayError;
use crate::tunnel::{self, End, Ends, Framing};

/// A stream whose reading side is followed.
struct Followed<S> {
    stream: S,
    from: From,
    ears: Ears,
}

/// What follows both directions.
#[derive(Clone, Default)]
struct Ears {
    talk: Arc<Mutex<Talk>>,
    cut: CancellationToken,
    why: Arc<Mutex<Option<Cut>>>,
}

/// What became of a connection, as events say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnReport {
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// Why it ended.
    pub(crate) reason: &'static str,
    /// What the server said no with.
    pub(crate) refused: Option<&'static str>,
    /// Whether a place was made.
    pub(crate) allocated: bool,
    /// Whether the server was reached at all.
    pub(crate) opened: bool,
}

/// Carries a connection to its end and tells of it.
pub(super) async fn carry(post: &Post, mut client: TcpStream) {
    let (relay, grant) = (&post.relay, &post.grant);
    let connection = relay.turn_name();
    let ears = Ears::default();
    let restart = relay.ways.restart();
    let _ = client.set_nodelay(true);
    let opening = async {
        let head = first_bytes(&mut client, &ears).await?;
        match grant.data.dialer.dial_bytes(&post.server).await {
            Ok(upstream) => Ok((head, upstream)),
            Err(error) => {
                tracing::debug!(%error, "a TURN server cannot be reached");
                Err(RelayError::from(error).name())
            }
        }
    };
    let opened = tokio::select! {
        biased;
        fate = grant.ended() => Err(fate.word()),
        () = post.stop.cancelled() => Err(End::Stopping.word()),
        opened = opening => opened,
    };
    let reached = opened.is_ok();
    let reason = match opened {
        Err(reason) => reason,
        Ok((head, upstream)) => {
            let _looked = relay.ways.look_after(upstream.socket(), &restart);
            relay.tell_turn_opened(grant, &connection, &post.server);
            let ends = Ends {
                grant,
                clock: &relay.clock,
                stop: &post.stop,
                restart: &restart,
                silence: defaults::TURN_SILENCE,
                framing: Framing::None,
            };
            let client = ears.follow(client, From::Client);
            let upstream = ears.follow(upstream, From::Server);
            tokio::select! {
                biased;
                () = ears.cut.cancelled() => ears.why(),
                () = ears.no_place() => "noAllocation",
                report = tunnel::splice(client, upstream, &head, &[], ends) => report.end.word(),
            }
        }
    };
    let now = relay.clock.wall().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let report = {
        let talk = ears.talk.lock().unwrap_or_else(PoisonError::into_inner);
        TurnReport {
            up: talk.bytes(From::Client),
            down: talk.bytes(From::Server),
            reason,
            refused: talk.no(now).map(super::stun::No::word),
            allocated: talk.is_allocated(),
            opened: reached,
        }
    };
    relay.tell_turn_closed(grant, &connection, &post.server, &report);
}

/// What tells that STUN is spoken; before it nothing is dialled.
async fn first_bytes(client: &mut TcpStream, ears: &Ears) -> Result<Vec<u8>, &'static str> {
    let mut head = vec![0; defaults::TURN_FIRST];
    let count = timeout(defaults::TURN_FIRST_WITHIN, client.read_exact(&mut head))
        .await
        .map_err(|_| "saidNothing")?
        .map_err(|_| End::ClientBroke.word())?;
    head.truncate(count);
    ears.feed(From::Client, &head).map_err(word)?;
    Ok(head)
}

// === impl Ears ===

impl Ears {
    fn follow<S>(&self, stream: S, from: From) -> Followed<S> {
        Followed {
            stream,
            from,
            ears: self.clone(),
        }
    }

    fn feed(&self, from: From, bytes: &[u8]) -> Result<(), Cut> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        talk.feed(from, bytes)
    }

    fn cut(&self, why: Cut) {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        self.cut.cancel();
    }

    fn why(&self) -> &'static str {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or("cut", word)
    }

    /// Ready when there should be a place on the server and is none.
    async fn no_place(&self) {
        sleep(defaults::TURN_ALLOCATE_WITHIN).await;
        let allocated = {
            let talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
            talk.is_allocated()
        };
        if allocated {
            std::future::pending::<()>().await;
        }
    }
}

fn word(cut: Cut) -> &'static str {
    match cut {
        Cut::NotStun => "notStun",
        Cut::Unproven => "notAllocated",
        Cut::Redirected => "redirected",
    }
}

// === impl Followed ===

impl<S: AsyncRead + Unpin> AsyncRead for Followed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(start..).unwrap_or_default();
        if let Err(why) = this.ears.feed(this.from, fresh) {
            buffer.set_filled(start);
            this.ears.cut(why);
            // Whoever polls is dropped next.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Followed<S> {
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
