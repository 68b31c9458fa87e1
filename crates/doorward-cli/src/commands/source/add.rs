//! `doorward source add`: one more `[[source]]`, and its secret into the keyring.

use doorward::config::Credentials;
use serde_json::json;
use toml_edit::{Array, Table, value};

use super::file::File;
use super::view;
use crate::args::SourceAdd;
use crate::failure::Failure;
use crate::keyring::{self, Kept, in_thread};
use crate::term::{Paint, remark, say, say_json};

/// The file is checked as it will be before anybody types a secret; it is written
/// last, so that it never names a secret that is not there.
pub(super) async fn run(add: SourceAdd) -> Result<(), Failure> {
    let mut file = File::read(add.at.config.as_deref())?;
    let source = file.append(&table(&add))?;
    let in_keyring = matches!(
        source.place.credentials(),
        Some(Credentials::Keyring { .. })
    );
    let kept = match in_keyring {
        true => {
            let secret = keyring::ask(&format!("Secret of {}", source.id))?;
            let name = keyring::of_source(&source.id);
            Some(in_thread(move || keyring::write(&name, &secret)).await?)
        }
        false => None,
    };
    if let Err(failure) = file.write() {
        if in_keyring {
            let name = keyring::of_source(&source.id);
            // What is told is why there is no such source.
            let _ = in_thread(move || keyring::remove(&name)).await;
        }
        return Err(failure);
    }
    if kept == Some(Kept::Kernel) {
        let yellow = Paint::stderr().yellow("Warning:");
        remark(&format!(
            "{yellow} no desktop keyring answers, so the kernel keeps the secret: until this machine starts again."
        ));
    }
    if add.at.json {
        let kept = kept.map(|kept| match kept {
            Kept::Desktop => "desktop",
            Kept::Kernel => "kernel",
        });
        return say_json(&json!({ "added": view(&source), "file": file.path, "keyring": kept }));
    }
    let secret = match in_keyring {
        true => " Its secret is in the keyring.",
        false => "",
    };
    say(&format!(
        "Added {} to {}.{secret} `doorward source check {}` asks it.",
        source.id,
        file.path.display(),
        source.id
    ))
}

/// As it is written into the file.
fn table(add: &SourceAdd) -> Table {
    let mut table = Table::new();
    let texts = [
        ("name", Some(&add.name)),
        ("location", Some(&add.location)),
        ("endpoint", add.endpoint.as_ref()),
        ("region", add.region.as_ref()),
        ("profile", add.profile.as_ref()),
        ("key_id", add.key_id.as_ref()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            table.insert(key, value(text));
        }
    }
    for (key, flag) in [
        ("anonymous", add.anonymous),
        ("local_networks", add.local_networks),
    ] {
        if flag {
            table.insert(key, value(true));
        }
    }
    if !add.index.is_empty() {
        table.insert("index", value(add.index.iter().collect::<Array>()));
    }
    if add.secret || add.key_id.is_some() {
        table.insert("credentials", value("keyring"));
    }
    table
}
