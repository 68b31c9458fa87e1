//! Values: from what is written to what is meant, and back.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::keys::Kind;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Number(i64),
    Flag(bool),
    Text(String),
    List(Vec<String>),
    Numbers(Vec<i64>),
    /// Something that no key takes, by its TOML name.
    Other(&'static str),
}

/// A value that its key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Port(u16),
    Flag(bool),
    /// Whether `::1` is listened on as well.
    Bind {
        ipv6: bool,
    },
    Time(Duration),
    Count(u64),
    Whole(i64),
    Path(PathBuf),
    Text(String),
    List(Vec<String>),
    Ports(Vec<u16>),
}

/// Why a key does not take a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no such value at all.
    Wrong(String),
    /// It is higher than configuration may go.
    TooHigh { most: String },
}

impl Raw {
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("number that is too large"), Self::Number),
            DeValue::Array(list) => {
                let texts: Option<Vec<_>> = list
                    .iter()
                    .map(|item| item.get_ref().as_str().map(str::to_owned))
                    .collect();
                let numbers = || {
                    let numbers = list
                        .iter()
                        .map(|item| match Self::from_toml(item.get_ref()) {
                            Self::Number(number) => Some(number),
                            _ => None,
                        });
                    numbers.collect::<Option<Vec<_>>>()
                };
                let texts = texts.map(Self::List);
                texts
                    .or_else(|| numbers().map(Self::Numbers))
                    .unwrap_or(Self::Other("array"))
            }
            other => Self::Other(other.type_str()),
        }
    }

    /// Reads an environment variable as `kind` would be written.
    pub(super) fn from_text(kind: Kind, text: &str) -> Self {
        let text = text.trim();
        let as_text = || Self::Text(text.to_owned());
        match kind {
            Kind::Port
            | Kind::PortElse(_)
            | Kind::Count { .. }
            | Kind::Extra { .. }
            | Kind::Whole => text.parse().map_or_else(|_| as_text(), Self::Number),
            Kind::Flag(_) => text.parse().map_or_else(|_| as_text(), Self::Flag),
            Kind::Bind | Kind::List | Kind::Schemes | Kind::Several(_) => {
                let parts = text.split(',').map(str::trim);
                Self::List(
                    parts
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned)
                        .collect(),
                )
            }
            Kind::Ports(_) => {
                let numbers = text.split(',').map(|part| part.trim().parse().ok());
                numbers
                    .collect::<Option<_>>()
                    .map_or_else(as_text, Self::Numbers)
            }
            Kind::Time { .. }
            | Kind::Path
            | Kind::Text
            | Kind::Word(_)
            | Kind::Choice(_)
            | Kind::OneOf(_) => as_text(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Flag(_) => "true or false",
            Self::Text(_) => "string",
            Self::List(_) | Self::Numbers(_) => "list",
            Self::Other(name) => name,
        }
    }
}

