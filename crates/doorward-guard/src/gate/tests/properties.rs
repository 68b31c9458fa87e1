//! For all streams: the cuts never matter, and little is held.

use proptest::prelude::*;

use super::*;

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
