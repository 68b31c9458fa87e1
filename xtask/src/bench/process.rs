//! A server's process and those below it: what they use, and their end.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Ends with this value, and those below it too.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// One that is told what to do.
    pub(super) fn talking(command: &mut Command) -> Result<Self> {
        Self::spawn(command.stdin(Stdio::piped()))
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_owned();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", name.display()))?;
        Ok(Self(child))
    }

    /// Starts `command` and waits until it listens on `port`.
    pub(super) fn listening(command: &mut Command, port: u16) -> Result<Self> {
        let process = Self::start(command.stdout(Stdio::null()))?;
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(process);
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("{} did not start", command.get_program().display())
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// User and system time so far.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let mut ticks = 0;
        for id in self.ids() {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            let fields = stat.rsplit_once(')').context("no name in stat")?.1;
            ticks += fields
                .split_whitespace()
                .skip(11)
                .take(2)
                .filter_map(|ticks| ticks.parse::<u64>().ok())
                .sum::<u64>();
        }
        // USER_HZ is 100 on every Linux that we know of.
        Ok(ticks as f64 / 100.0)
    }

    /// The same of this process alone, to the nanosecond.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        let id = Pid::from_raw(self.0.id().try_into()?);
        Ok(clock_getcpuclockid(id)?.now()?.into())
    }

    pub(super) fn resident_kib(&self) -> Result<f64> {
        let mut sum = 0;
        for id in self.ids() {
            let status = fs::read_to_string(format!("/proc/{id}/status"))?;
            sum += status
                .lines()
                .find_map(|line| {
                    let kib = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
                    kib.trim().parse::<u64>().ok()
                })
                .context("no VmRSS in status")?;
        }
        Ok(sum as f64)
    }

    /// It, and its workers.
    fn ids(&self) -> Vec<u32> {
        let own = self.0.id();
        let below = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let below = below.unwrap_or_default();
        let below = below.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(own).chain(below).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// Does `work` on one of this process's cores, by their number; what it starts stays
/// there.
pub(super) fn on_core<T>(number: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let own = Pid::from_raw(0);
    let before = sched_getaffinity(own)?;
    let mut cores = (0..CpuSet::count()).filter(|core| before.is_set(*core) == Ok(true));
    let core = cores.nth(number).context("there are too few cores")?;
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(own, &only)?;
    let done = work();
    sched_setaffinity(own, &before)?;
    done
}

/// A port that nobody listens on.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A file of `size` bytes that are on the disk and in its cache.
pub(super) fn fill(path: &Path, size: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let block: Vec<u8> = (0..1024 * 1024).map(|at| (at % 251) as u8).collect();
    let mut left = size;
    while left > 0 {
        let some = left.min(block.len() as u64);
        let piece = block.get(..some as usize).context("a block")?;
        file.write_all(piece)?;
        left -= some;
    }
    Ok(())
}

/// A file of `size` bytes that takes no space.
pub(super) fn sparse(path: &Path, size: u64) -> Result<()> {
    Ok(File::create(path)?.set_len(size)?)
}

/// Processor and number of cores.
pub(super) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// How busy the machine is: the load averages of 1, 5 and 15 minutes.
pub(super) fn load() -> String {
    let said = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    said.split(' ').take(3).collect::<Vec<_>>().join(", ")
}
