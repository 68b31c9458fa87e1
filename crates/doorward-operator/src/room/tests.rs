//! The room with a gateway that does as it is told.

mod bounds;
mod leaving;
mod renewing;
mod scripted;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_guard::table::sessions::EndReason;
use doorward_guard::{Rule, SessionId};
use serde_json::{Value as Json, json};

use super::{Came, Configured};
use crate::defaults;
use crate::denial::Denial;
use crate::gateway::{AuthKind, Proof, Value};
use crate::vm::{HealthState, OwnerState, Shape};
use scripted::{Broken, House, Panic, by, password};

#[tokio::test]
async fn op_f1_a_second_browser_hears_since_when_and_nothing_is_sent() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    house.sign_in(&one).await;
    let before = house.script.connects.load(Ordering::SeqCst);
    let refusal = house.login(&two, password("right")).await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::SessionAlreadyInUse);
    assert!(refusal.since.is_some());
    assert_eq!(house.script.connects.load(Ordering::SeqCst), before);
    let seen = serde_json::to_value(house.room.state(&two)).unwrap();
    assert_eq!(seen["owner"]["state"], "inUse");
    assert_eq!((&seen["session"], &seen["caps"]), (&Json::Null, &json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_f2_of_a_hundred_that_sign_in_at_once_one_is_tried() {
    let house = House::new();
    house.script.hold_login();
    let people: Vec<_> = (0..50).map(|_| house.session()).collect();
    let mut racing = tokio::task::JoinSet::new();
    for at in 0..100 {
        let (room, session) = (house.room.clone(), people[at % 50].clone());
        racing.spawn(async move { room.login(&session, "r", password("right")).await });
    }
    let mut lost = 0;
    while lost < 99 {
        let refusal = racing.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(refusal.rule(), Rule::SessionAlreadyInUse);
        lost += 1;
    }
    house.script.login_came().await;
    assert_eq!(house.script.logins.load(Ordering::SeqCst), 1);
    house.script.go_on();
    let won = racing.join_next().await.unwrap().unwrap();
    assert_eq!(won.unwrap(), Came::ToASession);
    let owners = people
        .iter()
        .filter(|id| house.room.state(id).owner.state == OwnerState::Mine);
    assert_eq!(owners.count(), 1);
    assert_eq!(house.script.connects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn op_f3_what_fails_gives_the_slot_back() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    let cases = [
        (by(AuthKind::Guest), Rule::DisabledAuthMethod),
        (
            by(AuthKind::Anonymous).with_profile("root"),
            Rule::BadRequest,
        ),
        (password("wrong"), Rule::AuthenticationDenied),
    ];
    for (start, rule) in cases {
        let refusal = house.login(&one, start).await.unwrap_err();
        assert_eq!(refusal.rule(), rule);
        assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
        house.hand.advance(Duration::from_secs(2));
    }
    house
        .script
        .refuse_connections(Denial::UpstreamDisconnected);
    let refusal = house.login(&one, password("right")).await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::UpstreamDisconnected);
    house.script.refuse_nothing();
    house.sign_in(&two).await;
    // An owner who fails to sign in again stays.
    let refusal = house.login(&two, password("wrong")).await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::AuthenticationDenied);
    assert_eq!(house.room.state(&two).owner.state, OwnerState::Mine);
    house
        .call(&two, "echo", &json!({ "text": "still" }))
        .await
        .unwrap();
}

#[tokio::test]
async fn op_f4_logout_loss_and_the_end_of_the_browser_session_free_it() {
    let house = House::new();
    for end in ["logout", "browser", "lost", "stale"] {
        let (one, two) = (house.session(), house.session());
        house.sign_in(&one).await;
        match end {
            "logout" => {
                assert!(house.room.logout(&one));
                house.script.hung_up().await;
            }
            "browser" => {
                house.room.session_ended(&one, EndReason::Revoked);
                house.script.hung_up().await;
            }
            "lost" => {
                house.script.cut();
                house.until_free(&two).await;
            }
            _ => {
                house.script.deny_calls(Some(Denial::StaleSession));
                let refusal = house.call(&one, "echo", &json!({ "text": "x" })).await;
                assert_eq!(refusal.unwrap_err().rule(), Rule::StaleSession);
                house.script.deny_calls(None);
            }
        }
        assert_eq!(
            house.room.state(&two).owner.state,
            OwnerState::Free,
            "{end}"
        );
        let refusal = house.room.caps(&one, "r").await.unwrap_err();
        // Who is a stranger again is not told of a session that was.
        let rule = match end {
            "browser" => Rule::Unauthenticated,
            _ => Rule::StaleSession,
        };
        assert_eq!(refusal.rule(), rule, "{end}");
        let refusal = house.room.caps(&two, "r").await.unwrap_err();
        assert_eq!(refusal.rule(), Rule::Unauthenticated);
    }
    house.room.shutdown().await;
    assert_eq!(
        house.script.logouts.load(Ordering::SeqCst),
        2,
        "all that were there to hear it"
    );
}

#[tokio::test]
async fn op_f5_a_step_that_nobody_answers_is_given_up_after_two_minutes() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    let came = house.login(&one, by(AuthKind::PublicKey)).await.unwrap();
    assert_eq!(came, Came::ToAStep);
    let step = house.room.state(&one).step.unwrap();
    assert_eq!(step.challenge.as_deref(), Some("Y2hhbGxlbmdl"));
    assert!(house.room.state(&two).step.is_none());
    house
        .hand
        .advance(defaults::ASKING - Duration::from_secs(1));
    house.room.sweep();
    assert_eq!(house.room.state(&two).owner.state, OwnerState::InUse);
    house.hand.advance(Duration::from_secs(1));
    house.room.sweep();
    assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
    let late = house
        .room
        .answer(&one, "r", Proof::new("signed".to_owned()))
        .await;
    assert_eq!(late.unwrap_err().rule(), Rule::Unauthenticated);
}

