//! Which targets are reached without the proxy (`NO_PROXY`).
//!
//! A list, separated by commas or blanks. `*` is everything; `example.com`,
//! `.example.com` and `*.example.com` are the name and every name below it; an
//! address or a range (`10.0.0.0/8`, `fd00::/8`) is matched by targets that are
//! written as addresses, never by what a name resolves to; `:port` at the end of
//! any of them (an IPv6 address in brackets then) narrows it to that port.

use std::net::IpAddr;

use crate::Target;

/// Targets that are reached directly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: HostRule,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    All,
    /// The name and what is below it.
    Name(String),
    /// The leading bits of an address.
    Range(IpAddr, u32),
}

impl NoProxy {
    /// Reads a list. What cannot be read matches nothing, as everywhere.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        Self(
            list.split(|c: char| c == ',' || c.is_ascii_whitespace())
                .filter_map(Rule::parse)
                .collect(),
        )
    }

    /// Whether `target` is reached directly.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        self.0.iter().any(|rule| rule.covers(target))
    }
}

// === impl Rule ===

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        if let Some(host) = HostRule::parse(text) {
            return Some(Self { host, port: None });
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Some(Self {
            host: HostRule::parse(host)?,
            port: Some(port.parse().ok()?),
        })
    }

    fn covers(&self, target: &Target) -> bool {
        if self.port.is_some_and(|port| port != target.port()) {
            return false;
        }
        match (&self.host, target.address()) {
            (HostRule::All, _) => true,
            (HostRule::Range(range, bits), Some(address)) => in_range(*range, *bits, address),
            (HostRule::Name(name), None) => {
                let host = target.host();
                host.strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (HostRule::Range(..), None) | (HostRule::Name(_), Some(_)) => false,
        }
    }
}

// === impl HostRule ===

impl HostRule {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Range(address, width(address)));
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits: u32 = bits.parse().ok()?;
            return (bits <= width(address)).then_some(Self::Range(address, bits));
        }
        let name = text.strip_prefix('*').unwrap_or(text);
        let name = name.strip_prefix('.').unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        plain.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn in_range(range: IpAddr, bits: u32, address: IpAddr) -> bool {
    let differ = match (range, address.to_canonical()) {
        (IpAddr::V4(range), IpAddr::V4(address)) => {
            (range.to_bits() ^ address.to_bits()).leading_zeros()
        }
        (IpAddr::V6(range), IpAddr::V6(address)) => {
            (range.to_bits() ^ address.to_bits()).leading_zeros()
        }
        _ => return false,
    };
    differ >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, url: &str) -> bool {
        NoProxy::parse(list).covers(&Target::parse(&url.parse().unwrap()).unwrap())
    }

    #[test]
    fn r19_no_proxy_vectors() {
        for (list, url, expected) in [
            ("", "http://example.com", false),
            ("*", "http://example.com", true),
            ("example.com", "http://example.com", true),
            ("example.com", "http://a.example.com", true),
            ("example.com", "http://notexample.com", false),
            (".example.com", "http://a.b.example.com", true),
            (".example.com", "http://example.com", true),
            ("*.example.com", "http://a.example.com", true),
            ("EXAMPLE.com", "http://Example.COM", true),
            ("example.com.", "http://example.com", true),
            ("example.com", "http://example.com.", true),
            ("example.com:8080", "http://example.com:8080", true),
            ("example.com:8080", "http://example.com", false),
            ("example.com:443", "https://example.com", true),
            ("a.com, b.com", "http://b.com", true),
            ("a.com b.com", "http://b.com", true),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("10.0.0.0/8", "http://ten.example", false),
            ("10.0.0.0/33", "http://10.1.2.3", false),
            ("0.0.0.0/0", "http://8.8.8.8", true),
            ("192.168.0.1", "http://192.168.0.1", true),
            ("192.168.0.1:81", "http://192.168.0.1", false),
            ("192.168.0.1:81", "http://192.168.0.1:81", true),
            ("fd00::/8", "http://[fd12::1]", true),
            ("fd00::/8", "http://[fe80::1]", false),
            ("[fd12::1]:81", "http://[fd12::1]:81", true),
            ("[fd12::1]:81", "http://[fd12::1]:82", false),
            ("10.0.0.0/8", "http://[::ffff:10.0.0.1]", true),
            ("exa mple", "http://example", false),
            (",,", "http://example.com", false),
        ] {
            assert_eq!(covers(list, url), expected, "{list:?} {url}");
        }
    }
}
