//! The binary `doorward`: runs the daemon, and talks to a running one.
//!
//! Every command ends with one of the codes of [`failure::Code`]. What people
//! read goes through [`term`], what programs read is JSON on stdout; errors are
//! one paragraph on stderr and, with `--json`, `{"error": …}` on stdout.

mod args;
mod client;
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod desktop;
mod failure;
mod keyring;
mod life;
#[cfg(all(target_os = "linux", feature = "screen-lock"))]
mod screen;
mod serve;
mod stores;
mod term;
mod vault;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use failure::Failure;

/// What is logged, unless this variable says otherwise: `warn`, `doorward=debug`.
const LOG_VARIABLE: &str = "DOORWARD_LOG";

/// Parts of others that know credentials, and never tell more than warnings.
const SILENT: [&str; 10] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_sso",
    "aws_sdk_ssooidc",
    "aws_sdk_sts",
    "aws_smithy_http",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "zbus",
];

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log();
    let json = cli.command.json();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { instance, command } = cli;
    match command {
        Command::Serve(serve) => in_the_background(serve::run(*serve, instance)),
        Command::Open(open) => wait(commands::open::run(open, instance)),
        Command::Url(url) => wait(commands::url::run(url, instance)),
        Command::Revoke(revoke) => wait(commands::revoke::run(revoke, instance)),
        Command::Relay(relay) => wait(commands::relay::run(relay, instance)),
        Command::Pair(pair) => wait(commands::pair::run(pair, instance)),
        Command::Folders(folders) => wait(commands::folders::run(&folders, instance)),
        Command::Sessions(sessions) => wait(commands::sessions::run(sessions, instance)),
        Command::Audit(audit) => wait(commands::audit::run(audit, instance)),
        Command::Routes(routes) => wait(commands::routes::run(routes)),
        Command::Source(source) => wait(commands::source::run(source)),
        Command::Check(check) => commands::check::run(check),
        Command::Init(init) => commands::init::run(&init),
        Command::Doctor(doctor) => wait(commands::doctor::run(doctor, instance)),
        Command::Completions { shell } => commands::completions(shell),
        Command::Gateway(gateway) => wait(commands::gateway::run(gateway)),
        Command::Stop(stop) => wait(commands::stop::run(stop, instance)),
    }
}

/// On one thread: commands do one thing at a time.
fn wait(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::start)?
        .block_on(work)
}

/// On all cores, and without waiting for threads that wait themselves.
fn in_the_background(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::start)?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

fn usage(error: &clap::Error) -> ExitCode {
    let told = error.print().is_ok();
    if !error.use_stderr() {
        // Help and version, as asked for.
        return ExitCode::from(u8::from(!told));
    }
    if std::env::args_os().any(|word| word == "--json") {
        let what = error.kind().to_string();
        Failure::usage(what).tell_json();
    }
    failure::Code::Usage.into()
}

fn log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    // Their requests carry tokens, which they would write down.
    let filter = SILENT.iter().fold(filter, |filter, name| {
        match format!("{name}=warn").parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        }
    });
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // It fails if there is one already, and there is none.
    let _ = logger.try_init();
}
