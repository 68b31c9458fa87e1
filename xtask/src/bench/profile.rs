//! Where doorward's processor time goes in the rows of the media bench that are missed:
//! `perf`, which samples the daemon while each kind of work is done to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::media::Field;
use super::process::Process;
use crate::place;
use crate::shell::version;

/// Samples a second: often enough for a percent of some seconds, and not in step with
/// any timer.
const RATE: &str = "1999";
/// Functions that are named.
const SHOWN: usize = 14;
/// What moves and owns memory, wherever it is called from.
const MEMORY: [&str; 8] = [
    "malloc", "free", "realloc", "calloc", "memcpy", "memmove", "memset", "memcmp",
];

/// One function, and its share of all samples in percent.
struct Function {
    share: f64,
    in_kernel: bool,
    name: String,
}

/// Profiles each missed row; as a page.
pub(super) fn page(field: &Field) -> Result<String> {
    ensure!(
        version("perf", &["--version"]).is_some(),
        "perf is not installed (Debian: linux-perf)"
    );
    let mut page = String::new();
    for (name, work) in field.missed() {
        println!("-- {name}");
        let data = place::scratch("bench-profile")?.join("perf.data");
        record(field.daemon(), &data, work)?;
        let functions = functions(&data)?;
        writeln!(page, "## {name}\n\n{}\n", shares(&functions))?;
        writeln!(page, "| share | where | function |\n|---|---|---|")?;
        for function in functions.iter().take(SHOWN) {
            let place = if function.in_kernel {
                "kernel"
            } else {
                "doorward"
            };
            writeln!(
                page,
                "| {:.1} % | {place} | `{}` |",
                function.share, function.name
            )?;
        }
        page.push('\n');
    }
    Ok(page)
}

fn record(process: &Process, data: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut perf = Command::new("perf")
        .args(["record", "--quiet", "--freq", RATE, "--pid"])
        .arg(process.id().to_string())
        .arg("--output")
        .arg(data)
        .stdin(Stdio::null())
        .spawn()
        .context("starting perf")?;
    let done = work();
    // It writes what it has at an interrupt.
    let id = perf.id().to_string();
    Command::new("kill").args(["-INT", &id]).status()?;
    perf.wait()?;
    done
}

fn functions(data: &Path) -> Result<Vec<Function>> {
    let told = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--no-children",
            "--sort",
            "symbol",
            "--input",
        ])
        .arg(data)
        .stderr(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&told.stdout);
    let functions: Vec<_> = told.lines().filter_map(function).collect();
    if functions.is_empty() {
        bail!("perf saw nothing");
    }
    Ok(functions)
}

/// `    12.34%  [k] name`, and columns that are empty without a hardware's counters.
fn function(line: &str) -> Option<Function> {
    let (share, rest) = line.trim().split_once("%")?;
    let (kind, name) = rest.trim().split_once(' ')?;
    let name = name.trim().split("  ").next()?;
    Some(Function {
        share: share.parse().ok()?,
        in_kernel: kind == "[k]",
        name: name.trim().to_owned(),
    })
}

/// Shares by whose code it is: the kernel, memory, and crates.
fn shares(functions: &[Function]) -> String {
    let mut owners: BTreeMap<String, f64> = BTreeMap::new();
    for function in functions {
        *owners.entry(owner(function)).or_default() += function.share;
    }
    let mut owners: Vec<_> = owners
        .into_iter()
        .filter(|(_, share)| *share >= 1.0)
        .collect();
    owners.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let owners: Vec<_> = owners
        .into_iter()
        .map(|(owner, share)| format!("{owner} {share:.0} %"))
        .collect();
    owners.join(", ")
}

fn owner(function: &Function) -> String {
    let name = &function.name;
    if function.in_kernel {
        let copies = name.contains("copy") || name.contains("rep_movs");
        return if copies { "kernel copying" } else { "kernel" }.to_owned();
    }
    if MEMORY.iter().any(|word| name.contains(word)) {
        return "memory".to_owned();
    }
    let path = name.trim_start_matches(['<', '&', '(', '*']);
    match path.split_once("::") {
        Some((first, _)) => first.to_owned(),
        None => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_perf_is_read() {
        let read = function("    12.34%  [k] copy_user_generic     -      -  ").unwrap();
        assert_eq!(
            (read.in_kernel, read.name.as_str()),
            (true, "copy_user_generic")
        );
        assert!((read.share - 12.34).abs() < 1e-9);
        assert!(function("# Samples: 12K of event 'cpu-clock'").is_none());
        assert_eq!(owner(&read), "kernel copying");
        let own = function("  3.00%  [.] <hyper::proto::h1::Conn as Future>::poll").unwrap();
        assert_eq!(owner(&own), "hyper");
        assert_eq!(shares(&[read, own]), "kernel copying 12 %, hyper 3 %");
    }
}
