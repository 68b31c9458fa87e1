//! Credentials that run out: renewed in time, once for all, and once when the
//! store says that they have.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::Room;
use doorward_guard::Clock;
use doorward_media::source::{Issued, Provide, Providing};
use doorward_media::{Credentials, Location, MediaError, StoreConfig};
use http::StatusCode;
use upstream::{Upstream, answer, sent, serve};

/// Issues `key-1`, `key-2` and so on, each for `life`.
#[derive(Clone, Debug)]
struct Issuer {
    clock: Clock,
    life: Option<Duration>,
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicUsize>,
    region: Option<&'static str>,
}

impl Issuer {
    fn new(room: &Room, life: Option<Duration>) -> Self {
        Self {
            clock: room.clock.clone(),
            life,
            asked: Arc::default(),
            fails: Arc::default(),
            region: None,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Provide for Issuer {
    fn provide(&self) -> Providing<'_> {
        Box::pin(async {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if self.fails.load(Ordering::SeqCst) > 0 {
                let why = "Sign in again.";
                return Err(MediaError::CredentialsUnavailable(why, "no".to_owned()));
            }
            Ok(Issued {
                credentials: Credentials::keys(&format!("key-{number}"), "secret", Some("token")),
                expires: self.life.map(|life| self.clock.wall() + life),
                region: self.region.map(str::to_owned),
            })
        })
    }
}

async fn add(room: &Room, server: &Upstream, issuer: &Issuer) {
    let credentials = Credentials::renewed(issuer.clone());
    let config = StoreConfig::new("b", Some(&server.url("")), credentials);
    let location = Location::Store(Box::new(config));
    room.media.add_source("s", "S", location).await.unwrap();
}

/// Which key a request was signed with.
fn key(head: &str) -> String {
    let authorization = sent(head, "authorization").unwrap();
    let (_, rest) = authorization.split_once("Credential=").unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

fn keys(server: &Upstream) -> Vec<String> {
    server.heads().iter().map(|head| key(head)).collect()
}

async fn status(room: &Room) -> (StatusCode, String) {
    let url = room.mint("s:a.mp4").await.url;
    let reply = room.get(&url, &[]).await;
    (reply.status, reply.denial())
}

#[tokio::test]
async fn m36_credentials_are_kept_and_renewed_before_they_run_out() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = Room::new();
    let issuer = Issuer::new(&room, Some(Duration::from_secs(3_600)));
    add(&room, &server, &issuer).await;
    assert_eq!(issuer.asked(), 0, "not before they are needed");
    for minutes in [0, 30, 24, 2, 50] {
        room.hand.advance(Duration::from_secs(minutes * 60));
        assert_eq!(status(&room).await.0, StatusCode::OK);
    }
    // At 54 minutes five are not left to wait for, at 56 they are.
    assert_eq!(keys(&server), ["key-1", "key-1", "key-1", "key-2", "key-2"]);
}

#[tokio::test]
async fn m36_an_expired_token_is_renewed_once_and_the_request_goes_on() {
    let server = Upstream::start(|head| match key(head).as_str() {
        "key-1" => answer(
            "400 Bad Request",
            &[],
            "<Error><Code>ExpiredToken</Code></Error>",
        ),
        _ => serve(head, "0123456789"),
    })
    .await;
    let room = Room::new();
    let issuer = Issuer::new(&room, None);
    add(&room, &server, &issuer).await;
    let url = room.mint("s:a.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=2-3")]).await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (StatusCode::PARTIAL_CONTENT, &b"23"[..])
    );
    assert_eq!(keys(&server), ["key-1", "key-2"]);
    assert_eq!(sent(&server.heads()[1], "range"), Some("bytes=2-3"));
}

#[tokio::test]
async fn m36_a_head_without_a_code_is_renewed_as_well() {
    let server = Upstream::start(|head| match key(head).as_str() {
        "key-1" => answer("400 Bad Request", &[], ""),
        _ => serve(head, "x"),
    })
    .await;
    let room = Room::new();
    let issuer = Issuer::new(&room, None);
    add(&room, &server, &issuer).await;
    let url = room.mint("s:a.mp4").await.url;
    assert_eq!(room.head(&url, &[]).await.status, StatusCode::OK);
    assert_eq!(keys(&server), ["key-1", "key-2"]);
}

