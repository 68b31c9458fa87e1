//! One file for each command but `serve`.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod folders;
pub(crate) mod gateway;
pub(crate) mod init;
pub(crate) mod open;
pub(crate) mod pair;
pub(crate) mod relay;
pub(crate) mod revoke;
pub(crate) mod routes;
pub(crate) mod sessions;
pub(crate) mod source;
pub(crate) mod stop;
pub(crate) mod url;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::term::say_text;

/// `doorward completions SHELL`.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "doorward", &mut script);
    say_text(&String::from_utf8_lossy(&script))
}
