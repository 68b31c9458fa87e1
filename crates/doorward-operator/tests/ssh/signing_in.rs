//! Passwords, keys, and what a server asks for besides.

use doorward_guard::Rule;
use doorward_operator::gateway::{AuthKind, AuthOutcome, AuthStart, AuthStrength};
use doorward_operator::room::Came;
use doorward_operator::ssh::{HostKeys, Machine};
use doorward_operator::{Denial, Gateway};
use std::sync::Arc;

use super::common::{House, answer, begin, by_key, by_password, sign_in};
use super::server::{ACCOUNT, PASSPHRASE, PASSWORD, Sshd};
use super::{gateway, machine, script};

fn plain(sshd: &Sshd) -> Arc<dyn Gateway> {
    gateway(
        sshd,
        machine(sshd, vec![script("hello", "echo hello", &[])]),
    )
}

const PASSWORDS: &[&str] = &["UsePAM yes", "PasswordAuthentication yes"];

#[tokio::test]
async fn op_a5_an_unknown_account_and_a_wrong_password_are_told_alike() {
    let sshd = Sshd::with(
        &[PASSWORDS, &["KbdInteractiveAuthentication no"]].concat(),
        "/bin/sh",
    );
    let gateway = plain(&sshd);
    let (_actor, outcome) = begin(Arc::clone(&gateway), by_password(ACCOUNT, PASSWORD))
        .await
        .unwrap();
    let AuthOutcome::Session(info) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(info.strength, AuthStrength::Password);
    let house = House::new(Arc::clone(&gateway));
    for (account, password) in [
        (ACCOUNT, "wrong"),
        ("nobody-known", PASSWORD),
        (ACCOUNT, ""),
    ] {
        let refused = house.login(by_password(account, password)).await;
        assert_eq!(
            refused.unwrap_err(),
            Rule::AuthenticationDenied,
            "{account}"
        );
    }
    // A key works beside it.
    assert_eq!(house.login(by_key(ACCOUNT)).await, Ok(Came::ToASession));
    assert_eq!(
        sign_in(gateway, by_password("", PASSWORD))
            .await
            .unwrap_err(),
        Denial::BadRequest
    );
}

#[tokio::test]
async fn op_a5_a_server_that_asks_by_prompts_is_answered_with_the_password() {
    let lines = [
        "UsePAM yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication yes",
    ];
    let sshd = Sshd::with(&lines, "/bin/sh");
    sign_in(plain(&sshd), by_password(ACCOUNT, PASSWORD))
        .await
        .unwrap();
    // A second prompt after a wrong answer is the person's.
    match begin(plain(&sshd), by_password(ACCOUNT, "wrong")).await {
        Err(denial) => assert_eq!(denial, Denial::AuthenticationDenied),
        Ok((actor, AuthOutcome::Step(_))) => {
            let denied = answer(&actor, "wrong again").await;
            assert_eq!(denied.unwrap_err(), Denial::AuthenticationDenied);
        }
        Ok((_, entered)) => panic!("{entered:?}"),
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_in_a_step_of_its_own() {
    let lines = [
        "UsePAM yes",
        "PasswordAuthentication yes",
        "KbdInteractiveAuthentication yes",
        "AuthenticationMethods publickey,keyboard-interactive publickey,password password,keyboard-interactive",
    ];
    let sshd = Sshd::with(&lines, "/bin/sh");
    for (start, strength) in [
        (by_key(ACCOUNT), AuthStrength::PublicKey),
        (by_password(ACCOUNT, PASSWORD), AuthStrength::Password),
    ] {
        let (actor, outcome) = begin(plain(&sshd), start).await.unwrap();
        let AuthOutcome::Step(step) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(step.secret && step.prompt.contains("assword"), "{step:?}");
        let AuthOutcome::Session(info) = answer(&actor, PASSWORD).await.unwrap() else {
            panic!("another step")
        };
        assert_eq!(info.strength, strength);
    }
    let (actor, _) = begin(plain(&sshd), by_key(ACCOUNT)).await.unwrap();
    let unanswered = actor
        .ask(doorward_operator::defaults::CALL, |link| {
            Box::pin(async move { link.list().await })
        })
        .await;
    assert_eq!(unanswered.unwrap_err().denial, Denial::Unauthenticated);
}

#[tokio::test]
async fn a_locked_key_asks_for_its_passphrase() {
    let sshd = Sshd::start();
    let machine = || {
        let machine = machine(&sshd, vec![]).key(sshd.path("locked"));
        gateway(&sshd, machine)
    };
    for (passphrase, expected) in [
        ("wrong", Err(Denial::AuthenticationDenied)),
        (PASSPHRASE, Ok(())),
    ] {
        let (actor, outcome) = begin(machine(), by_key(ACCOUNT)).await.unwrap();
        let AuthOutcome::Step(step) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(step.secret);
        let came = answer(&actor, passphrase).await;
        let came = came.map(|outcome| assert!(matches!(outcome, AuthOutcome::Session(_))));
        assert_eq!(came, expected);
    }
}

#[tokio::test]
async fn a_way_that_is_not_offered_is_told_as_such_and_gets_no_password() {
    let sshd = Sshd::start();
    let denied = sign_in(plain(&sshd), by_password(ACCOUNT, PASSWORD)).await;
    assert_eq!(denied.unwrap_err(), Denial::DisabledAuthMethod);
    assert!(!sshd.log().contains("method password"), "{}", sshd.log());
    // Without a key there is nothing to sign with, which is judged here.
    let keyless = Machine::new(sshd.host_keys(), vec![]).unwrap();
    let house = House::new(gateway(&sshd, keyless));
    for kind in [AuthKind::PublicKey, AuthKind::Guest, AuthKind::Anonymous] {
        let start = AuthStart {
            kind,
            ..by_key(ACCOUNT)
        };
        let refused = house.login(start).await;
        assert_eq!(refused.unwrap_err(), Rule::DisabledAuthMethod);
    }
    let sshd = Sshd::with(
        &[PASSWORDS, &["PubkeyAuthentication no"]].concat(),
        "/bin/sh",
    );
    let denied = sign_in(plain(&sshd), by_key(ACCOUNT)).await;
    assert_eq!(denied.unwrap_err(), Denial::DisabledAuthMethod);
    assert!(!sshd.log().contains("method publickey"), "{}", sshd.log());
}

#[tokio::test]
async fn op_g2_a_host_key_that_is_not_pinned_ends_it_before_anybody_is_named() {
    let sshd = Sshd::start();
    let print = doorward_operator::ssh::HostKeys::parse([sshd.public("host").as_str()]);
    assert!(print.is_ok());
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";
    for pinned in [sshd.public("other"), ecdsa.to_owned()] {
        let pins = HostKeys::parse([pinned.as_str()]).unwrap();
        let machine = Machine::new(pins, vec![]).unwrap().key(sshd.path("id"));
        let denied = sign_in(gateway(&sshd, machine), by_key(ACCOUNT)).await;
        assert_eq!(denied.unwrap_err(), Denial::HostKeyMismatch, "{pinned}");
    }
    let log = sshd.log();
    assert!(
        log.contains("KEXINIT") && !log.contains("userauth-request"),
        "{log}"
    );
}
