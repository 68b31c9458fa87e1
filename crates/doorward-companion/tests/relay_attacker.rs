//! Someone between the page and the companion, who relays and answers for both.
//! They win a run if both sides show the same digits although their keys differ.
//! The arithmetic is the real one; only the digits are cut to three, so that a win
//! is seen often enough to be counted.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{LISTEN, READ, app, scopes};
use doorward_companion::pairing::keys::{Ephemeral, Keys, Said, commitment};
use doorward_companion::pairing::page::Page;
use doorward_companion::pairing::{Bytes32, Offer, PairRefusal, Reveal, VERSION};
use doorward_guard::Secret;

/// Three digits.
const CODES: u32 = 1_000;
/// Honest runs. Each costs two derivations: more belong into a soak.
const RUNS: u32 = 100_000;

/// The digits of one leg with nonces that vary and keys that do not: the attack
/// that needs no arithmetic on curves for each guess.
struct Leg {
    start: Vec<u8>,
    reveal: Vec<u8>,
    offer: Vec<u8>,
    shared: Secret<32>,
}

impl Leg {
    fn new(
        page_key: [u8; 32],
        page_nonce: [u8; 32],
        daemon_key: [u8; 32],
        shared: &Secret<32>,
    ) -> Self {
        let reveal = Reveal {
            public_key: Bytes32(page_key),
            nonce: Bytes32(page_nonce),
        };
        let offer = Offer {
            v: VERSION,
            pid: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            public_key: Bytes32(daemon_key),
            nonce: Bytes32(*Secret::random().bytes()),
            instance: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            listen: LISTEN.to_owned(),
            reveal_within: 10,
        };
        Self {
            start: commitment(&page_key, &page_nonce, &app()).to_vec(),
            reveal: serde_json::to_vec(&reveal).unwrap(),
            offer: serde_json::to_vec(&offer).unwrap(),
            shared: shared.clone(),
        }
    }

    /// Three digits of the six.
    fn code(&self) -> u32 {
        self.number() % CODES
    }

    fn number(&self) -> u32 {
        let origin = app();
        let said = Said {
            start: &self.start,
            offer: &self.offer,
            reveal: &self.reveal,
            origin: &origin,
            listen: LISTEN,
        };
        let keys = Keys::derive(&self.shared, said.transcript()).unwrap();
        keys.code.number()
    }
}

/// The keys of the four: the page, the attacker's two faces, the companion.
struct Keys4 {
    page: [u8; 32],
    to_page: [u8; 32],
    to_daemon: [u8; 32],
    daemon: [u8; 32],
    with_page: Secret<32>,
    with_daemon: Secret<32>,
}

impl Keys4 {
    fn new() -> Self {
        let (page, to_page) = (Ephemeral::random(), Ephemeral::random());
        let (to_daemon, daemon) = (Ephemeral::random(), Ephemeral::random());
        Self {
            with_page: page.agree(&to_page.public()).unwrap(),
            with_daemon: daemon.agree(&to_daemon.public()).unwrap(),
            page: page.public(),
            to_page: to_page.public(),
            to_daemon: to_daemon.public(),
            daemon: daemon.public(),
        }
    }

    fn page_leg(&self) -> Leg {
        Leg::new(
            self.page,
            *Secret::random().bytes(),
            self.to_page,
            &self.with_page,
        )
    }

    fn daemon_leg(&self) -> Leg {
        let nonce = *Secret::random().bytes();
        Leg::new(self.to_daemon, nonce, self.daemon, &self.with_daemon)
    }
}

#[test]
fn t64_with_the_commitment_a_relay_has_one_guess() {
    // Everything is fixed before the attacker sees either side's nonce.
    let keys = Keys4::new();
    let wins = (0..RUNS).filter(|_| keys.page_leg().code() == keys.daemon_leg().code());
    let wins = wins.count();
    assert!((70..=130).contains(&wins), "{wins} of {RUNS}, 100 expected");
}

/// All six digits, in `cargo xtask soak`: ten wins in ten million, and three sigma.
#[test]
fn t64_with_all_six_digits_it_has_one_guess_in_a_million() {
    if std::env::var_os("DOORWARD_SOAK").is_none() {
        return;
    }
    let keys = Keys4::new();
    let runs = 100 * RUNS;
    let wins = (0..runs).filter(|_| keys.page_leg().number() == keys.daemon_leg().number());
    let wins = wins.count();
    assert!((1..=19).contains(&wins), "{wins} of {runs}, 10 expected");
}

#[test]
fn t64_without_the_commitment_it_always_wins() {
    let keys = Keys4::new();
    for _ in 0..20 {
        let shown = keys.page_leg().code();
        // Free to choose after seeing: nonces until the digits fit.
        let tries = (0..100 * CODES).find(|_| keys.daemon_leg().code() == shown);
        assert!(tries.is_some());
    }
}

#[test]
fn t64_who_chooses_after_seeing_breaks_the_commitment() {
    let mut house = common::House::new();
    for _ in 0..1_000 {
        let committed = Page::new(&app(), "", scopes(READ));
        let offer = house
            .pairings
            .start(&app(), committed.start())
            .unwrap()
            .bytes;
        // Now it has seen our nonce, and would rather be another page.
        let better = Page::new(&app(), "", scopes(READ));
        let revealed = house
            .pairings
            .reveal(&app(), &common::pid(&offer), better.reveal());
        assert_eq!(revealed.unwrap_err(), PairRefusal::CommitmentMismatch);
    }
    assert!(house.pairings.window().is_none());
}
