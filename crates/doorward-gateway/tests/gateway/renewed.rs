//! More time for whoever signed in by a key, and signs once more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use doorward_gateway::defaults;
use doorward_guard::{Refusal, Rule, SessionId};
use doorward_operator::gateway::{AuthKind, AuthStart, Proof};
use doorward_operator::room::Came;
use doorward_operator::rpc::gateway_capnp::{
    self as wire, auth_flow, denied::Kind, session, session_gateway,
};
use doorward_operator::vm::OwnerState;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::LocalSet;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

use crate::house::{House, Over, by, everybody, more, rule};

const SENTENCE: &[u8] = b"doorward gateway: more time for a session\n";
const SECOND: Duration = Duration::from_secs(1);
const DAY: u64 = 12 * 60 * 60;

impl House {
    /// What is to be signed for more time.
    async fn asked(&self, session: &SessionId) -> Vec<u8> {
        let came = self.room.renew(session, "r", more(DAY, None)).await;
        assert_eq!(came.unwrap(), Came::ToAStep);
        let step = self.room.state(session).session.unwrap().renewal.unwrap();
        STANDARD.decode(step.challenge.unwrap()).unwrap()
    }

    fn signed(&self, bytes: &[u8]) -> Proof {
        Proof::new(STANDARD.encode(self.key.sign(bytes)))
    }

    /// Answers with the key's signature of `bytes`.
    async fn sign(&self, session: &SessionId, bytes: &[u8]) -> Result<Came, Refusal> {
        let signed = self.signed(bytes);
        self.room.answer_renewal(session, "r", signed).await
    }

    fn ends(&self, session: &SessionId) -> Option<String> {
        self.room.state(session).session.unwrap().expires_at
    }

    /// Both clocks.
    fn pass(&self, time: Duration) {
        self.hand.advance(time);
        self.gateway.advance(time);
    }
}

#[tokio::test]
async fn op_r6_a_key_gets_more_time_for_a_signature_and_no_more_than_a_sessions_life() {
    for over in Over::BOTH {
        let house = House::open(over, "hello").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        let caps = house.room.state(&kay).caps;
        let before = house.ends(&kay);
        house.pass(defaults::OPERATOR_LIFE / 2);
        let challenge = house.asked(&kay).await;
        // Whoever signs reads what for.
        assert!(challenge.starts_with(SENTENCE));
        assert_eq!(challenge.len(), SENTENCE.len() + 32);
        assert_eq!(house.ends(&kay), before, "nothing has moved yet");
        let came = house.sign(&kay, &challenge).await;
        assert_eq!(came.unwrap(), Came::ToASession);
        // Another life, not the day that was asked for.
        let until = house.clock.now().plus(defaults::OPERATOR_LIFE);
        assert_eq!(house.ends(&kay), Some(house.clock.rfc3339(until)));
        assert!(house.room.state(&kay).session.unwrap().renewal.is_none());
        // The same session: its capabilities are those that it had.
        let (system, none) = (&caps[0].r#ref, json!({}));
        let motd = house.call_ref(&kay, system, "motd", &none).await;
        assert_eq!(motd.unwrap().text.as_deref(), Some("hello"));
        house.gateway.advance(defaults::OPERATOR_LIFE - SECOND);
        house.call_ref(&kay, system, "motd", &none).await.unwrap();
        house.gateway.advance(SECOND);
        house.until_free().await;
        let log = house.log().await;
        assert!(log.contains(&"kay got more time".to_owned()), "{log:?}");
        assert!(log.contains(&"kay ended: expired".to_owned()), "{log:?}");
    }
}

#[tokio::test]
async fn op_a5_a_signature_for_signing_in_gives_no_more_time_and_one_for_that_signs_nobody_in() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        let before = house.ends(&kay);
        // The owner may sign in again, beside the session that there is.
        let again = || house.login(&kay, AuthKind::PublicKey, "kay", None);
        assert_eq!(again().await.unwrap(), Came::ToAStep);
        let (entry, renewal) = (house.challenge(&kay), house.asked(&kay).await);
        assert_ne!(entry.len(), renewal.len());
        let crossed = house.sign(&kay, &entry).await;
        assert_eq!(rule(crossed), Some(Rule::AuthenticationDenied));
        house.hand.advance(SECOND);
        let crossed = house.room.answer(&kay, "r", house.signed(&renewal)).await;
        assert_eq!(rule(crossed), Some(Rule::AuthenticationDenied));
        house.hand.advance(2 * SECOND);
        // Nor do the bytes without what they say they are for.
        let renewal = house.asked(&kay).await;
        let crossed = house.sign(&kay, &renewal[SENTENCE.len()..]).await;
        assert_eq!(rule(crossed), Some(Rule::AuthenticationDenied));
        assert_eq!(house.ends(&kay), before);
        house.hand.advance(4 * SECOND);
        let renewal = house.asked(&kay).await;
        house.sign(&kay, &renewal).await.unwrap();
    }
}

