//! The hostile corpus: requests that must not get further than they do.
//!
//! `corpus/hostile.toml` holds them as text with placeholders; [`Case::bytes`]
//! fills those in for a running listener. A case is replayed on a fresh daemon or
//! after a pause: many of them fail a proof, and failed proofs run into a rate.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{host}` `{port}` `{origin}` | `127.0.0.1:P`, `P` and `http://127.0.0.1:P` of the case's listener |
//! | `{other_port}` | a port on which nobody of ours listens |
//! | `{content_host}` | `127.0.0.1:Q` of the content listener |
//! | `{cookie_name}` `{session}` `{proof}` `{csrf}` | a live session, and a tab of it |
//! | `{signed_in}` | the `Cookie` and proof lines of that session |
//! | `{ticket}` | a launch ticket that was not used |
//! | `{token}` | a live media grant: any origin, shown inline |
//! | `{bound_token}` | the same for [`BOUND_ORIGIN`] alone |
//! | `{expired_token}` `{revoked_token}` | grants of the last minutes |
//! | `{relay_token}` | a live relay grant for [`BOUND_ORIGIN`], with LiveKit's paths |
//! | `{unknown}` | 43 characters that nobody was given |
//! | `{length}` | the length of everything behind the first empty line |
//! | `{byte:FF}` | one byte |
//! | `{repeat:text:9000}` | the text that often |

use std::collections::BTreeMap;

use serde::Deserialize;

/// The one origin that `{bound_token}` is for.
pub const BOUND_ORIGIN: &str = "https://app.example";

/// What is sent behind every case, with the listener's own `Host`: it must stay
/// unanswered where [`Case::closes`].
pub const CANARY: &str = "GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n";

/// One request, or a few, and what must come of the last one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Starts with the id of the behaviour. No two are equal.
    pub name: String,
    /// Where it is sent.
    pub listener: Listener,
    /// The room that it aims at: a surface, or `none`.
    pub surface: String,
    /// Who finds the defect.
    pub judge: Judge,
    /// The bytes, with placeholders.
    raw: String,
    /// The status of the answer.
    pub status: u16,
    /// The name of the refusal; `None` where the request must pass.
    #[serde(default)]
    pub denial: Option<String>,
    /// The connection ends with the answer.
    pub closes: bool,
    /// So many answers, to earlier requests in the same bytes, come first.
    #[serde(default)]
    pub after: usize,
}

/// A listener of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listener {
    /// Console and its API.
    Control,
    /// Media and relay.
    Content,
    /// Pairing and drives.
    Companion,
    /// The Unix socket.
    Native,
}

/// Who finds the defect of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// The head gate, in the bytes.
    Gate,
    /// The guard, in the head.
    Guard,
    /// The handler, in the body; or nobody.
    Room,
}

/// What the placeholders stand for on one listener.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<&'static str, String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// All cases, in the order of the file.
///
/// # Panics
///
/// When the file is not what [`Case`] says.
#[must_use]
#[expect(
    clippy::panic,
    reason = "a broken corpus must fail the test that reads it"
)]
pub fn hostile() -> Vec<Case> {
    match toml::from_str::<File>(include_str!("../corpus/hostile.toml")) {
        Ok(file) => file.case,
        Err(error) => panic!("corpus/hostile.toml: {error}"),
    }
}

// === impl Case ===

impl Case {
    /// The bytes to send, without the canary.
    ///
    /// # Panics
    ///
    /// When a placeholder has no value.
    #[must_use]
    pub fn bytes(&self, values: &Values) -> Vec<u8> {
        expand(&self.raw, values)
    }

    /// The canary that goes behind it.
    ///
    /// # Panics
    ///
    /// When `values` has no host.
    #[must_use]
    pub fn canary(&self, values: &Values) -> Vec<u8> {
        expand(CANARY, values)
    }
}

// === impl Values ===

impl Values {
    /// Values for a listener that answers at `host` (`127.0.0.1:P`, or
    /// `doorward` on the native socket). The rest is filled with well-formed
    /// nonsense; [`Self::set`] what the case is to find in order.
    #[must_use]
    pub fn new(host: &str) -> Self {
        let port = host.rsplit_once(':').map_or("0", |(_, port)| port);
        let mut values = Self::default();
        values.set("host", host);
        values.set("port", port);
        values.set("origin", &format!("http://{host}"));
        values.set("other_port", "9");
        values.set("content_host", "127.0.0.1:19");
        values.set("cookie_name", &format!("doorward_{port}"));
        let tokens = [
            ("session", 'S'),
            ("proof", 'P'),
            ("csrf", 'C'),
            ("ticket", 'L'),
            ("token", 'T'),
            ("bound_token", 'B'),
            ("expired_token", 'E'),
            ("revoked_token", 'R'),
            ("relay_token", 'W'),
            ("unknown", 'U'),
        ];
        for (name, letter) in tokens {
            // The last character of a canonical token carries only four bits.
            values.set(name, &format!("{}A", letter.to_string().repeat(42)));
        }
        values
    }