#[tokio::test]
async fn a_sign_in_of_several_steps_comes_to_a_session_or_is_cancelled() {
    let house = House::new();
    let one = house.session();
    house.login(&one, by(AuthKind::PublicKey)).await.unwrap();
    assert!(house.room.cancel(&one));
    assert!(!house.room.cancel(&one));
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
    house.login(&one, by(AuthKind::PublicKey)).await.unwrap();
    let came = house
        .room
        .answer(&one, "r", Proof::new("signed".to_owned()))
        .await;
    assert_eq!(came.unwrap(), Came::ToASession);
    assert!(house.room.state(&one).step.is_none());
    // A gateway that asks without end is not followed.
    house.room.logout(&one);
    house.script.ask_forever();
    house.login(&one, by(AuthKind::PublicKey)).await.unwrap();
    let mut steps = 1;
    let refusal = loop {
        match house
            .room
            .answer(&one, "r", Proof::new("x".to_owned()))
            .await
        {
            Ok(_) => steps += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.rule(), Rule::ServiceUnavailable);
    assert_eq!(steps, defaults::STEPS - 1);
}

#[tokio::test]
async fn op_f6_every_transition_is_one_event_with_its_session() {
    let house = House::new();
    let one = house.session();
    house.login(&one, password("wrong")).await.unwrap_err();
    house.hand.advance(Duration::from_secs(1));
    house.sign_in(&one).await;
    house
        .call(&one, "put", &json!({ "text": "x" }))
        .await
        .unwrap();
    house.room.logout(&one);
    let kinds: Vec<_> = house
        .ledger
        .recent(0, 100)
        .into_iter()
        .map(|record| {
            assert_eq!(record.subject.as_deref(), Some(one.as_str()));
            record.kind.into_owned()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "gateway.claimed",
            "gateway.released",
            "gateway.denied",
            "gateway.claimed",
            "gateway.entered",
            "gateway.called",
            "gateway.released",
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let audit = Arc::<Broken>::default();
    let house = House::with_audit(&audit);
    let one = house.session();
    audit.now();
    let refusal = house.login(&one, password("right")).await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::Internal);
    assert_eq!(house.script.connects.load(Ordering::SeqCst), 0);
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
}

#[tokio::test]
async fn op_f7_only_the_owner_may_call() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    house.sign_in(&one).await;
    let call = house.call(&two, "echo", &json!({ "text": "x" })).await;
    let mut refused = vec![call.map(drop).unwrap_err()];
    refused.push(house.room.caps(&two, "r").await.map(drop).unwrap_err());
    refused.push(house.room.services(&two, "r").await.map(drop).unwrap_err());
    refused.push(house.room.launchers(&two, "r").await.map(drop).unwrap_err());
    refused.push(house.room.health(&two).await.map(drop).unwrap_err());
    refused.push(house.room.recent(&two).map(drop).unwrap_err());
    refused.push(house.room.choose(&two, "second", None, "r").unwrap_err());
    for refusal in refused {
        assert_eq!(refusal.rule(), Rule::SessionAlreadyInUse);
    }
    assert_eq!(house.script.calls.load(Ordering::SeqCst), 0);
    assert!(house.room.transcript().read(&two, 0).is_empty());
}

#[tokio::test]
async fn op_a1_wrong_passwords_wait_and_unreachable_gateways_do_not() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    house
        .script
        .refuse_connections(Denial::UpstreamDisconnected);
    for _ in 0..20 {
        let refusal = house.login(&one, password("right")).await.unwrap_err();
        assert_eq!(refusal.rule(), Rule::UpstreamDisconnected);
    }
    house.script.refuse_nothing();
    house.login(&one, password("wrong")).await.unwrap_err();
    let before = house.script.connects.load(Ordering::SeqCst);
    for session in [&one, &two] {
        let refusal = house.login(session, password("right")).await.unwrap_err();
        assert_eq!(refusal.rule(), Rule::LockedOut);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
    }
    assert_eq!(house.script.connects.load(Ordering::SeqCst), before);
    house.hand.advance(Duration::from_secs(1));
    house.sign_in(&two).await;
}

