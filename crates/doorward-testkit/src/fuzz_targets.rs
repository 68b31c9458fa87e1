//! What the fuzzers run, and the seeds that run as plain tests: each target takes
//! any bytes, drives one parser with them and holds the outcome against a second
//! opinion. A panic is a finding.

#![expect(clippy::panic, reason = "a panic is how a target tells of a finding")]

use doorward_guard::caller::read_cookie;
use doorward_guard::gate::{HeadGate, HeadLimits, METHODS, Step};
use doorward_guard::rules::{host, json};
use doorward_guard::{HostSet, Origin, Rule};
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use serde::Deserialize;

/// A target: any bytes in, a panic if something is wrong.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("head", head),
    ("host", host_name),
    ("origin", origin),
    ("cookie", cookie),
    ("json", body),
    #[cfg(feature = "media")]
    ("range", range),
    #[cfg(feature = "media")]
    ("answer", answer),
    #[cfg(feature = "relay")]
    ("signal", signal),
    #[cfg(feature = "relay")]
    ("turn", turn),
];

const NAME: &str = "doorward_7000";

/// The target called `name`.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}

/// What a gate made of a byte stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The heads that passed.
    pub heads: Vec<Vec<u8>>,
    /// All that passed, bodies included.
    pub released: Vec<u8>,
    /// What ended it.
    pub refused: Option<Rule>,
}

/// Shows `stream` to a fresh gate, `chunk` bytes at a time.
///
/// # Panics
///
/// When the gate breaks its word.
#[must_use]
pub fn pass(limits: HeadLimits, stream: &[u8], chunk: usize) -> Passage {
    let mut gate = HeadGate::new(limits);
    let mut passage = Passage::default();
    let mut held = Vec::new();
    let mut chunks = stream.chunks(chunk.max(1));
    loop {
        let in_head = gate.in_head() || gate.between();
        match gate.step(&held) {
            Step::NeedMore => {
                assert_eq!(
                    gate.between(),
                    in_head && held.is_empty(),
                    "between() is wrong"
                );
                match chunks.next() {
                    Some(chunk) => held.extend_from_slice(chunk),
                    None => return passage,
                }
            }
            Step::Release(count) => {
                assert!(
                    count > 0 && count <= held.len(),
                    "released {count} of {}",
                    held.len()
                );
                let part: Vec<_> = held.drain(..count).collect();
                passage.released.extend_from_slice(&part);
                if in_head {
                    passage.heads.push(part);
                }
            }
            Step::Refuse(refusal) => {
                passage.refused = Some(refusal.rule());
                return passage;
            }
        }
    }
}

/// The head gate: how bytes are cut never matters, and httparse and the `http`
/// types, which hyper is made of, read every head that passes as the gate did.
fn head(stream: &[u8]) {
    for limits in [HeadLimits::control(NAME), HeadLimits::content()] {
        let whole = pass(limits.clone(), stream, usize::MAX);
        assert!(
            stream.starts_with(&whole.released),
            "released what never came"
        );
        for chunk in [1, 2, stream.len() % 61 + 3] {
            assert_eq!(
                pass(limits.clone(), stream, chunk),
                whole,
                "cut into {chunk}"
            );
        }
        let mut behind = stream;
        for head in &whole.heads {
            // Heads come in order; between them lie bodies.
            let at = behind.windows(head.len()).position(|window| window == head);
            behind = behind
                .get(at.unwrap_or(0) + head.len()..)
                .unwrap_or_default();
            second_opinion(head);
        }
    }
}

/// Reads a head as hyper would.
///
/// # Panics
///
/// When hyper would not take it, or would read it in another way.
pub fn second_opinion(head: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => assert_eq!(length, head.len(), "two heads"),
        other => panic!("httparse says {other:?}"),
    }
    let (Some(method), Some(path), Some(version)) = (request.method, request.path, request.version)
    else {
        panic!("half a request line passed")
    };
    let first = format!("{method} {path} HTTP/1.{version}\r\n");
    assert!(
        head.starts_with(first.as_bytes()),
        "the request line is read differently"
    );
    assert!(METHODS.contains(&method), "{method} passed");
    let target: Uri = match path.parse() {
        Ok(target) => target,
        Err(error) => panic!("{path} passed: {error}"),
    };

    let mut headers = HeaderMap::new();
    let mut rebuilt = first.len() + 2;
    for field in request.headers.iter() {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(field.name.as_bytes()),
            HeaderValue::from_bytes(field.value),
        ) else {
            panic!("the line {field:?} passed")
        };
        rebuilt += field.name.len() + field.value.len() + 3;
        headers.append(name, value);
    }
    assert!(rebuilt <= head.len(), "a line was counted twice");
    let lines = head.split(|byte| *byte == b'\n').count() - 3;
    assert_eq!(lines, request.headers.len(), "lines are read differently");

    let once = |name: &str| headers.get_all(name).iter().count();
    assert_eq!(once("host"), 1);
    assert!(once("origin") <= 1 && once("content-length") <= 1);
    assert_eq!(once("transfer-encoding"), 0);
    let named = headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if let Some(authority) = target.authority() {
        assert!(
            authority.as_str().eq_ignore_ascii_case(named),
            "{authority} is not {named}"
        );
    }
}

