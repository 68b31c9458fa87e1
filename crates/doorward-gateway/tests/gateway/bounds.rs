//! How much, and how long.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_guard::Rule;
use doorward_operator::gateway::{Argument, AuthKind, AuthOutcome, Invocation, Value};
use doorward_operator::rpc::{CapnpGateway, Place, interfaces};
use doorward_operator::vm::OwnerState;
use doorward_operator::{Denial, Gateway as _, Link, defaults};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::house::{House, Over, Still, by, rule};

#[tokio::test]
async fn op_m2_results_over_the_limit_are_not_shown_and_end_what_they_must() {
    for over in Over::BOTH {
        let house = House::open(over, &".".repeat(defaults::RESULT)).await;
        let ada = house.as_ada().await;
        let motd = house.call(&ada, "system", "motd", &json!({})).await;
        let motd = motd.unwrap();
        assert_eq!(motd.text.unwrap().len(), 256 * 1024);
        assert!(!motd.truncated);
        let house = House::open(over, &".".repeat(defaults::RESULT + 1)).await;
        let ada = house.as_ada().await;
        let call = house.call(&ada, "system", "motd", &json!({})).await;
        assert_eq!(rule(call), Some(Rule::ResultTooLarge));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
        house
            .call(&ada, "system", "hostname", &json!({}))
            .await
            .unwrap();
        // Over the size of a message: the connection is gone, and the session with it.
        let house = House::open(over, &"x".repeat(4 * 1024 * 1024)).await;
        let ada = house.as_ada().await;
        let call = house.call(&ada, "system", "motd", &json!({})).await;
        assert_eq!(rule(call), Some(Rule::UpstreamDisconnected));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Free);
    }
}

#[tokio::test]
async fn op_m2_arguments_that_do_not_fit_are_not_sent() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let ada = house.as_ada().await;
        let calls = || house.faults.calls.load(Ordering::SeqCst);
        let note = |bytes: usize| json!({ "name": "a", "text": "x".repeat(bytes) });
        for bytes in [48 * 1024 + 1, 70_000] {
            let call = house.call(&ada, "notes", "put", &note(bytes)).await;
            assert_eq!(rule(call), Some(Rule::BadRequest));
        }
        assert_eq!(calls(), 0);
        house
            .call(&ada, "notes", "put", &note(48 * 1024))
            .await
            .unwrap();
        assert_eq!(calls(), 1);
    }
}

/// The words of a message that holds `put`: its two pointers, a name of one word,
/// and the text with its NUL.
fn words(text: usize) -> usize {
    2 + 1 + (text + 1).div_ceil(8)
}

/// Whatever an operation declares: the link itself measures what it is to send.
#[tokio::test]
async fn op_m2_a_message_of_more_than_64_kib_is_not_sent() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let calls = || house.faults.calls.load(Ordering::SeqCst);
        LocalSet::new()
            .run_until(async {
                let link = connected(&house).await;
                let came = link
                    .begin_auth(by(AuthKind::Password, "ada", Some("right")))
                    .await;
                assert!(matches!(came, Ok(AuthOutcome::Session(_))));
                let listed = link.list().await.unwrap();
                let notes = listed.into_iter().find(|one| one.name == "notes").unwrap();
                let put = |bytes: usize| Invocation {
                    capability: notes.name.clone(),
                    contract: notes.contract.clone(),
                    operation: "put".to_owned(),
                    arguments: vec![
                        ("name".to_owned(), Argument::Text("a".to_owned())),
                        ("text".to_owned(), Argument::Text("x".repeat(bytes))),
                    ],
                };
                let fits = (0..70_000).rfind(|text| words(*text) * 8 <= 64 * 1024);
                let fits = fits.unwrap();
                for (bytes, sent) in [(fits + 1, 0), (70_000, 0), (fits, 1)] {
                    let denied = link.invoke(put(bytes)).await.unwrap_err();
                    // What is sent is over what the gateway keeps of a note.
                    assert_eq!(denied.denial, Denial::BadRequest, "{bytes}");
                    assert_eq!(calls(), sent, "{bytes}");
                }
                // The connection did not mind.
                let put = link.invoke(put(10)).await.unwrap();
                assert_eq!(put.value, Value::Nothing);
            })
            .await;
    }
}

