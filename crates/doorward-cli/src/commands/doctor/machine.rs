//! Checks of the machine: ports, peers, proxies, browser, clock.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, UNIX_EPOCH};

use doorward::config::{Config, WayOut};
use doorward::egress::{Proxies, Target};
use doorward::guard::{Clock, Peer};
use doorward::platform::{tcp_peer, tells_tcp_peers};
use http::Uri;

use super::Finding;
use crate::client::Client;
use crate::desktop;

/// 2026-01-01: this was not written before.
const NO_EARLIER: Duration = Duration::from_secs(1_767_225_600);
/// And will hardly run after 2100.
const NO_LATER: Duration = Duration::from_secs(4_102_444_800);

/// The configured ports can be had, or are held by doorward itself.
pub(super) fn ports(config: Option<&Config>, running: Option<&Client>) -> Finding {
    let name = "ports";
    let ours = |port: u16| {
        running.is_some_and(|client| {
            let info = client.info();
            let end = format!(":{port}");
            info.control.ends_with(&end) || info.content.ends_with(&end)
        })
    };
    let wanted = config.map_or_else(Vec::new, |config| {
        vec![config.control.listener.port, config.content.listener.port]
    });
    let wanted: Vec<_> = wanted.into_iter().filter(|port| *port != 0).collect();
    for port in wanted.iter().copied().chain([0]) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => {}
            Err(_) if ours(port) => {}
            Err(error) if port == 0 => {
                return Finding::fail(
                    name,
                    format!("nothing can listen on 127.0.0.1: {error}"),
                    "Check that the loopback interface is up, and what the sandbox allows.",
                );
            }
            Err(error) => {
                return Finding::fail(
                    name,
                    format!("port {port} of the configuration: {error}"),
                    "Choose another port, or 0 for any free one.",
                );
            }
        }
    }
    match wanted.as_slice() {
        [] => Finding::ok(name, "free ones are there"),
        ports => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            Finding::ok(name, format!("{} can be had", ports.join(" and ")))
        }
    }
}

/// We connect to ourselves and ask the kernel who that was.
pub(super) fn peer() -> Finding {
    let name = "peer check";
    if !tells_tcp_peers() {
        return Finding::warn(
            name,
            "this platform does not tell which user connects",
            "Other users' processes can reach the door; tickets, sessions and tokens still keep them out.",
        );
    }
    let told = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (accepted, remote) = listener.accept()?;
        let peer = tcp_peer(accepted.local_addr()?, remote);
        drop(client);
        Ok::<_, std::io::Error>(peer)
    };
    match told() {
        Ok(Peer::SameUser) => Finding::ok(name, "the kernel tells which user connects"),
        Ok(_) => Finding::fail(
            name,
            "the kernel does not tell which user connects",
            "A sandbox may forbid sock_diag. Behind it, --dangerous-without-peer-check is the last resort.",
        ),
        Err(error) => Finding::fail(
            name,
            format!("cannot connect to ourselves: {error}"),
            "Check that the loopback interface is up.",
        ),
    }
}

/// Browsers leave loopback out of the proxy by themselves; other tools only if
/// they are told. doorward itself asks no proxy on this hop.
pub(super) fn proxy(read: impl Fn(&str) -> Option<String>) -> Finding {
    let name = "proxy";
    let set = |name: &&str| read(name).is_some_and(|value| !value.is_empty());
    let Some(variable) = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .find(set)
    else {
        return Finding::ok(name, "no proxy variable is set");
    };
    let except = ["no_proxy", "NO_PROXY"]
        .into_iter()
        .find_map(&read)
        .unwrap_or_default();
    let spared = except.split(',').map(str::trim).any(|host| {
        matches!(
            host,
            "*" | "127.0.0.1" | "127.0.0.0/8" | "127.0.0.1/8" | "127.0.0.1/32"
        )
    });
    if spared {
        return Finding::ok(
            name,
            format!("{variable} is set, and NO_PROXY leaves 127.0.0.1 out"),
        );
    }
    Finding::warn(
        name,
        format!("{variable} may capture requests to 127.0.0.1, tokens included"),
        "Set NO_PROXY=127.0.0.1,localhost,::1",
    )
}

