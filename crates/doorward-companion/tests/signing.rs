//! What must hold of signed requests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward_companion::signing::{
    AnswerSignature, Challenge, Denied, PairedKey, Params, Proven, SUBPROTOCOL, SignRefusal,
    SocketTickets, Verifier, check_answer, hello_proof, offered_ticket, page,
};
use doorward_companion::{Instance, defaults};
use doorward_guard::{Clock, FakeClock, Origin, Secret, Token};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use proptest::prelude::*;

const LISTEN: &str = "127.0.0.1:7319";
const BODY: &[u8] = br#"{"path":"Photos"}"#;

struct House {
    verifier: Verifier,
    clock: Clock,
    hand: FakeClock,
    instance: Instance,
    key_id: String,
    request: Secret<32>,
    response: Secret<32>,
}

fn app() -> Origin {
    Origin::parse("https://app.example").unwrap()
}

impl House {
    fn new() -> Self {
        let (clock, hand) = Clock::fake();
        let instance = Instance::random();
        let verifier = Verifier::new(&clock, instance.clone(), LISTEN);
        let house = Self {
            verifier,
            clock,
            hand,
            instance,
            key_id: Secret::<16>::random().reveal().to_string(),
            request: Secret::random(),
            response: Secret::random(),
        };
        house.verifier.admit(house.key(&house.key_id, &app()));
        house
    }

    fn key(&self, key_id: &str, origin: &Origin) -> PairedKey {
        PairedKey {
            key_id: key_id.to_owned(),
            origin: origin.clone(),
            request: self.request.clone(),
            response: self.response.clone(),
        }
    }

