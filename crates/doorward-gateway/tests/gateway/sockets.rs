//! Lists, calls, signing out, hostile text, and connections that are none.

use std::sync::atomic::Ordering;

use doorward_gateway::faults::Faults;
use doorward_guard::Rule;
use doorward_operator::gateway::AuthKind;
use doorward_operator::vm::{HealthState, OwnerState};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::house::{House, Over, by, rule};

#[tokio::test]
async fn op_r3_login_list_call_and_logout() {
    for over in Over::BOTH {
        let house = House::open(over, "hello").await;
        let ada = house.as_ada().await;
        let state = house.room.state(&ada);
        assert_eq!(state.session.unwrap().principal_label, "ada");
        let names: Vec<_> = state.caps.iter().map(|cap| cap.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "system", "services", "chat", "notes", "log", "audit", "runner"
            ]
        );
        let none = json!({});
        let motd = house.call(&ada, "system", "motd", &none).await.unwrap();
        assert_eq!(motd.text.as_deref(), Some("hello"));
        let note = json!({ "name": "a", "text": "one\ntwo" });
        house.call(&ada, "notes", "put", &note).await.unwrap();
        let name = json!({ "name": "a" });
        let read = house.call(&ada, "notes", "get", &name).await.unwrap();
        assert_eq!(read.text.as_deref(), Some("one\ntwo"));
        house.call(&ada, "notes", "delete", &name).await.unwrap();
        let gone = house.call(&ada, "notes", "get", &name).await;
        assert_eq!(rule(gone), Some(Rule::BadRequest));
        let services = house.room.services(&ada, "r").await.unwrap();
        assert_eq!(services.len(), 4);
        assert!(services.iter().all(|service| service.r#ref.is_some()));
        let health = house.room.health(&ada).await.unwrap();
        assert_eq!(health.state, HealthState::Up);
        let calls = house.faults.calls.load(Ordering::SeqCst);
        assert!(house.room.logout(&ada));
        // Neither by name nor by an alias that was good.
        for alias in state.caps.iter().map(|cap| cap.r#ref.as_str()) {
            let stale = house.call_ref(&ada, alias, "motd", &none).await;
            assert_eq!(rule(stale), Some(Rule::StaleSession));
        }
        assert_eq!(house.faults.calls.load(Ordering::SeqCst), calls);
        house.room.shutdown().await;
        // The gateway heard of it: the next operator reads so in its log.
        let log = house.log().await;
        assert!(log.contains(&"ada ended: logout".to_owned()), "{log:?}");
    }
}

async fn until_one_hangs(faults: &Faults) {
    while faults.hanging.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn op_f4_a_gateway_that_is_killed_in_the_middle_of_a_call_frees_the_slot() {
    for over in Over::BOTH {
        let mut house = House::open(over, "").await;
        let ada = house.as_ada().await;
        house.faults.hang.store(true, Ordering::SeqCst);
        let (server, none) = (house.server.take(), json!({}));
        let (call, ()) = tokio::join!(house.call(&ada, "system", "motd", &none), async {
            until_one_hangs(&house.faults).await;
            drop(server);
        });
        assert_eq!(rule(call), Some(Rule::UpstreamDisconnected));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Free);
        let login = house
            .login(&ada, AuthKind::Password, "ada", Some("right"))
            .await;
        assert_eq!(rule(login), Some(Rule::UpstreamDisconnected));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Free);
    }
}

#[tokio::test]
async fn op_l1_hostile_text_of_a_gateway_is_escaped_and_its_address_hidden() {
    let hostile = "a\r\nb\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}\u{202e}\u{2066}\u{2028}c\0";
    let shown = "a\nb\\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{9b}\\u{202e}\\u{2066}\\u{2028}c\\u{0}";
    for over in Over::BOTH {
        let house = House::open(over, hostile).await;
        let ada = house.as_ada().await;
        let motd = house.call(&ada, "system", "motd", &json!({})).await;
        assert_eq!(motd.unwrap().text.as_deref(), Some(shown));
        // What another wrote into a room of the chat is no better.
        let channel = json!({ "channel": "c\u{202e}d", "nickname": "n\u{2028}m" });
        house.call(&ada, "chat", "join", &channel).await.unwrap();
        let who = json!({ "channel": "c\u{202e}d" });
        let who = house.call(&ada, "chat", "who", &who).await.unwrap();
        assert_eq!(who.rows, [[Some("n\\u{2028}m".to_owned())]]);
        let bare = house.address.trim_start_matches("unix:");
        let note = json!({ "name": "where", "text": format!("at {bare}") });
        house.call(&ada, "notes", "put", &note).await.unwrap();
        let name = json!({ "name": "where" });
        let read = house.call(&ada, "notes", "get", &name).await.unwrap();
        assert_eq!(read.text.as_deref(), Some("at [hidden]"));
        let all = serde_json::to_string(&house.room.state(&ada)).unwrap();
        assert!(!all.contains(bare), "{all}");
        let log = format!("{:?}", house.ledger.recent(0, 1_000));
        assert!(!log.contains("right") && !log.contains(bare), "{log}");
        let moves = |c: char| c.is_control() || "\u{202e}\u{2028}".contains(c);
        let rows = house.room.transcript().read(&ada, 0);
        assert_eq!(rows.len(), 6, "a row for each: {rows:?}");
        assert!(!rows.iter().any(|row| row.summary.contains(moves)));
    }
}

#[tokio::test]
async fn what_does_not_speak_the_protocol_is_no_gateway() {
    const WEB: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(WEB).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let listener = tokio::net::UnixListener::bind(path("web")).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(WEB).await;
        }
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap().to_string();
    drop(closed);
    std::fs::write(path("file"), "").unwrap();
    let house = House::open(Over::Tcp, "").await;
    let unix = |name: &str| format!("unix:{}", path(name).display());
    for address in [tcp, nobody, unix("web"), unix("none"), unix("file")] {
        let room = house.room_before(&address);
        let session = house.session();
        let denied = room.login(&session, "r", by(AuthKind::Guest, "", None));
        let denied = rule(denied.await);
        assert_eq!(denied, Some(Rule::UpstreamDisconnected), "{address}");
        assert_eq!(room.state(&session).owner.state, OwnerState::Free);
    }
}