#[tokio::test]
async fn op_a5_a_challenge_for_more_time_is_good_once_and_not_for_long() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        let first = house.asked(&kay).await;
        house.sign(&kay, &first).await.unwrap();
        let before = house.ends(&kay);
        house.pass(SECOND);
        // That of before, once it was used and before it was.
        let second = house.asked(&kay).await;
        let third = house.asked(&kay).await;
        assert!(first != second && second != third);
        let replayed = house.sign(&kay, &first).await;
        assert_eq!(rule(replayed), Some(Rule::AuthenticationDenied));
        house.pass(SECOND);
        house.asked(&kay).await;
        let stale = house.sign(&kay, &third).await;
        assert_eq!(rule(stale), Some(Rule::AuthenticationDenied));
        house.pass(2 * SECOND);
        let late = house.asked(&kay).await;
        house.gateway.advance(defaults::CHALLENGE);
        let late = house.sign(&kay, &late).await;
        assert_eq!(rule(late), Some(Rule::AuthenticationDenied));
        assert_eq!(house.ends(&kay), before);
        assert_eq!(house.room.state(&kay).owner.state, OwnerState::Mine);
    }
}

#[tokio::test]
async fn op_a2_wrong_signatures_for_more_time_make_the_next_wait_and_lock_in_the_end() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let mut challenge = house.asked(&kay).await;
            challenge[0] ^= 1;
            let wrong = house.sign(&kay, &challenge).await;
            assert_eq!(rule(wrong), Some(Rule::AuthenticationDenied));
            let hasty = house.room.renew(&kay, "r", more(60, None)).await;
            let hasty = hasty.unwrap_err();
            assert_eq!(hasty.rule(), Rule::LockedOut);
            assert_eq!(hasty.retry_after, Some(Duration::from_secs(pause)));
            house.hand.advance(Duration::from_secs(pause));
        }
        house.asked(&kay).await;
        let wrong = house.sign(&kay, b"").await;
        assert_eq!(rule(wrong), Some(Rule::AuthenticationDenied));
        house.hand.advance(Duration::from_secs(60));
        let locked = house.room.renew(&kay, "r", more(60, None)).await;
        assert_eq!(rule(locked), Some(Rule::LockedOut));
        // Signing in is shut as well.
        let login = house.login(&kay, AuthKind::Password, "ada", Some("right"));
        assert_eq!(rule(login.await), Some(Rule::LockedOut));
        house.hand.advance(Duration::from_secs(60 * 60));
        assert!(house.room.logout(&kay));
        let log = house.log().await;
        let denied = log.iter().filter(|line| *line == "kay");
        assert_eq!(denied.count(), 10, "{log:?}");
    }
}