impl Kind {
    /// Reads what was written.
    pub(super) fn accept(self, raw: &Raw) -> Result<Value, Unfit> {
        match (self, raw) {
            (Self::Port | Self::PortElse(_), Raw::Number(number)) => u16::try_from(*number)
                .map(Value::Port)
                .map_err(|_| wrong("a port is a number from 0 to 65535")),
            (Self::Flag(_), Raw::Flag(flag)) => Ok(Value::Flag(*flag)),
            (Self::Bind, Raw::Text(one)) => bind(std::slice::from_ref(one)),
            (Self::Bind, Raw::List(list)) => bind(list),
            (Self::Time { most }, Raw::Text(text)) => {
                let time = parse_time(text).ok_or_else(|| wrong(TIME))?;
                if time > most {
                    return Err(Unfit::TooHigh {
                        most: show_time(most),
                    });
                }
                Ok(Value::Time(time))
            }
            (Self::Count { least, most }, Raw::Number(number)) => match u64::try_from(*number) {
                Ok(number) if number > most => Err(Unfit::TooHigh {
                    most: most.to_string(),
                }),
                Ok(number) if number >= least => Ok(Value::Count(number)),
                _ => Err(wrong(&format!("it is a number from {least} to {most}"))),
            },
            (Self::Extra { least, most }, Raw::Number(number)) => match u64::try_from(*number) {
                Ok(number) if number == 0 || (least..=most).contains(&number) => {
                    Ok(Value::Count(number))
                }
                _ => Err(wrong(&format!(
                    "it is 0, or a number from {least} to {most}"
                ))),
            },
            (Self::Whole, Raw::Number(number)) => Ok(Value::Whole(*number)),
            (Self::Path, Raw::Text(path)) if !path.is_empty() => Ok(Value::Path(path.into())),
            (Self::Text | Self::Word(_), Raw::Text(text)) if !text.trim().is_empty() => {
                Ok(Value::Text(text.clone()))
            }
            (Self::List, Raw::List(list)) if list.iter().all(|text| !text.trim().is_empty()) => {
                Ok(Value::List(list.clone()))
            }
            (Self::Ports(_), Raw::Numbers(list)) if !list.is_empty() => list
                .iter()
                .map(|&number| u16::try_from(number).ok())
                .collect::<Option<_>>()
                .map(Value::Ports)
                .ok_or_else(|| wrong("a port is a number from 0 to 65535")),
            (Self::Schemes, Raw::List(list)) if list.iter().all(|text| is_scheme(text)) => {
                Ok(Value::List(list.clone()))
            }
            (Self::Several(choices), Raw::List(list))
                if !list.is_empty()
                    && list.iter().enumerate().all(|(at, word)| {
                        choices.contains(&word.as_str()) && !list.iter().take(at).any(|w| w == word)
                    }) =>
            {
                Ok(Value::List(list.clone()))
            }
            (Self::Choice(choices) | Self::OneOf(choices), Raw::Text(text))
                if choices.contains(&text.as_str()) =>
            {
                Ok(Value::Text(text.clone()))
            }
            (kind, raw) => Err(wrong(&format!(
                "expected {}, found a {}",
                kind.expects(),
                raw.name()
            ))),
        }
    }

    /// What is meant when nothing is written.
    pub(super) fn default_value(self) -> Option<Value> {
        match self {
            Self::Port => Some(Value::Port(0)),
            Self::PortElse(port) => Some(Value::Port(port)),
            Self::Flag(flag) => Some(Value::Flag(flag)),
            Self::Bind => Some(Value::Bind { ipv6: false }),
            Self::Time { most } => Some(Value::Time(most)),
            Self::Count { most, .. } => Some(Value::Count(most)),
            Self::Extra { .. } => Some(Value::Count(0)),
            Self::OneOf(choices) => choices.first().map(|&first| Value::Text(first.to_owned())),
            Self::Ports(ports) => Some(Value::Ports(ports.to_vec())),
            Self::Schemes => Some(Value::List(Vec::new())),
            Self::Word(word) => Some(Value::Text(word.to_owned())),
            Self::Several(choices) => {
                let first = choices.first().map(|&first| first.to_owned());
                Some(Value::List(first.into_iter().collect()))
            }
            Self::List => Some(Value::List(Vec::new())),
            Self::Path | Self::Text | Self::Choice(_) | Self::Whole => None,
        }
    }

    /// What a value is, in words.
    pub(super) fn expects(self) -> String {
        match self {
            Self::Port | Self::PortElse(_) => "a port".to_owned(),
            Self::Flag(_) => "true or false".to_owned(),
            Self::Bind => "a list of addresses, such as [\"127.0.0.1\", \"::1\"]".to_owned(),
            Self::Time { .. } => "a time, such as \"30m\"".to_owned(),
            Self::Count { .. } | Self::Extra { .. } | Self::Whole => "a number".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Text | Self::Word(_) => "a text in quotes, not an empty one".to_owned(),
            Self::List => "a list of texts in quotes, none of them empty".to_owned(),
            Self::Ports(_) => "a list of ports, such as [7319, 7320], not an empty one".to_owned(),
            Self::Schemes => {
                "a list of schemes in small letters, without http and https, such as [\"tauri\"]"
                    .to_owned()
            }
            Self::Several(choices) => {
                format!(
                    "a list of some of \"{}\", each once",
                    choices.join("\", \"")
                )
            }
            Self::Choice(choices) | Self::OneOf(choices) => {
                format!("one of \"{}\"", choices.join("\", \""))
            }
        }
    }
}

const TIME: &str = "a time is a whole number of s, m or h in quotes, such as \"90s\", \"30m\" or \"12h\", from one second on";
const BIND: &str = "doorward listens on 127.0.0.1, and on ::1 next to it, and on nothing else: any other address would open the door to the network. To reach the console from other machines, public-origin mode behind a load balancer is the way ([public], not in this build); from one machine, `ssh -L P:127.0.0.1:P`";