    /// A request before it is signed.
    fn plain(&self, method: &str, target: &str, kind: Option<&str>) -> Parts {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", LISTEN)
            .header("origin", "https://app.example")
            .header("x-doorward-instance", self.instance.as_str());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn signed_at(&self, mut parts: Parts, body: Option<&[u8]>, created: u64, life: u64) -> Parts {
        let nonce = Secret::<16>::random().reveal();
        let params = Params {
            created,
            expires: created + life,
            nonce: &nonce,
            key_id: &self.key_id,
        };
        let body = body.map(|body| (body, None));
        page::sign(&mut parts, &self.request, &params, body).unwrap();
        parts
    }

    fn signed(&self, parts: Parts, body: Option<&[u8]>) -> Parts {
        self.signed_at(parts, body, self.verifier.now(), 30)
    }

    fn get(&self) -> Parts {
        self.signed(self.plain("GET", "/drives/list?path=a%20b&x=", None), None)
    }

    fn post(&self) -> Parts {
        let kind = Some("application/json");
        self.signed(self.plain("POST", "/drives/list", kind), Some(BODY))
    }

    fn why(&self, parts: &Parts) -> SignRefusal {
        self.verifier.verify(parts).unwrap_err().why
    }

    fn proven(&self) -> Proven {
        self.verifier.verify(&self.get()).unwrap()
    }
}

fn text(parts: &Parts, name: &str) -> String {
    parts.headers[name].to_str().unwrap().to_owned()
}

fn put(parts: &mut Parts, name: &str, value: &str) {
    let name: HeaderName = name.parse().unwrap();
    let value = HeaderValue::from_str(value).unwrap();
    parts.headers.insert(name, value);
}

#[test]
fn a_signed_request_is_proven_and_so_is_its_body() {
    let house = House::new();
    let proven = house.verifier.verify(&house.get()).unwrap();
    assert_eq!(proven.key().key_id, house.key_id);
    assert_eq!(proven.body(b"").unwrap(), b"");
    assert_eq!(proven.body(b"x"), Err(SignRefusal::BodyMismatch));
    let proven = house.verifier.verify(&house.post()).unwrap();
    assert_eq!(proven.body(BODY).unwrap(), BODY);
    assert_eq!(proven.body(b""), Err(SignRefusal::BodyMismatch));
}

#[test]
fn t74_every_changed_byte_is_refused() {
    let house = House::new();
    let (method, target) = ("POST", "/drives/list?path=a%20b");
    let plain = house.plain(method, target, Some("application/json"));
    let parts = house.signed(plain, Some(BODY));
    let mut tried = 0_u32;
    let mut refuse = |bent: &Parts, what: &str| {
        tried += 1;
        assert!(house.verifier.verify(bent).is_err(), "{what}");
    };
    let bits = [1_u8, 2, 4, 8, 16, 32, 64, 128];
    for name in parts.headers.keys() {
        let value = parts.headers[name].as_bytes().to_vec();
        for (place, bit) in (0..value.len()).flat_map(|at| bits.map(|bit| (at, bit))) {
            let mut bent = value.clone();
            bent[place] ^= bit;
            let Ok(bent) = HeaderValue::from_bytes(&bent) else {
                continue;
            };
            let mut request = parts.clone();
            request.headers.insert(name, bent);
            refuse(&request, &format!("{name} {place} {bit}"));
        }
        // Gone, twice, longer, shorter.
        let mut request = parts.clone();
        request.headers.remove(name);
        refuse(&request, name.as_str());
        let mut request = parts.clone();
        request.headers.append(name, parts.headers[name].clone());
        refuse(&request, name.as_str());
        for other in [[value.as_slice(), b"x"].concat(), value[1..].to_vec()] {
            let mut request = parts.clone();
            let other = HeaderValue::from_bytes(&other).unwrap();
            request.headers.insert(name, other);
            refuse(&request, name.as_str());
        }
    }
    for (place, bit) in (0..target.len()).flat_map(|at| bits.map(|bit| (at, bit))) {
        let mut bent = target.as_bytes().to_vec();
        bent[place] ^= bit;
        let Ok(Ok(uri)) = String::from_utf8(bent).map(|text| text.parse()) else {
            continue;
        };
        let mut request = parts.clone();
        request.uri = uri;
        refuse(&request, &format!("target {place} {bit}"));
    }
    for other in ["GET", "PUT", "DELETE", "POSU"] {
        let mut request = parts.clone();
        request.method = other.parse().unwrap();
        refuse(&request, other);
    }
    assert!(tried > 3_000, "{tried}");
    // None of this has used the signature up, and the body is as tight.
    let proven = house.verifier.verify(&parts).unwrap();
    for (place, bit) in (0..BODY.len()).flat_map(|at| bits.map(|bit| (at, bit))) {
        let mut bent = BODY.to_vec();
        bent[place] ^= bit;
        assert!(proven.body(&bent).is_err());
    }
    assert!(proven.body(BODY).is_ok());
}

proptest! {
    #[test]
    fn t74_no_other_path_query_or_body_is_proven(
        path in "/[a-z0-9/._~-]{0,20}",
        query in proptest::option::of("[a-z0-9=&%+-]{0,20}"),
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let house = House::new();
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let parts = house.post();
        let mut bent = parts.clone();
        bent.uri = target.parse().unwrap();
        prop_assert_eq!(house.why(&bent), SignRefusal::Invalid);
        let proven = house.verifier.verify(&parts).unwrap();
        prop_assert_eq!(proven.body(&body).is_ok(), body == BODY);
    }

    #[test]
    fn t77_no_other_signature_input_is_read(input in "dw=\\(.{0,300}") {
        let house = House::new();
        let mut parts = house.get();
        let Ok(value) = HeaderValue::from_str(&input) else { return Ok(()) };
        parts.headers.insert("signature-input", value);
        prop_assert_eq!(house.why(&parts), SignRefusal::Invalid);
    }
}

#[test]
fn t75_a_thousand_replays_at_once_are_accepted_once() {
    let house = House::new();
    let parts = house.post();
    let accepted = AtomicUsize::new(0);
    let gate = std::sync::Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                gate.wait();
                for _ in 0..50 {
                    match house.verifier.verify(&parts) {
                        Ok(_) => {
                            accepted.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(Denied { why, .. }) => assert_eq!(why, SignRefusal::Replayed),
                    }
                }
            });
        }
    });
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[test]
fn t75_a_replay_never_comes_good() {
    let house = House::new();
    // As far ahead, and good for as long, as may be.
    let ahead = house.verifier.now() + defaults::SIGNED_AHEAD;
    let parts = house.signed_at(
        house.plain("GET", "/drives", None),
        None,
        ahead,
        defaults::SIGNED_LIFE,
    );
    assert!(house.verifier.verify(&parts).is_ok());
    for _ in 0..120 {
        let why = house.why(&parts);
        assert!(matches!(
            why,
            SignRefusal::Replayed | SignRefusal::ClockSkew
        ));
        house.hand.advance(Duration::from_millis(500));
    }
    assert_eq!(house.why(&parts), SignRefusal::ClockSkew);
    // Nor in the next run.
    let parts = house.get();
    let next = Verifier::new(&house.clock, Instance::random(), LISTEN);
    next.admit(house.key(&house.key_id, &app()));
    let why = next.verify(&parts).unwrap_err().why;
    assert_eq!(why, SignRefusal::OtherRun);
    // Nor if the same page is admitted again.
    assert!(house.verifier.verify(&parts).is_ok());
    house.verifier.admit(house.key(&house.key_id, &app()));
    assert_eq!(house.why(&parts), SignRefusal::Replayed);
}

