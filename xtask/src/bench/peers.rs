//! The servers that doorward is held against, and the store that all of them read from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::process::{Process, free_port};
use crate::place;
use crate::shell::{cargo, step, version};

/// One of them, running.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) process: Process,
    pub(super) port: u16,
}

/// nginx with the data as a store has it: over plain HTTP and over TLS.
pub(super) struct Store {
    pub(super) peer: Peer,
    pub(super) tls: u16,
    pub(super) ca: PathBuf,
}

/// Those that are installed; the others are named with what would install them.
pub(super) fn start(store: u16, scratch: &Path) -> Result<Vec<Peer>> {
    let url = format!("http://127.0.0.1:{store}");
    let mut peers = vec![nginx_proxy(&url, scratch)?];
    match version("haproxy", &["-v"]) {
        Some(said) => peers.push(haproxy(store, scratch, &said)?),
        None => println!("skipped: haproxy is not installed: apt-get install haproxy"),
    }
    let rclone = place::target()?.join("stores/rclone/bin/rclone");
    match version(&rclone.to_string_lossy(), &["version"]) {
        Some(said) => peers.push(serve_rclone(&rclone, &url, &said)?),
        None => println!("skipped: rclone is not installed: cargo xtask test install"),
    }
    peers.push(reference(&url)?);
    Ok(peers)
}

/// The reference's binary, built for release.
pub(super) fn build_reference() -> Result<PathBuf> {
    let manifest = place::root()?.join("benches/reference/Cargo.toml");
    let target = place::target()?.join("reference");
    cargo(
        ["build", "--release", "--locked", "--manifest-path"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([
                manifest.as_os_str(),
                "--target-dir".as_ref(),
                target.as_os_str(),
            ]),
    )?
    .run()?;
    Ok(target.join("release/reference"))
}

fn reference(url: &str) -> Result<Peer> {
    let port = free_port()?;
    let mut command = Command::new(build_reference()?);
    command.args(["serve", &port.to_string(), url]);
    Ok(Peer {
        name: "reference",
        version: "axum, reqwest, ReaderStream of 4 KiB (benches/reference)".to_owned(),
        process: Process::listening(&mut command, port)?,
        port,
    })
}

fn serve_rclone(program: &Path, url: &str, said: &str) -> Result<Peer> {
    let port = free_port()?;
    let mut command = Command::new(program);
    command
        .args([
            "serve",
            "http",
            ":http:",
            "--http-url",
            url,
            "--config",
            "/dev/null",
        ])
        .args(["--addr", &format!("127.0.0.1:{port}")]);
    Ok(Peer {
        name: "rclone",
        version: format!("{}, serve http", first_line(said)),
        process: Process::listening(&mut command, port)?,
        port,
    })
}

fn haproxy(store: u16, scratch: &Path, said: &str) -> Result<Peer> {
    let port = free_port()?;
    let file = scratch.join("haproxy.cfg");
    fs::write(
        &file,
        format!(
            "global\n  maxconn 512\ndefaults\n  mode http\n  option http-keep-alive\n  option splice-auto\n  \
             http-reuse always\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen door\n  bind 127.0.0.1:{port}\n  server store 127.0.0.1:{store}\n"
        ),
    )?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    Ok(Peer {
        name: "haproxy",
        version: format!("{}, splice-auto", first_line(said)),
        process: Process::listening(&mut command, port)?,
        port,
    })
}

/// nginx on a port of its own, with what `server` says of it.
pub(super) fn nginx_before(
    server: impl Fn(u16) -> String,
    how: &str,
    scratch: &Path,
) -> Result<Peer> {
    let port = free_port()?;
    Ok(Peer {
        name: "nginx",
        version: format!("{}, {how}", nginx_version()?),
        process: nginx(&port.to_string(), &server(port), port, scratch)?,
        port,
    })
}

fn nginx_proxy(url: &str, scratch: &Path) -> Result<Peer> {
    // For each kind of work what it is best at: large bodies unbuffered.
    let server = |port| {
        format!(
            "upstream store {{ server {}; keepalive 64; }}\n\
         server {{ listen 127.0.0.1:{port}; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_max_temp_file_size 0;\n\
         location / {{ proxy_pass http://store; proxy_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k;\n\
         proxy_busy_buffers_size 128k; }}\n\
         location /bucket/small/ {{ proxy_pass http://store; proxy_buffers 8 16k; }} }}\n",
            url.trim_start_matches("http://")
        )
    };
    nginx_before(server, "unbuffered for large bodies", scratch)
}

pub(super) fn store(data: &Path, scratch: &Path) -> Result<Store> {
    let version = format!("{}, sendfile", nginx_version()?);
    let (port, tls) = (free_port()?, free_port()?);
    let ca = certificates(scratch)?;
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; root {0}; autoindex on; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{tls} ssl; root {0}; keepalive_requests 1000000;\n\
         ssl_certificate {1}/tls.pem; ssl_certificate_key {1}/tls.key; }}\n",
        data.display(),
        scratch.display()
    );
    let process = nginx("store", &server, port, scratch)?;
    let peer = Peer {
        name: "the store",
        version,
        process,
        port,
    };
    Ok(Store { peer, tls, ca })
}

fn nginx(name: &str, server: &str, port: u16, scratch: &Path) -> Result<Process> {
    let prefix = scratch.join(format!("nginx-{name}"));
    fs::create_dir_all(&prefix)?;
    let user = version("id", &["-un"]).context("no user name")?;
    let config = format!(
        "daemon off; user {user}; worker_processes auto; pid {0}/pid; error_log {0}/error warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; tcp_nodelay on; client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n\
         default_type application/octet-stream; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
         keepalive_requests 1000000; {server} }}\n",
        prefix.display()
    );
    let file = prefix.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file);
    Process::listening(&mut command, port)
}

fn nginx_version() -> Result<String> {
    let said = Command::new("nginx").arg("-v").output();
    let Ok(said) = said else {
        bail!("the bench needs nginx, which plays the store: apt-get install nginx-light");
    };
    let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Ok(said.trim_start_matches("nginx version: ").to_owned())
}

/// An authority, and a certificate for 127.0.0.1.
fn certificates(scratch: &Path) -> Result<PathBuf> {
    fs::write(scratch.join("ext"), "subjectAltName=IP:127.0.0.1\n")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=bench"),
        format!("req {key} -keyout tls.key -out tls.csr -subj /CN=127.0.0.1"),
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out tls.pem -extfile ext"
            .to_owned(),
    ] {
        let made = step("openssl", line.split(' '))?.inside(scratch).ask();
        made.with_context(|| format!("openssl {line}"))?;
    }
    Ok(scratch.join("ca.pem"))
}

fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}
