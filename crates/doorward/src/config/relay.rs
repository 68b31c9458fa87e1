//! Relays: upstreams that pages reach through this process.

use std::collections::BTreeSet;

use doorward_egress::SpkiPin;
use doorward_guard::{Origin, Origins};
use doorward_relay::{LiveKit, Messages, Paths, RelayOptions, Upstream, defaults};

use super::error::{ConfigError, Whence};
use super::keys::{self, Key};
use super::value::Value;
use super::written::Entry;

/// An upstream that is open from the start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Relay {
    /// What it is called: no two are equal.
    pub name: String,
    /// Where it is.
    pub upstream: Upstream,
    /// For whom, and what is open of it.
    pub options: RelayOptions,
    /// Where that was written.
    pub whence: Whence,
}

pub(super) fn build(entries: &[Entry]) -> Result<Vec<Relay>, ConfigError> {
    let mut names = BTreeSet::new();
    entries
        .iter()
        .map(|entry| {
            let relay = entry.relay()?;
            if !names.insert(relay.name.clone()) {
                let why = format!(
                    "another relay is called {} already: give each a name of its own",
                    relay.name
                );
                return Err(entry.wrong(&keys::RELAY_NAME, &why));
            }
            Ok(relay)
        })
        .collect()
}

impl Entry {
    fn relay(&self) -> Result<Relay, ConfigError> {
        let settings = &self.settings;
        let Some(url) = settings.text(&keys::RELAY_UPSTREAM) else {
            let why = "a relay needs an upstream, such as \"wss://livekit.example.com\"";
            return Err(self.wrong(&keys::RELAY_UPSTREAM, why));
        };
        let local_networks = settings.flag(&keys::RELAY_LOCAL);
        let read = |key: &Key, url: &str| {
            let upstream = Upstream::parse(url)
                .map_err(|error| self.wrong(key, &format!("{url:?} is {error}")))?;
            if !upstream.target().is_tls() && !local_networks {
                return Err(self.wrong(key, "without TLS is for upstreams of local networks: write wss://, or local_networks = true"));
            }
            Ok(upstream)
        };
        let upstream = read(&keys::RELAY_UPSTREAM, &url)?;
        let fallbacks = settings.list(&keys::RELAY_FALLBACKS);
        if fallbacks.len() > defaults::FALLBACKS {
            let why = format!("at most {} are dialled", defaults::FALLBACKS);
            return Err(self.wrong(&keys::RELAY_FALLBACKS, &why));
        }
        let fallbacks: Result<Vec<_>, _> = fallbacks
            .iter()
            .map(|url| read(&keys::RELAY_FALLBACKS, url))
            .collect();
        let mut options = RelayOptions {
            fallbacks: fallbacks?,
            local_networks,
            plain: local_networks,
            pins: self.pins()?,
            ..RelayOptions::livekit(self.origins()?)
        };
        let paths = settings.list(&keys::RELAY_PATHS);
        if paths.iter().any(|path| !path.starts_with('/')) {
            return Err(self.wrong(&keys::RELAY_PATHS, "a path begins with a slash"));
        }
        if !paths.is_empty() {
            options.paths = Paths::beneath(paths.iter().map(String::as_str));
        }
        let turn = settings.flag(&keys::RELAY_TURN);
        if turn || settings.flag(&keys::RELAY_LIVEKIT) {
            options.messages = Messages::LiveKit(LiveKit {
                turn,
                ..LiveKit::default()
            });
        }
        if let Some(Value::Time(life)) = settings.value(&keys::RELAY_LIFE) {
            options.life = life;
        }
        let name = settings.text(&keys::RELAY_NAME);
        let name = name.unwrap_or_else(|| upstream.target().host().to_owned());
        if name.contains("://") || name.chars().any(char::is_control) || name.len() > NAME {
            let why = format!("a name has at most {NAME} characters, and is no URL");
            return Err(self.wrong(&keys::RELAY_NAME, &why));
        }
        options.name = Some(name.as_str().into());
        Ok(Relay {
            name,
            upstream,
            options,
            whence: self.whence.clone(),
        })
    }

    fn origins(&self) -> Result<Origins, ConfigError> {
        let written = self.settings.list(&keys::RELAY_ORIGINS);
        let origins: Option<Vec<_>> = written.iter().map(|text| Origin::parse(text)).collect();
        match origins {
            Some(none) if none.is_empty() => Ok(Origins::Any),
            Some(exact) => Ok(Origins::Exact(exact)),
            None => Err(self.wrong(
                &keys::RELAY_ORIGINS,
                "a page is named by its origin, such as \"https://meet.example.com\": no path, no slash at its end",
            )),
        }
    }

