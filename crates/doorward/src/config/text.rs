//! The configuration in words: a commented file, a listing, a schema.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::keys::{
    self, FOLDER_KEYS, GATEWAY_KEYS, KEYS, Key, Kind, Nested, RELAY_KEYS, SOURCE_KEYS, TABLES,
};

const HEAD: &str = "\
# doorward.toml
#
# Every line that is commented out shows the default. Keys that do not exist are
# refused; `doorward check` explains what takes effect. The command line wins over
# the environment (DOORWARD_CONTROL_PORT for `port` in [control]), and that over
# this file. Limits can be lowered here, never raised.
";

const SOURCES: &str = "
# What is served, a table for each. SOURCEs on the command line replace them.
#
# [[source]]
# location = \"~/Pictures\"
#
# [[source]]
# name = \"Scans\"
# location = \"s3://bucket/prefix\"
# endpoint = \"https://s3.example.com\"
# region = \"eu-central-1\"
# addressing = \"path\"
# anonymous = false
# credentials = { access_key_env = \"SCANS_KEY\", secret_key_env = \"SCANS_SECRET\" }
#
# [[source]]
# location = \"s3://work-films\"
# profile = \"work\"  # of ~/.aws/config: keys, SSO, a role or a program
#
# [[source]]
# location = \"gs://bucket/prefix\"
# credentials = { service_account = \"~/keys/reader.json\" }
#
# [[source]]
# location = \"az://account/container/prefix\"
# credentials = { account_key_env = \"AZURE_STORAGE_KEY\" }
#
# [[source]]
# location = \"https://files.example.com/films/\"  # lists nothing: files are opened by name
# index = [\"trailer.mp4\", \"2026/launch.mp4\"]
# headers_env = [\"X-Api-Key: FILES_KEY\"]
#
# [[source]]
# name = \"Archive\"
# location = \"s3://archive\"
# key_id = \"AKIAIOSFODNN7EXAMPLE\"
# credentials = \"keyring\"  # `doorward source add` asks for the secret and puts it there
";

const FOLDERS: &str = "
# Folders that paired pages may be granted by their names, a table for each.
#
# [[companion.folder]]
# name = \"Photos\"
# path = \"~/Pictures\"
# rights = [\"read\"]  # and \"write\", \"delete\"
";

const RELAYS: &str = "
# Upstreams that pages reach through this process, a table for each; their URLs are
# told at the start, and by `doorward relay add NAME`.
#
# [[relay]]
# name = \"meet\"
# upstream = \"wss://livekit.example.com\"
# origins = [\"https://meet.example.com\"]
# livekit = true
# turn = true
";

const GATEWAYS: &str = "
# Gateways that the console signs in to, a table for each.
#
# [[gateway]]
# name = \"lab\"
# kind = \"capnp\"
# address = \"127.0.0.1:2327\"  # or unix:/run/user/1000/gateway
# allow = [\"10.0.0.7:2327\"]
#
# A machine, and the commands that may be run there.
#
# [[gateway]]
# name = \"web server\"
# kind = \"ssh\"
# address = \"10.0.0.8:22\"
# host_keys = [\"SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ\"]
# key = \"~/.ssh/id_ed25519\"
#
# [[gateway.command]]
# name = \"log\"
# label = \"Last lines of a service\"
# effect = \"read\"
# run = [\"journalctl\", \"--no-pager\", \"-n\", \"{lines}\", \"-u\", \"{unit}\"]
# field = [
#   { name = \"unit\", kind = \"choice\", choices = [\"nginx\", \"ssh\"] },
#   { name = \"lines\", kind = \"number\", least = 1, most = 500 },
# ]
#
# [[gateway.launch]]
# profile = \"nginx\"
# probe = [\"systemctl\", \"is-active\", \"nginx\"]
# start = [\"sudo\", \"systemctl\", \"start\", \"nginx\"]
#
# A database, and the statements that may be sent to it.
#
# [[gateway]]
# name = \"shop\"
# kind = \"postgres\"
# address = \"127.0.0.1:5432\"
# database = \"shop\"
#
# [[gateway.statement]]
# name = \"orders\"
# label = \"Orders since a day\"
# sql = \"select id, total, placed from orders where placed >= $1 order by placed\"
# field = [{ name = \"since\", label = \"Since\", most = 10, pattern = '[0-9]{4}-[0-9]{2}-[0-9]{2}' }]
";

