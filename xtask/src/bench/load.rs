//! The client: ranges as fast as they come, or as slowly as a player takes them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What is fetched.
#[derive(Clone)]
pub(super) struct Target {
    authority: String,
    path: String,
}

/// Readers that take their time.
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

    /// Asks for a range and reads the head of the answer; what follows is the body.
    fn open(&self, first: u64, last: u64) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
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