#[tokio::test]
async fn op_g1_another_gateway_drops_the_old_one_and_carries_nothing_over() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    let alias = house.alias(&one);
    house.room.choose(&one, "second", None, "r").unwrap();
    house.script.hung_up().await;
    let state = house.room.state(&one);
    assert_eq!(state.gateway.unwrap().name, "second");
    assert_eq!(state.owner.state, OwnerState::Free);
    assert!(state.session.is_none() && state.caps.is_empty());
    let call = house
        .call_ref(&one, &alias, "echo", &json!({ "text": "x" }))
        .await;
    assert_eq!(call.unwrap_err().rule(), Rule::StaleSession);
    house.sign_in(&one).await;
    let call = house
        .call_ref(&one, &alias, "echo", &json!({ "text": "x" }))
        .await;
    assert_eq!(call.unwrap_err().rule(), Rule::UnknownCap, "an old alias");
}

#[tokio::test]
async fn op_g2_only_what_was_configured_can_be_reached() {
    let house = House::new();
    let one = house.session();
    house
        .room
        .choose(&one, "first", Some("10.0.0.2:1"), "r")
        .unwrap();
    for (name, address) in [
        ("third", None),
        ("first", Some("10.0.0.3:1")),
        ("first", Some("169.254.169.254:80")),
        ("second", Some("10.0.0.2:1")),
        ("", None),
    ] {
        let refusal = house.room.choose(&one, name, address, "r").unwrap_err();
        assert_eq!(
            refusal.rule(),
            Rule::GatewayNotAllowed,
            "{name} {address:?}"
        );
    }
    let told = serde_json::to_string(&house.room.state(&one)).unwrap();
    assert!(!told.contains("10.0.0."), "{told}");
}

#[tokio::test]
async fn op_d4_an_alias_is_of_one_session() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    let old = house.alias(&one);
    assert_eq!(
        house.room.caps(&one, "r").await.unwrap()[0].r#ref,
        old,
        "it stays"
    );
    house.room.logout(&one);
    let call = house
        .call_ref(&one, &old, "echo", &json!({ "text": "x" }))
        .await;
    assert_eq!(call.unwrap_err().rule(), Rule::StaleSession);
    house.sign_in(&one).await;
    assert_ne!(house.alias(&one), old);
    let call = house
        .call_ref(&one, &old, "echo", &json!({ "text": "x" }))
        .await;
    assert_eq!(call.unwrap_err().rule(), Rule::UnknownCap);
    for forged in ["", "echo", "0", "c_AAAAAAAAAAA", "0xfbbdc602980cb986"] {
        let call = house
            .call_ref(&one, forged, "echo", &json!({ "text": "x" }))
            .await;
        assert_eq!(call.unwrap_err().rule(), Rule::UnknownCap);
    }
}

