//! Whoever stands in the place of the server, with the key that is pinned: what they
//! cost. And accounts whose shell reads otherwise.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use doorward_operator::ssh::{HostKeys, Machine, SshGateway};
use doorward_operator::{Denial, Gateway, Place};
use russh::keys::load_secret_key;
use russh::server::{self, Auth, Response};
use russh::{MethodKind, MethodSet};
use tokio::net::TcpListener;

use super::common::{by_key, by_password, dialer, invoke, sign_in};
use super::server::{ACCOUNT, KEYS_ALONE, PASSWORD, Sshd, keygen};
use super::{gateway, machine, script};

/// What it says to whoever answers its prompts.
#[derive(Clone, Copy)]
enum Says {
    /// That this was right, and that there is more.
    More,
    /// Much, without a question.
    Much,
}

struct Hostile(Says);

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
        })
    }
}

fn prompts_alone() -> MethodSet {
    MethodSet::from(&[MethodKind::KeyboardInteractive][..])
}

async fn hostile(says: Says) -> Arc<dyn Gateway> {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("host");
    keygen(&key, "");
    let public = fs::read_to_string(folder.path().join("host.pub")).unwrap();
    let config = Arc::new(server::Config {
        keys: vec![load_secret_key(&key, None).unwrap()],
        methods: prompts_alone(),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: usize::MAX,
        ..server::Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let session = server::run_stream(config, stream, Hostile(says)).await;
        // The other side hangs up in the midst of it.
        let _ = session.unwrap().await;
    });
    let machine = Machine::new(HostKeys::parse([public.as_str()]).unwrap(), vec![]).unwrap();
    Arc::new(SshGateway::new(place, &dialer(), Arc::new(machine)))
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
