//! `cargo xtask test`: the stages, in order.

use anyhow::{Result, bail};

use crate::shell::{cargo, node_missing, step, version};
use crate::stage::{Ending, Stage, report};
use crate::{autobahn, browser, fuzz, generate, install, place};

/// Everything builds with the test profile, so that dependencies are compiled once.
pub(crate) const PROFILE: [&str; 2] = ["--profile", "test"];

const STAGES: &[Stage] = &[
    Stage {
        name: "install",
        what: "Debian packages that the later stages use",
        run: install::run,
    },
    Stage {
        name: "fmt",
        what: "rustfmt",
        run: fmt,
    },
    Stage {
        name: "clippy",
        what: "clippy, no warnings",
        run: clippy,
    },
    Stage {
        name: "deny",
        what: "banned crates, licences, sources",
        run: deny,
    },
    Stage {
        name: "console",
        what: "packages/console: types, lint, tests, and dist is fresh",
        run: console,
    },
    Stage {
        name: "client",
        what: "packages/client: types, lint, tests",
        run: client,
    },
    Stage {
        name: "generate",
        what: "derived files are fresh",
        run: generated,
    },
    Stage {
        name: "test",
        what: "Rust tests",
        run: test,
    },
    Stage {
        name: "docs",
        what: "rustdoc without warnings, and its examples",
        run: docs,
    },
    Stage {
        name: "fuzz-smoke",
        what: "each fuzz target for 20 s",
        run: fuzz::smoke,
    },
    Stage {
        name: "browser",
        what: "Chromium, Firefox and WebKitGTK",
        run: browser::run,
    },
    Stage {
        name: "autobahn",
        what: "Autobahn's WebSocket cases, directly and through the relay",
        run: autobahn::run,
    },
];

/// What takes too long for every change.
const SOAK: &[Stage] = &[
    Stage {
        name: "companion",
        what: "ten million pairings with an attacker between page and companion",
        run: soak_companion,
    },
    Stage {
        name: "relay",
        what: "a million request targets, ten thousand closes, a hundred thousand connections",
        run: soak_relay,
    },
    Stage {
        name: "autobahn",
        what: "all of Autobahn's WebSocket cases, directly and through the relay",
        run: autobahn::soak,
    },
];

/// Prints the stages.
pub(crate) fn list() {
    for Stage { name, what, .. } in STAGES {
        println!("{name:<12} {what}");
    }
}

/// Runs the named stages, or all of them, and goes on after a failure. True if none failed.
pub(crate) fn run(names: &[&str]) -> Result<bool> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STAGES.iter().all(|stage| stage.name != **name))
    {
        bail!("there is no stage called {unknown}; `cargo xtask test --list` names them");
    }
    let strict = strict();
    let chosen = STAGES
        .iter()
        .filter(|stage| names.is_empty() || names.contains(&stage.name));
    let rows: Vec<_> = chosen.map(|stage| stage.measure(strict)).collect();
    Ok(report(&rows))
}

/// Runs what takes too long for every change. True if nothing failed.
pub(crate) fn soak() -> Result<bool> {
    let rows: Vec<_> = SOAK.iter().map(|stage| stage.measure(strict())).collect();
    Ok(report(&rows))
}

fn soak_companion() -> Result<Ending> {
    let words = "test --package doorward-companion --test relay_attacker -- t64_";
    cargo(words.split(' '))?.env("DOORWARD_SOAK", "1").run()?;
    Ok(Ending::Passed)
}

fn soak_relay() -> Result<Ending> {
    let words =
        "test --package doorward-relay --lib --test churn --test relay -- r5_no_request r14_ r30_";
    cargo(words.split(' '))?.env("DOORWARD_SOAK", "1").run()?;
    Ok(Ending::Passed)
}

/// In CI nothing may be skipped.
fn strict() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

fn fmt() -> Result<Ending> {
    cargo(["fmt", "--all", "--check"])?.run()?;
    Ok(Ending::Passed)
}

fn clippy() -> Result<Ending> {
    let words = ["clippy", "--workspace", "--all-targets"];
    cargo(
        words
            .into_iter()
            .chain(PROFILE)
            .chain(["--", "-D", "warnings"]),
    )?
    .run()?;
    Ok(Ending::Passed)
}

fn deny() -> Result<Ending> {
    if version("cargo-deny", &["--version"]).is_none() {
        // Not optimised: it runs for a second, and takes minutes less to compile.
        println!("cargo-deny is installed once, from its sources; this takes some minutes");
        cargo(["install", "cargo-deny", "--locked", "--debug"])?.run()?;
    }
    cargo([
        "deny",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ])?
    .run()?;
    Ok(Ending::Passed)
}

fn console() -> Result<Ending> {
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    package("packages/console")?;
    verdict(&generate::check_only("console")?)
}

fn client() -> Result<Ending> {
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    package("packages/client")?;
    Ok(Ending::Passed)
}

fn package(folder: &str) -> Result<()> {
    let folder = place::root()?.join(folder);
    step("npm", ["ci"])?.inside(&folder).run()?;
    step("npm", ["run", "check"])?.inside(&folder).run()?;
    step("npm", ["test"])?.inside(&folder).run()
}

fn generated() -> Result<Ending> {
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    match verdict(&generate::check()?)? {
        Ending::Passed if !generate::has_capnp() => {
            Ok(Ending::Skipped(generate::NO_CAPNP.to_owned()))
        }
        ending => Ok(ending),
    }
}

fn test() -> Result<Ending> {
    if version("cargo-nextest", &["--version"]).is_some() {
        let profile = if std::env::var_os("CI").is_some() {
            "ci"
        } else {
            "default"
        };
        cargo(["nextest", "run", "--workspace", "--profile", profile])?.run()?;
    } else {
        cargo([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ])?
        .run()?;
    }
    Ok(Ending::Passed)
}

fn docs() -> Result<Ending> {
    cargo(["doc", "--workspace", "--no-deps"])?
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    cargo(["test", "--workspace", "--doc"])?.run()?;
    Ok(Ending::Passed)
}

fn verdict(stale: &[String]) -> Result<Ending> {
    if stale.is_empty() {
        return Ok(Ending::Passed);
    }
    bail!("stale: {}; run `cargo xtask generate`", stale.join(", "));
}
