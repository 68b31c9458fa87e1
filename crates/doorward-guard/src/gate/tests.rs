//! Helpers, and what the request line and single headers may say.

mod framing;
mod measure;
mod properties;

use super::*;
use crate::refusal::Rule;

const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\r\n";

/// What came of a byte stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    released: Vec<u8>,
    refused: Option<Rule>,
}

/// Shows `stream` to a gate, `sizes` bytes at a time (the last size repeats).
fn feed(limits: &HeadLimits, stream: &[u8], sizes: &[usize]) -> Outcome {
    let mut gate = HeadGate::new(limits.clone());
    let mut sizes = sizes.iter().copied();
    let mut size = usize::MAX;
    let (mut held, mut rest) = (Vec::new(), stream);
    let mut released = Vec::new();
    loop {
        match gate.step(&held) {
            Step::NeedMore if rest.is_empty() => {
                return Outcome {
                    released,
                    refused: None,
                };
            }
            Step::NeedMore => {
                size = sizes.next().unwrap_or(size).max(1);
                let (next, later) = rest.split_at(size.min(rest.len()));
                held.extend_from_slice(next);
                rest = later;
            }
            Step::Release(count) => {
                assert!(count > 0 && count <= held.len());
                released.extend(held.drain(..count));
            }
            Step::Refuse(refusal) => {
                assert_eq!(
                    gate.step(b"GET / HTTP/1.1\r\n"),
                    Step::Refuse(refusal.clone())
                );
                return Outcome {
                    released,
                    refused: Some(refusal.rule()),
                };
            }
        }
    }
}

fn control() -> HeadLimits {
    HeadLimits::control("doorward_7000")
}

/// The verdict on `head` with a canary behind it, which must share its fate.
fn verdict(head: impl AsRef<[u8]>) -> Option<Rule> {
    verdict_by(&control(), head)
}

fn verdict_by(limits: &HeadLimits, head: impl AsRef<[u8]>) -> Option<Rule> {
    let stream = [head.as_ref(), CANARY.as_bytes()].concat();
    let whole = feed(limits, &stream, &[]);
    assert_eq!(
        whole,
        feed(limits, &stream, &[1]),
        "cut into bytes: {:?}",
        head.as_ref()
    );
    match whole.refused {
        Some(_) => {
            let released = &whole.released;
            assert!(
                released.is_empty(),
                "released, then refused: {:?}",
                head.as_ref()
            );
        }
        None => assert_eq!(whole.released, stream),
    }
    whole.refused
}

/// A GET with these header lines behind its Host.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n{lines}\r\n")
}

fn post(lines: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n{lines}\r\n")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: 127.0.0.1:7000\r\n\r\n")
}

fn host(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

const MALFORMED: Option<Rule> = Some(Rule::MalformedRequest);

#[test]
#[rustfmt::skip]
fn what_browsers_send_passes() {
    let chromium = "GET /m/AAAA HTTP/1.1\r\nHost: 127.0.0.1:7000\r\nConnection: keep-alive\r\n\
        sec-ch-ua: \"Chromium\";v=\"156\", \"Not)A;Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: image/avif,image/webp,*/*;q=0.8\r\n\
        Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n\
        Referer: http://127.0.0.1:7001/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
        Accept-Language: en-US,en;q=0.9\r\nRange: bytes=0-\r\nCookie: a=b; doorward_7000=x; c\r\n\r\n";
    let websocket = "GET /r/AAAA/rtc?a=b HTTP/1.1\r\nHost: localhost:7000\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nOrigin: tauri://localhost\r\nSec-WebSocket-Key: dGhl\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let claim = "POST /api/session/claim HTTP/1.1\r\nhost:127.0.0.1:7000\r\nContent-Length: 2\r\n\
        Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n{}";
    for head in [chromium, websocket, claim, CANARY] {
        assert_eq!(verdict(head), None, "{head}");
    }
    for head in [
        line("HEAD / HTTP/1.1"), line("DELETE /api/grants/g_1 HTTP/1.1"), line("OPTIONS /m/A HTTP/1.1"),
        line("GET / HTTP/1.0"), line("GET //x/../%2e%2e/?q=a`b{c}|d\\ HTTP/1.1"), get("Content-Length: 0\r\n"),
        get("X-Empty:\r\nX-Blank: \t \r\nX-Tab: a\tb\r\n"), get("Origin: null\r\n"), host("[::1]:7000"),
        post("Content-Length: 5\r\n") + "12345", host("LOCALHOST"), host("evil.test:7000"), host("doorward"),
    ] {
        assert_eq!(verdict(&head), None, "{head}");
    }
}

#[test]
fn t18_no_host_two_hosts_two_origins() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nX-Host: 127.0.0.1:7000\r\n\r\n".to_owned(),
        get("Host: 127.0.0.1:7000\r\n"),
        get("hOST: evil.test\r\n"),
        get("Origin: http://127.0.0.1:7000\r\nOrigin: http://127.0.0.1:7000\r\n"),
        get("Origin: http://127.0.0.1:7000\r\norigin: http://evil.test\r\n"),
    ] {
        assert_eq!(verdict(&head), MALFORMED, "{head}");
    }
}

