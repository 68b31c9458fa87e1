//! What must hold while a page and a person agree.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{House, LISTEN, READ, WRITE, app, both, origin, pid, same_keys, scopes, second};
use doorward_companion::defaults;
use doorward_companion::pairing::keys::commitment;
use doorward_companion::pairing::page::Page;
use doorward_companion::pairing::{
    Bytes32, Collected, Ending, Mode, PairRefusal, Reveal, SUITE, Scopes, Start, Step, VERSION,
    origin_at_most,
};
use doorward_guard::Origin;

#[test]
fn t63_both_sides_have_the_same_digits_and_keys() {
    for page_first in [true, false] {
        let mut house = House::new();
        let asked = house.ask(READ);
        assert_eq!(asked.window.code, asked.page.keys().code);
        house.hand.advance(second(1));
        let key = if page_first {
            assert!(matches!(house.confirm(&asked), Ok(Step::Waiting)));
            house.approve(&asked)
        } else {
            assert!(matches!(house.approve(&asked), Ok(Step::Waiting)));
            house.confirm(&asked)
        };
        let key = both(key.unwrap());
        assert!(same_keys(asked.page.keys(), &key));
        assert_eq!(key.origin, app());
        // Not before the keys are kept, and then once.
        let pending = house.pairings.collect(&asked.origin, &asked.pid);
        assert_eq!(pending, Ok(Collected::Pending));
        house.pairings.kept(key.number).unwrap();
        assert_eq!(house.pairings.kept(key.number), Err(PairRefusal::Gone));
        let Ok(Collected::Paired { key_id, proof, .. }) =
            house.pairings.collect(&asked.origin, &asked.pid)
        else {
            panic!("not paired");
        };
        assert_eq!(key_id, key.key_id);
        assert!(asked.page.paired(&proof).is_some());
        let again = house.pairings.collect(&asked.origin, &asked.pid);
        assert_eq!(again, Err(PairRefusal::Gone));
        assert!(house.pairings.ended().is_empty());
    }
}

#[test]
fn t63_any_changed_bit_changes_the_digits_or_aborts() {
    let page = || Page::new(&app(), "An app", scopes(READ));
    // Of the offer, on the way to the page. Equal digits are one in a million.
    let mut house = House::new();
    let honest = page();
    let offer = house.pairings.start(&app(), honest.start()).unwrap().bytes;
    let window = house
        .pairings
        .reveal(&app(), &pid(&offer), honest.reveal())
        .unwrap();
    let (start, reveal) = (honest.start().to_vec(), honest.reveal().to_vec());
    let mut same = 0;
    for place in 0..offer.len() {
        let mut bent = offer.clone();
        bent[place] ^= 1;
        let again = replay(&start, &reveal, &honest);
        same += u32::from(
            again
                .compare(&bent, LISTEN)
                .is_some_and(|page| page.keys().code == window.code),
        );
    }
    assert_eq!(same, 0);
    // Of the page's messages, on the way to us.
    for place in 0..start.len() + reveal.len() {
        let mut house = House::new();
        let page = page();
        let (mut start, mut reveal) = (page.start().to_vec(), page.reveal().to_vec());
        match start.get_mut(place) {
            Some(byte) => *byte ^= 1,
            None => reveal[place - start.len()] ^= 1,
        }
        let Ok(offered) = house.pairings.start(&app(), &start) else {
            continue;
        };
        let name = pid(&offered.bytes);
        let Ok(window) = house.pairings.reveal(&app(), &name, &reveal) else {
            continue;
        };
        let page = page.compare(&offered.bytes, LISTEN).unwrap();
        assert_ne!(page.keys().code, window.code, "byte {place}");
        let proof = page.keys().page_proof();
        let confirmed = house.pairings.confirm(&app(), &name, &proof);
        assert_eq!(confirmed.unwrap_err(), PairRefusal::ProofInvalid);
    }
}

/// The same page once more: comparing uses it up.
fn replay(start: &[u8], reveal: &[u8], page: &Page) -> Page {
    let again = Page::again(page);
    assert!(again.start() == start && again.reveal() == reveal);
    again
}

