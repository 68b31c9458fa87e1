//! More time, for which the person has to answer a step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_guard::{Refusal, Rule, SessionId};

use super::scripted::{Broken, House, LIFE, UPSTREAM_WORDS};
use crate::defaults;
use crate::gateway::Proof;
use crate::room::{Came, Renewal};
use crate::transcript::HUNG_UP;
use crate::vm::{OwnerState, StepVm};

const MORE: Duration = Duration::from_secs(600);

impl House {
    async fn more(&self, session: &SessionId) -> Result<Came, Refusal> {
        let renewal = Renewal {
            proof: None,
            seconds: MORE.as_secs(),
        };
        self.room.renew(session, "r", renewal).await
    }

    async fn sign(&self, session: &SessionId, answer: &str) -> Result<Came, Refusal> {
        let answer = Proof::new(answer.to_owned());
        self.room.answer_renewal(session, "r", answer).await
    }

    /// Signed in, and asked to sign for more time.
    async fn asked(&self) -> SessionId {
        self.script.renew_by_step();
        let one = self.session();
        self.sign_in(&one).await;
        assert_eq!(self.more(&one).await.unwrap(), Came::ToAStep);
        one
    }

    fn step(&self, session: &SessionId) -> Option<StepVm> {
        self.room.state(session).session?.renewal
    }

    fn ends(&self, session: &SessionId) -> Option<String> {
        self.room.state(session).session.unwrap().expires_at
    }

    fn rows(&self, session: &SessionId) -> Vec<(String, String)> {
        let rows = self.room.transcript().read(session, 0).into_iter();
        rows.map(|row| (row.summary, row.outcome)).collect()
    }
}

fn rule<T>(outcome: Result<T, Refusal>) -> Option<Rule> {
    outcome.err().map(|refusal| refusal.rule())
}

#[tokio::test]
async fn op_r6_a_signature_gives_the_same_session_more_time() {
    let house = House::new();
    house.hand.advance(Duration::from_secs(1));
    let one = house.asked().await;
    let (before, alias) = (house.ends(&one), house.alias(&one));
    let step = house.step(&one).unwrap();
    assert_eq!(step.challenge.as_deref(), Some("Y2hhbGxlbmdl"));
    // It is no step of a sign-in, and nothing has moved yet.
    assert!(house.room.state(&one).step.is_none());
    assert_eq!(
        rule(
            house
                .room
                .answer(&one, "r", Proof::new("signed".to_owned()))
                .await
        ),
        Some(Rule::Unauthenticated)
    );
    assert_eq!(house.ends(&one), before);
    assert_eq!(house.sign(&one, "signed").await.unwrap(), Came::ToASession);
    assert!(house.step(&one).is_none());
    assert_ne!(house.ends(&one), before);
    assert_eq!(house.alias(&one), alias, "the same session");
    house.hand.advance(MORE - Duration::from_secs(1));
    house.room.sweep();
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
    house.hand.advance(Duration::from_secs(1));
    house.room.sweep();
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
    // Each message that may give more time is written down before it is sent.
    let records = house.ledger.recent(0, 100).into_iter();
    let renewed = records.filter(|record| record.kind == "gateway.renewed");
    assert_eq!(renewed.count(), 2);
    let rows = house.rows(&one);
    assert!(rows.contains(&("more time".to_owned(), "step".to_owned())));
    assert!(rows.contains(&("the next step".to_owned(), "ok".to_owned())));
}

#[tokio::test]
async fn op_f7_only_the_owner_asks_for_more_time_signs_for_it_and_gives_it_up() {
    let house = House::new();
    let (one, two) = (house.asked().await, house.session());
    let calls = house.script.calls.load(Ordering::SeqCst);
    assert!(house.room.state(&two).session.is_none());
    for refused in [house.more(&two).await, house.sign(&two, "signed").await] {
        assert_eq!(rule(refused), Some(Rule::SessionAlreadyInUse));
    }
    assert!(!house.room.cancel_renewal(&two).await);
    assert_eq!(house.script.calls.load(Ordering::SeqCst), calls);
    assert_eq!(house.script.cancels.load(Ordering::SeqCst), 0);
    assert!(house.step(&one).is_some());
    assert!(house.rows(&two).is_empty());
    // Nobody's, there is nothing to ask for.
    house.room.logout(&one);
    assert_eq!(
        rule(house.sign(&two, "x").await),
        Some(Rule::Unauthenticated)
    );
}

