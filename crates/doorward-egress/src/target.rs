//! What to reach: scheme, host and port, parsed once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::EgressError;

/// An HTTP origin to reach. `http` or `https`, a host, a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    tls: bool,
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Target {
    /// Reads scheme, host and port of `uri`; the rest is not looked at.
    ///
    /// # Errors
    ///
    /// [`EgressError::Target`] for another scheme, user information, a missing
    /// host, port 0, and hosts that a resolver would read as an IPv4 address
    /// although they are not written as one (`127.1`, `0x7f.0.0.1`, `2130706433`).
    pub fn parse(uri: &Uri) -> Result<Self, EgressError> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(EgressError::Target("the scheme is neither http nor https")),
        };
        let authority = uri
            .authority()
            .ok_or(EgressError::Target("the URL has no authority"))?;
        if authority.as_str().contains('@') {
            return Err(EgressError::Target("the URL has user information"));
        }
        let rest = authority
            .as_str()
            .strip_prefix(authority.host())
            .unwrap_or_default();
        let port = match rest.strip_prefix(':') {
            None if tls => 443,
            None => 80,
            Some(digits) => {
                digits
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or(EgressError::Target(
                        "the port is not one that can be reached",
                    ))?
            }
        };
        Ok(Self {
            tls,
            host: Host::parse(authority.host())?,
            port,
        })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.host {
            Host::Address(IpAddr::V6(v6)) => format!("[{v6}]:{}", self.port),
            Host::Address(IpAddr::V4(v4)) => format!("{v4}:{}", self.port),
            Host::Name(name) => format!("{name}:{}", self.port),
        }
    }

    /// The same host and port, with TLS.
    #[must_use]
    pub fn with_tls(&self) -> Self {
        Self {
            tls: true,
            ..self.clone()
        }
    }

    /// The same scheme, at this very address: for whoever must not be led elsewhere by
    /// a later answer of a resolver.
    #[must_use]
    pub fn at(&self, address: std::net::SocketAddr) -> Self {
        Self {
            tls: self.tls,
            host: Host::Address(address.ip()),
            port: address.port(),
        }
    }

    /// The address, where the URL names one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.host {
            Host::Address(IpAddr::V6(v6)) => write!(f, "{scheme}://[{v6}]:{}", self.port),
            Host::Address(IpAddr::V4(v4)) => write!(f, "{scheme}://{v4}:{}", self.port),
            Host::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
        }
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, EgressError> {
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return match inner.parse::<Ipv6Addr>() {
                Ok(v6) => Ok(Self::Address(IpAddr::V6(v6))),
                Err(_) => Err(EgressError::Target("the IPv6 address is malformed")),
            };
        }
        if let Ok(v4) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(v4)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let last = name.rsplit('.').next().unwrap_or_default();
        // The resolver's own reading of numbers is octal, hexadecimal and
        // short; a URL that needs it hides where it leads.
        let numeric = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if numeric || hexadecimal {
            return Err(EgressError::Target(
                "the host is a number that is not an IPv4 address",
            ));
        }
        let plain = !name.is_empty()
            && name.len() <= 253
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && name
                .split('.')
                .all(|label| !label.is_empty() && label.len() <= 63);
        if !plain {
            return Err(EgressError::Target("the host is not a name"));
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<String, EgressError> {
        let uri = text.parse().map_err(|_| EgressError::Target("not a URI"))?;
        Target::parse(&uri).map(|target| target.to_string())
    }

    #[test]
    fn targets_are_scheme_host_and_port() {
        assert_eq!(
            target("http://127.0.0.1:9000/a?b").unwrap(),
            "http://127.0.0.1:9000"
        );
        assert_eq!(
            target("https://S3.Example.com").unwrap(),
            "https://s3.example.com:443"
        );
        assert_eq!(target("http://[::1]:80/").unwrap(), "http://[::1]:80");
        assert_eq!(
            target("http://store.example.").unwrap(),
            "http://store.example:80"
        );
    }

    #[test]
    fn t87_urls_that_hide_where_they_lead_are_refused() {
        for text in [
            "ftp://example.com",
            "ws://example.com",
            "http://user@example.com",
            "http://user:pass@127.0.0.1",
            "http://127.1",
            "http://2130706433",
            "http://0177.0.0.1",
            "http://0x7f.0.0.1",
            "http://0x7f000001",
            "http://127.0.0.1.",
            "http://1.2.3.4.5",
            "http://256.1.1.1",
            "http://example.com:0",
            "http://example.com:99999",
            "http://example.com:",
            "http://a..b",
            "http://[::1",
            "http://[fe80::1%25eth0]",
            "/relative",
        ] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