#[test]
fn t65_a_page_reveals_once_and_in_time() {
    let mut house = House::new();
    let page = Page::new(&app(), "", scopes(READ));
    // Before it started.
    let never = house
        .pairings
        .reveal(&app(), "AAAAAAAAAAAAAAAAAAAAAA", page.reveal());
    assert_eq!(never.unwrap_err(), PairRefusal::Gone);
    // Too late.
    let late = pid(&house.pairings.start(&app(), page.start()).unwrap().bytes);
    house.hand.advance(defaults::REVEAL_WITHIN);
    let revealed = house.pairings.reveal(&app(), &late, page.reveal());
    assert_eq!(revealed.unwrap_err(), PairRefusal::Gone);
    // After it was cancelled.
    let cancelled = pid(&house.pairings.start(&app(), page.start()).unwrap().bytes);
    house.pairings.cancel(&app(), &cancelled).unwrap();
    let revealed = house.pairings.reveal(&app(), &cancelled, page.reveal());
    assert_eq!(revealed.unwrap_err(), PairRefusal::Gone);
    // What another attempt committed to; that ends this one.
    let other = Page::new(&app(), "", scopes(READ));
    let crossed = pid(&house.pairings.start(&app(), page.start()).unwrap().bytes);
    let revealed = house.pairings.reveal(&app(), &crossed, other.reveal());
    assert_eq!(revealed.unwrap_err(), PairRefusal::CommitmentMismatch);
    let revealed = house.pairings.reveal(&app(), &crossed, page.reveal());
    assert_eq!(revealed.unwrap_err(), PairRefusal::Gone);
    assert!(house.pairings.window().is_none());
    // Twice: the window closes.
    let asked = house.ask(READ);
    let twice = house.pairings.reveal(&app(), &asked.pid, page.reveal());
    assert_eq!(twice.unwrap_err(), PairRefusal::Gone);
    house.hand.advance(second(1));
    assert_eq!(house.approve(&asked).unwrap_err(), PairRefusal::Gone);
    let ended = house.pairings.ended();
    assert_eq!(ended.last().map(|end| end.why), Some(Ending::Broken));
}

#[test]
fn t66_a_public_key_that_gives_no_secret_ends_the_attempt() {
    let mut house = House::new();
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    for weak in [[0; 32], order_two, [0xff; 32]] {
        let start = Start {
            v: VERSION,
            suite: SUITE.to_owned(),
            commitment: Bytes32(commitment(&weak, &[7; 32], &app())),
            label: String::new(),
            scopes: Scopes::default(),
        };
        let reveal = Reveal {
            public_key: Bytes32(weak),
            nonce: Bytes32([7; 32]),
        };
        let start = serde_json::to_vec(&start).unwrap();
        let reveal = serde_json::to_vec(&reveal).unwrap();
        let name = pid(&house.pairings.start(&app(), &start).unwrap().bytes);
        let refused = house.pairings.reveal(&app(), &name, &reveal).map(|_| ());
        assert_eq!(refused, Err(PairRefusal::WeakKey));
        let again = house.pairings.reveal(&app(), &name, &reveal).map(|_| ());
        assert_eq!(again, Err(PairRefusal::Gone));
    }
    assert!(house.pairings.window().is_none());
}

#[test]
fn t67_a_hundred_pages_get_one_window() {
    let mut house = House::new();
    let first = house.ask(READ);
    for number in 0..100 {
        let page = origin(&format!("https://{number}.example"));
        let refused = house.try_ask(&page, READ).map(|_| ()).unwrap_err();
        assert_eq!(refused, PairRefusal::Busy);
    }
    assert_eq!(
        house.pairings.window().map(|window| window.number),
        Some(first.window.number)
    );
}

#[test]
fn t67_windows_are_few_and_a_gesture_opens_one_more() {
    let mut house = House::new();
    for _ in 0..defaults::WINDOWS_IN_SHORT {
        let asked = house.ask(READ);
        house.pairings.deny(asked.window.number).unwrap();
    }
    let other = origin("https://other.example");
    let refused = house.try_ask(&other, READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::GestureNeeded);
    house.pairings.allow(None).unwrap();
    let asked = house.try_ask(&other, READ).unwrap();
    house.pairings.deny(asked.window.number).unwrap();
    let refused = house.try_ask(&other, READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::GestureNeeded, "one more, not two");
    house.hand.advance(defaults::WINDOWS_SHORT);
    // Twenty a day, four of which are gone.
    for number in 4..defaults::WINDOWS_IN_LONG {
        let asked = house.ask(READ);
        house.pairings.deny(asked.window.number).unwrap();
        if number % defaults::WINDOWS_IN_SHORT == 0 {
            house.hand.advance(defaults::WINDOWS_SHORT);
        }
    }
    house.hand.advance(defaults::WINDOWS_SHORT);
    let refused = house.try_ask(&app(), READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::GestureNeeded);
    house.hand.advance(defaults::WINDOWS_LONG);
    assert!(house.try_ask(&app(), READ).is_ok());
}

