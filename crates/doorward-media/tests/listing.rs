//! Pages of folders and buckets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;
use std::sync::Arc;

use common::pattern;
use common::scripted::Scripted;
use doorward_guard::Clock;
use doorward_media::source::{Folder, Listing, Query};
use doorward_media::{Addressing, Credentials, MediaError, Source, StoreConfig};
use doorward_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

fn folder(path: &std::path::Path) -> Source {
    Source::Folder(Arc::new(Folder::open(path).unwrap()))
}

fn bucket(server: &S3Server, prefix: &str) -> Source {
    let credentials = Credentials::keys(ACCESS_KEY, SECRET_KEY, None);
    let mut config = StoreConfig::new("bucket", Some(&server.endpoint()), credentials);
    config.prefix = prefix.to_owned();
    Source::Store(Arc::new(config.build(&Clock::system()).unwrap()))
}

fn names(listing: &Listing) -> Vec<&str> {
    listing
        .items
        .iter()
        .map(|item| item.name.as_str())
        .collect()
}

/// Every page, in turn.
async fn all(source: &Source, prefix: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = Query {
            prefix: prefix.to_owned(),
            after,
            limit,
            ..Query::default()
        };
        let listing = source.list(query).await.unwrap();
        assert!(listing.items.len() <= limit);
        found.extend(listing.items.into_iter().map(|item| item.key));
        after = listing.next;
        if after.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_folder_is_listed_folders_first_and_in_pages() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b.txt", "A.txt", "c.txt", "ü.txt", ".hidden", "a.txt"] {
        fs::write(root.path().join(name), name).unwrap();
    }
    fs::create_dir_all(root.path().join("Zoo/deep")).unwrap();
    fs::create_dir(root.path().join("ape")).unwrap();
    let source = folder(root.path());
    let expected = [
        "ape/", "Zoo/", ".hidden", "A.txt", "a.txt", "b.txt", "c.txt", "ü.txt",
    ];
    for limit in [1, 2, 3, 8, 100] {
        assert_eq!(all(&source, "", limit).await, expected, "{limit}");
    }
    assert_eq!(all(&source, "Zoo", 10).await, ["Zoo/deep/"]);
    assert_eq!(all(&source, "Zoo/", 10).await, ["Zoo/deep/"]);
    let query = Query {
        contains: Some("A".to_owned()),
        ..Query::default()
    };
    assert_eq!(
        names(&source.list(query).await.unwrap()),
        ["ape", "A.txt", "a.txt"]
    );
    for prefix in ["missing", "../", "/etc", "a.txt/x"] {
        let query = Query {
            prefix: prefix.to_owned(),
            ..Query::default()
        };
        assert!(source.list(query).await.is_err(), "{prefix}");
    }
    let query = Query {
        after: Some("junk".to_owned()),
        ..Query::default()
    };
    assert!(matches!(
        source.list(query).await,
        Err(MediaError::InvalidSource(_))
    ));
}

#[tokio::test]
async fn names_that_start_so_are_found_in_folders_and_buckets() {
    let files = [
        "2025/a",
        "2026-01/a",
        "2026-02.txt",
        "x-2026.txt",
        "2026.TXT",
    ];
    let root = tempfile::tempdir().unwrap();
    let stored = tempfile::tempdir().unwrap();
    let server = S3Server::start(stored.path()).await.unwrap();
    for name in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
        server.put("bucket", name, name.as_bytes()).unwrap();
    }
    for source in [folder(root.path()), bucket(&server, "")] {
        let starting = |starts: &str| Query {
            starts: Some(starts.to_owned()),
            ..Query::default()
        };
        let listing = source.list(starting("2026")).await.unwrap();
        let mut found = names(&listing);
        found.sort_unstable();
        assert_eq!(found, ["2026-01", "2026-02.txt", "2026.TXT"]);
        assert!(listing.next.is_none());
        let both = Query {
            contains: Some("txt".to_owned()),
            ..starting("2026-")
        };
        assert_eq!(names(&source.list(both).await.unwrap()), ["2026-02.txt"]);
        assert!(source.list(starting("X")).await.unwrap().items.is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn entries_that_cannot_be_read_spoil_nothing() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("good"), "good").unwrap();
    fs::write(root.path().join("back\\slash"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("out")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();
    let listing = folder(root.path()).list(Query::default()).await.unwrap();
    let readable: Vec<_> = listing
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.readable))
        .collect();
    assert_eq!(
        readable,
        [
            ("back\\slash", false),
            ("dangling", false),
            ("good", true),
            ("out", false)
        ]
    );
}

