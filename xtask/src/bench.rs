//! `cargo xtask bench media`: the daemon, built for release, beside what else could do its work.
//!
//! Every row holds one kind of work against a target. Runs are interleaved, so that whatever else the
//! machine does hits all servers alike, and ratios are taken within a round. The figures go to
//! benches/RESULTS.md, the table of targets also into PERFORMANCE.md. Nothing is asserted: machines
//! differ, ratios tell.

#![allow(
    clippy::disallowed_methods,
    reason = "measuring is what clocks are for"
)]

mod book;
mod door;
mod effort;
mod far;
mod load;
mod media;
mod peers;
mod plot;
mod process;
mod targets;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::place;
use crate::shell::cargo;
use book::Book;
use effort::Effort;
use media::Field;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const BEGIN: &str = "<!-- begin: cargo xtask bench media -->\n";
const END: &str = "<!-- end -->";

/// Runs everything and writes the results; a quick look is only printed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let quick = match words {
        [] | ["media"] => false,
        ["--quick"] | ["media", "--quick"] => true,
        _ => bail!("cargo xtask bench [media] [--quick]"),
    };
    cargo(["build", "--release", "--bin", "doorward"])?.run()?;
    let effort = Effort::new(quick);
    let load = process::load();
    let mut book = Book::default();
    let field = Field::new()?;
    field.measure(effort, &mut book)?;
    let targets = book.targets();
    println!("\n{targets}");
    if quick {
        return Ok(());
    }
    let folder = place::root()?.join("benches");
    write(
        &folder.join("RESULTS.md"),
        &results(&field, effort, &book, &load)?,
    )?;
    write(&folder.join("results.svg"), &plot::svg(&book)?)?;
    let page = place::root()?.join("PERFORMANCE.md");
    let text = std::fs::read_to_string(&page).context("reading PERFORMANCE.md")?;
    write(&page, &put_between(&text, &targets)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("written: {}", place::short(path));
    Ok(())
}

/// Puts `table` between the marks of `page`.
fn put_between(page: &str, table: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("no mark to begin at")?;
    let (_, after) = rest.split_once(END).context("no mark to end at")?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

fn results(field: &Field, effort: Effort, book: &Book, load: &str) -> Result<String> {
    let mut text = String::from("# Results of `cargo xtask bench media`\n\n");
    writeln!(
        text,
        "Machine: {}. Load average at the start: {load}.\n",
        process::machine()
    )?;
    for (name, version) in field.servers() {
        writeln!(text, "- {name}: {version}")?;
    }
    writeln!(
        text,
        "\nMedians of {} interleaved rounds (memory: 2, grants: 1), with the least and the most. What each \
         row means is in [PERFORMANCE.md](../PERFORMANCE.md). Client, store and servers share the cores, so \
         compare the columns, not the figures.\n\n## Targets\n\n{}\n![](results.svg)\n\n## All figures\n\n{}",
        effort.rounds,
        book.targets(),
        book.everything()?
    )?;
    Ok(text)
}
