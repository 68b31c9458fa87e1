//! A face for any desktop: a dialog of zenity, which we start and end.
//!
//! Its text stands on a command line that other users of this machine can read.
//! There is nothing secret in it: the six digits are good for nothing but comparing,
//! and are not there when they are to be typed.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use doorward_companion::defaults;
use tokio::process::Command;
use tokio::time::Instant;

use super::approve::{Answer, Approve, Asked, Asking, News, OnScreen, Outcome};

/// Characters of an origin that fit on one line of the dialog.
const WIDTH: usize = 60;
/// What it ends with when Approve is chosen.
const APPROVED: i32 = 0;
/// When Deny is chosen, or the window is closed.
const DENIED: i32 = 1;
/// When its time is over.
const TIMED_OUT: i32 = 5;

/// The dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    program: PathBuf,
}

/// Why there is no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoDialog {
    /// There is no desktop to show it on.
    #[error("there is no desktop: neither DISPLAY nor WAYLAND_DISPLAY is set")]
    NoDesktop,
    /// The program that shows it is not there.
    #[error("zenity is not installed")]
    NoProgram,
    /// Nothing shows dialogs on this platform.
    #[error("dialogs are only for Linux in this build")]
    Unsupported,
}

impl Dialog {
    /// Looks for a desktop and for the program that shows dialogs on it.
    ///
    /// # Errors
    ///
    /// [`NoDialog`].
    pub fn find() -> Result<Self, NoDialog> {
        if !cfg!(target_os = "linux") {
            return Err(NoDialog::Unsupported);
        }
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
            return Err(NoDialog::NoDesktop);
        }
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&folders)
            // Never what lies in the folder that we happen to be in.
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("zenity"))
            .find(|path| path.is_file());
        let program = program.ok_or(NoDialog::NoProgram)?;
        Ok(Self { program })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--title=doorward")
            // Under another one it takes no text like ours.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn show(&self, asked: &Asked, on_screen: &OnScreen) -> Answer {
        let text = asked.lines(WIDTH).join("\n\n");
        let text = text.replace("\n\n    ", "\n    ");
        let typed = asked.code.is_none();
        let mut command = self.command();
        command
            .args(["--ok-label=Approve", "--cancel-label=Deny", "--width=560"])
            .arg(format!("--timeout={}", defaults::PAIRING_WITHIN.as_secs()));
        match typed {
            true => command.args(["--entry", &format!("--text={}", entry(&text))]),
            false => command.args([
                "--question",
                "--default-cancel",
                "--no-wrap",
                "--no-markup",
                "--icon-name=dialog-password",
                &format!("--text={text}"),
            ]),
        };
        let Ok(child) = command.spawn() else {
            return Answer::NotShown;
        };
        let shown = Instant::now();
        on_screen.now();
        let Ok(output) = child.wait_with_output().await else {
            return Answer::NotShown;
        };
        match output.status.code() {
            Some(APPROVED) if typed => {
                let typed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                match typed.is_empty() {
                    // Deny is what happens to who types nothing.
                    true => Answer::Denied,
                    false => Answer::Approved(Some(typed)),
                }
            }
            Some(APPROVED) if shown.elapsed() < defaults::DIALOG_DEAD => Answer::Unmeant,
            Some(APPROVED) => Answer::Approved(None),
            Some(DENIED) => Answer::Denied,
            Some(TIMED_OUT) => Answer::Closed,
            Some(_) | None => Answer::NotShown,
        }
    }
}

/// Where zenity would undo backslashes and make shortcuts of underscores: with
/// `--no-markup` it does neither.
fn entry(text: &str) -> String {
    text.replace('\\', "\\\\").replace('_', "__")
}

// === impl Approve ===

impl Approve for Dialog {
    fn name(&self) -> &'static str {
        "dialog"
    }

    fn ask<'a>(&'a self, asked: &'a Asked, on_screen: OnScreen) -> Asking<'a, Answer> {
        Box::pin(async move { self.show(asked, &on_screen).await })
    }

    fn tell<'a>(&'a self, news: &'a News) -> Asking<'a, ()> {
        Box::pin(async move {
            let Outcome::Failed(why) = news.outcome else {
                return;
            };
            let text = format!("{} is not paired.\n\n{why}", news.origin);
            let mut command = self.command();
            command
                .args(["--error", "--no-markup", "--width=560"])
                .arg(format!("--timeout={}", Duration::from_secs(60).as_secs()))
                .arg(format!("--text={text}"));
            if let Ok(mut child) = command.spawn() {
                let _ = child.wait().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_stays_what_it_says() {
        assert_eq!(entry("a_b\\n"), "a__b\\\\n");
    }
}
