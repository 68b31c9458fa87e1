//! The gateway of kind `ssh` before a real OpenSSH server.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

#[path = "../common/mod.rs"]
mod common;
mod denials;
mod hostile;
mod injection;
mod server;
mod signing_in;

use std::sync::Arc;

use doorward_guard::Rule;
use doorward_operator::declared::{Outline, Parameter};
use doorward_operator::gateway::{Effect, FieldKind};
use doorward_operator::room::{Came, LaunchRequest};
use doorward_operator::ssh::{Command, Fixed, Launch, Machine, SshGateway};
use doorward_operator::vm::{CallResultVm, OwnerState, Shape};
use doorward_operator::{Gateway, defaults};
use serde_json::json;

use common::{House, by_key, dialer};
use server::{ACCOUNT, Sshd, heard};

const LINE: FieldKind = FieldKind::Line { most: 64 * 1024 };

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn command(name: &str, effect: Effect, fields: Vec<Parameter>, elements: &[&str]) -> Command {
    let outline = Outline::new(name, "", effect, fields).unwrap();
    Command::new(outline, &words(elements), &[]).unwrap()
}

/// A script of the declaration's own; its fields are the script's arguments.
fn script(name: &str, text: &str, fields: &[&str]) -> Command {
    let parameters = fields.iter().map(|name| field(name, LINE)).collect();
    let mut elements = words(&["sh", "-c", text, "sh"]);
    elements.extend(fields.iter().map(|name| format!("{{{name}}}")));
    let elements: Vec<_> = elements.iter().map(String::as_str).collect();
    command(name, Effect::Read, parameters, &elements)
}

fn field(name: &str, kind: FieldKind) -> Parameter {
    Parameter::new(name, "", kind).unwrap()
}

/// A machine of this server's with these commands, which takes its key.
fn machine(sshd: &Sshd, commands: Vec<Command>) -> Machine {
    let machine = Machine::new(sshd.host_keys(), commands).unwrap();
    machine.key(sshd.path("id"))
}

fn gateway(sshd: &Sshd, machine: Machine) -> Arc<dyn Gateway> {
    Arc::new(SshGateway::new(sshd.place(), &dialer(), Arc::new(machine)))
}

fn value<'a>(result: &'a CallResultVm, name: &str) -> Option<&'a str> {
    assert_eq!(result.shape, Shape::Fields);
    let mut fields = result.fields.iter();
    let found = fields.find(|pair| pair.name == name);
    found.map(|pair| pair.value.as_str())
}

