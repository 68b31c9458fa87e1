//! Google's and Azure's stores: who signs what, and how listings are asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Room, pattern};
use doorward_guard::Clock;
use doorward_media::source::{Query, ServiceAccount};
use doorward_media::{Credentials, Location, MediaError, Source, StoreConfig};
use doorward_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use http::StatusCode;
use upstream::{Upstream, answer, sent, serve};

async fn add(room: &Room, config: StoreConfig) {
    let location = Location::Store(Box::new(config));
    room.media.add_source("s", "S", location).await.unwrap();
}

fn source(config: StoreConfig) -> Source {
    Source::Store(Arc::new(config.build(&Clock::system()).unwrap()))
}

// === Google ===

#[tokio::test]
async fn google_s_hmac_keys_sign_as_s3_does() {
    let root = tempfile::tempdir().unwrap();
    let server = S3Server::start(root.path()).await.unwrap();
    server
        .put("bucket", "films/a.mp4", &pattern(1_000))
        .unwrap();
    let keys = Credentials::keys(ACCESS_KEY, SECRET_KEY, None);
    let config = StoreConfig::gcs("bucket", Some(&server.endpoint()), keys);
    let listing = source(config.clone()).list(Query::default()).await.unwrap();
    assert_eq!(listing.items[0].key, "films/");
    let room = Room::in_real_time();
    add(&room, config).await;
    let url = room.mint("s:films/a.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=-7")]).await;
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(&reply.body[..], &pattern(1_000)[993..]);
}

#[tokio::test]
async fn google_s_bearer_tokens_and_nobody_are_sent_as_they_are() {
    let server = Upstream::start(|head| serve(head, "0123456789")).await;
    for (credentials, expected) in [
        (
            Credentials::bearer("ya29.token").unwrap(),
            Some("Bearer ya29.token"),
        ),
        (Credentials::Anonymous, None),
    ] {
        let room = Room::new();
        add(
            &room,
            StoreConfig::gcs("b", Some(&server.url("")), credentials),
        )
        .await;
        let url = room.mint("s:a.mp4").await.url;
        assert_eq!(room.get(&url, &[]).await.status, StatusCode::OK);
        let head = server.heads().last().unwrap().clone();
        assert!(head.starts_with("GET /b/a.mp4 "), "{head}");
        assert_eq!(sent(&head, "authorization"), expected);
        assert_eq!(sent(&head, "x-amz-date"), None);
    }
}

fn key_file(key: &KeyPair, token_service: &str) -> String {
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    serde_json::json!({
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "k1",
        "token_uri": token_service,
        "project_id": "ignored",
    })
    .to_string()
}

