//! A short run of every fuzz target. fuzz/ is a workspace of its own with one binary, `doorward-fuzz`, so that the
//! crates are built once with a sanitizer; `DOORWARD_FUZZ` names the target, and each folder of fuzz/seeds is one.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use crate::place;
use crate::shell::{step, version};
use crate::stage::Ending;

const SECONDS: &str = "20";
/// Targets that run at once, one a core.
const AT_ONCE: usize = 2;

/// What `cargo fuzz` would pass, so that it need not be installed.
const FLAGS: &str = "--cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The stage.
pub(crate) fn smoke() -> Result<Ending> {
    let folder = place::root()?.join("fuzz");
    if !folder.join("Cargo.toml").exists() {
        return Ok(Ending::Skipped("there is no fuzz/Cargo.toml".to_owned()));
    }
    if version("rustup", &["run", "nightly", "rustc", "--version"]).is_none() {
        return Ok(Ending::Skipped(
            "no nightly toolchain (rustup toolchain install nightly)".to_owned(),
        ));
    }
    let host = host()?;
    let words = [
        "run",
        "nightly",
        "cargo",
        "build",
        "--release",
        "--target",
        &host,
    ];
    step("rustup", words)?
        .inside(&folder)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .run()?;
    let binary = folder
        .join("target")
        .join(&host)
        .join("release/doorward-fuzz");
    let binary = binary
        .to_str()
        .context("the work tree has a name in UTF-8")?;
    let targets = targets(&folder.join("seeds"))?;
    if targets.is_empty() {
        bail!("fuzz/seeds has no folder, so there is no target to run");
    }
    std::fs::create_dir_all(folder.join("artifacts")).context("making fuzz/artifacts")?;
    for some in targets.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|target| scope.spawn(|| run(binary, &folder, target)))
                .collect();
            running
                .into_iter()
                .try_for_each(|target| target.join().map_err(|_| anyhow!("a run panicked"))?)
        })?;
    }
    Ok(Ending::Passed)
}

fn run(binary: &str, folder: &Path, target: &str) -> Result<()> {
    println!("-- {target}, {SECONDS} s");
    let corpus = place::scratch(&format!("fuzz-{target}"))?;
    let limit = format!("-max_total_time={SECONDS}");
    let artifacts = format!("-artifact_prefix={}/", folder.join("artifacts").display());
    let seeds = folder.join("seeds").join(target);
    // libFuzzer writes what it finds into the first folder and only reads the second.
    step(
        binary,
        [
            limit.as_ref(),
            artifacts.as_ref(),
            "-print_final_stats=0".as_ref(),
            corpus.as_os_str(),
            seeds.as_os_str(),
        ],
    )?
    .env("DOORWARD_FUZZ", target)
    .run()
}

fn targets(seeds: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(seeds).with_context(|| format!("reading {}", place::short(seeds)))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn host() -> Result<String> {
    let said = version("rustc", &["-vV"]).context("asking rustc for its host")?;
    let host = said
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names its host")?;
    Ok(host.to_owned())
}