/// `Host`: only a member of the set is allowed, and the gate lets every member
/// pass.
fn host_name(value: &[u8]) {
    let Ok(line) = HeaderValue::from_bytes(value) else {
        return;
    };
    let hosts = HostSet::loopback(7000, true);
    let Ok(request) = Request::get("/").header(HOST, line).body(()) else {
        return;
    };
    let (parts, ()) = request.into_parts();
    let allowed = host::check(&parts, &hosts).is_ok();
    let members = ["127.0.0.1:7000", "localhost:7000", "[::1]:7000"];
    let member = members
        .iter()
        .any(|name| name.as_bytes().eq_ignore_ascii_case(value));
    assert_eq!(allowed, member);
    let head = [b"GET / HTTP/1.1\r\nHost: ", value, b"\r\n\r\n"].concat();
    let passage = pass(HeadLimits::companion(), &head, usize::MAX);
    assert!(
        !member || passage.refused.is_none(),
        "the gate refuses a name of ours"
    );
}

/// `Origin`: what parses is what was written, and has one reading only.
fn origin(value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    let Some(parsed) = Origin::parse(text) else {
        return;
    };
    assert_eq!(parsed.as_str(), text);
    let Some((scheme, authority)) = text.split_once("://") else {
        panic!("{text} has no scheme")
    };
    assert!(!scheme.is_empty() && !authority.is_empty());
    assert!(
        !text
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || byte.is_ascii_uppercase())
    );
    assert!(
        !authority.contains(['/', '\\', '@', '?', '#', ',', '%']),
        "{text} parsed"
    );
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: {text}\r\n\r\n");
    let passage = pass(HeadLimits::companion(), head.as_bytes(), usize::MAX);
    assert_eq!(passage.refused, None, "the gate refuses {text}");
}

