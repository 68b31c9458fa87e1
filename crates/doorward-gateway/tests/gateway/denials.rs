//! Each thing that a gateway says no with, made by what it says it for.

use std::sync::atomic::Ordering;

use doorward_guard::Rule;
use doorward_operator::gateway::AuthKind;
use doorward_operator::room::LaunchRequest;
use doorward_operator::rpc::gateway_capnp::denied::Kind;
use doorward_operator::vm::OwnerState;
use serde_json::json;

use crate::house::{House, Over, rule};

#[tokio::test]
async fn op_m1_each_denial_has_its_cause_and_keeps_the_owner_or_not() {
    for over in Over::BOTH {
        let house = House::open(over, &"x".repeat(300 * 1024)).await;
        let one = house.session();
        let off = house.login(&one, AuthKind::Anonymous, "", None).await;
        assert_eq!(rule(off), Some(Rule::DisabledAuthMethod));
        let wrong = house.login(&one, AuthKind::Password, "ada", Some("x"));
        assert_eq!(rule(wrong.await), Some(Rule::AuthenticationDenied));
        house.hand.advance(std::time::Duration::from_secs(1));
        let ada = house.as_ada().await;
        let named = json!({ "name": "none", "profile": "none", "channel": "none" });
        for (cap, operation, field, expected) in [
            ("notes", "get", "name", Rule::BadRequest),
            ("runner", "attach", "profile", Rule::UnknownCap),
            ("runner", "stop", "profile", Rule::UnknownCap),
            ("chat", "leave", "channel", Rule::MethodDenied),
            ("chat", "who", "channel", Rule::MethodDenied),
        ] {
            let calls = house.faults.calls.load(Ordering::SeqCst);
            let fields = json!({ field: named[field] });
            let denied = house.call(&ada, cap, operation, &fields).await;
            assert_eq!(rule(denied), Some(expected), "{cap}.{operation}");
            // It was the gateway that said so.
            assert_eq!(house.faults.calls.load(Ordering::SeqCst), calls + 1);
        }
        let unknown = || LaunchRequest {
            profile: "/bin/sh".to_owned(),
            grants: Vec::new(),
        };
        let launch = house.room.launch(&ada, "r", unknown()).await;
        assert_eq!(rule(launch), Some(Rule::UnknownCap));
        let large = house.call(&ada, "system", "motd", &json!({})).await;
        assert_eq!(rule(large), Some(Rule::ResultTooLarge));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
        // A guest has no runner that could be asked.
        assert!(house.room.logout(&ada));
        let guest = house.enter(AuthKind::Guest).await;
        let launch = house.room.launch(&guest, "r", unknown()).await;
        assert_eq!(rule(launch), Some(Rule::ServiceUnavailable));
        assert_eq!(house.room.state(&guest).owner.state, OwnerState::Mine);
    }
}

#[tokio::test]
async fn op_m1_every_kind_that_a_gateway_may_say_is_that_denial_in_our_words() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        for (kind, expected) in [
            (Kind::BadRequest, Rule::BadRequest),
            (Kind::DisabledAuthMethod, Rule::DisabledAuthMethod),
            (Kind::AuthenticationDenied, Rule::AuthenticationDenied),
            (Kind::Unauthenticated, Rule::Unauthenticated),
            (Kind::UnknownCap, Rule::UnknownCap),
            (Kind::InterfaceMismatch, Rule::InterfaceMismatch),
            (Kind::StaleSession, Rule::StaleSession),
            (Kind::MethodDenied, Rule::MethodDenied),
            (Kind::ServiceUnavailable, Rule::ServiceUnavailable),
        ] {
            let ada = house.as_ada().await;
            *house.faults.deny.lock().unwrap() = Some(kind);
            let (none, fields) = (json!({}), json!({ "name": "a", "text": "b" }));
            let read = house.call(&ada, "system", "motd", &none).await;
            let first = read.err().unwrap();
            assert_eq!(first.rule(), expected);
            assert!(!format!("{first:?}").contains("as it was told to"));
            let owner = match expected {
                Rule::StaleSession => OwnerState::Free,
                _ => OwnerState::Mine,
            };
            assert_eq!(house.room.state(&ada).owner.state, owner, "{kind:?}");
            // The same of what changes something, and of services.
            let written = house.call(&ada, "notes", "put", &fields).await;
            assert_eq!(rule(written), Some(expected));
            let services = house.room.services(&ada, "r").await;
            assert_eq!(rule(services), Some(expected));
            let launchers = house.room.launchers(&ada, "r").await;
            assert_eq!(rule(launchers), Some(expected));
            *house.faults.deny.lock().unwrap() = None;
            house.room.logout(&ada);
        }
        let log = format!("{:?}", house.ledger.recent(0, 1_000));
        assert!(!log.contains("as it was told to"), "{log}");
    }
}

#[tokio::test]
async fn op_m1_a_capability_of_another_kind_than_listed_is_a_mismatch() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        house.faults.mislabel.store(true, Ordering::SeqCst);
        let ada = house.as_ada().await;
        // The gateway lists its system as a runner, and checks what it gives.
        let state = house.room.state(&ada);
        let system = state.caps.iter().find(|cap| cap.name == "system").unwrap();
        let operation = system.operations.first().unwrap();
        let fields = json!({ "profile": "x" });
        let call = house.call(&ada, "system", &operation.name, &fields).await;
        assert_eq!(rule(call), Some(Rule::InterfaceMismatch));
        assert_eq!(house.faults.calls.load(Ordering::SeqCst), 0);
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
    }
}

/// Threads have credentials of their own here, and a gateway's thread has those of
/// whoever opens it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn op_m1_a_socket_that_another_user_keeps_is_not_spoken_to() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI is root");
        println!("skipped: only root can become another user");
        return;
    }
    for user in [0, 65_534] {
        let house = House::open_as(user).await;
        let one = house.session();
        // The second attempt is no guess that would have to wait.
        for _ in 0..2 {
            let came = house.login(&one, AuthKind::Password, "ada", Some("right"));
            let came = came.await;
            if user == 0 {
                came.unwrap();
                continue;
            }
            assert_eq!(rule(came), Some(Rule::HostKeyMismatch));
            assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
            // Our own folder has been left without a word.
            assert_eq!(house.faults.checked.load(Ordering::SeqCst), 0);
        }
    }
}
