//! Every key of the file, declared once: the parser, the environment, `init`,
//! `check` and the schema all read this list.

use std::time::Duration;

use doorward_guard::defaults;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// `table.name`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What it does, in one or two sentences.
    pub(super) about: &'static str,
}

/// What a key's value may be, and what it is when it is not written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A TCP port; 0 is any free one.
    Port,
    /// A TCP port, this one unless it is written; 0 is any free one.
    PortElse(u16),
    /// Yes or no.
    Flag(bool),
    /// Loopback addresses.
    Bind,
    /// A time such as `"30m"`, from one second to `most`. `most` is also the
    /// default.
    Time { most: Duration },
    /// A number from `least` to `most`. `most` is also the default.
    Count { least: u64, most: u64 },
    /// A number from `least` to `most`, or 0 for none of it, which is the default.
    Extra { least: u64, most: u64 },
    /// A path. `~/` is the home folder; others are seen from the file's folder.
    Path,
    /// Any text but an empty one.
    Text,
    /// Texts, none of them empty.
    List,
    /// A text that says this unless another is written.
    Word(&'static str),
    /// One of these.
    Choice(&'static [&'static str]),
    /// One of these, the first unless it is written.
    OneOf(&'static [&'static str]),
    /// Ports, tried in their order.
    Ports(&'static [u16]),
    /// Schemes of URLs besides http and https; none unless they are written.
    Schemes,
    /// A whole number, below zero too.
    Whole,
    /// Some of these, each once; the first alone unless they are written.
    Several(&'static [&'static str]),
}

/// Tables that later versions will know.
pub(super) const LATER: &[&str] = &["public"];

/// What each table is for.
pub(super) const TABLES: &[(&str, &str)] = &[
    ("control", "The console and its API."),
    (
        "content",
        "Media addresses. Another origin than the console's, so that what is shown cannot reach it.",
    ),
    (
        "egress",
        "How stores and upstreams are reached. The loopback hop never goes through a proxy.",
    ),
    (
        "companion",
        "Pages of other origins that the person in front of this computer introduces to it.",
    ),
    ("audit", "The log of every decision."),
];

const fn time(most: Duration) -> Kind {
    Kind::Time { most }
}

const fn count(least: u64, most: usize) -> Kind {
    Kind::Count {
        least,
        most: most as u64,
    }
}

macro_rules! keys {
    ($list:ident: $($name:ident = $path:literal $kind:expr, $about:expr;)+) => {
        $(pub(super) static $name: Key = Key { path: $path, kind: $kind, about: $about };)+
        /// In the order in which they are shown.
        pub(super) static $list: &[&Key] = &[$(&$name,)+];
    };
}

const PORT: &str = "Port on 127.0.0.1; 0 takes any free one.";
const BIND: &str = "Addresses to listen on: 127.0.0.1, and ::1 if wanted. No others.";
const CONNECTIONS: &str =
    "Connections at once; the last 32 are kept for callers that prove themselves.";
const HEAD_WITHIN: &str = "A request's head arrives within this.";
const IDLE: &str = "A silent connection is closed after this.";
const REQUEST_LINE: &str = "Longest request line, in bytes.";
const HEADER_LINE: &str = "Longest header line, in bytes.";
const HEADER_COUNT: &str = "Most header lines.";
const HEADERS_TOTAL: &str = "All header lines together, in bytes.";
const COOKIE_LINE: &str = "Longest Cookie line, in bytes. Every local app's cookies arrive here.";

const EFFECTS: &[&str] = &["read", "write", "destructive"];
const RIGHTS: &[&str] = &["read", "write", "delete"];