#[test]
fn t75_a_full_memory_refuses_and_never_forgets() {
    let house = House::new();
    let first = house.get();
    assert!(house.verifier.verify(&first).is_ok());
    for _ in 1..defaults::NONCES {
        assert!(house.verifier.verify(&house.get()).is_ok());
    }
    assert_eq!(house.why(&house.get()), SignRefusal::TooMany);
    assert_eq!(house.why(&first), SignRefusal::Replayed);
    house.hand.advance(defaults::NONCE_KEPT);
    assert!(house.verifier.verify(&house.get()).is_ok());
}

#[test]
fn t76_a_signature_is_good_for_its_time() {
    let house = House::new();
    house.hand.advance(Duration::from_secs(1_000));
    let now = house.verifier.now();
    let plain = || house.plain("GET", "/drives", None);
    for (created, life, good) in [
        (now, 30, true),
        (now, defaults::SIGNED_LIFE, true),
        (now - 30, 30, true),
        (now + 5, 30, true),
        (now - 31, 60, false),
        (now + 6, 30, false),
        (now, 61, false),
        (now, 0, false),
        (now - 10, 9, false),
        (now - 86_400, 30, false),
        (now + 86_400, 30, false),
    ] {
        let signed = house.signed_at(plain(), None, created, life);
        let verdict = house.verifier.verify(&signed);
        match verdict {
            Ok(_) => assert!(good, "{created} {life}"),
            Err(Denied { why, signer }) => {
                assert!(!good && why == SignRefusal::ClockSkew, "{created} {life}");
                // Our time, for one correction.
                let told = signer.unwrap().now();
                let again = house.signed_at(plain(), None, told, 30);
                assert!(house.verifier.verify(&again).is_ok());
            }
        }
    }
    for bent in ["", "1.5", "-1", "+1", "01", "1e9", "100000000000000000000"] {
        let mut parts = house.get();
        let input = text(&parts, "signature-input");
        let (before, rest) = input.split_once("created=").unwrap();
        let (_, after) = rest.split_once(';').unwrap();
        put(
            &mut parts,
            "signature-input",
            &format!("{before}created={bent};{after}"),
        );
        assert_eq!(house.why(&parts), SignRefusal::Invalid, "{bent}");
    }
}

#[test]
fn t76_nothing_from_before_the_start_is_good() {
    let house = House::new();
    let before = house.verifier.now() - 1;
    let parts = house.signed_at(house.plain("GET", "/drives", None), None, before, 30);
    assert_eq!(house.why(&parts), SignRefusal::ClockSkew);
}

