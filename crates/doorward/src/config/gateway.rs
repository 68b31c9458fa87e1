//! Gateways: what the console signs in to.

use std::collections::BTreeSet;
use std::sync::Arc;

use doorward_egress::Dialer;
use doorward_operator::declared::Undeclared;
use doorward_operator::postgres::{Database, PostgresGateway};
use doorward_operator::rpc::CapnpGateway;
use doorward_operator::ssh::{HostKeys, Machine, SshGateway};
use doorward_operator::{Configured, NotAPlace, Place};

use super::Places;
use super::error::{ConfigError, Whence};
use super::keys::{self, Key, Nested};
use super::value::Value;
use super::written::Entry;

/// A gateway and the addresses that it may be turned to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Gateway {
    /// What it is called: no two are equal.
    pub name: String,
    /// What it speaks, and what is declared of it.
    pub way: Way,
    /// Its addresses, as they were written; the first is its own.
    pub places: Vec<(String, Place)>,
    /// Where that was written.
    pub whence: Whence,
}

/// What a gateway speaks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Way {
    /// Cap'n Proto RPC.
    Capnp,
    /// SSH.
    Ssh(Arc<Machine>),
    /// PostgreSQL's protocol.
    Postgres {
        /// What is asked there.
        database: Arc<Database>,
        /// Whether TLS is spoken on this computer as well.
        always_tls: bool,
    },
}

pub(super) fn build(entries: &[Entry], places: &Places) -> Result<Vec<Gateway>, ConfigError> {
    let mut names = BTreeSet::new();
    entries
        .iter()
        .map(|entry| {
            let gateway = entry.gateway(places)?;
            if !names.insert(gateway.name.clone()) {
                let why = format!(
                    "another gateway is called {} already: give each a name of its own",
                    gateway.name
                );
                return Err(entry.wrong(&keys::GATEWAY_NAME, &why));
            }
            Ok(gateway)
        })
        .collect()
}

impl Entry {
    fn gateway(&self, places: &Places) -> Result<Gateway, ConfigError> {
        let settings = &self.settings;
        let name = settings.text(&keys::GATEWAY_NAME).unwrap_or_default();
        if name.is_empty() || name.chars().any(char::is_control) || name.len() > NAME {
            let why = format!("a gateway needs a name of at most {NAME} characters");
            return Err(self.wrong(&keys::GATEWAY_NAME, &why));
        }
        let Some(address) = settings.text(&keys::GATEWAY_ADDRESS) else {
            let why = "a gateway needs an address, such as \"127.0.0.1:2327\"";
            return Err(self.wrong(&keys::GATEWAY_ADDRESS, why));
        };
        let read = |key, text: String| {
            let place = Place::parse(&text)
                .map_err(|error| self.wrong(key, &format!("{text:?}: {error}")))?;
            Ok((text, place))
        };
        let mut there = vec![read(&keys::GATEWAY_ADDRESS, address)?];
        for address in settings.list(&keys::GATEWAY_ALLOW) {
            there.push(read(&keys::GATEWAY_ALLOW, address)?);
        }
        let kind = settings.text(&keys::GATEWAY_KIND);
        let kind = kind.as_deref().unwrap_or_default();
        self.stray(kind)?;
        let way = match kind {
            "ssh" => Way::Ssh(Arc::new(self.machine(places)?)),
            "postgres" => {
                let always_tls = settings.text(&keys::GATEWAY_TLS).as_deref() == Some("always");
                if always_tls
                    && there
                        .iter()
                        .any(|(_, place)| matches!(place, Place::Unix(_)))
                {
                    let why = "a socket has no TLS: leave this out, or write host:port";
                    return Err(self.wrong(&keys::GATEWAY_TLS, why));
                }
                Way::Postgres {
                    database: Arc::new(self.database()?),
                    always_tls,
                }
            }
            _ => Way::Capnp,
        };
        Ok(Gateway {
            name,
            way,
            places: there,
            whence: self.whence.clone(),
        })
    }

    /// Refuses what says nothing about a gateway of this kind.
    fn stray(&self, kind: &str) -> Result<(), ConfigError> {
        let mut own = OWN.iter().filter(|(_, kinds)| !kinds.contains(&kind));
        let written = own.find(|(key, _)| self.settings.written(key).is_some());
        if let Some((key, _)) = written {
            let why = format!("this says nothing about a gateway of kind {kind}");
            return Err(self.wrong(key, &why));
        }
        for (nested, key, of) in &PARTS {
            if let Some(part) = self.parts(nested).next().filter(|_| kind != *of) {
                let why = format!("a gateway of kind {kind} has none of these");
                return Err(part.wrong(key, &why));
            }
        }
        Ok(())
    }