keys! { KEYS:
    CONTROL_PORT = "control.port" Kind::Port, PORT;
    CONTROL_BIND = "control.bind" Kind::Bind, BIND;
    PEER_CHECK = "control.peer_check" Kind::Flag(true), "Only processes of the same user may connect (Linux). Turn it off only behind a port forward.";
    SESSION_IDLE = "control.session_idle" time(defaults::SESSION_IDLE), "A session without input ends after this.";
    SESSION_ABSOLUTE = "control.session_absolute" time(defaults::SESSION_ABSOLUTE), "A session ends after this, used or not.";
    CONTROL_CONNECTIONS = "control.connections" count(64, defaults::CONNECTIONS), CONNECTIONS;
    IN_FLIGHT = "control.in_flight" count(1, defaults::IN_FLIGHT), "Requests of one part of the API that run at once.";
    CONTROL_HEAD_WITHIN = "control.head_within" time(defaults::HEAD_WITHIN), HEAD_WITHIN;
    CONTROL_IDLE = "control.idle_keep_alive" time(defaults::IDLE_KEEP_ALIVE), IDLE;
    BODY_WITHIN = "control.body_within" time(defaults::BODY_WITHIN), "A request's body arrives within this.";
    API_DRAIN = "control.api_drain" time(defaults::API_DRAIN), "An answer is taken by the browser within this.";
    API_BODY = "control.api_body" Kind::Count { least: 1024, most: defaults::API_BODY }, "Longest request body, in bytes.";
    CONTROL_REQUEST_LINE = "control.request_line" count(256, defaults::REQUEST_LINE), REQUEST_LINE;
    CONTROL_HEADER_LINE = "control.header_line" count(256, defaults::HEADER_LINE), HEADER_LINE;
    CONTROL_COOKIE_LINE = "control.cookie_line" count(256, defaults::COOKIE_LINE), COOKIE_LINE;
    CONTROL_HEADER_COUNT = "control.header_count" count(24, defaults::HEADER_COUNT), HEADER_COUNT;
    CONTROL_HEADERS_TOTAL = "control.headers_total" count(4096, defaults::HEADERS_TOTAL), HEADERS_TOTAL;
    CONTENT_PORT = "content.port" Kind::Port, PORT;
    CONTENT_BIND = "content.bind" Kind::Bind, BIND;
    CONTENT_CONNECTIONS = "content.connections" count(64, defaults::CONNECTIONS), CONNECTIONS;
    CONTENT_HEAD_WITHIN = "content.head_within" time(defaults::HEAD_WITHIN), HEAD_WITHIN;
    CONTENT_IDLE = "content.idle_keep_alive" time(defaults::IDLE_KEEP_ALIVE), IDLE;
    MEDIA_DRAIN = "content.media_drain" time(defaults::MEDIA_DRAIN), "A paused player keeps its connection for this long.";
    GRANTS = "content.grants" count(1, defaults::GRANTS), "Media addresses that are live at once.";
    DISK_CACHE = "content.disk_cache_mib" Kind::Extra { least: 16, most: 1024 * 1024 }, "MiB of disk for what stores gave and memory has no room for; 0 for none. It lies in doorward's cache folder, without a name and sealed, and ends with doorward.";
    CONTENT_REQUEST_LINE = "content.request_line" count(256, defaults::REQUEST_LINE), REQUEST_LINE;
    CONTENT_HEADER_LINE = "content.header_line" count(256, defaults::HEADER_LINE), HEADER_LINE;
    CONTENT_COOKIE_LINE = "content.cookie_line" count(256, defaults::COOKIE_LINE), COOKIE_LINE;
    CONTENT_HEADER_COUNT = "content.header_count" count(24, defaults::HEADER_COUNT), HEADER_COUNT;
    CONTENT_HEADERS_TOTAL = "content.headers_total" count(4096, defaults::HEADERS_TOTAL), HEADERS_TOTAL;
    EGRESS_PROXY = "egress.proxy" Kind::Word("environment"), "\"environment\" for what http_proxy, https_proxy, all_proxy and no_proxy say, \"none\", or the URL of one for everything: http, https, socks5 or socks5h. With a password it is set by its variable, never here.";
    EGRESS_NO_PROXY = "egress.no_proxy" Kind::List, "What a proxy that is named here is not asked for, as in no_proxy: \"example.com\", \".example.com\", \"10.0.0.0/8\".";
    EGRESS_ROOTS = "egress.roots" Kind::List, "PEM files with certificates to trust besides the platform's.";
    COMPANION_ENABLED = "companion.enabled" Kind::Flag(false), "Pages may ask to be paired with this computer.";
    COMPANION_PORTS = "companion.ports" Kind::Ports(&doorward_companion::defaults::PORTS), "Ports on 127.0.0.1 that are tried in this order; pages look for these. 0 takes any free one.";
    COMPANION_COMPAT = "companion.dangerous_compat" Kind::OneOf(&["none", "sambee"]), "Opens the local API of Sambee's own companion besides, for its pages as they are. Weaker: they are paired without a commitment, and prove themselves by the time alone. Folders and rights hold there too, and each pairing is asked for all of them.";
    COMPAT_PORT = "companion.compat_port" Kind::PortElse(doorward_companion::defaults::COMPAT_PORT), "Its port on 127.0.0.1. Those pages know no other than 21549; 0 takes any free one.";
    COMPANION_PAIRING = "companion.pairing" Kind::OneOf(&["ask", "window", "off"]), "Who may ask: any page, pages within two minutes of `doorward pair allow`, or none. Who is paired stays so.";
    COMPANION_SCHEMES = "companion.schemes" Kind::Schemes, "Schemes besides http and https whose pages may ask, such as \"tauri\".";
    COMPANION_APPROVE = "companion.approve" Kind::OneOf(&["auto", "dialog", "terminal", "command", "none"]), "Where the person is asked: a dialog, the terminal that doorward runs in, only `doorward pair approve`, or nowhere. auto takes the first of these that there is. `doorward pair approve` answers too, unless it is none.";
    COMPANION_VAULT = "companion.vault" Kind::OneOf(&["keyring", "memory"]), "Where pairings are kept: in this user's keyring, or in memory, so that they end with doorward.";
    COMPANION_DRIVES = "companion.drives" Kind::OneOf(&["none", "removable", "all"]), "Drives that pages may be granted by their names, besides the folders below: none, sticks and cards, or all of them, the whole disk included.";
    COMPANION_DRIVE_RIGHTS = "companion.drive_rights" Kind::Several(RIGHTS), "The most that any page may do on those drives.";
    AUDIT_PATH = "audit.path" Kind::Path, "The file that is written to. Unless set, audit.jsonl in doorward's state folder.";
}