/// How stores and upstreams are reached.
pub(super) fn way_out(config: Option<&Config>) -> Finding {
    let name = "way out";
    let Some(config) = config else {
        return Finding::warn(
            name,
            "not known: the configuration does not take effect",
            "Mend the configuration first.",
        );
    };
    if let Err(error) = config.egress.dialer() {
        let action = "Set egress.proxy to \"none\" or to a proxy's URL, and egress.roots to PEM files; or mend the variables.";
        return Finding::fail(name, error.to_string(), action);
    }
    let proxies = match &config.egress.way {
        WayOut::Through { proxy, except } if except.is_empty() => format!("through {proxy}"),
        WayOut::Through { proxy, except } => {
            format!("through {proxy}, but for {}", except.join(", "))
        }
        WayOut::Direct => "directly, whatever the environment says".to_owned(),
        _ => environment(&Proxies::from_env().unwrap_or_else(|_| Proxies::none())),
    };
    let roots = match config.egress.roots.len() {
        0 => "the platform's roots".to_owned(),
        1 => "the platform's roots and one file of others".to_owned(),
        more => format!("the platform's roots and {more} files of others"),
    };
    Finding::ok(
        name,
        format!("stores and upstreams are reached {proxies}; trusted are {roots}"),
    )
}

/// What the environment's proxies do to a public server.
fn environment(proxies: &Proxies) -> String {
    let through = |url: &'static str| {
        let target = Target::parse(&Uri::from_static(url)).ok()?;
        proxies.for_target(&target).map(ToString::to_string)
    };
    // A name that no list excepts.
    match (
        through("https://server.invalid/"),
        through("http://server.invalid/"),
    ) {
        (None, None) => "directly".to_owned(),
        (Some(tls), Some(plain)) if tls == plain => format!("through {tls}"),
        (Some(tls), None) => format!("through {tls} with TLS, directly without"),
        (None, Some(plain)) => format!("directly with TLS, through {plain} without"),
        (Some(tls), Some(plain)) => format!("through {tls} with TLS, through {plain} without"),
    }
}

pub(super) fn browser() -> Finding {
    let name = "browser";
    if !desktop::has_display() {
        return Finding::ok(
            name,
            "there is no desktop: copy the printed URL into a browser of this machine",
        );
    }
    match desktop::opener() {
        Some(program) => Finding::ok(name, format!("{} opens it", program.display())),
        None => Finding::warn(
            name,
            "there is a desktop, and nothing to open URLs with",
            "Install xdg-utils, or copy the printed URL into the browser.",
        ),
    }
}

/// Signatures for stores need the right time; sessions only need it to pass.
pub(super) fn clock() -> Finding {
    let name = "clock";
    let clock = Clock::system();
    let (wall, before) = (clock.wall(), clock.now());
    std::thread::sleep(Duration::from_millis(2));
    if clock.now() <= before {
        return Finding::fail(
            name,
            "the monotonic clock stands still",
            "Deadlines would never come.",
        );
    }
    let now = doorward::guard::clock::rfc3339(wall);
    match wall.duration_since(UNIX_EPOCH) {
        Ok(since) if (NO_EARLIER..NO_LATER).contains(&since) => Finding::ok(name, now),
        _ => Finding::fail(
            name,
            format!("{now} cannot be right"),
            "Set the clock: stores refuse signatures that are minutes off.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn r19_what_the_environment_says_of_the_way_out_is_told() {
        let told = |given: &'static [(&str, &str)]| {
            let read = |name: &str| given.iter().find(|(key, _)| *key == name);
            let read = |name: &str| read(name).map(|(_, value)| (*value).to_owned());
            environment(&Proxies::from_vars(read).unwrap())
        };
        assert_eq!(told(&[]), "directly");
        assert_eq!(
            told(&[("all_proxy", "socks5h://me:secret@p.example:1")]),
            "through socks5h://p.example:1"
        );
        assert_eq!(
            told(&[("https_proxy", "http://p.example:1")]),
            "through http://p.example:1 with TLS, directly without"
        );
        assert_eq!(
            told(&[("all_proxy", "http://p.example:1"), ("no_proxy", "*")]),
            "directly"
        );
    }

    #[test]
    fn m44_a_proxy_that_captures_loopback_is_told() {
        let status = |given: &'static [(&str, &str)]| {
            proxy(move |name| {
                given
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            })
            .status
        };
        assert_eq!(status(&[]), Status::Ok);
        assert_eq!(status(&[("http_proxy", "")]), Status::Ok);
        assert_eq!(status(&[("http_proxy", "http://p:1")]), Status::Warn);
        assert_eq!(
            status(&[("ALL_PROXY", "socks5://p:1"), ("no_proxy", "example.com")]),
            Status::Warn
        );
        assert_eq!(
            status(&[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "a, 127.0.0.1")]),
            Status::Ok
        );
    }

    #[test]
    fn this_machine_passes() {
        assert_eq!(clock().status, Status::Ok);
        assert_eq!(ports(None, None).status, Status::Ok);
        assert_ne!(peer().status, Status::Fail);
    }
}
