//! The way out through a proxy: CONNECT over HTTP or HTTPS, SOCKS5 and SOCKS5h.
//!
//! A proxy is what a person or the environment named, so its own address may be
//! anything but a metadata service. Loopback targets never go through one: the
//! proxy's loopback is another machine's. `socks5://` resolves names here and
//! checks every address; `socks5h://` and CONNECT leave that to the proxy, which
//! may be the only one that knows the name.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::defaults;
use crate::dial::{Speaks, allowed_addresses};
use crate::socks::{self, Destination, SocksError};
use crate::{AddressKind, AddressPolicy, Dialer, EgressError, NoProxy, Stream, Target, address};

/// Which proxy each target is reached through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<Choice>);

#[derive(Debug, Default)]
struct Choice {
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: NoProxy,
}

/// One proxy. `Debug` and `Display` leave its credentials out.
#[derive(Clone)]
pub struct Proxy {
    kind: Kind,
    at: Target,
    auth: Option<Arc<Auth>>,
}

struct Auth {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    /// Names are resolved here.
    Socks5,
    /// Names are resolved by the proxy.
    Socks5h,
}

impl Proxies {
    /// No proxy, whatever the environment says.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// One proxy for all but what `except` covers.
    #[must_use]
    pub fn explicit(proxy: Proxy, except: NoProxy) -> Self {
        Self(Arc::new(Choice {
            http: Some(proxy.clone()),
            https: Some(proxy),
            except,
        }))
    }

    /// As the process environment says: `http_proxy` for plain targets,
    /// `https_proxy` for TLS, `all_proxy` for both where there is none of its own,
    /// `no_proxy` for exceptions. Lower case wins over upper case. `HTTP_PROXY` is
    /// not read where `REQUEST_METHOD` is set: under CGI it is a request header
    /// (CVE-2016-5385).
    ///
    /// # Errors
    ///
    /// [`EgressError::ProxySettings`] for a value that is no proxy. Nothing goes
    /// out past a proxy because its name was misspelt.
    pub fn from_env() -> Result<Self, EgressError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The same with variables of your own.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, EgressError> {
        let read = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let upper_or_lower = |name: &str| read(name).or_else(|| read(&name.to_ascii_uppercase()));
        let all = upper_or_lower("all_proxy");
        let http = match read("http_proxy") {
            None if var("REQUEST_METHOD").is_none() => read("HTTP_PROXY"),
            found => found,
        };
        let https = upper_or_lower("https_proxy");
        let parse = |text: Option<String>| {
            text.or_else(|| all.clone())
                .map(|text| Proxy::parse(text.trim()))
                .transpose()
        };
        Ok(Self(Arc::new(Choice {
            http: parse(http)?,
            https: parse(https)?,
            except: NoProxy::parse(&upper_or_lower("no_proxy").unwrap_or_default()),
        })))
    }

    /// The proxy that `target` is reached through; `None` is the direct way.
    #[must_use]
    pub fn for_target(&self, target: &Target) -> Option<&Proxy> {
        if is_loopback(target) || self.0.except.covers(target) {
            return None;
        }
        if target.is_tls() {
            self.0.https.as_ref()
        } else {
            self.0.http.as_ref()
        }
    }
}