keys! { SOURCE_KEYS:
    SOURCE_NAME = "source.name" Kind::Text, "What it is called. Unless set, the last part of its location.";
    SOURCE_LOCATION = "source.location" Kind::Text, "A folder, s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix, or https://host/path/.";
    SOURCE_ENDPOINT = "source.endpoint" Kind::Text, "URL of the store, where it is not the cloud's own.";
    SOURCE_REGION = "source.region" Kind::Text, "Region of an S3 bucket. Unless set, its profile's, or the one that the bucket names.";
    SOURCE_ADDRESSING = "source.addressing" Kind::Choice(&["auto", "path", "virtual"]), "Where an S3 bucket's name goes: into the path, or before the host. Unless set, chosen by endpoint and name.";
    SOURCE_LOCAL_NETWORKS = "source.local_networks" Kind::Flag(false), "A web server may be on this machine or in a local network, and may speak plain http.";
    SOURCE_INDEX = "source.index" Kind::List, "What a web server has, for the console to list: it lists nothing itself.";
    SOURCE_HEADERS = "source.headers_env" Kind::List, "What else is sent to a web server, as \"Header: VARIABLE\": environment variables hold the values.";
    SOURCE_ANONYMOUS = "source.anonymous" Kind::Flag(false), "It is public: requests are not signed.";
    SOURCE_PROFILE = "source.profile" Kind::Text, "AWS profile whose credentials and region are used: keys, SSO, a role, a program.";
    SOURCE_KEY_ID = "source.key_id" Kind::Text, "The public half of an access key whose secret is in the keyring.";
    SOURCE_CREDENTIALS = "source.credentials" Kind::Choice(&["environment", "aws", "keyring"]), "Where the credentials are: the cloud's usual variables, whatever AWS's own tools use, or this user's keyring (`doorward source add`). Or a table of the keys below.";
    SOURCE_ACCESS_KEY = "source.credentials.access_key_env" Kind::Text, "Environment variable that holds the access key. Secrets never stand in this file.";
    SOURCE_SECRET_KEY = "source.credentials.secret_key_env" Kind::Text, "Environment variable that holds the secret key.";
    SOURCE_TOKEN = "source.credentials.session_token_env" Kind::Text, "Environment variable that holds the session token, where there is one.";
    SOURCE_BEARER = "source.credentials.bearer_env" Kind::Text, "Environment variable that holds a bearer token, for gs://, az:// and web servers.";
    SOURCE_ACCOUNT_KEY = "source.credentials.account_key_env" Kind::Text, "Environment variable that holds the key of an az:// account.";
    SOURCE_SAS = "source.credentials.sas_env" Kind::Text, "Environment variable that holds a shared access signature for az://.";
    SOURCE_SERVICE_ACCOUNT = "source.credentials.service_account" Kind::Path, "JSON key file of a service account, for gs://.";
}

