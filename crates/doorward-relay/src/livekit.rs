//! LiveKit's habits, as pure functions.

/// What a page hands to `RTCPeerConnection` as `iceTransportPolicy`. `iceServers`
/// is never touched: the server's own list brings the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceAdvice {
    /// Nothing to change: the server is on this machine.
    Direct,
    /// `relay`: only TURN, so that media too leaves the way that was opened.
    Relay,
}

/// What to do about ICE for a LiveKit server at `url`.
#[must_use]
pub fn ice_advice(url: &str) -> IceAdvice {
    match Url::parse(url) {
        Some(url) if is_loopback(url.host) => IceAdvice::Direct,
        _ => IceAdvice::Relay,
    }
}

/// The URL under which a page reaches a LiveKit server that calls itself local,
/// although it stands beside a relay server that does not: the relay's host with
/// everything else as it was, but one slash at the end less.
///
/// Nothing changes if the LiveKit URL is not loopback, if the relay's is, or if
/// either cannot be read. The scheme is never changed, and no host comes in that
/// `relay_url` does not name.
#[must_use]
pub fn rewrite_localhost(livekit_url: &str, relay_url: &str) -> String {
    let same = || livekit_url.to_owned();
    let (Some(livekit), Some(relay)) = (Url::parse(livekit_url), Url::parse(relay_url)) else {
        return same();
    };
    if !is_loopback(livekit.host) || is_loopback(relay.host) {
        return same();
    }
    let Url {
        scheme,
        userinfo,
        port,
        tail,
        ..
    } = livekit;
    // Not out of a query: a token may end in a slash.
    let tail = if tail.contains(['?', '#']) {
        tail
    } else {
        tail.strip_suffix('/').unwrap_or(tail)
    };
    format!("{scheme}://{userinfo}{}{port}{tail}", relay.host)
}

/// `GET /settings/regions` for a page: URLs that `map` knows become the relay's
/// own, regions that it does not know are left out, all else stays. What is no
/// list of regions becomes an empty one: no URL gets through unmapped.
pub fn map_regions(body: &[u8], map: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    use serde_json::{Value, json};
    let mut answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let regions = answer
        .get_mut("regions")
        .and_then(Value::as_array_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    let mapped: Vec<Value> = regions
        .into_iter()
        .filter_map(|mut region| {
            let url = map(region.get("url")?.as_str()?)?;
            *region.get_mut("url")? = Value::from(url);
            Some(region)
        })
        .collect();
    json!({ "regions": mapped }).to_string().into_bytes()
}

/// A URL in its parts, as it is written.
struct Url<'a> {
    scheme: &'a str,
    /// With its `@`, or empty.
    userinfo: &'a str,
    /// An IPv6 address in brackets.
    host: &'a str,
    /// With its `:`, or empty.
    port: &'a str,
    /// Path, query and fragment.
    tail: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let known = ["ws", "wss", "http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        if !known || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end)?;
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (userinfo, authority) = authority.split_at_checked(at)?;
        let end = match authority.find(']') {
            Some(bracket) => bracket + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at_checked(end)?;
        let port_is_plain = port.is_empty()
            || port
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
                .is_some_and(|digits| digits.parse::<u16>().is_ok());
        (!host.is_empty() && port_is_plain).then_some(Self {
            scheme,
            userinfo,
            host,
            port,
            tail,
        })
    }
}

/// `localhost` and below, 127/8, `::1` and both wildcard addresses.
fn is_loopback(host: &str) -> bool {
    use std::net::{IpAddr, Ipv6Addr};
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(v6) = bare {
        return v6.parse::<Ipv6Addr>().is_ok_and(|v6| {
            let address = IpAddr::V6(v6).to_canonical();
            address.is_loopback() || address.is_unspecified()
        });
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `packages/client` is held to it too.
    fn table() -> serde_json::Value {
        serde_json::from_str(include_str!("../tests/livekit.json")).unwrap()
    }

    #[test]
    fn r25_the_localhost_matrix() {
        let table = table();
        let rows = table["rewriteLocalhost"].as_array().unwrap();
        assert!(rows.len() > 23);
        for row in rows {
            let [livekit, relay, becomes] =
                ["livekit", "relay", "becomes"].map(|name| row[name].as_str().unwrap());
            assert_eq!(rewrite_localhost(livekit, relay), becomes, "{row}");
        }
    }

    #[test]
    fn r25_a_local_server_needs_no_turn() {
        for (url, local) in table()["isLocal"].as_object().unwrap() {
            let is_local = ice_advice(url) == IceAdvice::Direct;
            assert_eq!(Some(is_local), local.as_bool(), "{url}");
        }
    }

    #[test]
    fn r23_no_region_gets_through_unmapped() {
        let body = br#"{"regions":[{"region":"a","url":"wss://a.example","distance":"1"},
            {"region":"b","url":"wss://b.example"},{"region":"c"}],"other":"wss://c.example"}"#;
        let map = |url: &str| (url == "wss://a.example").then(|| "ws://127.0.0.1:1/r/t".to_owned());
        let mapped: serde_json::Value = serde_json::from_slice(&map_regions(body, map)).unwrap();
        let expected = serde_json::json!({ "regions": [
            { "region": "a", "url": "ws://127.0.0.1:1/r/t", "distance": "1" },
        ] });
        assert_eq!(mapped, expected);
        assert_eq!(map_regions(b"wss://b.example", map), br#"{"regions":[]}"#);
    }
}
