//! What a call can come to besides a result.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use doorward_guard::Rule;
use doorward_operator::actor::Actor;
use doorward_operator::ssh::SshGateway;
use doorward_operator::vm::{HealthState, OwnerState};
use doorward_operator::{Denial, Place, defaults};
use serde_json::json;

use super::common::{House, by_key, dialer, invoke, invoke_as, logout, sign_in, text};
use super::server::{ACCOUNT, KEYS_ALONE, Sshd, heard};
use super::{gateway, machine, script};

const COMMANDS: &str = "commands";

#[tokio::test]
async fn op_m1_a_call_that_fits_nothing_is_denied_by_its_kind() {
    let sshd = Sshd::start();
    let machine = machine(&sshd, vec![script("show", "echo \"$1\"", &["a"])]);
    let gateway = gateway(&sshd, machine);
    let early = Actor::connect(Arc::clone(&gateway)).await.unwrap();
    let before = invoke(&early, COMMANDS, "show", vec![text("a", "x")]).await;
    assert_eq!(before.unwrap_err(), Denial::Unauthenticated);
    let actor = sign_in(gateway, by_key(ACCOUNT)).await.unwrap();
    for (names, operation, value, denial) in [
        (("nothing", COMMANDS), "show", "x", Denial::UnknownCap),
        ((COMMANDS, "other"), "show", "x", Denial::InterfaceMismatch),
        ((COMMANDS, COMMANDS), "rm", "x", Denial::MethodDenied),
        ((COMMANDS, COMMANDS), "show", "-x", Denial::BadRequest),
        ((COMMANDS, COMMANDS), "show", "a\nb", Denial::BadRequest),
        (
            (COMMANDS, COMMANDS),
            "show",
            &"'".repeat(60 * 1024),
            Denial::BadRequest,
        ),
    ] {
        let denied = invoke_as(&actor, names, operation, vec![text("a", value)]).await;
        assert_eq!(denied.unwrap_err(), denial, "{names:?} {operation}");
    }
    let renewed = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.renew(None, Duration::from_secs(60)).await })
        })
        .await;
    assert_eq!(renewed.unwrap_err().denial, Denial::MethodDenied);
    invoke(&actor, COMMANDS, "show", vec![text("a", "x")])
        .await
        .unwrap();
    logout(&actor).await;
    let stale = invoke(&actor, COMMANDS, "show", vec![text("a", "x")]).await;
    assert_eq!(stale.unwrap_err(), Denial::StaleSession);
}

