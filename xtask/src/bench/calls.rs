//! Calls through a gateway over Cap'n Proto: how fast they go, and whether memory
//! grows with them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::book::Book;
use crate::place;

const WORK: &str = "calls on a gateway, eight at once";

#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    seconds: u64,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                rounds: 1,
                seconds: 5,
            },
            false => Self {
                rounds: 5,
                seconds: 20,
            },
        }
    }
}

pub(super) fn servers() -> Vec<(&'static str, String)> {
    let what = "as the example `calls`: the room and the reference gateway, over a Unix socket";
    vec![("doorward", format!("{}, {what}", super::door::version()))]
}

pub(super) fn measure(effort: Effort, book: &mut Book) -> Result<()> {
    super::door::examples()?;
    let program = place::target()?.join("release/examples/calls");
    for round in 1..=effort.rounds {
        println!("-- round {round} of {}", effort.rounds);
        let mut command = Command::new(&program);
        command
            .arg(effort.seconds.to_string())
            .stderr(Stdio::inherit());
        let told = command.output().context("starting the example")?;
        ensure!(told.status.success(), "the example failed");
        let text = String::from_utf8(told.stdout)?;
        let (each, grown) = text.trim().split_once(' ').context("two figures")?;
        book.add(WORK, "doorward", "µs each", each.parse()?);
        book.add(WORK, "doorward", "KiB more", grown.parse()?);
    }
    // A thousand a second.
    book.figure(WORK, "doorward", "µs each", 1_000.0);
    book.figure(WORK, "doorward", "KiB more", 4_096.0);
    Ok(())
}
