//! What may stand on the command line. One declaration for each flag.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use doorward::runtime::Instance;

use crate::life::parse_life;

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 69 doorward is not running, 77 refused, 78 bad configuration.
DOORWARD_LOG=debug shows what happens inside.";

/// The keeper of the door on 127.0.0.1: browse and preview folders and buckets in
/// the browser, safely.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, after_help = AFTER, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Which doorward: several can run side by side under names of their own
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub(crate) instance: Instance,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve folders and buckets to the browser, until Ctrl-C
    Serve(Box<Serve>),
    /// Open the console of the running doorward in the browser
    Open(Open),
    /// Make a URL for one file
    Url(Url),
    /// Take URLs back
    Revoke(Revoke),
    /// Upstreams that pages reach through this process: open, list and close them
    Relay(Relay),
    /// Pages that are introduced to this computer: list, approve, deny and forget them
    Pair(Pair),
    /// Folders and drives that paired pages may be granted
    Folders(Folders),
    /// Browser sessions: who is signed in
    Sessions(Sessions),
    /// The audit log: what was decided
    Audit(Audit),
    /// Every route, and the policy it stands under. Needs no running doorward
    Routes(Routes),
    /// What is configured to be served: add, list, check and remove it
    Source(Source),
    /// Check a configuration and explain what takes effect
    Check(Check),
    /// Write a commented doorward.toml
    Init(Init),
    /// Look for what could be wrong on this machine
    Doctor(Doctor),
    /// The reference gateway, for the console to sign in to: serve it, add accounts
    Gateway(Gateway),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Stop the running doorward
    Stop(Stop),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Folders, s3://bucket/prefix, gs://bucket/prefix, az://account/container or https://host/path/.
    /// Without any, here and in the configuration: this folder
    ///
    /// From the environment are read: for S3 buckets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or
    /// AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL; for Google's GOOGLE_APPLICATION_CREDENTIALS;
    /// for Azure's AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN. `doorward source add` keeps secrets
    /// in the keyring instead.
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Port of the console; 0 takes any free one
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Port of the media URLs; 0 takes any free one
    #[arg(long, value_name = "PORT")]
    pub(crate) content_port: Option<u16>,
    /// Read this configuration instead of the usual one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write the audit log to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Serve sample media, made for this run: images, video, a long PDF, hostile pages, a bucket
    #[cfg(feature = "demo")]
    #[arg(long)]
    pub(crate) demo: bool,
    /// Open the console in the browser, even where there seems to be no desktop
    #[arg(long, overrides_with = "no_open")]
    pub(crate) open: bool,
    /// Do not open the browser
    #[arg(long, overrides_with = "open")]
    pub(crate) no_open: bool,
    /// Print the console's URL only
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// End when standard input closes: for programs that start doorward as a helper
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    /// Let the console open any folder or bucket that is typed or dropped there
    #[arg(long)]
    pub(crate) console_adds_sources: bool,
    /// Let a script report how its run of the console goes. Its token is in the line that --json prints
    #[arg(long, requires = "json")]
    pub(crate) automation_report: bool,
    /// Let pages ask to be paired with this computer
    #[arg(long)]
    pub(crate) companion: bool,
    /// Port of the companion; 0 takes any free one [default: the first free of 7319 to 7323]
    #[arg(long, value_name = "PORT")]
    pub(crate) companion_port: Option<u16>,
    /// Who may ask: any page, pages after `doorward pair allow`, or none [default: ask]
    #[arg(long, value_name = "WHO", value_parser = ["ask", "window", "off"])]
    pub(crate) pairing: Option<String>,
    /// Where you are asked whether a page may be paired [default: a dialog, else this terminal, else `doorward pair approve` alone]
    #[arg(long, value_name = "WHERE", value_parser = ["auto", "dialog", "terminal", "command", "none"])]
    pub(crate) approve: Option<String>,
    /// Where pairings are kept: in the keyring of this user, or in memory, so that they end with doorward [default: keyring]
    #[arg(long, value_name = "WHERE", value_parser = ["keyring", "memory"])]
    pub(crate) vault: Option<String>,
    /// A folder that paired pages may be granted: to read, with :rw to change, with :rwd to delete in
    #[arg(long, value_name = "NAME=PATH[:rw|:rwd]")]
    pub(crate) share: Vec<String>,
    /// Let processes of other users connect. Only for port forwards, where the peer is the forwarder
    #[arg(long, hide_short_help = true)]
    pub(crate) dangerous_without_peer_check: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    pub(crate) command: Option<GatewayCommand>,
    /// Where: 127.0.0.1:PORT, where 0 is any free port, or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
    /// Who may sign in
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Add an account, or give it another password
    AddAccount(AddAccount),
}

