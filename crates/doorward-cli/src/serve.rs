//! `doorward serve`: the daemon, from the command line to the last answer.

mod announce;
mod ask;
mod count;
mod sources;
mod until;

use std::sync::Arc;

use doorward::audit_log::AuditLog;
use doorward::companion_core::defaults::VAULT_AT_START;
use doorward::companion_core::drives::DrivePlaces;
use doorward::config::{Config, Flags, VaultChoice};
use doorward::guard::audit::{AuditSink as _, Event, Kind};
use doorward::guard::{Clock, Token};
use doorward::platform::tells_tcp_peers;
use doorward::runtime::{Claim, Instance, RuntimeDir, RuntimeInfo};
use doorward::{Bridge, CompanionSettings, Keep, Opener, Serving};

use crate::args::Serve;
use crate::desktop;
use crate::failure::{Code, Failure};
use crate::term::{Paint, remark};
use crate::vault::InKeyring;
use announce::OpenRelay;
pub(crate) use sources::Wanted;
use until::Reason;

/// Serves until it is told to stop. Everything that can be wrong is found before
/// the console's URL is told.
pub(crate) async fn run(mut serve: Serve, instance: Instance) -> Result<(), Failure> {
    #[cfg(unix)]
    doorward::platform::raise_file_limit();
    let until = until::Until::new(serve.exit_with_parent)?;
    let config = load(&mut serve)?;
    let clock = Clock::system();
    // Before anything that another doorward may hold: it is the better message.
    let claim = RuntimeDir::open()?.claim(&instance)?;
    let mut wanted = sources::read(&config)?;
    sources::check(&mut wanted, &clock).await?;
    #[cfg(feature = "demo")]
    let mut config = config;
    #[cfg(feature = "demo")]
    let demo = match serve.demo {
        true => Some(crate::demo::Demo::set_up(&mut wanted, &mut config.gateways).await?),
        false => None,
    };
    let log = Arc::new(AuditLog::open(&config.audit_path, &clock)?);
    let automation = serve.automation_report.then(|| Token::random().reveal());
    let serving = open(
        &serve,
        &config,
        &instance,
        &claim,
        &log,
        &clock,
        wanted.clone(),
        automation.as_deref().and_then(|token| Token::parse(token)),
    )
    .await?;
    let info = info(&serving, &instance, &claim);
    let relays = open_relays(&serving, &config)?;
    claim.publish(&info)?;
    let token = automation.as_ref().map(|token| token.as_str());
    announce(&serve, &config, &serving, &info, &wanted, &relays, token)?;
    drop(automation);

    let reason = until.told(&serving.house()).await;
    log.record(Event::allowed(Kind::DaemonStopped, "daemon").detail(reason.word()));
    if !serve.json && !serve.quiet && reason != Reason::Asked {
        remark("Stopping. Ctrl-C again ends it at once.");
    }
    tokio::select! {
        () = serving.shutdown() => {}
        () = until.again() => {}
    }
    log.close();
    #[cfg(feature = "demo")]
    drop(demo);
    drop(claim);
    Ok(())
}

/// The configuration. Where it names no source, this folder is one.
fn load(serve: &mut Serve) -> Result<Config, Failure> {
    let flags = Flags {
        config: serve.config.take(),
        port: serve.port,
        content_port: serve.content_port,
        peer_check: serve.dangerous_without_peer_check.then_some(false),
        companion: serve.companion.then_some(true),
        companion_port: serve.companion_port,
        pairing: serve.pairing.take(),
        approve: serve.approve.take(),
        vault: serve.vault.take(),
        audit_path: serve.audit.take(),
        sources: std::mem::take(&mut serve.sources),
        shares: std::mem::take(&mut serve.share),
    };
    let config = Config::load(&flags)?;
    #[cfg(feature = "demo")]
    let is_demo = serve.demo;
    #[cfg(not(feature = "demo"))]
    let is_demo = false;
    if !config.sources.is_empty() || is_demo {
        return Ok(config);
    }
    let here = Flags {
        sources: vec![".".to_owned()],
        ..flags
    };
    Ok(Config::load(&here)?)
}