#[tokio::test]
async fn m36_what_stays_expired_is_told_after_one_renewal() {
    let expired = "<Error><Code>ExpiredToken</Code></Error>";
    let server = Upstream::start(move |_| answer("400 Bad Request", &[], expired)).await;
    let room = Room::new();
    let issuer = Issuer::new(&room, None);
    add(&room, &server, &issuer).await;
    assert_eq!(status(&room).await.1, "credentialsExpired");
    assert_eq!(issuer.asked(), 2);
    // Nothing but that is a reason to ask again.
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    let server = Upstream::start(move |_| answer("403 Forbidden", &[], denied)).await;
    let (room, issuer) = (Room::new(), issuer);
    let fresh = Issuer {
        asked: Arc::default(),
        ..issuer
    };
    add(&room, &server, &fresh).await;
    assert_eq!(status(&room).await.1, "accessDenied");
    assert_eq!((fresh.asked(), server.heads().len()), (1, 1));
}

#[tokio::test]
async fn m36_many_requests_share_one_renewal() {
    let server = Upstream::start(|head| match key(head).as_str() {
        "key-1" => answer(
            "400 Bad Request",
            &[],
            "<Error><Code>ExpiredToken</Code></Error>",
        ),
        _ => serve(head, "x"),
    })
    .await;
    let room = Room::new();
    let issuer = Issuer::new(&room, Some(Duration::from_secs(3_600)));
    add(&room, &server, &issuer).await;
    let all = (0..20).map(|_| status(&room));
    for (status, _) in futures_util::future::join_all(all).await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn m36_who_cannot_issue_is_not_asked_for_every_thumbnail() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = Room::new();
    let issuer = Issuer::new(&room, Some(Duration::from_secs(3_600)));
    issuer.fails.store(1, Ordering::SeqCst);
    add(&room, &server, &issuer).await;
    for _ in 0..5 {
        let (status, denial) = status(&room).await;
        assert_eq!(
            (status.as_u16(), denial.as_str()),
            (403, "credentialsUnavailable")
        );
    }
    assert_eq!((issuer.asked(), server.heads().len()), (1, 0));
    issuer.fails.store(0, Ordering::SeqCst);
    room.hand.advance(Duration::from_secs(11));
    assert_eq!(status(&room).await.0, StatusCode::OK);
    // What is held works until it ends, although nobody renews it.
    issuer.fails.store(1, Ordering::SeqCst);
    room.hand.advance(Duration::from_secs(57 * 60));
    assert_eq!(status(&room).await.0, StatusCode::OK);
    room.hand.advance(Duration::from_secs(4 * 60));
    assert_eq!(status(&room).await.1, "credentialsUnavailable");
}

#[tokio::test]
async fn the_region_of_a_profile_is_signed_for() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = Room::new();
    let issuer = Issuer {
        region: Some("eu-north-1"),
        ..Issuer::new(&room, None)
    };
    add(&room, &server, &issuer).await;
    assert_eq!(status(&room).await.0, StatusCode::OK);
    let head = server.heads()[0].clone();
    assert!(head.contains("/eu-north-1/s3/aws4_request"), "{head}");
    assert_eq!(sent(&head, "x-amz-security-token"), Some("token"));
}

#[tokio::test(start_paused = true)]
async fn m36_who_never_answers_is_given_up() {
    #[derive(Debug)]
    struct Silent;
    impl Provide for Silent {
        fn provide(&self) -> Providing<'_> {
            Box::pin(std::future::pending())
        }
    }
    let config = StoreConfig::new(
        "b",
        Some("http://127.0.0.1:9"),
        Credentials::renewed(Silent),
    );
    let store = config.build(&Clock::fake().0).unwrap();
    let source = doorward_media::Source::Store(Arc::new(store));
    let error = source.check().await.unwrap_err();
    assert!(
        matches!(error, MediaError::CredentialsUnavailable(..)),
        "{error}"
    );
}