#[test]
fn t67_no_page_can_stand_in_the_way_of_the_one_that_the_person_named() {
    let mut house = House::new();
    let squatter = origin("https://squatter.example");
    house.try_ask(&squatter, READ).unwrap();
    let mut started = 0;
    for number in 0..1_000 {
        let page = Page::new(&squatter, "", scopes(READ));
        let other = origin(&format!("https://{}.example", number % 40));
        started += u32::from(house.pairings.start(&other, page.start()).is_ok());
    }
    assert_eq!(started, 63, "one place has the window");
    let refused = house.try_ask(&app(), READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::Full);
    house.pairings.allow(Some(&app())).unwrap();
    let ended = house.pairings.ended();
    assert_eq!(ended.last().map(|end| end.why), Some(Ending::MadeRoom));
    let refused = house.try_ask(&squatter, READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::Busy);
    assert!(house.try_ask(&app(), READ).is_ok());
}

#[test]
fn the_modes_are_kept() {
    let mut house = House::with(Mode::Off, true);
    let refused = house.try_ask(&app(), READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::Off);
    assert_eq!(house.pairings.allow(None), Err(PairRefusal::Off));
    let mut house = House::with(Mode::Window, true);
    let refused = house.try_ask(&app(), READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::NotNow);
    house.pairings.allow(None).unwrap();
    house.hand.advance(defaults::GESTURE - second(1));
    let asked = house.try_ask(&app(), READ).unwrap();
    house.pairings.deny(asked.window.number).unwrap();
    house.hand.advance(second(1));
    let refused = house.try_ask(&app(), READ).map(|_| ()).unwrap_err();
    assert_eq!(refused, PairRefusal::NotNow);
}

#[test]
fn t68_only_the_committed_origin_gets_a_window() {
    let mut house = House::new();
    // A page at A that commits as B.
    let page = Page::new(&origin("https://b.example"), "", scopes(READ));
    let name = pid(&house.pairings.start(&app(), page.start()).unwrap().bytes);
    let revealed = house.pairings.reveal(&app(), &name, page.reveal());
    assert_eq!(revealed.unwrap_err(), PairRefusal::CommitmentMismatch);
    assert!(house.pairings.window().is_none());
    for strange in [Origin::opaque(), origin("chrome-extension://abcdefgh")] {
        let page = Page::new(&strange, "", scopes(READ));
        let refused = house.pairings.start(&strange, page.start()).map(|_| ());
        assert_eq!(refused, Err(PairRefusal::OriginNotAllowed));
    }
    // Named in the configuration.
    assert!(house.try_ask(&origin("tauri://localhost"), READ).is_ok());
}

#[test]
fn t69_nothing_can_be_approved_after_its_end() {
    type End = fn(&mut House, &common::Asked);
    let ends: [(End, Ending); 6] = [
        (
            |house, asked| house.pairings.deny(asked.window.number).unwrap(),
            Ending::Denied,
        ),
        (
            |house, asked| {
                let closed = Ending::WindowClosed;
                house.pairings.close(asked.window.number, closed).unwrap();
            },
            Ending::WindowClosed,
        ),
        (
            |house, asked| house.pairings.cancel(&asked.origin, &asked.pid).unwrap(),
            Ending::Cancelled,
        ),
        (
            |house, _| house.hand.advance(defaults::GONE_AFTER),
            Ending::PageGone,
        ),
        (
            |house, asked| {
                let held = house.pairings.hold(&asked.origin, &asked.pid).unwrap();
                house.hand.advance(second(60));
                house.pairings.let_go(held);
                house.hand.advance(defaults::GONE_AFTER);
            },
            Ending::PageGone,
        ),
        (
            |house, asked| {
                let _held = house.pairings.hold(&asked.origin, &asked.pid).unwrap();
                house.hand.advance(defaults::PAIRING_WITHIN);
            },
            Ending::Expired,
        ),
    ];
    for (end, why) in ends {
        let mut house = House::new();
        let asked = house.ask(READ);
        assert!(matches!(house.confirm(&asked), Ok(Step::Waiting)));
        house.hand.advance(second(2));
        end(&mut house, &asked);
        assert_eq!(house.approve(&asked).unwrap_err(), PairRefusal::Gone);
        assert_eq!(house.confirm(&asked).unwrap_err(), PairRefusal::Gone);
        let told = house.pairings.collect(&asked.origin, &asked.pid);
        assert_eq!(told, Err(PairRefusal::Gone));
        assert!(house.pairings.window().is_none());
        let ended = house.pairings.ended();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended.first().map(|end| end.why), Some(why));
    }
    // A page that holds its request is there for the whole two minutes.
    let mut house = House::new();
    let asked = house.ask(READ);
    let _held = house.pairings.hold(&asked.origin, &asked.pid).unwrap();
    house.hand.advance(defaults::PAIRING_WITHIN - second(1));
    assert!(house.approve(&asked).is_ok());
}