#[derive(Debug, Args)]
pub(crate) struct AddAccount {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The file; made if it is missing
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: PathBuf,
    /// What it may do
    #[arg(long, value_name = "PROFILE", default_value = "operator", value_parser = ["operator", "guest"])]
    pub(crate) profile: String,
    /// An Ed25519 public key in base64, instead of a password
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// End every other browser session
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Print the URL instead of opening it
    #[arg(long, alias = "no-open")]
    pub(crate) print: bool,
    /// Print JSON, and open nothing
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Url {
    /// A path, s3://bucket/key, or name:key of a source that is served
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Browsers save it instead of showing it
    #[arg(long, group = "disposition")]
    pub(crate) download: bool,
    /// It may be shown in a frame
    #[arg(long, group = "disposition")]
    pub(crate) framed: bool,
    /// Active pages keep their type, inside a sandbox that runs nothing
    #[arg(long, group = "disposition")]
    pub(crate) isolated: bool,
    /// How long it works, such as 90s, 30m or 1h; at most 12h [default: 4h]
    #[arg(long, value_name = "TIME", value_parser = parse_life)]
    pub(crate) life: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) what: Revoked,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Revoked {
    /// The URL, or its id
    #[arg(value_name = "URL|ID")]
    pub(crate) grant: Option<String>,
    /// Every URL of this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Every URL
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Folders {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) command: SessionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a session at once, and everything it plays
    Revoke {
        /// The session's id, or `all`
        #[arg(value_name = "ID|all")]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the latest records
    Tail(Tail),
    /// Check that no record was changed, dropped or added
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Go on as records are written
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many records
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "COUNT",
        default_value_t = 20
    )]
    pub(crate) lines: usize,
    /// Only this kind, such as grant.minted, or all of a family: grant
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) log: Log,
}