#[tokio::test]
async fn op_r5_no_session_is_longer_than_twelve_hours_however_often_it_gets_more_time() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        for kind in [AuthKind::PublicKey, AuthKind::Password] {
            let one = house.enter(kind).await;
            let last = house.clock.now().plus(Duration::from_secs(DAY));
            let step = defaults::OPERATOR_LIFE - SECOND;
            let renew = async || {
                if kind == AuthKind::Password {
                    let renewed = house.room.renew(&one, "r", more(DAY, Some("right")));
                    assert_eq!(renewed.await.unwrap(), Came::ToASession);
                } else {
                    let challenge = house.asked(&one).await;
                    house.sign(&one, &challenge).await.unwrap();
                }
            };
            while house.clock.now().plus(defaults::OPERATOR_LIFE) < last {
                house.pass(step);
                renew().await;
            }
            let left = last.since(house.clock.now());
            assert!(left > SECOND && left <= defaults::OPERATOR_LIFE);
            assert_eq!(house.ends(&one), Some(house.clock.rfc3339(last)));
            house.pass(left - SECOND);
            renew().await;
            assert_eq!(house.ends(&one), Some(house.clock.rfc3339(last)));
            house.gateway.advance(SECOND);
            house.until_free().await;
        }
    }
}

#[tokio::test]
async fn op_r6_guests_and_nobody_get_no_more_time_and_each_proof_is_of_its_own_kind() {
    for over in Over::BOTH {
        let house = House::open_with(over, "", everybody).await;
        for (kind, proof, expected) in [
            (AuthKind::PublicKey, Some("right"), Rule::MethodDenied),
            (AuthKind::Password, None, Rule::BadRequest),
            (AuthKind::Guest, Some("right"), Rule::MethodDenied),
            (AuthKind::Guest, None, Rule::MethodDenied),
            (AuthKind::Anonymous, Some("right"), Rule::MethodDenied),
            (AuthKind::Anonymous, None, Rule::MethodDenied),
        ] {
            let one = house.enter(kind).await;
            let before = house.ends(&one);
            let renewed = house.room.renew(&one, "r", more(60, proof)).await;
            assert_eq!(rule(renewed), Some(expected), "{kind:?} {proof:?}");
            let state = house.room.state(&one);
            assert_eq!(state.owner.state, OwnerState::Mine);
            let session = state.session.unwrap();
            assert_eq!(
                (session.expires_at, session.renewal.is_none()),
                (before, true)
            );
            assert!(house.room.logout(&one));
        }
        // An operator who asked for less, gets less.
        let one = house.session();
        let start = AuthStart {
            profile: "guest".to_owned(),
            ..by(AuthKind::PublicKey, "kay", None)
        };
        house.room.login(&one, "r", start).await.unwrap();
        let signed = house.signed(&house.challenge(&one));
        house.room.answer(&one, "r", signed).await.unwrap();
        let renewed = house.room.renew(&one, "r", more(60, None)).await;
        assert_eq!(rule(renewed), Some(Rule::MethodDenied));
    }
}

#[tokio::test]
async fn op_r6_more_time_is_given_up_and_asked_for_again() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        let before = house.ends(&kay);
        house.pass(SECOND);
        let challenge = house.asked(&kay).await;
        assert!(house.room.cancel_renewal(&kay).await);
        let late = house.sign(&kay, &challenge).await;
        assert_eq!(rule(late), Some(Rule::BadRequest));
        assert_eq!(house.ends(&kay), before);
        let challenge = house.asked(&kay).await;
        // What is no base64 is not sent, and is no guess.
        let torn = Proof::new("not / a signature".to_owned());
        let torn = house.room.answer_renewal(&kay, "r", torn).await;
        assert_eq!(rule(torn), Some(Rule::BadRequest));
        let other = house.asked(&kay).await;
        assert_ne!(other, challenge);
        house.sign(&kay, &other).await.unwrap();
        assert_ne!(house.ends(&kay), before);
    }
}

#[tokio::test]
async fn op_f4_a_gateway_that_is_killed_while_it_waits_for_a_signature_frees_the_slot() {
    for over in Over::BOTH {
        let mut house = House::open(over, "").await;
        let kay = house.enter(AuthKind::PublicKey).await;
        let challenge = house.asked(&kay).await;
        drop(house.server.take());
        house.until_free().await;
        let signed = house.sign(&kay, &challenge).await;
        assert_eq!(rule(signed), Some(Rule::StaleSession));
    }
}