#[tokio::test]
async fn op_m1_who_has_no_session_is_told_so_and_nothing_is_asked_of_the_gateway() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        LocalSet::new()
            .run_until(async {
                let link = connected(&house).await;
                let call = || Invocation {
                    capability: "system".to_owned(),
                    contract: interfaces().next().unwrap().to_string(),
                    operation: "motd".to_owned(),
                    arguments: Vec::new(),
                };
                for had in [false, true] {
                    if had {
                        let guest = by(AuthKind::Guest, "", None);
                        link.begin_auth(guest).await.unwrap();
                        link.list().await.unwrap();
                        link.invoke(call()).await.unwrap();
                        link.logout().await;
                    }
                    let refused = [
                        link.list().await.err(),
                        link.invoke(call()).await.err(),
                        link.session().await.err(),
                        link.renew(None, Duration::from_secs(60)).await.err(),
                        link.catalogue().await.err(),
                        link.probe("bell".to_owned()).await.err(),
                    ];
                    for denied in refused {
                        assert_eq!(denied.unwrap().denial, Denial::Unauthenticated);
                    }
                    let calls = house.faults.calls.load(Ordering::SeqCst);
                    assert_eq!(calls, usize::from(had));
                }
            })
            .await;
    }
}

async fn connected(house: &House) -> Rc<dyn Link> {
    let gateway = CapnpGateway::new(Place::parse(&house.address).unwrap());
    gateway.connect().await.unwrap()
}

trait Conversation: AsyncRead + Unpin {}
impl<T: AsyncRead + Unpin> Conversation for T {}

/// What is connected to, and answers nothing.
enum Silent {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Silent {
    async fn listen(over: Over, path: &std::path::Path) -> (Self, String) {
        match over {
            Over::Tcp => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                (Self::Tcp(listener), address)
            }
            Over::Unix => {
                let listener = tokio::net::UnixListener::bind(path).unwrap();
                (Self::Unix(listener), format!("unix:{}", path.display()))
            }
        }
    }

    async fn accept(&self) -> Box<dyn Conversation> {
        match self {
            Self::Tcp(listener) => Box::new(listener.accept().await.unwrap().0),
            Self::Unix(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn op_m2_what_accepts_and_says_nothing_is_given_five_seconds() {
    for over in Over::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let (silent, address) = Silent::listen(over, &folder.path().join("gate")).await;
        let house = House::open(Over::Tcp, "").await;
        let (room, one) = (house.room_before(&address), house.session());
        let (still, asked) = (Still::hold(), Instant::now());
        let login = room.login(&one, "r", by(AuthKind::Password, "ada", Some("right")));
        let (denied, mut heard) = tokio::join!(login, async {
            let mut heard = silent.accept().await;
            // It asks its question, and then waits.
            assert!(heard.read_u8().await.is_ok());
            drop(still);
            heard
        });
        assert_eq!(rule(denied), Some(Rule::UpstreamTimeout));
        assert_eq!(asked.elapsed(), Duration::from_secs(5), "{over:?}");
        assert_eq!(room.state(&one).owner.state, OwnerState::Free);
        // It hangs up, and has said nothing of who wanted to sign in.
        let mut said = Vec::new();
        heard.read_to_end(&mut said).await.unwrap();
        for secret in [&b"right"[..], b"ada"] {
            assert!(!said.windows(secret.len()).any(|part| part == secret));
        }
        // Nobody's guess: the next one need not wait.
        let again = room.login(&one, "r", by(AuthKind::Guest, "", None)).await;
        assert_eq!(rule(again), Some(Rule::UpstreamTimeout));
    }
}

#[tokio::test(start_paused = true)]
async fn op_m2_a_call_without_an_answer_is_given_fifteen_seconds_and_keeps_its_owner() {
    for over in Over::BOTH {
        let still = Still::hold();
        let house = House::open(over, "late").await;
        let ada = house.as_ada().await;
        house.faults.hang.store(true, Ordering::SeqCst);
        let (none, asked) = (json!({}), Instant::now());
        let (call, ()) = tokio::join!(house.call(&ada, "system", "motd", &none), async {
            while house.faults.hanging.load(Ordering::SeqCst) < 1 {
                tokio::task::yield_now().await;
            }
            drop(still);
        });
        assert_eq!(rule(call), Some(Rule::UpstreamTimeout));
        assert_eq!(asked.elapsed(), Duration::from_secs(15), "{over:?}");
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
        let _still = Still::hold();
        house.faults.hang.store(false, Ordering::SeqCst);
        let motd = house.call(&ada, "system", "motd", &none).await;
        assert_eq!(motd.unwrap().text.as_deref(), Some("late"));
    }
}
