//! The Debian packages that the suite uses. Installs only what is missing, and says what and why.

use anyhow::Result;

use crate::shell::{step, version};
use crate::stage::Ending;

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
    (
        "text in screenshots",
        &["fonts-liberation", "fonts-dejavu-core"],
    ),
];

/// The stage.
pub(crate) fn run() -> Result<Ending> {
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
