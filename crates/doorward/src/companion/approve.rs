//! Faces: what asks the person whether a page may be paired.
//!
//! A face only shows and listens. What counts as an answer, and until when, is
//! decided here and in the pairing's own machine: one in the first second, or after
//! the end, is none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Local};
use doorward_companion::defaults;
use doorward_companion::drives::Folders;
use doorward_companion::pairing::{Ending, PairRefusal, Step, Way, Window, origin_at_most};
use doorward_guard::audit::sanitise;
use doorward_guard::{Origin, Rule};

use super::{Companion, Unpaired, refusal};

/// Characters of a page's name for itself that are shown: all of one that has
/// nothing to escape.
const LABEL_SHOWN: usize = defaults::LABEL;

/// Something that can ask a person: a dialog, a terminal, a window of an app.
pub trait Approve: Send + Sync + fmt::Debug {
    /// A word for it.
    fn name(&self) -> &'static str;

    /// Shows `asked` and waits for the answer; says `on_screen` when the person can
    /// see it. When the future is dropped the request is over, and what is shown
    /// must go.
    fn ask<'a>(&'a self, asked: &'a Asked, on_screen: OnScreen) -> Asking<'a, Answer>;

    /// Tells what came of it. A face may keep good news to itself, never bad ones.
    fn tell<'a>(&'a self, news: &'a News) -> Asking<'a, ()>;
}

/// What a face will have heard.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who is asked.
#[derive(Clone, Debug, Default)]
pub enum Approval {
    /// Whoever runs `doorward pair approve`.
    #[default]
    OnCommand,
    /// This face, and whoever runs `doorward pair approve`.
    By(Arc<dyn Approve>),
    /// Nobody: no page can ask.
    Off,
}

/// What the person said.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, and what they typed of the code, if they were to.
    Approved(Option<String>),
    /// No.
    Denied,
    /// The window was closed, which is a no.
    Closed,
    /// Nothing that they meant: they are asked again.
    Unmeant,
    /// The face cannot show anything.
    NotShown,
}

/// One request, as a face shows it. Every text is one line that changes nothing
/// around it: no control characters, nothing that turns the reading direction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// Names the request within this run.
    pub number: u64,
    /// Who asks, exactly: scheme, host in ASCII, port.
    pub origin: Origin,
    /// Whether it is paired in the compatible listener's way, which is weaker. To be
    /// said.
    pub compat: bool,
    /// What the page calls itself. To be shown in quotes, and never in place of the
    /// origin.
    pub label: String,
    /// What it asks for: a folder in quotes with its rights each, and where it is, if
    /// it is shared. Empty if it is no folder.
    pub scopes: Vec<String>,
    /// The six digits to compare, or characters if it is [`Asked::compat`]. `None` if the person types what the page shows.
    pub code: Option<String>,
    /// When it is over.
    pub until: SystemTime,
    /// Why it is asked again.
    pub again: Option<&'static str>,
}

/// What came of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct News {
    /// Who had asked.
    pub origin: Origin,
    /// What came of it.
    pub outcome: Outcome,
}

/// See [`News`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Approved here; the page has still to confirm.
    Approved,
    /// It is paired.
    Paired,
    /// It is not, because of this.
    Failed(&'static str),
}

/// To be told when the person can see the request: the first second, in which
/// nothing counts, begins then.
#[derive(Clone)]
pub struct OnScreen(Arc<dyn Fn() + Send + Sync>);

impl OnScreen {
    /// It is on the screen now.
    pub fn now(&self) {
        (self.0)();
    }
}

impl Approval {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::OnCommand => "command",
            Self::By(face) => face.name(),
            Self::Off => "none",
        }
    }
}

impl Asked {
    fn new(
        window: &Window,
        folders: &Folders,
        until: SystemTime,
        again: Option<&'static str>,
    ) -> Self {
        let scopes = window.scopes.iter().map(|(folder, rights)| {
            let rights: Vec<_> = rights.iter().map(|right| right.name()).collect();
            let place = folders.path_of(folder).map(|path| {
                let path = path.to_string_lossy().into_owned();
                format!(": {}", sanitise(&path))
            });
            format!(
                "\u{201c}{}\u{201d} ({}){}",
                folder.as_str(),
                rights.join(", "),
                place.unwrap_or_default()
            )
        });
        Self {
            number: window.number,
            origin: window.origin.clone(),
            compat: window.way == Way::Stamped,
            label: window.label.clone(),
            scopes: scopes.collect(),
            code: (!window.typed).then(|| window.code.to_string()),
            until,
            again,
        }
    }

