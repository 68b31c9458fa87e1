//! The corpus, each row run over there: nothing but the declared command ever is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use doorward_operator::Denial;
use doorward_operator::actor::Actor;
use doorward_operator::gateway::{Effect, Value};

use super::common::{by_key, corpus, invoke, sign_in, text};
use super::server::{ACCOUNT, KEYS_ALONE, Sshd};
use super::{LINE, command, field, gateway, machine};

/// What is in the folder, with what is in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.display().to_string(), fs::read(&path).unwrap())
    });
    entries.collect()
}

fn output(value: Value) -> String {
    let Value::Fields(fields) = value else {
        panic!("{value:?}")
    };
    assert_eq!(fields[0], ("exit".to_owned(), "0".to_owned()), "{fields:?}");
    assert_eq!(fields.len(), 2, "{fields:?}");
    fields[1].1.clone()
}

async fn every_row(shell: &str) {
    let sshd = Sshd::with(KEYS_ALONE, shell);
    let canary = sshd.home().join("canary");
    fs::write(&canary, "alive").unwrap();
    let before = contents(&sshd.home());
    let commands = vec![
        command(
            "show",
            Effect::Read,
            vec![field("a", LINE)],
            &["printf", "--", "[%s]", "{a}"],
        ),
        command(
            "bare",
            Effect::Read,
            vec![field("a", LINE)],
            &["printf", "[%s]", "{a}"],
        ),
    ];
    let gateway = gateway(&sshd, machine(&sshd, commands));
    let actor: Arc<Actor> = sign_in(gateway, by_key(ACCOUNT)).await.unwrap();
    let (mut arrived, mut refused) = (0, 0);
    for row in corpus(&canary.display().to_string()) {
        for operation in ["show", "bare"] {
            let came = invoke(&actor, "commands", operation, vec![text("a", &row)]).await;
            let dash = operation == "bare" && row.starts_with('-');
            if row.contains(char::is_control) || dash {
                assert_eq!(came.unwrap_err(), Denial::BadRequest, "{row:?}");
                refused += 1;
            } else {
                assert_eq!(output(came.unwrap().value), format!("[{row}]"), "{row:?}");
                arrived += 1;
            }
        }
        assert_eq!(contents(&sshd.home()), before, "{row:?}");
    }
    assert!(arrived > 400 && refused > 40, "{arrived} {refused}");
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_sh() {
    every_row("/bin/sh").await;
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_bash() {
    every_row("/bin/bash").await;
}