#[tokio::test]
async fn op_r3_a_person_signs_in_lists_calls_launches_and_leaves() {
    let sshd = Sshd::start();
    let lines = FieldKind::Number { least: 1, most: 99 };
    let commands = vec![
        command(
            "show",
            Effect::Read,
            vec![
                field("a", LINE),
                field("n", lines),
                field("mode", FieldKind::Choice(words(&["-x", "y"]))).optional(),
            ],
            &["printf", "<%s>", "{a}", "{n}", "{mode}", "last"],
        ),
        script("fail", "echo out; echo err >&2; exit 7", &[]),
        script("die", "kill -KILL 0", &[]),
        command("remove", Effect::Destructive, vec![], &["rm", "flag"]),
    ];
    let fixed = |elements: &[&str]| Fixed::new(&words(elements)).unwrap();
    let launch = |profile: &str, start| {
        Launch::new(profile, "", "", fixed(&["test", "-e", "flag"]), start).unwrap()
    };
    let machine = machine(&sshd, commands)
        .launches(vec![
            launch("flag", fixed(&["sh", "-c", "echo made; : > flag"])),
            launch("broken", fixed(&["false"])),
        ])
        .unwrap();
    let house = House::new(gateway(&sshd, machine));
    assert_eq!(house.login(by_key(ACCOUNT)).await, Ok(Came::ToASession));

    let state = house.room.state(&house.me);
    assert_eq!(state.owner.state, OwnerState::Mine);
    let session = state.session.unwrap();
    assert_eq!(session.principal_label, ACCOUNT);
    assert!(session.expires_at.is_some());
    let names: Vec<_> = state.caps[0]
        .operations
        .iter()
        .map(|one| &one.name)
        .collect();
    assert_eq!(names, ["show", "fail", "die", "remove"]);
    assert_eq!(house.room.caps(&house.me, "r").await.unwrap().len(), 1);

    let shown = house
        .call("show", json!({ "a": "a b", "n": 3 }))
        .await
        .unwrap();
    assert_eq!(value(&shown, "output"), Some("<a b><3><last>"));
    assert_eq!(
        (value(&shown, "exit"), value(&shown, "errors")),
        (Some("0"), None)
    );
    let shown = house
        .call("show", json!({ "a": "", "n": 3, "mode": "-x" }))
        .await;
    assert_eq!(value(&shown.unwrap(), "output"), Some("<><3><-x><last>"));
    let failed = house.call("fail", json!({})).await.unwrap();
    assert_eq!(value(&failed, "exit"), Some("7"));
    assert_eq!(value(&failed, "output"), Some("out\n"));
    assert_eq!(value(&failed, "errors"), Some("err\n"));
    let died = house.call("die", json!({})).await.unwrap();
    assert_eq!(
        (value(&died, "signal"), value(&died, "exit")),
        (Some("KILL"), None)
    );

    let (room, me) = (&house.room, &house.me);
    let launchers = room.launchers(me, "r").await.unwrap();
    assert_eq!(launchers.len(), 2);
    let probe = || room.probe(me, "r", "flag".to_owned());
    let launch = |profile: &str, grants: &[&str]| {
        let (profile, grants) = (profile.to_owned(), words(grants));
        room.launch(me, "r", LaunchRequest { profile, grants })
    };
    assert_eq!(probe().await.unwrap().status, "stopped");
    let started = launch("flag", &[]).await.unwrap();
    assert_eq!(
        (started.status.as_str(), started.message.as_str()),
        ("started", "made")
    );
    assert_eq!(probe().await.unwrap().status, "running");
    for (profile, grants, rule) in [
        ("none", &[][..], Rule::UnknownCap),
        ("flag", &["more"], Rule::BadRequest),
        ("broken", &[], Rule::ServiceUnavailable),
    ] {
        let refusal = launch(profile, grants).await.unwrap_err();
        assert_eq!(refusal.rule(), rule, "{profile}");
    }

    // What cannot be had back is asked about again.
    let unsure = house.call("remove", json!({})).await;
    assert_eq!(unsure.unwrap_err(), Rule::ConfirmationNeeded);
    assert!(sshd.home().join("flag").exists());
    house.ask("remove", json!({}), true).await.unwrap();
    assert!(!sshd.home().join("flag").exists());

    assert!(room.logout(me));
    let stale = house.call("show", json!({ "a": "", "n": 1 })).await;
    assert_eq!(stale.unwrap_err(), Rule::StaleSession);
    assert_eq!(room.state(me).owner.state, OwnerState::Free);
    room.shutdown().await;
    while sshd.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
    let log = sshd.log();
    assert!(log.contains("Received disconnect"), "{log}");
}

#[tokio::test]
async fn op_l1_hostile_text_in_a_result_is_escaped_and_the_address_is_hidden() {
    let sshd = Sshd::start();
    let text = r#"printf 'a\rb\033[31mc\342\200\256d\342\200\250e\302\233f\377g\n%s\n' "$1"; printf '\033]0;t\007' >&2"#;
    let house = House::new(gateway(
        &sshd,
        machine(&sshd, vec![script("say", text, &["a"])]),
    ));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let said = house
        .call("say", json!({ "a": sshd.address() }))
        .await
        .unwrap();
    assert_eq!(
        value(&said, "output"),
        Some("a\\u{d}b\\u{1b}[31mc\\u{202e}d\\u{2028}e\\u{9b}f\u{fffd}g\n[hidden]\n")
    );
    assert_eq!(value(&said, "errors"), Some("\\u{1b}]0;t\\u{7}"));
}

#[tokio::test]
async fn op_m2_eight_commands_run_at_once_and_a_ninth_is_told_so() {
    let sshd = Sshd::start();
    let wait = script(
        "wait",
        "echo here > \"$1\"; read line < \"$2\"",
        &["told", "until"],
    );
    let house = Arc::new(House::new(gateway(&sshd, machine(&sshd, vec![wait]))));
    house.login(by_key(ACCOUNT)).await.unwrap();
    let mut running = Vec::new();
    let mut told = Vec::new();
    for at in 0..defaults::IN_FLIGHT {
        let (here, until) = (
            sshd.pipe(&format!("here{at}")),
            sshd.pipe(&format!("until{at}")),
        );
        let fields = json!({ "told": here, "until": until });
        let house = Arc::clone(&house);
        running.push(tokio::spawn(
            async move { house.call("wait", fields).await },
        ));
        told.push((here, until));
    }
    // All of them run: each waits for a word of its own.
    for (here, _) in &told {
        assert_eq!(heard(here.clone()).await, "here");
    }
    let ninth = house
        .call("wait", json!({ "told": "x", "until": "y" }))
        .await;
    assert_eq!(ninth.unwrap_err(), Rule::Busy);
    for (_, until) in told {
        let write = move || std::fs::write(until, "go\n").unwrap();
        tokio::task::spawn_blocking(write).await.unwrap();
    }
    for one in running {
        assert_eq!(value(&one.await.unwrap().unwrap(), "exit"), Some("0"));
    }
}
