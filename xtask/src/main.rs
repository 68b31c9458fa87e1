//! The chores of this repository. It depends on almost nothing, so that `cargo xtask` starts at once.

mod autobahn;
mod bench;
mod browser;
mod fuzz;
mod generate;
mod install;
mod place;
mod programs;
mod shell;
mod stage;
mod suite;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [STAGE...] [--list]   install what the tests need, then run every stage, or only those named
cargo xtask generate [--check]         write every derived file, or name those that are stale
cargo xtask soak                       what takes too long for every change, all of it for the relay
cargo xtask screenshots                take the pictures in docs/screenshots from `doorward serve --demo`
cargo xtask bench drives|gateway|guard|media|relay [--quick]  measure speed and memory beside nginx, haproxy and others, into
                                       benches/ and PERFORMANCE.md; a quick look is only printed
cargo xtask bench profile              where the time goes in the rows of media that are missed, into benches/PROFILE.md
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", "--list"] => {
            suite::list();
            Ok(true)
        }
        ["test", stages @ ..] => suite::run(stages),
        ["generate"] => generate::write().map(|()| true),
        ["generate", "--check"] => generate::check().map(|stale| stale.is_empty()),
        ["bench", words @ ..] => bench::run(words).map(|()| true),
        ["soak"] => suite::soak(),
        ["screenshots"] => browser::screenshots().map(|()| true),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("error: {cause:#}");
            ExitCode::FAILURE
        }
    }
}
