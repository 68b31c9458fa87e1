//! The client of the relay's bench: frames as fast as they come back, one after the other, or none at all.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Where a WebSocket is opened.
#[derive(Clone)]
pub(super) struct Place {
    authority: String,
    path: String,
}

/// What is written at once.
const BLOCK: usize = 256 * 1024;
/// A write that nobody takes for so long is stuck.
const STUCK: Duration = Duration::from_secs(2);

impl Place {
    pub(super) fn new(authority: &str, path: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            path: path.to_owned(),
        }
    }

    /// A connection after its 101.
    pub(super) fn open(&self) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        write!(
            stream,
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.path, self.authority
        )?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.starts_with("HTTP/1.1 101") {
            bail!("the handshake was answered with {head}");
        }
        Ok(stream)
    }
}

/// Messages a second, echoed, over all `connections`: each writes `count` of `size` bytes without waiting.
pub(super) fn pipelined(
    place: &Place,
    connections: usize,
    count: usize,
    size: usize,
) -> Result<f64> {
    let block = frame(size).repeat((BLOCK / size).max(1));
    let per_block = (BLOCK / size).max(1);
    let blocks = count.div_ceil(per_block);
    let links: Vec<TcpStream> = (0..connections)
        .map(|_| place.open())
        .collect::<Result<_>>()?;
    let start = Instant::now();
    let mut hands = Vec::new();
    for link in links {
        let mut writer = link.try_clone()?;
        let block = block.clone();
        hands.push(thread::spawn(move || -> Result<()> {
            for _ in 0..blocks {
                writer.write_all(&block)?;
            }
            Ok(())
        }));
        hands.push(thread::spawn(move || {
            read_exactly(link, blocks * per_block * echoed(size))
        }));
    }
    for hand in hands {
        hand.join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    Ok((connections * blocks * per_block) as f64 / start.elapsed().as_secs_f64())
}

/// Microseconds of each of `count` round trips of one message, in order of length.
pub(super) fn round_trips(place: &Place, count: usize, size: usize) -> Result<Vec<f64>> {
    let mut link = place.open()?;
    let frame = frame(size);
    let mut back = vec![0; echoed(size)];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        link.write_all(&frame)?;
        link.read_exact(&mut back)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Writes and reads nothing until nobody takes more: the connection, and how many bytes were taken.
pub(super) fn stall(place: &Place, most: usize) -> Result<(TcpStream, usize)> {
    let mut link = place.open()?;
    link.set_write_timeout(Some(STUCK))?;
    let block = frame(64 * 1024);
    let mut taken = 0;
    while taken < most {
        match link.write(&block) {
            Ok(some) => taken += some,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((link, taken))
}

/// A binary message, masked with zeros.
fn frame(size: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match size {
        0..=125 => frame.push(0x80 | size as u8),
        126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend((0..size).map(|at| (at % 251) as u8));
    frame
}

/// How long it is without its mask.
fn echoed(size: usize) -> usize {
    frame(size).len() - 4
}

fn read_exactly(mut link: TcpStream, bytes: usize) -> Result<()> {
    let mut buffer = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        match link.read(&mut buffer)? {
            0 => bail!("the connection ended {left} bytes early"),
            some => left = left.saturating_sub(some),
        }
    }
    Ok(())
}
