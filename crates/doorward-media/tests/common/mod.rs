//! A media room behind a guard, driven in-process.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

pub(crate) mod ranged;
pub(crate) mod scripted;

use std::sync::Arc;

use bytes::Bytes;
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::policy::SealRule;
use doorward_guard::{
    Admission, Body, BoxError, Clock, Connection, FakeClock, Guard, HostSet, Payload, Peer,
    SealConfig,
};
use doorward_media::api::{GrantView, GrantsQuery};
use doorward_media::{Location, Media, MediaOptions, Minted};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;

pub(crate) const CONTENT: &str = "http://127.0.0.1:7001";

pub(crate) struct Room {
    pub(crate) media: Arc<Media>,
    pub(crate) guard: Guard,
    pub(crate) clock: Clock,
    pub(crate) hand: FakeClock,
    pub(crate) events: Events,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) type Streamed = Response<Body>;

impl Room {
    /// The first page of the live grants, or of those that were used.
    pub(crate) fn grants(&self, active: bool) -> Vec<GrantView> {
        let query = GrantsQuery {
            active,
            ..GrantsQuery::default()
        };
        self.media.grant_views(&query).unwrap().grants
    }

    pub(crate) fn new() -> Self {
        let (clock, hand) = Clock::fake();
        Self::on(clock, hand)
    }

    /// On the machine's own clock: signatures need the real time.
    pub(crate) fn in_real_time() -> Self {
        Self::on(Clock::system(), Clock::fake().1)
    }

    fn on(clock: Clock, hand: FakeClock) -> Self {
        let events = Events::new();
        let audit: Arc<dyn AuditSink> = Arc::new(Ledger::new(&clock));
        let media = Media::new(&clock, &events, &audit, CONTENT);
        let seal = SealConfig {
            content_origin: CONTENT.to_owned(),
            content_lanes: Vec::new(),
            app_origins: vec!["http://127.0.0.1:7000".to_owned()],
        };
        let hosts = HostSet::loopback(7001, false);
        let mut guard = Guard::new("content", hosts, SealRule::Media, &seal, &clock, audit);
        guard.mount(media.surface()).unwrap();
        Self {
            media,
            guard,
            clock,
            hand,
            events,
        }
    }

    /// A room with one folder, called `files`.
    pub(crate) async fn with_folder(path: &std::path::Path) -> Self {
        let room = Self::new();
        let location = Location::Folder(path.to_owned());
        room.media
            .add_source("files", "Files", location)
            .await
            .unwrap();
        room
    }

    pub(crate) async fn mint(&self, source: &str) -> Minted {
        self.mint_with(source, MediaOptions::default()).await
    }

    pub(crate) async fn mint_with(&self, source: &str, options: MediaOptions) -> Minted {
        self.media.grant(source, options).await.unwrap()
    }

    /// Sends a request through the guard; the body is not read yet.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Streamed {
        let path = url.strip_prefix(CONTENT).unwrap_or(url);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:7001");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let connection = Connection {
            peer: Peer::NotChecked,
            reserve: false,
            lane: 0,
        };
        let sealed = match self.guard.admit(&head, connection) {
            Admission::Answered(sealed) => sealed,
            Admission::Enter(entry) => {
                self.guard
                    .enter(entry, head, Payload::Whole(Bytes::new()))
                    .await
            }
        };
        sealed.into_response()
    }

    pub(crate) async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Reply {
        read(self.send(Method::GET, url, headers).await)
            .await
            .unwrap()
    }

    pub(crate) async fn head(&self, url: &str, headers: &[(&str, &str)]) -> Reply {
        read(self.send(Method::HEAD, url, headers).await)
            .await
            .unwrap()
    }
}

/// The whole body, or how it broke off.
pub(crate) async fn read(answer: Streamed) -> Result<Reply, BoxError> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        body,
    })
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn denial(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["denial"].as_str().unwrap_or_default().to_owned()
    }
}

/// Bytes that differ everywhere.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap())
        .collect()
}
