use std::fs;

use doorward_companion::pairing::Mode;
use doorward_guard::defaults;

use super::*;

pub(super) fn places() -> Places {
    Places {
        home: "/home/u".into(),
        config: "/home/u/.config/doorward/doorward.toml".into(),
        audit: "/home/u/.local/state/doorward/audit.jsonl".into(),
        cache: "/home/u/.cache/doorward".into(),
        state: "/home/u/.local/state/doorward".into(),
        data: "/home/u/.local/share".into(),
    }
}

pub(super) fn file() -> PathBuf {
    "/etc/x/doorward.toml".into()
}

fn build(text: &str) -> Result<Config, ConfigError> {
    Written::parse(text, &file())?.build(&places())
}

fn refused(text: &str) -> String {
    build(text).unwrap_err().to_string()
}

fn same(a: &Config, b: &Config) {
    assert_eq!(
        format!("{:?}", (&a.control, &a.content, &a.sources, &a.audit_path)),
        format!("{:?}", (&b.control, &b.content, &b.sources, &b.audit_path))
    );
}

#[test]
fn nothing_written_means_the_defaults_of_the_guard() {
    let config = build("").unwrap();
    let listener = &config.control.listener;
    assert_eq!((listener.port, listener.ipv6), (0, false));
    assert_eq!(listener.connections, defaults::CONNECTIONS);
    assert_eq!(listener.cookie_line, defaults::COOKIE_LINE);
    assert_eq!(config.content.listener, *listener);
    assert!(config.control.peer_check);
    assert_eq!(config.control.sessions.idle, defaults::SESSION_IDLE);
    assert_eq!(config.control.sessions.absolute, defaults::SESSION_ABSOLUTE);
    assert_eq!(config.control.api_body, defaults::API_BODY);
    assert_eq!(
        (config.content.grants, config.content.media_drain),
        (defaults::GRANTS, defaults::MEDIA_DRAIN)
    );
    assert_eq!(config.audit_path, places().audit);
    assert!(config.sources.is_empty() && config.warnings.is_empty());
}

#[test]
fn init_parses_and_equals_the_defaults() {
    let text = init();
    same(&build(&text).unwrap(), &build("").unwrap());
    // Each key that is shown commented out is real, and shows its default.
    let bare: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let bare_config = build(&bare).unwrap();
    assert_eq!(
        bare_config.audit_path,
        Path::new("/home/u/doorward/audit.jsonl")
    );
    let without_path: String = bare
        .lines()
        .filter(|line| !line.starts_with("path ="))
        .map(|line| format!("{line}\n"))
        .collect();
    same(&build(&without_path).unwrap(), &build("").unwrap());
    for key in keys::KEYS {
        assert!(
            bare_config
                .rows
                .iter()
                .any(|row| row.key.path == key.path && row.whence != Whence::Default),
            "{}",
            key.path
        );
    }
    // The example sources as well.
    let (_, examples) = text.split_once("replace them.\n").unwrap();
    let examples: String = examples
        .lines()
        .map(|line| {
            format!(
                "{}\n",
                line.trim_start_matches("# ").trim_start_matches('#')
            )
        })
        .collect();
    let examples = examples.replace("Upstreams that", "# Upstreams that");
    let examples = examples.replace("told at the", "# told at the");
    let examples = examples.replace("Gateways that", "# Gateways that");
    let examples = examples.replace("A machine, and", "# A machine, and");
    let examples = examples.replace("A database, and", "# A database, and");
    let examples = build(&examples).unwrap();
    let kinds: Vec<_> = examples
        .sources
        .iter()
        .map(|source| source.place.kind())
        .collect();
    assert_eq!(kinds, ["folder", "s3", "s3", "gcs", "azure", "http", "s3"]);
    let gateways = examples.gateways.iter();
    let kinds: Vec<_> = gateways.map(|gateway| gateway.way.name()).collect();
    assert_eq!(kinds, ["capnp", "ssh", "postgres"]);
}

#[test]
fn unknown_keys_are_told_by_line_with_the_nearest() {
    let told = refused("[control]\nport = 1\nprot = 2\n");
    assert_eq!(
        told,
        "/etc/x/doorward.toml line 3: there is no control.prot; did you mean control.port?"
    );
    assert_eq!(
        refused("\n\n[contol]\n"),
        "/etc/x/doorward.toml line 3: there is no contol; did you mean [control]?"
    );
    assert!(refused("port = 3").ends_with("there is no port; did you mean control.port?"));
    assert!(
        refused("[audit]\nsession_idle = \"5m\"").ends_with("did you mean control.session_idle?")
    );
    assert!(refused("[control]\nzzzzzzzz = 1").ends_with("there is no control.zzzzzzzz"));
    let told =
        refused("[[source]]\nlocation = \"a\"\n[[source]]\nlocation = \"b\"\n\nlocatoin = \"c\"\n");
    assert_eq!(
        told,
        "/etc/x/doorward.toml line 6: there is no source.locatoin; did you mean source.location?"
    );
    let told = refused("[[source]]\nlocation = \"s3://abc\"\ncredentials = { access_key = \"A\" }");
    assert!(told.ends_with("line 3: there is no source.credentials.access_key; did you mean source.credentials.access_key_env?"), "{told}");
}

