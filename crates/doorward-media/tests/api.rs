//! The room's JSON API, as the console and the command line call it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::policy::SealRule;
use doorward_guard::table::sessions::{EndReason, SessionLimits};
use doorward_guard::{
    Admission, Clock, Connection, Guard, HostSet, Payload, Peer, SealConfig, SessionId, Sessions,
};
use doorward_media::{Location, Media};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

struct Desk {
    folder: tempfile::TempDir,
    media: Arc<Media>,
    sessions: Arc<Sessions>,
    session: SessionId,
    headers: Vec<(&'static str, String)>,
    control: Guard,
    content: Guard,
    native: Guard,
    audit: Arc<Ledger>,
    events: Events,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.html", "c"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("sub")).unwrap();
        let (clock, _hand) = Clock::fake();
        let events = Events::new();
        let audit = Arc::new(Ledger::new(&clock));
        let sink: Arc<dyn AuditSink> = Arc::<Ledger>::clone(&audit);
        let limits = SessionLimits {
            idle: doorward_guard::defaults::SESSION_IDLE,
            absolute: doorward_guard::defaults::SESSION_ABSOLUTE,
        };
        let sessions = Arc::new(Sessions::new(&clock, 7000, limits));
        let media = Media::new(&clock, &events, &sink, "http://127.0.0.1:7001");
        let location = Location::Folder(folder.path().to_owned());
        media
            .add_source("pictures", "Pictures", location)
            .await
            .unwrap();
        let guard = |name, hosts, rule| {
            Guard::new(
                name,
                hosts,
                rule,
                &SealConfig::default(),
                &clock,
                Arc::clone(&sink),
            )
        };
        let mut control = guard("control", HostSet::loopback(7000, false), SealRule::Control);
        control.mount(media.sources_surface(&sessions)).unwrap();
        control.mount(media.grants_surface(&sessions)).unwrap();
        let mut content = guard("content", HostSet::loopback(7001, false), SealRule::Media);
        content.mount(media.surface()).unwrap();
        let mut native = guard("native", HostSet::native(), SealRule::Plain);
        native.mount(media.native_surface()).unwrap();
        let ticket = sessions.ticket(false).unwrap();
        let claim = sessions.claim(&ticket.reveal(), None).unwrap();
        let headers = vec![
            ("host", "127.0.0.1:7000".to_owned()),
            ("origin", "http://127.0.0.1:7000".to_owned()),
            (
                "cookie",
                format!("doorward_7000={}", claim.cookie.reveal().as_str()),
            ),
            ("x-doorward-proof", claim.proof.reveal().to_string()),
            ("x-csrf-token", claim.csrf.reveal().to_string()),
        ];
        let session = claim.session;
        Self {
            folder,
            media,
            sessions,
            session,
            headers,
            control,
            content,
            native,
            audit,
            events,
        }
    }

    async fn console(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        call(&self.control, method, path, &self.headers, body).await
    }

    async fn native(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        call(
            &self.native,
            method,
            path,
            &[("host", "doorward".to_owned())],
            body,
        )
        .await
    }

    async fn bytes(&self, url: &Value) -> StatusCode {
        let path = url
            .as_str()
            .unwrap()
            .strip_prefix("http://127.0.0.1:7001")
            .unwrap();
        let host = [("host", "127.0.0.1:7001".to_owned())];
        call(&self.content, Method::GET, path, &host, None).await.0
    }
}

