//! The addresses of STUN and TURN servers (RFC 7064, RFC 7065).

use doorward_egress::Target;
use http::Uri;

/// What an address of a list of ICE servers names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceUrl {
    /// A TURN server over TCP, or over TLS.
    Turn(Target),
    /// A TURN server over UDP or DTLS, which no tunnel of bytes can carry.
    TurnOverUdp,
    /// A STUN server: no media goes through it.
    Stun,
    /// None of these.
    Other,
}

impl IceUrl {
    /// Reads `turn:host[:port][?transport=tcp]` and its like, scheme and transport
    /// in any case. Without a transport `turn` means UDP and `turns` means TLS;
    /// without a port 3478 and 5349 are meant. A host that hides where it leads
    /// names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Self::Other;
        };
        let (secure, stun) = match scheme.to_ascii_lowercase().as_str() {
            "turn" => (false, false),
            "turns" => (true, false),
            "stun" | "stuns" => (false, true),
            _ => return Self::Other,
        };
        if stun {
            return Self::Stun;
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let over_tcp = match query {
            None => secure,
            Some(query) => match query.split_once('=') {
                Some(("transport", kind)) if kind.eq_ignore_ascii_case("tcp") => true,
                Some(("transport", kind)) if kind.eq_ignore_ascii_case("udp") => false,
                _ => return Self::Other,
            },
        };
        if !over_tcp {
            return Self::TurnOverUdp;
        }
        if place.contains(['/', '#', '@', '\\']) {
            return Self::Other;
        }
        let has_port = place
            .rsplit_once(':')
            .is_some_and(|(host, _)| !host.starts_with('[') || host.ends_with(']'));
        let (scheme, port) = match (secure, has_port) {
            (false, false) => ("http", ":3478"),
            (true, false) => ("https", ":5349"),
            (false, true) => ("http", ""),
            (true, true) => ("https", ""),
        };
        let target = format!("{scheme}://{place}{port}")
            .parse::<Uri>()
            .ok()
            .and_then(|uri| Target::parse(&uri).ok());
        target.map_or(Self::Other, Self::Turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_an_address_is_read_as_its_rfc_says() {
        for (text, expected) in [
            ("turn:t.example?transport=tcp", "http://t.example:3478"),
            ("turn:t.example:80?transport=tcp", "http://t.example:80"),
            ("TURN:t.example:443?transport=TCP", "http://t.example:443"),
            ("turns:t.example:443?transport=tcp", "https://t.example:443"),
            ("turns:t.example", "https://t.example:5349"),
            ("turns:t.example:443", "https://t.example:443"),
            ("turn:192.0.2.1:3478?transport=tcp", "http://192.0.2.1:3478"),
            (
                "turn:[2001:db8::1]?transport=tcp",
                "http://[2001:db8::1]:3478",
            ),
            (
                "turn:[2001:db8::1]:7?transport=tcp",
                "http://[2001:db8::1]:7",
            ),
        ] {
            let target = Target::parse(&expected.parse().unwrap()).unwrap();
            assert_eq!(IceUrl::parse(text), IceUrl::Turn(target), "{text}");
        }
        for text in [
            "turn:t.example",
            "turn:t.example?transport=udp",
            "turns:t.example?transport=udp",
        ] {
            assert_eq!(IceUrl::parse(text), IceUrl::TurnOverUdp, "{text}");
        }
        for text in ["stun:s.example", "stuns:s.example:5349"] {
            assert_eq!(IceUrl::parse(text), IceUrl::Stun, "{text}");
        }
        for text in [
            "",
            "turn",
            "http://t.example",
            "turns:",
            "turns:u@t.example",
            "turns:t.example/path",
            "turns:t.example:0",
            "turns:t.example:99999",
            "turns:127.1",
            "turns:0x7f.0.0.1",
            "turns:t.example?transport=sctp",
            "turns:t.example?x=y",
            "turns:t.example#x",
            "turns:[::1",
            "turns://t.example",
        ] {
            assert_eq!(IceUrl::parse(text), IceUrl::Other, "{text}");
        }
    }
}