#[tokio::test]
async fn op_r6_more_time_is_given_up_and_signing_for_it_comes_to_nothing() {
    let house = House::new();
    let one = house.asked().await;
    let before = house.ends(&one);
    assert!(house.room.cancel_renewal(&one).await);
    assert_eq!(house.script.cancels.load(Ordering::SeqCst), 1);
    assert!(!house.room.cancel_renewal(&one).await);
    assert!(house.step(&one).is_none());
    let calls = house.script.calls.load(Ordering::SeqCst);
    assert_eq!(
        rule(house.sign(&one, "signed").await),
        Some(Rule::BadRequest)
    );
    assert_eq!(house.script.calls.load(Ordering::SeqCst), calls);
    assert_eq!(house.ends(&one), before);
    let last = house.rows(&one).pop().unwrap();
    assert_eq!(last, ("given up".to_owned(), "ok".to_owned()));
    // It can be asked for again, and once more instead of that.
    house.more(&one).await.unwrap();
    house.more(&one).await.unwrap();
    house.sign(&one, "signed").await.unwrap();
    assert_eq!(
        rule(house.sign(&one, "signed").await),
        Some(Rule::BadRequest)
    );
}

#[tokio::test]
async fn op_a1_a_wrong_signature_for_more_time_counts_as_a_failed_sign_in() {
    let house = House::new();
    let one = house.asked().await;
    let before = house.ends(&one);
    let refusal = house.sign(&one, "forged").await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::AuthenticationDenied);
    assert!(!refusal.to_string().contains(UPSTREAM_WORDS));
    assert!(house.step(&one).is_none(), "one try for each challenge");
    assert_eq!(rule(house.more(&one).await), Some(Rule::LockedOut));
    house.hand.advance(Duration::from_secs(1));
    house.more(&one).await.unwrap();
    house.sign(&one, "forged").await.unwrap_err();
    // The pause doubles, as it does at the door.
    house.hand.advance(Duration::from_secs(1));
    let hasty = house.more(&one).await.unwrap_err();
    assert_eq!(hasty.retry_after, Some(Duration::from_secs(1)));
    house.hand.advance(Duration::from_secs(1));
    house.more(&one).await.unwrap();
    // What is no signature of ours is not sent, and is no guess.
    let long = "x".repeat(defaults::PROOF + 1);
    assert_eq!(rule(house.sign(&one, &long).await), Some(Rule::BadRequest));
    assert!(house.step(&one).is_some());
    assert_eq!(house.ends(&one), before);
    house.sign(&one, "signed").await.unwrap();
}

#[tokio::test]
async fn op_a2_ten_wrong_signatures_for_more_time_lock_the_door() {
    let house = House::new();
    let one = house.asked().await;
    house.sign(&one, "signed").await.unwrap();
    for _ in 0..doorward_guard::defaults::LOGIN_FAILURES {
        house.hand.advance(Duration::from_secs(60));
        house.more(&one).await.unwrap();
        let wrong = house.sign(&one, "forged").await;
        assert_eq!(rule(wrong), Some(Rule::AuthenticationDenied));
    }
    house.hand.advance(Duration::from_secs(60));
    let locked = house.more(&one).await.unwrap_err();
    assert_eq!(locked.rule(), Rule::LockedOut);
    let lock = doorward_guard::defaults::LOGIN_WINDOW - Duration::from_secs(60);
    assert_eq!(locked.retry_after, Some(lock));
}

#[tokio::test]
async fn op_f5_a_step_for_more_time_that_nobody_answers_is_given_up_after_two_minutes() {
    let house = House::new();
    let one = house.asked().await;
    house
        .hand
        .advance(defaults::ASKING - Duration::from_secs(1));
    house.room.sweep();
    assert!(house.step(&one).is_some());
    house.hand.advance(Duration::from_secs(1));
    // Before the sweep it is too late already.
    let calls = house.script.calls.load(Ordering::SeqCst);
    assert_eq!(
        rule(house.sign(&one, "signed").await),
        Some(Rule::UpstreamTimeout)
    );
    assert_eq!(house.script.calls.load(Ordering::SeqCst), calls);
    house.more(&one).await.unwrap();
    house.hand.advance(defaults::ASKING);
    house.room.sweep();
    assert!(house.step(&one).is_none());
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
    let last = house.rows(&one).pop().unwrap();
    assert_eq!(last, ("more time".to_owned(), "tooLate".to_owned()));
}

