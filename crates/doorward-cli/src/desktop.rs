//! Whether there is a desktop with a browser, and opening it.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use doorward::platform::tells_tcp_peers;

use crate::failure::{Code, Failure};

/// Whether a window could be shown.
pub(crate) fn has_display() -> bool {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return true;
    }
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Whether somebody sits there to see it.
pub(crate) fn is_watched() -> bool {
    has_display() && io::stdout().is_terminal()
}

/// Opens `url`, which carries a launch ticket, in the browser.
///
/// It is told on the opener's command line, which other users can read. Where
/// the daemon does not let other users' processes in, that gives them nothing;
/// elsewhere it is not done.
///
/// # Errors
///
/// There is no opener, or the platform does not tell who connects.
pub(crate) fn open_url(url: &str) -> Result<(), Failure> {
    let failure = || Failure::new(Code::Failed, "browser", "cannot open the browser");
    if !tells_tcp_peers() {
        return Err(failure()
            .why("on this platform other users could read the link on the way")
            .next("Copy the printed URL into the browser."));
    }
    open::that_detached(url).map_err(|error| {
        failure()
            .why(error)
            .next("Copy the URL of `doorward open --print` into a browser of this machine.")
    })
}

/// The program that opens URLs here.
pub(crate) fn opener() -> Option<PathBuf> {
    open::commands("http://127.0.0.1/")
        .iter()
        .find_map(|command| in_path(&command.get_program().to_string_lossy()))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
