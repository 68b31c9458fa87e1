//! The orders in which browsers, deadlines and answers can arrive, explored by
//! shuttle: at no time do two sessions have the gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::Duration;

use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{Clock, SessionId, Sessions};
use doorward_operator::defaults;
use doorward_operator::owner::Slot;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

fn people(count: usize) -> (Clock, doorward_guard::FakeClock, Vec<SessionId>) {
    let (clock, hand) = Clock::fake();
    let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
    let claim = |_| {
        let ticket = sessions.ticket(false).expect("there is room");
        let claim = sessions.claim(&ticket.reveal(), None);
        claim.expect("the ticket is fresh").session
    };
    let ids = (0..count).map(claim).collect();
    (clock, hand, ids)
}

#[test]
fn op_f2_of_all_that_race_one_is_tried_and_one_owns() {
    shuttle::check_random(
        || {
            let (clock, _hand, ids) = people(4);
            let slot = Arc::new(Mutex::new(Slot::default()));
            let tried = Arc::new(AtomicUsize::new(0));
            let racing = ids.clone().into_iter().map(|id| {
                let (slot, tried, clock) = (Arc::clone(&slot), Arc::clone(&tried), clock.clone());
                thread::spawn(move || {
                    let ticket = slot.lock().unwrap().reserve(&id, clock.now());
                    let Ok(ticket) = ticket else { return };
                    tried.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    assert!(slot.lock().unwrap().own(ticket, None));
                })
            });
            let racing: Vec<_> = racing.collect();
            for one in racing {
                one.join().unwrap();
            }
            assert_eq!(tried.load(Ordering::SeqCst), 1);
            let slot = slot.lock().unwrap();
            assert_eq!(ids.iter().filter(|id| slot.is_owned_by(id)).count(), 1);
        },
        1_000,
    );
}

#[test]
fn op_f5_an_answer_that_comes_with_the_deadline_is_in_time_or_is_nothing() {
    shuttle::check_random(
        || {
            let (clock, hand, ids) = people(2);
            let slot = Arc::new(Mutex::new(Slot::default()));
            let ticket = slot.lock().unwrap().reserve(&ids[0], clock.now());
            let ticket = ticket.expect("it is free");
            let late = {
                let (slot, clock) = (Arc::clone(&slot), clock.clone());
                thread::spawn(move || {
                    hand.advance(defaults::TRYING + Duration::from_secs(1));
                    slot.lock().unwrap().sweep(clock.now());
                })
            };
            let other = {
                let (slot, clock, id) = (Arc::clone(&slot), clock.clone(), ids[1].clone());
                thread::spawn(move || slot.lock().unwrap().reserve(&id, clock.now()).is_ok())
            };
            let owned = slot.lock().unwrap().own(ticket, None);
            late.join().unwrap();
            let took = other.join().unwrap();
            assert!(!(owned && took), "two have it");
            let slot = slot.lock().unwrap();
            assert_eq!(slot.is_owned_by(&ids[0]), owned);
            assert_eq!(slot.is_held_by(&ids[1]), took);
        },
        1_000,
    );
}
