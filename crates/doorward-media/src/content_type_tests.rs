use super::*;

fn settled(declared: Option<&str>, name: &str, head: Option<&[u8]>) -> String {
    ContentType::settle(declared, name, head)
        .to_value()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn m29_octet_stream_is_fixed_up_by_name_then_by_magic() {
    for unknown in [
        None,
        Some("application/octet-stream"),
        Some("binary/octet-stream"),
        Some(""),
    ] {
        assert_eq!(settled(unknown, "a.mp4", None), "video/mp4");
        assert_eq!(settled(unknown, "dir/B.SVG", None), "image/svg+xml");
        assert_eq!(settled(unknown, "x.wasm", None), "application/wasm");
        assert_eq!(settled(unknown, "x", None), "application/octet-stream");
        assert_eq!(
            settled(unknown, "x", Some(b"\x89PNG\r\n\x1a\n...")),
            "image/png"
        );
        assert_eq!(
            settled(unknown, "x", Some(b"\0\0\0\x18ftypisom")),
            "video/mp4"
        );
        assert_eq!(
            settled(unknown, "x", Some(b" \n<!DOCTYPE html>")),
            "text/html; charset=utf-8"
        );
        assert_eq!(
            settled(unknown, "x", Some(b"\xef\xbb\xbf<svg xmlns=")),
            "image/svg+xml"
        );
        assert_eq!(
            settled(unknown, "x", Some("grün".as_bytes())),
            "text/plain; charset=utf-8"
        );
        assert_eq!(
            settled(unknown, "x", Some(&[0, 1, 2])),
            "application/octet-stream"
        );
    }
}

#[test]
fn a_declared_type_is_kept_without_its_extras() {
    assert_eq!(settled(Some("Image/PNG; q=1"), "a.svg", None), "image/png");
    assert_eq!(
        settled(Some("text/plain;charset=\"ISO-8859-1\""), "a", None),
        "text/plain; charset=ISO-8859-1"
    );
    assert_eq!(
        settled(Some("text/plain; charset=x\r\nEvil: 1"), "a", None),
        "text/plain; charset=utf-8"
    );
    for malformed in [
        "png",
        "image/",
        "/png",
        "image/p ng",
        "image/png\r\nX: y",
        "a/b/c",
        "image/\u{e9}",
    ] {
        assert_eq!(
            settled(Some(malformed), "a.gif", None),
            "image/gif",
            "{malformed:?}"
        );
    }
}

#[test]
fn m28_everything_that_could_run_is_active() {
    for active in [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/xml",
        "application/xml",
        "application/rss+xml",
        "application/xslt+xml",
        "text/xsl",
        "application/mathml+xml",
        "text/javascript",
        "application/javascript",
        "application/x-javascript",
        "text/ecmascript",
        "text/jscript",
        "text/livescript",
        "text/vbscript",
        "application/wasm",
        "multipart/related",
        "multipart/x-mixed-replace",
        "message/rfc822",
        "application/x-shockwave-flash",
        "application/vnd.wap.xhtml+xml",
        "text/x-component",
        "application/xml-dtd",
    ] {
        let content_type = ContentType::declared(active).unwrap();
        assert!(content_type.is_active(), "{active}");
        assert_eq!(content_type.view(), View::Active);
    }
    for passive in [
        "image/png",
        "video/mp4",
        "audio/mpeg",
        "application/pdf",
        "text/plain",
        "text/css",
        "text/csv",
        "application/json",
        "application/zip",
        "application/postscript",
        "application/x-other",
        "text/markdown",
    ] {
        assert!(
            !ContentType::declared(passive).unwrap().is_active(),
            "{passive}"
        );
    }
}

#[test]
fn views_follow_types() {
    let view = |name: &str| ContentType::settle(None, name, None).view();
    for (name, expected) in [
        ("a.png", View::Image),
        ("a.mov", View::Video),
        ("a.flac", View::Audio),
        ("a.pdf", View::Pdf),
        ("a.rs", View::Text),
        ("a.json", View::Text),
        ("README.md", View::Markdown),
        ("a.htm", View::Active),
        ("a.js", View::Active),
        ("a.tar", View::Archive),
        ("a.exe", View::Other),
        ("a", View::Other),
    ] {
        assert_eq!(view(name), expected, "{name}");
    }
}

#[test]
fn no_extension_is_listed_twice() {
    let mut seen = std::collections::HashSet::new();
    for (essence, extensions) in EXTENSIONS {
        for extension in *extensions {
            assert!(seen.insert(*extension), "{extension} of {essence}");
        }
    }
}
