//! The relay rows: messages through it as fast as they go, one by one, many idle ones, and a page that stalls.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

use super::KIB;
use super::book::{Book, Goal};
use super::peers::{self, Peer};
use super::process::{Process, free_port};
use super::ws::{self, Place};
use crate::place;
use crate::shell::version;

/// Connections at once, and what is sent over them.
const CONNECTIONS: usize = 4;
const SIZES: [(usize, &str); 3] = [(64, "64 B"), (1024, "1 KiB"), (64 * 1024, "64 KiB")];
/// A round trip's message: about what signalling sends.
const SMALL: usize = 128;
/// About as many as one daemon relays at once.
const IDLE: usize = 1_000;
/// A relay that takes so much of what nobody reads has no bound.
const STALLED_MOST: usize = 256 << 20;

/// How much is done.
pub(super) struct Effort {
    pub(super) rounds: usize,
    /// Payload bytes of one piece of work, over all connections.
    bytes: usize,
    round_trips: usize,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                rounds: 2,
                bytes: 64 << 20,
                round_trips: 2_000,
            },
            false => Self {
                rounds: 7,
                bytes: 1 << 30,
                round_trips: 10_000,
            },
        }
    }
}

/// A server that passes WebSockets on, and the way through it.
struct Runner {
    name: &'static str,
    version: String,
    process: Process,
    place: Place,
    /// Its grants come by it, and it ends with it.
    _asks: Option<ChildStdin>,
}

pub(super) struct Field {
    scratch: std::path::PathBuf,
    echo: u16,
    runners: Vec<Runner>,
}

impl Field {
    pub(super) fn new() -> Result<Self> {
        super::door::examples()?;
        let scratch = place::scratch("bench-relay")?;
        let echo = free_port()?;
        let mut command = Command::new(peers::build_reference()?);
        command.args(["echo", &echo.to_string()]);
        let direct = Runner {
            name: "direct",
            version: "no relay: the echo itself (benches/reference)".to_owned(),
            process: Process::listening(&mut command, echo)?,
            place: Place::new(&format!("127.0.0.1:{echo}"), "/echo"),
            _asks: None,
        };
        let mut field = Self {
            scratch,
            echo,
            runners: vec![direct],
        };
        for start in [Self::doorward, Self::nginx, Self::haproxy, Self::reference] {
            field.runners.extend(start(&field)?);
        }
        Ok(field)
    }

    /// Names and versions.
    pub(super) fn servers(&self) -> Vec<(&'static str, String)> {
        let runners = self.runners.iter();
        runners
            .map(|runner| (runner.name, runner.version.clone()))
            .collect()
    }

    pub(super) fn measure(&self, effort: &Effort, book: &mut Book) -> Result<()> {
        for round in 1..=effort.rounds {
            println!("-- round {round} of {}", effort.rounds);
            for (size, name) in SIZES {
                for runner in &self.runners {
                    pipelined(runner, size, name, effort, book)?;
                }
            }
            self.round_trips(effort, book)?;
        }
        for start in [Self::doorward, Self::nginx, Self::haproxy, Self::reference] {
            // Each time a new one: what other work left in its memory is not counted.
            for _ in 0..2 {
                if let Some(runner) = start(self)? {
                    idle(&runner, book)?;
                }
                if let Some(runner) = start(self)? {
                    stalled(&runner, book)?;
                }
            }
        }
        rows(book);
        Ok(())
    }

    fn round_trips(&self, effort: &Effort, book: &mut Book) -> Result<()> {
        let work = format!("round trip of {SMALL} B");
        let mut direct = None;
        for runner in &self.runners {
            let times = ws::round_trips(&runner.place, effort.round_trips, SMALL)?;
            let at = |part: usize| times.get(times.len() * part / 100).copied();
            let (p50, p99) = at(50).zip(at(99)).context("no round trips")?;
            book.add(&work, runner.name, "µs p50", p50);
            book.add(&work, runner.name, "µs p99", p99);
            let (least50, least99) = *direct.get_or_insert((p50, p99));
            book.add(
                "added to a round trip",
                runner.name,
                "µs p50",
                p50 - least50,
            );
            book.add(
                "added to a round trip",
                runner.name,
                "µs p99",
                p99 - least99,
            );
        }
        Ok(())
    }

    // === the servers ===

    fn doorward(&self) -> Result<Option<Runner>> {
        let binary = place::target()?.join("release/examples/relay");
        let mut command = Command::new(binary);
        command.stdout(Stdio::piped());
        let mut process = Process::talking(&mut command)?;
        let child = process.child();
        let mut asks = child.stdin.take().context("its input")?;
        let answers = child.stdout.take().context("its output")?;
        writeln!(asks, "any http://127.0.0.1:9 ws://127.0.0.1:{}", self.echo)?;
        let mut line = String::new();
        BufReader::new(answers).read_line(&mut line)?;
        let url = line.split('"').find(|part| part.starts_with("ws://"));
        let url = url.with_context(|| format!("no grant, but {line}"))?;
        let (authority, path) = url
            .trim_start_matches("ws://")
            .split_once('/')
            .context("no path in the URL")?;
        Ok(Some(Runner {
            name: "doorward",
            version: super::door::version(),
            place: Place::new(authority, &format!("/{path}/echo")),
            process,
            _asks: Some(asks),
        }))
    }

