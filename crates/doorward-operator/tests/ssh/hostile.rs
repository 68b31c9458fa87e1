//! Whoever stands in the place of the server, with the key that is pinned: what they
//! cost. And accounts whose shell reads otherwise.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_guard::Rule;
use doorward_operator::gateway::Proof;
use doorward_operator::room::Came;
use doorward_operator::ssh::{HostKeys, Machine, SshGateway};
use doorward_operator::vm::OwnerState;
use doorward_operator::{Denial, Gateway, Place, defaults};
use russh::keys::load_secret_key;
use russh::server::{self, Auth, Handle, Response};
use russh::{MethodKind, MethodSet};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use super::common::{House, by_key, by_password, dialer, invoke, sign_in};
use super::server::{ACCOUNT, KEYS_ALONE, PASSPHRASE, PASSWORD, Sshd, keygen};
use super::{gateway, machine, script};

/// What it says to whoever answers its prompts.
#[derive(Clone, Copy)]
enum Says {
    /// That this was right, and that there is more.
    More,
    /// Much, without a question.
    Much,
    /// What it asks everybody.
    Code,
}

struct Hostile(Says);

/// What it says besides, once it is told to.
#[derive(Clone)]
struct Talk(watch::Sender<Heard>);

/// How that went.
#[derive(Clone, Copy, Default)]
struct Heard {
    begun: bool,
    /// Bytes that left it, since the connection began.
    said: usize,
    /// Nobody takes more from it at the moment.
    waits: bool,
    over: bool,
}

/// The server's end of the connection.
struct Counted {
    stream: TcpStream,
    talk: Talk,
}

/// It has this much to say,
const SAYS: usize = 16 * 1024 * 1024;
/// in pieces of this size,
const PIECE: usize = 32 * 1024;
/// and this much is heard at most: what signing in takes, and what the kernel keeps for
/// both.
const HEARD: usize = defaults::SIGNING_IN + 1024 * 1024;

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        Ok(match self.0 {
            Says::More => Auth::Reject {
                proceed_with_methods: Some(prompts_alone()),
                partial_success: true,
            },
            Says::Much => Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Owned("x".repeat(100_000)),
                prompts: Cow::Borrowed(&[]),
            },
            Says::Code => Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(vec![(Cow::Borrowed("Code:"), true)]),
            },
        })
    }
}

impl Talk {
    fn new() -> Self {
        Self(watch::Sender::new(Heard::default()))
    }

    fn begin(&self) {
        self.0.send_modify(|heard| heard.begun = true);
    }

    async fn until(&self, is: impl FnMut(&Heard) -> bool) -> Heard {
        *self.0.subscribe().wait_for(is).await.unwrap()
    }