#[tokio::test]
async fn a_service_account_is_issued_tokens_for_a_signed_assertion() {
    let tokens = Upstream::start(|_| {
        answer(
            "200 OK",
            &["Content-Type: application/json"],
            "{\"access_token\":\"ya29.issued\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
        )
    })
    .await;
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = Room::new();
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let account = ServiceAccount::parse_local(&key_file(&key, &tokens.url("/token")), &room.clock);
    let account = account.unwrap();
    let public = account.public_key().to_vec();
    assert_eq!(format!("{account:?}"), "ServiceAccount(..)");
    let credentials = Credentials::renewed(account);
    add(
        &room,
        StoreConfig::gcs("b", Some(&server.url("")), credentials),
    )
    .await;
    for minutes in [0, 30, 26] {
        room.hand.advance(Duration::from_secs(minutes * 60));
        let url = room.mint("s:a.mp4").await.url;
        assert_eq!(room.get(&url, &[]).await.status, StatusCode::OK);
    }
    for head in server.heads() {
        assert_eq!(sent(&head, "authorization"), Some("Bearer ya29.issued"));
    }
    let asked = tokens.heads();
    assert_eq!(asked.len(), 2, "kept for an hour but five minutes");
    let (head, form) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token "), "{head}");
    let (_, assertion) = form.split_once("&assertion=").unwrap();
    let (text, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public)
        .verify(text.as_bytes(), &signature)
        .unwrap();
    let part = |at: usize| -> serde_json::Value {
        let part = text.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(
        (&part(0)["alg"], &part(0)["kid"]),
        (&"RS256".into(), &"k1".into())
    );
    let claims = part(1);
    assert_eq!(claims["iss"], "reader@project.iam.gserviceaccount.com");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/devstorage.read_only"
    );
    assert_eq!(claims["aud"], tokens.url("/token"));
    let (since, until) = (
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    assert_eq!(until - since, 3_600);
}

#[tokio::test]
async fn what_is_wrong_with_a_service_account_is_told_without_its_key() {
    let clock = Clock::fake().0;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let http = key_file(&key, "http://oauth2.example/token");
    for json in [
        "hush",
        "{\"type\":\"authorized_user\",\"client_email\":\"a\",\"private_key\":\"hush\"}",
        "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"hush\"}",
        &http,
    ] {
        let error = ServiceAccount::parse(json, &clock).unwrap_err();
        assert_eq!(error.name(), "credentialsUnavailable");
        let told = format!("{error} {error:?}");
        assert!(
            !told.contains("hush") && !told.contains("PRIVATE"),
            "{told}"
        );
    }
    let tokens =
        Upstream::start(|_| answer("400 Bad Request", &[], "{\"error\":\"invalid_grant\"}")).await;
    let room = Room::new();
    let account = ServiceAccount::parse_local(&key_file(&key, &tokens.url("/")), &room.clock);
    let config = StoreConfig::gcs(
        "b",
        Some("http://127.0.0.1:9"),
        Credentials::renewed(account.unwrap()),
    );
    add(&room, config).await;
    let url = room.mint("s:a.mp4").await.url;
    let reply = room.get(&url, &[]).await;
    assert_eq!(reply.denial(), "credentialsUnavailable");
    // A metadata service is no token service, and a public one is not near.
    for uri in ["http://169.254.169.254/token", "https://127.0.0.1:9/token"] {
        let json = key_file(&key, uri);
        let account = match uri.starts_with("http:") {
            true => ServiceAccount::parse_local(&json, &clock),
            false => ServiceAccount::parse(&json, &clock),
        };
        let config = StoreConfig::gcs(
            "b",
            Some("http://127.0.0.1:9"),
            Credentials::renewed(account.unwrap()),
        );
        let error = source(config).check().await.unwrap_err();
        let MediaError::CredentialsUnavailable(_, note) = &error else {
            panic!("{error}")
        };
        assert!(note.contains("not allowed"), "{note}");
    }
}

// === Azure ===

const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[tokio::test]
async fn azure_is_asked_in_its_own_words() {
    let server = Upstream::start(|head| match head.contains("comp=list") {
        true => answer("200 OK", &[], "<EnumerationResults><Blobs><Blob><Name>d/a.mp4</Name><Properties><Content-Length>10</Content-Length></Properties></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>"),
        false => serve(head, "0123456789"),
    })
    .await;
    let room = Room::new();
    let keys = Credentials::keys("account", KEY, None);
    let mut config = StoreConfig::azure("account", "box", Some(&server.url("")), keys);
    config.prefix = "d".to_owned();
    let listing = source(config.clone())
        .list(Query {
            limit: 9,
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(
        (listing.items[0].key.as_str(), listing.next.as_deref()),
        ("a.mp4", Some("m"))
    );
    let head = server.heads()[0].clone();
    assert!(
        head.starts_with(
            "GET /box?comp=list&delimiter=%2F&maxresults=9&prefix=d%2F&restype=container "
        ),
        "{head}"
    );
    assert!(
        sent(&head, "authorization")
            .unwrap()
            .starts_with("SharedKey account:")
    );
    assert_eq!(sent(&head, "x-ms-version"), Some("2021-12-02"));
    add(&room, config).await;
    let url = room.mint("s:a.mp4").await.url;
    // There are no ranges from the end: the size comes first.
    let reply = room.get(&url, &[("range", "bytes=-3")]).await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (StatusCode::PARTIAL_CONTENT, &b"789"[..])
    );
    let heads = server.heads();
    assert!(heads[1].starts_with("HEAD /box/d/a.mp4 "));
    assert_eq!(sent(&heads[2], "range"), Some("bytes=7-"));
}

#[tokio::test]
async fn a_shared_access_signature_is_sent_until_it_ends() {
    let server = Upstream::start(|head| serve(head, "x")).await;
    let room = Room::in_real_time();
    let sas = |ends| Credentials::signature(&format!("?sv=2021-12-02&se={ends}&sig=a%2Bb%3D"));
    let config =
        |ends| StoreConfig::azure("account", "box", Some(&server.url("")), sas(ends).unwrap());
    add(&room, config("2090-01-01T00%3A00%3A00Z")).await;
    let url = room.mint("s:a.mp4").await.url;
    let reply = room.get(&url, &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    let head = server.heads()[0].clone();
    assert!(
        head.starts_with("GET /box/a.mp4?sv=2021-12-02&se=2090-01-01T00%3A00%3A00Z&sig=a%2Bb%3D "),
        "{head}"
    );
    assert_eq!(sent(&head, "authorization"), None);
    let error = source(config("2020-01-01")).check().await.unwrap_err();
    assert!(matches!(error, MediaError::CredentialsExpired), "{error}");
    assert_eq!(server.heads().len(), 1, "an ended one is not sent");
}

#[tokio::test]
async fn m34_errors_of_azure_are_told_apart() {
    for (status, code, name) in [
        ("404 Not Found", "BlobNotFound", "notFound"),
        ("404 Not Found", "ContainerNotFound", "bucketMissing"),
        (
            "403 Forbidden",
            "AuthenticationFailed",
            "credentialsRejected",
        ),
        (
            "403 Forbidden",
            "AuthorizationPermissionMismatch",
            "accessDenied",
        ),
        ("409 Conflict", "PublicAccessNotPermitted", "accessDenied"),
        ("409 Conflict", "BlobArchived", "archived"),
        ("412 Precondition Failed", "ConditionNotMet", "changed"),
        ("503 Server Busy", "ServerBusy", "throttled"),
        (
            "500 Internal Server Error",
            "InternalError",
            "upstreamUnavailable",
        ),
    ] {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>secret-name</Message></Error>"
        );
        for headers in [vec![], vec![format!("x-ms-error-code: {code}")]] {
            let body = if headers.is_empty() {
                body.clone()
            } else {
                String::new()
            };
            let server = Upstream::start(move |_| {
                let headers: Vec<_> = headers.iter().map(String::as_str).collect();
                answer(status, &headers, &body)
            })
            .await;
            let room = Room::new();
            let config = StoreConfig::azure(
                "account",
                "box",
                Some(&server.url("")),
                Credentials::Anonymous,
            );
            add(&room, config).await;
            let url = room.mint("s:a.mp4").await.url;
            let reply = room.get(&url, &[]).await;
            assert_eq!(reply.denial(), name, "{code}");
            assert!(!String::from_utf8_lossy(&reply.body).contains("secret-name"));
        }
    }
}

#[test]
fn credentials_of_another_kind_of_store_are_refused() {
    let clock = Clock::fake().0;
    let bearer = || Credentials::bearer("t").unwrap();
    let sas = || Credentials::signature("sig=x").unwrap();
    for config in [
        StoreConfig::new("bucket", None, bearer()),
        StoreConfig::new("bucket", None, sas()),
        StoreConfig::gcs("bucket", None, sas()),
        StoreConfig::azure("no/account", "box", None, Credentials::Anonymous),
        StoreConfig::azure("ab", "box", None, Credentials::Anonymous),
        StoreConfig::azure("account", "..", None, Credentials::Anonymous),
    ] {
        assert!(matches!(
            config.build(&clock),
            Err(MediaError::InvalidSource(_))
        ));
    }
}
