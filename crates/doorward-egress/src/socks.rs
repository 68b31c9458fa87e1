//! SOCKS5 (RFC 1928) with or without a password (RFC 1929): CONNECT alone.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Address(IpAddr),
    /// Resolved by the proxy.
    Name(String),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum SocksError {
    Io(io::Error),
    /// No method in common, or a wrong password.
    Auth,
    /// The reply code.
    Refused(u8),
    Malformed(&'static str),
}

const VERSION: u8 = 5;
const NO_AUTH: u8 = 0;
const PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy on `stream` to connect. Reads not a byte more than its answer.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    auth: Option<(&str, &str)>,
    destination: &Destination,
    port: u16,
) -> Result<(), SocksError> {
    let greeting: &[u8] = match auth {
        None => &[VERSION, 1, NO_AUTH],
        Some(_) => &[VERSION, 2, NO_AUTH, PASSWORD],
    };
    stream.write_all(greeting).await?;
    let [version, method] = read(stream).await?;
    if version != VERSION {
        return Err(SocksError::Malformed("it speaks no SOCKS5"));
    }
    match (method, auth) {
        (NO_AUTH, _) => {}
        (PASSWORD, Some((user, password))) => sign_in(stream, user, password).await?,
        _ => return Err(SocksError::Auth),
    }

    let mut request = vec![VERSION, CONNECT, 0];
    match destination {
        Destination::Address(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Destination::Address(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Destination::Name(name) => {
            request.push(NAME);
            push_counted(&mut request, name, "the name is too long")?;
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;

    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(SocksError::Malformed("its reply is no SOCKS5"));
    }
    if reply != 0 {
        return Err(SocksError::Refused(reply));
    }
    // The address that it connected from: nothing to us, and in the way.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => {
            let [length] = read(stream).await?;
            usize::from(length)
        }
        _ => return Err(SocksError::Malformed("its reply has no address")),
    };
    let mut rest = vec![0; length + 2];
    stream.read_exact(&mut rest).await?;
    Ok(())
}

async fn sign_in<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    user: &str,
    password: &str,
) -> Result<(), SocksError> {
    let mut request = zeroize::Zeroizing::new(Vec::with_capacity(3 + 2 * 255));
    request.push(1);
    push_counted(&mut request, user, "the user name is too long")?;
    push_counted(&mut request, password, "the password is too long")?;
    stream.write_all(&request).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(SocksError::Auth),
    }
}

fn push_counted(to: &mut Vec<u8>, text: &str, why: &'static str) -> Result<(), SocksError> {
    to.push(u8::try_from(text.len()).map_err(|_| SocksError::Malformed(why))?);
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

async fn read<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

// === impl SocksError ===

impl From<io::Error> for SocksError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