impl Proxy {
    /// Reads `scheme://[user[:password]@]host[:port]`: `http`, `https`, `socks5`
    /// or `socks5h`, `http` if there is no scheme. Credentials are
    /// percent-decoded. Ports default to 80, 443 and 1080.
    ///
    /// # Errors
    ///
    /// [`EgressError::ProxySettings`], which never repeats the text.
    pub fn parse(text: &str) -> Result<Self, EgressError> {
        let bad = EgressError::ProxySettings;
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, usual, tls) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80, false),
            "https" => (Kind::Https, 443, true),
            "socks5" => (Kind::Socks5, 1080, false),
            "socks5h" => (Kind::Socks5h, 1080, false),
            _ => {
                return Err(bad("the scheme is none of http, https, socks5 and socks5h"));
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(bad("a proxy has no path"));
        }
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let host = if has_port {
            host.to_owned()
        } else {
            format!("{host}:{usual}")
        };
        let scheme = if tls { "https" } else { "http" };
        let at: Uri = format!("{scheme}://{host}/")
            .parse()
            .map_err(|_| bad("the host cannot be read"))?;
        let at = Target::parse(&at).map_err(|_| bad("the host cannot be read"))?;
        let auth = userinfo
            .map(|userinfo| {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                let decode = |text: &str| {
                    percent_decode_str(text)
                        .decode_utf8()
                        .map(|text| Zeroizing::new(text.into_owned()))
                        .map_err(|_| bad("the credentials are not UTF-8"))
                };
                let (user, password) = (decode(user)?, decode(password)?);
                let clean = |text: &str| !text.contains(|c: char| c.is_control());
                if user.contains(':') || !clean(&user) || !clean(&password) {
                    return Err(bad(
                        "the credentials have a character that may not be there",
                    ));
                }
                Ok(Arc::new(Auth { user, password }))
            })
            .transpose()?;
        Ok(Self { kind, at, auth })
    }

    /// Whether it is asked with a user name or a password.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.auth.is_some()
    }

    fn failed(&self, why: impl fmt::Display) -> EgressError {
        EgressError::Proxy {
            proxy: self.to_string(),
            why: why.to_string(),
        }
    }
}

/// A connection to `target` through `proxy`, without the target's own TLS.
pub(crate) async fn through(
    dialer: &Dialer,
    proxy: &Proxy,
    target: &Target,
) -> Result<Stream, EgressError> {
    if let Some(address) = target.address() {
        // Written out: it can be judged here, whoever connects to it.
        dialer
            .policy()
            .check(address)
            .map_err(|kind| EgressError::AddressRefused { address, kind })?;
    }
    let destination = match (proxy.kind, target.address()) {
        (_, Some(address)) => Destination::Address(address),
        (Kind::Socks5, None) => {
            let allowed = allowed_addresses(target, dialer.policy()).await?;
            match allowed.first() {
                Some(socket) => Destination::Address(socket.ip()),
                None => return Err(EgressError::Target("the name has no address")),
            }
        }
        (_, None) => Destination::Name(target.host()),
    };
    let policy = AddressPolicy::public()
        .with_local_networks()
        .dangerously_allow_link_local();
    let socket = dialer
        .connect_direct(&proxy.at, &policy)
        .await
        .map_err(|error| proxy.failed(error))?;
    let mut stream = Stream::Plain(socket);
    if proxy.kind == Kind::Https {
        // The pins are the target's, not the proxy's.
        let trust = dialer.trust().without_pins();
        stream = dialer
            .speak_tls(&trust, &proxy.at, stream, Speaks::Http)
            .await
            .map_err(|error| proxy.failed(error))?;
    }
    match proxy.kind {
        Kind::Http | Kind::Https => connect(&mut stream, proxy, target).await?,
        Kind::Socks5 | Kind::Socks5h => {
            let auth = proxy
                .auth
                .as_deref()
                .map(|auth| (auth.user.as_str(), auth.password.as_str()));
            socks::connect(&mut stream, auth, &destination, target.port())
                .await
                .map_err(|error| match error {
                    SocksError::Io(error) => proxy.failed(error),
                    SocksError::Malformed(why) => proxy.failed(why),
                    SocksError::Auth => EgressError::ProxyAuth {
                        proxy: proxy.to_string(),
                    },
                    SocksError::Refused(code) => EgressError::ProxyRefused {
                        proxy: proxy.to_string(),
                        code: code.into(),
                    },
                })?;
        }
    }
    Ok(stream)
}

