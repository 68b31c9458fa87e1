//! Web servers as sources: only what was configured is asked, and nothing that
//! they answer leads elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod upstream;

use common::Room;
use doorward_egress::AddressPolicy;
use doorward_guard::Clock;
use doorward_media::source::{Headers, Query};
use doorward_media::{Credentials, Location, MediaError, MediaOptions, Source, StoreConfig};
use http::StatusCode;
use std::sync::Arc;
use upstream::{Upstream, answer, sent, serve};

fn near(url: &str) -> StoreConfig {
    let mut config = StoreConfig::web(url, Credentials::Anonymous);
    config.addresses = AddressPolicy::public().with_local_networks();
    config
}

async fn room(config: StoreConfig) -> Room {
    let room = Room::new();
    let location = Location::Store(Box::new(config));
    room.media.add_source("web", "Web", location).await.unwrap();
    room
}

fn source(config: StoreConfig) -> Source {
    Source::Store(Arc::new(config.build(&Clock::system()).unwrap()))
}

#[tokio::test]
async fn files_of_a_web_server_are_had_by_path_below_its_url() {
    let server = Upstream::start(|head| serve(head, "0123456789")).await;
    let room = room(near(&server.url("/base/dir/"))).await;
    for (name, path) in [
        ("film.mp4", "/base/dir/film.mp4"),
        ("a b/ü?x#y.mp4", "/base/dir/a%20b/%C3%BC%3Fx%23y.mp4"),
        ("%2e%2e/a.mp4", "/base/dir/%252e%252e/a.mp4"),
        ("..\\a.mp4", "/base/dir/..%5Ca.mp4"),
    ] {
        let url = room.mint(&format!("web:{name}")).await.url;
        let reply = room.get(&url, &[("range", "bytes=2-3")]).await;
        assert_eq!(
            (reply.status, &reply.body[..]),
            (StatusCode::PARTIAL_CONTENT, &b"23"[..])
        );
        let reply = room.get(&url, &[("range", "bytes=-1")]).await;
        assert_eq!(&reply.body[..], b"9");
        let heads = server.heads();
        let head = heads.last().unwrap();
        assert!(
            head.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{head}"
        );
        assert_eq!(sent(head, "accept-encoding"), Some("identity"));
        assert_eq!(sent(head, "authorization"), None);
        assert_eq!(sent(head, "if-match"), Some("\"v1\""));
    }
}

#[tokio::test]
async fn t56_no_name_climbs_out_of_the_url() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = room(near(&server.url("/base/"))).await;
    for name in ["../secret", "a/../../secret", "..", ".", "a/./b"] {
        let minted = room
            .media
            .grant(&format!("web:{name}"), MediaOptions::default())
            .await;
        assert!(matches!(minted, Err(MediaError::NotFound)), "{name}");
    }
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn a_web_server_that_was_not_configured_is_not_asked() {
    let room = Room::new();
    for url in ["https://files.example/a.mp4", "http://127.0.0.1:1/a"] {
        let minted = room.media.grant(url, MediaOptions::default()).await;
        assert!(matches!(minted, Err(MediaError::InvalidSource(_))), "{url}");
    }
}

#[tokio::test]
async fn t55_redirects_are_not_followed() {
    let elsewhere = Upstream::start(|head| serve(head, "stolen")).await;
    let location = format!("Location: {}", elsewhere.url("/x"));
    let server = Upstream::start(move |head| {
        let code = head.split(['/', ' ']).nth(2).unwrap().to_owned();
        answer(&format!("{code} Elsewhere"), &[&location], "")
    })
    .await;
    let room = room(near(&server.url("/"))).await;
    for code in ["301", "302", "303", "307", "308"] {
        let url = room.mint(&format!("web:{code}")).await.url;
        let reply = room.get(&url, &[]).await;
        assert_eq!(
            (reply.status, reply.denial().as_str()),
            (StatusCode::BAD_GATEWAY, "redirected"),
            "{code}"
        );
        assert!(reply.header("location").is_empty());
    }
    assert!(elsewhere.heads().is_empty());
}

#[tokio::test]
async fn a_web_server_lists_nothing_but_its_index() {
    let server = Upstream::start(|head| match head.starts_with("HEAD / ") {
        true => answer("403 Forbidden", &[], ""),
        false => serve(head, "x"),
    })
    .await;
    let bare = source(near(&server.url("")));
    assert!(matches!(
        bare.list(Query::default()).await,
        Err(MediaError::NotListable)
    ));
    bare.check().await.unwrap();
    let mut config = near(&server.url(""));
    config.index = ["a.mp4", "films/b.mp4"].map(str::to_owned).into();
    let indexed = source(config);
    let listing = indexed.list(Query::default()).await.unwrap();
    let keys: Vec<_> = listing.items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["films/", "a.mp4"]);
    indexed.check().await.unwrap();
    assert!(server.heads().last().unwrap().starts_with("HEAD /a.mp4 "));
}