    /// Asks the other side for what it does not have, and waits for no answer.
    async fn go_on(self, handle: Handle) {
        self.until(|heard| heard.begun).await;
        for _ in 0..SAYS / PIECE {
            let handle = handle.clone();
            tokio::spawn(async move { handle.forward_tcpip("x".repeat(PIECE), 1).await });
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.talk.0.send_modify(|heard| {
            heard.waits = written.is_pending();
            if let Poll::Ready(Ok(bytes)) = written {
                heard.said += bytes;
            }
        });
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn prompts_alone() -> MethodSet {
    MethodSet::from(&[MethodKind::KeyboardInteractive][..])
}

async fn hostile(says: Says) -> Arc<dyn Gateway> {
    hostile_that(says, &Talk::new()).await
}

/// One that talks besides, and takes a key that has a passphrase.
async fn hostile_that(says: Says, talk: &Talk) -> Arc<dyn Gateway> {
    let folder = tempfile::tempdir().unwrap();
    let [key, locked] = ["host", "locked"].map(|name| folder.path().join(name));
    keygen(&key, "");
    keygen(&locked, PASSPHRASE);
    let public = fs::read_to_string(folder.path().join("host.pub")).unwrap();
    let mut methods = prompts_alone();
    methods.push(MethodKind::PublicKey);
    let config = Arc::new(server::Config {
        keys: vec![load_secret_key(&key, None).unwrap()],
        methods,
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: usize::MAX,
        ..server::Config::default()
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let place = Place::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let talk = talk.clone();
    tokio::spawn(async move {
        // The key is read when somebody signs in.
        let _folder = folder;
        let (stream, _) = listener.accept().await.unwrap();
        let counted = Counted {
            stream,
            talk: talk.clone(),
        };
        let session = server::run_stream(config, counted, Hostile(says)).await;
        let session = session.unwrap();
        tokio::spawn(talk.clone().go_on(session.handle()));
        // The other side hangs up in the midst of it.
        let _ = session.await;
        talk.0.send_modify(|heard| heard.over = true);
    });
    let machine = Machine::new(HostKeys::parse([public.as_str()]).unwrap(), vec![]).unwrap();
    let machine = Arc::new(machine.key(locked));
    Arc::new(SshGateway::new(place, &dialer(), machine))
}

#[tokio::test]
async fn a_server_that_is_never_content_is_given_up() {
    let denied = sign_in(hostile(Says::More).await, by_password(ACCOUNT, PASSWORD)).await;
    assert_eq!(denied.unwrap_err(), Denial::ServiceUnavailable);
}

#[tokio::test]
async fn a_server_that_talks_on_before_anybody_is_signed_in_is_cut_off() {
    let denied = sign_in(hostile(Says::Much).await, by_password(ACCOUNT, PASSWORD)).await;
    assert_eq!(denied.unwrap_err(), Denial::UpstreamDisconnected);
}

#[tokio::test]
async fn what_is_said_while_a_person_is_asked_for_a_code_waits_and_is_judged_then() {
    for answers in [false, true] {
        let talk = Talk::new();
        let house = House::new(hostile_that(Says::Code, &talk).await);
        let came = house.login(by_password(ACCOUNT, PASSWORD)).await;
        assert_eq!(came, Ok(Came::ToAStep));
        talk.begin();
        // Nobody reads it: the two kernels keep some, and then it has to wait.
        let heard = talk.until(|heard| heard.said > PIECE && heard.waits).await;
        assert!(heard.said < HEARD && !heard.over, "{}", heard.said);
        let step = house.room.state(&house.me).step;
        assert_eq!(step.map(|step| step.prompt).as_deref(), Some("Code:"));
        if answers {
            let answer = Proof::new("1234".to_owned());
            let refused = house.room.answer(&house.me, "r", answer).await;
            let rule = refused.unwrap_err().rule();
            // The answer may have left before the rest is read.
            let rules = [Rule::UpstreamDisconnected, Rule::AuthenticationDenied];
            assert!(rules.contains(&rule), "{rule:?}");
        } else {
            house.later(defaults::ASKING);
        }
        assert_eq!(house.room.state(&house.me).owner.state, OwnerState::Free);
        let heard = talk.until(|heard| heard.over).await;
        assert!(heard.said < HEARD, "{}", heard.said);
    }
}

#[tokio::test]
async fn what_is_said_while_a_person_is_asked_for_a_passphrase_ends_it() {
    let talk = Talk::new();
    let house = House::new(hostile_that(Says::Code, &talk).await);
    assert_eq!(house.login(by_key(ACCOUNT)).await, Ok(Came::ToAStep));
    talk.begin();
    // Nobody has answered, and no time has gone by.
    let heard = talk.until(|heard| heard.over).await;
    assert!(heard.said < HEARD, "{}", heard.said);
    // The room hears of it on its own.
    while house.room.state(&house.me).owner.state != OwnerState::Free {
        tokio::task::yield_now().await;
    }
    let answer = Proof::new(PASSPHRASE.to_owned());
    let late = house.room.answer(&house.me, "r", answer).await;
    assert_eq!(late.unwrap_err().rule(), Rule::Unauthenticated);
}

#[tokio::test]
async fn nothing_is_run_by_a_shell_that_reads_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        // It reads a backslash as a letter, as rc and PowerShell do;
        (
            "letter",
            r#"eval "$(printf '%s' "$2" | sed 's/\\/\\\\/g')""#,
        ),
        // it has no quotes, as cmd has none of ours;
        ("plain", r#"printf '%s' "$2""#),
        // it says something of its own.
        ("chatty", r#"echo hello; eval "$2""#),
    ] {
        let shell = folder.path().join(name);
        fs::write(&shell, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        let sshd = Sshd::with(KEYS_ALONE, shell.to_str().unwrap());
        let machine = machine(&sshd, vec![script("hello", "echo hello", &[])]);
        let denied = sign_in(gateway(&sshd, machine), by_key(ACCOUNT)).await;
        assert_eq!(denied.unwrap_err(), Denial::ServiceUnavailable, "{name}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_its_channel_opens_leaves_none_open() {
    let sshd = Sshd::with(&[KEYS_ALONE, &["MaxSessions 2"]].concat(), "/bin/sh");
    let hello = script("hello", "echo hello", &[]);
    let actor = sign_in(gateway(&sshd, machine(&sshd, vec![hello])), by_key(ACCOUNT))
        .await
        .unwrap();
    for _ in 0..20 {
        let actor = Arc::clone(&actor);
        let leaving =
            tokio::spawn(async move { invoke(&actor, "commands", "hello", vec![]).await });
        tokio::task::yield_now().await;
        leaving.abort();
        // It may have ended first.
        let _ = leaving.await;
    }
    invoke(&actor, "commands", "hello", vec![]).await.unwrap();
}