/// A commented `doorward.toml` that says what the defaults say: what `doorward
/// init` writes.
#[must_use]
pub fn init() -> String {
    let mut text = HEAD.to_owned();
    for (table, about) in TABLES {
        line(&mut text, &format!("\n# {about}\n[{table}]"));
        for key in KEYS.iter().filter(|key| key.table() == *table) {
            line(&mut text, &format!("# {}{}", key.about, most(key)));
            let value = key.kind.default_value().map(|value| value.toml());
            let value = value.unwrap_or_else(|| "\"~/doorward/audit.jsonl\"".to_owned());
            line(&mut text, &format!("#{} = {value}", key.name()));
        }
    }
    text.push_str(FOLDERS);
    text.push_str(SOURCES);
    text.push_str(RELAYS);
    text.push_str(GATEWAYS);
    text
}

/// The JSON schema (2020-12) of `doorward.toml`, for editors.
#[must_use]
pub fn schema() -> String {
    let mut tables = Map::new();
    for (name, about) in TABLES {
        let keys = KEYS.iter().copied().filter(|key| key.table() == *name);
        tables.insert((*name).to_owned(), table(about, keys, &[]));
    }
    let of = |name: &'static str| {
        SOURCE_KEYS
            .iter()
            .copied()
            .filter(move |key| key.table() == name)
    };
    let mut source = table(
        "A folder, bucket or web server that is served.",
        of("source"),
        &["location"],
    );
    if let Some(Json::Object(keys)) = source.get_mut("properties") {
        // A word, or a table.
        let word = keys.remove("credentials").unwrap_or_default();
        let part = |name| word.get(name).cloned().unwrap_or_default();
        let mut credentials = table("", of("source.credentials"), &[]);
        if let Json::Object(both) = &mut credentials {
            both.insert("description".to_owned(), part("description"));
            both.insert("type".to_owned(), json!(["string", "object"]));
            both.insert("if".to_owned(), json!({ "type": "string" }));
            both.insert("then".to_owned(), json!({ "enum": part("enum") }));
        }
        keys.insert("credentials".to_owned(), credentials);
    }
    tables.insert(
        "source".to_owned(),
        json!({ "type": "array", "items": source }),
    );
    let folder = table(
        "A folder that paired pages may be granted.",
        FOLDER_KEYS.iter().copied(),
        &["path"],
    );
    if let Some(Json::Object(companion)) = tables
        .get_mut("companion")
        .and_then(|table| table.get_mut("properties"))
    {
        companion.insert(
            "folder".to_owned(),
            json!({ "type": "array", "items": folder }),
        );
    }
    let relay = table(
        "An upstream that pages reach through this process.",
        RELAY_KEYS.iter().copied(),
        &["upstream"],
    );
    tables.insert(
        "relay".to_owned(),
        json!({ "type": "array", "items": relay }),
    );
    let mut gateway = table(
        "A gateway that the console signs in to.",
        GATEWAY_KEYS.iter().copied(),
        &["name", "address"],
    );
    let mut command = part(
        "Of ssh: a command that may be run.",
        &keys::COMMAND,
        &["name", "run"],
    );
    let mut statement = part(
        "Of postgres: a statement that may be sent.",
        &keys::STATEMENT,
        &["name", "sql"],
    );
    let field = part("What it takes.", &keys::COMMAND_FIELD, &["name"]);
    put_list(&mut command, &keys::COMMAND_FIELD, &field);
    put_list(&mut statement, &keys::STATEMENT_FIELD, &field);
    let launch = part(
        "Of ssh: what can be launched.",
        &keys::LAUNCH,
        &["profile", "probe", "start"],
    );
    put_list(&mut gateway, &keys::COMMAND, &command);
    put_list(&mut gateway, &keys::LAUNCH, &launch);
    put_list(&mut gateway, &keys::STATEMENT, &statement);
    tables.insert(
        "gateway".to_owned(),
        json!({ "type": "array", "items": gateway }),
    );
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "doorward.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": tables,
    });
    // Maps with text keys always have a JSON form.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn explain(config: &Config) -> String {
    let mut text = match &config.file {
        Some(file) => format!("{}\n", file.display()),
        None => "No file: defaults, environment and command line.\n".to_owned(),
    };
    let width = |of: &dyn Fn(&super::Row) -> usize| config.rows.iter().map(of).max().unwrap_or(0);
    let keys = width(&|row| row.key.path.len());
    let values = width(&|row| row.value.chars().count()).min(40);
    for (table, about) in TABLES {
        line(&mut text, &format!("\n[{table}] {about}"));
        for row in config.rows.iter().filter(|row| row.key.table() == *table) {
            let (key, value, whence) = (row.key.path, &row.value, row.whence.to_string());
            line(
                &mut text,
                &format!(
                    "  {key:keys$}  {value:values$}  {whence:<12}  {}",
                    row.key.about
                ),
            );
        }
    }
    line(&mut text, "\nSources");
    if config.sources.is_empty() {
        line(
            &mut text,
            "  none: name some with [[source]], or on the command line",
        );
    }
    for source in &config.sources {
        let (place, who) = (source.place.location(), source.place.asked_by());
        line(
            &mut text,
            &format!("  {}  {place}{who}  {}", source.id, source.whence),
        );
    }
    if !config.companion.folders.is_empty() {
        line(&mut text, "\nFolders for paired pages");
    }
    for folder in &config.companion.folders {
        let rights: Vec<_> = folder.rights.iter().map(|right| right.name()).collect();
        let (name, path) = (folder.name.as_str(), folder.path.display());
        line(
            &mut text,
            &format!("  {name}  {path}  {}", rights.join(", ")),
        );
    }
    if !config.relays.is_empty() {
        line(&mut text, "\nRelays");
    }
    for relay in &config.relays {
        line(
            &mut text,
            &format!("  {}  {}  {}", relay.name, relay.upstream, relay.whence),
        );
    }
    if !config.gateways.is_empty() {
        line(&mut text, "\nGateways");
    }
    for gateway in &config.gateways {
        let places: Vec<_> = gateway
            .places
            .iter()
            .map(|(text, _)| text.as_str())
            .collect();
        line(
            &mut text,
            &format!(
                "  {}  {}  {}",
                gateway.name,
                places.join(", "),
                gateway.whence
            ),
        );
    }
    for warning in &config.warnings {
        line(&mut text, &format!("\nWarning: {warning}."));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}