#[tokio::test]
async fn what_is_wrong_with_a_web_server_is_told() {
    for (status, name) in [
        ("401 Unauthorized", "accessDenied"),
        ("403 Forbidden", "accessDenied"),
        ("404 Not Found", "notFound"),
        ("410 Gone", "notFound"),
        ("429 Too Many Requests", "throttled"),
        ("500 Internal Server Error", "upstreamUnavailable"),
    ] {
        let server = Upstream::start(move |_| answer(status, &[], "<html>no</html>")).await;
        let room = room(near(&server.url("/"))).await;
        let url = room.mint("web:a.mp4").await.url;
        assert_eq!(room.get(&url, &[]).await.denial(), name, "{status}");
    }
}

#[tokio::test]
async fn m40_headers_and_tokens_are_sent_and_never_shown() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let mut config = near(&server.url("/"));
    config.credentials = Credentials::bearer("hush-token").unwrap();
    config.headers = Headers::default();
    config.headers.insert("X-Api-Key", "hush-key").unwrap();
    assert!(!format!("{config:?}").contains("hush"));
    let store = config.clone().build(&Clock::system()).unwrap();
    assert!(!format!("{store:?}").contains("hush"));
    let room = room(config).await;
    let url = room.mint("web:a.mp4").await.url;
    assert_eq!(room.get(&url, &[]).await.status, StatusCode::OK);
    let head = &server.heads()[0];
    assert_eq!(sent(head, "authorization"), Some("Bearer hush-token"));
    assert_eq!(sent(head, "x-api-key"), Some("hush-key"));
}

/// Loopback and the like need to be asked for; a metadata service is out of
/// reach however it is written, and so it is as the endpoint of a store.
#[tokio::test]
async fn m37_addresses_are_checked_for_every_kind_of_store() {
    let refused = async |config: StoreConfig| -> MediaError {
        match config.build(&Clock::system()) {
            Err(error) => error,
            Ok(store) => {
                let source = Source::Store(Arc::new(store));
                source.check().await.unwrap_err()
            }
        }
    };
    let public = |url: &str| StoreConfig::web(url, Credentials::Anonymous);
    for url in [
        "https://127.0.0.1:9/",
        "https://10.1.2.3/",
        "https://192.168.1.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/",
    ] {
        let error = refused(public(url)).await;
        assert!(
            matches!(error, MediaError::EndpointNotAllowed(_)),
            "{url}: {error}"
        );
    }
    // The machine's resolver says loopback.
    let error = refused(public("https://localhost:9/")).await;
    assert!(
        matches!(error, MediaError::EndpointNotAllowed(_)),
        "{error}"
    );
    let error = refused(public("http://files.example/")).await;
    assert!(matches!(error, MediaError::InvalidSource(_)), "{error}");
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
    ] {
        let url = format!("http://{host}/");
        let keys = || Credentials::keys("account", "c2VjcmV0", None);
        for config in [
            near(&url),
            StoreConfig::new("bucket", Some(&url), keys()),
            StoreConfig::gcs("bucket", Some(&url), keys()),
            StoreConfig::azure("account", "container", Some(&url), keys()),
        ] {
            let error = refused(config).await;
            assert!(
                matches!(error, MediaError::EndpointNotAllowed(_)),
                "{url}: {error}"
            );
        }
    }
    // Numbers that a resolver would read as an address.
    for host in [
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "127.1",
    ] {
        for config in [
            near(&format!("http://{host}/")),
            StoreConfig::new(
                "bucket",
                Some(&format!("http://{host}")),
                Credentials::Anonymous,
            ),
        ] {
            let error = refused(config).await;
            assert!(
                matches!(
                    error,
                    MediaError::InvalidSource(_) | MediaError::EndpointNotAllowed(_)
                ),
                "{host}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_a_web_server_is_refused() {
    for url in [
        "https://user:pass@files.example/",
        "https://files.example/?a=b",
        "files.example",
        "https://",
    ] {
        let built = StoreConfig::web(url, Credentials::Anonymous).build(&Clock::system());
        assert!(matches!(built, Err(MediaError::InvalidSource(_))), "{url}");
    }
    for credentials in [
        Credentials::keys("a", "b", None),
        Credentials::signature("sig=x").unwrap(),
    ] {
        let built = StoreConfig::web("https://files.example/", credentials).build(&Clock::system());
        assert!(matches!(built, Err(MediaError::InvalidSource(_))));
    }
}
