use proptest::prelude::*;

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
            assert!(
                whole.released.is_empty(),
                "released, then refused: {:?}",
                head.as_ref()
            )
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
        "ftp://127.0.0.1:7000/", "http:/127.0.0.1:7000/", "http:127.0.0.1:7000", "http://", "http:///", "http://127.0.0.1:7000",
        "http://127.0.0.1:7000?x", "127.0.0.1:7000", "127.0.0.1:7000/", "localhost", "x", "*", "?x", "", "file:///etc/passwd",
        "javascript:alert(1)", "about:blank", "/#x", "/a#", "http://127.0.0.1:7000/#x", "/caf\u{e9}", "/\u{1}", "/\t", "/<x>", "/\x7f",
    ] {
        assert_eq!(verdict(line(&format!("GET {target} HTTP/1.1"))), MALFORMED, "{target:?}");
    }
    assert_eq!(verdict("GET http://LOCALHOST:7000/ HTTP/1.1\r\nHost: localhost:7000\r\n\r\n"), None);
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
fn t23_length_and_transfer_encoding_together() {
    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 0\r\ntransfer-encoding:chunked\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 3\r\nTransfer-Encoding:\r\n",
    ] {
        assert_eq!(verdict(post(lines)), MALFORMED, "{lines}");
    }
}

#[test]
#[rustfmt::skip]
fn t24_lengths_that_are_not_one_plain_number() {
    for value in [
        "", " ", "+3", "-3", "-0", "3, 3", "3,4", "3 3", "3 ,", "0x3", "3.0", "3e1", "three", "03", "00", "3;", "\"3\"",
        "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999999999999999999999", "\u{0663}", "3\u{b}", "3_000",
    ] {
        assert_eq!(verdict(post(&format!("Content-Length: {value}\r\n"))), MALFORMED, "{value:?}");
    }
    for lines in [
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\ncontent-length: 4\r\n",
        "Content-Length: 0\r\nX: y\r\nCONTENT-LENGTH: 0\r\n",
        "Content-Length : 3\r\n",
        "Content-Length\t: 3\r\n",
    ] {
        assert_eq!(verdict(post(lines)), MALFORMED, "{lines}");
    }
    // The largest that counts is a matter for the body limit, not for framing.
    let head = post("Content-Length: 9223372036854775807\r\n");
    assert_eq!(feed(&control(), head.as_bytes(), &[]).refused, None);
}

#[test]
#[rustfmt::skip]
fn t25_any_transfer_encoding() {
    for value in [
        "chunked", "Chunked", "identity", "gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked",
        "chunked;q=1", "\"chunked\"", "", " chunked ", "x", "chunked,",
    ] {
        let lines = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(verdict(post(&lines)), Some(Rule::LengthRequired), "{value:?}");
        assert_eq!(verdict(get(&lines)), Some(Rule::LengthRequired), "{value:?}");
    }
    // Disguises are no header names at all.
    for lines in [
        "Transfer-Encoding : chunked\r\n", "Transfer-Encoding\u{b}: chunked\r\n", " Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chun\u{b}ked\r\n", "X: y\rTransfer-Encoding: chunked\r\n", "X: y\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_eq!(verdict(post(lines)), MALFORMED, "{lines:?}");
    }
}

#[test]
#[rustfmt::skip]
fn t26_lines_that_two_parsers_read_differently() {
    for head in [
        // Bare LF, bare CR.
        "GET / HTTP/1.1\nHost: 127.0.0.1:7000\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:7000\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:7000\r\n\n".to_owned(),
        "GET / HTTP/1.1\n\nHost: 127.0.0.1:7000\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\rHost: 127.0.0.1:7000\r\n\r\n".to_owned(),
        get("X: a\rb\r\n"), get("X: a\r\r\n"), get("X: a\n"), get("X\r: a\r\n"),
        // Folded lines, also as the first.
        get("X: a\r\n b\r\n"), get("X: a\r\n\tb\r\n"),
        "GET / HTTP/1.1\r\n Host: 127.0.0.1:7000\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost:\r\n 127.0.0.1:7000\r\n\r\n".to_owned(),
        // Names that are none.
        get("X : a\r\n"), get("X\t: a\r\n"), get(": a\r\n"), get("X\r\n"), get("X y: a\r\n"), get("X(y): a\r\n"),
        get("X\0: a\r\n"), get("\"X\": a\r\n"), get("X/y: a\r\n"), get("H\u{f6}st: a\r\n"), get("@: a\r\n"),
        // Values with bytes that may not be there.
        get("X: a\0b\r\n"), get("X: \u{1}\r\n"), get("X: \u{1b}[31m\r\n"), get("X: \u{7f}\r\n"), get("X: \u{8}\r\n"),
        get("X: caf\u{e9}\r\n"), get("Content-Disposition: \u{202e}\r\n"), get("Referer: http://\u{fc}/\r\n"),
        // Empty lines in front.
        format!("\r\n{CANARY}"), format!("\n{CANARY}"), format!("\r\n\r\n{CANARY}"), format!(" {CANARY}"),
    ] {
        assert_eq!(verdict(&head), MALFORMED, "{head:?}");
    }
}

