//! The corpus, each row run over there: nothing but the declared command ever is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use doorward_operator::actor::Actor;
use doorward_operator::gateway::{Effect, Value};
use doorward_operator::{Denial, defaults};
use tokio::task::JoinSet;

use super::common::{by_key, corpus, invoke, sign_in, text};
use super::server::{ACCOUNT, KEYS_ALONE, Sshd};
use super::{LINE, command, field, gateway, machine};

/// The files below the folder, with what is in them.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => {
                found.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn output(value: Value) -> String {
    let Value::Fields(fields) = value else {
        panic!("{value:?}")
    };
    assert_eq!(fields[0], ("exit".to_owned(), "0".to_owned()), "{fields:?}");
    assert_eq!(fields.len(), 2, "{fields:?}");
    fields[1].1.clone()
}

/// Runs one row, which arrives as it is or is refused. Whether it arrived.
async fn run(actor: Arc<Actor>, operation: &'static str, row: String) -> bool {
    let came = invoke(&actor, "commands", operation, vec![text("a", &row)]).await;
    let dash = operation == "bare" && row.starts_with('-');
    if row.contains(char::is_control) || dash {
        assert_eq!(came.unwrap_err(), Denial::BadRequest, "{row:?}");
        return false;
    }
    assert_eq!(output(came.unwrap().value), format!("[{row}]"), "{row:?}");
    true
}

async fn every_row(shell: &str) {
    let sshd = Sshd::with(KEYS_ALONE, shell);
    let canary = sshd.home().join("canary");
    fs::write(&canary, "alive").unwrap();
    let shown = |name: &str, a, elements: &[&str]| command(name, Effect::Read, vec![a], elements);
    let printf = ["/usr/bin/printf", "--", "[%s]", "{a}"];
    let commands = vec![
        shown("show", field("a", LINE).with_dash(), &printf),
        shown("bare", field("a", LINE), &printf),
    ];
    let gateway = gateway(&sshd, machine(&sshd, commands));
    let actor = sign_in(gateway, by_key(ACCOUNT)).await.unwrap();
    // Some shells set their folders up at first.
    assert!(run(Arc::clone(&actor), "bare", "x".to_owned()).await);
    let before = contents(&sshd.home());
    let (mut arrived, mut refused) = (0, 0);
    let rows = corpus(&canary.display().to_string());
    for some in rows.chunks(defaults::IN_FLIGHT) {
        for operation in ["show", "bare"] {
            let mut runs = JoinSet::new();
            for row in some {
                runs.spawn(run(Arc::clone(&actor), operation, row.clone()));
            }
            while let Some(came) = runs.join_next().await {
                match came.unwrap() {
                    true => arrived += 1,
                    false => refused += 1,
                }
            }
        }
        assert_eq!(contents(&sshd.home()), before, "{some:?}");
    }
    assert!(arrived > 600 && refused > 80, "{arrived} {refused}");
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_sh() {
    every_row("/bin/sh").await;
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_bash() {
    every_row("/bin/bash").await;
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_csh() {
    every_row("/bin/tcsh").await;
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_fish() {
    every_row("/usr/bin/fish").await;
}