    /// Sets what `{name}` stands for.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    #[expect(
        clippy::panic,
        reason = "a placeholder that nobody knows is a typing error"
    )]
    fn find(&self, name: &str) -> String {
        if name == "signed_in" {
            let (cookie, session, proof) = (
                self.find("cookie_name"),
                self.find("session"),
                self.find("proof"),
            );
            return format!("Cookie: {cookie}={session}\r\nX-Doorward-Proof: {proof}\r\n");
        }
        match self.0.get(name) {
            Some(value) => value.clone(),
            None => panic!("the placeholder {{{name}}} has no value"),
        }
    }
}

fn expand(raw: &str, values: &Values) -> Vec<u8> {
    let (head, body) = match raw.split_once("\r\n\r\n") {
        Some((head, body)) => (format!("{head}\r\n\r\n"), fill(body, values, 0)),
        None => (raw.to_owned(), Vec::new()),
    };
    let mut bytes = fill(&head, values, body.len());
    bytes.extend(body);
    bytes
}

/// Fills in every `{name}` and `{name:argument}`. Other braces stay: JSON has many.
fn fill(text: &str, values: &Values, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        bytes.extend(before.as_bytes());
        let inner = after.split_once('}').filter(|(inner, _)| {
            let name = inner.split(':').next().unwrap_or_default();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        let Some((inner, behind)) = inner else {
            bytes.push(b'{');
            rest = after;
            continue;
        };
        match inner.split_once(':') {
            None if inner == "length" => bytes.extend(length.to_string().as_bytes()),
            None => bytes.extend(values.find(inner).as_bytes()),
            Some(("byte", hex)) => bytes.extend(u8::from_str_radix(hex, 16)),
            Some(("repeat", what)) => {
                let (text, count) = what.rsplit_once(':').unwrap_or((what, "0"));
                bytes.extend(text.repeat(count.parse().unwrap_or(0)).as_bytes());
            }
            Some((name, _)) => bytes.extend(values.find(name).as_bytes()),
        }
        rest = behind;
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use doorward_guard::Rule;

    use super::*;

    /// What the relay says beyond the rules, or with another status: never 404.
    const RELAYS: [(&str, u16); 5] = [
        ("targetMalformed", 400),
        ("grantUnknown", 403),
        ("pathNotAllowed", 403),
        ("handshakeMalformed", 400),
        ("versionNotSupported", 426),
    ];

    #[test]
    fn the_corpus_is_large_and_well_formed() {
        let cases = hostile();
        assert!(cases.len() >= 140, "{}", cases.len());
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len(), "two cases share a name");
        let values = Values::new("127.0.0.1:7000");
        for case in &cases {
            assert!(!case.bytes(&values).is_empty(), "{}", case.name);
            match &case.denial {
                None => assert!(case.status < 400 && !case.closes, "{}", case.name),
                Some(denial) => assert!(
                    Rule::ALL.iter().any(|rule| {
                        rule.name() == denial && rule.status().as_u16() == case.status
                    }) || RELAYS.contains(&(denial.as_str(), case.status)),
                    "{}: {denial} {}",
                    case.name,
                    case.status
                ),
            }
        }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let values = Values::new("127.0.0.1:7000");
        let filled = |raw: &str| String::from_utf8_lossy(&expand(raw, &values)).into_owned();
        assert_eq!(
            filled("{host} {port} {origin}"),
            "127.0.0.1:7000 7000 http://127.0.0.1:7000"
        );
        assert_eq!(
            filled("{length}\r\n\r\n{\"a\":{}} {port}"),
            "13\r\n\r\n{\"a\":{}} 7000"
        );
        assert_eq!(filled("{repeat:a:b\r\n:2}{byte:41}{"), "a:b\r\na:b\r\nA{");
        assert_eq!(expand("{byte:FF}", &values), [0xff]);
        assert!(filled("{signed_in}").starts_with("Cookie: doorward_7000=SSS"));
    }
}
