//! Gateways: what the console signs in to.

use std::collections::BTreeSet;
use std::sync::Arc;

use doorward_operator::Configured;
use doorward_operator::rpc::{CapnpGateway, NotAPlace, Place};

use super::error::{ConfigError, Whence};
use super::keys;
use super::written::Entry;

/// A gateway and the addresses that it may be turned to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Gateway {
    /// What it is called: no two are equal.
    pub name: String,
    /// Its addresses, as they were written; the first is its own.
    pub places: Vec<(String, Place)>,
    /// Where that was written.
    pub whence: Whence,
}

pub(super) fn build(entries: &[Entry]) -> Result<Vec<Gateway>, ConfigError> {
    let mut names = BTreeSet::new();
    entries
        .iter()
        .map(|entry| {
            let gateway = entry.gateway()?;
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
    fn gateway(&self) -> Result<Gateway, ConfigError> {
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
        let mut places = vec![read(&keys::GATEWAY_ADDRESS, address)?];
        for address in settings.list(&keys::GATEWAY_ALLOW) {
            places.push(read(&keys::GATEWAY_ALLOW, address)?);
        }
        Ok(Gateway {
            name,
            places,
            whence: self.whence.clone(),
        })
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
            places: vec![(address.to_owned(), Place::parse(address)?)],
            whence: Whence::Default,
        })
    }

    /// For [`BridgeBuilder::gateway`](crate::BridgeBuilder::gateway). Nothing is
    /// connected before somebody signs in.
    #[must_use]
    pub fn configured(&self) -> Option<Configured> {
        let open = |place: &Place| Arc::new(CapnpGateway::new(place.clone()));
        let mut places = self.places.iter();
        let (address, place) = places.next()?;
        let first = Configured::new(&self.name, address, open(place));
        Some(places.fold(first, |configured, (address, place)| {
            configured.also(address, open(place))
        }))
    }
}

/// It is a heading in the console.
const NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::{file, places};
    use super::super::written::Written;
    use super::*;

    fn build(text: &str) -> Result<Config, ConfigError> {
        Written::parse(text, &file())?.build(&places())
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
        assert!(lab.configured().is_some());
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
        ] {
            let told = build(text).unwrap_err().to_string();
            assert!(told.contains(part), "{text:?}: {told}");
        }
    }
}