    fn machine(&self, places: &Places) -> Result<Machine, ConfigError> {
        let settings = &self.settings;
        let host_keys = settings.list(&keys::GATEWAY_HOST_KEYS);
        if host_keys.is_empty() {
            let why = "a gateway of kind ssh needs the keys of its host: `ssh-keyscan HOST` shows them, and whoever runs the host can say whether they are right";
            return Err(self.wrong(&keys::GATEWAY_HOST_KEYS, why));
        }
        let host_keys = HostKeys::parse(host_keys.iter().map(String::as_str))
            .map_err(|error| self.wrong(&keys::GATEWAY_HOST_KEYS, &error.to_string()))?;
        let commands = self.parts(&keys::COMMAND).map(Self::command);
        let launches = self.parts(&keys::LAUNCH).map(Self::launch);
        let commands = commands.collect::<Result<Vec<_>, _>>()?;
        let launches = launches.collect::<Result<Vec<_>, _>>()?;
        let wrong = |error: Undeclared| self.wrong(&keys::GATEWAY_KIND, &error.to_string());
        let mut machine = Machine::new(host_keys, commands)
            .and_then(|machine| machine.launches(launches))
            .map_err(wrong)?;
        if let Some((Value::Path(path), whence)) = settings.written(&keys::GATEWAY_KEY) {
            machine = machine.key(places.absolute(path, whence));
        }
        if let Some(Value::Time(time)) = settings.value(&keys::GATEWAY_SESSION) {
            machine = machine.session(time);
        }
        Ok(machine)
    }

    fn database(&self) -> Result<Database, ConfigError> {
        let settings = &self.settings;
        let Some(name) = settings.text(&keys::GATEWAY_DATABASE) else {
            let why = "a gateway of kind postgres needs the name of its database";
            return Err(self.wrong(&keys::GATEWAY_DATABASE, why));
        };
        let statements = self.parts(&keys::STATEMENT).map(Self::statement);
        let statements = statements.collect::<Result<Vec<_>, _>>()?;
        let mut database = Database::new(&name, statements)
            .map_err(|error| self.wrong(&keys::GATEWAY_DATABASE, &error.to_string()))?;
        if let Some(Value::Time(time)) = settings.value(&keys::GATEWAY_SESSION) {
            database = database.session(time);
        }
        Ok(database)
    }
}

// === impl Gateway ===

impl Gateway {
    /// One that no file names: of the demonstration.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn at(name: &str, address: &str) -> Result<Self, NotAPlace> {
        Ok(Self {
            name: name.to_owned(),
            way: Way::Capnp,
            places: vec![(address.to_owned(), Place::parse(address)?)],
            whence: Whence::Default,
        })
    }

    /// For [`BridgeBuilder::gateway`](crate::BridgeBuilder::gateway). Nothing is
    /// connected before somebody signs in. Of `dialer` counts whom it trusts.
    #[must_use]
    pub fn configured(&self, dialer: &Dialer) -> Option<Configured> {
        let mut places = self.places.iter();
        let (address, place) = places.next()?;
        let first = Configured::new(&self.name, address, self.way.open(place, dialer));
        Some(places.fold(first, |configured, (address, place)| {
            configured.also(address, self.way.open(place, dialer))
        }))
    }
}

impl Way {
    /// As the file says it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capnp => "capnp",
            Self::Ssh(_) => "ssh",
            Self::Postgres { .. } => "postgres",
        }
    }

    fn open(&self, place: &Place, dialer: &Dialer) -> Arc<dyn doorward_operator::Gateway> {
        let place = place.clone();
        match self {
            Self::Capnp => Arc::new(CapnpGateway::new(place)),
            Self::Ssh(machine) => Arc::new(SshGateway::new(place, dialer, Arc::clone(machine))),
            Self::Postgres {
                database,
                always_tls,
            } => {
                let gateway = PostgresGateway::new(place, dialer, Arc::clone(database));
                Arc::new(match always_tls {
                    true => gateway.always_with_tls(),
                    false => gateway,
                })
            }
        }
    }
}

/// It is a heading in the console.
const NAME: usize = 64;

/// Keys that not every kind has.
static OWN: [(&Key, &[&str]); 5] = [
    (&keys::GATEWAY_SESSION, &["ssh", "postgres"]),
    (&keys::GATEWAY_HOST_KEYS, &["ssh"]),
    (&keys::GATEWAY_KEY, &["ssh"]),
    (&keys::GATEWAY_DATABASE, &["postgres"]),
    (&keys::GATEWAY_TLS, &["postgres"]),
];