#[test]
#[rustfmt::skip]
fn t15_malformed_hosts_and_origins() {
    for name in [
        "", " ", "\t", "127.0.0.1:7000, evil.test", "127.0.0.1:7000,127.0.0.1:7000", "127.0.0.1:7000 evil.test",
        "127.0.0.1 :7000", "127.0.0.1\t:7000", "user@127.0.0.1:7000", "user:pass@127.0.0.1:7000", "@",
        "localhost.", "localhost.:7000", "127.0.0.1.:7000", "evil.test.", ":7000", "[]:7000", ".", "http://localhost",
        "localhost/", "localhost?x", "localhost#x", "localhost\\", "local%68ost", "\"localhost\"", "<x>", "a;b",
    ] {
        assert_eq!(verdict(host(name)), MALFORMED, "{name:?}");
    }
    for byte in [0x80, 0xff, 0, 0x0b, 0x0c, 0x7f, 0x1b] {
        let mut head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1".to_vec();
        head.push(byte);
        head.extend_from_slice(b":7000\r\n\r\n");
        assert_eq!(verdict(&head), MALFORMED, "{byte:#x}");
    }
    for origin in ["", "  ", "http://a.test http://b.test", "http://a.test, null", "http://a.test\thttp://b.test"] {
        assert_eq!(verdict(get(&format!("Origin: {origin}\r\n"))), MALFORMED, "{origin:?}");
    }
    assert_eq!(verdict(host(&"a".repeat(65_536))), Some(Rule::HeadersTooLarge));
}

#[test]
#[rustfmt::skip]
fn t19_an_absolute_target_names_our_host_or_is_refused() {
    for target in [
        "http://127.0.0.1:7000/", "HTTP://127.0.0.1:7000/x?y", "http://127.0.0.1:7000//",
    ] {
        assert_eq!(verdict(line(&format!("GET {target} HTTP/1.1"))), None, "{target}");
    }
    for target in [
        "http://evil.test/", "http://127.0.0.1:7001/", "http://127.0.0.1/", "http://127.0.0.1:7000@evil.test/",
        "http://user@127.0.0.1:7000/", "http://:@127.0.0.1:7000/", "https://127.0.0.1:7000/", "ws://127.0.0.1:7000/",
        "ftp://127.0.0.1:7000/", "http:/127.0.0.1:7000/", "http:127.0.0.1:7000", "http://", "http:///",
        "http://127.0.0.1:7000",
        "http://127.0.0.1:7000?x", "127.0.0.1:7000", "127.0.0.1:7000/", "localhost", "x", "*", "?x", "",
        "file:///etc/passwd",
        "javascript:alert(1)", "about:blank", "/#x", "/a#", "http://127.0.0.1:7000/#x", "/caf\u{e9}",
        "/\u{1}", "/\t", "/<x>", "/\x7f",
    ] {
        assert_eq!(verdict(line(&format!("GET {target} HTTP/1.1"))), MALFORMED, "{target:?}");
    }
    assert_eq!(verdict("GET http://LOCALHOST:7000/ HTTP/1.1\r\nHost: localhost:7000\r\n\r\n"), None);
}

#[test]
fn t19_what_needs_no_closer_look_is_a_uri() {
    for byte in 0..=u8::MAX {
        for start in ["/", "/a?", "/a?b?"] {
            let target = [start.as_bytes(), &[byte]].concat();
            let passed = super::head::authority_of(&target).is_ok();
            let parsed = http::Uri::try_from(target.as_slice()).is_ok();
            let plain = byte.is_ascii_graphic() && byte != b'#';
            assert_eq!(passed, parsed && plain, "{target:?}");
        }
    }
    for length in [32 * 1024, 64 * 1024, 128 * 1024] {
        let target = "/".repeat(length);
        let parsed = http::Uri::try_from(target.as_bytes()).is_ok();
        let passed = super::head::authority_of(target.as_bytes()).is_ok();
        assert_eq!(passed, parsed, "{length}");
    }
}

