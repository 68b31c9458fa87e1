//! `doorward check`: what takes effect, and where it comes from.

use doorward::config::{self, Config, Flags, Place, Relay, Source};
use serde_json::{Value, json};

use crate::args::Check;
use crate::failure::Failure;
use crate::term::{Paint, remark, say_json, say_text};

pub(crate) fn run(check: Check) -> Result<(), Failure> {
    if check.schema {
        return say_text(&config::schema());
    }
    let flags = Flags {
        config: check.config,
        ..Flags::default()
    };
    let config = Config::load(&flags)?;
    let missing: Vec<_> = config.sources.iter().filter_map(missing).collect();
    if check.json {
        let warnings: Vec<_> = config.warnings.iter().chain(&missing).collect();
        return say_json(&json!({
            "ok": true,
            "file": config.file,
            "sources": config.sources.iter().map(source).collect::<Vec<_>>(),
            "relays": config.relays.iter().map(relay).collect::<Vec<_>>(),
            "warnings": warnings,
        }));
    }
    say_text(&config.explain())?;
    for warning in missing {
        remark(&format!(
            "{} {warning}.",
            Paint::stderr().yellow("Warning:")
        ));
    }
    Ok(())
}

fn source(source: &Source) -> Value {
    let (kind, location) = (source.place.kind(), source.place.location());
    json!({ "id": source.id, "name": source.name, "kind": kind, "location": location })
}

fn relay(relay: &Relay) -> Value {
    json!({ "name": relay.name, "upstream": relay.upstream.to_string() })
}

fn missing(source: &Source) -> Option<String> {
    match &source.place {
        Place::Folder(path) if !path.is_dir() => Some(format!(
            "source {}: {} is not a folder",
            source.id,
            path.display()
        )),
        _ => None,
    }
}
