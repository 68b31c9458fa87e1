//! LiveKit's answers (`SignalResponse`): the URLs in them, and nothing else.
//!
//! | message | what is looked at |
//! |---|---|
//! | `join` (1) | `ice_servers` (5) `.urls` (1), `alternative_url` (7) |
//! | `reconnect` (19) | `ice_servers` (1) `.urls` (1) |
//! | `leave` (8) | `regions` (4) `.regions` (1) `.url` (2) |
//!
//! Numbers as in the published protocol (`livekit_rtc.proto`). Messages in JSON
//! carry the same under the same names, in either spelling.
//!
//! The upstream is trusted as far as this goes: it could still write a message
//! that our reader and a page's read differently. A grant's upstream that does so
//! loses nothing but its own users' privacy.

mod json;
mod wire;

pub use crate::protobuf::Malformed;

/// What becomes of the address of an ICE server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ice {
    /// It stays.
    Kept,
    /// It is left out; a server without addresses is left out whole.
    Dropped,
    /// This one in its place.
    Replaced(String),
}

/// Where the URLs of a message lead from here.
pub trait Maps {
    /// The address of an ICE server.
    fn ice(&mut self, url: &str) -> Ice;

    /// A list of ICE servers is through; `ice` was called for each address of it.
    fn ice_listed(&mut self) {}

    /// The URL of a signalling server; what has no place here is left out.
    fn server(&mut self, url: &str) -> Option<String>;
}

/// The message with its URLs mapped; `None` if it stays as it is, byte for byte.
///
/// # Errors
///
/// [`Malformed`].
pub fn rewrite(
    message: &[u8],
    is_text: bool,
    maps: &mut dyn Maps,
) -> Result<Option<Vec<u8>>, Malformed> {
    if is_text {
        let text = std::str::from_utf8(message).map_err(|_| Malformed)?;
        Ok(json::rewrite(text, maps)?.map(String::into_bytes))
    } else {
        wire::rewrite(message, maps)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Ice, Maps};

    /// `turn:` becomes `here`, `stun:` goes, signalling servers named `known` stay
    /// within reach.
    #[derive(Debug, Default)]
    pub(crate) struct Table {
        pub(crate) seen: Vec<String>,
        pub(crate) lists: usize,
    }

    pub(crate) const HERE: &str = "turn:127.0.0.1:45555?transport=tcp";

    impl Maps for Table {
        fn ice(&mut self, url: &str) -> Ice {
            self.seen.push(url.to_owned());
            if url.starts_with("turn") {
                Ice::Replaced(HERE.to_owned())
            } else if url.starts_with("stun") {
                Ice::Dropped
            } else {
                Ice::Kept
            }
        }

        fn ice_listed(&mut self) {
            self.lists += 1;
        }

        fn server(&mut self, url: &str) -> Option<String> {
            self.seen.push(url.to_owned());
            (url == "wss://known.example").then(|| "ws://127.0.0.1:1/r/t".to_owned())
        }
    }
}