/// Which log, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The log, where it is not the configured one
    #[arg(long = "audit", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
    /// Read this configuration instead of the usual one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Routes {
    /// Print JSON
    #[arg(long, group = "format")]
    pub(crate) json: bool,
    /// Print Markdown
    #[arg(long, group = "format")]
    pub(crate) markdown: bool,
    /// Print the OpenAPI document of what paired pages may do with folders
    #[arg(long, group = "format")]
    pub(crate) openapi: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pair {
    #[command(subcommand)]
    pub(crate) command: PairCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PairCommand {
    /// Who asks, and who is paired
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve the request that waits, by typing the code that its page shows
    Approve {
        /// The six digits that the page shows, instead of typing them
        #[arg(long, value_name = "DIGITS")]
        code: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Deny the request that waits
    Deny {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let pages ask for two minutes, beyond the limits
    Allow {
        /// Only a page of this origin, scheme://host:port
        #[arg(value_name = "ORIGIN")]
        origin: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the keyring again for the pairings that it keeps: after it was unlocked or mended
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a pairing, at once
    Forget {
        /// Its id, or `all`
        // One in sixty-four begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Relay {
    #[command(subcommand)]
    pub(crate) command: RelayCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RelayCommand {
    /// Open an upstream under a URL on 127.0.0.1
    ///
    /// WebSockets and small answers pass through this process, and so through its VPN, proxies and roots of trust. HTTPS_PROXY, ALL_PROXY and NO_PROXY of the running doorward apply.
    Add(Box<RelayAdd>),
    /// What is open
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Close an upstream: its sockets end with 1008
    Revoke {
        /// Its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RelayAdd {
    /// wss://host[:port][/base], or the name of a [[relay]] in doorward.toml
    #[arg(value_name = "URL")]
    pub(crate) upstream: String,
    /// A page that may connect, scheme://host:port; may be given again [default: any that has the URL]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// A path that is open, with all beneath it; may be given again [default: LiveKit's]
    #[arg(long = "path", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Another upstream of the same service, dialled if those before it cannot be reached; may be given again
    #[arg(long = "fallback", value_name = "URL")]
    pub(crate) fallbacks: Vec<String>,
    /// It may be on this machine or in a local network, and do without TLS
    #[arg(long)]
    pub(crate) allow_local: bool,
    /// Map URLs in LiveKit's messages, so that nothing leaves past the relay
    #[arg(long)]
    pub(crate) livekit: bool,
    /// And give its TURN servers ports here, so that media leaves the same way
    #[arg(long)]
    pub(crate) turn: bool,
    /// It ends after this, such as 30m [default: 4h, at most 12h]
    #[arg(long, value_name = "TIME", value_parser = parse_life)]
    pub(crate) life: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    #[command(subcommand)]
    pub(crate) command: SourceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Add a source to doorward.toml, and its secret to the keyring
    ///
    /// A secret is asked for on the terminal, or read from stdin; never give it on the command line.
    Add(Box<SourceAdd>),
    /// Sources of doorward.toml
    List(SourceFile),
    /// Remove a source, and its secret from the keyring
    Remove {
        /// Its id or name
        name: String,
        #[command(flatten)]
        at: SourceFile,
    },
    /// Ask a source, or all of them, for a sign of life
    Check {
        /// Its id or name
        name: Option<String>,
        #[command(flatten)]
        at: SourceFile,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SourceAdd {
    /// What to call it
    pub(crate) name: String,
    /// A folder, s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix or https://host/path/
    #[arg(value_name = "URL")]
    pub(crate) location: String,
    /// URL of the store, where it is not the cloud's own
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Region of an S3 bucket
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// AWS profile whose credentials are used
    #[arg(long, value_name = "NAME", group = "who")]
    pub(crate) profile: Option<String>,
    /// Access key; its secret is asked for, and kept in the keyring
    #[arg(long, value_name = "ID", group = "who")]
    pub(crate) key_id: Option<String>,
    /// A secret without a public half is asked for: Azure's account key or shared access signature,
    /// a service account's JSON key, a bearer token
    #[arg(long, group = "who")]
    pub(crate) secret: bool,
    /// It is public
    #[arg(long, group = "who")]
    pub(crate) anonymous: bool,
    /// The web server may be on this machine or in a local network, and speak plain http
    #[arg(long)]
    pub(crate) local_networks: bool,
    /// A file that the web server has, for the console to list; may be given again
    #[arg(long, value_name = "PATH")]
    pub(crate) index: Vec<String>,
    #[command(flatten)]
    pub(crate) at: SourceFile,
}

#[derive(Debug, Args)]
pub(crate) struct SourceFile {
    /// The configuration to edit [default: the usual one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration [default: the usual one]
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print the JSON schema of doorward.toml instead, for editors
    #[arg(long, conflicts_with_all = ["config", "json"])]
    pub(crate) schema: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it [default: the usual place]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Read this configuration instead of the usual one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether a program reads what comes.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Serve(serve) => serve.json,
            Self::Open(open) => open.json,
            Self::Url(url) => url.json,
            Self::Revoke(revoke) => revoke.json,
            Self::Folders(folders) => folders.json,
            Self::Sessions(sessions) => match sessions.command {
                SessionsCommand::List { json } | SessionsCommand::Revoke { json, .. } => json,
            },
            Self::Relay(relay) => match &relay.command {
                RelayCommand::Add(add) => add.json,
                RelayCommand::List { json } | RelayCommand::Revoke { json, .. } => *json,
            },
            Self::Pair(pair) => match &pair.command {
                PairCommand::List { json }
                | PairCommand::Approve { json, .. }
                | PairCommand::Deny { json }
                | PairCommand::Allow { json, .. }
                | PairCommand::Check { json }
                | PairCommand::Forget { json, .. } => *json,
            },
            Self::Audit(audit) => match &audit.command {
                AuditCommand::Tail(tail) => tail.log.json,
                AuditCommand::Verify(verify) => verify.log.json,
            },
            Self::Routes(routes) => routes.json,
            Self::Source(source) => match &source.command {
                SourceCommand::Add(add) => add.at.json,
                SourceCommand::List(at)
                | SourceCommand::Remove { at, .. }
                | SourceCommand::Check { at, .. } => at.json,
            },
            Self::Check(check) => check.json,
            Self::Init(init) => init.json,
            Self::Doctor(doctor) => doctor.json,
            Self::Gateway(_) | Self::Completions { .. } => false,
            Self::Stop(stop) => stop.json,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_declarations_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ids_of_pairings_may_begin_with_a_hyphen() {
        for words in [
            ["doorward", "pair", "forget", "-9EH-_a", "--json"],
            ["doorward", "pair", "forget", "--json", "--EH-_a"],
        ] {
            let Command::Pair(pair) = Cli::try_parse_from(words).unwrap().command else {
                panic!("{words:?}");
            };
            let PairCommand::Forget { id, json } = pair.command else {
                panic!("{words:?}");
            };
            assert!(json && id.ends_with("EH-_a"), "{id}");
        }
    }

    #[test]
    fn the_last_word_on_opening_wins() {
        let serve = |words: &[&str]| match Cli::try_parse_from(words).unwrap().command {
            Command::Serve(serve) => (serve.open, serve.no_open),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            serve(&["doorward", "serve", "--no-open", "--open"]),
            (true, false)
        );
        assert_eq!(
            serve(&["doorward", "serve", "--open", "--no-open"]),
            (false, true)
        );
    }
}