#[tokio::test]
async fn a_gateway_that_knows_no_such_flow_is_asked_as_before() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        house.faults.older.store(true, Ordering::SeqCst);
        for (kind, proof, expected) in [
            (AuthKind::PublicKey, None, Some(Rule::MethodDenied)),
            (AuthKind::Guest, None, Some(Rule::MethodDenied)),
            (AuthKind::Password, None, Some(Rule::BadRequest)),
            (AuthKind::Password, Some("right"), None),
        ] {
            let one = house.enter(kind).await;
            let renewed = house.room.renew(&one, "r", more(60, proof)).await;
            assert_eq!(rule(renewed), expected, "{kind:?} {proof:?}");
            // A method that is missing is no broken connection.
            assert_eq!(house.room.state(&one).owner.state, OwnerState::Mine);
            assert!(house.room.logout(&one));
        }
    }
}

// === what a client of another make could do ===

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connection of its own, as bare as the protocol has it.
async fn connected(house: &House) -> session_gateway::Client {
    let stream: Box<dyn Stream> = match house.address.strip_prefix("unix:") {
        Some(path) => Box::new(tokio::net::UnixStream::connect(path).await.unwrap()),
        None => {
            let stream = tokio::net::TcpStream::connect(&house.address).await;
            Box::new(stream.unwrap())
        }
    };
    let (reader, writer) = tokio::io::split(stream);
    let network = twoparty::VatNetwork::new(
        reader.compat(),
        writer.compat_write(),
        Side::Client,
        capnp::message::ReaderOptions::new(),
    );
    let mut system = RpcSystem::new(Box::new(network), None);
    let gateway = system.bootstrap(Side::Server);
    tokio::task::spawn_local(system);
    gateway
}

/// What a flow's step came to.
enum Next {
    Sign(Vec<u8>),
    Inside(session::Client),
    Renewed,
    Denied(Kind),
}

async fn next(flow: &auth_flow::Client, answer: &[u8]) -> Next {
    let mut request = flow.next_request();
    request.get().set_response(answer);
    let response = request.send().promise.await.unwrap();
    let result = response.get().unwrap().get_result().unwrap();
    match result.which().unwrap() {
        auth_flow::next::Step(step) => Next::Sign(step.unwrap().get_challenge().unwrap().to_vec()),
        auth_flow::next::Session(session) => Next::Inside(session.unwrap()),
        auth_flow::next::Renewed(info) => {
            assert!(info.unwrap().get_remaining_ms() > 0);
            Next::Renewed
        }
        auth_flow::next::Denied(denied) => Next::Denied(denied.unwrap().get_kind().unwrap()),
    }
}

fn begun(
    result: capnp::Result<session_gateway::flow::Reader<'_>>,
) -> Result<auth_flow::Client, Kind> {
    match result.unwrap().which().unwrap() {
        session_gateway::flow::Flow(flow) => Ok(flow.unwrap()),
        session_gateway::flow::Denied(denied) => Err(denied.unwrap().get_kind().unwrap()),
    }
}

async fn kay(house: &House, gateway: &session_gateway::Client) -> session::Client {
    let mut request = gateway.start_request();
    let mut start = request.get().init_request();
    start.set_kind(wire::AuthKind::PublicKey);
    start.set_account("kay");
    let response = request.send().promise.await.unwrap();
    let flow = begun(response.get().unwrap().get_result()).unwrap();
    let challenge = asked(&flow).await;
    match next(&flow, house.key.sign(&challenge).as_ref()).await {
        Next::Inside(session) => session,
        _ => panic!("kay is not inside"),
    }
}

async fn flow(session: &session::Client) -> Result<auth_flow::Client, Kind> {
    let mut request = session.start_renewal_request();
    request.get().set_requested_duration_ms(60_000);
    let response = request.send().promise.await.unwrap();
    begun(response.get().unwrap().get_result())
}