#[test]
fn t77_there_is_one_way_to_write_a_signature() {
    let house = House::new();
    let good = house.get();
    let input = text(&good, "signature-input");
    for (from, to) in [
        (r#""@query" "#, ""),
        (r#""@method" "@authority""#, r#""@authority" "@method""#),
        (r#""@path""#, r#""@path" "@path""#),
        (r#""@path""#, r#""@path";req"#),
        ("hmac-sha256", "none"),
        ("hmac-sha256", "ed25519"),
        ("hmac-sha256", "HMAC-SHA256"),
        (r#";alg="hmac-sha256""#, ""),
        ("doorward-sign-1", "doorward-answer-1"),
        ("dw=(", "sig1=("),
        ("dw=(", "dw=( "),
        ("dw=(", " dw=("),
        (";expires", "; expires"),
        ("tag=\"doorward-sign-1\"", "tag=\"doorward-sign-1\";admin"),
    ] {
        let mut parts = good.clone();
        put(&mut parts, "signature-input", &input.replacen(from, to, 1));
        assert_eq!(house.why(&parts), SignRefusal::Invalid, "{from} {to}");
    }
    // A second label beside the right one.
    let mut parts = good.clone();
    put(
        &mut parts,
        "signature-input",
        &format!("{input}, x={}", &input[3..]),
    );
    assert_eq!(house.why(&parts), SignRefusal::Invalid);
    // A body that is not signed.
    let mut parts = good.clone();
    put(&mut parts, "content-length", "5");
    assert_eq!(house.why(&parts), SignRefusal::Invalid);
    assert!(house.verifier.verify(&good).is_ok());
}

#[test]
fn t77_a_key_is_good_for_its_own_origin() {
    let house = House::new();
    // B has a key too; the page at B signs with A's, and with its own as A.
    let b = Origin::parse("https://b.example").unwrap();
    let mut as_b = house.plain("GET", "/drives", None);
    put(&mut as_b, "origin", b.as_str());
    assert_eq!(
        house.why(&house.signed(as_b, None)),
        SignRefusal::Invalid,
        "signed for B by A's key"
    );
    let mut moved = house.get();
    put(&mut moved, "origin", b.as_str());
    assert_eq!(house.why(&moved), SignRefusal::Invalid, "signed for A");
    let mut opaque = house.get();
    put(&mut opaque, "origin", "null");
    assert_eq!(house.why(&opaque), SignRefusal::Invalid);
    // Unknown and revoked look the same, and neither gets a signed answer.
    assert!(house.verifier.revoke(&house.key_id));
    let Denied { why, signer } = house.verifier.verify(&house.get()).unwrap_err();
    assert_eq!(why, SignRefusal::Invalid);
    assert!(signer.is_none());
    let unsigned = house.plain("GET", "/drives", None);
    assert_eq!(house.why(&unsigned), SignRefusal::Required);
}

#[test]
fn a_chunk_of_an_upload_is_signed_with_its_place() {
    let house = House::new();
    let mut parts = house.plain("PUT", "/drives/upload/7", Some("application/octet-stream"));
    let chunk = vec![7; defaults::SIGNED_BODY + 1];
    let nonce = Secret::<16>::random().reveal();
    let params = Params {
        created: house.verifier.now(),
        expires: house.verifier.now() + 30,
        nonce: &nonce,
        key_id: &house.key_id,
    };
    let body = Some((chunk.as_slice(), Some(8_388_608)));
    page::sign(&mut parts, &house.request, &params, body).unwrap();
    let mut bent = parts.clone();
    put(&mut bent, "x-doorward-offset", "8388609");
    assert_eq!(house.why(&bent), SignRefusal::Invalid);
    bent.headers.remove("x-doorward-offset");
    assert_eq!(house.why(&bent), SignRefusal::Invalid);
    let proven = house.verifier.verify(&parts).unwrap();
    assert_eq!(proven.offset(), Some(8_388_608));
    assert_eq!(proven.body_limit(), defaults::CHUNK);
    assert!(proven.body(&chunk).is_ok());
    // Without an offset a body is a JSON call's, and as small.
    let kind = Some("application/json");
    let large = house.signed(house.plain("POST", "/drives", kind), Some(&chunk));
    let proven = house.verifier.verify(&large).unwrap();
    assert_eq!(proven.body(&chunk), Err(SignRefusal::BodyMismatch));
}

#[test]
fn an_answer_is_good_for_its_request_only() {
    let house = House::new();
    let (first, second) = (house.proven(), house.proven());
    let nonce = |parts: &Parts| {
        let input = text(parts, "signature-input");
        let (_, rest) = input.split_once("nonce=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let request = house.get();
    let proven = house.verifier.verify(&request).unwrap();
    let (ok, kind) = (StatusCode::OK, "application/json");
    let signature = proven.signer().sign(ok, kind, BODY);
    let asked = nonce(&request);
    let to = (house.key_id.as_str(), asked.as_str());
    let check = |key, to, answer, with: &AnswerSignature| check_answer(key, to, answer, with);
    assert!(check(&house.response, to, (ok, kind, BODY), &signature));
    assert!(!check(&house.request, to, (ok, kind, BODY), &signature));
    assert!(!check(&house.response, to, (ok, kind, b"{}"), &signature));
    assert!(!check(
        &house.response,
        to,
        (ok, "text/html", BODY),
        &signature
    ));
    let accepted = StatusCode::ACCEPTED;
    assert!(!check(
        &house.response,
        to,
        (accepted, kind, BODY),
        &signature
    ));
    for other in [first, second] {
        let signature = other.signer().sign(ok, kind, BODY);
        assert!(!check(&house.response, to, (ok, kind, BODY), &signature));
    }
}

#[test]
fn a_squatter_cannot_say_hello() {
    let house = House::new();
    let challenge = Challenge::parse(&Token::random().reveal()).unwrap();
    let proof = house.verifier.hello(&app(), &house.key_id, &challenge);
    let expected = hello_proof(&house.response, &challenge, LISTEN, &house.instance);
    assert_eq!(proof, Some(expected));
    // On another port, in another run, with another key, to another challenge.
    let elsewhere = hello_proof(
        &house.response,
        &challenge,
        "127.0.0.1:7320",
        &house.instance,
    );
    let later = hello_proof(&house.response, &challenge, LISTEN, &Instance::random());
    let unkeyed = hello_proof(&Secret::random(), &challenge, LISTEN, &house.instance);
    let other = Challenge::parse(&Token::random().reveal()).unwrap();
    let other = hello_proof(&house.response, &other, LISTEN, &house.instance);
    assert!(
        [elsewhere, later, unkeyed, other]
            .iter()
            .all(|at| *at != expected)
    );
    // Nobody learns of another's pairing.
    let b = Origin::parse("https://b.example").unwrap();
    assert_eq!(house.verifier.hello(&b, &house.key_id, &challenge), None);
}

#[test]
fn t79_a_ticket_is_good_once_and_here() {
    let house = House::new();
    let tickets = SocketTickets::new(&house.clock);
    let mint = || tickets.mint(&house.proven(), "/watch").unwrap();
    let bad = Err(SignRefusal::TicketInvalid);
    let good = mint();
    assert_eq!(
        tickets.take(&good, &app(), "/watch"),
        Ok(house.key_id.clone())
    );
    assert_eq!(tickets.take(&good, &app(), "/watch"), bad);
    let b = Origin::parse("https://b.example").unwrap();
    for (origin, route) in [(&b, "/watch"), (&app(), "/other")] {
        let ticket = mint();
        assert_eq!(tickets.take(&ticket, origin, route), bad);
        assert_eq!(tickets.take(&ticket, &app(), "/watch"), bad, "used up");
    }
    let late = mint();
    house.hand.advance(defaults::SOCKET_TICKET);
    assert_eq!(tickets.take(&late, &app(), "/watch"), bad);
    let revoked = mint();
    tickets.revoke(&house.key_id);
    assert_eq!(tickets.take(&revoked, &app(), "/watch"), bad);
    let other_run = SocketTickets::new(&house.clock);
    assert_eq!(other_run.take(&mint(), &app(), "/watch"), bad);
    let more = (0..defaults::SOCKET_TICKETS_PER_KEY).map(|_| tickets.mint(&house.proven(), "/"));
    assert_eq!(more.filter(Result::is_err).count(), 1);
}

#[test]
fn t79_ten_thousand_races_have_one_winner_each() {
    let house = House::new();
    let tickets = SocketTickets::new(&house.clock);
    let proven = house.proven();
    for _ in 0..10_000 {
        let ticket = tickets.mint(&proven, "/watch").unwrap();
        let take = || usize::from(tickets.take(&ticket, &app(), "/watch").is_ok());
        let winners = std::thread::scope(|scope| {
            let other = scope.spawn(take);
            take() + other.join().unwrap()
        });
        assert_eq!(winners, 1);
    }
}

#[test]
fn t80_a_ticket_is_a_subprotocol_and_nothing_else_is_read() {
    let ticket = Token::random();
    let text = ticket.reveal();
    let offered = format!("{SUBPROTOCOL}, doorward.ticket.{}", &*text);
    assert_eq!(offered_ticket(&offered), Some(ticket));
    for bad in [
        format!("doorward.ticket.{}, {SUBPROTOCOL}", &*text),
        format!("{SUBPROTOCOL}, {}", &*text),
        format!("{offered}, doorward.scope.admin"),
        format!("doorward.v2, doorward.ticket.{}", &*text),
        SUBPROTOCOL.to_owned(),
        format!("{offered}="),
        String::new(),
    ] {
        assert_eq!(offered_ticket(&bad), None, "{bad}");
    }
}

#[test]
fn every_refusal_has_a_name() {
    let names = SignRefusal::ALL.iter().map(|why| why.name());
    let names: std::collections::HashSet<_> = names.collect();
    assert_eq!(names.len(), SignRefusal::ALL.len());
}
