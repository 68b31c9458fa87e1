//! Browsers and gateways that leave while something is under way.

use std::time::Duration;

use doorward_guard::Rule;
use serde_json::json;

use super::scripted::{House, asked, by, password};
use crate::gateway::{AuthKind, Proof};
use crate::room::Came;
use crate::transcript::HUNG_UP;
use crate::vm::OwnerState;

#[tokio::test]
async fn op_f3_a_browser_that_leaves_while_it_signs_in_gives_the_slot_back() {
    let house = House::new();
    house.script.hold_login();
    let (one, two) = (house.session(), house.session());
    let leaving = tokio::spawn({
        let (room, one) = (house.room.clone(), one.clone());
        async move { room.login(&one, "r", password("right")).await }
    });
    house.script.login_came().await;
    assert_eq!(house.room.state(&two).owner.state, OwnerState::InUse);
    leaving.abort();
    assert!(leaving.await.is_err());
    assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
    let rows = house.room.transcript().read(&one, 0);
    assert_eq!(rows.last().unwrap().outcome, HUNG_UP);
    house.script.go_on();
    // Who left counts as one who failed.
    house.hand.advance(Duration::from_secs(1));
    house.sign_in(&two).await;
}

#[tokio::test]
async fn op_a2_who_leaves_before_each_answer_is_locked_out_like_who_waits_for_it() {
    let house = House::new();
    house.script.hold_login();
    let one = house.session();
    let mut logins = 0;
    let refused = loop {
        house.hand.advance(Duration::from_secs(60));
        let login = tokio::spawn({
            let (room, one) = (house.room.clone(), one.clone());
            async move { room.login(&one, "r", password("guessed")).await }
        });
        tokio::select! {
            () = house.script.logins_came(logins + 1) => login.abort(),
            () = async { while !login.is_finished() { tokio::task::yield_now().await } } => {}
        }
        match login.await {
            Ok(came) => break came.unwrap_err(),
            Err(_aborted) => logins += 1,
        }
    };
    assert_eq!((refused.rule(), logins), (Rule::LockedOut, 10));
}

#[tokio::test]
async fn op_b9_a_browser_that_leaves_during_a_call_leaves_a_row_and_no_work() {
    let house = House::new();
    let one = house.session();
    house.sign_in(&one).await;
    house.script.hold_calls();
    let call = asked(&house.alias(&one), "echo", &json!({ "text": "unheard" }));
    let leaving = tokio::spawn({
        let (room, one) = (house.room.clone(), one.clone());
        async move { room.call(&one, "r", call).await }
    });
    house.script.calls_came(1).await;
    leaving.abort();
    assert!(leaving.await.is_err());
    let rows = house.room.transcript().read(&one, 0);
    let last = rows.last().unwrap();
    assert!(last.summary.contains("unheard"), "{last:?}");
    assert_eq!(last.outcome, HUNG_UP);
    house.script.go_on();
    house
        .call(&one, "echo", &json!({ "text": "heard" }))
        .await
        .unwrap();
    let rows = house.room.transcript().read(&one, 0);
    assert_eq!(rows.last().unwrap().outcome, "ok");
}

#[tokio::test]
async fn op_f4_a_gateway_that_leaves_while_it_asks_a_person_frees_the_slot() {
    let house = House::new();
    let (one, two) = (house.session(), house.session());
    house.login(&one, by(AuthKind::PublicKey)).await.unwrap();
    assert_eq!(house.room.state(&two).owner.state, OwnerState::InUse);
    house.script.cut();
    house.until_free(&two).await;
    assert!(house.room.state(&one).step.is_none());
    let rows = house.room.transcript().read(&one, 0);
    let last = rows.last().unwrap();
    let told = (last.summary.as_str(), last.outcome.as_str());
    assert_eq!(told, ("the gateway ended it", "upstreamDisconnected"));
    let refusal = house
        .room
        .answer(&one, "r", Proof::new("signed".to_owned()));
    assert_eq!(refusal.await.unwrap_err().rule(), Rule::Unauthenticated);
    // The next one's step is no business of the connection that was lost.
    house.login(&two, by(AuthKind::PublicKey)).await.unwrap();
    let came = house
        .room
        .answer(&two, "r", Proof::new("signed".to_owned()));
    assert_eq!(came.await.unwrap(), Came::ToASession);
}