async fn asked(flow: &auth_flow::Client) -> Vec<u8> {
    match next(flow, &[]).await {
        Next::Sign(challenge) => challenge,
        _ => panic!("nothing is to be signed"),
    }
}

async fn denied(flow: &auth_flow::Client, answer: &[u8]) -> Kind {
    match next(flow, answer).await {
        Next::Denied(kind) => kind,
        _ => panic!("it was not denied"),
    }
}

#[tokio::test]
async fn op_r6_a_flow_for_more_time_ends_with_its_answer_and_is_of_one_session() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let local = LocalSet::new();
        let test = async {
            let gateway = connected(&house).await;
            let (one, two) = (kay(&house, &gateway).await, kay(&house, &gateway).await);
            let sign = |challenge: &[u8]| house.key.sign(challenge).as_ref().to_vec();
            // Used, used wrongly, given up: there is no second answer.
            let used = flow(&one).await.unwrap();
            let right = sign(&asked(&used).await);
            assert!(matches!(next(&used, &right).await, Next::Renewed));
            assert_eq!(denied(&used, &right).await, Kind::BadRequest);
            let wrong = flow(&one).await.unwrap();
            let right = sign(&asked(&wrong).await);
            assert_eq!(denied(&wrong, b"x").await, Kind::AuthenticationDenied);
            assert_eq!(denied(&wrong, &right).await, Kind::BadRequest);
            let given_up = flow(&one).await.unwrap();
            let right = sign(&asked(&given_up).await);
            given_up.cancel_request().send().promise.await.unwrap();
            assert_eq!(denied(&given_up, &right).await, Kind::BadRequest);
            // Another session's signature, of the same account, on the same connection.
            let (mine, other) = (flow(&one).await.unwrap(), flow(&two).await.unwrap());
            let (_, others) = (asked(&mine).await, sign(&asked(&other).await));
            assert_eq!(denied(&mine, &others).await, Kind::AuthenticationDenied);
            assert!(matches!(next(&other, &others).await, Next::Renewed));
        };
        local.run_until(test).await;
    }
}

#[tokio::test]
async fn op_f4_a_flow_for_more_time_is_over_with_its_session_whatever_ends_that() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let local = LocalSet::new();
        let test = async {
            let gateway = connected(&house).await;
            for end in ["logout", "dropped", "revoked", "expired"] {
                let session = kay(&house, &gateway).await;
                let flow = flow(&session).await.unwrap();
                let challenge = asked(&flow).await;
                match end {
                    "logout" => {
                        session.logout_request().send().promise.await.unwrap();
                    }
                    // A flow that is held holds no session.
                    "dropped" => drop(session),
                    "revoked" => {
                        let ended = session.ended_request().send().promise;
                        house.server.as_ref().unwrap().revoke("kay").await;
                        ended.await.unwrap();
                    }
                    _ => house.gateway.advance(defaults::OPERATOR_LIFE),
                }
                let signed = house.key.sign(&challenge);
                let stale = denied(&flow, signed.as_ref()).await;
                assert_eq!(stale, Kind::StaleSession, "{end}");
            }
        };
        local.run_until(test).await;
    }
}

#[tokio::test]
async fn op_m2_a_session_has_four_flows_for_more_time_open_and_no_fifth() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let local = LocalSet::new();
        let test = async {
            let gateway = connected(&house).await;
            let (one, two) = (kay(&house, &gateway).await, kay(&house, &gateway).await);
            let mut open = Vec::new();
            for _ in 0..4 {
                open.push(flow(&one).await.unwrap());
            }
            assert_eq!(flow(&one).await.err(), Some(Kind::ServiceUnavailable));
            // Another session has its own; one that is let go makes room.
            flow(&two).await.unwrap();
            open.pop();
            let last = flow(&one).await.unwrap();
            let challenge = asked(&last).await;
            let signed = house.key.sign(&challenge);
            assert!(matches!(next(&last, signed.as_ref()).await, Next::Renewed));
        };
        local.run_until(test).await;
    }
}
