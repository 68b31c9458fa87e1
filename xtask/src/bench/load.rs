//! The client: ranges as fast as they come, or as slowly as a player takes them; many small requests
//! on connections that stay.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What is fetched.
#[derive(Clone)]
pub(super) struct Target {
    authority: String,
    path: String,
}

/// Readers that take their time.
#[derive(Clone, Copy)]
pub(super) struct Slow {
    pub(super) readers: usize,
    pub(super) bytes_per_second: usize,
    pub(super) seconds: u64,
}

impl Target {
    /// `http://127.0.0.1:P/path`
    pub(super) fn parse(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("not an http URL")?;
        let (authority, path) = rest.split_once('/').context("no path in the URL")?;
        Ok(Self {
            authority: authority.to_owned(),
            path: format!("/{path}"),
        })
    }

    /// `path` at a port of this machine.
    pub(super) fn at(port: u16, path: &str) -> Self {
        Self {
            authority: format!("127.0.0.1:{port}"),
            path: path.to_owned(),
        }
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Asks for a range and reads the head of the answer; what follows is the body.
    fn open(&self, first: u64, last: u64) -> Result<TcpStream> {
        let mut stream = self.connect()?;
        let (path, host) = (&self.path, &self.authority);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={first}-{last}\r\nConnection: close\r\n\r\n"
        )?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.starts_with("HTTP/1.1 206") {
            bail!(
                "a range was answered with {}",
                head.lines().next().unwrap_or_default()
            );
        }
        Ok(stream)
    }
}

/// Reads `size` bytes, split evenly over `connections`. Counts every byte.
pub(super) fn read_all(target: &Target, connections: usize, size: u64) -> Result<()> {
    let share = size / connections as u64;
    let readers: Vec<_> = (0..connections as u64)
        .map(|number| {
            let target = target.clone();
            thread::spawn(move || -> Result<()> {
                let first = number * share;
                let mut stream = target.open(first, first + share - 1)?;
                let mut buffer = vec![0; 256 * 1024];
                let mut read = 0;
                loop {
                    match stream.read(&mut buffer)? {
                        0 => break,
                        some => read += some as u64,
                    }
                }
                if read != share {
                    bail!("{read} bytes came instead of {share}");
                }
                Ok(())
            })
        })
        .collect();
    for reader in readers {
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    }
    Ok(())
}

/// Reads slowly from the start, each reader on a connection of its own, and looks once a second.
pub(super) fn read_slowly(
    target: &Target,
    slow: &Slow,
    mut look: impl FnMut() -> Result<()>,
) -> Result<()> {
    let (rate, seconds) = (slow.bytes_per_second, slow.seconds);
    let readers: Vec<_> = (0..slow.readers)
        .map(|_| {
            let target = target.clone();
            thread::spawn(move || -> Result<()> {
                let mut stream = target.open(0, u64::from(u32::MAX))?;
                let mut buffer = vec![0; rate / 8];
                for _ in 0..seconds * 8 {
                    stream.read_exact(&mut buffer)?;
                    thread::sleep(Duration::from_millis(125));
                }
                Ok(())
            })
        })
        .collect();
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        look()?;
    }
    for reader in readers {
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    }
    Ok(())
}

/// Seconds until a range is there whole, on a connection of its own.
pub(super) fn seek(target: &Target, first: u64, length: u64) -> Result<f64> {
    let start = Instant::now();
    let mut stream = target.open(first, first + length - 1)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut read = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            some => read += some as u64,
        }
    }
    if read != length {
        bail!("{read} bytes came instead of {length}");
    }
    Ok(start.elapsed().as_secs_f64())
}

/// A connection that stays, and what it has read too much.
pub(super) struct Kept {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of it was read of the last answer.
    held: usize,
}

impl Kept {
    pub(super) fn new(target: &Target) -> Result<Self> {
        Ok(Self {
            stream: target.connect()?,
            buffer: vec![0; 256 * 1024],
            held: 0,
        })
    }

    /// Sends a request, reads the whole answer, and gives the length of the body.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<usize> {
        let (body, length) = self.begin(request)?;
        let mut left = (body + length).saturating_sub(self.held);
        while left > 0 {
            let most = left.min(self.buffer.len());
            let free = self.buffer.get_mut(..most).unwrap_or_default();
            match self.stream.read(free)? {
                0 => bail!("the connection ended in a body"),
                read => left -= read,
            }
        }
        Ok(length)
    }

    /// The same, and gives the answer as it came.
    pub(super) fn whole(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let (body, length) = self.begin(request)?;
        let whole = self.buffer.get_mut(..body + length);
        let whole = whole.context("an answer that is too long")?;
        let rest = whole.get_mut(self.held..).unwrap_or_default();
        self.stream.read_exact(rest)?;
        Ok(whole.to_vec())
    }

    /// Sends a request and reads until the head of the answer is there: where the body
    /// begins, and how long it is.
    fn begin(&mut self, request: &[u8]) -> Result<(usize, usize)> {
        self.stream.write_all(request)?;
        self.held = 0;
        loop {
            let free = self.buffer.get_mut(self.held..).unwrap_or_default();
            let read = self.stream.read(free)?;
            if read == 0 {
                bail!("the connection ended in an answer");
            }
            self.held += read;
            let some = self.buffer.get(..self.held).unwrap_or_default();
            if let Some(end) = some.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(some.get(..end).unwrap_or_default());
                if !head.starts_with("HTTP/1.1 20") {
                    bail!("a request was answered with {head}");
                }
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse::<usize>().ok())?
                });
                return Ok((end + 4, length.context("an answer without a length")?));
            }
        }
    }
}

/// Requests per second: each target on a connection of its own, `count` times whole.
pub(super) fn small(targets: &[Target], count: usize, size: usize) -> Result<f64> {
    let start = Instant::now();
    let readers: Vec<_> = targets
        .iter()
        .map(|target| {
            let target = target.clone();
            thread::spawn(move || -> Result<()> {
                let mut kept = Kept::new(&target)?;
                let request = format!(
                    "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
                    target.path, target.authority
                );
                for _ in 0..count {
                    let length = kept.ask(request.as_bytes())?;
                    if length != size {
                        bail!("{length} bytes came instead of {size}");
                    }
                }
                Ok(())
            })
        })
        .collect();
    for reader in readers {
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    }
    Ok((targets.len() * count) as f64 / start.elapsed().as_secs_f64())
}

/// Milliseconds of the median of `count` ranges of `length` bytes anywhere in the first `size`, one
/// after the other on one connection. The same `seed` gives the same places.
pub(super) fn ranges(
    target: &Target,
    count: usize,
    length: u64,
    size: u64,
    seed: u64,
) -> Result<f64> {
    let mut kept = Kept::new(target)?;
    let mut state = seed | 1;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let first = state % (size - length);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nRange: bytes={first}-{}\r\n\r\n",
            target.path,
            target.authority,
            first + length - 1
        );
        let start = Instant::now();
        let read = kept.ask(request.as_bytes())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if read as u64 != length {
            bail!("{read} bytes came instead of {length}");
        }
    }
    Ok(super::book::median(times))
}
