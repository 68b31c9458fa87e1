//! T61, T91: no secret is in any output, at any level.

use doorward::guard::audit::{AuditSink as _, Select};
use doorward::media::MediaOptions;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use doorward_testkit::log::Log;

#[tokio::test]
async fn t91_no_secret_is_in_any_output_at_trace() {
    let log = Log::hear();
    tracing::trace!("the log is heard");

    let name = "canary-object-name.txt";
    let house = TestHouse::open(&[(name, b"canary-content")]).await;
    let ticket = house.ticket();
    let token = house.token(name, MediaOptions::default()).await;
    let host = house.host(Listener::Content);
    for path in [
        format!("/m/{token}"),
        format!("/m/{token}x"),
        format!("/m/{token}/x?secret-query=1"),
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: canary-cookie=1\r\nAuthorization: canary-authorization\r\n\
             Referer: http://{host}/m/{token}\r\nRange: bytes=0-1\r\nConnection: close\r\n\r\n"
        );
        house
            .send(Listener::Content, head.as_bytes(), usize::MAX)
            .await;
    }
    house.get("/api/state").await;
    house.get("/api/sources/files/list").await;
    house
        .post(
            "/api/grants",
            &format!("{{\"sources\":[\"files:{name}\"]}}"),
        )
        .await;
    house
        .post("/api/grants", "{\"canary-field\":\"canary-value\"}")
        .await;
    house
        .post(
            "/api/session/claim",
            &format!("{{\"ticket\":\"{ticket}\"}}"),
        )
        .await;
    house
        .post(
            "/api/session/claim",
            &format!("{{\"ticket\":\"{ticket}\"}}"),
        )
        .await;
    // A header that the gate refuses, and a Host and Origin that the guard does.
    let control = house.host(Listener::Control);
    for head in [
        format!("GET / HTTP/1.1\r\nHost: {control}\r\nX: {token}\u{0}\r\n\r\n"),
        format!("GET /api/state HTTP/1.1\r\nHost: {token}\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /api/state HTTP/1.1\r\nHost: {control}\r\nOrigin: http://{token}\r\nConnection: close\r\n\r\n"
        ),
    ] {
        house
            .send(Listener::Control, head.as_bytes(), usize::MAX)
            .await;
    }
    house.serving.media().revoke_url(&token);

    house.hand.advance(std::time::Duration::from_secs(2));
    let records = house.ledger.select(&Select::after(0, usize::MAX));
    assert!(records.len() > 5, "the audit is heard: {records:?}");
    let mut said: String = records.iter().map(|record| record.line()).collect();
    said += &log.text();
    assert!(said.contains("the log is heard"));
    for secret in [
        &*ticket,
        &*token,
        &*house.cookie,
        &*house.proof,
        &*house.csrf,
        name,
        "canary-content",
        "canary-cookie",
        "canary-authorization",
        "secret-query",
        "canary-value",
    ] {
        assert!(!said.contains(secret), "{secret} was told:\n{said}");
    }
}