#[tokio::test]
async fn op_d5_every_denial_of_a_gateway_is_told_in_our_words() {
    let house = House::new();
    for denial in Denial::ALL {
        let one = house.session();
        house.sign_in(&one).await;
        house.script.deny_calls(Some(denial));
        let refusal = house
            .call(&one, "echo", &json!({ "text": "x" }))
            .await
            .unwrap_err();
        house.script.deny_calls(None);
        assert_eq!(refusal.rule(), denial.rule());
        assert!(!refusal.to_string().contains(scripted::UPSTREAM_WORDS));
        let ended = house.room.state(&one).owner.state == OwnerState::Free;
        assert_eq!(ended, denial.ends_the_session(), "{denial:?}");
        house.room.session_ended(&one, EndReason::Revoked);
    }
    let log = format!("{:?}", house.ledger.recent(0, 1_000));
    assert!(!log.contains("upstream says"), "{log}");
}

#[tokio::test]
async fn what_is_destructive_is_confirmed_first() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    let call = house.call(&one, "wipe", &json!({})).await;
    assert_eq!(call.unwrap_err().rule(), Rule::ConfirmationNeeded);
    assert_eq!(house.script.calls.load(Ordering::SeqCst), 0);
    let call = house.confirmed(&one, "wipe").await.unwrap();
    assert_eq!(call.shape, Shape::Nothing);
    let call = house.call(&one, "nothing-like-it", &json!({})).await;
    assert_eq!(call.unwrap_err().rule(), Rule::MethodDenied);
}

#[tokio::test]
async fn op_f4_a_gateway_whose_thread_panics_frees_the_slot_for_the_next_one() {
    let house = House::new();
    let fields = json!({ "text": "x" });
    for at in [
        Panic::Connecting,
        Panic::SigningIn,
        Panic::Calling,
        Panic::Listening,
    ] {
        let (one, two) = (house.session(), house.session());
        let had = matches!(at, Panic::Calling | Panic::Listening);
        if had {
            house.sign_in(&one).await;
        }
        house.script.panic_at(Some(at));
        let refusal = match at {
            Panic::Connecting | Panic::SigningIn => {
                let login = house.login(&one, password("right")).await;
                login.map(drop).unwrap_err()
            }
            Panic::Calling => {
                let call = house.call(&one, "echo", &fields).await;
                call.map(drop).unwrap_err()
            }
            Panic::Listening => {
                let calls = house.script.calls.load(Ordering::SeqCst);
                house.script.hold_calls();
                let (call, ()) = tokio::join!(house.call(&one, "echo", &fields), async {
                    house.script.calls_came(calls + 1).await;
                    house.script.cut();
                });
                call.map(drop).unwrap_err()
            }
        };
        assert_eq!(refusal.rule(), Rule::UpstreamDisconnected, "{at:?}");
        assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
        let call = house.call(&one, "echo", &fields).await;
        let rule = if had {
            Rule::StaleSession
        } else {
            Rule::Unauthenticated
        };
        assert_eq!(call.unwrap_err().rule(), rule, "{at:?}");
        // Nothing of it is left, and it was nobody's wrong password.
        house.script.hung_up().await;
        house.script.panic_at(None);
        house.script.go_on();
        house.sign_in(&two).await;
        house.call(&two, "echo", &fields).await.unwrap();
        assert!(house.room.logout(&two));
        house.script.hung_up().await;
    }
    let released = house.ledger.recent(0, 1_000).into_iter();
    let released = released.filter(|record| record.kind == "gateway.released");
    let why: Vec<_> = released.map(|record| record.detail).collect();
    assert_eq!(
        why,
        [
            "notSignedIn",
            "logout",
            "notSignedIn",
            "logout",
            "upstreamDisconnected",
            "logout",
            "upstreamDisconnected",
            "logout",
        ]
    );
}