#[tokio::test]
async fn op_f4_the_end_of_the_session_is_the_end_of_its_step() {
    for end in ["logout", "lost", "expired"] {
        let house = House::new();
        let (one, two) = (house.asked().await, house.session());
        match end {
            "logout" => assert!(house.room.logout(&one)),
            "lost" => {
                house.script.cut();
                house.until_free(&two).await;
            }
            _ => {
                house.hand.advance(LIFE);
                house.room.sweep();
            }
        }
        let calls = house.script.calls.load(Ordering::SeqCst);
        let signed = house.sign(&one, "signed").await;
        assert_eq!(rule(signed), Some(Rule::StaleSession), "{end}");
        assert!(!house.room.cancel_renewal(&one).await);
        assert_eq!(house.script.calls.load(Ordering::SeqCst), calls, "{end}");
        // A later session has none.
        house.sign_in(&one).await;
        assert_eq!(
            rule(house.sign(&one, "signed").await),
            Some(Rule::BadRequest)
        );
    }
}

#[tokio::test]
async fn op_f4_a_connection_that_breaks_while_a_signature_is_checked_frees_the_slot() {
    let house = House::new();
    let (one, two) = (house.asked().await, house.session());
    house.script.hold_calls();
    let calls = house.script.calls.load(Ordering::SeqCst);
    let (signed, ()) = tokio::join!(house.sign(&one, "signed"), async {
        house.script.calls_came(calls + 1).await;
        house.script.cut();
    });
    assert_eq!(rule(signed), Some(Rule::UpstreamDisconnected));
    assert_eq!(house.room.state(&two).owner.state, OwnerState::Free);
}

#[tokio::test]
async fn op_r6_one_tab_asks_at_a_time_and_one_that_leaves_makes_room() {
    let house = House::new();
    let one = house.asked().await;
    house.script.hold_calls();
    let calls = house.script.calls.load(Ordering::SeqCst);
    let leaving = tokio::spawn({
        let (room, one) = (house.room.clone(), one.clone());
        async move {
            let answer = Proof::new("signed".to_owned());
            room.answer_renewal(&one, "r", answer).await
        }
    });
    house.script.calls_came(calls + 1).await;
    for refused in [house.more(&one).await, house.sign(&one, "signed").await] {
        assert_eq!(rule(refused), Some(Rule::Busy));
    }
    assert!(!house.room.cancel_renewal(&one).await, "it is no step now");
    leaving.abort();
    assert!(leaving.await.is_err());
    let left = ("the next step".to_owned(), HUNG_UP.to_owned());
    assert_eq!(house.rows(&one).last(), Some(&left));
    house.script.go_on();
    // Who left counts as one who failed.
    house.hand.advance(Duration::from_secs(1));
    house.more(&one).await.unwrap();
    house.sign(&one, "signed").await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_asks_for_signatures_without_end_is_not_followed() {
    let house = House::new();
    let one = house.asked().await;
    house.script.ask_forever();
    let mut steps = 1;
    let refusal = loop {
        match house.sign(&one, "x").await {
            Ok(_) => steps += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.rule(), Rule::ServiceUnavailable);
    assert_eq!(steps, defaults::STEPS - 1);
    assert!(house.step(&one).is_none());
    assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
}

#[tokio::test]
async fn a_signature_that_cannot_be_written_down_is_not_sent() {
    let audit = Arc::<Broken>::default();
    let house = House::with_audit(&audit);
    let one = house.asked().await;
    let (calls, before) = (house.script.calls.load(Ordering::SeqCst), house.ends(&one));
    audit.now();
    for refused in [house.sign(&one, "signed").await, house.more(&one).await] {
        assert_eq!(rule(refused), Some(Rule::Internal));
    }
    assert_eq!(house.script.calls.load(Ordering::SeqCst), calls);
    assert_eq!(house.ends(&one), before);
}

#[tokio::test]
async fn op_l3_what_is_signed_for_more_time_is_nowhere() {
    let house = House::new();
    let one = house.asked().await;
    house.sign(&one, "hunter2-forged").await.unwrap_err();
    let all = format!(
        "{:?} {:?} {:?} {}",
        house.room.transcript(),
        house.ledger.recent(0, 1_000),
        house.room,
        serde_json::to_string(&house.room.state(&one)).unwrap()
    );
    assert!(!all.contains("hunter2"), "{all}");
}
