//! How stores and upstreams are reached: proxies, and whom to trust.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_egress::{AddressPolicy, Dialer, EgressError, NoProxy, Proxies, Proxy, Trust};

use super::error::{ConfigError, Whence};
use super::keys::{self, Key};
use super::value::Value;
use super::{Places, Written};

/// The way out, for stores and upstreams alike.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Egress {
    /// Which proxy is asked.
    pub way: WayOut,
    /// PEM files with certificates that are trusted besides the platform's.
    pub roots: Vec<PathBuf>,
    roots_from: Whence,
}

/// Which proxy is asked. The loopback hop never goes through one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WayOut {
    /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say.
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one, for everything but what is excepted.
    Through {
        /// Its credentials are in no output.
        proxy: Proxy,
        /// As in `no_proxy`.
        except: Vec<String>,
    },
}

impl Written {
    pub(super) fn egress(&self, places: &Places) -> Result<Egress, ConfigError> {
        let (settings, except) = (&self.settings, self.settings.list(&keys::EGRESS_NO_PROXY));
        let way = match settings.text(&keys::EGRESS_PROXY).as_deref() {
            None | Some("environment") => WayOut::Environment,
            Some("none") => WayOut::Direct,
            Some(url) => {
                // Elsewhere a bare host is a proxy; here it is a misspelt word.
                let parsed = match url.contains("://") {
                    true => Proxy::parse(url),
                    false => Err(EgressError::ProxySettings("it has no scheme")),
                };
                let proxy = parsed.map_err(|error| {
                    let why = format!("{error}: write \"environment\", \"none\", or the URL of a proxy such as \"http://proxy.example.com:3128\"");
                    self.wrong(&keys::EGRESS_PROXY, &why)
                })?;
                let whence = settings.written(&keys::EGRESS_PROXY);
                let in_file = matches!(whence, Some((_, Whence::File { .. })));
                if proxy.has_credentials() && in_file {
                    let why = format!(
                        "secrets never stand in this file: set it by the variable {}",
                        keys::EGRESS_PROXY.variable()
                    );
                    return Err(self.wrong(&keys::EGRESS_PROXY, &why));
                }
                WayOut::Through {
                    proxy,
                    except: except.clone(),
                }
            }
        };
        if !except.is_empty() && !matches!(way, WayOut::Through { .. }) {
            let why = "this is for a proxy that egress.proxy names; the environment's has its own no_proxy";
            return Err(self.wrong(&keys::EGRESS_NO_PROXY, why));
        }
        let roots_from = match settings.written(&keys::EGRESS_ROOTS) {
            Some((_, whence)) => whence.clone(),
            None => Whence::Default,
        };
        let roots = settings.list(&keys::EGRESS_ROOTS);
        let roots = roots
            .iter()
            .map(|path| places.absolute(Path::new(path), &roots_from))
            .collect();
        Ok(Egress {
            way,
            roots,
            roots_from,
        })
    }

    fn wrong(&self, key: &Key, why: &str) -> ConfigError {
        let whence = self.settings.written(key);
        ConfigError::Value {
            whence: whence.map_or(Whence::Default, |(_, whence)| whence.clone()),
            key: key.path.to_owned(),
            why: why.to_owned(),
        }
    }
}

impl Egress {
    /// What dials: to public addresses, until a source or relay says otherwise.
    /// Reads the PEM files, and the environment if it decides.
    ///
    /// # Errors
    ///
    /// A PEM file that cannot be read or holds no certificate; variables that name
    /// no proxy.
    pub fn dialer(&self) -> Result<Dialer, ConfigError> {
        let proxies = match &self.way {
            WayOut::Environment => Proxies::from_env().map_err(ConfigError::Proxies)?,
            WayOut::Direct => Proxies::none(),
            WayOut::Through { proxy, except } => {
                Proxies::explicit(proxy.clone(), NoProxy::parse(&except.join(",")))
            }
        };
        Ok(Dialer::new(AddressPolicy::public(), self.trust()?).with_proxies(proxies))
    }