/// Lists that one kind has.
static PARTS: [(&Nested, &Key, &str); 3] = [
    (&keys::COMMAND, &keys::COMMAND_NAME, "ssh"),
    (&keys::LAUNCH, &keys::LAUNCH_PROFILE, "ssh"),
    (&keys::STATEMENT, &keys::STATEMENT_NAME, "postgres"),
];

#[cfg(test)]
mod tests {
    use doorward_egress::{AddressPolicy, Trust};

    use super::super::Config;
    use super::super::tests::{file, places};
    use super::super::written::Written;
    use super::*;

    fn build(text: &str) -> Result<Config, ConfigError> {
        Written::parse(text, &file())?.build(&places())
    }

    const PRINT: &str = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";

    fn ssh(more: &str) -> String {
        format!(
            "[[gateway]]\nname = \"a\"\nkind = \"ssh\"\naddress = \"h:22\"\nhost_keys = [\"{PRINT}\"]\n{more}"
        )
    }

    fn postgres(more: &str) -> String {
        format!(
            "[[gateway]]\nname = \"a\"\nkind = \"postgres\"\naddress = \"h:5432\"\ndatabase = \"d\"\n{more}"
        )
    }

    #[test]
    fn a_gateway_says_where_it_is_and_where_it_may_be() {
        let config = build(
            r#"
            [[gateway]]
            name = "lab"
            kind = "capnp"
            address = "127.0.0.1:2327"
            allow = ["10.0.0.7:2327", "unix:/run/gate"]

            [[gateway]]
            name = "here"
            address = "unix:/run/user/1000/gateway"
            "#,
        )
        .unwrap();
        let [lab, here] = config.gateways.as_slice() else {
            panic!("{:?}", config.gateways)
        };
        assert_eq!((lab.name.as_str(), lab.places.len()), ("lab", 3));
        assert!(matches!(here.places[0].1, Place::Unix(_)));
        let dialer = Dialer::new(AddressPolicy::public(), Trust::platform());
        assert!(lab.configured(&dialer).is_some());
    }

