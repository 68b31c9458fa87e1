//! `doorward source`: what the configuration serves, and the secrets in the
//! keyring that open it.

mod add;
mod file;

use doorward::config::{self, Credentials};
use doorward::guard::Clock;
use serde_json::{Value, json};

use crate::args::{Source, SourceCommand, SourceFile};
use crate::failure::Failure;
use crate::keyring::{self, in_thread};
use crate::serve::Wanted;
use crate::term::{Paint, remark, say, say_json, say_text, table};
use file::File;

pub(crate) async fn run(source: Source) -> Result<(), Failure> {
    match source.command {
        SourceCommand::Add(add) => add::run(*add).await,
        SourceCommand::List(at) => list(&at),
        SourceCommand::Remove { name, at } => remove(&name, at).await,
        SourceCommand::Check { name, at } => check(name.as_deref(), &at).await,
    }
}

fn list(at: &SourceFile) -> Result<(), Failure> {
    let file = File::read(at.config.as_deref())?;
    if at.json {
        let sources: Vec<_> = file.sources.iter().map(view).collect();
        return say_json(&json!({ "file": file.path, "sources": sources }));
    }
    if file.sources.is_empty() {
        return say("No source is configured. `doorward source add NAME URL` adds one.");
    }
    let rows: Vec<_> = file
        .sources
        .iter()
        .map(|source| {
            vec![
                source.id.clone(),
                source.place.kind().to_owned(),
                source.place.location(),
                who(source).to_owned(),
            ]
        })
        .collect();
    let headings = ["ID", "KIND", "LOCATION", "CREDENTIALS"];
    say_text(&table(&headings, &rows, Paint::stdout()))
}

async fn remove(name: &str, at: SourceFile) -> Result<(), Failure> {
    let mut file = File::read(at.config.as_deref())?;
    let source = file.remove(name)?;
    file.write()?;
    let secret_of = keyring::of_source(&source.id);
    let secret = match source.place.credentials() {
        Some(Credentials::Keyring { .. }) => in_thread(move || keyring::remove(&secret_of))
            .await
            .map_err(Failure::from),
        _ => Ok(false),
    };
    // It is not served any more, whatever became of its secret.
    if let Err(failure) = &secret {
        let yellow = Paint::stderr().yellow("Warning:");
        remark(&format!(
            "{yellow} its secret may still be in the keyring: {failure}"
        ));
    }
    if at.json {
        return say_json(&json!({ "removed": view(&source), "secret": secret.unwrap_or(false) }));
    }
    let too = if secret.unwrap_or(false) {
        ", and its secret from the keyring"
    } else {
        ""
    };
    say(&format!(
        "Removed {} from {}{too}.",
        source.id,
        file.path.display()
    ))
}

/// Asks one source, or all of them, for a sign of life.
async fn check(name: Option<&str>, at: &SourceFile) -> Result<(), Failure> {
    let file = File::read(at.config.as_deref())?;
    let chosen: Vec<_> = match name {
        Some(name) => vec![file.find(name)?],
        None => file.sources.iter().collect(),
    };
    if chosen.is_empty() && !at.json {
        return say("No source is configured. `doorward source add NAME URL` adds one.");
    }
    let clock = Clock::system();
    let paint = Paint::stdout();
    let (mut views, mut failures) = (Vec::new(), Vec::new());
    for source in chosen {
        let outcome = sign_of_life(source, &clock).await;
        let mut shown = view(source);
        if let Value::Object(fields) = &mut shown {
            fields.insert("ok".to_owned(), outcome.is_ok().into());
            if let Err(failure) = &outcome {
                fields.insert("error".to_owned(), failure.json());
            }
        }
        if !at.json {
            let line = match &outcome {
                Ok(()) => format!("{} {}", paint.green("ok    "), source.id),
                Err(failure) => format!("{} {}: {failure}", paint.red("failed"), source.id),
            };
            say(&line)?;
        }
        views.push(shown);
        failures.extend(outcome.err());
    }
    if at.json {
        say_json(&json!({ "file": file.path, "sources": views }))?;
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure.told_already()),
        None => Ok(()),
    }
}

async fn sign_of_life(source: &config::Source, clock: &Clock) -> Result<(), Failure> {
    if let Some(Credentials::Keyring { .. }) = source.place.credentials() {
        // Asked here first: what is wrong with a keyring has names of its own.
        let name = keyring::of_source(&source.id);
        in_thread(move || keyring::read(&name).map(drop)).await?;
    }
    Wanted::read(source)?.check(clock).await
}

fn view(source: &config::Source) -> Value {
    json!({
        "id": source.id,
        "name": source.name,
        "kind": source.place.kind(),
        "location": source.place.location(),
        "credentials": who(source),
    })
}

/// Who asks, in a word.
fn who(source: &config::Source) -> &'static str {
    match source.place.credentials() {
        None => "none",
        Some(Credentials::Anonymous) => "anonymous",
        Some(Credentials::Environment) => "environment",
        Some(Credentials::Profile(_)) => "profile",
        Some(Credentials::Keyring { .. }) => "keyring",
        Some(Credentials::ServiceAccount(_)) => "service account",
        Some(_) => "variables",
    }
}
