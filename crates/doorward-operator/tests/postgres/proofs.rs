//! Who proves what to whom: passwords, TLS, sockets.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_operator::gateway::{AuthOutcome, AuthStrength};
use doorward_operator::postgres::PostgresGateway;
use doorward_operator::{Denial, Gateway, Place};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::getuid;

use super::common::{begin, by_password, dialer, invoke, sign_in};
use super::server::{PASSWORD, Postgres, ROLE};
use super::{database, gateway, look};

#[tokio::test]
async fn op_a5_a_password_is_told_by_scram_or_not_at_all() {
    let server = Postgres::start().await;
    let gateway = || gateway(&server, vec![look("one", &[], "select 1")]);
    let (_actor, outcome) = begin(gateway(), by_password(ROLE, PASSWORD)).await.unwrap();
    let AuthOutcome::Session(info) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(info.strength, AuthStrength::Password);
    for (role, password, denial) in [
        (ROLE, "wrong", Denial::AuthenticationDenied),
        ("nobody", PASSWORD, Denial::AuthenticationDenied),
        ("", PASSWORD, Denial::BadRequest),
        // In clear, and hashed as of old.
        ("clear", PASSWORD, Denial::DisabledAuthMethod),
        ("old", PASSWORD, Denial::DisabledAuthMethod),
    ] {
        let denied = sign_in(gateway(), by_password(role, password)).await;
        assert_eq!(denied.unwrap_err(), denial, "{role}");
    }
    let launch = sign_in(gateway(), super::common::by_key(ROLE)).await;
    assert_eq!(launch.unwrap_err(), Denial::DisabledAuthMethod);
}

/// A certificate of `name`, its key, and who believes it.
pub(crate) fn certified(name: &str) -> (String, String, Dialer) {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let trusting = Trust::with_extra_pem([root.pem().as_bytes()]).unwrap();
    let trusting = Dialer::new(AddressPolicy::public(), trusting);
    (leaf.pem(), key.serialize_pem(), trusting)
}

#[tokio::test]
async fn with_tls_the_server_is_who_a_root_says_or_nothing_is_told_to_it() {
    let (pem, key, trusting) = certified("127.0.0.1");
    let server = Postgres::with_tls(Some((&pem, &key))).await;
    let over_tls = |server: &Postgres, dialer: &Dialer| -> Arc<dyn Gateway> {
        let database = database(vec![look(
            "tls",
            &[],
            "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
        )]);
        let gateway = PostgresGateway::new(server.place(), dialer, database);
        Arc::new(gateway.always_with_tls())
    };
    // A server that is proven may ask as it likes.
    for role in [ROLE, "clear", "old"] {
        let actor = sign_in(over_tls(&server, &trusting), by_password(role, PASSWORD))
            .await
            .unwrap();
        let told = invoke(&actor, "statements", "tls", vec![]).await.unwrap();
        assert!(format!("{told:?}").contains("true"), "{told:?}");
    }
    let doubted = sign_in(over_tls(&server, &dialer()), by_password(ROLE, PASSWORD)).await;
    assert_eq!(doubted.unwrap_err(), Denial::HostKeyMismatch);
    let plain = Postgres::start().await;
    let none = sign_in(over_tls(&plain, &trusting), by_password(ROLE, PASSWORD)).await;
    assert_eq!(none.unwrap_err(), Denial::HostKeyMismatch);
}

/// Listens on a socket as another user, where anybody may put one. It ends with its
/// input.
const LISTEN: &str = "my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die; \
                      $| = 1; print qq(here\\n); <STDIN>";

#[tokio::test]
async fn a_socket_of_another_user_is_not_believed() {
    if !getuid().is_root() {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value.is_empty()),
            "only root can be another user"
        );
        eprintln!("skipped: only root can be another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let path = folder.path().join("socket");
    let mut other = Command::new("perl")
        .args(["-MIO::Socket::UNIX", "-e", LISTEN])
        .arg(&path)
        .uid(65_534)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(other.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    let place = Place::parse(&format!("unix:{}", path.display())).unwrap();
    let gateway = PostgresGateway::new(place, &dialer(), database(vec![]));
    let denied = sign_in(Arc::new(gateway), by_password(ROLE, PASSWORD)).await;
    assert_eq!(denied.unwrap_err(), Denial::HostKeyMismatch);
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

#[tokio::test]
async fn a_socket_is_of_whoever_keeps_its_folder() {
    let server = Postgres::start().await;
    let at = |path: &std::path::Path| -> Arc<dyn Gateway> {
        let place = Place::parse(&format!("unix:{}", path.display())).unwrap();
        let database = database(vec![look("one", &[], "select 1")]);
        Arc::new(PostgresGateway::new(place, &dialer(), database))
    };
    let actor = sign_in(at(&server.socket()), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    invoke(&actor, "statements", "one", vec![]).await.unwrap();
    let none = sign_in(
        at(&server.socket().with_extension("1")),
        by_password(ROLE, PASSWORD),
    );
    assert_eq!(none.await.unwrap_err(), Denial::UpstreamDisconnected);
}
