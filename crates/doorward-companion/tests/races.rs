//! Every order in which the page, the person and the clock can arrive, explored
//! by shuttle.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::sync::Arc;

use common::{Asked, House, READ, second};
use doorward_companion::pairing::{Collected, PairRefusal, Step};
use shuttle::sync::Mutex;
use shuttle::thread;

/// Orders that are tried. Four threads of one to three steps have fewer than this.
const ORDERS: usize = 3_000;

struct Shared {
    house: Mutex<House>,
    asked: Asked,
}

fn shared() -> Arc<Shared> {
    let mut house = House::new();
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    Arc::new(Shared {
        house: Mutex::new(house),
        asked,
    })
}

/// Keeps the key as the daemon does, and says whether it is still kept at the end.
fn keep(shared: &Shared, step: Result<Step, PairRefusal>) -> u32 {
    let Ok(Step::Both(key)) = step else {
        return 0;
    };
    // The vault writes here: everybody else may run.
    thread::yield_now();
    u32::from(
        shared
            .house
            .lock()
            .unwrap()
            .pairings
            .kept(key.number)
            .is_ok(),
    )
}

#[test]
fn t70_approve_confirm_and_cancel_in_any_order_give_one_key_or_none() {
    shuttle::check_random(
        || {
            let shared = shared();
            let run = |work: fn(&Shared) -> u32| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || work(&shared))
            };
            let approve = run(|shared| {
                let step = shared.house.lock().unwrap().approve(&shared.asked);
                keep(shared, step)
            });
            let confirm = run(|shared| {
                let step = shared.house.lock().unwrap().confirm(&shared.asked);
                keep(shared, step)
            });
            let cancel = run(|shared| {
                let mut house = shared.house.lock().unwrap();
                let Asked { origin, pid, .. } = &shared.asked;
                u32::from(house.pairings.cancel(origin, pid).is_ok())
            });
            let collect = run(|shared| {
                let Asked { origin, pid, .. } = &shared.asked;
                let told = |_| {
                    let mut house = shared.house.lock().unwrap();
                    house.pairings.collect(origin, pid)
                };
                let paired = |told: &_| matches!(told, Ok(Collected::Paired { .. }));
                u32::try_from((0..3).map(told).filter(paired).count()).unwrap()
            });
            let kept = approve.join().unwrap() + confirm.join().unwrap();
            let cancelled = cancel.join().unwrap();
            let collected = collect.join().unwrap();
            assert!(kept <= 1 && collected <= kept);
            // Cancelled or collected, never both; and a cancelled key is forgotten.
            assert!(cancelled + collected <= 1);
            let ended = shared.house.lock().unwrap().pairings.ended();
            assert_eq!(ended.len(), usize::try_from(cancelled).unwrap());
            if kept == 1 && cancelled == 1 {
                assert!(ended.iter().all(|end| end.forget.is_some()));
            }
        },
        ORDERS,
    );
}

#[test]
fn t70_two_faces_and_a_page_that_asks_again_give_one_key() {
    shuttle::check_random(
        || {
            let shared = shared();
            let mut threads = Vec::new();
            for number in 0..4 {
                let shared = Arc::clone(&shared);
                threads.push(thread::spawn(move || {
                    let mut house = shared.house.lock().unwrap();
                    let step = match number {
                        0 | 1 => house.approve(&shared.asked),
                        _ => house.confirm(&shared.asked),
                    };
                    drop(house);
                    u32::from(matches!(step, Ok(Step::Both(_))))
                }));
            }
            let keys: u32 = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum();
            assert_eq!(keys, 1);
        },
        ORDERS,
    );
}

#[test]
fn t69_a_deny_before_the_second_answer_wins() {
    shuttle::check_random(
        || {
            let shared = shared();
            shared.house.lock().unwrap().approve(&shared.asked).unwrap();
            let other = Arc::clone(&shared);
            let deny = thread::spawn(move || {
                let mut house = other.house.lock().unwrap();
                house.pairings.deny(other.asked.window.number).is_ok()
            });
            let step = shared.house.lock().unwrap().confirm(&shared.asked);
            let kept = keep(&shared, step);
            // What was being kept may still be denied; then it is not kept.
            assert_eq!(deny.join().unwrap(), kept == 0);
        },
        ORDERS,
    );
}
