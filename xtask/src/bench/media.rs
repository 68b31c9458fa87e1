//! The media rows: stores near and far, local files, memory, a million grants.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::book::{Book, Goal, median};
use super::door::{Door, Sources};
use super::effort::Effort;
use super::far::Far;
use super::load::{self, Target};
use super::peers::{self, Peer, Store};
use super::process::{Process, fill, sparse};
use super::{GIB, KIB, MIB, targets};
use crate::place;
use crate::stage;

const LARGE: u64 = GIB;
/// What is read slowly. Sparse: it takes no space on the disk.
const LONG: u64 = 4 * GIB;
const SMALL: usize = 16 * 1024;
const SMALL_CONNECTIONS: usize = 16;
const RANGE: u64 = 64 * KIB;
pub(super) const CONNECTIONS: [usize; 3] = [1, 8, 64];
const SEEK: u64 = 4 * MIB;
const CHUNK: u64 = 512 * KIB;
/// Apart, so that nothing that was read ahead for one seek helps the next.
const APART: u64 = 37 * MIB;
/// How often a look-up among many grants, and among one, is measured.
const LOOKS: usize = 5;

/// A server and a way to its copy of the data.
struct Runner<'a> {
    name: &'static str,
    process: &'a Process,
    large: Target,
}

/// Something that keeps the daemon busy for some seconds.
type Work<'a> = Box<dyn Fn() -> Result<()> + 'a>;

pub(super) struct Field {
    scratch: std::path::PathBuf,
    store: Store,
    far: Far,
    peers: Vec<Peer>,
    door: Door,
}

impl Field {
    pub(super) fn new() -> Result<Self> {
        let scratch = place::scratch("bench")?;
        let data = scratch.join("data");
        let bucket = data.join("bucket");
        std::fs::create_dir_all(bucket.join("small"))?;
        fill(&bucket.join("large.bin"), LARGE)?;
        sparse(&bucket.join("long.bin"), LONG)?;
        for number in 0..SMALL_CONNECTIONS {
            fill(&bucket.join(format!("small/{number}.bin")), SMALL as u64)?;
        }
        let store = peers::store(&data, &scratch)?;
        let far = Far::start(store.peer.port)?;
        let peers = peers::start(store.peer.port, &scratch)?;
        let door = door(&store, &far, &scratch)?;
        Ok(Self {
            scratch,
            store,
            far,
            peers,
            door,
        })
    }

    /// Names and versions.
    pub(super) fn servers(&self) -> Vec<(&'static str, String)> {
        let own = ("doorward", super::door::version());
        let peers = self.peers.iter().chain([&self.store.peer]);
        std::iter::once(own)
            .chain(peers.map(|peer| (peer.name, peer.version.clone())))
            .collect()
    }

    pub(super) fn measure(&self, effort: Effort, book: &mut Book) -> Result<()> {
        for round in 1..=effort.rounds {
            println!("-- round {round} of {}", effort.rounds);
            self.near_store(book)?;
            self.over_tls(book)?;
            self.small_objects(effort, book)?;
            self.random_ranges(effort, round as u64, book)?;
            self.local(effort, book)?;
            self.far_store(effort, round as u64, book)?;
        }
        self.memory(effort, book)?;
        self.grants(effort, book)?;
        targets::rows(book);
        Ok(())
    }

    /// The kinds of work whose rows are missed, each alone, for [`super::profile::page`].
    pub(super) fn missed(&self) -> Vec<(&'static str, Work<'_>)> {
        let bulk = |source, connections, times| {
            move || {
                let target = self.through_door(source)?.large;
                (0..times).try_for_each(|_| load::read_all(&target, connections, LARGE))
            }
        };
        let small =
            |source| move || load::small(&self.small_of_door(source)?, 4_000, SMALL).map(drop);
        let ranges = || {
            let target = self.through_door("store")?.large;
            load::ranges(&target, 20_000, RANGE, LARGE, 1).map(drop)
        };
        vec![
            ("store, 1 stream", Box::new(bulk("store", 1, 4))),
            ("store, 64 streams", Box::new(bulk("store", 64, 4))),
            (
                "objects of 16 KiB, 16 connections",
                Box::new(small("store")),
            ),
            ("random ranges of 64 KiB", Box::new(ranges)),
            ("local file, 8 streams", Box::new(bulk("local", 8, 12))),
            (
                "local files of 16 KiB, 16 connections",
                Box::new(small("local")),
            ),
        ]
    }

    pub(super) fn daemon(&self) -> &Process {
        &self.door.process
    }

