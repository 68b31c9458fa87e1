//! What the guard costs a request: CPU time of the server's process, over axum with
//! nothing in front of it that answers the same bytes.
//!
//! Nothing is switched off: rates are counted for each page and each session, so there
//! are as many of both as doorward takes, and their requests come in turn.
//!
//! Servers have one core and askers the other, so neither is in the other's caches, and
//! connections stay: what is measured is requests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use super::book::Book;
use super::load::{Kept, Target};
use super::peers;
use super::process::{Process, free_port, on_core};
use crate::place;

/// The kinds of requests: the file that they are in, what they are called, and how many
/// send them.
const KINDS: [(&str, &str, usize); 2] = [
    ("signed", "a signed request", PAGES),
    ("session", "a session's request", SESSIONS),
];
/// On how many connections they come: each page and each session has its own, as their
/// browsers do; or all come on one, and the server sleeps between two requests.
const CONNECTIONS: [(usize, &str); 2] = [(usize::MAX, ""), (1, ", one connection")];
/// The core of the servers, and that of the askers.
const SERVERS: usize = 1;
const ASKERS: usize = 0;
/// Requests of one measurement.
const SLICE: usize = 640;
/// Measurements of signed requests in one run: a page sends 265 of its 400, and all are
/// sent within the half minute that they are good for.
const SIGNED: usize = 54;
/// Measurements of sessions' requests in one run: a session sends 170 of its 200.
const SESSION: usize = 18;
/// What the example has of each, whose requests come in turn.
const PAGES: usize = 128;
const SESSIONS: usize = 64;

#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// New processes: addresses, hash seeds and the luck of the scheduler differ.
    pub(super) runs: usize,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        Self {
            runs: if quick { 1 } else { 8 },
        }
    }

    /// Measurements of each kind in all, on as many connections.
    pub(super) fn rounds(self) -> [usize; 2] {
        [SIGNED, SESSION].map(|slices| self.runs * (slices / CONNECTIONS.len() - 1))
    }
}

pub(super) fn servers() -> Vec<(&'static str, String)> {
    vec![
        (
            "doorward",
            format!(
                "{}, as the example `measured`: bridge, guard and all",
                super::door::version()
            ),
        ),
        (
            "axum",
            "axum alone, the same headers and body (benches/reference)".to_owned(),
        ),
        (
            "axum, body alone",
            "the same without the headers that the guard adds".to_owned(),
        ),
    ]
}

pub(super) fn measure(effort: Effort, book: &mut Book) -> Result<()> {
    super::door::examples()?;
    let reference = peers::build_reference()?;
    let scratch = place::scratch("bench-guard")?;
    for run in 1..=effort.runs {
        for ((kind, work, senders), slices) in KINDS.into_iter().zip([SIGNED, SESSION]) {
            println!("-- {work}, run {run} of {}", effort.runs);
            let (door, targets, _asks) = on_core(SERVERS, || doorward(&scratch))?;
            let target = targets.of(kind);
            let requests = requests(&scratch.join(kind))?;
            let mut slices = requests.chunks_exact(SLICE).take(slices);
            let first = slices.next().context("no requests")?;
            let (one, _) = first.split_first().context("no requests")?;
            let answer = Kept::new(target)?.whole(one.as_bytes())?;
            let axum = |file: &str, answer: &[u8]| {
                on_core(SERVERS, || axum(&reference, &scratch.join(file), answer))
            };
            let same = axum("same", &answer)?;
            let bare = axum("bare", &bare(&answer)?)?;
            let mut servers = [
                Server::new("doorward", &door, target, senders)?,
                Server::new("axum", &same.0, &same.1, senders)?,
                Server::new("axum, body alone", &bare.0, &bare.1, senders)?,
            ];
            // What is done first is done slowly.
            let first = slices.next().context("no requests")?;
            for server in &mut servers {
                server.cost(usize::MAX, first)?;
            }
            let rounds = slices.enumerate().zip(CONNECTIONS.into_iter().cycle());
            for ((round, slice), (connections, how)) in rounds {
                let work = format!("{work}{how}");
                let mut spent = [0.0; 3];
                // In another order each time.
                for at in 0..servers.len() {
                    let at = (at + round) % servers.len();
                    if let (Some(server), Some(spent)) = (servers.get_mut(at), spent.get_mut(at)) {
                        *spent = server.cost(connections, slice)?;
                    }
                }
                let [ours, theirs, bare] = spent;
                for (server, spent) in servers.iter().zip(spent) {
                    book.add(&work, server.name, "µs CPU", spent);
                }
                book.add(&added(&work), "doorward", "µs CPU", ours - theirs);
                book.add(&added_to_all(&work), "doorward", "µs CPU", ours - bare);
            }
        }
    }
    for (_, work, _) in KINDS {
        for (_, how) in CONNECTIONS {
            let work = format!("{work}{how}");
            book.figure(&added(&work), "doorward", "µs CPU", 5.0);
        }
    }
    Ok(())
}

