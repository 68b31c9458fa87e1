//! Where a request ends: lengths, encodings, lines, and what comes behind.

use super::*;

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
        "", " ", "+3", "-3", "-0", "3, 3", "3,4", "3 3", "3 ,", "0x3", "3.0", "3e1", "three", "03", "00",
        "3;", "\"3\"",
        "9223372036854775808", "18446744073709551615", "18446744073709551616",
        "99999999999999999999999999999999999999", "\u{0663}", "3\u{b}", "3_000",
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
        "Transfer-Encoding: chun\u{b}ked\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
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
