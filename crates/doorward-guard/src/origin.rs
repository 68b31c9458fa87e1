//! Origins and host names, parsed at the edge into types that cannot be wrong.

use std::fmt;
use std::sync::Arc;

/// A browser origin exactly as the `Origin` header spells it:
/// `scheme://host[:port]`, lower case, default port left out (RFC 6454 §6.2).
///
/// Refuses `null`, lists, paths, userinfo, upper case, trailing dots, bytes that
/// are not ASCII and a port that a browser would have left out. A custom scheme
/// (`tauri://localhost`) parses; it matches only where it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(Arc<str>);

impl Origin {
    /// Parses one origin. `None` if a browser would not have written it so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let known_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        if !known_scheme || text.len() > 512 {
            return None;
        }
        let (host, port) = split_port(rest)?;
        if !is_host(host) {
            return None;
        }
        let default_port = matches!((scheme, port), ("http", Some(80)) | ("https", Some(443)));
        (!default_port).then(|| Self(text.into()))
    }

    /// `null`: a sandboxed frame, a `data:` page, a redirect across origins. It
    /// cannot be parsed, so nothing can list it.
    #[must_use]
    pub fn opaque() -> Self {
        Self("null".into())
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        &*self.0 == "null"
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which origins a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any page that holds the URL: the URL is the secret.
    Any,
    /// Only these, and requests that name no origin.
    Exact(Vec<Origin>),
}

/// The exact authorities under which a listener is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSet {
    authorities: Vec<String>,
    port: u16,
}

impl HostSet {
    /// `127.0.0.1:P` and `localhost:P`, and `[::1]:P` if that is bound too.
    #[must_use]
    pub fn loopback(port: u16, ipv6: bool) -> Self {
        let mut names = vec!["127.0.0.1", "localhost"];
        if ipv6 {
            names.push("[::1]");
        }
        let mut authorities: Vec<_> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == 80 {
            // Browsers leave the default port out.
            authorities.splice(0..0, names.iter().map(|&name| name.to_owned()));
        }
        Self { authorities, port }
    }

    /// The one name a native caller uses on a socket that has no address.
    #[must_use]
    pub fn native() -> Self {
        Self {
            authorities: vec!["doorward".to_owned()],
            port: 0,
        }
    }

    /// The member that `host` names. Case does not count; everything else does.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&str> {
        self.authorities
            .iter()
            .map(String::as_str)
            .find(|name| *name == host || name.eq_ignore_ascii_case(host))
    }

    /// The first member: the authority that our own URLs use.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.authorities.first().map_or("", String::as_str)
    }

    /// The port that all members share.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Origins ===

impl Origins {
    /// Whether a page of `origin` may read the answer.
    #[must_use]
    pub fn allow(&self, origin: &Origin) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(list) => list.contains(origin),
        }
    }
}

fn split_port(rest: &str) -> Option<(&str, Option<u16>)> {
    let colon = match rest.rfind(':') {
        // A colon inside an IPv6 literal is not a port's.
        Some(colon) if !rest.ends_with(']') => colon,
        _ => return Some((rest, None)),
    };
    let (host, port) = rest.split_at_checked(colon)?;
    let digits = port.strip_prefix(':')?;
    let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if !canonical {
        return None;
    }
    Some((host, Some(digits.parse().ok()?)))
}

fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .and_then(|literal| literal.parse::<std::net::Ipv6Addr>().ok())
            .is_some_and(|address| host == format!("[{address}]"));
    }
    !host.is_empty()
        && host.len() <= 253
        && !host.starts_with('.')
        && !host.ends_with('.')
        && host
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t12_only_what_a_browser_writes_is_an_origin() {
        for good in [
            "https://app.example",
            "http://127.0.0.1:8080",
            "http://[::1]:3000",
            "http://[::1]",
            "tauri://localhost",
            "http://tauri.localhost",
            "https://xn--bcher-kva.example:444",
        ] {
            assert_eq!(
                Origin::parse(good).map(|o| o.to_string()).as_deref(),
                Some(good)
            );
        }
        for bad in [
            "null",
            "",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://APP.example",
            "HTTPS://app.example",
            "https://user@app.example",
            "https://app.example.",
            "https://.app.example",
            "https://app.example:443",
            "http://app.example:80",
            "http://app.example:080",
            "http://app.example:",
            "http://app.example:65536",
            "http://app.example:+1",
            "http://a.example http://b.example",
            "http://a.example,http://b.example",
            "http://[::1",
            "http://[0:0::1]",
            "http://b\u{fc}cher.example",
            "http://a.example\t",
            "//a.example",
            "a.example",
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn t10_the_host_set_is_exact() {
        let set = HostSet::loopback(7000, false);
        for good in ["127.0.0.1:7000", "localhost:7000", "LOCALHOST:7000"] {
            assert!(set.find(good).is_some(), "{good}");
        }
        for bad in [
            "localhost6:7000",
            "localhost.:7000",
            "localhost.evil.test:7000",
            "127.0.0.1.evil.test:7000",
            "127.1:7000",
            "0177.0.0.1:7000",
            "2130706433:7000",
            "[::ffff:127.0.0.1]:7000",
            "[::1]:7000",
            "127.0.0.1:07000",
            "127.0.0.1",
            "127.0.0.1:7001",
            "user@127.0.0.1:7000",
            "0.0.0.0:7000",
            "[::]:7000",
            "",
        ] {
            assert!(set.find(bad).is_none(), "{bad}");
        }
        assert!(HostSet::loopback(7000, true).find("[::1]:7000").is_some());
        assert!(HostSet::loopback(80, false).find("127.0.0.1").is_some());
    }
}