fn added(work: &str) -> String {
    format!("the guard adds to {work}, over plain axum")
}

fn added_to_all(work: &str) -> String {
    format!("the guard and its headers add to {work}, over plain axum")
}

/// One that is measured, and the connections to it.
struct Server<'a> {
    name: &'static str,
    process: &'a Process,
    connections: Vec<Kept>,
}

impl<'a> Server<'a> {
    fn new(
        name: &'static str,
        process: &'a Process,
        target: &Target,
        connections: usize,
    ) -> Result<Self> {
        let connections = (0..connections).map(|_| Kept::new(target));
        Ok(Self {
            name,
            process,
            connections: connections.collect::<Result<_>>()?,
        })
    }

    /// Microseconds of CPU time that one request costs it, on at most so many
    /// connections.
    fn cost(&mut self, most: usize, requests: &[String]) -> Result<f64> {
        let connections = most.min(self.connections.len());
        let before = self.process.cpu_time()?;
        on_core(ASKERS, || {
            thread::scope(|scope| {
                let askers: Vec<_> = self
                    .connections
                    .iter_mut()
                    .take(connections)
                    .enumerate()
                    .map(|(first, kept)| {
                        let own = requests.iter().skip(first).step_by(connections);
                        scope.spawn(|| ask(kept, own))
                    })
                    .collect();
                for asker in askers {
                    asker.join().map_err(|_| anyhow!("an asker panicked"))??;
                }
                Ok(())
            })
        })?;
        let spent = self.process.cpu_time()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e6 / requests.len() as f64)
    }
}

fn ask<'a>(kept: &mut Kept, requests: impl Iterator<Item = &'a String>) -> Result<()> {
    for request in requests {
        let length = kept.ask(request.as_bytes())?;
        ensure!(length > 100, "{length} bytes came");
    }
    Ok(())
}

/// Where the example listens.
struct Targets {
    signed: Target,
    session: Target,
}

impl Targets {
    fn of(&self, kind: &str) -> &Target {
        match kind {
            "signed" => &self.signed,
            _ => &self.session,
        }
    }
}

fn doorward(scratch: &Path) -> Result<(Process, Targets, ChildStdin)> {
    let mut command = Command::new(place::target()?.join("release/examples/measured"));
    command
        .arg(scratch)
        .arg((SIGNED * SLICE).div_ceil(PAGES).to_string())
        .arg((SESSION * SLICE).div_ceil(SESSIONS).to_string())
        .stdout(Stdio::piped());
    let mut process = Process::talking(&mut command)?;
    let child = process.child();
    let asks = child.stdin.take().context("its input")?;
    let answers = child.stdout.take().context("its output")?;
    let mut hosts = String::new();
    BufReader::new(answers).read_line(&mut hosts)?;
    let at = |host: &str| {
        let port = host.rsplit(':').next()?.parse().ok()?;
        Some(Target::at(port, "/"))
    };
    let mut targets = hosts.split_whitespace().filter_map(at);
    match (targets.next(), targets.next()) {
        (Some(signed), Some(session)) => Ok((process, Targets { signed, session }, asks)),
        _ => Err(anyhow!("no addresses, but {hosts:?}")),
    }
}

/// axum, which answers all with `answer`.
fn axum(reference: &Path, file: &Path, answer: &[u8]) -> Result<(Process, Target)> {
    fs::write(file, answer)?;
    let port = free_port()?;
    let mut command = Command::new(reference);
    command.args(["answer", &port.to_string()]).arg(file);
    let process = Process::listening(&mut command, port)?;
    Ok((process, Target::at(port, "/")))
}

/// The answer with no header but the type of its body.
fn bare(answer: &[u8]) -> Result<Vec<u8>> {
    let text = String::from_utf8(answer.to_vec())?;
    let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
    Ok(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}").into())
}

/// The requests in a file, each with the empty line at its end.
fn requests(file: &PathBuf) -> Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let requests = text.split_inclusive("\r\n\r\n");
    Ok(requests.map(str::to_owned).collect())
}