    fn nginx(&self) -> Result<Option<Runner>> {
        let server = |port| {
            format!(
                "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{};\n\
                 proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;\n\
                 proxy_set_header Connection Upgrade; proxy_buffer_size 64k; proxy_buffers 8 64k;\n\
                 proxy_busy_buffers_size 128k; proxy_read_timeout 1h; proxy_send_timeout 1h; }} }}\n",
                self.echo
            )
        };
        if version("nginx", &["-v"]).is_none() {
            println!("skipped: nginx is not installed: apt-get install nginx-light");
            return Ok(None);
        }
        let peer = peers::nginx_before(server, "buffers of 64 KiB", &self.scratch)?;
        Ok(Some(peer.into()))
    }

    fn haproxy(&self) -> Result<Option<Runner>> {
        let Some(said) = version("haproxy", &["-v"]) else {
            println!("skipped: haproxy is not installed: apt-get install haproxy");
            return Ok(None);
        };
        let port = free_port()?;
        let file = self.scratch.join(format!("haproxy-{port}.cfg"));
        fs::write(
            &file,
            format!(
                "global\n  maxconn 4096\ndefaults\n  mode http\n  option splice-auto\n  timeout connect 5s\n  \
                 timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n\
                 listen door\n  bind 127.0.0.1:{port}\n  server echo 127.0.0.1:{}\n",
                self.echo
            ),
        )?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let peer = Peer {
            name: "haproxy",
            version: format!("{}, splice-auto", said.lines().next().unwrap_or_default()),
            process: Process::listening(&mut command, port)?,
            port,
        };
        Ok(Some(peer.into()))
    }

    fn reference(&self) -> Result<Option<Runner>> {
        let port = free_port()?;
        let program = place::target()?.join("reference/release/reference");
        let mut command = Command::new(Path::new(&program));
        command.args(["forward", &port.to_string(), &self.echo.to_string()]);
        let peer = Peer {
            name: "reference",
            version: "tokio-tungstenite on both sides, `forward` between (benches/reference)"
                .to_owned(),
            process: Process::listening(&mut command, port)?,
            port,
        };
        Ok(Some(peer.into()))
    }
}

impl From<Peer> for Runner {
    fn from(peer: Peer) -> Self {
        Self {
            name: peer.name,
            version: peer.version,
            process: peer.process,
            place: Place::new(&format!("127.0.0.1:{}", peer.port), "/echo"),
            _asks: None,
        }
    }
}

fn pipelined(
    runner: &Runner,
    size: usize,
    name: &str,
    effort: &Effort,
    book: &mut Book,
) -> Result<()> {
    let work = format!("{name} messages, pipelined");
    // Small ones are many: the same time goes by with fewer bytes.
    let bytes = match size {
        0..1024 => effort.bytes / 4,
        _ => effort.bytes,
    };
    let count = bytes / size / CONNECTIONS;
    let before = runner.process.cpu_seconds()?;
    let speed = ws::pipelined(&runner.place, CONNECTIONS, count, size)?;
    let cpu = runner.process.cpu_seconds()? - before;
    let gib = (count * size * CONNECTIONS) as f64 / f64::from(1 << 30);
    book.add(&work, runner.name, "messages/s", speed);
    book.add(&work, runner.name, "CPU s/GiB", cpu / gib);
    Ok(())
}

fn idle(runner: &Runner, book: &mut Book) -> Result<()> {
    // The first makes it load what it loads once.
    let first = runner.place.open()?;
    let before = runner.process.resident_kib()?;
    let links = (0..IDLE).map(|_| runner.place.open());
    let links = links.collect::<Result<Vec<_>>>()?;
    let grown = runner.process.resident_kib()? - before;
    let work = format!("{IDLE} idle connections");
    book.add(&work, runner.name, "KiB each", grown / IDLE as f64);
    drop((first, links));
    Ok(())
}

fn stalled(runner: &Runner, book: &mut Book) -> Result<()> {
    ws::pipelined(&runner.place, 1, 256, 64 * 1024)?;
    let before = runner.process.resident_kib()?;
    let (link, taken) = ws::stall(&runner.place, STALLED_MOST)?;
    let grown = runner.process.resident_kib()? - before;
    let work = "a page that reads nothing";
    book.add(work, runner.name, "KiB held", grown);
    book.add(work, runner.name, "KiB taken", taken as f64 / KIB as f64);
    drop(link);
    Ok(())
}

/// The targets.
fn rows(book: &mut Book) {
    for (work, goal) in [
        ("1 KiB messages, pipelined", 1.5),
        ("64 KiB messages, pipelined", 1.3),
    ] {
        book.compare(work, &["haproxy"], "messages/s", Goal::AtLeast(goal));
        book.compare(work, &["nginx"], "messages/s", Goal::AtLeast(1.0));
        book.compare(work, &["direct"], "messages/s", Goal::AtLeast(0.6));
        book.compare(work, &["haproxy"], "CPU s/GiB", Goal::AtMost(1.0));
    }
    let work = "1 KiB messages, pipelined";
    book.compare(work, &["reference"], "messages/s", Goal::AtLeast(2.0));
    book.compare(
        "64 B messages, pipelined",
        &["haproxy", "nginx"],
        "messages/s",
        Goal::AtLeast(1.0),
    );
    for unit in ["µs p50", "µs p99"] {
        book.figure("added to a round trip", "doorward", unit, 1000.0);
    }
    let work = format!("{IDLE} idle connections");
    book.figure(&work, "doorward", "KiB each", 20.0);
    // The socket buffers of both sides are the kernel's; what is ours is this.
    book.figure("a page that reads nothing", "doorward", "KiB held", 512.0);
}