#[tokio::test]
async fn op_l1_what_a_gateway_says_is_escaped_and_bounded() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    let hostile = "a\r\nb\u{1b}[2J\u{202e}c";
    house.script.answer(Value::Text(hostile.to_owned()));
    let shown = house
        .call(&one, "echo", &json!({ "text": "x" }))
        .await
        .unwrap();
    assert_eq!(shown.text.as_deref(), Some("a\nb\\u{1b}[2J\\u{202e}c"));
    house.script.answer(Value::Text(format!(
        "connect to {} as 0xFBBDC602980CB986",
        scripted::ADDRESS
    )));
    let shown = house
        .call(&one, "echo", &json!({ "text": "x" }))
        .await
        .unwrap();
    assert_eq!(
        shown.text.as_deref(),
        Some("connect to [hidden] as [hidden]")
    );
    house
        .script
        .answer(Value::Text("x".repeat(defaults::RESULT + 1)));
    let refusal = house
        .call(&one, "echo", &json!({ "text": "x" }))
        .await
        .unwrap_err();
    assert_eq!(refusal.rule(), Rule::ResultTooLarge);
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
    let hostile = |c: char| c.is_control() || c == '\u{202e}';
    for row in house.room.transcript().read(&one, 0) {
        assert!(!row.summary.contains(hostile) && !row.outcome.contains(hostile));
    }
}

#[tokio::test]
async fn op_l3_passwords_are_nowhere() {
    let house = House::new();
    let one = house.session();
    house
        .login(&one, password("hunter2-wrong"))
        .await
        .unwrap_err();
    house.hand.advance(Duration::from_secs(1));
    house.sign_in(&one).await;
    house
        .call(&one, "secret", &json!({ "pin": "hunter2-pin" }))
        .await
        .unwrap();
    let all = format!(
        "{:?} {:?} {:?} {}",
        house.room.transcript(),
        house.ledger.recent(0, 1_000),
        house.room,
        serde_json::to_string(&house.room.state(&one)).unwrap()
    );
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn op_r6_the_gateways_own_end_frees_it_and_more_time_moves_that() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    house.sign_in(&one).await;
    let renewal = |seconds| super::Renewal {
        proof: None,
        seconds,
    };
    house.hand.advance(scripted::LIFE - Duration::from_secs(10));
    house.room.renew(&one, "r", renewal(60)).await.unwrap();
    house.hand.advance(Duration::from_secs(59));
    house.room.sweep();
    assert_eq!(house.room.state(&two).owner.state, OwnerState::InUse);
    house.hand.advance(Duration::from_secs(1));
    house.room.sweep();
    assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
    house.script.hung_up().await;
    assert_eq!(
        house.room.caps(&one, "r").await.unwrap_err().rule(),
        Rule::StaleSession
    );
    for seconds in [0, defaults::RENEWAL.as_secs() + 1] {
        house.sign_in(&two).await;
        let refusal = house
            .room
            .renew(&two, "r", renewal(seconds))
            .await
            .unwrap_err();
        assert_eq!(refusal.rule(), Rule::BadRequest);
    }
}

#[tokio::test]
async fn its_owner_hears_how_the_gateway_is() {
    let house = House::new();
    let one = house.session();
    assert_eq!(
        house.room.health(&one).await.unwrap().state,
        HealthState::Idle
    );
    house.sign_in(&one).await;
    let health = house.room.health(&one).await.unwrap();
    assert_eq!(
        (health.state, health.latency_ms),
        (HealthState::Up, Some(0))
    );
    let recent = house.room.recent(&one).unwrap();
    assert_eq!(recent.last().unwrap().kind, "gateway.entered");
    // What this gateway does not have.
    let refusal = house.room.services(&one, "r").await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::ServiceUnavailable);
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
}

#[tokio::test]
async fn a_room_without_gateways_says_so() {
    let house = House::with(|_| Vec::<Configured>::new());
    let one: SessionId = house.session();
    assert!(house.room.state(&one).gateway.is_none());
    let refusal = house.login(&one, password("right")).await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::ServiceUnavailable);
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
}
