//! What WebSockets go through and end at: an echo, and the usual relay.

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The longest frame that the echo takes.
const LONGEST: usize = 512 * 1024;

/// Sends every frame back, unmasked. It does as little as an end can.
pub async fn echo(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(send_back(stream));
    }
}

async fn send_back(mut stream: TcpStream) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "no request");
    }
    let head = String::from_utf8(head)?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .context("no key")?
        .1;
    let accept = derive_accept_key(key.trim().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let (mut from, mut held) = (vec![0; 2 * LONGEST], 0);
    let mut to = Vec::new();
    loop {
        let read = stream.read(&mut from[held..]).await?;
        if read == 0 {
            return Ok(());
        }
        held += read;
        let mut at = 0;
        while let Some(length) = unmask(&mut from[at..held], &mut to) {
            at += length;
        }
        from.copy_within(at..held, 0);
        held -= at;
        stream.write_all(&to).await?;
        to.clear();
    }
}

/// Takes one masked frame, if it is there whole: its length with its head.
fn unmask(from: &mut [u8], to: &mut Vec<u8>) -> Option<usize> {
    let (head, size) = match from.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(from.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(from.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let mask: [u8; 4] = from.get(head..head + 4)?.try_into().ok()?;
    let payload = from.get(head + 4..head + 4 + size)?;
    to.extend_from_slice(&from[..head]);
    let length = to.len();
    to[length - head + 1] &= 0x7f;
    to.extend_from_slice(payload);
    // The load's own mask is 0: only what others masked anew costs.
    if mask != [0; 4] {
        for four in to[length..].chunks_mut(4) {
            four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
    Some(head + 4 + size)
}

/// Accepts, connects, and forwards messages both ways until one side ends.
pub async fn forward(port: u16, upstream: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (to_page, from_page) = tokio_tungstenite::accept_async(stream).await?.split();
            let far = TcpStream::connect(("127.0.0.1", upstream)).await?;
            far.set_nodelay(true)?;
            let url = format!("ws://127.0.0.1:{upstream}/");
            let (far, _) = tokio_tungstenite::client_async(url, far).await?;
            let (to_far, from_far) = far.split();
            tokio::select! {
                ended = from_page.forward(to_far) => ended?,
                ended = from_far.forward(to_page) => ended?,
            }
            anyhow::Ok(())
        });
    }
}