    fn trust(&self) -> Result<Trust, ConfigError> {
        if self.roots.is_empty() {
            return Ok(Trust::platform());
        }
        let wrong = |why: String| ConfigError::Value {
            whence: self.roots_from.clone(),
            key: keys::EGRESS_ROOTS.path.to_owned(),
            why,
        };
        let texts: Vec<_> = self
            .roots
            .iter()
            .map(|path| {
                fs::read(path).map_err(|error| wrong(format!("{}: {error}", path.display())))
            })
            .collect::<Result<_, _>>()?;
        Trust::with_extra_pem(texts.iter().map(Vec::as_slice))
            .map_err(|error| wrong(error.to_string()))
    }
}

/// A proxy for people: without its credentials.
pub(super) fn shown(text: &str) -> String {
    let shown = match text {
        "environment" | "none" => text.to_owned(),
        url => Proxy::parse(url).map_or_else(|_| String::new(), |proxy| proxy.to_string()),
    };
    Value::Text(shown).toml()
}

#[cfg(test)]
mod tests {
    use doorward_egress::Target;

    use super::super::Config;
    use super::super::tests::{file, places};
    use super::*;

    fn build(text: &str) -> Result<Config, ConfigError> {
        Written::parse(text, &file())?.build(&places())
    }

    fn refused(text: &str) -> String {
        build(text)
            .and_then(|config| config.egress.dialer())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn r19_a_proxy_is_the_environments_or_none_or_the_one_that_is_named() {
        let way = |text: &str| build(text).unwrap().egress.way;
        assert!(matches!(way(""), WayOut::Environment));
        assert!(matches!(
            way("[egress]\nproxy = \"environment\""),
            WayOut::Environment
        ));
        assert!(matches!(way("[egress]\nproxy = \"none\""), WayOut::Direct));
        let config = build(
            "[egress]\nproxy = \"socks5h://proxy.example:1081\"\nno_proxy = [\".example.com\", \"10.0.0.0/8\"]",
        )
        .unwrap();
        let WayOut::Through { proxy, except } = &config.egress.way else {
            panic!("{:?}", config.egress)
        };
        let proxies = Proxies::explicit(proxy.clone(), NoProxy::parse(&except.join(",")));
        let through = |uri: &str| {
            let target = Target::parse(&uri.parse().unwrap()).unwrap();
            proxies.for_target(&target).map(ToString::to_string)
        };
        assert!(
            through("https://other.org/")
                .unwrap()
                .contains("proxy.example:1081")
        );
        assert_eq!(through("https://a.example.com/"), None);
        assert_eq!(through("http://10.1.2.3/"), None);
        assert_eq!(through("http://127.0.0.1/"), None, "the loopback hop");
        config.egress.dialer().unwrap();
    }

    #[test]
    fn r28_a_proxys_password_stands_in_no_file_and_in_no_output() {
        let url = "http://me:hunter2@proxy.example:3128";
        let told = refused(&format!("[egress]\nproxy = \"{url}\""));
        assert!(told.contains("line 2: egress.proxy: secrets never stand in this file: set it by the variable DOORWARD_EGRESS_PROXY"), "{told}");
        let variable = ("DOORWARD_EGRESS_PROXY".into(), url.into());
        let written = Written::new().environment([variable]).unwrap();
        assert!(!format!("{written:?}").contains("hunter2"), "{written:?}");
        let config = written.build(&places()).unwrap();
        assert!(
            matches!(&config.egress.way, WayOut::Through { proxy, .. } if proxy.has_credentials())
        );
        let told = format!("{config:?} {}", config.explain());
        assert!(told.contains("proxy.example:3128"), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("me:"), "{told}");
    }

    #[test]
    fn what_is_no_way_out_is_told_by_line() {
        for (text, part) in [
            ("[egress]\nproxy = \"ftp://p\"", "line 2: egress.proxy:"),
            (
                "[egress]\nproxy = \"enviroment\"",
                "egress.proxy: the proxy settings",
            ),
            ("[egress]\nproxy = \"\"", "egress.proxy: expected a text"),
            (
                "[egress]\nno_proxy = [\"a\"]",
                "line 2: egress.no_proxy: this is for a proxy that egress.proxy names",
            ),
            (
                "[egress]\nroots = [\"/nonexistent.pem\"]",
                "line 2: egress.roots: /nonexistent.pem: ",
            ),
        ] {
            let told = refused(text);
            assert!(told.contains(part), "{text:?}: {told}");
        }
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "nothing").unwrap();
        let told = refused(&format!(
            "[egress]\nroots = [{:?}]",
            empty.display().to_string()
        ));
        assert!(told.contains("no certificate in the PEM text"), "{told}");
    }
}