#[tokio::test]
async fn op_m2_arguments_over_the_limit_are_not_sent_and_results_over_it_not_shown() {
    let sshd = Sshd::start();
    let ended = sshd.pipe("ended");
    let flood = "trap '' PIPE; while echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 2>/dev/null; do :; done; echo ended > \"$1\"";
    let commands = vec![
        script("show", "printf %s \"${#1}\"", &["a"]),
        script("flood", flood, &["told"]),
    ];
    let house = House::new(gateway(&sshd, machine(&sshd, commands)));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let long = house
        .call("show", json!({ "a": "x".repeat(65 * 1024) }))
        .await;
    assert_eq!(long.unwrap_err(), Rule::BadRequest);
    // What was too long was never said: the one command so far tried the shell.
    assert_eq!(sshd.log().matches("Starting session").count(), 1);
    let most = house
        .call("show", json!({ "a": "x".repeat(60 * 1024) }))
        .await;
    assert_eq!(most.unwrap().fields[1].value, (60 * 1024).to_string());
    let flood = house.call("flood", json!({ "told": ended })).await;
    assert_eq!(flood.unwrap_err(), Rule::ResultTooLarge);
    // It is not left running over there, and the session goes on.
    assert_eq!(heard(ended).await, "ended");
    house.call("show", json!({ "a": "x" })).await.unwrap();
    assert_eq!(
        house.room.health(&house.me).await.unwrap().state,
        HealthState::Up
    );
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_and_the_next_one_runs() {
    let sshd = Sshd::start();
    let outline = doorward_operator::declared::Outline::new(
        "brief",
        "",
        doorward_operator::gateway::Effect::Read,
        vec![],
    );
    let outline = outline.unwrap().within(Duration::from_secs(1)).unwrap();
    let elements = super::words(&["sleep", "60"]);
    let brief = doorward_operator::ssh::Command::new(outline, &elements, &[]).unwrap();
    let hello = script("hello", "echo hello", &[]);
    let house = House::new(gateway(&sshd, machine(&sshd, vec![brief, hello])));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let late = house.call("brief", json!({})).await;
    assert_eq!(late.unwrap_err(), Rule::UpstreamTimeout);
    house.call("hello", json!({})).await.unwrap();
}

#[tokio::test]
async fn op_f4_a_connection_that_is_cut_in_the_middle_of_a_call_frees_the_gateway() {
    let sshd = Sshd::start();
    let told = sshd.pipe("told");
    let wait = script("wait", "echo here > \"$1\"; sleep 60", &["told"]);
    let house = Arc::new(House::new(gateway(&sshd, machine(&sshd, vec![wait]))));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let calling = tokio::spawn({
        let (house, told) = (Arc::clone(&house), told.clone());
        async move { house.call("wait", json!({ "told": told })).await }
    });
    assert_eq!(heard(told).await, "here");
    sshd.kill();
    let cut = calling.await.unwrap().unwrap_err();
    assert_eq!(cut, Rule::UpstreamDisconnected);
    let stale = house.call("wait", json!({ "told": "x" })).await;
    assert_eq!(stale.unwrap_err(), Rule::StaleSession);
    let other = house.another();
    assert_eq!(house.room.state(&other).owner.state, OwnerState::Free);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_leaves_the_others_alone() {
    let sshd = Sshd::start();
    let (told, ended) = (sshd.pipe("told"), sshd.pipe("ended"));
    let text = "trap '' PIPE; echo here > \"$1\"; while sleep 0.05; echo x 2>/dev/null; do :; done; echo ended > \"$2\"";
    let commands = vec![
        script("wait", text, &["told", "ended"]),
        script("hello", "echo hello", &[]),
    ];
    let house = Arc::new(House::new(gateway(&sshd, machine(&sshd, commands))));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let leaving = tokio::spawn({
        let (house, fields) = (Arc::clone(&house), json!({ "told": told, "ended": ended }));
        async move { house.call("wait", fields).await }
    });
    assert_eq!(heard(told).await, "here");
    leaving.abort();
    assert!(leaving.await.is_err());
    assert_eq!(heard(ended).await, "ended");
    house.call("hello", json!({})).await.unwrap();
}

#[tokio::test]
async fn op_r6_a_session_ends_when_its_time_is_over() {
    let sshd = Sshd::start();
    let machine = machine(&sshd, vec![script("hello", "echo hello", &[])]);
    let machine = machine.session(Duration::from_secs(1));
    let house = House::new(gateway(&sshd, machine.clone()));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let actor = sign_in(gateway(&sshd, machine), by_key(ACCOUNT))
        .await
        .unwrap();
    assert_eq!(actor.ended().await.denial, Denial::StaleSession);
    let stale = invoke(&actor, COMMANDS, "hello", vec![]).await;
    assert_eq!(stale.unwrap_err(), Denial::StaleSession);
    let late = house.call("hello", json!({})).await;
    assert_eq!(late.unwrap_err(), Rule::StaleSession);
    let other = house.another();
    assert_eq!(house.room.state(&other).owner.state, OwnerState::Free);
}

#[tokio::test]
async fn a_command_waits_until_the_server_has_room_for_it() {
    let sshd = Sshd::with(&[KEYS_ALONE, &["MaxSessions 1"]].concat(), "/bin/sh");
    let machine = machine(&sshd, vec![script("hello", "sleep 0.2; echo hello", &[])]);
    let actor = sign_in(gateway(&sshd, machine), by_key(ACCOUNT))
        .await
        .unwrap();
    let both = tokio::join!(
        invoke(&actor, COMMANDS, "hello", vec![]),
        invoke(&actor, COMMANDS, "hello", vec![]),
    );
    both.0.unwrap();
    both.1.unwrap();
}

#[tokio::test]
async fn what_the_server_does_not_open_is_unavailable_and_what_is_no_server_disconnects() {
    let sshd = Sshd::with(&[KEYS_ALONE, &["MaxSessions 0"]].concat(), "/bin/sh");
    let machine = machine(&sshd, vec![script("hello", "echo hello", &[])]);
    let unopened = sign_in(gateway(&sshd, machine.clone()), by_key(ACCOUNT)).await;
    assert_eq!(unopened.unwrap_err(), Denial::ServiceUnavailable);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let elsewhere = || {
        let place = Place::parse(&address).unwrap();
        Arc::new(SshGateway::new(place, &dialer(), Arc::new(machine.clone())))
    };
    let silent = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let gone = sign_in(elsewhere(), by_key(ACCOUNT)).await;
    assert_eq!(gone.unwrap_err(), Denial::UpstreamDisconnected);
    silent.join().unwrap();
    let nobody = sign_in(elsewhere(), by_key(ACCOUNT)).await;
    assert_eq!(nobody.unwrap_err(), Denial::UpstreamDisconnected);
}

#[tokio::test(start_paused = true)]
async fn op_m2_a_server_that_says_nothing_is_given_up_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sshd = Sshd::start();
    let place = Place::parse(&address).unwrap();
    let machine = Arc::new(machine(&sshd, vec![]));
    let before = tokio::time::Instant::now();
    let silent = sign_in(
        Arc::new(SshGateway::new(place, &dialer(), machine)),
        by_key(ACCOUNT),
    );
    assert_eq!(silent.await.unwrap_err(), Denial::UpstreamTimeout);
    assert_eq!(before.elapsed().as_secs(), defaults::CONNECT.as_secs());
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_a_call_is_given_up_in_time() {
    let sshd = Sshd::start();
    let told = sshd.pipe("told");
    let wait = script("wait", "echo here > \"$1\"; sleep 60", &["told"]);
    let actor = sign_in(gateway(&sshd, machine(&sshd, vec![wait])), by_key(ACCOUNT))
        .await
        .unwrap();
    let calling = tokio::spawn({
        let (actor, told) = (Arc::clone(&actor), told.display().to_string());
        async move { invoke(&actor, COMMANDS, "wait", vec![text("told", &told)]).await }
    });
    assert_eq!(heard(told).await, "here");
    sshd.signal(rustix::process::Signal::STOP);
    tokio::time::pause();
    let stopped = calling.await.unwrap();
    sshd.signal(rustix::process::Signal::CONT);
    assert_eq!(stopped.unwrap_err(), Denial::UpstreamTimeout);
}

#[tokio::test]
async fn signing_out_closes_the_connection() {
    let sshd = Sshd::start();
    let actor = sign_in(gateway(&sshd, machine(&sshd, vec![])), by_key(ACCOUNT))
        .await
        .unwrap();
    assert_eq!(sshd.open_connections(), 1);
    logout(&actor).await;
    assert_eq!(actor.ended().await.denial, Denial::StaleSession);
    while sshd.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
}
