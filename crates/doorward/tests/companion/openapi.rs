//! Schemathesis against the drives: requests of every kind that `docs/openapi.json`
//! describes, and of kinds that it does not.
//!
//! It knows nothing of signatures, so a proxy stands between: it signs what comes, as
//! it comes, and gives the answer back once its signature holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use doorward::companion_core::drives::openapi;
use http::Uri;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::drives::Desk;
use crate::house::House;

/// Requests of each kind and route.
const EXAMPLES: &str = "40";

#[tokio::test]
async fn every_route_of_the_drives_is_in_the_document_and_no_other() {
    let house = House::open().await;
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let mut routes = BTreeSet::new();
    for listener in house.serving.table() {
        for surface in &listener.surfaces {
            if !["drives", "uploads", "jobs"].contains(&surface.name) {
                continue;
            }
            for route in &surface.routes {
                let row = (route.method.clone(), route.path.clone());
                if row.0 != "HEAD" {
                    routes.insert(row);
                }
            }
        }
    }
    assert_eq!(described, routes);
}

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let Some(program) = schemathesis() else {
        assert!(std::env::var_os("CI").is_none(), "CI has Schemathesis");
        eprintln!("skipped: `cargo xtask test install` installs Schemathesis");
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let files = temp.path().join("files");
    for name in ["a.txt", "b.pdf", "Trip/9.jpg", "Trip/10.jpg"] {
        fs::create_dir_all(files.join("Trip")).unwrap();
        fs::write(files.join(name), name).unwrap();
    }
    let document = temp.path().join("openapi.json");
    fs::write(&document, known_folder(&openapi())).unwrap();
    let config = temp.path().join("schemathesis.toml");
    fs::write(&config, CONFIG).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut run = tokio::process::Command::new(program);
    run.arg("--no-color")
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(&document);
    run.args(["--url", &url, "--checks", "all", "--max-examples", EXAMPLES]);
    run.args(["--workers", "1", "--seed", "7", "--continue-on-failure"]);
    run.current_dir(temp.path()).env("PYTHONWARNINGS", "ignore");
    let mut child = run
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut asked = 0_usize;
    let done = async move {
        let mut told = Vec::new();
        let _ = out.read_to_end(&mut told).await;
        (child.wait().await.unwrap(), told)
    };
    tokio::pin!(done);
    let (status, told) = loop {
        tokio::select! {
            ended = &mut done => break ended,
            accepted = listener.accept() => {
                let (socket, _) = accepted.unwrap();
                asked += usize::from(pass_on(&desk, socket).await.is_some());
            }
        }
    };
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(status.success(), "{told}");
    assert!(asked > 500, "{asked} requests: {told}");
    // Whatever it did, it did inside of the folder.
    let mut names: Vec<_> = fs::read_dir(temp.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.retain(|name| !name.to_string_lossy().starts_with('.'));
    names.sort();
    assert_eq!(
        names,
        [
            "data",
            "files",
            "journal",
            "openapi.json",
            "schemathesis.toml"
        ]
    );
}

/// No space for what is announced, and more uploads at once than a page may have, are
/// no failures of ours; names and cursors are refused
/// for more than a pattern can say.
const CONFIG: &str = r#"
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503, 507]
positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 503, 507]
"#;

/// The document with the one folder that there is.
fn known_folder(text: &str) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                if parameter["name"] == "folder" {
                    parameter["schema"]["enum"] = json!(["Files"]);
                }
            }
        }
    }
    document.to_string()
}

/// One request, signed on its way.
async fn pass_on(desk: &Desk, mut socket: TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        bytes.push(socket.read_u8().await.ok()?);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut words = text.lines().next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    if ["GET", "HEAD"].contains(&method) {
        // No browser sends one, and the gate takes none.
        body.clear();
    }
    let kind = header("content-type").unwrap_or_default();
    let offset = header("x-doorward-offset").and_then(|text| text.parse().ok());
    target.parse::<Uri>().ok()?;
    desk.house
        .hand
        .advance(std::time::Duration::from_millis(20));
    let (signed, nonce) = desk
        .house
        .signed_as(&desk.door, method, target, (&body, &kind, offset));
    let reply = desk.house.send(&signed).await;
    // What the gate refuses has no signer yet.
    assert!(
        reply.is_ours(&desk.door, &nonce) || reply.status >= 400,
        "{text}"
    );
    let answer = [reply.head.as_bytes(), b"\r\n\r\n", &reply.body].concat();
    socket.write_all(&answer).await.ok()?;
    let _ = socket.shutdown().await;
    Some(())
}

/// As `cargo xtask test install` puts it.
fn schemathesis() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let mut above = test.ancestors();
    above.find_map(|folder| {
        let program = folder.join("openapi/bin/schemathesis");
        program.is_file().then_some(program)
    })
}