#[test]
fn t27_exactly_the_body_passes_and_no_byte_more() {
    let smuggled = post("Content-Length: 3\r\n") + "abcX" + CANARY;
    let outcome = feed(&control(), smuggled.as_bytes(), &[]);
    // The byte too many begins a next head, which is none.
    assert_eq!(outcome.refused, Some(Rule::MethodNotAllowed));
    assert_eq!(
        outcome.released,
        (post("Content-Length: 3\r\n") + "abc").into_bytes()
    );

    let mut gate = HeadGate::new(control());
    let head = post("Content-Length: 4\r\n");
    assert_eq!(gate.step(head.as_bytes()), Step::Release(head.len()));
    assert_eq!(gate.step(b""), Step::NeedMore);
    assert_eq!(gate.step(b"a"), Step::Release(1));
    assert_eq!(gate.step(b"\r\n"), Step::Release(2));
    assert!(!gate.in_head() && !gate.between());
    assert_eq!(gate.step(b"\nG"), Step::Release(1));
    assert!(gate.between());
    assert_eq!(gate.step(b"G"), Step::NeedMore);
    assert!(gate.in_head() && !gate.between());
}

#[test]
fn t27_behind_a_refusal_nothing_passes() {
    let bad = get("Host: evil.test\r\n");
    let stream = format!("{CANARY}{bad}{CANARY}");
    for sizes in [&[][..], &[1], &[7, 90, 3]] {
        let outcome = feed(&control(), stream.as_bytes(), sizes);
        assert_eq!(outcome.refused, MALFORMED);
        assert_eq!(outcome.released, CANARY.as_bytes());
    }
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

fn request_line(length: usize, start: &str) -> String {
    let path = "a".repeat(length - start.len() - " HTTP/1.1".len());
    line(&format!("{start}{path} HTTP/1.1"))
}

#[test]
fn t30_long_request_lines() {
    let long = Some(Rule::RequestLineTooLong);
    assert_eq!(verdict(request_line(8_192, "GET /")), None);
    assert_eq!(verdict(request_line(8_193, "GET /")), long);
    assert_eq!(verdict(request_line(8_193, "GET /r/")), long);
    let content = HeadLimits::content();
    assert_eq!(verdict_by(&content, request_line(8_193, "GET /m/")), long);
    assert_eq!(verdict_by(&content, request_line(65_536, "GET /r/")), None);
    assert_eq!(
        verdict_by(&content, request_line(65_536, "OPTIONS /r/")),
        None
    );
    assert_eq!(verdict_by(&content, request_line(65_537, "GET /r/")), long);
    assert_eq!(verdict_by(&content, request_line(8_193, "BREW /r/")), long);
    assert_eq!(
        verdict_by(
            &content,
            request_line(8_193, "GET http://127.0.0.1:7000/r/")
        ),
        long
    );

    // Judged before its end is here, and nothing beyond the limit is held.
    let mut gate = HeadGate::new(content);
    assert_eq!(gate.step(&[b'A'; 8_193]), Step::NeedMore);
    assert!(
        matches!(gate.step(&[b'A'; 8_194]), Step::Refuse(refusal) if refusal.rule() == Rule::RequestLineTooLong)
    );
}

#[test]
fn t30_large_headers() {
    let large = Some(Rule::HeadersTooLarge);
    let header =
        |name: &str, length: usize| format!("{name}: {}\r\n", "v".repeat(length - name.len() - 2));
    assert_eq!(verdict(get(&header("X", 8_192))), None);
    assert_eq!(verdict(get(&header("X", 8_193))), large);
    assert_eq!(verdict(get(&header("Cookie", 49_152))), None);
    assert_eq!(verdict(get(&header("cOOKIE", 49_153))), large);
    assert_eq!(verdict(get(&header("Cookie2", 8_193))), large);
    assert_eq!(verdict(get(&"n".repeat(9_000))), large);

    // Host is the first of them.
    assert_eq!(verdict(get(&"X: y\r\n".repeat(63))), None);
    assert_eq!(verdict(get(&"X: y\r\n".repeat(64))), large);
    assert_eq!(
        verdict(get(&(header("Cookie", 49_152) + &header("X", 8_192)))),
        None
    );
    assert_eq!(
        verdict(get(
            &(header("Cookie", 49_152) + &header("X", 8_192).repeat(2))
        )),
        large
    );
    assert_eq!(verdict(get(&header("X", 8_192).repeat(8))), large);

    let mut gate = HeadGate::new(control());
    let mut head = get("").into_bytes();
    head.truncate(head.len() - 2);
    let start = head.len();
    head.resize(start + 8_193, b'a');
    assert_eq!(gate.step(&head), Step::NeedMore);
    head.push(b'a');
    assert!(
        matches!(gate.step(&head), Step::Refuse(refusal) if refusal.rule() == Rule::HeadersTooLarge)
    );
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

/// Streams from the pieces that requests are made of, right and wrong.
#[rustfmt::skip]
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\n"[..], b"POST /r/x HTTP/1.1\r\n", b"HEAD http://a/ HTTP/1.0\r\n", b"TRACE / HTTP/1.1\r\n",
        b"Host: a\r\n", b"Host: a\r\n\r\n", b"Origin: null\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
        b"Content-Length: 17\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: x\r\n", b"Cookie: c=1; c=2\r\n",
        b"Cookie: c=1\r\n", b"cookie", b"Service-Worker: script\r\n", b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaa", b"X: y\r\n",
        b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b":", b"\0", b"\xff", b"abc", b"GET /r/aaaaaaaaaaaaaaaaaaa",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    ]);
    let start = prop::sample::select(vec!["", "GET / HTTP/1.1\r\n", "POST /r/x HTTP/1.1\r\nHost: a\r\n"]);
    let request = (start, prop::collection::vec(piece, 0..6))
        .prop_map(|(start, pieces)| [start.as_bytes(), &pieces.concat(), b"\r\n\r\n"].concat());
    prop::collection::vec(request, 1..4).prop_map(|requests| requests.concat())
}