/// `Cookie`, one line of the input per header line: the gate and the session's
/// reader agree on how often our cookie came.
fn cookie(value: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for line in value.split(|byte| *byte == b'\n').take(60) {
        let Ok(field) = HeaderValue::from_bytes(line) else {
            return;
        };
        headers.append(COOKIE, field);
        head.extend([b"Cookie: ", line, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    let twice = read_cookie(&headers, NAME).is_err();
    match pass(HeadLimits::control(NAME), &head, usize::MAX).refused {
        Some(Rule::MalformedRequest) => assert!(twice, "only the gate saw two"),
        None => assert!(!twice, "only the reader saw two"),
        Some(Rule::HeadersTooLarge) => {}
        Some(other) => panic!("a cookie caused {other:?}"),
    }
}

/// The kinds of shapes that our bodies have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only read into")]
struct Shape {
    ticket: Option<String>,
    sources: Option<Vec<String>>,
    kind: Option<Kind>,
    #[serde(default)]
    limit: u16,
    within: Option<Box<Shape>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only read into")]
enum Kind {
    Inline,
    Timed { seconds: f64 },
}

/// JSON bodies: what is read is what serde_json reads, and less.
fn body(text: &[u8]) {
    let plain = serde_json::from_slice::<serde_json::Value>(text).ok();
    match json::parse::<serde_json::Value>(text) {
        Ok(value) => assert_eq!(Some(value), plain, "read differently"),
        Err(refusal) => assert!(matches!(
            refusal.rule(),
            Rule::InvalidJson | Rule::AuthorityFieldRejected
        )),
    }
    if json::parse::<Shape>(text).is_ok() {
        assert!(
            serde_json::from_slice::<Shape>(text).is_ok(),
            "only we can read this"
        );
    }
}

/// An upstream's answer: it reads the same however its bytes arrive, and a
/// `HEAD`'s has no body.
#[cfg(feature = "media")]
fn answer(bytes: &[u8]) {
    use doorward_egress::probe::{Outcome, read};
    use http::Method;

    let at_once = read(bytes, &Method::GET, bytes.len());
    for step in [1, 7] {
        assert_eq!(read(bytes, &Method::GET, step), at_once, "by {step}");
    }
    match at_once {
        Outcome::Answer { body, .. } => {
            assert!(body.len() <= bytes.len());
        }
        Outcome::Refused | Outcome::Partial => {}
    }
    if let Outcome::Answer { body, .. } = read(bytes, &Method::HEAD, bytes.len()) {
        assert!(body.is_empty());
    }
}

/// `Range`, first line of the input, for an object of the size that the second
/// line spells: whatever is promised lies within the object.
#[cfg(feature = "media")]
fn range(value: &[u8]) {
    use doorward_media::range::{Asked, ByteRange, Parts, parse_unsatisfied};

    let mut lines = value.split(|byte| *byte == b'\n');
    let (field, size) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let size = std::str::from_utf8(size)
        .ok()
        .and_then(|size| size.parse().ok())
        .unwrap_or(10_u64);
    // What stores answer with is parsed too.
    if let Some((range, whole)) = ByteRange::parse_content_range(field) {
        assert!(range.first() <= range.last() && range.last() < whole);
        assert_eq!(
            ByteRange::parse_content_range(range.content_range(whole).as_bytes()),
            Some((range, whole))
        );
    }
    let _ = parse_unsatisfied(field);

    let spec = match Asked::parse(field) {
        Asked::One(spec) => spec,
        Asked::Several(set) => {
            if let Ok(Parts::Several(parts)) = set.within(size) {
                let bytes: u128 = parts.iter().map(|range| u128::from(range.len())).sum();
                assert!(parts.len() >= 2 && bytes <= u128::from(size));
                assert!(parts.iter().all(|range| range.last() < size));
            }
            return;
        }
        Asked::Whole => return,
    };
    assert_eq!(
        Asked::parse(spec.to_string().as_bytes()),
        Asked::One(spec),
        "{spec}"
    );
    if let Ok(Some(range)) = spec.within(size) {
        assert!(
            range.first() <= range.last() && range.last() < size,
            "{spec} of {size}"
        );
        assert_eq!(range.len(), range.last() - range.first() + 1);
    }
}

/// What an upstream sends over a WebSocket whose messages are mapped: how it is cut
/// never matters, little is held, and what was mapped is mapped.
#[cfg(feature = "relay")]
fn signal(stream: &[u8]) {
    use doorward_relay::rewrite::{EditMessage, Rewriter};
    use doorward_relay::signal::{Ice, Malformed, Maps, rewrite};

    const HERE: &str = "ws://127.0.0.1:1/r/t";

    struct Table;

    impl Maps for Table {
        fn ice(&mut self, url: &str) -> Ice {
            match url.split(':').next() {
                Some("turn" | "turns") => Ice::Replaced("turn:127.0.0.1:2".to_owned()),
                Some("stun") => Ice::Dropped,
                _ => Ice::Kept,
            }
        }

        fn server(&mut self, url: &str) -> Option<String> {
            (url == HERE || url.starts_with("wss:")).then(|| HERE.to_owned())
        }
    }

    struct Twice;

    impl EditMessage for Twice {
        fn edit(&mut self, message: &[u8], is_text: bool) -> Result<Option<Vec<u8>>, Malformed> {
            let edited = rewrite(message, is_text, &mut Table)?;
            if let Some(edited) = &edited {
                let again = rewrite(edited, is_text, &mut Table);
                let same =
                    matches!(&again, Ok(None)) || again.as_ref() == Ok(&Some(edited.clone()));
                assert!(same, "what was mapped changes once more");
            }
            Ok(edited)
        }
    }

    let through = |step: usize| {
        let mut rewriter = Rewriter::new(Twice);
        for part in stream.chunks(step) {
            rewriter.feed(part);
        }
        assert!(
            rewriter.held() <= 4 * stream.len() + 1024,
            "too much is held"
        );
        (std::mem::take(rewriter.outbox()), rewriter.fault())
    };
    let whole = through(stream.len().max(1));
    for step in [1, 7] {
        assert_eq!(through(step), whole, "cut into {step}");
    }
}

/// Both directions of a TURN connection, a line each in turn, the client first: how
/// they are cut never matters.
#[cfg(feature = "relay")]
fn turn(lines: &[u8]) {
    use doorward_relay::turn::stun::{From, Talk};

    let talk = |step: usize| {
        let mut talk = Talk::default();
        let sides = [From::Client, From::Server].into_iter().cycle();
        for (line, side) in lines.split(|byte| *byte == b'\n').zip(sides) {
            for part in line.chunks(step) {
                talk.feed(side, part)?;
            }
        }
        Ok::<_, doorward_relay::turn::stun::Cut>((talk.is_allocated(), talk.no(1_790_000_000)))
    };
    let whole = talk(lines.len().max(1));
    for step in [1, 7] {
        assert_eq!(
            talk(step).ok(),
            whole.as_ref().ok().copied(),
            "cut into {step}"
        );
    }
}
