//! `cargo xtask bench`: the daemon, built for release, beside nginx where it is installed.
//!
//! Two questions: how fast is one file read by 1, 8 and 64 connections, and how much memory does a slow
//! reader of a 4 GiB file cost? Runs are interleaved, each figure is the median of its rounds, and the
//! table goes to benches/RESULTS.md. Nothing is asserted: machines differ, ratios tell.

mod load;
mod server;

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::shell::{cargo, version};
use crate::{place, stage};
use load::{Slow, Target};
use server::Server;

const MIB: u64 = 1024 * 1024;
/// What is read at full speed.
const FILE: u64 = 1024 * MIB;
/// What is read slowly. Sparse: it takes no space on the disk.
const LONG_FILE: u64 = 4096 * MIB;
const ROUNDS: usize = 5;
const CONNECTIONS: [usize; 3] = [1, 8, 64];
const SLOW: Slow = Slow {
    readers: 64,
    bytes_per_second: 512 * 1024,
    seconds: 8,
};

/// One server's figure in one round.
struct Figure {
    server: &'static str,
    connections: usize,
    mb_per_second: f64,
    cpu_per_gib: f64,
}

/// Runs everything and writes the results.
pub(crate) fn run() -> Result<()> {
    cargo(["build", "--release", "--bin", "doorward"])?.run()?;
    let folder = place::scratch("bench")?;
    server::fill(&folder.join("file.bin"), FILE)?;
    server::sparse(&folder.join("long.bin"), LONG_FILE)?;

    let door = Server::doorward(&folder)?;
    let nginx = match version("nginx", &["-v"]) {
        Some(_) => Some(Server::nginx(&folder)?),
        None => {
            println!("skipped: nginx is not installed, so there is nothing to compare with");
            None
        }
    };
    let servers: Vec<&Server> = std::iter::once(&door).chain(nginx.as_ref()).collect();

    let mut figures = Vec::new();
    for round in 1..=ROUNDS {
        for connections in CONNECTIONS {
            for server in &servers {
                println!(
                    "round {round}: {} with {connections} connections",
                    server.name
                );
                figures.push(throughput(server, connections)?);
            }
        }
    }
    let mut memory = Vec::new();
    for server in &servers {
        println!(
            "{}: {} slow readers for {} s",
            server.name, SLOW.readers, SLOW.seconds
        );
        memory.push((server.name, slow(server)?));
    }
    let report = report(&servers, &figures, &memory)?;
    let folder = place::root()?.join("benches");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("RESULTS.md");
    std::fs::write(&path, &report).with_context(|| format!("writing {}", path.display()))?;
    println!("\n{report}\nwritten to {}", place::short(&path));
    Ok(())
}

fn throughput(server: &Server, connections: usize) -> Result<Figure> {
    let target = Target::parse(&server.url("file.bin")?)?;
    let cpu = server.cpu_seconds()?;
    let took = stage::timed(|| load::read_all(&target, connections, FILE))?;
    let bytes = FILE as f64;
    Ok(Figure {
        server: server.name,
        connections,
        mb_per_second: bytes / 1e6 / took,
        cpu_per_gib: (server.cpu_seconds()? - cpu) / (bytes / (1024.0 * MIB as f64)),
    })
}

/// How much the resident memory of the server grew, in KiB per reader.
fn slow(server: &Server) -> Result<f64> {
    let target = Target::parse(&server.url("long.bin")?)?;
    let before = server.resident_kib()?;
    let mut most = before;
    load::read_slowly(&target, &SLOW, || {
        most = most.max(server.resident_kib()?);
        Ok(())
    })?;
    Ok((most - before) as f64 / SLOW.readers as f64)
}

fn report(
    servers: &[&Server],
    figures: &[Figure],
    memory: &[(&'static str, f64)],
) -> Result<String> {
    let mut text = String::from("# Results of `cargo xtask bench`\n\n");
    let machine = server::machine();
    writeln!(text, "Machine: {machine}.")?;
    for server in servers {
        writeln!(text, "{}: {}.", server.name, server.version)?;
    }
    writeln!(
        text,
        "\nOne local file of 1 GiB over plain HTTP on loopback, split over the connections as ranges. \
         Median of {ROUNDS} interleaved rounds; in brackets the least and the most. The client runs on the \
         same cores, so compare the columns, not the figures.\n"
    )?;
    writeln!(
        text,
        "| connections | server | MB/s | CPU s/GiB |\n|---|---|---|---|"
    )?;
    for connections in CONNECTIONS {
        for server in servers {
            let of = |pick: fn(&Figure) -> f64| {
                let chosen = figures.iter().filter(|figure| {
                    figure.server == server.name && figure.connections == connections
                });
                spread(chosen.map(pick).collect())
            };
            let (speed, cpu) = (
                of(|figure| figure.mb_per_second),
                of(|figure| figure.cpu_per_gib),
            );
            writeln!(
                text,
                "| {connections} | {} | {:.0} ({:.0} to {:.0}) | {:.2} ({:.2} to {:.2}) |",
                server.name, speed.1, speed.0, speed.2, cpu.1, cpu.0, cpu.2
            )?;
        }
    }
    writeln!(
        text,
        "\n{} readers of a 4 GiB file at {} KiB/s each, for {} s: growth of the server's resident memory per \
         reader.\n",
        SLOW.readers,
        SLOW.bytes_per_second / 1024,
        SLOW.seconds
    )?;
    writeln!(text, "| server | KiB per slow stream |\n|---|---|")?;
    for (server, kib) in memory {
        writeln!(text, "| {server} | {kib:.0} |")?;
    }
    Ok(text)
}

/// Least, median, most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (
        at(0),
        at(values.len() / 2),
        at(values.len().saturating_sub(1)),
    )
}