#[tokio::test]
async fn a_bucket_is_listed_in_pages() {
    let root = tempfile::tempdir().unwrap();
    let server = S3Server::start(root.path()).await.unwrap();
    for key in [
        "a.txt",
        "b b+%.txt",
        "dir/one.txt",
        "dir/sub/two.txt",
        "ü.txt",
        "zoo/x",
    ] {
        server.put("bucket", key, &pattern(10)).unwrap();
    }
    let source = bucket(&server, "");
    let mut expected = vec!["a.txt", "b b+%.txt", "dir/", "zoo/", "ü.txt"];
    expected.sort_unstable();
    for limit in [1, 2, 100] {
        let mut found = all(&source, "", limit).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{limit}");
    }
    assert_eq!(all(&source, "dir/", 10).await.len(), 2);
    let below = bucket(&server, "dir");
    let mut found = all(&below, "", 10).await;
    found.sort_unstable();
    assert_eq!(found, ["one.txt", "sub/"]);
    assert_eq!(all(&below, "sub", 10).await, ["sub/two.txt"]);
    let query = Query {
        contains: Some("TXT".to_owned()),
        limit: 1,
        ..Query::default()
    };
    let listing = source.list(query).await.unwrap();
    assert_eq!(listing.items.len(), 1);
    assert_eq!(listing.items[0].size, Some(10));
    assert!(listing.items[0].modified.is_some());
}

const MILLION: usize = 1_000_000;

/// A page of a bucket with the keys `k0000000` to `k0999999`.
fn page_of_a_million(head: &str) -> String {
    let query = head.split(' ').nth(1).unwrap().split_once('?').unwrap().1;
    let asked = |name: &str| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields
            .find(|(known, _)| *known == name)
            .map(|field| field.1)
    };
    let prefix = asked("prefix").unwrap_or_default();
    // Of the first and the last key that begin so.
    let number = |filler: &str| -> usize {
        let digits = prefix.strip_prefix('k').unwrap_or_default();
        let filled = format!("{digits}{}", filler.repeat(7 - digits.len()));
        filled.parse().unwrap()
    };
    let end = (number("9") + 1).min(MILLION);
    let token = asked("continuation-token").map(|token| token.parse().unwrap());
    let first = token.unwrap_or_else(|| number("0"));
    let most: usize = asked("max-keys").unwrap().parse().unwrap();
    let last = (first + most).min(end);
    let keys: String = (first..last)
        .map(|key| format!("<Contents><Key>k{key:07}</Key><Size>1</Size></Contents>"))
        .collect();
    let next = if last < end {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        )
    } else {
        "<IsTruncated>false</IsTruncated>".to_owned()
    };
    let body = format!("<ListBucketResult>{keys}{next}</ListBucketResult>");
    format!(
        "HTTP/1.1 200 OK\nContent-Type: application/xml\nContent-Length: {}\n\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_bucket_of_a_million_keys_costs_a_page_at_a_time() {
    let store = Scripted::start(|head, _| page_of_a_million(head)).await;
    let endpoint = format!("http://{}", store.address());
    let mut config = StoreConfig::new("b", Some(&endpoint), Credentials::Anonymous);
    config.addressing = Addressing::Path;
    let source = Source::Store(Arc::new(config.build(&Clock::system()).unwrap()));
    let mut asked = 0;
    let mut requests = || {
        let before = asked;
        asked = store.heads().len();
        asked - before
    };
    let query = |after: Option<&str>, limit: usize| Query {
        after: after.map(str::to_owned),
        limit,
        ..Query::default()
    };

    let first = source.list(query(None, 100_000)).await.unwrap();
    assert_eq!((first.items.len(), requests()), (500, 1), "a page has 500");
    let next = source
        .list(query(first.next.as_deref(), 500))
        .await
        .unwrap();
    assert_eq!((names(&next)[0], requests()), ("k0000500", 1));
    let last = source.list(query(Some("999800"), 500)).await.unwrap();
    assert_eq!((last.items.len(), last.next, requests()), (200, None, 1));

    // The store looks for what begins so; what only contains it is looked for here,
    // a bounded while.
    let starts = |text: &str| Query {
        starts: Some(text.to_owned()),
        ..Query::default()
    };
    let found = source.list(starts("k09999")).await.unwrap();
    assert_eq!((found.items.len(), found.next, requests()), (100, None, 1));
    let contains = Query {
        contains: Some("999999".to_owned()),
        limit: 500,
        ..Query::default()
    };
    let found = source.list(contains).await.unwrap();
    assert!(found.items.is_empty() && found.next.is_some());
    assert_eq!(requests(), 20);
}

#[tokio::test]
async fn m34_a_missing_bucket_is_told() {
    let root = tempfile::tempdir().unwrap();
    let server = S3Server::start(root.path()).await.unwrap();
    let listed = bucket(&server, "").list(Query::default()).await;
    assert!(
        matches!(listed, Err(MediaError::BucketMissing)),
        "{listed:?}"
    );
}
