//! What the guard costs a signed request: its own CPU time, over axum with nothing in
//! front of it that answers the same requests with as many bytes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::book::Book;
use super::load::{Kept, Target};
use super::peers;
use super::process::{Process, free_port};
use crate::place;
use crate::shell::cargo;

const WORK: &str = "a signed request";
const ADDED: &str = "the guard adds to a signed request, over plain axum";
/// As many as the example pairs.
const PAGES: usize = 3;
/// Sent first by each page, and not counted.
const WARM: usize = 200;
/// Then counted: a page may send 400 at once, and 200 a second.
const COUNTED: usize = 380;
/// The page's allowance is whole again after this.
const REST: Duration = Duration::from_millis(2_200);

#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: usize,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        Self {
            rounds: if quick { 3 } else { 15 },
        }
    }
}

pub(super) fn servers() -> Vec<(&'static str, String)> {
    vec![
        (
            "doorward",
            format!(
                "{}, as the example `signed`: companion, guard and all",
                super::door::version()
            ),
        ),
        ("axum", "axum alone (benches/reference)".to_owned()),
    ]
}

pub(super) fn measure(effort: Effort, book: &mut Book) -> Result<()> {
    let words = "build --release --package doorward --example signed --no-default-features";
    cargo(words.split(' '))?.run()?;
    let reference = peers::build_reference()?;
    let scratch = place::scratch("bench-guard")?;
    for round in 1..=effort.rounds {
        println!("-- round {round} of {}", effort.rounds);
        // Each time a new one: a signed request is good once, for a minute.
        let (process, target, _asks) = doorward(&scratch, 1 + WARM + COUNTED)?;
        let mut requests: Vec<_> = (0..PAGES)
            .map(|page| read(&scratch, page))
            .collect::<Result<_>>()?;
        let first = requests
            .first_mut()
            .and_then(Vec::pop)
            .context("no requests")?;
        let size = Kept::new(&target)?.ask(first.as_bytes())?;
        let port = free_port()?;
        let mut command = Command::new(&reference);
        command.args(["answer", &port.to_string(), &size.to_string()]);
        let plain = Process::listening(&mut command, port)?;
        let (warm, counted): (Vec<_>, Vec<_>) = requests
            .iter()
            .map(|page| page.split_at(WARM.min(page.len())))
            .unzip();
        let at = Target::at(port, "/");
        cost(&plain, &at, &warm, size)?;
        cost(&process, &target, &warm, size)?;
        thread::sleep(REST);
        let theirs = cost(&plain, &at, &counted, size)?;
        let ours = cost(&process, &target, &counted, size)?;
        book.add(WORK, "axum", "µs CPU", theirs);
        book.add(WORK, "doorward", "µs CPU", ours);
        book.add(ADDED, "doorward", "µs CPU", ours - theirs);
    }
    book.figure(ADDED, "doorward", "µs CPU", 5.0);
    Ok(())
}

fn doorward(scratch: &Path, requests: usize) -> Result<(Process, Target, ChildStdin)> {
    let mut command = Command::new(place::target()?.join("release/examples/signed"));
    command
        .arg(scratch)
        .arg(requests.to_string())
        .stdout(Stdio::piped());
    let mut process = Process::talking(&mut command)?;
    let child = process.child();
    let asks = child.stdin.take().context("its input")?;
    let answers = child.stdout.take().context("its output")?;
    let mut host = String::new();
    BufReader::new(answers).read_line(&mut host)?;
    let port = host
        .trim()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let port = port.with_context(|| format!("no address, but {host:?}"))?;
    Ok((process, Target::at(port, "/pairing"), asks))
}

/// The requests of one page, each with the empty line at its end.
fn read(scratch: &Path, page: usize) -> Result<Vec<String>> {
    let text = fs::read_to_string(scratch.join(page.to_string()))?;
    Ok(text
        .split_inclusive("\r\n\r\n")
        .map(str::to_owned)
        .collect())
}

/// Microseconds of CPU time that one request costs `process`.
fn cost(process: &Process, target: &Target, requests: &[&[String]], size: usize) -> Result<f64> {
    let before = process.cpu_time()?;
    thread::scope(|scope| {
        let pages: Vec<_> = requests
            .iter()
            .map(|requests| {
                scope.spawn(move || -> Result<()> {
                    let mut kept = Kept::new(target)?;
                    for request in *requests {
                        let length = kept.ask(request.as_bytes())?;
                        anyhow::ensure!(
                            length.abs_diff(size) < 64,
                            "{length} bytes came instead of {size}"
                        );
                    }
                    Ok(())
                })
            })
            .collect();
        for page in pages {
            page.join().map_err(|_| anyhow!("a page panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let spent = process.cpu_time()?.saturating_sub(before);
    let count: usize = requests.iter().map(|page| page.len()).sum();
    Ok(spent.as_secs_f64() * 1e6 / count as f64)
}
