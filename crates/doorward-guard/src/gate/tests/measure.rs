//! How much.

use super::*;

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