#[test]
fn t69_a_pairing_that_the_page_never_learned_of_is_forgotten() {
    let mut house = House::new();
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    house.approve(&asked).unwrap();
    let key = both(house.confirm(&asked).unwrap());
    // Cancelled while the vault writes.
    house.pairings.cancel(&asked.origin, &asked.pid).unwrap();
    assert_eq!(house.pairings.kept(key.number), Err(PairRefusal::Gone));
    let ended = house.pairings.ended();
    assert_eq!(ended[0].forget.as_ref(), Some(&key.key_id));
    // Kept, but the tab is closed.
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    house.approve(&asked).unwrap();
    let key = both(house.confirm(&asked).unwrap());
    house.pairings.kept(key.number).unwrap();
    house.hand.advance(defaults::GONE_AFTER);
    let ended = house.pairings.ended();
    assert_eq!(ended[0].forget.as_ref(), Some(&key.key_id));
}

#[test]
fn t70_neither_side_alone_gets_a_key() {
    let mut house = House::new();
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    assert!(matches!(house.approve(&asked), Ok(Step::Waiting)));
    let again = house.approve(&asked).unwrap_err();
    assert_eq!(again, PairRefusal::AlreadyApproved);
    let told = house.pairings.collect(&asked.origin, &asked.pid);
    assert_eq!(told, Ok(Collected::Pending));
    let wrong = house
        .pairings
        .confirm(&asked.origin, &asked.pid, &[7; 32])
        .unwrap_err();
    assert_eq!(wrong, PairRefusal::ProofInvalid);
    assert_eq!(house.confirm(&asked).unwrap_err(), PairRefusal::Gone);

    let mut house = House::new();
    let asked = house.ask(READ);
    assert!(matches!(house.confirm(&asked), Ok(Step::Waiting)));
    assert!(matches!(house.confirm(&asked), Ok(Step::Waiting)));
    let told = house.pairings.collect(&asked.origin, &asked.pid);
    assert_eq!(told, Ok(Collected::Pending));
}

#[test]
fn t70_what_cannot_be_written_down_is_not_done() {
    let mut house = House::with(Mode::Ask, false);
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    assert!(matches!(house.approve(&asked), Ok(Step::Waiting)));
    let refused = house.confirm(&asked).unwrap_err();
    assert_eq!(refused, PairRefusal::NotWritten);
    assert_eq!(house.confirm(&asked).unwrap_err(), PairRefusal::Gone);
}

#[test]
fn t71_another_origin_learns_nothing_and_changes_nothing() {
    let mut house = House::new();
    let asked = house.ask(READ);
    let other = origin("https://other.example");
    let proof = asked.page.keys().page_proof();
    let gone = Some(PairRefusal::Gone);
    let pairings = &mut house.pairings;
    assert_eq!(pairings.collect(&other, &asked.pid).err(), gone);
    assert_eq!(pairings.confirm(&other, &asked.pid, &proof).err(), gone);
    assert_eq!(pairings.cancel(&other, &asked.pid).err(), gone);
    assert_eq!(pairings.hold(&other, &asked.pid).err(), gone);
    assert_eq!(pairings.reveal(&other, &asked.pid, b"{}").err(), gone);
    house.hand.advance(second(1));
    house.approve(&asked).unwrap();
    assert!(matches!(house.confirm(&asked), Ok(Step::Both(_))));
}