    fn through_door(&self, source: &str) -> Result<Runner<'_>> {
        Ok(Runner {
            name: "doorward",
            process: &self.door.process,
            large: Target::parse(&self.door.url(&format!("{source}:large.bin"))?)?,
        })
    }

    /// doorward, its peers and the store, on the way to the large object.
    fn runners(&self) -> Result<Vec<Runner<'_>>> {
        let peers = self.peers.iter().chain([&self.store.peer]);
        let peers = peers.map(|peer| Runner {
            name: peer.name,
            process: &peer.process,
            large: Target::at(peer.port, "/bucket/large.bin"),
        });
        Ok(std::iter::once(self.through_door("store")?)
            .chain(peers)
            .collect())
    }

    fn near_store(&self, book: &mut Book) -> Result<()> {
        let runners = self.runners()?;
        for connections in CONNECTIONS {
            let work = format!("store, {}", streams(connections));
            for runner in &runners {
                bulk(book, &work, runner, connections)?;
            }
        }
        Ok(())
    }

    fn local(&self, effort: Effort, book: &mut Book) -> Result<()> {
        let nginx = Runner {
            name: "nginx sendfile",
            process: &self.store.peer.process,
            large: Target::at(self.store.peer.port, "/bucket/large.bin"),
        };
        let own = self.through_door("local")?;
        for connections in CONNECTIONS {
            let work = format!("local file, {}", streams(connections));
            for runner in [&own, &nginx] {
                bulk(book, &work, runner, connections)?;
            }
        }
        let work = "local files of 16 KiB, 16 connections";
        let ours = self.small_of_door("local")?;
        requests(book, work, "doorward", &self.door.process, &ours, effort)?;
        let theirs = small_at(self.store.peer.port);
        requests(book, work, nginx.name, nginx.process, &theirs, effort)
    }

    fn small_of_door(&self, source: &str) -> Result<Vec<Target>> {
        let names: Vec<String> = (0..SMALL_CONNECTIONS)
            .map(|number| format!("{source}:small/{number}.bin"))
            .collect();
        let urls = self.door.mint(&names)?;
        urls.iter().map(|url| Target::parse(url)).collect()
    }

    fn small_objects(&self, effort: Effort, book: &mut Book) -> Result<()> {
        let work = "objects of 16 KiB, 16 connections";
        let ours = self.small_of_door("store")?;
        requests(book, work, "doorward", &self.door.process, &ours, effort)?;
        for peer in self.peers.iter().chain([&self.store.peer]) {
            let theirs = small_at(peer.port);
            requests(book, work, peer.name, &peer.process, &theirs, effort)?;
        }
        Ok(())
    }

    fn random_ranges(&self, effort: Effort, seed: u64, book: &mut Book) -> Result<()> {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for runner in self.runners()? {
            let p50 = load::ranges(&runner.large, effort.ranges, RANGE, LARGE, seed)?;
            book.add("random ranges of 64 KiB", runner.name, "ms p50", p50);
        }
        Ok(())
    }

    /// The client is the peer here: what a program gets that downloads by itself.
    fn over_tls(&self, book: &mut Book) -> Result<()> {
        let runner = self.through_door("tls")?;
        let url = format!("https://127.0.0.1:{}/bucket/large.bin", self.store.tls);
        let program = place::target()?.join("reference/release/reference");
        for connections in [1, 8] {
            let work = format!("store over TLS, {}", streams(connections));
            bulk(book, &work, &runner, connections)?;
            let said = Command::new(&program)
                .arg("download")
                .arg(&self.store.ca)
                .args([&url, &connections.to_string(), &LARGE.to_string()])
                .output()?;
            let said = String::from_utf8_lossy(&said.stdout);
            let took: f64 = said.trim().parse().context("the plain client failed")?;
            book.add(&work, "reqwest", "MB/s", LARGE as f64 / 1e6 / took);
        }
        Ok(())
    }

    fn far_store(&self, effort: Effort, round: u64, book: &mut Book) -> Result<()> {
        let direct = Target::at(self.far.port, "/bucket/large.bin");
        let ours = self.through_door("far")?.large;
        if round == 1 {
            // What doorward does before it has seen that the store is far.
            let took = load::seek(&ours, 0, 32 * MIB)?;
            let speed = (32 * MIB) as f64 / 1e6 / took;
            book.add(
                "far store, the first stream ever",
                "doorward",
                "MB/s",
                speed,
            );
        }
        let place = |number: u64| (round * 5 * MIB + number * APART) % (LARGE - SEEK);
        for (name, target) in [("doorward", &ours), ("one GET", &direct)] {
            let times = (0..effort.seeks).map(|number| load::seek(target, place(number), SEEK));
            let times: Vec<f64> = times.collect::<Result<_>>()?;
            book.add(
                "far store, seek of 4 MiB",
                name,
                "ms p50",
                median(times) * 1e3,
            );
        }
        for (name, target, bytes) in [
            ("doorward", &ours, 128 * MIB),
            ("one GET", &direct, 32 * MIB),
        ] {
            let took = load::seek(target, round * 150 * MIB, bytes)?;
            book.add("far store, steady", name, "MB/s", bytes as f64 / 1e6 / took);
        }
        // A page of a document, and the same page again.
        let first = place(effort.seeks) + 9 * MIB;
        let took = load::seek(&ours, first, CHUNK)?;
        book.add(
            "far store, 512 KiB",
            "doorward, first look",
            "ms",
            took * 1e3,
        );
        let before = self.far.requests();
        let took = load::seek(&ours, first, CHUNK)?;
        book.add(
            "far store, 512 KiB",
            "doorward, second look",
            "ms",
            took * 1e3,
        );
        let asked = self.far.requests() - before;
        book.add(
            "far store, second look",
            "doorward",
            "requests",
            asked as f64,
        );
        Ok(())
    }

    /// Each time a new doorward: what others left in its memory is not counted.
    fn memory(&self, effort: Effort, book: &mut Book) -> Result<()> {
        for (source, what) in [
            ("store", "slow stream of a store"),
            ("local", "slow stream of a file"),
        ] {
            for _ in 0..2 {
                let door = door(&self.store, &self.far, &self.scratch)?;
                let target = Target::parse(&door.url(&format!("{source}:long.bin"))?)?;
                slow(book, what, "doorward", &door.process, &target, effort)?;
                if source == "store" {
                    for peer in &self.peers {
                        let target = Target::at(peer.port, "/bucket/long.bin");
                        slow(book, what, peer.name, &peer.process, &target, effort)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn grants(&self, effort: Effort, book: &mut Book) -> Result<()> {
        let door = door(&self.store, &self.far, &self.scratch)?;
        let target = Target::parse(&door.url("local:small/0.bin")?)?;
        let requests = effort.requests * 10;
        let look = || load::small(std::slice::from_ref(&target), requests, SMALL);
        // The first requests warm it up.
        look()?;
        // What was minted cannot be taken out again round by round: each side is
        // measured as often, and the nth is held against the nth.
        let looks = |server: &str, book: &mut Book| -> Result<()> {
            for _ in 0..LOOKS {
                let cpu = door.process.cpu_seconds()?;
                let rate = look()?;
                let micros = (door.process.cpu_seconds()? - cpu) * 1e6;
                book.add("look-up", server, "requests/s", rate);
                let each = micros / requests as f64;
                book.add("look-up", server, "CPU µs", each);
            }
            Ok(())
        };
        looks("with one grant", book)?;
        let before = door.process.resident_kib()?;
        let names = vec!["local:small/0.bin".to_owned(); 5_000];
        let mut left = effort.grants;
        while left > 0 {
            let some = left.min(names.len());
            door.mint(names.get(..some).context("names")?)?;
            left -= some;
        }
        let grown = (door.process.resident_kib()? - before) * KIB as f64;
        let work = format!("{} live grants", effort.grants + 1);
        book.add(
            &work,
            "doorward",
            "bytes each",
            grown / effort.grants as f64,
        );
        // Minting leaves work behind, such as what is told of it: that is not a look-up.
        look()?;
        looks("doorward", book)?;
        book.figure(&work, "doorward", "bytes each", 256.0);
        book.compare(
            "look-up",
            &["with one grant"],
            "requests/s",
            Goal::AtLeast(0.9),
        );
        Ok(())
    }
}

fn door(store: &Store, far: &Far, scratch: &Path) -> Result<Door> {
    Door::start(&Sources {
        folder: &scratch.join("data/bucket"),
        store: store.peer.port,
        tls: store.tls,
        ca: &store.ca,
        far: far.port,
    })
}

fn small_at(port: u16) -> Vec<Target> {
    (0..SMALL_CONNECTIONS)
        .map(|number| Target::at(port, &format!("/bucket/small/{number}.bin")))
        .collect()
}

pub(super) fn streams(connections: usize) -> String {
    match connections {
        1 => "1 stream".to_owned(),
        more => format!("{more} streams"),
    }
}

fn bulk(book: &mut Book, work: &str, runner: &Runner<'_>, connections: usize) -> Result<()> {
    let cpu = runner.process.cpu_seconds()?;
    let took = stage::timed(|| load::read_all(&runner.large, connections, LARGE))?;
    let cpu = runner.process.cpu_seconds()? - cpu;
    book.add(work, runner.name, "MB/s", LARGE as f64 / 1e6 / took);
    book.add(
        work,
        runner.name,
        "CPU s/GiB",
        cpu * GIB as f64 / LARGE as f64,
    );
    Ok(())
}

fn requests(
    book: &mut Book,
    work: &str,
    name: &str,
    process: &Process,
    targets: &[Target],
    effort: Effort,
) -> Result<()> {
    let cpu = process.cpu_seconds()?;
    let rate = load::small(targets, effort.requests, SMALL)?;
    let cpu = process.cpu_seconds()? - cpu;
    let each = cpu * 1e6 / (targets.len() * effort.requests) as f64;
    book.add(work, name, "requests/s", rate);
    book.add(work, name, "CPU µs", each);
    Ok(())
}

/// How much the resident memory grew, for each reader.
fn slow(
    book: &mut Book,
    what: &str,
    name: &str,
    process: &Process,
    target: &Target,
    effort: Effort,
) -> Result<()> {
    let before = process.resident_kib()?;
    let mut most = before;
    load::read_slowly(target, &effort.slow, || {
        most = most.max(process.resident_kib()?);
        Ok(())
    })?;
    book.add(
        what,
        name,
        "KiB",
        (most - before) / effort.slow.readers as f64,
    );
    Ok(())
}
