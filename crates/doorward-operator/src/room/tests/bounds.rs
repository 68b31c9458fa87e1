//! How many at once, for how long, and how large.

use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_guard::Rule;
use serde_json::json;
use tokio::time::Instant;

use super::scripted::{self, House, Still, password};
use crate::defaults;
use crate::vm::OwnerState;

#[tokio::test]
async fn op_m2_eight_calls_run_at_once_and_a_ninth_is_turned_away() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    house.script.hold_calls();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..defaults::IN_FLIGHT {
        let (room, one, alias) = (house.room.clone(), one.clone(), house.alias(&one));
        running.spawn(async move {
            room.call(
                &one,
                "r",
                scripted::asked(&alias, "echo", &json!({ "text": "x" })),
            )
            .await
        });
    }
    house.script.calls_came(defaults::IN_FLIGHT).await;
    let refusal = house
        .call(&one, "echo", &json!({ "text": "x" }))
        .await
        .unwrap_err();
    assert_eq!(refusal.rule(), Rule::Busy);
    // A browser that leaves makes room, and its call is dropped over there.
    running.abort_all();
    while running.join_next().await.is_some() {}
    house.script.calls_dropped(defaults::IN_FLIGHT).await;
    house.script.go_on();
    house
        .call(&one, "echo", &json!({ "text": "x" }))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn op_m2_a_call_is_given_fifteen_seconds_and_keeps_its_session() {
    let (house, still) = (House::new(), Still::hold());
    let one = house.session();
    house.sign_in(&one).await;
    house.script.hold_calls();
    let (asked, fields) = (Instant::now(), json!({ "text": "x" }));
    let (call, ()) = tokio::join!(house.call(&one, "echo", &fields), async {
        house.script.calls_came(1).await;
        drop(still);
    });
    assert_eq!(call.unwrap_err().rule(), Rule::UpstreamTimeout);
    assert_eq!(asked.elapsed(), Duration::from_secs(15));
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
    // What nobody waits for is dropped over there too.
    house.script.calls_dropped(1).await;
    house.script.go_on();
    let _still = Still::hold();
    house.call(&one, "echo", &fields).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn op_b9_a_call_that_runs_out_of_time_makes_room_for_the_next_one() {
    let (house, _still) = (House::new(), Still::hold());
    let one = house.session();
    house.sign_in(&one).await;
    house.script.hold_calls();
    let fields = json!({ "text": "x" });
    let asked = || {
        let call = scripted::asked(&house.alias(&one), "echo", &fields);
        let (room, one) = (house.room.clone(), one.clone());
        tokio::spawn(async move { room.call(&one, "r", call).await })
    };
    let full = async || {
        let refusal = house.call(&one, "echo", &fields).await.unwrap_err();
        assert_eq!(refusal.rule(), Rule::Busy);
    };
    let first = asked();
    house.script.calls_came(1).await;
    tokio::time::advance(defaults::CALL / 2).await;
    let mut others: Vec<_> = (1..defaults::IN_FLIGHT).map(|_| asked()).collect();
    house.script.calls_came(defaults::IN_FLIGHT).await;
    full().await;
    tokio::time::advance(defaults::CALL / 2).await;
    let late = first.await.unwrap().unwrap_err();
    assert_eq!(late.rule(), Rule::UpstreamTimeout);
    // The others still have their places, and there is one more.
    others.push(asked());
    house.script.calls_came(defaults::IN_FLIGHT + 1).await;
    full().await;
    house.script.go_on();
    for call in others {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn op_m2_a_connection_is_given_five_seconds_and_a_sign_in_fifteen() {
    let house = House::new();
    let one = house.session();
    house.script.hold_connections();
    let (still, asked) = (Still::hold(), Instant::now());
    let (login, ()) = tokio::join!(house.login(&one, password("right")), async {
        house.script.connections_came(1).await;
        drop(still);
    });
    assert_eq!(login.unwrap_err().rule(), Rule::UpstreamTimeout);
    assert_eq!(asked.elapsed(), Duration::from_secs(5));
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
    assert_eq!(house.script.logins.load(Ordering::SeqCst), 0);
    house.script.go_on();
    house.script.hold_login();
    let (still, asked) = (Still::hold(), Instant::now());
    let (login, ()) = tokio::join!(house.login(&one, password("right")), async {
        house.script.login_came().await;
        drop(still);
    });
    assert_eq!(login.unwrap_err().rule(), Rule::UpstreamTimeout);
    assert_eq!(asked.elapsed(), Duration::from_secs(15));
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
    house.script.hung_up().await;
    house.script.go_on();
    let _still = Still::hold();
    house.sign_in(&one).await;
}

#[tokio::test]
async fn op_m2_arguments_over_the_limit_are_not_sent() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    // The field's name counts as well.
    let fits = 64 * 1024 - "text".len();
    for (bytes, expected) in [
        (scripted::BULK + 1, Rule::BadRequest),
        (scripted::BULK, Rule::BodyTooLarge),
        (fits + 1, Rule::BodyTooLarge),
    ] {
        let fields = json!({ "text": "x".repeat(bytes) });
        let call = house.call(&one, "bulk", &fields).await;
        assert_eq!(call.unwrap_err().rule(), expected, "{bytes}");
    }
    assert_eq!(house.script.calls.load(Ordering::SeqCst), 0);
    let fields = json!({ "text": "x".repeat(fits) });
    house.call(&one, "bulk", &fields).await.unwrap();
    assert_eq!(house.script.calls.load(Ordering::SeqCst), 1);
}