#[test]
fn wrong_values_are_told_by_line() {
    for (text, part) in [
        (
            "[control]\nport = \"x\"",
            "line 2: control.port: expected a port, found a string",
        ),
        (
            "[control]\nport = 65536",
            "line 2: control.port: a port is a number from 0 to 65535",
        ),
        (
            "[control]\npeer_check = 1",
            "control.peer_check: expected true or false, found a number",
        ),
        (
            "[control]\nsession_idle = 30",
            "control.session_idle: expected a time",
        ),
        (
            "[control]\nsession_idle = \"30\"",
            "control.session_idle: a time is",
        ),
        (
            "[control]\nbind = [\"0.0.0.0\"]",
            "line 2: control.bind: doorward listens on 127.0.0.1",
        ),
        ("[content]\nbind = \"192.168.0.1\"", "public-origin mode"),
        (
            "[control]\nconnections = 0",
            "control.connections: it is a number from 64 to 1024",
        ),
        ("control = 3", "write [control] on a line of its own"),
        ("[source]\nlocation = \"x\"", "headed [[source]]"),
        ("[[control]]", "write [control] on a line of its own"),
        ("[control]\nport = 1\nport = 2", "line 3: duplicate key"),
        ("[control", "line 1:"),
        ("[audit]\npath = \"\"", "audit.path: expected a path"),
    ] {
        let told = refused(text);
        assert!(told.contains(part), "{text:?}: {told}");
    }
}

#[test]
fn limits_go_down_and_going_up_says_dangerous() {
    for key in keys::KEYS {
        let (lower, higher) = match key.kind {
            keys::Kind::Count { least, most } => (least.to_string(), (most + 1).to_string()),
            keys::Kind::Time { most } => {
                ("\"1s\"".to_owned(), format!("\"{}s\"", most.as_secs() + 1))
            }
            _ => continue,
        };
        let text = |value: &str| format!("[{}]\n{} = {value}", key.table(), key.name());
        let config = build(&text(&lower)).unwrap();
        assert!(
            config
                .rows
                .iter()
                .any(|row| row.key.path == key.path && row.value == lower),
            "{}",
            key.path
        );
        let told = refused(&text(&higher));
        assert!(
            told.contains("`dangerous()`") && told.contains("line 2"),
            "{told}"
        );
    }
}