async fn call(
    guard: &Guard,
    method: Method,
    path: &str,
    headers: &[(&'static str, String)],
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let body = body.map(|body| Bytes::from(body.to_string()));
    if let Some(body) = &body {
        request = request
            .header("content-type", "application/json")
            .header("content-length", body.len());
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let connection = Connection {
        peer: Peer::SameUser,
        reserve: false,
        lane: 0,
    };
    let sealed = match guard.admit(&head, connection) {
        Admission::Answered(sealed) => sealed,
        Admission::Enter(entry) => {
            guard
                .enter(entry, head, Payload::Whole(body.unwrap_or_default()))
                .await
        }
    };
    let (head, body) = sealed.into_response().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        serde_json::from_slice(&bytes).unwrap_or_default(),
    )
}

#[tokio::test]
async fn a_listing_carries_urls_that_work() {
    let desk = Desk::new().await;
    let (status, sources) = desk.console(Method::GET, "/api/sources", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(sources["sources"][0]["id"], "pictures");
    assert_eq!(sources["sources"][0]["state"], "ready");
    let (status, page) = desk
        .console(Method::GET, "/api/sources/pictures/list?limit=3", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let entries = page["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["key"].as_str().unwrap(),
                entry["view"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [("sub/", "folder"), ("a.png", "image"), ("b.html", "active")]
    );
    assert!(entries[0]["url"].is_null() && entries[0]["grantId"].is_null());
    assert_eq!(entries[1]["contentType"], "image/png");
    assert_eq!(desk.bytes(&entries[1]["url"]).await, StatusCode::OK);
    let next = page["next"].as_str().unwrap();
    let (_, page) = desk
        .console(
            Method::GET,
            &format!("/api/sources/pictures/list?after={next}"),
            None,
        )
        .await;
    assert_eq!(
        (page["entries"][0]["name"].as_str(), page["next"].is_null()),
        (Some("c"), true)
    );
    let (_, page) = desk
        .console(Method::GET, "/api/sources/pictures/list?q=HTML", None)
        .await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    for (path, status, denial) in [
        ("/api/sources/nothing/list", 404, "notFound"),
        ("/api/sources/pictures/list?prefix=missing", 404, "notFound"),
        ("/api/sources/pictures/list?prefix=..", 404, "notFound"),
        ("/api/sources/pictures/list?limit=x", 400, "invalidQuery"),
        ("/api/sources/pictures/list?surprise=1", 400, "invalidQuery"),
    ] {
        let (got, body) = desk.console(Method::GET, path, None).await;
        assert_eq!(
            (got.as_u16(), body["denial"].as_str()),
            (status, Some(denial)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn grants_are_minted_renewed_and_revoked() {
    let desk = Desk::new().await;
    let request = json!({ "sources": ["pictures:a.png", "pictures:c"], "disposition": "download" });
    let (status, minted) = desk
        .console(Method::POST, "/api/grants", Some(request))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let grant = &minted["grants"][0];
    assert_eq!(grant["source"], "pictures:a.png");
    assert_eq!(desk.bytes(&grant["url"]).await, StatusCode::OK);
    let (_, all) = desk.console(Method::GET, "/api/grants", None).await;
    assert_eq!(all["total"], 2);
    let (_, active) = desk
        .console(Method::GET, "/api/grants?active=true", None)
        .await;
    assert_eq!(
        (
            active["total"].as_u64(),
            active["grants"][0]["name"].as_str()
        ),
        (Some(1), Some("a.png"))
    );
    let id = grant["id"].as_str().unwrap();
    let (status, renewed) = desk
        .console(
            Method::POST,
            &format!("/api/grants/{id}/renew"),
            Some(json!({})),
        )
        .await;
    assert_eq!((status, renewed["id"].as_str()), (StatusCode::OK, Some(id)));
    for expected in [true, false] {
        let (_, revoked) = desk
            .console(Method::DELETE, &format!("/api/grants/{id}"), None)
            .await;
        assert_eq!(revoked["revoked"], expected);
    }
    assert_eq!(desk.bytes(&grant["url"]).await, StatusCode::FORBIDDEN);
    let (status, _) = desk
        .console(Method::DELETE, "/api/grants/g_nothing", None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let audited: Vec<_> = desk
        .audit
        .recent(0, 100)
        .iter()
        .map(|record| record.kind.to_string())
        .collect();
    for kind in ["grant.minted", "grant.renewed", "grant.revoked"] {
        assert!(
            audited.iter().any(|audited| audited == kind),
            "{kind}: {audited:?}"
        );
    }
}

#[tokio::test]
async fn grants_are_listed_newest_first_page_by_page() {
    let desk = Desk::new().await;
    let mut minted = Vec::new();
    for _ in 0..7 {
        let body = json!({ "sources": ["pictures:a.png"] });
        let (_, answer) = desk.console(Method::POST, "/api/grants", Some(body)).await;
        minted.insert(0, answer["grants"][0].clone());
    }
    for used in [0, 2, 3, 6] {
        assert_eq!(desk.bytes(&minted[used]["url"]).await, StatusCode::OK);
    }
    for (active, expected) in [(false, vec![0, 1, 2, 3, 4, 5, 6]), (true, vec![0, 2, 3, 6])] {
        let mut listed = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/api/grants?active={active}&limit=3&after={after}");
            let (status, page) = desk.console(Method::GET, &path, None).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(page["total"], expected.len());
            let grants = page["grants"].as_array().unwrap();
            assert!(grants.len() <= 3);
            listed.extend(grants.iter().map(|grant| grant["id"].clone()));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => break,
            }
        }
        // The fake clock stands still: what was minted at one moment has no order.
        let mut ids: Vec<_> = expected.iter().map(|&at| &minted[at]["id"]).collect();
        if active {
            ids.sort_by_key(|id| id.to_string());
            listed.sort_by_key(|id| id.to_string());
        }
        assert_eq!(listed.iter().collect::<Vec<_>>(), ids, "active: {active}");
    }
    let gone = minted[0]["id"].as_str().unwrap();
    let (_, answer) = desk
        .console(Method::DELETE, &format!("/api/grants/{gone}"), None)
        .await;
    assert_eq!(answer["revoked"], true);
    let (_, page) = desk
        .console(Method::GET, "/api/grants?active=true", None)
        .await;
    assert_eq!(page["total"], 3, "what ended is not listed");
    for bad in [
        "after=g_AAAAAAAAAAA",
        "after=%00",
        "limit=-1",
        "limit=x",
        "before=1",
    ] {
        for active in ["", "&active=true"] {
            let path = format!("/api/grants?{bad}{active}");
            let (status, _) = desk.console(Method::GET, &path, None).await;
            assert!(status.is_client_error(), "{path}: {status}");
        }
    }
    for limit in ["0", "18446744073709551615"] {
        let path = format!("/api/grants?limit={limit}");
        let (status, page) = desk.console(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!page["grants"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_bad_name_mints_nothing() {
    let desk = Desk::new().await;
    let nobody = "/etc/passwd";
    for sources in [
        json!(["pictures:a.png", "pictures:../x"]),
        json!(["nothing:a.png"]),
        json!([nobody]),
        json!(["s3://bucket/key"]),
        json!(vec!["pictures:a.png"; 501]),
    ] {
        let body = json!({ "sources": sources });
        let (status, _) = desk.console(Method::POST, "/api/grants", Some(body)).await;
        assert!(status.is_client_error());
    }
    assert_eq!(desk.media.totals().grants, 0);
}

#[tokio::test]
async fn m6_grants_end_with_their_session() {
    let desk = Desk::new().await;
    let body = json!({ "sources": ["pictures:a.png"] });
    let (_, minted) = desk
        .console(Method::POST, "/api/grants", Some(body.clone()))
        .await;
    let (_, native) = desk
        .native(Method::POST, "/native/media/grants", Some(body))
        .await;
    let (mine, theirs) = (&minted["grants"][0]["url"], &native["grants"][0]["url"]);
    assert!(
        desk.sessions
            .revoke(desk.session.as_str(), EndReason::Revoked)
    );
    desk.media.session_ended(&desk.session);
    assert_eq!(desk.bytes(mine).await, StatusCode::FORBIDDEN);
    assert_eq!(desk.bytes(theirs).await, StatusCode::OK);
}

#[tokio::test]
async fn the_console_adds_sources_only_where_it_may() {
    let desk = Desk::new().await;
    let other = tempfile::tempdir().unwrap();
    let body = || Some(json!({ "location": other.path() }));
    let (status, refused) = desk.console(Method::POST, "/api/sources", body()).await;
    assert_eq!(
        (status.as_u16(), refused["denial"].as_str()),
        (403, Some("sourceNotAllowed"))
    );
    desk.media.let_console_add(true);
    let mut subscription = desk.events.subscribe(None);
    let (status, added) = desk.console(Method::POST, "/api/sources", body()).await;
    assert_eq!(
        (status, added["kind"].as_str()),
        (StatusCode::CREATED, Some("folder"))
    );
    assert_eq!(subscription.live.try_recv().unwrap().kind, "source.added");
    let (_, again) = desk.console(Method::POST, "/api/sources", body()).await;
    assert_eq!(again["id"], added["id"], "the same folder is one source");
    for wrong in ["relative", "ftp://x", "/nowhere/at/all"] {
        let body = json!({ "location": wrong });
        let (status, _) = desk.console(Method::POST, "/api/sources", Some(body)).await;
        assert!(status.is_client_error(), "{wrong}");
    }
}

#[tokio::test]
async fn the_command_line_names_any_file() {
    let desk = Desk::new().await;
    let path = desk.folder.path().join("a.png");
    let body = json!({ "sources": [path], "life": 60, "origins": ["https://app.example"] });
    let (status, minted) = desk
        .native(Method::POST, "/native/media/grants", Some(body))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        desk.bytes(&minted["grants"][0]["url"]).await,
        StatusCode::OK
    );
    let body = json!({ "sources": [path], "origins": ["nonsense"] });
    let (status, _) = desk
        .native(Method::POST, "/native/media/grants", Some(body))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, all) = desk.native(Method::GET, "/native/media/grants", None).await;
    assert_eq!(all["total"], 1);
}

#[tokio::test]
async fn m42_caps_are_asked_for_with_the_grant() {
    let desk = Desk::new().await;
    let with = |caps: Value| Some(json!({ "sources": ["pictures:a.png"], "caps": caps }));
    for (path, native) in [("/api/grants", false), ("/native/media/grants", true)] {
        let body = with(json!({ "uses": 2, "bytes": 1_000_000, "streams": 4 }));
        let (status, minted) = if native {
            desk.native(Method::POST, path, body).await
        } else {
            desk.console(Method::POST, path, body).await
        };
        assert_eq!(status, StatusCode::CREATED, "{minted}");
        let url = &minted["grants"][0]["url"];
        assert_eq!(desk.bytes(url).await, StatusCode::OK);
        assert_eq!(desk.bytes(url).await, StatusCode::OK);
        assert_eq!(desk.bytes(url).await, StatusCode::TOO_MANY_REQUESTS);
    }
    for wrong in [
        json!({ "uses": 0 }),
        json!({ "bytes": -1 }),
        json!({ "streams": 4_294_967_296_u64 }),
        json!({ "uses": "many" }),
        json!({ "minutes": 1 }),
    ] {
        let (status, _) = desk
            .console(Method::POST, "/api/grants", with(wrong.clone()))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn m25_room_is_asked_for_with_a_live_grant() {
    let desk = Desk::new().await;
    let body = json!({ "sources": ["pictures:a.png"] });
    let (_, minted) = desk.console(Method::POST, "/api/grants", Some(body)).await;
    let id = minted["grants"][0]["id"].as_str().unwrap();
    let room = format!("/api/grants/{id}/room");
    let (status, made) = desk.console(Method::POST, &room, None).await;
    assert_eq!((status, made), (StatusCode::OK, json!({ "made": false })));
    let lines = desk.audit.recent(0, 100).len();
    desk.console(Method::POST, &room, None).await;
    assert_eq!(
        desk.audit.recent(0, 100).len(),
        lines,
        "nothing to write down"
    );
    desk.media.revoke(id);
    let (status, refused) = desk.console(Method::POST, &room, None).await;
    assert_eq!(
        (status, refused["denial"].as_str()),
        (StatusCode::NOT_FOUND, Some("notFound"))
    );
}

#[tokio::test]
async fn m7_revoking_twice_over_the_api_is_told_once() {
    let desk = Desk::new().await;
    let body = json!({ "sources": ["pictures:a.png"] });
    let (_, minted) = desk.console(Method::POST, "/api/grants", Some(body)).await;
    let id = minted["grants"][0]["id"].as_str().unwrap();
    let mut live = desk.events.subscribe(None).live;
    for revoked in [true, false, false] {
        let path = format!("/api/grants/{id}");
        let (status, answer) = desk.console(Method::DELETE, &path, None).await;
        assert_eq!(
            (status, answer),
            (StatusCode::OK, json!({ "revoked": revoked }))
        );
    }
    let mut told = 0;
    while let Ok(event) = live.try_recv() {
        assert_eq!(event.kind, "grant.revoked");
        assert!(event.is_for(&desk.session));
        told += 1;
    }
    assert_eq!(told, 1);
}
