//! `serve --demo`: something real in every panel, and nothing left behind.
#![cfg(feature = "demo")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{Home, files_in, get, send};
use rustix::process::Signal;

#[test]
fn the_demo_is_served_from_a_folder_and_a_bucket_and_leaves_nothing() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "--demo"]);
    assert_eq!(files_in(&home.path("tmp")).len(), 1);
    let read = |source: &str| get(home.done(&["url", source]).trim(), &[]);
    for (key, content_type) in [
        ("Landscapes/dawn.jpg", "image/jpeg"),
        ("Patterns/tiles.png", "image/png"),
        ("Clips/sunrise.mp4", "video/mp4"),
        ("Clips/sunrise.webm", "video/webm"),
        ("Clips/chord.mp3", "audio/mpeg"),
        ("Documents/atlas.pdf", "application/pdf"),
        ("Documents/latch.rs", "text/plain"),
        ("Hostile/hostile.html", "text/plain"),
        ("Hostile/hostile.svg", "text/plain"),
    ] {
        let answer = read(&format!("demo:{key}"));
        assert_eq!(answer.status, 200, "{key}");
        let told = answer.header("content-type").unwrap();
        assert!(told.starts_with(content_type), "{key}: {told}");
    }
    let atlas = read("demo:Documents/atlas.pdf").body;
    assert!(atlas.len() > 2_000_000);
    assert_eq!(read("bucket:atlas.pdf").body, atlas);
    let url = home.done(&["url", "bucket:clips/sunrise.mp4"]);
    let film = read("demo:Clips/sunrise.mp4").body;
    let part = get(url.trim(), &[("Range", "bytes=-1000")]);
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &film[film.len() - 1000..])
    );
    assert_eq!(get(url.trim(), &[("Range", "bytes=99999999-")]).status, 416);

    daemon.signal(Signal::TERM);
    assert!(daemon.end().0.success());
    assert!(files_in(&home.path("tmp")).is_empty());
}

#[test]
fn the_bucket_is_listed_folder_by_folder_and_page_by_page() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "--demo"]);
    let (origin, ticket) = (daemon.text("control"), daemon.text("launchUrl"));
    let ticket = ticket.rsplit('=').next().unwrap();
    let same = [
        ("Origin", origin.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    let body = format!("{{\"ticket\":\"{ticket}\"}}");
    let claimed = send("POST", &format!("{origin}/api/session/claim"), &same, &body);
    let proof = claimed.json()["proof"].as_str().unwrap().to_owned();
    let cookie = claimed.cookie();
    let list = |query: &str| {
        let url = format!("{origin}/api/sources/bucket/list?{query}");
        let fields = [
            ("Cookie", cookie.as_str()),
            ("x-doorward-proof", proof.as_str()),
            same[1],
        ];
        get(&url, &fields).json()
    };
    let names = |page: &serde_json::Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut top = names(&list(""));
    top.sort();
    assert_eq!(top, ["atlas.pdf", "clips/", "photos/"]);
    let first = list("prefix=photos/2026/&limit=4");
    let next = first["next"].as_str().unwrap();
    let second = list(&format!("prefix=photos/2026/&limit=4&after={next}"));
    assert!(second["next"].is_null());
    let all: Vec<_> = names(&first).into_iter().chain(names(&second)).collect();
    assert_eq!(all.len(), 7);
    assert!(
        all.iter()
            .all(|key| key.starts_with("photos/2026/") && key.ends_with(".jpg")),
        "{all:?}"
    );
}

#[test]
fn the_store_goes_with_it() {
    let home = Home::new();
    let daemon = home.serve(&["--demo"]);
    home.done(&["stop"]);
    let told = daemon.end().1;
    let endpoint = told
        .split(" at ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .trim()
        .to_owned();
    assert!(endpoint.starts_with("http://127.0.0.1:"));
    assert!(
        std::net::TcpStream::connect(endpoint.trim_start_matches("http://")).is_err(),
        "gone"
    );
}