#[expect(clippy::too_many_arguments, reason = "all that a bridge is made of")]
async fn open(
    serve: &Serve,
    config: &Config,
    instance: &Instance,
    claim: &Claim,
    log: &Arc<AuditLog>,
    clock: &Clock,
    wanted: Vec<Wanted>,
    automation: Option<Token>,
) -> Result<Serving, Failure> {
    let dialer = config.egress.dialer()?;
    let gateways = config.gateways.iter();
    let gateways: Vec<_> = gateways.filter_map(|one| one.configured(&dialer)).collect();
    let mut builder = Bridge::builder()
        .config(config)
        .egress(dialer)
        .clock(clock.clone())
        .native_socket(claim.socket())
        .audit(Arc::clone(log) as _);
    for gateway in gateways {
        builder = builder.gateway(gateway);
    }
    if let Some(token) = automation {
        builder = builder.automation(token);
    }
    if config.companion.enabled {
        builder = builder.companion(companion(serve, config, instance)?);
    }
    let bridge = builder.bind().await?;
    let version = concat!("doorward ", env!("CARGO_PKG_VERSION"));
    log.decide(Event::allowed(Kind::DaemonStarted, "daemon").detail(version))?;
    let from = match config.file {
        Some(_) => "file, environment and command line",
        None => "environment and command line",
    };
    log.decide(Event::allowed(Kind::ConfigLoaded, "daemon").detail(from))?;
    let media = bridge.media();
    media.let_console_add(serve.console_adds_sources);
    for Wanted {
        id, name, location, ..
    } in wanted
    {
        media.add_source(&id, &name, location).await?;
    }
    for relay in &config.relays {
        let (upstream, options) = (relay.upstream.clone(), relay.options.clone());
        bridge.relay().configure(upstream, options);
    }
    let serving = bridge.serve();
    if let Some(companion) = serving.companion() {
        #[cfg(all(target_os = "linux", feature = "screen-lock"))]
        crate::screen::watch(companion);
        // Before any page can ask whether it is paired, unless somebody has to
        // unlock the keyring first.
        let ready = async { tokio::join!(companion.restored(), companion.drives().recover()) };
        let _ = tokio::time::timeout(VAULT_AT_START, ready).await;
    }
    Ok(serving)
}

/// Opens each `[[relay]]`, once.
fn open_relays(serving: &Serving, config: &Config) -> Result<Vec<OpenRelay>, Failure> {
    let room = serving.house();
    let open = config.relays.iter().map(|relay| {
        let (upstream, options) = (relay.upstream.clone(), &relay.options);
        let minted = room.relay().grant(upstream, options);
        let minted = minted.map_err(|error| {
            let what = format!("the relay {} cannot be opened", relay.name);
            Failure::new(Code::Failed, error.name(), what).why(error)
        })?;
        let name = relay.name.clone();
        Ok(OpenRelay { name, minted })
    });
    open.collect()
}

fn companion(
    serve: &Serve,
    config: &Config,
    instance: &Instance,
) -> Result<CompanionSettings, Failure> {
    let wanted = &config.companion;
    let keep = match wanted.vault {
        VaultChoice::Keyring => Some(Keep {
            vault: Arc::new(InKeyring),
            register: config.state_path.join(format!("pairings.{instance}.json")),
        }),
        _ => None,
    };
    Ok(CompanionSettings {
        approval: ask::approval(wanted.approve, serve)?,
        ports: wanted.ports.clone(),
        dangerous_compat: wanted.dangerous_compat,
        pairing: wanted.pairing,
        schemes: wanted.schemes.clone(),
        keep,
        folders: wanted.folders.clone(),
        drives: wanted.drives,
        drive_rights: wanted.drive_rights.clone(),
        places: DrivePlaces {
            journal: Some(config.state_path.join(format!("unfinished.{instance}"))),
            data: Some(config.data_path.clone()),
        },
        opener: Opener::default(),
    })
}

fn info(serving: &Serving, instance: &Instance, claim: &Claim) -> RuntimeInfo {
    let state = serving.state();
    RuntimeInfo {
        instance: instance.clone(),
        control: state.control,
        content: state.content,
        companion: state.companion,
        pid: std::process::id(),
        socket: claim.socket().to_owned(),
        started_at: state.started_at,
    }
}

fn announce(
    serve: &Serve,
    config: &Config,
    serving: &Serving,
    info: &RuntimeInfo,
    wanted: &[Wanted],
    relays: &[OpenRelay],
    automation: Option<&str>,
) -> Result<(), Failure> {
    let paint = Paint::stderr();
    for warning in &config.warnings {
        remark(&format!("{} {warning}.", paint.yellow("Warning:")));
    }
    if !tells_tcp_peers() && config.control.peer_check {
        remark(&format!(
            "{} this platform does not tell which user connects, so other users' processes can reach the door. Tickets, sessions and tokens still keep them out.",
            paint.yellow("Warning:")
        ));
    }
    if let Some(companion) = serving.companion() {
        let vault = companion.vault();
        if !matches!(vault.state, "memory" | "sound") {
            remark(&format!("{} {}", paint.yellow("Warning:"), vault.message));
        }
    }
    let launch = serving.launch_url(false)?;
    if serve.json {
        announce::json(info, &launch, relays, automation)?;
    } else if serve.quiet {
        announce::quiet(&launch)?;
    } else {
        announce::people(
            info,
            serving.content_lanes(),
            &launch,
            wanted,
            relays,
            config,
        )?;
        count::start(wanted);
    }
    let wants_open = serve.open || (!serve.no_open && !serve.json && desktop::is_watched());
    if wants_open && let Err(failure) = desktop::open_url(&launch) {
        // It serves all the same.
        remark(&format!("{} {failure}", paint.yellow("Warning:")));
    }
    Ok(())
}
