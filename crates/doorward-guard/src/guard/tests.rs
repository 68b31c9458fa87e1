use std::sync::Arc;

use futures_util::FutureExt as _;

use super::*;
use crate::answer::Answer;
use crate::audit::Ledger;
use crate::caller::Open;
use crate::permit::Permit;
use crate::policy::Policy;

const CONNECTION: Connection = Connection {
    peer: Peer::SameUser,
    reserve: false,
    lane: 0,
};

/// A guard with a place for one request at a time, and handlers that fail.
fn guard() -> Guard {
    let clock = Clock::system();
    let audit = Arc::new(Ledger::new(&clock));
    let hosts = HostSet::loopback(7000, false);
    let config = SealConfig::default();
    let mut guard = Guard::new("control", hosts, SealRule::Plain, &config, &clock, audit);
    let policy = Policy::health().in_flight_at_most(1);
    let surface = Surface::new("health", "/healthz", policy, (), ())
        .get("/", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            Answer::text("ok")
        })
        .get("/later", |_: Arc<()>, _: Permit<Open>, _: Call| async {
            if true {
                panic!("while it runs");
            }
            Answer::text("never")
        })
        .get("/at-once", |_: Arc<()>, _: Permit<Open>, _: Call| {
            if true {
                panic!("before there is anything to run");
            }
            async { Answer::text("never") }
        });
    guard.mount(surface).unwrap();
    guard
}

fn ask(guard: &Guard, path: &str) -> Sealed {
    let request = http::Request::get(path).header("host", "127.0.0.1:7000");
    let (head, ()) = request.body(()).unwrap().into_parts();
    match guard.admit(&head, CONNECTION) {
        Admission::Answered(sealed) => sealed,
        Admission::Enter(entry) => {
            let nothing = Payload::Whole(bytes::Bytes::new());
            guard.enter(entry, head, nothing).now_or_never().unwrap()
        }
    }
}

#[test]
fn a_handler_that_panics_answers_500_and_leaves_its_place() {
    let guard = guard();
    for path in ["/healthz/later", "/healthz/at-once"] {
        for _ in 0..3 {
            let failed = ask(&guard, path);
            assert_eq!(failed.denial(), Some("internal"), "{path}");
            assert_eq!(failed.into_response().status(), 500, "{path}");
        }
        assert_eq!(ask(&guard, "/healthz").into_response().status(), 200);
    }
}