    #[test]
    fn commands_and_statements_belong_to_their_gateway() {
        let command = "[[gateway.command]]\nname = \"log\"\neffect = \"read\"\nrun = [\"tail\", \"-n\", \"{n}\", \"--\", \"{file}\"]\nfield = [{ name = \"n\", kind = \"number\", least = 1, most = 9 }, { name = \"file\", most = 64, pattern = \"[a-z]+\" }]\n";
        let statement = "[[gateway.statement]]\nname = \"rows\"\nsql = \"select $1\"\n[[gateway.statement.field]]\nname = \"x\"\n";
        let launch = "[[gateway.launch]]\nprofile = \"x\"\nprobe = [\"a\"]\nstart = [\"b\"]\n";
        let text = format!(
            "{}{launch}{}",
            ssh(&format!("session = \"5m\"\nkey = \"id\"\n{command}")),
            postgres(&format!("tls = \"always\"\n{statement}")).replace("\"a\"", "\"b\"")
        );
        let config = build(&text).unwrap();
        let ways: Vec<_> = config.gateways.iter().map(|one| one.way.name()).collect();
        assert_eq!(ways, ["ssh", "postgres"]);
        let shown = format!("{:?}", config.gateways[0].way);
        assert!(
            shown.contains("/etc/x/id") && shown.contains("300s"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_gateway_is_told_by_line() {
        let named = "[[gateway]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n";
        for (text, part) in [
            (
                "[[gateway]]\naddress = \"127.0.0.1:1\"",
                "gateway.name: a gateway needs",
            ),
            (
                "[[gateway]]\nname = \"a\"",
                "gateway.address: a gateway needs",
            ),
            (
                "[[gateway]]\nname = \"a\"\naddress = \"x\"",
                "line 3: gateway.address: \"x\"",
            ),
            (
                &format!("{named}allow = [\"127.1:1\"]"),
                "line 4: gateway.allow",
            ),
            (&format!("{named}kind = \"telnet\""), "line 4: gateway.kind"),
            (&format!("{named}{named}"), "another gateway is called a"),
            (
                &format!("{named}adress = \"x\""),
                "did you mean gateway.address?",
            ),
            ("[gateway]\nname = \"a\"", "headed [[gateway]]"),
            (
                &format!("{named}database = \"d\""),
                "line 4: gateway.database: this says nothing about a gateway of kind capnp",
            ),
            (
                &format!("{named}[[gateway.command]]\nname = \"x\""),
                "line 5: gateway.command.name: a gateway of kind capnp has none",
            ),
        ] {
            let told = build(text).unwrap_err().to_string();
            assert!(told.contains(part), "{text:?}: {told}");
        }
    }

    #[test]
    fn what_cannot_be_declared_is_told_by_line() {
        let command = |more: &str| {
            ssh(&format!(
                "[[gateway.command]]\nname = \"x\"\neffect = \"write\"\n{more}"
            ))
        };
        let field = |more: &str| {
            command(&format!(
                "run = [\"p\", \"{{a}}\"]\nfield = [{{ name = \"a\", {more} }}]"
            ))
        };
        let statement =
            |more: &str| postgres(&format!("[[gateway.statement]]\nname = \"x\"\n{more}"));
        for (text, part) in [
            (
                ssh("").replace(PRINT, "MD5:00"),
                "line 5: gateway.host_keys: \"MD5:00\": write the key",
            ),
            (
                ssh("").replace("host_keys", "allow").replace(PRINT, "h:1"),
                "gateway.host_keys: a gateway of kind ssh needs",
            ),
            (
                postgres("").replace("database = \"d\"", ""),
                "gateway.database: a gateway of kind postgres needs",
            ),
            (command(""), "gateway.command.run: a command is a program"),
            (
                command("run = [\"p\", \"--x={a}\"]\nfield = [{ name = \"a\" }]"),
                "line 9: gateway.command.run: {a} has to be an element",
            ),
            (
                command("run = [\"p\", \"{b}\"]"),
                "line 9: gateway.command.run: {b} is no field",
            ),
            (
                command("rum = [\"p\"]"),
                "did you mean gateway.command.run?",
            ),
            (
                command("run = [\"p\"]\nwithin = \"15s\""),
                "gateway.command.within is at most 14s",
            ),
            (field("kind = \"secret\""), "everybody there can read"),
            (field("kind = \"flag\""), "needs the word"),
            (
                field("kind = \"choice\""),
                "gateway.field.choices: a needs 1 to 64",
            ),
            (
                field("kind = \"number\", least = 1"),
                "gateway.field.most: a number needs its least and its most",
            ),
            (field("most = -1"), "gateway.field.most: a takes nothing"),
            (
                field("pattern = \"(\""),
                "gateway.field.pattern: the pattern of a",
            ),
            (
                field("kind = \"number\", least = 1, most = 2, choices = [\"x\"]"),
                "gateway.field.choices: a field of kind number has none",
            ),
            (
                ssh(
                    "[[gateway.command]]\nname = \"x\"\neffect = \"read\"\nrun = [\"p\"]\n[[gateway.command]]\nname = \"x\"\neffect = \"read\"\nrun = [\"p\"]",
                ),
                "\"x\" is declared twice",
            ),
            (
                ssh("[[gateway.command]]\nname = \"x\"\nrun = [\"rm\"]"),
                "gateway.command.effect: a command says what it does",
            ),
            (
                field("kind = \"number\", least = -1, most = 2"),
                "gateway.command.run: a may be below zero",
            ),
            (
                field("kind = \"flag\", word = \"-v\", dash = true"),
                "gateway.field.dash: a field of kind flag has none",
            ),
            (
                statement("sql = \"select $1\"\nfield = [{ name = \"a\", dash = true }]"),
                "gateway.field.dash: a statement reads no dash",
            ),
            (
                postgres("tls = \"always\"").replace("h:5432", "unix:/run/s"),
                "line 6: gateway.tls: a socket has no TLS",
            ),
            (
                ssh("[[gateway.launch]]\nprofile = \"x\"\nprobe = [\"p\"]"),
                "gateway.launch.start: a command is a program",
            ),
            (statement(""), "gateway.statement.sql: a statement is"),
            (
                statement("sql = \"select 1\"\nfield = [{ name = \"a\" }]"),
                "line 8: gateway.statement.sql: the field a is nowhere",
            ),
            (
                statement("sql = \"select $1\"\nfield = [{ name = \"slot\" }]"),
                "gateway.field.name: \"slot\" cannot be the name of a field",
            ),
            (
                ssh("[[gateway.statement]]\nname = \"x\"\nsql = \"select 1\""),
                "gateway.statement.name: a gateway of kind ssh has none",
            ),
        ] {
            let told = build(&text).unwrap_err().to_string();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