#[test]
fn the_companion_is_off_until_it_is_wanted_and_strict_about_it() {
    let off = build("").unwrap().companion;
    assert!(!off.enabled);
    assert_eq!(off.ports, doorward_companion::defaults::PORTS);
    assert_eq!((off.pairing, off.approve), (Mode::Ask, Face::Auto));
    assert_eq!((off.vault, off.schemes.len()), (VaultChoice::Keyring, 0));
    let text = "[companion]\nenabled = true\nports = [0]\npairing = \"window\"\nschemes = [\"tauri\"]\napprove = \"terminal\"\nvault = \"memory\"";
    let on = build(text).unwrap().companion;
    assert!(on.enabled);
    assert_eq!((on.ports, on.schemes), (vec![0], vec!["tauri".to_owned()]));
    assert_eq!((on.pairing, on.approve), (Mode::Window, Face::Terminal));
    assert_eq!(on.vault, VaultChoice::Memory);
    for (line, told) in [
        ("ports = []", "a list of ports"),
        ("ports = [70000]", "from 0 to 65535"),
        ("ports = \"7319\"", "a list of ports"),
        (
            "pairing = \"always\"",
            "one of \"ask\", \"window\", \"off\"",
        ),
        ("schemes = [\"https\"]", "a list of schemes"),
        ("schemes = [\"tauri://localhost\"]", "a list of schemes"),
        ("approve = true", "one of \"auto\""),
        ("vault = \"file\"", "one of \"keyring\", \"memory\""),
        ("port = 7319", "did you mean companion.ports"),
    ] {
        let refusal = refused(&format!("[companion]\n{line}"));
        assert!(
            refusal.contains(told) && refusal.contains("line 2"),
            "{refusal}"
        );
    }
    let variables = [
        ("DOORWARD_COMPANION_ENABLED", "true"),
        ("DOORWARD_COMPANION_PORTS", "7400, 0"),
        ("DOORWARD_COMPANION_VAULT", "memory"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let flags = Flags {
        companion_port: Some(0),
        approve: Some("none".to_owned()),
        ..Flags::default()
    };
    let by_environment = Written::new().environment(variables).unwrap();
    let config = by_environment.clone().build(&places()).unwrap().companion;
    assert_eq!((config.enabled, config.ports), (true, vec![7400, 0]));
    let config = by_environment.flags(&flags).unwrap().build(&places());
    let config = config.unwrap().companion;
    assert_eq!((config.ports, config.approve), (vec![0], Face::Nowhere));
}

#[test]
fn tables_of_later_versions_are_told_as_such() {
    let told = refused("[public]\norigin = \"https://x\"");
    assert!(told.contains("is not in this build"), "{told}");
}

#[test]
fn flags_win_over_environment_over_file() {
    let written = || {
        Written::parse(
            "[control]\nport = 1\n[content]\nport = 10\n[[source]]\nlocation = \"a\"",
            &file(),
        )
        .unwrap()
    };
    let env = |list: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
        list.iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    let flags = Flags {
        port: Some(3),
        sources: vec!["~/b".to_owned()],
        ..Flags::default()
    };
    let both = env(&[
        ("DOORWARD_CONTROL_PORT", "2"),
        ("DOORWARD_CONTENT_PORT", "20"),
        ("PATH", "x"),
    ]);
    let config = written()
        .environment(both.clone())
        .unwrap()
        .flags(&flags)
        .unwrap()
        .build(&places())
        .unwrap();
    assert_eq!(
        (config.control.listener.port, config.content.listener.port),
        (3, 20)
    );
    let places_of: Vec<_> = config
        .sources
        .iter()
        .map(|source| source.place.clone())
        .collect();
    assert_eq!(places_of, [Place::Folder("/home/u/b".into())]);
    let config = written()
        .environment(both)
        .unwrap()
        .build(&places())
        .unwrap();
    assert_eq!(config.control.listener.port, 2);
    assert!(config.explain().contains("DOORWARD_CONTROL_PORT"));

    let wrong = written()
        .environment(env(&[("DOORWARD_CONTROL_PORT", "http")]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "DOORWARD_CONTROL_PORT: control.port: expected a port, found a string"
    );
    let more = env(&[("DOORWARD_CONTROL_SESSION_IDLE", "2h")]);
    assert!(matches!(
        written().environment(more),
        Err(ConfigError::TooHigh { .. })
    ));
    let bind = env(&[
        ("DOORWARD_CONTROL_BIND", "127.0.0.1, ::1"),
        ("DOORWARD_CONTROL_PEER_CHECK", "false"),
        ("DOORWARD_CONTROL_PROT", "1"),
    ]);
    let config = written()
        .environment(bind)
        .unwrap()
        .build(&places())
        .unwrap();
    assert!(config.control.listener.ipv6 && !config.control.peer_check);
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
}

#[test]
fn one_port_for_both_listeners_is_refused() {
    assert!(refused("[control]\nport = 80\n[content]\nport = 80").contains("content.port"));
}

#[test]
fn sources_are_understood() {
    let config = build(concat!(
        "[[source]]\nlocation = \"pictures\"\n",
        "[[source]]\nlocation = \"/data/Pictures\"\n",
        "[[source]]\nname = \"My Scans!\"\nlocation = \"s3://scans/2026/x\"\nendpoint = \"http://nas:9000/\"\n",
        "addressing = \"path\"\nregion = \"eu\"\n",
        "[source.credentials]\naccess_key_env = \"A\"\nsecret_key_env = \"B\"\n",
        "[[source]]\nlocation = \"s3://public\"\nanonymous = true\n",
    ))
    .unwrap();
    let ids: Vec<_> = config
        .sources
        .iter()
        .map(|source| source.id.as_str())
        .collect();
    assert_eq!(ids, ["pictures", "pictures-2", "my-scans", "public"]);
    assert_eq!(
        config.sources[0].place,
        Place::Folder("/etc/x/pictures".into())
    );
    let Place::Bucket(scans) = &config.sources[2].place else {
        panic!()
    };
    assert_eq!(
        (scans.bucket.as_str(), scans.prefix.as_str()),
        ("scans", "2026/x/")
    );
    assert_eq!(scans.endpoint.as_deref(), Some("http://nas:9000"));
    assert_eq!(scans.addressing, Addressing::Path);
    assert_eq!(
        scans.credentials,
        Credentials::Variables {
            access_key: "A".to_owned(),
            secret_key: "B".to_owned(),
            session_token: None
        }
    );
    let Place::Bucket(public) = &config.sources[3].place else {
        panic!()
    };
    assert_eq!(
        (public.prefix.as_str(), &public.credentials),
        ("", &Credentials::Anonymous)
    );
    assert!(config.warnings[0].contains("not encrypted"));
}

#[test]
fn sources_that_make_no_sense_are_refused() {
    for (text, part) in [
        ("name = \"x\"", "needs a location"),
        ("location = \"gs://b\"", "write gs://bucket"),
        (
            "location = \"az://account\"",
            "write az://account/container",
        ),
        ("location = \"ftp://host/x\"", "ftp:// is nothing"),
        ("location = \"http://host/x\"", "local_networks = true"),
        ("location = \"https://u:p@host/x\"", "without user name"),
        (
            "location = \"https://host/x?a=b\"",
            "without user name and query",
        ),
        (
            "location = \"https://host\"\nregion = \"eu\"",
            "source.region: this says nothing about a web server",
        ),
        (
            "location = \"s3://abc\"\nindex = [\"a\"]",
            "says nothing about an s3:// bucket",
        ),
        (
            "location = \"https://host\"\nindex = [\"\"]",
            "a list of texts",
        ),
        (
            "location = \"https://host\"\nheaders_env = [\"X-Key\"]",
            "Header: VARIABLE",
        ),
        (
            "location = \"https://host\"\ncredentials = \"environment\"",
            "bearer_env",
        ),
        (
            "location = \"gs://abc\"\ncredentials = \"aws\"",
            "for s3:// buckets",
        ),
        (
            "location = \"gs://abc\"\nprofile = \"work\"",
            "says nothing about a gs:// bucket",
        ),
        (
            "location = \"s3://abc\"\ncredentials = \"keyring\"",
            "write key_id",
        ),
        (
            "location = \"s3://abc\"\nkey_id = \"AK\"",
            "goes with credentials = \"keyring\"",
        ),
        (
            "location = \"s3://abc\"\nprofile = \"a\"\ncredentials = \"aws\"",
            "of one kind",
        ),
        (
            "location = \"s3://abc\"\ncredentials = \"secret\"",
            "expected one of \"environment\", \"aws\", \"keyring\"",
        ),
        (
            "location = \"az://account/box\"\ncredentials = { account_key_env = \"A\", sas_env = \"B\" }",
            "of one kind",
        ),
        ("location = \"s3://\"", "write s3://bucket"),
        ("location = \"s3://a b/c\"", "write s3://bucket"),
        (
            "location = \"/x\"\nregion = \"eu\"",
            "line 3: source.region",
        ),
        (
            "location = \"s3://abc\"\nendpoint = \"ftp://x\"",
            "source.endpoint",
        ),
        (
            "location = \"s3://abc\"\nendpoint = \"https://u:p@x\"",
            "source.endpoint",
        ),
        (
            "location = \"s3://abc\"\naddressing = \"dns\"",
            "expected one of \"auto\", \"path\", \"virtual\"",
        ),
        (
            "location = \"s3://abc\"\nanonymous = true\ncredentials.access_key_env = \"A\"",
            "anonymous",
        ),
        (
            "location = \"s3://abc\"\ncredentials = { access_key_env = \"A\" }",
            "secret_key_env",
        ),
        (
            "name = \"A\"\nlocation = \"/x\"\n[[source]]\nname = \"a\"\nlocation = \"/y\"",
            "line 5: source.name: another source",
        ),
    ] {
        let told = refused(&format!("[[source]]\n{text}"));
        assert!(told.contains(part), "{text:?}: {told}");
    }
}

#[test]
fn every_kind_of_source_names_who_asks() {
    let config = build(concat!(
        "[[source]]\nlocation = \"s3://work\"\nprofile = \"w\"\n",
        "[[source]]\nlocation = \"s3://any\"\ncredentials = \"aws\"\n",
        "[[source]]\nlocation = \"s3://mine\"\nkey_id = \"AK\"\ncredentials = \"keyring\"\n",
        "[[source]]\nlocation = \"gs://bucket/a\"\ncredentials.service_account = \"key.json\"\n",
        "[[source]]\nlocation = \"gs://bucket-2\"\n[source.credentials]\nbearer_env = \"T\"\n",
        "[[source]]\nlocation = \"az://account/box/films\"\ncredentials.sas_env = \"S\"\n",
        "[[source]]\nlocation = \"http://192.168.0.9/films\"\nlocal_networks = true\nindex = [\"a.mp4\"]\n",
        "headers_env = [\"X-Key: K\", \"Cookie:C\"]\ncredentials = \"keyring\"\n",
        "[[source]]\nlocation = \"https://files.example\"\n",
    ))
    .unwrap();
    let told: Vec<_> = config
        .sources
        .iter()
        .map(|source| {
            format!(
                "{} {} {}{}",
                source.id,
                source.place.kind(),
                source.place.location(),
                source.place.asked_by()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "work s3 s3://work/, by the profile w",
            "any s3 s3://any/, by what AWS's own tools use",
            "mine s3 s3://mine/, by a secret of the keyring",
            "a gcs gs://bucket/a/, by /etc/x/key.json",
            "bucket-2 gcs gs://bucket-2/, by $T",
            "films azure az://account/box/films/, by $S",
            "films-2 http http://192.168.0.9/films/, by a secret of the keyring",
            "files-example http https://files.example/",
        ]
    );
    let Place::Web(web) = &config.sources[6].place else {
        panic!()
    };
    assert!(web.local_networks);
    assert_eq!(web.index, ["a.mp4"]);
    let headers = [("X-Key", "K"), ("Cookie", "C")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(web.headers, headers);
    assert!(config.warnings[0].contains("films-2") && config.warnings[0].contains("not encrypted"));
}

#[test]
fn t91_a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let told = refused(&format!(
        "[[source]]\nlocation = \"s3://abc\"\ncredentials = {{ access_key_env = \"A\", secret_key_env = \"{secret}\" }}"
    ));
    assert!(
        !told.contains(secret) && told.contains("not the name of an environment variable"),
        "{told}"
    );
    let told = refused(&format!(
        "[[source]]\nlocation = \"https://host/\"\nheaders_env = [\"X-Key: {secret}\"]"
    ));
    assert!(!told.contains(secret), "{told}");
}

#[test]
fn files_are_found_by_flag_variable_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, port: u16| {
        let path = folder.path().join(name);
        fs::write(
            &path,
            format!("[control]\nport = {port}\n[audit]\npath = \"log/a.jsonl\""),
        )
        .unwrap();
        path
    };
    let mut places = places();
    let port = |flags: &Flags, env: &[(OsString, OsString)], places: &Places| {
        Config::load_from(flags, env.to_vec(), places).map(|config| config.control.listener.port)
    };
    let none = Flags::default();
    places.config = folder.path().join("missing.toml");
    assert_eq!(port(&none, &[], &places).unwrap(), 0);
    places.config = at("usual.toml", 1);
    assert_eq!(port(&none, &[], &places).unwrap(), 1);
    let env = [(
        OsString::from("DOORWARD_CONFIG"),
        at("env.toml", 2).into_os_string(),
    )];
    assert_eq!(port(&none, &env, &places).unwrap(), 2);
    let flags = Flags {
        config: Some(at("flag.toml", 3)),
        ..Flags::default()
    };
    assert_eq!(port(&flags, &env, &places).unwrap(), 3);
    let config = Config::load_from(&flags, [], &places).unwrap();
    assert_eq!(config.audit_path, folder.path().join("log/a.jsonl"));
    assert_eq!(config.file, flags.config);
    let flags = Flags {
        config: Some(folder.path().join("none.toml")),
        ..Flags::default()
    };
    assert!(matches!(
        port(&flags, &[], &places),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn the_schema_knows_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    for key in keys::KEYS {
        let pointer = format!("/properties/{}/properties/{}", key.table(), key.name());
        assert!(
            schema
                .pointer(&pointer)
                .is_some_and(|key| key["description"].is_string()),
            "{pointer}"
        );
    }
    for key in keys::SOURCE_KEYS {
        let below = key
            .path
            .replacen("source.", "", 1)
            .replace('.', "/properties/");
        let pointer = format!("/properties/source/items/properties/{below}");
        assert!(schema.pointer(&pointer).is_some(), "{pointer}");
    }
    assert_eq!(
        schema["properties"]["control"]["properties"]["session_idle"]["default"],
        "30m"
    );
}

#[test]
fn everything_is_explained() {
    let config =
        build("[control]\nport = 7\npeer_check = false\n[[source]]\nlocation = \"s3://abc/d\"")
            .unwrap();
    let text = config.explain();
    for key in keys::KEYS {
        assert!(
            text.contains(key.path) && text.contains(key.about),
            "{}",
            key.path
        );
    }
    for part in [
        "doorward.toml line 2",
        "s3://abc/d/",
        "Warning: control.peer_check is off",
        "audit.jsonl",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
