//! Signing in, calls, and what goes wrong.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_guard::audit::AuditSink;
use doorward_guard::events::Events;
use doorward_guard::{Clock, Rule};
use doorward_operator::gateway::{AuthKind, AuthStart, Proof};
use doorward_operator::room::Came;
use doorward_operator::rpc::{CapnpGateway, Place};
use doorward_operator::vm::{HealthState, OwnerState};
use doorward_operator::{Configured, Operator};
use serde_json::json;

use crate::house::{House, rule};

#[tokio::test]
async fn op_r3_login_list_call_and_logout_over_tcp_and_a_unix_socket() {
    for unix in [false, true] {
        let house = House::open(unix, "hello").await;
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
        assert!(house.room.logout(&ada));
        let stale = house.call(&ada, "system", "motd", &none).await;
        assert_eq!(rule(stale), Some(Rule::StaleSession));
        house.room.shutdown().await;
        // The gateway heard of it: the next operator reads so in its log.
        let next = house.as_ada().await;
        let log = house
            .call(&next, "log", "read", &json!({ "most": 100 }))
            .await
            .unwrap();
        let ended = log.rows.iter().any(|row| row[3] == "ada ended: logout");
        assert!(ended, "{:?}", log.rows);
        drop(house.socket);
    }
}

#[tokio::test]
async fn op_a5_unknown_accounts_and_wrong_passwords_are_denied_alike() {
    let house = House::open(false, "").await;
    let one = house.session();
    for (account, password) in [
        ("ada", "wrong"),
        ("nobody", "right"),
        ("kay", "right"),
        ("", ""),
    ] {
        let denied = house
            .login(&one, AuthKind::Password, account, Some(password))
            .await;
        assert_eq!(rule(denied), Some(Rule::AuthenticationDenied), "{account}");
        house.hand.advance(Duration::from_secs(60));
    }
    let off = house.login(&one, AuthKind::Anonymous, "", None).await;
    assert_eq!(rule(off), Some(Rule::DisabledAuthMethod));
    let guest = house.login(&one, AuthKind::Guest, "", None).await;
    assert_eq!(guest.unwrap(), Came::ToASession);
    let caps = house.room.state(&one).caps;
    assert!(
        !caps.iter().any(|cap| cap.name == "notes"),
        "a guest has less"
    );
}

