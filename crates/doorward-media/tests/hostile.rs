//! Attacks on what is answered: sets of ranges that ask for more than there is, and
//! names and headers that would write lines of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::scripted::{Scripted, field, object};
use common::{Reply, read};
use doorward_media::{Disposition, MediaOptions};
use http::{Method, StatusCode};

const SIZE: usize = 20_000;

/// What sixteen frames may add to an answer.
const FRAMES: usize = 16 * 256;

/// Sets of ranges that are short to write and long to answer.
fn greedy() -> Vec<String> {
    let set = |members: Vec<String>| format!("bytes={}", members.join(","));
    let each =
        |count: usize, member: &dyn Fn(usize) -> String| set((0..count).map(member).collect());
    vec![
        set(vec!["0-".to_owned(); 1300]),
        each(1300, &|at| format!("{at}-")),
        each(1300, &|at| format!("-{}", at + 1)),
        each(1300, &|at| format!("{at}-{at}")),
        each(1300, &|at| format!("{at}-{}", at + 100)),
        each(100, &|at| format!("{0}-{0}", (99 - at) * 200)),
        each(17, &|at| format!("{0}-{0}", at * 1000)),
        each(16, &|at| format!("{0}-{0}", at * 1000)),
        each(16, &|at| {
            format!("{}-{}", (15 - at) * 1200, (15 - at) * 1200 + 1000)
        }),
        each(16, &|at| format!("{}-{SIZE}", at * 1000)),
        "bytes=0-,5-0,5-1,5-2".to_owned(),
        "bytes=0-18446744073709551615,18446744073709551615-18446744073709551616".to_owned(),
        "bytes=1-99999999999999999999999999999999,-99999999999999999999999999999999".to_owned(),
        format!("bytes={}", ",".repeat(4000)),
        format!("bytes=0-0{},19000-19000", " ,\t".repeat(2000)),
    ]
}

#[tokio::test]
async fn t57_no_set_of_ranges_costs_the_store_more_than_the_object_twice() {
    for asked in greedy() {
        let shown = &asked[..asked.len().min(40)];
        let store = Scripted::start(|head, _| object(head, &"z".repeat(SIZE), "1")).await;
        let (room, url) = store.playing().await;
        let head = room.head(&url, &[("range", &asked)]).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(store.asked(), ["HEAD"], "{shown}");
        let reply = room.get(&url, &[("range", &asked)]).await;
        assert!(reply.status.is_success(), "{shown}: {}", reply.status);
        assert!(reply.body.len() <= SIZE + FRAMES, "{shown}");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        let requests = &store.asked()[1..];
        assert!(requests.len() <= 16, "{shown}: {requests:?}");
        let bytes: usize = requests.iter().map(|request| named(request)).sum();
        // The first small range is asked for as it is; the next brings the block around
        // it, which the others are read from.
        assert!(bytes <= 2 * SIZE, "{shown}: {requests:?}");
    }
}

/// How many bytes a `GET` asks a store for: always of one range.
fn named(request: &str) -> usize {
    if request == "GET" {
        return SIZE;
    }
    let range = request.strip_prefix("GET bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let last = match last {
        "" => SIZE - 1,
        last => last.parse::<usize>().unwrap().min(SIZE - 1),
    };
    last + 1 - first
}