fn wrong(why: &str) -> Unfit {
    Unfit::Wrong(why.to_owned())
}

/// One that may be named: pages of http and https ask without it.
fn is_scheme(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    first && rest && !matches!(text, "http" | "https" | "null" | "file" | "data" | "blob")
}

fn bind(list: &[String]) -> Result<Value, Unfit> {
    let (mut ipv4, mut ipv6) = (false, false);
    for text in list {
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address == std::net::Ipv4Addr::LOCALHOST => ipv4 = true,
            Ok(IpAddr::V6(address)) if address == std::net::Ipv6Addr::LOCALHOST => ipv6 = true,
            _ => return Err(wrong(BIND)),
        }
    }
    if !ipv4 {
        return Err(wrong(
            "127.0.0.1 must be among the addresses; ::1 may stand next to it",
        ));
    }
    Ok(Value::Bind { ipv6 })
}

fn parse_time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn show_time(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds % 3_600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3_600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

impl Value {
    /// As it is written in the file.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::Port(port) => port.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Bind { ipv6: false } => "[\"127.0.0.1\"]".to_owned(),
            Self::Bind { ipv6: true } => "[\"127.0.0.1\", \"::1\"]".to_owned(),
            Self::Time(time) => format!("\"{}\"", show_time(*time)),
            Self::Count(number) => number.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Path(path) => toml::Value::String(path.display().to_string()).to_string(),
            Self::Text(text) => toml::Value::String(text.clone()).to_string(),
            Self::List(list) => toml::Value::from(list.clone()).to_string(),
            Self::Ports(ports) => format!("{ports:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("30m", 1_800), ("12h", 43_200)] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse_time(text), Some(time));
            assert_eq!(parse_time(&show_time(time)), Some(time));
        }
        for wrong in [
            "",
            "s",
            "0s",
            "-1s",
            "+1s",
            "1",
            "1.5h",
            "1 h",
            "1d",
            "1ms",
            "é",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn t1_only_loopback_is_listened_on() {
        let bind = |list: &[&str]| {
            Kind::Bind.accept(&Raw::List(
                list.iter().map(|text| (*text).to_owned()).collect(),
            ))
        };
        assert_eq!(bind(&["127.0.0.1"]), Ok(Value::Bind { ipv6: false }));
        assert_eq!(bind(&["::1", "127.0.0.1"]), Ok(Value::Bind { ipv6: true }));
        for other in [
            "0.0.0.0",
            "::",
            "127.0.0.2",
            "192.168.1.2",
            "localhost",
            "",
            "::ffff:127.0.0.1",
            "127.1",
            "127.0.0.1:80",
        ] {
            let Err(Unfit::Wrong(why)) = bind(&["127.0.0.1", other]) else {
                panic!("{other}")
            };
            assert!(why.contains("public-origin mode"), "{why}");
        }
        assert!(bind(&["::1"]).is_err() && bind(&[]).is_err());
    }

    #[test]
    fn numbers_go_down_only() {
        let kind = Kind::Count {
            least: 10,
            most: 100,
        };
        let accept = |number| kind.accept(&Raw::Number(number));
        assert_eq!(accept(100), Ok(Value::Count(100)));
        assert_eq!(accept(10), Ok(Value::Count(10)));
        assert_eq!(
            accept(101),
            Err(Unfit::TooHigh {
                most: "100".to_owned()
            })
        );
        assert!(matches!(accept(9), Err(Unfit::Wrong(_))));
        assert!(matches!(accept(-1), Err(Unfit::Wrong(_))));
        let kind = Kind::Extra {
            least: 10,
            most: 100,
        };
        assert_eq!(kind.default_value(), Some(Value::Count(0)));
        for number in [0, 10, 100] {
            let value = Value::Count(u64::try_from(number).unwrap());
            assert_eq!(kind.accept(&Raw::Number(number)), Ok(value));
        }
        for number in [-1, 1, 9, 101] {
            let refused = kind.accept(&Raw::Number(number));
            assert!(matches!(refused, Err(Unfit::Wrong(_))), "{number}");
        }
        let kind = Kind::Time {
            most: Duration::from_secs(1_800),
        };
        let accept = |text: &str| kind.accept(&Raw::Text(text.to_owned()));
        assert_eq!(
            accept("31m"),
            Err(Unfit::TooHigh {
                most: "30m".to_owned()
            })
        );
        assert_eq!(accept("5m"), Ok(Value::Time(Duration::from_secs(300))));
    }
}
