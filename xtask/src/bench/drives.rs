//! What folders of paired pages cost: a long upload and pages of a huge folder, in time
//! and in memory of the daemon.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::book::Book;
use super::process::Process;
use crate::place;

const UPLOAD: &str = "a file is uploaded in signed chunks of 8 MiB";
const LIST: &str = "a page of 1,000 entries is listed";

#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    mib: u64,
    entries: usize,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                rounds: 1,
                mib: 256,
                entries: 10_000,
            },
            false => Self {
                rounds: 3,
                mib: 10 * 1024,
                entries: 100_000,
            },
        }
    }
}

pub(super) fn servers() -> Vec<(&'static str, String)> {
    let what = "as the example `drives`: companion, guard and all; the page is another process";
    vec![("doorward", format!("{}, {what}", super::door::version()))]
}

pub(super) fn measure(effort: Effort, book: &mut Book) -> Result<()> {
    super::door::examples()?;
    let folder = place::scratch("bench-drives")?;
    for round in 1..=effort.rounds {
        println!("-- round {round} of {}", effort.rounds);
        let files = folder.join("files");
        fs::create_dir_all(&files)?;
        let (process, at, _asks) = serve(&files)?;
        let idle = peak(&process)?;
        let mib = effort.mib.to_string();
        let seconds = page(&["upload"], &at, &[&mib])?;
        let size = fs::metadata(files.join("upload.bin"))?.len();
        anyhow::ensure!(size == effort.mib * 1024 * 1024, "{size} bytes came");
        book.add(UPLOAD, "doorward", "MiB/s", effort.mib as f64 / seconds);
        book.add(
            UPLOAD,
            "doorward",
            "MiB RSS above idle",
            peak(&process)? - idle,
        );
        fs::remove_file(files.join("upload.bin"))?;
        for number in 0..effort.entries {
            fs::write(files.join(format!("photo {number}.jpg")), "")?;
        }
        // The most so far is what it is; a new process tells that of listing alone.
        let (process, at, _asks) = serve(&files)?;
        let idle = peak(&process)?;
        let seconds = page(&["list"], &at, &[])?;
        book.add(LIST, "doorward", "ms", seconds * 1_000.0);
        book.add(
            LIST,
            "doorward",
            "MiB RSS above idle",
            peak(&process)? - idle,
        );
        fs::remove_dir_all(&files)?;
    }
    book.figure(UPLOAD, "doorward", "MiB RSS above idle", 64.0);
    book.figure(LIST, "doorward", "MiB RSS above idle", 16.0);
    Ok(())
}

fn program() -> Result<std::path::PathBuf> {
    Ok(place::target()?.join("release/examples/drives"))
}

fn serve(files: &Path) -> Result<(Process, Vec<String>, std::process::ChildStdin)> {
    let mut command = Command::new(program()?);
    command.arg("serve").arg(files).stdout(Stdio::piped());
    let mut process = Process::talking(&mut command)?;
    let child = process.child();
    let asks = child.stdin.take().context("its input")?;
    let answers = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(answers).read_line(&mut line)?;
    let at: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    anyhow::ensure!(at.len() == 2, "no address, but {line:?}");
    Ok((process, at, asks))
}

/// The seconds that the page says.
fn page(first: &[&str], at: &[String], rest: &[&str]) -> Result<f64> {
    let mut command = Command::new(program()?);
    command.args(first).args(at).args(rest);
    let told = command.stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(told.status.success(), "the page failed");
    Ok(String::from_utf8(told.stdout)?.trim().parse()?)
}

/// The most memory so far, in MiB.
fn peak(process: &Process) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("no peak in its status")?.trim().parse()?;
    Ok(kib / 1024.0)
}