/// `CONNECT host:port` (RFC 9110 section 9.3.6).
async fn connect(stream: &mut Stream, proxy: &Proxy, target: &Target) -> Result<(), EgressError> {
    let authority = target.authority();
    let mut request = Zeroizing::new(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    ));
    if let Some(auth) = &proxy.auth {
        let pair = Zeroizing::new(format!("{}:{}", *auth.user, *auth.password));
        let coded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&coded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let sent = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| proxy.failed(error))?;

    let mut answer = Vec::new();
    loop {
        let mut part = [0; 1024];
        let count = stream
            .read(&mut part)
            .await
            .map_err(|error| proxy.failed(error))?;
        if count == 0 {
            return Err(proxy.failed("it closed the connection"));
        }
        answer.extend_from_slice(part.get(..count).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head
            .parse(&answer)
            .map_err(|_| proxy.failed("its answer is no HTTP"))?;
        match (parsed, head.code) {
            (httparse::Status::Complete(length), Some(200..=299)) => {
                // Nobody behind it has been spoken to yet.
                if length < answer.len() {
                    return Err(proxy.failed("it sent more than its answer"));
                }
                return Ok(());
            }
            (httparse::Status::Complete(_), Some(407)) => {
                return Err(EgressError::ProxyAuth {
                    proxy: proxy.to_string(),
                });
            }
            (httparse::Status::Complete(_), code) => {
                return Err(EgressError::ProxyRefused {
                    proxy: proxy.to_string(),
                    code: code.unwrap_or_default(),
                });
            }
            (httparse::Status::Partial, _) if answer.len() > defaults::PROXY_ANSWER => {
                return Err(proxy.failed("its answer is too long"));
            }
            (httparse::Status::Partial, _) => {}
        }
    }
}

fn is_loopback(target: &Target) -> bool {
    match target.address() {
        Some(address) => address::classify(address) == AddressKind::Loopback,
        None => {
            let host = target.host();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

// === impl Display and Debug ===

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5",
            Kind::Socks5h => "socks5h",
        };
        write!(f, "{scheme}://{}", self.at.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(vars: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = Proxies::from_vars(|name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .unwrap();
        let target = Target::parse(&url.parse().unwrap()).unwrap();
        proxies.for_target(&target).map(ToString::to_string)
    }

    #[test]
    fn r19_the_environment_has_an_order() {
        let a = "http://a:1";
        let (http, https) = ("http://example.com", "https://example.com");
        assert_eq!(chosen(&[], http), None);
        assert_eq!(chosen(&[("http_proxy", a)], http).unwrap(), a);
        assert_eq!(chosen(&[("http_proxy", a)], https), None);
        assert_eq!(chosen(&[("HTTPS_PROXY", a)], https).unwrap(), a);
        assert_eq!(chosen(&[("ALL_PROXY", a)], https).unwrap(), a);
        assert_eq!(chosen(&[("ALL_PROXY", a)], http).unwrap(), a);
        let both = [("HTTPS_PROXY", "http://b:1"), ("https_proxy", a)];
        assert_eq!(chosen(&both, https).unwrap(), a);
        let both = [("all_proxy", "http://b:1"), ("https_proxy", a)];
        assert_eq!(chosen(&both, https).unwrap(), a);
        assert_eq!(chosen(&[("HTTP_PROXY", a)], http).unwrap(), a);
        let cgi = [("HTTP_PROXY", a), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(&cgi, http), None);
        let except = [("ALL_PROXY", a), ("NO_PROXY", "example.com")];
        assert_eq!(chosen(&except, https), None);
        assert_eq!(chosen(&[("https_proxy", " ")], https), None);
    }

    #[test]
    fn r19_loopback_never_goes_through_a_proxy() {
        for url in [
            "http://localhost:9000",
            "http://a.localhost",
            "http://127.0.0.1",
            "http://127.8.9.1",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(chosen(&[("all_proxy", "socks5://p")], url), None, "{url}");
        }
    }

    #[test]
    fn r28_proxies_never_show_their_credentials() {
        let proxy = Proxy::parse("socks5h://us%40er:pa%3Ass@proxy.example").unwrap();
        assert_eq!(proxy.to_string(), "socks5h://proxy.example:1080");
        assert!(!format!("{proxy:?}").contains("ss"), "{proxy:?}");
        let auth = proxy.auth.as_ref().unwrap();
        assert_eq!((&**auth.user, &**auth.password), ("us@er", "pa:ss"));
        for text in [
            "ftp://h",
            "http://",
            "http://h/path",
            "http://a:b:c",
            "http://%00:x@h",
            "http://u:\n@h",
            "socks4://h",
            "http://h:99999",
        ] {
            let error = Proxy::parse(text).unwrap_err();
            assert!(matches!(error, EgressError::ProxySettings(_)), "{text}");
        }
        assert_eq!(Proxy::parse("h:3128").unwrap().to_string(), "http://h:3128");
        assert_eq!(
            Proxy::parse("https://[::1]").unwrap().to_string(),
            "https://[::1]:443"
        );
    }
}
