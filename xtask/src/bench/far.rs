//! A store far away: a proxy that delays what passes and lets so much through per second and
//! connection. It models no slow start and loses nothing.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

pub(super) const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Bytes per second of one connection, towards the client.
pub(super) const RATE: u64 = 10_000_000;
/// Pieces that are on the way: half a megabyte, more than rate times delay.
const UNDERWAY: usize = 32;
const PIECE: usize = 16 * 1024;

pub(super) struct Far {
    pub(super) port: u16,
    requests: Arc<AtomicU64>,
}

impl Far {
    pub(super) fn start(store: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::spawn(move || pass(near, store, count));
            }
        });
        Ok(Self { port, requests })
    }

    /// How many came so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn pass(near: TcpStream, store: u16, requests: Arc<AtomicU64>) -> Result<()> {
    let far = TcpStream::connect(("127.0.0.1", store))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (from, to) = (near.try_clone()?, far.try_clone()?);
    // The handshake takes a round trip, which loopback does not.
    let opened = Instant::now() + ROUND_TRIP;
    thread::spawn(move || {
        carry(from, to, opened, None, |piece| {
            if piece.starts_with(b"GET ") || piece.starts_with(b"HEAD ") {
                requests.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    carry(far, near, opened, Some(RATE), |_| ())
}

/// Each piece arrives half a round trip after it was sent, and not sooner than the rate allows.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    opened: Instant,
    rate: Option<u64>,
    look: impl Fn(&[u8]),
) -> Result<()> {
    let (send, receive) = sync_channel::<(Instant, Vec<u8>)>(UNDERWAY);
    let mut ends = (from.try_clone()?, to.try_clone()?);
    thread::spawn(move || {
        let mut free = opened;
        for (sent, piece) in receive {
            free = free.max(sent + ROUND_TRIP / 2);
            if let Some(rate) = rate {
                free += Duration::from_nanos(piece.len() as u64 * 1_000_000_000 / rate);
            }
            thread::sleep(free.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = ends.0.shutdown(Shutdown::Read);
        let _ = ends.1.flush();
        let _ = ends.1.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; PIECE];
    loop {
        let read = from.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok(());
        };
        look(piece);
        if send.send((Instant::now(), piece.to_vec())).is_err() {
            return Ok(());
        }
    }
}