    fn pins(&self) -> Result<Vec<SpkiPin>, ConfigError> {
        let written = self.settings.list(&keys::RELAY_PINS);
        let pins: Option<_> = written.iter().map(|text| SpkiPin::parse(text)).collect();
        pins.ok_or_else(|| {
            let why = "write \"sha256//\" and the 44 characters of base64 that stand for the SHA-256 of the server's public key";
            self.wrong(&keys::RELAY_PINS, why)
        })
    }
}

/// A host is never longer.
const NAME: usize = 253;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Config;
    use super::super::tests::{file, places};
    use super::super::written::Written;
    use super::*;

    fn build(text: &str) -> Result<Config, ConfigError> {
        Written::parse(text, &file())?.build(&places())
    }

    #[test]
    fn a_relay_says_what_is_open_and_for_whom() {
        let config = build(
            r#"
            [[relay]]
            name = "meet"
            upstream = "wss://livekit.example.com/base"
            fallbacks = ["wss://eu.livekit.example.com"]
            origins = ["https://meet.example.com", "tauri://localhost"]
            paths = ["/rtc"]
            turn = true
            pins = ["sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
            life = "1h"

            [[relay]]
            upstream = "ws://127.0.0.1:7880"
            local_networks = true
            "#,
        )
        .unwrap();
        let [meet, local] = config.relays.as_slice() else {
            panic!("{:?}", config.relays)
        };
        let RelayOptions {
            name,
            origins,
            fallbacks,
            local_networks,
            plain,
            pins,
            messages,
            life,
            ..
        } = &meet.options;
        assert_eq!(
            (meet.name.as_str(), name.as_deref()),
            ("meet", Some("meet"))
        );
        assert_eq!(meet.upstream.to_string(), "wss://livekit.example.com");
        assert_eq!(meet.upstream.base(), "/base");
        assert_eq!(fallbacks.len(), 1);
        assert!(matches!(origins, Origins::Exact(two) if two.len() == 2));
        assert!(!local_networks && !plain);
        assert_eq!(*pins, [SpkiPin([0; 32])]);
        assert!(matches!(
            messages,
            Messages::LiveKit(LiveKit { turn: true, .. })
        ));
        assert_eq!(*life, Duration::from_secs(3_600));

        assert_eq!(local.name, "127.0.0.1");
        assert!(local.options.local_networks && local.options.plain);
        assert!(matches!(local.options.origins, Origins::Any));
        assert_eq!(local.options.messages, Messages::Untouched);
        assert_eq!(local.options.life, defaults::GRANT_LIFE_MOST);
        assert!(
            config
                .explain()
                .contains("  meet  wss://livekit.example.com  ")
        );
    }

    #[test]
    fn what_is_no_relay_is_told_by_line() {
        let upstream = "[[relay]]\nupstream = \"wss://a.example\"\n";
        for (text, part) in [
            (
                "[[relay]]\nname = \"a\"",
                "line 1: relay.upstream: a relay needs",
            ),
            (
                "[[relay]]\nupstream = \"ftp://a\"",
                "line 2: relay.upstream: \"ftp://a\" is not an upstream",
            ),
            (
                "[[relay]]\nupstream = \"ws://a.example\"",
                "relay.upstream: without TLS is for",
            ),
            (
                "[[relay]]\nupstream = \"wss://u@a.example\"",
                "is not an upstream",
            ),
            (
                &format!("{upstream}fallbacks = [\"ws://b.example\"]"),
                "line 3: relay.fallbacks: without TLS",
            ),
            (
                &format!("{upstream}origins = [\"https://a.example/\"]"),
                "line 3: relay.origins: a page",
            ),
            (
                &format!("{upstream}paths = [\"rtc\"]"),
                "line 3: relay.paths: a path begins",
            ),
            (
                &format!("{upstream}pins = [\"sha256//AAAA\"]"),
                "line 3: relay.pins: write",
            ),
            (
                &format!("{upstream}name = \"a://b\""),
                "line 3: relay.name: a name has",
            ),
            (
                &format!("{upstream}{upstream}"),
                "another relay is called a.example already",
            ),
            (
                &format!("{upstream}life = \"13h\""),
                "line 3: relay.life is at most 12h",
            ),
            (
                &format!("{upstream}orgins = []"),
                "did you mean relay.origins?",
            ),
            (
                "[relay]\nupstream = \"wss://a.example\"",
                "headed [[relay]]",
            ),
        ] {
            let told = build(text).unwrap_err().to_string();
            assert!(told.contains(part), "{text:?}: {told}");
            assert!(told.starts_with("/etc/x/doorward.toml line"), "{told}");
        }
        let many = ["\"wss://b.example\""; defaults::FALLBACKS + 1].join(",");
        let told = build(&format!("{upstream}fallbacks = [{many}]")).unwrap_err();
        assert!(told.to_string().contains("at most 8"), "{told}");
    }
}