#[tokio::test]
async fn t57_an_encoded_object_is_fetched_once_whatever_is_asked_for() {
    for asked in greedy() {
        let store = Scripted::start(|head, _| {
            object(head, &"z".repeat(SIZE), "1").replacen(
                "\nETag",
                "\nContent-Encoding: gzip\nETag",
                1,
            )
        })
        .await;
        let (room, url) = store.playing().await;
        room.head(&url, &[]).await;
        let reply = room.get(&url, &[("range", &asked)]).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, SIZE));
        assert_eq!(
            store.asked(),
            ["HEAD", "GET"],
            "{}",
            &asked[..asked.len().min(40)]
        );
    }
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a\r\nX-Evil: 1",
        "a\r\n\r\nGET /b/other HTTP/1.1\r\nX-Evil: 1\r\n\r\n",
        "a\nX-Evil: 1\nb.mp4",
        "a HTTP/1.1\rX-Evil: 1",
        "a\"; filename=\"evil.exe",
        "a\\\"; filename=evil.exe; x=\\",
        "a; filename*=UTF-8''evil.exe",
        "%0d%0aX-Evil: 1",
        "%22; filename=%22evil.exe",
        "=?utf-8?Q?=0D=0AX-Evil:_1?=",
        "photo\u{202e}gnp.exe",
        "\u{2066}x\u{2069}\u{200b}\u{feff}.txt",
        "nul\0byte",
        "tab\tand\u{b}\u{c}\u{7f}\u{85}\u{9b}",
        "lines\u{2028}and\u{2029}",
        "\u{10d}\u{10a}X-Evil: 1",
        "ü ☃ 👩‍👧",
        "?x#y&z=\u{20ac}",
        "//../../..//",
    ]
    .map(str::to_owned)
    .into();
    for piece in ["\r\n", "\"", "\\", "ü", "\u{202e}", "%0a", "a", " "] {
        names.push(piece.repeat(1024 / piece.len()));
    }
    names
}

#[tokio::test]
async fn t54_no_name_writes_a_line_of_its_own() {
    let store = Scripted::start(|head, _| object(head, &"z".repeat(SIZE), "1")).await;
    let room = store.room().await;
    for name in names() {
        for disposition in [Disposition::Inline, Disposition::Download] {
            let options = MediaOptions {
                disposition,
                ..MediaOptions::default()
            };
            let url = room.mint_with(&format!("s:{name}"), options).await.url;
            for range in ["bytes=0-", "bytes=0-9,9000-9009"] {
                let reply = room.get(&url, &[("range", range)]).await;
                assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{name:?}");
                is_sound(&reply, &name);
            }
        }
    }
    for head in store.heads() {
        let (line, fields) = head.split_once("\r\n").unwrap();
        let words: Vec<_> = line.split(' ').collect();
        assert!(
            matches!(words[..], ["GET" | "HEAD", path, "HTTP/1.1"] if path.starts_with("/b/")),
            "{line:?}"
        );
        assert!(head.is_ascii() && !head.replace("\r\n", "").contains(|c: char| c.is_control()));
        assert_eq!(field(fields, "x-evil"), None, "{head:?}");
    }
}

#[tokio::test]
async fn t53_t54_no_header_of_a_store_writes_one_of_ours() {
    let kind = "Content-Type: video/mp4";
    let tag = "ETag: \"1\"";
    let (long, tagged) = ("x".repeat(8000), format!("ETag: \"{}\"", "e".repeat(8000)));
    let long = format!("Content-Type: video/{long}");
    let mut answered = 0;
    for (instead_of, line) in [
        (kind, "Content-Type: text/html\nContent-Type: video/mp4"),
        (kind, "Content-Type: video/mp4\nContent-Type: text/html"),
        (kind, "Content-Type: video/mp4, text/html"),
        (kind, "Content-Type: TEXT/HTML; charset=utf-7"),
        (kind, "Content-Type: text/html;charset=\"utf-8\\\"; x=\""),
        (kind, "Content-Type: video/mp4; charset=\"x, text/html\""),
        (kind, "Content-Type: text/html\tx"),
        (kind, "Content-Type: image/svg+xml;charset=x"),
        (kind, "Content-Type: multipart/x-mixed-replace; boundary=x"),
        (kind, "Content-Type: vidéo/mp4"),
        (kind, "Content-Type: */*"),
        (kind, "Content-Type:"),
        (kind, &long),
        (tag, "ETag: \"a\", \"b\""),
        (tag, "ETag: \"a\"; x-evil=\"b\""),
        (tag, "ETag: a"),
        (tag, "ETag: \"é\""),
        (tag, "ETag: W/\"1\nETag: \"1\""),
        (tag, &tagged),
        (
            kind,
            "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT x\nLast-Modified: now",
        ),
        (kind, "Last-Modified: Thu, 01 Jan 99999 00:00:00 GMT"),
        (
            kind,
            "Accept-Ranges: none\nX-Evil: 1\nX-Content-Type-Options: sniff",
        ),
        (
            kind,
            "Content-Disposition: attachment; filename=\"evil.exe\"",
        ),
        (kind, "Content-Length: 3"),
        (kind, "Content-Range: bytes 0-1/99999999999999999999999"),
        (kind, "Transfer-Encoding: chunked"),
    ] {
        let told = line.to_owned();
        let store = Scripted::start(move |head, _| {
            object(head, &"z".repeat(SIZE), "1").replacen(instead_of, &told, 1)
        })
        .await;
        let (room, url) = store.playing().await;
        for range in ["bytes=0-", "bytes=0-9,9000-9009"] {
            let answer = room.send(Method::GET, &url, &[("range", range)]).await;
            let refused = !answer.status().is_success();
            // One that breaks off is as good as a refusal.
            let Ok(reply) = read(answer).await else {
                continue;
            };
            if refused {
                assert!(!reply.denial().is_empty(), "{line}: {}", reply.status);
            } else {
                is_sound(&reply, line);
                answered += 1;
            }
        }
    }
    assert!(
        answered >= 30,
        "most are harmless, and answered: {answered}"
    );
}