#[rustfmt::skip]
fn limits() -> impl Strategy<Value = HeadLimits> {
    let small = HeadLimits {
        request_line: 20, relay_request_line: 30, header_line: 20, cookie_line: 25, header_count: 3,
        headers_total: 50, our_cookie: Some("c".to_owned()),
    };
    prop_oneof![
        Just(small.clone()),
        (2_usize..24, 0_usize..12, 0_usize..5).prop_map(move |(request, header, count)| HeadLimits {
            request_line: request, header_line: header, header_count: count, ..small.clone()
        }),
        Just(HeadLimits::control("c")),
        Just(HeadLimits::content()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn cuts_never_change_what_passes(
        limits in limits(),
        stream in streams(),
        sizes in prop::collection::vec(1_usize..40, 0..8),
    ) {
        let whole = feed(&limits, &stream, &[]);
        prop_assert!(stream.starts_with(&whole.released));
        prop_assert_eq!(&feed(&limits, &stream, &[1]), &whole);
        prop_assert_eq!(&feed(&limits, &stream, &sizes), &whole);
    }

    #[test]
    fn t15_any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = feed(&control(), &stream, &[]);
        prop_assert_eq!(&feed(&control(), &stream, &[1]), &whole);
        let headed = [b"GET / HTTP/1.1\r\nHost: a\r\n", &stream[..]].concat();
        let whole = feed(&control(), &headed, &[]);
        prop_assert_eq!(&feed(&control(), &headed, &[1]), &whole);
    }

    #[test]
    fn what_is_held_stays_within_the_limits(limits in limits(), stream in streams()) {
        let mut gate = HeadGate::new(limits.clone());
        let most = limits.request_line.max(limits.relay_request_line) + limits.headers_total
            + 2 * (limits.header_count + 4);
        let mut held = Vec::new();
        for byte in stream {
            held.push(byte);
            loop {
                match gate.step(&held) {
                    Step::NeedMore => break,
                    Step::Release(count) => drop(held.drain(..count)),
                    Step::Refuse(_) => return Ok(()),
                }
            }
            prop_assert!(held.len() <= most, "{} > {most}", held.len());
            prop_assert_eq!(gate.in_head(), !held.is_empty());
        }
    }
}