keys! { FOLDER_KEYS:
    FOLDER_NAME = "companion.folder.name" Kind::Text, "What pages call it. Unless set, the last part of its path.";
    FOLDER_PATH = "companion.folder.path" Kind::Path, "Where it is.";
    FOLDER_RIGHTS = "companion.folder.rights" Kind::Several(RIGHTS), "The most that any page may do in it. Each page has what the person granted it of these.";
}

keys! { RELAY_KEYS:
    RELAY_NAME = "relay.name" Kind::Text, "What it is called: `doorward relay add NAME` opens it again. Unless set, its host.";
    RELAY_UPSTREAM = "relay.upstream" Kind::Text, "wss://host[:port][/base]";
    RELAY_FALLBACKS = "relay.fallbacks" Kind::List, "More upstreams of the same service, dialled in turn.";
    RELAY_ORIGINS = "relay.origins" Kind::List, "Pages that may connect, as scheme://host:port. Unless set, any that has the URL.";
    RELAY_PATHS = "relay.paths" Kind::List, "Paths that are open, with all beneath them. Unless set, LiveKit's.";
    RELAY_LOCAL = "relay.local_networks" Kind::Flag(false), "It may be on this machine or in a local network, and do without TLS.";
    RELAY_LIVEKIT = "relay.livekit" Kind::Flag(false), "URLs in LiveKit's messages are mapped, so that nothing leaves past the relay.";
    RELAY_TURN = "relay.turn" Kind::Flag(false), "And its TURN servers get ports here, so that media leaves the same way.";
    RELAY_PINS = "relay.pins" Kind::List, "Keys of the server, as curl's --pinnedpubkey has them: \"sha256//BASE64\". Unless set, whichever the platform trusts.";
    RELAY_LIFE = "relay.life" time(doorward_relay::defaults::GRANT_LIFE_MOST), "Its URL ends after this.";
}

keys! { GATEWAY_KEYS:
    GATEWAY_NAME = "gateway.name" Kind::Text, "What it is called in the console.";
    GATEWAY_KIND = "gateway.kind" Kind::OneOf(&["capnp", "ssh", "postgres"]), "What it speaks.";
    GATEWAY_ADDRESS = "gateway.address" Kind::Text, "host:port, or unix: and the path of a socket.";
    GATEWAY_ALLOW = "gateway.allow" Kind::List, "Other addresses that the console may turn it to. No others can be reached.";
    GATEWAY_SESSION = "gateway.session" time(doorward_operator::defaults::SESSION), "Of ssh and postgres: a session ends after this.";
    GATEWAY_HOST_KEYS = "gateway.host_keys" Kind::List, "Of ssh: keys of the host, as in its .pub files, or their fingerprints (\"SHA256:...\"). No other host is believed.";
    GATEWAY_KEY = "gateway.key" Kind::Path, "Of ssh: the file of a private key to sign in with, which only you may read. It stays on this computer.";
    GATEWAY_DATABASE = "gateway.database" Kind::Text, "Of postgres: the name of the database.";
    GATEWAY_TLS = "gateway.tls" Kind::OneOf(&["auto", "always"]), "Of postgres: where TLS is spoken. auto leaves it out on this computer alone; a socket has none.";
}