    /// What is shown, a line each; those that belong to the one before begin with
    /// four spaces. Hosts that are longer than `width` are cut at
    /// their left end: who owns a name stands at its right.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.again.map(str::to_owned));
        lines.push("A web page asks to be paired with this computer:".to_owned());
        lines.push(format!("    {}", origin_at_most(&self.origin, width)));
        if self.is_foreign() {
            lines.push(
                "Its name has letters that may look like others; this is how it really is spelled."
                    .to_owned(),
            );
        }
        if !self.label.trim().is_empty() {
            let label: String = self.label.chars().take(LABEL_SHOWN).collect();
            let more = match self.label.chars().nth(LABEL_SHOWN) {
                Some(_) => "…",
                None => "",
            };
            lines.push(format!("It calls itself \u{201c}{label}{more}\u{201d}."));
        }
        if self.compat {
            lines.push(
                "It does so in the older way of Sambee, which is weaker: a program that listens in between could take its place. Approve only if you have just asked for it."
                    .to_owned(),
            );
        }
        match self.scopes.as_slice() {
            [] => lines.push("It asks for no folder.".to_owned()),
            scopes => {
                lines.push("It asks for:".to_owned());
                lines.extend(scopes.iter().map(|scope| format!("    {scope}")));
            }
        }
        lines.push(match &self.code {
            Some(code) => format!("Approve only if the page shows this code:  {code}"),
            None if self.compat => {
                "Approve by typing the six letters and digits that the page shows.".to_owned()
            }
            None => "Approve by typing the six digits that the page shows.".to_owned(),
        });
        lines.push(format!("It can be answered until {}.", self.clock()));
        lines
    }

    /// Whether the host is spelled in punycode.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let host = self.origin.as_str().split("://").nth(1);
        let mut labels = host.unwrap_or_default().split('.');
        labels.any(|label| label.starts_with("xn--"))
    }

    /// When it is over, on this computer's clock: `14:03:20`.
    #[must_use]
    pub fn clock(&self) -> String {
        let until = DateTime::<Local>::from(self.until);
        until.format("%H:%M:%S").to_string()
    }
}

impl Companion {
    /// A window opened: its face asks, until there is an answer or it is over.
    pub(super) fn show(self: &Arc<Self>, window: Window) {
        let Approval::By(face) = self.approval.clone() else {
            return;
        };
        let room = Arc::clone(self);
        tokio::spawn(async move {
            let over = room.over(window.number);
            tokio::select! {
                () = room.ask(&*face, &window) => {}
                () = over => {}
            }
        });
    }

    async fn ask(self: &Arc<Self>, face: &dyn Approve, window: &Window) {
        let number = window.number;
        let left = window.left(self.clock.now());
        let until = self.clock.wall() + left;
        let mut again = None;
        loop {
            let room = Arc::clone(self);
            let on_screen = OnScreen(Arc::new(move || room.pairings().opened(number)));
            let asked = Asked::new(window, &self.folders, until, again);
            let answer = face.ask(&asked, on_screen).await;
            let typed = match answer {
                Answer::Approved(typed) => typed,
                Answer::Unmeant => {
                    again = Some(PairRefusal::TooSoon.sentence());
                    continue;
                }
                Answer::Denied => return self.no(number, Ending::Denied),
                Answer::Closed => return self.no(number, Ending::WindowClosed),
                Answer::NotShown => {
                    let name = face.name();
                    tracing::error!(name, "a pairing is denied: its window cannot be shown");
                    return self.no(number, Ending::NotShown);
                }
            };
            let step = {
                let mut pairings = self.pairings();
                pairings.approve(number, &window.scopes, typed.as_deref())
            };
            match step {
                Ok(step) => {
                    if matches!(step, Step::Waiting) {
                        self.tell(&window.origin, Outcome::Approved);
                    }
                    // What came of it is told by what follows, to all.
                    let room = Arc::clone(self);
                    tokio::spawn(async move {
                        let _ = room.follow(step).await;
                    });
                    return;
                }
                Err(why @ (PairRefusal::TooSoon | PairRefusal::CodeNeeded)) => {
                    again = Some(why.sentence());
                }
                Err(PairRefusal::Gone) => return,
                Err(why) => {
                    self.sweep();
                    return self.tell(&window.origin, Outcome::Failed(why.sentence()));
                }
            }
        }
    }

    fn no(self: &Arc<Self>, number: u64, why: Ending) {
        // It may be over already.
        let _ = self.pairings().close(number, why);
        self.sweep();
    }

    /// Waits until request `number` needs no answer any more.
    async fn over(&self, number: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let window = self.pairings().window();
            if !window.is_some_and(|window| window.number == number && !window.approved) {
                return;
            }
            changed.await;
        }
    }

    /// Tells the person, whatever else waits for it.
    pub(super) fn tell(&self, origin: &Origin, outcome: Outcome) {
        let Approval::By(face) = self.approval.clone() else {
            return;
        };
        let news = News {
            origin: origin.clone(),
            outcome,
        };
        tokio::spawn(async move { face.tell(&news).await });
    }

    /// What a pairing that was not kept is told as.
    pub(super) fn tell_unpaired(&self, origin: &Origin, why: Unpaired) {
        let rule = why.for_person();
        if rule != refusal::pair(PairRefusal::Gone) {
            self.tell(origin, Outcome::Failed(Rule::message(rule)));
        }
    }
}

// === impl Debug ===

/// What was typed is nobody's to log.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approved(_) => "Approved(..)",
            Self::Denied => "Denied",
            Self::Closed => "Closed",
            Self::Unmeant => "Unmeant",
            Self::NotShown => "NotShown",
        })
    }
}

impl fmt::Debug for OnScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnScreen")
    }
}
