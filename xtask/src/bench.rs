//! `cargo xtask bench drives`, `gateway`, `guard`, `media` and `relay`: doorward, built for release, beside what else could do
//! its work.
//!
//! Every row holds one kind of work against a target. Runs are interleaved, so that whatever else the
//! machine does hits all servers alike, and ratios are taken within a round. The figures go to
//! benches/, the table of targets also into PERFORMANCE.md. Nothing is asserted: machines
//! differ, ratios tell.

#![allow(
    clippy::disallowed_methods,
    reason = "measuring is what clocks are for"
)]

mod book;
mod calls;
mod door;
mod drives;
mod effort;
mod far;
mod guard;
mod load;
mod media;
mod peers;
mod plot;
mod process;
mod profile;
mod relay;
mod targets;
mod ws;

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

const END: &str = "<!-- end -->";

/// Runs one of the five and writes its results; a quick look is only printed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let quick = match words {
        ["drives" | "gateway" | "guard" | "media" | "relay"] => false,
        [
            "drives" | "gateway" | "guard" | "media" | "relay",
            "--quick",
        ] => true,
        ["profile"] => return profile(),
        _ => {
            bail!("cargo xtask bench drives|gateway|guard|media|relay [--quick], or bench profile")
        }
    };
    match words {
        ["drives", ..] => drives(quick),
        ["gateway", ..] => gateway(quick),
        ["guard", ..] => guard(quick),
        ["relay", ..] => relay(quick),
        _ => media(quick),
    }
}

fn media(quick: bool) -> Result<()> {
    cargo(["build", "--release", "--bin", "doorward"])?.run()?;
    let effort = Effort::new(quick);
    let mut report = Report::new("media", "RESULTS.md");
    let field = Field::new()?;
    field.measure(effort, &mut report.book)?;
    if !quick {
        let picture = place::root()?.join("benches/results.svg");
        write(&picture, &plot::svg(&report.book)?)?;
    }
    let how = format!(
        "Medians of {} interleaved rounds (memory: 2, grants: 1), with the least and the most.",
        effort.rounds
    );
    report.end(quick, &field.servers(), &how)
}

fn drives(quick: bool) -> Result<()> {
    let effort = drives::Effort::new(quick);
    let mut report = Report::new("drives", "DRIVES.md");
    drives::measure(effort, &mut report.book)?;
    let how = format!(
        "Medians of {} rounds, with the least and the most.",
        effort.rounds
    );
    report.end(quick, &drives::servers(), &how)
}

fn gateway(quick: bool) -> Result<()> {
    let effort = calls::Effort::new(quick);
    let mut report = Report::new("gateway", "GATEWAY.md");
    calls::measure(effort, &mut report.book)?;
    let how = format!(
        "Medians of {} rounds, with the least and the most.",
        effort.rounds
    );
    report.end(quick, &calls::servers(), &how)
}

fn guard(quick: bool) -> Result<()> {
    let effort = guard::Effort::new(quick);
    let mut report = Report::new("guard", "GUARD.md");
    guard::measure(effort, &mut report.book)?;
    let [signed, session] = effort.rounds();
    let how = format!(
        "Medians of {signed} rounds ({session} of a session's requests), with the least and the most."
    );
    report.end(quick, &guard::servers(), &how)
}

fn relay(quick: bool) -> Result<()> {
    let effort = relay::Effort::new(quick);
    let mut report = Report::new("relay", "RELAY.md");
    let field = relay::Field::new()?;
    field.measure(&effort, &mut report.book)?;
    let how = format!(
        "Medians of {} interleaved rounds (memory: 2), with the least and the most.",
        effort.rounds
    );
    report.end(quick, &field.servers(), &how)
}

fn profile() -> Result<()> {
    cargo(["build", "--release", "--bin", "doorward"])?.run()?;
    let load = process::load();
    let functions = profile::page(&Field::new()?)?;
    let text = format!(
        "# Where the time goes: `cargo xtask bench profile`\n\nMachine: {}. Load average at the start: {load}.\n\n\
         Shares of the daemon's processor time, by whose code it is and by function, in the rows of the media bench \
         that are missed. `kernel copying` moves bytes to and from sockets; `memory` is allocation and copies.\n\n{functions}",
        process::machine(),
    );
    write(&place::root()?.join("benches/PROFILE.md"), &text)
}

/// What one bench measures, and where it goes.
struct Report {
    bench: &'static str,
    page: &'static str,
    /// The load average before it began.
    load: String,
    book: Book,
}

impl Report {
    fn new(bench: &'static str, page: &'static str) -> Self {
        Self {
            bench,
            page,
            load: process::load(),
            book: Book::default(),
        }
    }

    /// Writes the page and the table in PERFORMANCE.md; a quick look is only printed.
    fn end(self, quick: bool, servers: &[(&str, String)], how: &str) -> Result<()> {
        let Self {
            bench,
            page,
            load,
            book,
        } = self;
        if !quick {
            let text = results(bench, servers, how, &book, &load)?;
            write(&place::root()?.join("benches").join(page), &text)?;
        }
        println!("\n{}", book.targets());
        if quick {
            return Ok(());
        }
        let page = place::root()?.join("PERFORMANCE.md");
        let text = std::fs::read_to_string(&page).context("reading PERFORMANCE.md")?;
        write(&page, &put_between(bench, &text, &book.targets())?)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("written: {}", place::short(path));
    Ok(())
}

/// Puts `table` between the marks of `bench` in `page`.
fn put_between(bench: &str, page: &str, table: &str) -> Result<String> {
    let begin = format!("<!-- begin: cargo xtask bench {bench} -->\n");
    let (before, rest) = page.split_once(&begin).context("no mark to begin at")?;
    let (_, after) = rest.split_once(END).context("no mark to end at")?;
    Ok(format!("{before}{begin}\n{table}\n{END}{after}"))
}

fn results(
    bench: &str,
    servers: &[(&str, String)],
    how: &str,
    book: &Book,
    load: &str,
) -> Result<String> {
    let mut text = format!("# Results of `cargo xtask bench {bench}`\n\n");
    writeln!(
        text,
        "Machine: {}. Load average at the start: {load}.\n",
        process::machine()
    )?;
    for (name, version) in servers {
        writeln!(text, "- {name}: {version}")?;
    }
    let picture = match bench {
        "media" => "\n![](results.svg)\n",
        _ => "",
    };
    writeln!(
        text,
        "\n{how} What each row means is in [PERFORMANCE.md](../PERFORMANCE.md). Client, upstream and servers share \
         one machine, so compare the columns, not the figures.\n\n## Targets\n\n{}{picture}\n## All figures\n\n{}",
        book.targets(),
        book.everything()?
    )?;
    Ok(text)
}