#[tokio::test]
async fn op_a4_each_wrong_password_is_checked_once_whoever_it_is_for() {
    let house = House::open(false, "").await;
    let one = house.session();
    for (times, account) in ["ada", "nobody", "kay", ""].into_iter().enumerate() {
        let denied = house.login(&one, AuthKind::Password, account, Some("wrong"));
        assert_eq!(rule(denied.await), Some(Rule::AuthenticationDenied));
        assert_eq!(house.faults.checked.load(Ordering::SeqCst), times + 1);
        house.hand.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_challenge_is_signed_by_the_accounts_key_and_good_once() {
    let house = House::open(false, "").await;
    let one = house.session();
    for right in [false, true] {
        let came = house.login(&one, AuthKind::PublicKey, "kay", None).await;
        assert_eq!(came.unwrap(), Came::ToAStep);
        let step = house.room.state(&one).step.unwrap();
        let mut challenge = STANDARD.decode(step.challenge.unwrap()).unwrap();
        if !right {
            challenge[0] ^= 1;
        }
        let signature = STANDARD.encode(house.key.sign(&challenge));
        let came = house.room.answer(&one, "r", Proof::new(signature)).await;
        match right {
            true => assert_eq!(came.unwrap(), Came::ToASession),
            false => assert_eq!(rule(came), Some(Rule::AuthenticationDenied)),
        }
        house.hand.advance(Duration::from_secs(2));
    }
}

#[tokio::test]
async fn op_r6_expiry_and_revoke_on_the_gateway_free_the_slot() {
    let house = House::open(false, "").await;
    let ada = house.as_ada().await;
    house
        .gateway
        .advance(doorward_gateway::defaults::OPERATOR_LIFE);
    house.until_free().await;
    assert_eq!(
        rule(house.room.caps(&ada, "r").await),
        Some(Rule::StaleSession)
    );
    let again = house.as_ada().await;
    house.server.as_ref().unwrap().revoke("ada").await;
    house.until_free().await;
    let call = house.call(&again, "system", "motd", &json!({})).await;
    assert_eq!(rule(call), Some(Rule::StaleSession));
    house.as_ada().await;
}

#[tokio::test]
async fn op_f4_a_gateway_that_is_killed_in_the_middle_of_a_call_frees_the_slot() {
    let mut house = House::open(false, "").await;
    let ada = house.as_ada().await;
    house.faults.hang.store(true, Ordering::SeqCst);
    let (server, none) = (house.server.take(), json!({}));
    let (call, ()) = tokio::join!(house.call(&ada, "system", "motd", &none), async {
        tokio::task::yield_now().await;
        drop(server);
    });
    assert_eq!(rule(call), Some(Rule::UpstreamDisconnected));
    house.until_free().await;
    let login = house
        .login(&ada, AuthKind::Password, "ada", Some("right"))
        .await;
    assert_eq!(rule(login), Some(Rule::UpstreamDisconnected));
}

#[tokio::test]
async fn op_m2_results_over_the_limit_are_not_shown_and_end_what_they_must() {
    let house = House::open(false, &"x".repeat(300 * 1024)).await;
    let ada = house.as_ada().await;
    let call = house.call(&ada, "system", "motd", &json!({})).await;
    assert_eq!(rule(call), Some(Rule::ResultTooLarge));
    assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
    // Over the size of a message: the connection is gone, and the session with it.
    let house = House::open(false, &"x".repeat(4 * 1024 * 1024)).await;
    let ada = house.as_ada().await;
    let call = house.call(&ada, "system", "motd", &json!({})).await;
    assert_eq!(rule(call), Some(Rule::UpstreamDisconnected));
    house.until_free().await;
}

#[tokio::test]
async fn op_m2_arguments_over_the_limit_are_not_sent() {
    let house = House::open(false, "").await;
    let ada = house.as_ada().await;
    let long = json!({ "name": "a", "text": "x".repeat(70_000) });
    let call = house.call(&ada, "notes", "put", &long).await;
    assert_eq!(rule(call), Some(Rule::BadRequest));
    let fits = json!({ "name": "a", "text": "x".repeat(48 * 1024) });
    house.call(&ada, "notes", "put", &fits).await.unwrap();
}

#[tokio::test]
async fn op_l1_hostile_text_of_a_gateway_is_escaped_and_its_address_hidden() {
    let house = House::open(false, "a\r\nb\u{1b}]0;x\u{7}\u{202e}c").await;
    let ada = house.as_ada().await;
    let motd = house
        .call(&ada, "system", "motd", &json!({}))
        .await
        .unwrap();
    assert_eq!(
        motd.text.as_deref(),
        Some("a\nb\\u{1b}]0;x\\u{7}\\u{202e}c")
    );
    let address = house
        .server
        .as_ref()
        .unwrap()
        .address()
        .unwrap()
        .to_string();
    let note = json!({ "name": "where", "text": format!("at {address}") });
    house.call(&ada, "notes", "put", &note).await.unwrap();
    let name = json!({ "name": "where" });
    let read = house.call(&ada, "notes", "get", &name).await.unwrap();
    assert_eq!(read.text.as_deref(), Some("at [hidden]"));
    let all = serde_json::to_string(&house.room.state(&ada)).unwrap();
    assert!(!all.contains(&address), "{all}");
    let log = format!("{:?}", house.ledger.recent(0, 1_000));
    assert!(!log.contains("right"));
}

#[tokio::test]
async fn what_does_not_speak_the_protocol_is_no_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let house = House::open(false, "").await;
    let audit: Arc<dyn AuditSink> = Arc::clone(&house.ledger) as _;
    let missing = Path::new("/nonexistent/gate").display().to_string();
    for address in [address, format!("unix:{missing}")] {
        let gateway = CapnpGateway::new(Place::parse(&address).unwrap());
        let gateways = vec![Configured::new("other", address, Arc::new(gateway))];
        let clock = Clock::system();
        let room = Operator::new(&clock, &Events::new(), &audit, gateways, None);
        let start = AuthStart {
            kind: AuthKind::Guest,
            account: String::new(),
            profile: String::new(),
            proof: None,
        };
        let session = house.session();
        let denied = room.login(&session, "r", start).await;
        assert_eq!(rule(denied), Some(Rule::UpstreamDisconnected));
        assert_eq!(room.state(&session).owner.state, OwnerState::Free);
    }
}

#[tokio::test]
async fn op_m2_a_gateway_that_does_not_answer_is_given_up_on_and_keeps_its_owner() {
    let house = House::open(true, "late").await;
    let ada = house.as_ada().await;
    house.faults.hang.store(true, Ordering::SeqCst);
    // The deadline comes at once, where nobody else does anything.
    tokio::time::pause();
    let call = house.call(&ada, "system", "motd", &json!({})).await;
    tokio::time::resume();
    assert_eq!(rule(call), Some(Rule::UpstreamTimeout));
    assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
    house.faults.hang.store(false, Ordering::SeqCst);
    let motd = house.call(&ada, "system", "motd", &json!({})).await;
    assert_eq!(motd.unwrap().text.as_deref(), Some("late"));
}

#[tokio::test]
async fn op_m1_a_capability_of_another_kind_than_listed_is_a_mismatch() {
    let house = House::open(false, "").await;
    house.faults.mislabel.store(true, Ordering::SeqCst);
    let ada = house.as_ada().await;
    // The gateway lists its system as a runner, and checks what it gives.
    let state = house.room.state(&ada);
    let system = state.caps.iter().find(|cap| cap.name == "system").unwrap();
    let operation = system.operations.first().unwrap();
    let fields = json!({ "profile": "x" });
    let call = house.call(&ada, "system", &operation.name, &fields).await;
    assert_eq!(rule(call), Some(Rule::InterfaceMismatch));
    assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
}
