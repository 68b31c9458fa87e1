//! URLs: made, read, taken back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{Home, get, told};

fn bytes() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_url_gives_the_file_and_parts_of_it() {
    let home = Home::new();
    let bytes = bytes();
    let outside = home.path("elsewhere.bin");
    std::fs::write(&outside, &bytes).unwrap();
    home.file("a/film.mp4", &bytes);
    let daemon = home.serve(&["--json", "."]);
    for source in ["files:a/film.mp4", "a/film.mp4", outside.to_str().unwrap()] {
        let minted = home.json(&["url", source, "--json", "--life", "1h"]);
        let members: Vec<_> = minted.as_object().unwrap().keys().collect();
        assert_eq!(members, ["expiresAt", "id", "url"]);
        let url = minted["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/m/", daemon.text("content"))));
        assert!(!url.contains(minted["id"].as_str().unwrap()));
        assert_eq!(get(url, &[]).body, bytes, "{source}");
        let part = get(url, &[("Range", "bytes=1000-1999")]);
        assert_eq!(
            (part.status, part.body.as_slice()),
            (206, &bytes[1000..2000])
        );
        assert_eq!(part.header("content-range"), Some("bytes 1000-1999/400000"));
    }
}

#[test]
fn a_url_is_for_what_it_was_made_for() {
    let home = Home::new();
    home.file("page.html", b"<script>alert(1)</script>");
    let _daemon = home.serve(&["--json", "."]);
    let answer = |flags: &[&str]| {
        let words: Vec<_> = ["url", "page.html"].iter().chain(flags).copied().collect();
        get(home.done(&words).trim(), &[])
    };
    let plain = answer(&[]);
    assert!(
        plain
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    let saved = answer(&["--download"]);
    assert!(
        saved
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    let isolated = answer(&["--isolated"]);
    assert!(
        isolated
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        isolated
            .header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    assert!(
        answer(&["--framed"])
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
}

#[test]
fn what_was_made_is_taken_back() {
    let home = Home::new();
    home.file("a.txt", b"a");
    home.file("b.txt", b"b");
    let _daemon = home.serve(&["--json", "."]);
    let mint = |source: &str| {
        let minted = home.json(&["url", source, "--json"]);
        (
            minted["url"].as_str().unwrap().to_owned(),
            minted["id"].as_str().unwrap().to_owned(),
        )
    };
    let status = |url: &str| get(url, &[]).status;

    let (by_url, _) = mint("files:a.txt");
    assert_eq!(home.json(&["revoke", &by_url, "--json"])["revoked"], 1);
    assert_eq!(status(&by_url), 403);

    let (by_id, id) = mint("files:a.txt");
    assert_eq!(home.done(&["revoke", &id]), "1 URL revoked.\n");
    assert_eq!(status(&by_id), 403);
    let again = home.run(&["revoke", &id]);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));

    let (one, two) = (mint("files:a.txt").0, mint("files:b.txt").0);
    let other = mint(home.file("c.txt", b"c").to_str().unwrap()).0;
    assert_eq!(
        home.json(&["revoke", "--source", "files", "--json"])["revoked"],
        2
    );
    assert_eq!(
        (status(&one), status(&two), status(&other)),
        (403, 403, 200)
    );
    assert_eq!(home.json(&["revoke", "--all", "--json"])["revoked"], 1);
    assert_eq!(status(&other), 403);
}

#[test]
fn urls_do_not_outlive_the_daemon() {
    let home = Home::new();
    home.file("a.txt", b"a");
    let daemon = home.serve(&["--json", "."]);
    let token = home
        .done(&["url", "files:a.txt"])
        .trim()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    home.done(&["stop"]);
    assert!(daemon.end().0.success());
    let daemon = home.serve(&["--json", "."]);
    let old = format!("{}/m/{token}", daemon.text("content"));
    assert_eq!(get(&old, &[]).status, 404);
}
