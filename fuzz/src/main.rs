//! One binary for all targets: the crates are built with the sanitizers once.
//! `DOORWARD_FUZZ` names the target.

#![no_main]

use std::sync::OnceLock;

use doorward_testkit::fuzz_targets::{TARGETS, Target, find};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("DOORWARD_FUZZ").unwrap_or_default();
        let Some(target) = find(&name) else {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("Set DOORWARD_FUZZ to one of: {}", names.join(", "));
            std::process::exit(64);
        };
        TARGET.get_or_init(|| target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