#[test]
fn t72_a_face_shows_the_origin_and_nothing_that_looks_like_one() {
    let mut house = House::new();
    let idn = origin("https://xn--pple-43d.example:8443");
    let page = Page::new(&idn, "https://bank.example\u{202e}\nGoogle", scopes(READ));
    let offer = house.pairings.start(&idn, page.start()).unwrap().bytes;
    let window = house.pairings.reveal(&idn, &pid(&offer), page.reveal());
    let window = window.unwrap();
    assert_eq!(window.origin.as_str(), "https://xn--pple-43d.example:8443");
    assert!(!window.label.contains(['\u{202e}', '\n']));
    let long = origin(&format!(
        "https://{}.evil.example",
        "bank.".repeat(40).trim_end_matches('.')
    ));
    let shown = origin_at_most(&long, 40);
    assert_eq!(shown.chars().count(), 40);
    assert!(shown.starts_with("https://…") && shown.ends_with(".evil.example"));
    assert_eq!(origin_at_most(&idn, 40), idn.as_str());
    assert!(Origin::parse(&format!("https://{}", "a".repeat(300))).is_none());
}

#[test]
fn t73_an_approval_in_the_first_second_is_no_answer() {
    let mut house = House::new();
    let asked = house.ask(READ);
    house.hand.advance(second(1) / 2);
    assert_eq!(house.approve(&asked).unwrap_err(), PairRefusal::TooSoon);
    // A face that opened late begins its own second.
    house.pairings.opened(asked.window.number);
    house.hand.advance(second(1) / 2);
    assert_eq!(house.approve(&asked).unwrap_err(), PairRefusal::TooSoon);
    house.hand.advance(second(1) / 2);
    assert!(house.approve(&asked).is_ok());
}

#[test]
fn write_and_delete_are_granted_to_a_typed_code_only() {
    let mut house = House::new();
    let asked = house.ask(WRITE);
    assert!(asked.window.typed);
    house.hand.advance(second(1));
    assert_eq!(house.approve(&asked).unwrap_err(), PairRefusal::CodeNeeded);
    let number = asked.window.number;
    let digits = asked.page.keys().code.to_string();
    let step = house
        .pairings
        .approve(number, &asked.window.scopes, Some(&digits));
    assert!(matches!(step, Ok(Step::Waiting)));
    let key = both(house.confirm(&asked).unwrap());
    assert_eq!(key.scopes, scopes(WRITE));
    // Wrong digits end it: somebody stands between.
    let mut house = House::new();
    let asked = house.ask(WRITE);
    house.hand.advance(second(1));
    let wrong = format!("{:06}", (asked.window.code.number() + 1) % 1_000_000);
    let step = house
        .pairings
        .approve(1, &asked.window.scopes, Some(&wrong));
    assert_eq!(step.unwrap_err(), PairRefusal::CodeWrong);
    assert!(house.pairings.window().is_none());
}

#[test]
fn the_person_grants_what_was_asked_for_or_less() {
    let mut house = House::new();
    let asked = house.ask(READ);
    house.hand.advance(second(1));
    let more = house
        .pairings
        .approve(asked.window.number, &scopes(WRITE), None);
    assert_eq!(more.unwrap_err(), PairRefusal::NotAsked);
    let nothing = Scopes::default();
    let less = house.pairings.approve(asked.window.number, &nothing, None);
    assert!(less.is_ok());
    assert_eq!(both(house.confirm(&asked).unwrap()).scopes, nothing);
}

#[test]
fn messages_are_read_strictly() {
    let mut house = House::new();
    let page = Page::new(&app(), "An app", scopes(READ));
    let good = String::from_utf8(page.start().to_vec()).unwrap();
    for (from, to, why) in [
        ("\"v\":1", "\"v\":2", PairRefusal::VersionMismatch),
        ("X25519-SHA256", "P256-SHA256", PairRefusal::VersionMismatch),
        ("\"label\"", "\"name\"", PairRefusal::Malformed),
        ("{", "{\"admin\":true,", PairRefusal::Malformed),
        ("{", "{\"v\":1,", PairRefusal::Malformed),
        ("An app", &"x".repeat(65), PairRefusal::Malformed),
        ("An app", &"x".repeat(5_000), PairRefusal::Malformed),
        ("read", "root", PairRefusal::Malformed),
    ] {
        let bent = good.replacen(from, to, 1);
        let refused = house.pairings.start(&app(), bent.as_bytes()).map(|_| ());
        assert_eq!(refused, Err(why), "{to}");
    }
    assert!(Start::parse(good.as_bytes()).is_ok());
}
