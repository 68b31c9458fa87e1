//! `doorward init`: a commented doorward.toml that says what the defaults say.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use doorward::config::{self, Places};
use serde_json::json;

use crate::args::Init;
use crate::failure::{Code, Failure};
use crate::term::{say, say_json};

pub(crate) fn run(init: &Init) -> Result<(), Failure> {
    let path = match &init.path {
        Some(path) if path.is_dir() => path.join("doorward.toml"),
        Some(path) => path.clone(),
        None => Places::of_user()?.config,
    };
    write(&path, init.force).map_err(|error| {
        let failure = Failure::new(
            Code::Failed,
            "init",
            format!("cannot write {}", path.display()),
        );
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure
                .why("there is one already")
                .next("--force replaces it; `doorward check` explains it."),
            _ => failure.why(error),
        }
    })?;
    if init.json {
        return say_json(&json!({ "path": path }));
    }
    say(&format!(
        "Wrote {}. Edit it, then run `doorward check`.",
        path.display()
    ))
}

fn write(path: &Path, force: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path)?.write_all(config::init().as_bytes())
}