/// Each header once, in its grammar, and nothing else in an answer's frame.
fn is_sound(reply: &Reply, about: &str) {
    let about = about.chars().take(60).collect::<String>();
    let about = format!("{about:?}: {:?}", reply.headers);
    for name in ["content-type", "content-disposition", "content-length"] {
        assert_eq!(
            reply.headers.get_all(name).iter().count(),
            1,
            "{name}: {about}"
        );
    }
    assert_eq!(reply.header("x-evil"), "", "{about}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{about}");
    is_harmless(reply.header("content-type"), &about);
    is_disposition(reply.header("content-disposition"), &about);
    if let Some(tag) = reply.headers.get("etag") {
        let tag = tag.as_bytes();
        let quoted = tag.strip_prefix(b"W/").unwrap_or(tag);
        let inner = quoted
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        let inner = inner.unwrap_or_else(|| panic!("{about}"));
        assert!(
            inner
                .iter()
                .all(|byte| *byte > b' ' && *byte != b'"' && *byte != 0x7f),
            "{about}"
        );
    }
    if !reply
        .header("content-type")
        .starts_with("multipart/byteranges")
    {
        return;
    }
    for line in std::str::from_utf8(&reply.body).unwrap().split("\r\n") {
        let ours = line.is_empty()
            || line.bytes().all(|byte| byte == b'z')
            || line.starts_with("--")
            || line.starts_with("Content-Range: bytes ");
        match line.strip_prefix("Content-Type: ") {
            Some(content_type) => is_harmless(content_type, &about),
            None => assert!(ours, "{line:?} of {about}"),
        }
    }
}

fn is_harmless(content_type: &str, about: &str) {
    let (essence, parameters) = content_type.split_once("; ").unwrap_or((content_type, ""));
    let token = |text: &str| {
        let marks = b"!#$&^_.+-";
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
    };
    let (kind, subtype) = essence.split_once('/').unwrap_or_else(|| panic!("{about}"));
    assert!(
        token(kind) && token(subtype) && essence.len() <= 255,
        "{about}"
    );
    let (name, value) = parameters.split_once('=').unwrap_or_default();
    assert!(
        matches!(name, "" | "charset" | "boundary") && token(value),
        "{about}"
    );
    assert!(
        !subtype.contains("html") && !subtype.ends_with("xml") && subtype != "x-mixed-replace",
        "{about}"
    );
}

/// `KIND; filename="..."`, and once more in full, and nothing after it.
fn is_disposition(value: &str, about: &str) {
    let (kind, rest) = value
        .split_once("; filename=\"")
        .unwrap_or_else(|| panic!("{about}"));
    assert!(matches!(kind, "inline" | "attachment"), "{about}");
    let (name, rest) = rest.split_once('"').unwrap_or_else(|| panic!("{about}"));
    assert!(
        !name.is_empty() && !name.contains(['\\', ';', '%']),
        "{about}"
    );
    assert!(value.len() <= 1000, "{about}");
    if !rest.is_empty() {
        let full = rest
            .strip_prefix("; filename*=UTF-8''")
            .unwrap_or_else(|| panic!("{about}"));
        let letters = full
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"%!#$&+-.^_`|~".contains(&byte));
        assert!(
            letters && !full.contains("%0") && !full.contains("%E2%80%AE"),
            "{about}"
        );
    }
}