keys! { COMMAND_KEYS:
    COMMAND_NAME = "gateway.command.name" Kind::Text, "What calls name: letters, digits, - and _.";
    COMMAND_LABEL = "gateway.command.label" Kind::Text, "What people read. Unless set, its name.";
    COMMAND_EFFECT = "gateway.command.effect" Kind::OneOf(EFFECTS), "What it does over there, which each command has to say. What is destructive is asked about again.";
    COMMAND_RUN = "gateway.command.run" Kind::List, "The program and its arguments, one text each. One that is {name} is replaced by that field.";
    COMMAND_WITHIN = "gateway.command.within" time(doorward_operator::defaults::RUNNING), "After this it is told to end, and nobody waits for it any more.";
}

keys! { LAUNCH_KEYS:
    LAUNCH_PROFILE = "gateway.launch.profile" Kind::Text, "What calls name: letters, digits, - and _.";
    LAUNCH_LABEL = "gateway.launch.label" Kind::Text, "What people read. Unless set, its profile.";
    LAUNCH_SUMMARY = "gateway.launch.summary" Kind::Text, "A sentence for people.";
    LAUNCH_PROBE = "gateway.launch.probe" Kind::List, "A program and its arguments that ends with 0 if it runs.";
    LAUNCH_START = "gateway.launch.start" Kind::List, "A program and its arguments that starts it, and ends.";
}

keys! { STATEMENT_KEYS:
    STATEMENT_NAME = "gateway.statement.name" Kind::Text, "What calls name: letters, digits, - and _.";
    STATEMENT_LABEL = "gateway.statement.label" Kind::Text, "What people read. Unless set, its name.";
    STATEMENT_EFFECT = "gateway.statement.effect" Kind::OneOf(EFFECTS), "What it does over there. One that reads runs in a read-only transaction; what is destructive is asked about again.";
    STATEMENT_SQL = "gateway.statement.sql" Kind::Text, "One statement, in which $1 is the first field, and so on.";
    STATEMENT_WITHIN = "gateway.statement.within" time(doorward_operator::defaults::RUNNING), "The server is told to end it after this.";
}

keys! { FIELD_KEYS:
    FIELD_NAME = "gateway.field.name" Kind::Text, "What calls name: letters, digits, - and _.";
    FIELD_LABEL = "gateway.field.label" Kind::Text, "What people read. Unless set, its name.";
    FIELD_KIND = "gateway.field.kind" Kind::OneOf(&["line", "text", "secret", "number", "choice", "flag"]), "What it takes. Commands take no texts of several lines and no secrets.";
    FIELD_LEAST = "gateway.field.least" Kind::Whole, "The least number.";
    FIELD_MOST = "gateway.field.most" Kind::Whole, "The largest number; of texts, the most bytes.";
    FIELD_CHOICES = "gateway.field.choices" Kind::List, "What may be chosen.";
    FIELD_PATTERN = "gateway.field.pattern" Kind::Text, "A regular expression that the whole text matches.";
    FIELD_WORD = "gateway.field.word" Kind::Text, "Of a command's flag: the argument that is there if it is set.";
    FIELD_DASH = "gateway.field.dash" Kind::Flag(false), "Of a command's line or number: it may begin with a dash. Only where the program takes no option: after a \"--\" that it knows.";
    FIELD_OPTIONAL = "gateway.field.optional" Kind::Flag(false), "It may be left out.";
}

