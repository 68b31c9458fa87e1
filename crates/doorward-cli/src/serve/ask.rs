//! Who is asked whether a page may be paired: a dialog, or the terminal that
//! doorward runs in.

use std::io::{BufRead as _, IsTerminal as _};
use std::sync::Arc;

use doorward::approve::{
    Answer, Approval, Approve, Asked, Asking, Dialog, News, OnScreen, Outcome,
};
use doorward::config::Face;
use tokio::sync::mpsc;

use crate::args::Serve;
use crate::failure::{Code, Failure};
use crate::term::{Paint, remark};

/// Characters of an origin that fit on one line.
const WIDTH: usize = 72;
/// Lines that were typed before anybody asked.
const TYPED_AHEAD: usize = 16;

/// The face that the configuration wants.
///
/// # Errors
///
/// It wants one that is not there.
pub(super) fn approval(face: Face, serve: &Serve) -> Result<Approval, Failure> {
    let missing = |why: &dyn std::fmt::Display| {
        Failure::new(Code::Config, "noFace", "nobody could be asked about pages")
            .why(why)
            .next("Choose another with --approve, or leave it out.")
    };
    let by = |face: Arc<dyn Approve>| Ok(Approval::By(face));
    match face {
        Face::Auto => match Dialog::find() {
            Ok(dialog) => by(Arc::new(dialog)),
            Err(_) if is_attended(serve) => by(Arc::new(Terminal::open())),
            Err(_) => Ok(Approval::OnCommand),
        },
        Face::Dialog => match Dialog::find() {
            Ok(dialog) => by(Arc::new(dialog)),
            Err(why) => Err(missing(&why)),
        },
        Face::Terminal if is_attended(serve) => by(Arc::new(Terminal::open())),
        Face::Terminal => Err(missing(
            &"doorward does not run in a terminal where somebody could type",
        )),
        Face::Nowhere => Ok(Approval::Off),
        _ => Ok(Approval::OnCommand),
    }
}

/// Whether somebody can read and type here. Programs read what `--json` says, and
/// with `--exit-with-parent` standard input is the parent's.
fn is_attended(serve: &Serve) -> bool {
    let programs = serve.json || serve.quiet || serve.exit_with_parent;
    !programs && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The terminal that doorward runs in.
#[derive(Debug)]
struct Terminal {
    lines: tokio::sync::Mutex<mpsc::Receiver<String>>,
}

/// A question; dropped without an answer it is over, and says so.
struct Question {
    open: bool,
}

impl Terminal {
    /// Reads standard input from now on, on a thread that nobody waits for.
    fn open() -> Self {
        let (tell, lines) = mpsc::channel(TYPED_AHEAD);
        let read = move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                // What is typed when nobody asks is not kept.
                if let Err(mpsc::error::TrySendError::Closed(_)) = tell.try_send(line) {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new()
            .name("doorward-terminal".to_owned())
            .spawn(read);
        if started.is_err() {
            remark("Nothing can be typed here: use `doorward pair approve`.");
        }
        Self {
            lines: tokio::sync::Mutex::new(lines),
        }
    }

    async fn show(&self, asked: &Asked, on_screen: &OnScreen) -> Answer {
        let mut lines = self.lines.lock().await;
        // Typed before, so not meant for this.
        while lines.try_recv().is_ok() {}
        remark(&format!("\n{}", question(asked)));
        on_screen.now();
        let mut question = Question { open: true };
        let line = lines.recv().await;
        question.open = false;
        match line {
            Some(line) => answer(asked, &line),
            // Nobody can type any more.
            None => Answer::NotShown,
        }
    }
}

fn question(asked: &Asked) -> String {
    let paint = Paint::stderr();
    let mut text = asked.lines(WIDTH).join("\n");
    text.push('\n');
    text.push_str(&paint.bold(match asked.code {
        Some(_) => "Does the page show this code, and is it yours? [y/N] ",
        None if asked.compat => "The six letters and digits, or Enter to deny: ",
        None => "The six digits, or Enter to deny: ",
    }));
    text
}

/// Everything but a clear yes is a no.
fn answer(asked: &Asked, line: &str) -> Answer {
    let line = line.trim();
    match (&asked.code, line) {
        (Some(_), "y" | "Y" | "yes" | "Yes" | "YES") => Answer::Approved(None),
        (None, line) if asked.compat && line.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            Answer::Approved(Some(line.to_owned()))
        }
        (None, line) if line.starts_with(|c: char| c.is_ascii_digit()) => {
            Answer::Approved(Some(line.to_owned()))
        }
        // Who types the digits has looked at them.
        (Some(_), line) if digits(line) == 6 => Answer::Approved(Some(line.to_owned())),
        _ => Answer::Denied,
    }
}

fn digits(line: &str) -> usize {
    match line.chars().all(|c| c.is_ascii_digit() || c == ' ') {
        true => line.chars().filter(char::is_ascii_digit).count(),
        false => 0,
    }
}

// === impl Approve ===

impl Approve for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn ask<'a>(&'a self, asked: &'a Asked, on_screen: OnScreen) -> Asking<'a, Answer> {
        Box::pin(async move { self.show(asked, &on_screen).await })
    }

    fn tell<'a>(&'a self, news: &'a News) -> Asking<'a, ()> {
        Box::pin(async move {
            let origin = &news.origin;
            match news.outcome {
                Outcome::Approved => remark("Approved. Confirm on the page as well."),
                Outcome::Paired => remark(&format!("{origin} is paired.")),
                Outcome::Failed(why) => remark(&format!("{origin} is not paired. {why}")),
                _ => {}
            }
        })
    }
}

// === impl Drop ===

impl Drop for Question {
    fn drop(&mut self) {
        if self.open {
            remark("\nThis request is over.");
        }
    }
}
