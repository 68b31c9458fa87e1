//! The hostile corpus, held against the guard with stub rooms: what the guard finds
//! without any handler.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use doorward_guard::audit::Ledger;
use doorward_guard::gate::HeadLimits;
use doorward_guard::policy::SealRule;
use doorward_guard::rules::fetch_metadata::Uses;
use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{
    Admission, Answer, Call, Caller, Clock, Connection, GrantOptions, Grants, Guard, HostSet,
    Origin, Origins, Peer, Permit, Policy, SealConfig, Sessions, Surface, defaults,
};
use doorward_testkit::corpus::{BOUND_ORIGIN, Judge, Listener, Values, hostile};
use doorward_testkit::fuzz_targets::{pass, second_opinion};
use http::request::Parts;

const PORT: u16 = 7000;

async fn stub<C: Caller>(_: Arc<()>, _: Permit<C>, _: Call) -> Answer {
    Answer::text("ok")
}

/// A fresh guard for `listener`, and what its tables hold.
fn guard(listener: Listener) -> (Guard, Values) {
    let (clock, hand) = Clock::fake();
    let host = format!("127.0.0.1:{PORT}");
    let mut values = Values::new(&host);

    let limits = SessionLimits {
        idle: defaults::SESSION_IDLE,
        absolute: defaults::SESSION_ABSOLUTE,
    };
    let sessions = Arc::new(Sessions::new(&clock, PORT, limits));
    let ticket = sessions.ticket(false).unwrap();
    let claim = sessions.claim(&ticket.reveal(), None).unwrap();
    values.set("session", &claim.cookie.reveal());
    values.set("proof", &claim.proof.reveal());
    values.set("csrf", &claim.csrf.reveal());
    values.set("ticket", &sessions.ticket(false).unwrap().reveal());

    let grants = Arc::new(Grants::<()>::new(&clock));
    let mint = |origins: Origins, life: u64| {
        let uses = Uses {
            framed: false,
            document: false,
        };
        let life = Duration::from_secs(life);
        grants
            .mint(
                (),
                GrantOptions {
                    life,
                    idle: None,
                    owner: None,
                    origins,
                    uses,
                },
            )
            .unwrap()
    };
    let bound = Origins::Exact(vec![Origin::parse(BOUND_ORIGIN).unwrap()]);
    values.set("token", &mint(Origins::Any, 600).0.reveal());
    values.set("bound_token", &mint(bound, 600).0.reveal());
    values.set("expired_token", &mint(Origins::Any, 1).0.reveal());
    let (revoked, grant) = mint(Origins::Any, 600);
    grants.revoke(grant.id().as_str());
    values.set("revoked_token", &revoked.reveal());
    let relays = Arc::new(Grants::<()>::new(&clock));
    let uses = Uses {
        framed: false,
        document: false,
    };
    let options = GrantOptions {
        life: Duration::from_secs(600),
        idle: None,
        owner: None,
        origins: Origins::Exact(vec![Origin::parse(BOUND_ORIGIN).unwrap()]),
        uses,
    };
    values.set("relay_token", &relays.mint((), options).unwrap().0.reveal());
    hand.advance(Duration::from_secs(2));

    let ledger = Arc::new(Ledger::new(&clock));
    let hosts = HostSet::loopback(PORT, false);
    let mut guard = Guard::new(
        "test",
        hosts,
        SealRule::Plain,
        &SealConfig::default(),
        &clock,
        ledger,
    );
    let health = Surface::new("health", "/healthz", Policy::health(), (), ());
    guard.mount(health.get("/", stub)).unwrap();
    if listener == Listener::Control {
        let book = || Arc::clone(&sessions);
        let console = Surface::new("console", "/", Policy::console_files(), (), ());
        guard.mount(console.get("/", stub)).unwrap();
        let claim = Surface::new("claim", "/api/session/claim", Policy::claim(), book(), ());
        guard.mount(claim.post("/", stub)).unwrap();
        let events = Surface::new(
            "events",
            "/api/events",
            Policy::console_events(),
            book(),
            (),
        );
        guard.mount(events.get("/", stub)).unwrap();
        let api = Surface::new("api", "/api", Policy::console_api(), book(), ())
            .get("/state", stub)
            .post("/session/revoke", stub)
            .post("/grants", stub)
            .delete("/grants/{id}", stub);
        guard.mount(api).unwrap();
    }
    if listener == Listener::Content {
        let media = Surface::new("media", "/m", Policy::media(), grants, ());
        guard.mount(media.get("/{token}", stub)).unwrap();
        let relay = Surface::new("relay", "/r", Policy::relay(), relays, ());
        guard.mount(relay.get("/{token}/{*path}", stub)).unwrap();
    }
    (guard, values)
}

/// A head as hyper would hand it over.
fn parts(head: &[u8]) -> Parts {
    second_opinion(head);
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(head).unwrap();
    let mut request = http::Request::builder()
        .method(parsed.method.unwrap())
        .uri(parsed.path.unwrap());
    for field in parsed.headers.iter() {
        request = request.header(field.name, field.value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn the_guard_finds_what_is_the_guards_to_find() {
    let mut wrong = Vec::new();
    for case in hostile() {
        // The native socket has names of its own.
        if case.judge == Judge::Gate || case.listener == Listener::Native {
            continue;
        }
        let (guard, values) = guard(case.listener);
        let passage = pass(HeadLimits::content(), &case.bytes(&values), usize::MAX);
        let Some(head) = passage.heads.get(case.after) else {
            wrong.push(format!("{}: only {} heads", case.name, passage.heads.len()));
            continue;
        };
        let connection = Connection {
            peer: Peer::SameUser,
            reserve: false,
            lane: 0,
        };
        let told = match guard.admit(&parts(head), connection) {
            Admission::Enter(_) => None,
            Admission::Answered(sealed) => {
                let denial = sealed.denial();
                let answer = sealed.into_response();
                let closes = answer
                    .headers()
                    .get("connection")
                    .is_some_and(|v| v == "close");
                Some((answer.status().as_u16(), denial.map(str::to_owned), closes))
            }
        };
        let expected =
            (case.judge == Judge::Guard).then(|| (case.status, case.denial.clone(), case.closes));
        if told != expected {
            wrong.push(format!("{}: {told:?}, not {expected:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