/// A list of tables within one of a list: `[[gateway.command]]`.
#[derive(Debug)]
pub(super) struct Nested {
    /// The list that it is within.
    pub(super) within: &'static str,
    pub(super) name: &'static str,
    /// What its keys begin with.
    pub(super) path: &'static str,
    pub(super) keys: &'static [&'static Key],
}

pub(super) static COMMAND: Nested = Nested {
    within: "gateway",
    name: "command",
    path: "gateway.command",
    keys: COMMAND_KEYS,
};
pub(super) static LAUNCH: Nested = Nested {
    within: "gateway",
    name: "launch",
    path: "gateway.launch",
    keys: LAUNCH_KEYS,
};
pub(super) static STATEMENT: Nested = Nested {
    within: "gateway",
    name: "statement",
    path: "gateway.statement",
    keys: STATEMENT_KEYS,
};
pub(super) static COMMAND_FIELD: Nested = Nested {
    within: "gateway.command",
    name: "field",
    path: "gateway.field",
    keys: FIELD_KEYS,
};
pub(super) static STATEMENT_FIELD: Nested = Nested {
    within: "gateway.statement",
    name: "field",
    path: "gateway.field",
    keys: FIELD_KEYS,
};

/// All of them.
pub(super) static NESTED: &[&Nested] = &[
    &COMMAND,
    &LAUNCH,
    &STATEMENT,
    &COMMAND_FIELD,
    &STATEMENT_FIELD,
];

impl Key {
    /// The name within its table.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The table it stands in.
    pub(super) fn table(&self) -> &'static str {
        self.path
            .strip_suffix(self.name())
            .and_then(|table| table.strip_suffix('.'))
            .unwrap_or("")
    }

    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("DOORWARD_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// The key of `path` in `list`.
pub(super) fn find(list: &'static [&'static Key], path: &str) -> Option<&'static Key> {
    list.iter().copied().find(|key| key.path == path)
}

/// The name among `names` that `wrong` was probably meant to be.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = (wrong.chars().count() / 3).max(2);
    names
        // A name that was only begun, or went on too long, is close as well.
        .map(
            |name| match wrong.len() > 2 && (name.starts_with(wrong) || wrong.starts_with(name)) {
                true => (1, name),
                false => (distance(wrong, name), name),
            },
        )
        .filter(|(distance, _)| *distance <= close)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, dropped or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<_> = b.chars().collect();
    let mut row: Vec<_> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (above, right) in row.iter().skip(1).zip(&b) {
            let cost = usize::from(left != *right);
            before = (diagonal + cost).min(before + 1).min(above + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_single_and_in_known_tables() {
        let mut seen = std::collections::BTreeSet::new();
        let nested = [COMMAND_KEYS, LAUNCH_KEYS, STATEMENT_KEYS, FIELD_KEYS];
        let lists = KEYS.iter().chain(SOURCE_KEYS).chain(FOLDER_KEYS);
        for key in lists
            .chain(GATEWAY_KEYS)
            .chain(nested.into_iter().flatten())
        {
            assert!(seen.insert(key.path), "{}", key.path);
            assert!(key.about.ends_with('.'), "{}", key.path);
        }
        for key in KEYS {
            assert!(
                TABLES.iter().any(|(table, _)| *table == key.table()),
                "{}",
                key.path
            );
        }
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = || ["port", "peer_check", "session_idle"].into_iter();
        for (wrong, meant) in [
            ("prot", "port"),
            ("peercheck", "peer_check"),
            ("sessionIdle", "session_idle"),
            ("ports", "port"),
            ("session", "session_idle"),
        ] {
            assert_eq!(nearest(wrong, names()), Some(meant));
        }
        assert_eq!(nearest("colour", names()), None);
        assert_eq!(
            (
                distance("", "abc"),
                distance("abc", "abc"),
                distance("kitten", "sitting")
            ),
            (3, 0, 3)
        );
    }
}
