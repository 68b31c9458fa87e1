//! A name with two addresses, and a different server at each of them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use doorward_egress::Dialer;
use doorward_operator::Place;
use doorward_operator::postgres::PostgresGateway;
use serde_json::json;

use super::common::{House, by_password};
use super::denials::waited_for;
use super::proofs::certified;
use super::server::{DATABASE, PASSWORD, Postgres, ROLE};
use super::{database, look};

const NAME: &str = "db.test";
const ITSELF: &str = "names::op_g2_a_cancel_reaches_the_very_server_that_the_statement_runs_on";
/// Where nss_wrapper finds what it reads in the place of `/etc/hosts`.
const HOSTS: &str = "NSS_WRAPPER_HOSTS";
const CANCELLED: &str = "canceling statement due to user request";

/// What the resolver says from now on.
struct Hosts {
    path: PathBuf,
    now: SystemTime,
}

impl Hosts {
    async fn lead_to(&mut self, servers: [&Postgres; 2]) {
        let at = servers.map(|server| server.address().parse::<SocketAddr>().unwrap());
        let lines = at.map(|at| format!("{} {NAME}\n", at.ip()));
        std::fs::write(&self.path, lines.concat()).unwrap();
        // It is read again when it is of another second.
        self.now += Duration::from_secs(2);
        let file = std::fs::File::options().write(true).open(&self.path);
        file.unwrap().set_modified(self.now).unwrap();
        let found = tokio::net::lookup_host((NAME, at[0].port())).await;
        assert_eq!(found.unwrap().collect::<Vec<_>>(), at);
    }
}

/// Two servers with one port and one certificate, at two addresses of this machine: of
/// both families, where it has both.
async fn two_servers(tls: (&str, &str)) -> [Postgres; 2] {
    let second = match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => Ipv6Addr::LOCALHOST.into(),
        Err(_) => Ipv4Addr::new(127, 0, 0, 2).into(),
    };
    for _ in 0..5 {
        let one = Postgres::with_tls(Some(tls)).await;
        let port = one.address().parse::<SocketAddr>().unwrap().port();
        if let Some(two) = Postgres::at(SocketAddr::new(second, port), Some(tls)).await {
            return [one, two];
        }
    }
    panic!("no port is free at both addresses");
}

/// A statement runs on `server`, where the name leads first; `then` changes that; and
/// nobody waits for the statement any more.
async fn leave(server: &Postgres, dialer: &Dialer, then: impl AsyncFnOnce()) {
    let statements = vec![
        look("wait", &[], "select pg_advisory_lock(7)"),
        look("me", &[], "select pg_backend_pid()"),
    ];
    let port = server.address().parse::<SocketAddr>().unwrap().port();
    let place = Place::parse(&format!("{NAME}:{port}")).unwrap();
    let gateway = PostgresGateway::new(place, dialer, database(statements));
    let house = Arc::new(House::new(Arc::new(gateway)));
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let before = house.call("me", json!({})).await.unwrap();
    let admin = server.admin(DATABASE).await;
    let lock = "select pg_advisory_lock(7)";
    admin.batch_execute(lock).await.unwrap();
    let cancelled = server.log().matches(CANCELLED).count();
    let leaving = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.call("wait", json!({})).await }
    });
    waited_for(&admin, &leaving).await;
    then().await;
    leaving.abort();
    assert!(leaving.await.is_err());
    // The session goes on where it was.
    let after = house.call("me", json!({})).await.unwrap();
    assert_eq!(after.rows, before.rows);
    assert_eq!(server.log().matches(CANCELLED).count(), cancelled + 1);
    assert!(house.room.logout(&house.me));
    house.room.shutdown().await;
}

#[tokio::test]
async fn op_g2_a_cancel_reaches_the_very_server_that_the_statement_runs_on() {
    let Some(path) = std::env::var_os(HOSTS) else {
        // Once more, with a resolver that says what the test wants.
        let folder = tempfile::tempdir().unwrap();
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", ITSELF])
            .env("LD_PRELOAD", "libnss_wrapper.so")
            .env(HOSTS, folder.path().join("hosts"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        let errors = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{said}{errors}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    };
    let mut hosts = Hosts {
        path: path.into(),
        now: SystemTime::UNIX_EPOCH,
    };
    let (pem, key, dialer) = certified(NAME);
    let [one, two] = two_servers((&pem, &key)).await;
    // The name leads to the other one by the time of the cancel.
    for [here, there] in [[&one, &two], [&two, &one]] {
        hosts.lead_to([here, there]).await;
        let elsewhere = there.visits();
        leave(here, &dialer, async || hosts.lead_to([there, here]).await).await;
        assert_eq!(there.visits(), elsewhere, "it heard of a cancel");
    }
    // Only the second one answers at first, and both do by then.
    let elsewhere = two.visits();
    two.stop();
    hosts.lead_to([&two, &one]).await;
    leave(&one, &dialer, async || two.start_again()).await;
    assert_eq!(two.visits(), elsewhere, "it heard of a cancel");
}