#[test]
fn t22_http_1_0_needs_a_host_too() {
    assert_eq!(verdict("GET / HTTP/1.0\r\n\r\n"), MALFORMED);
    assert_eq!(
        verdict("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        MALFORMED
    );
    assert_eq!(verdict("GET /\r\n"), MALFORMED);
    assert_eq!(
        verdict("GET / HTTP/1.0\r\nHost: 127.0.0.1:7000\r\n\r\n"),
        None
    );
}

#[test]
#[rustfmt::skip]
fn t28_methods_bodies_and_expectations() {
    for method in ["CONNECT", "TRACE", "TRACK", "get", "Get", "GETT", "GE", "PROPFIND", "LINK", "QUERY", "X", "!"] {
        for target in ["/", "*", "127.0.0.1:7000"] {
            let head = line(&format!("{method} {target} HTTP/1.1"));
            assert_eq!(verdict(&head), Some(Rule::MethodNotAllowed), "{method}");
        }
    }
    let refusal = match HeadGate::new(control()).step(line("TRACE / HTTP/1.1").as_bytes()) {
        Step::Refuse(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal.allow.as_deref(), Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));

    for head in [
        line("OPTIONS * HTTP/1.1"), line("GE\u{e9}T / HTTP/1.1"), line("G(T / HTTP/1.1"), line(" / HTTP/1.1"),
        line("GET  / HTTP/1.1"), line("GET / HTTP/1.1 "), line("GET /a b HTTP/1.1"), line("GET\t/\tHTTP/1.1"), line("GET / "),
        line("GET / HTTP/1.1\0"), line("GET / http/1.1"), line("GET / HTTP/1.2"), line("GET / HTTP/2.0"), line("GET / HTTP/2"),
        line("GET / HTTP/3"), line("GET / HTTP/11"), line("GET / HTTP/1.10"), line("GET / HTTP/ 1.1"), line("GET / ICY"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
        get("Upgrade: websocket, H2C\r\n"), get("Upgrade: h2\r\n"), get("HTTP2-Settings:\r\n"),
        get("Content-Length: 1\r\n"), line("HEAD / HTTP/1.1\r\nContent-Length: 10"),
    ] {
        assert_eq!(verdict(&head), MALFORMED, "{head:?}");
    }
    assert_eq!(verdict(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), MALFORMED);

    for value in ["", "200-ok", "100-continue, x", "100-continue2", "100", "x", "100-continue;a"] {
        let head = post(&format!("Expect: {value}\r\n"));
        assert_eq!(verdict(&head), Some(Rule::ExpectationFailed), "{value}");
    }
    assert_eq!(verdict(post("Expect: 100-continue\r\nExpect: y\r\n")), Some(Rule::ExpectationFailed));
    assert_eq!(verdict(post("Expect: 100-Continue\r\n")), None);
}

#[test]
fn service_workers_are_refused_on_every_listener() {
    for limits in [
        control(),
        HeadLimits::content(),
        HeadLimits::companion(),
        HeadLimits::native(),
    ] {
        let head = get("Service-Worker: script\r\n");
        assert_eq!(verdict_by(&limits, head), Some(Rule::ServiceWorkerRefused));
    }
}

#[test]
fn t42_our_cookie_may_come_once() {
    for lines in [
        "Cookie: doorward_7000=a; doorward_7000=b\r\n",
        "Cookie: doorward_7000=a;doorward_7000=a\r\n",
        "Cookie: x=y; doorward_7000=; z; doorward_7000=b\r\n",
        "Cookie: doorward_7000=a\r\ncookie: doorward_7000=b\r\n",
        "Cookie: doorward_7000 =a;\t doorward_7000\t=b\r\n",
        "Cookie: a=\"; doorward_7000=a; b=\"; doorward_7000=b\r\n",
    ] {
        assert_eq!(verdict(get(lines)), MALFORMED, "{lines}");
        // Elsewhere cookies are none of our business.
        assert_eq!(
            verdict_by(&HeadLimits::content(), get(lines)),
            None,
            "{lines}"
        );
    }
    for lines in [
        "Cookie: doorward_7000=a\r\n",
        "Cookie: doorward_7000=doorward_7000=b\r\n",
        "Cookie: doorward_7001=a; doorward_7000=b; Doorward_7000=c; doorward_70000=d; xdoorward_7000=e\r\n",
        "Cookie: doorward_7000; doorward_7000=a\r\n",
        "Cookie:\r\nCookie: ;;;=;==\r\n",
    ] {
        assert_eq!(verdict(get(lines)), None, "{lines}");
    }
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nCOOKIE: ".to_vec();
    head.extend(0x80..=0xff);
    head.extend_from_slice(b"\r\n\r\n");
    assert_eq!(verdict(&head), None);
    assert_eq!(verdict(get("Cookie: a=\0\r\n")), MALFORMED);
}
#[test]
fn after_an_upgrade_the_gate_is_open() {
    let mut gate = HeadGate::new(HeadLimits::content());
    let head = get("Upgrade: websocket\r\n");
    assert_eq!(gate.step(head.as_bytes()), Step::Release(head.len()));
    gate.open();
    assert!(!gate.in_head() && !gate.between());
    assert_eq!(gate.step(b"\x81\x85\n\r\0\xff"), Step::Release(6));
    assert_eq!(gate.step(b""), Step::NeedMore);

    let mut refused = HeadGate::new(HeadLimits::content());
    assert!(matches!(refused.step(b"\n"), Step::Refuse(_)));
    refused.open();
    assert!(matches!(refused.step(b"x"), Step::Refuse(_)));
    assert!(!refused.in_head() && !refused.between());
}