fn most(key: &Key) -> &'static str {
    match key.kind {
        Kind::Time { .. } | Kind::Count { .. } => " Can only be lowered.",
        _ => "",
    }
}

fn table(about: &str, keys: impl Iterator<Item = &'static Key>, required: &[&str]) -> Json {
    let properties: Map<_, _> = keys
        .map(|key| (key.name().to_owned(), property(key)))
        .collect();
    json!({
        "type": "object",
        "description": about,
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn part(about: &str, nested: &Nested, required: &[&str]) -> Json {
    table(about, nested.keys.iter().copied(), required)
}

/// Puts a list of tables into one.
fn put_list(table: &mut Json, nested: &Nested, items: &Json) {
    if let Some(Json::Object(properties)) = table.get_mut("properties") {
        properties.insert(
            nested.name.to_owned(),
            json!({ "type": "array", "items": items }),
        );
    }
}

fn property(key: &Key) -> Json {
    let mut property = match key.kind {
        Kind::Port => json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX, "default": 0 }),
        Kind::PortElse(port) => {
            json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX, "default": port })
        }
        Kind::Flag(flag) => json!({ "type": "boolean", "default": flag }),
        Kind::Bind => json!({
            "type": "array",
            "items": { "enum": ["127.0.0.1", "::1"] },
            "contains": { "const": "127.0.0.1" },
            "default": ["127.0.0.1"],
        }),
        Kind::Time { .. } => json!({ "type": "string", "pattern": "^[0-9]+[smh]$" }),
        Kind::Count { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most, "default": most })
        }
        Kind::Extra { least, most } => json!({
            "type": "integer",
            "anyOf": [{ "const": 0 }, { "minimum": least, "maximum": most }],
            "default": 0,
        }),
        Kind::Path | Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Word(word) => json!({ "type": "string", "minLength": 1, "default": word }),
        Kind::Whole => json!({ "type": "integer" }),
        Kind::List => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::OneOf(choices) => json!({ "enum": choices, "default": choices.first() }),
        Kind::Ports(ports) => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0, "maximum": u16::MAX },
            "minItems": 1,
            "default": ports,
        }),
        Kind::Several(choices) => json!({
            "type": "array",
            "items": { "enum": choices },
            "minItems": 1,
            "uniqueItems": true,
            "default": choices.get(..1),
        }),
        Kind::Schemes => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[a-z][a-z0-9+.-]*$" },
            "default": [],
        }),
    };
    if let Some(map) = property.as_object_mut() {
        if let (Kind::Time { .. }, Some(time)) = (key.kind, key.kind.default_value()) {
            let time = time.toml().trim_matches('"').to_owned();
            map.insert("default".to_owned(), Json::String(time));
        }
        map.insert("description".to_owned(), Json::String(key.about.to_owned()));
    }
    property
}
