//! One page's conversation about what it watches.
//!
//! Nothing is queued for a page: it has a place in each folder's past, and what is
//! next is looked up when the page takes it. So a page that lags costs nothing, and
//! hears `resync` once its place is no longer kept.
//!
//! Before anything of a folder is told, its path is walked again: may the page still
//! read there, and is it still that very folder? One path of each shared folder at a
//! time, so that a page with many does not keep the drive's threads to itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs::File;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use doorward_guard::Rule;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use super::history::{Lost, Next};
use super::message::{Gone, Name, Said, Since, Told};
use super::platform::{Node, System};
use super::table::{Look, Stamp};
use super::watcher::{Seat, Slot, Watcher};
use crate::defaults;
use crate::drives::RelPath;
use crate::pairing::FolderName;

/// A folder that is being opened.
pub type Opening = Pin<Box<dyn Future<Output = Result<File, Rule>> + Send>>;

/// Opens a folder beneath a shared one, if the page may read there at this moment.
pub type Open = dyn Fn(&FolderName, &RelPath) -> Opening + Send + Sync;

/// What one page watches over one socket. Ends with it.
pub struct Session {
    watcher: Watcher,
    key: String,
    open: Arc<Open>,
    bell: Arc<Notify>,
    answers: VecDeque<Told>,
    subscriptions: BTreeMap<Name, Subscription>,
    /// Who was told something last: the others come first.
    served: Option<Name>,
    /// Shared folders of which a path is being walked.
    walked: BTreeSet<FolderName>,
    walks: JoinSet<Walked>,
    again: Interval,
    /// When the second began in which so much was said.
    said: (Instant, u32),
    number: u64,
}

#[derive(Debug)]
struct Subscription {
    folder: FolderName,
    path: RelPath,
    /// Tells it from one that had its name before.
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Wanted(Slot, Option<Since>),
    Opening(Option<Since>),
    Live(Live),
}

#[derive(Debug)]
struct Live {
    seat: Seat,
    heard: u64,
    /// What the folder was like when its path was walked last.
    walked: Stamp,
    walking: bool,
    overdue: bool,
}

/// What came of a walk.
#[derive(Debug)]
struct Walked {
    name: Name,
    folder: FolderName,
    number: u64,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Opened(Result<Seat, Rule>),
    Again(Stamp, Result<Node, Rule>),
}

impl Session {
    /// The conversation of the page with the key `key`. Inside of a runtime.
    #[must_use]
    pub fn new(watcher: &Watcher, key: &str, open: Arc<Open>) -> Self {
        let now = Instant::now();
        let every = defaults::WATCH_LOOK_AGAIN;
        let mut again = interval_at(now + every, every);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hello = Told::Hello {
            subscriptions: defaults::WATCHES_PER_KEY,
        };
        Self {
            watcher: watcher.clone(),
            key: key.to_owned(),
            open,
            bell: Arc::default(),
            answers: VecDeque::from([hello]),
            subscriptions: BTreeMap::new(),
            served: None,
            walked: BTreeSet::new(),
            walks: JoinSet::new(),
            again,
            said: (now, 0),
            number: 0,
        }
    }

    /// Hears what the page says.
    ///
    /// # Errors
    ///
    /// [`Rule::RateLimited`] if it says more than [`defaults::WATCH_SAID`] messages in
    /// a second, or takes no answers: the socket has to end.
    pub fn hear(&mut self, text: &str) -> Result<(), Rule> {
        let now = Instant::now();
        if now - self.said.0 >= defaults::WATCH_SECOND {
            self.said = (now, 0);
        }
        self.said.1 += 1;
        if self.said.1 > defaults::WATCH_SAID || self.answers.len() >= defaults::WATCH_ANSWERS {
            return Err(Rule::RateLimited);
        }
        let answer = match Said::read(text) {
            Ok(Said::Subscribe {
                id,
                folder,
                path,
                since,
            }) => match self.want(&id, &folder, &path, since) {
                Ok(()) => return Ok(()),
                Err(rule) => Told::refused(Some(id.text()), rule),
            },
            Ok(Said::Unsubscribe { id }) => match self.subscriptions.remove(&id) {
                Some(_) => Told::Unsubscribed { id: id.text() },
                None => Told::refused(Some(id.text()), Rule::WatchUnknown),
            },
            Ok(Said::Ping { id }) => Told::Pong {
                id: id.map(|id| id.text()),
            },
            Err((id, rule)) => Told::refused(id, rule),
        };
        self.answers.push_back(answer);
        Ok(())
    }

    /// What the page hears next; waits for it. May be dropped while it waits.
    pub async fn next(&mut self) -> Told {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            if let Some(told) = self.serve() {
                return told;
            }
            tokio::select! {
                Some(walked) = self.walks.join_next() => self.arrive(walked),
                () = self.bell.notified() => {}
                _ = self.again.tick() => {
                    for subscription in self.subscriptions.values_mut() {
                        if let State::Live(live) = &mut subscription.state {
                            live.overdue = true;
                        }
                    }
                }
            }
        }
    }

    fn want(
        &mut self,
        id: &Name,
        folder: &str,
        path: &str,
        since: Option<Since>,
    ) -> Result<(), Rule> {
        if self.subscriptions.contains_key(id) {
            return Err(Rule::WatchIdTaken);
        }
        let folder = FolderName::parse(folder).ok_or(Rule::FolderUnknown)?;
        let path = RelPath::parse(path).map_err(|why| why.rule())?;
        let slot = self.watcher.slot(&self.key)?;
        self.number += 1;
        let wanted = Subscription {
            folder,
            path,
            number: self.number,
            state: State::Wanted(slot, since),
        };
        self.subscriptions.insert(id.clone(), wanted);
        Ok(())
    }

    /// Starts the walks that are needed, and takes the next thing that may be told.
    fn serve(&mut self) -> Option<Told> {
        let after = match self.served.take() {
            Some(served) => Bound::Excluded(served),
            None => Bound::Unbounded,
        };
        let later = self.subscriptions.range((after.clone(), Bound::Unbounded));
        let names: Vec<Name> = match after {
            Bound::Excluded(served) => {
                let before = self.subscriptions.range(..=served);
                later.chain(before).map(|(name, _)| name.clone()).collect()
            }
            _ => later.map(|(name, _)| name.clone()).collect(),
        };
        for name in names {
            if let Some(told) = self.serve_one(&name) {
                self.served = Some(name);
                return Some(told);
            }
        }
        None
    }

    fn serve_one(&mut self, name: &Name) -> Option<Told> {
        let subscription = self.subscriptions.get_mut(name)?;
        let free = !self.walked.contains(&subscription.folder);
        let State::Live(live) = &mut subscription.state else {
            if free && matches!(subscription.state, State::Wanted(..)) {
                self.walk(name);
            }
            return None;
        };
        let id = name.text();
        let Some(Look { next, stamp, gone }) = live.seat.look(live.heard) else {
            return self.end(name, Gone::Failed);
        };
        if let Some(why) = gone {
            return self.end(name, why);
        }
        let told = match next {
            Next::Nothing => None,
            Next::Changed(sequence, changes) => Some((
                sequence,
                Told::Changed {
                    id,
                    sequence,
                    changes,
                },
            )),
            Next::Resync(sequence, why) => Some((sequence, Told::Resync { id, sequence, why })),
        };
        let still = live.walked.shaken == stamp.shaken && !live.overdue;
        match told {
            Some((sequence, told)) if still && sequence <= live.walked.sequence => {
                live.heard = sequence;
                Some(told)
            }
            None if still => None,
            _ => {
                if free && !live.walking {
                    live.walking = true;
                    self.walk(name);
                }
                None
            }
        }
    }

    fn end(&mut self, name: &Name, why: Gone) -> Option<Told> {
        self.subscriptions.remove(name);
        Some(Told::Gone {
            id: name.text(),
            why,
        })
    }

    /// Opens the folder of a subscription, for the first time or again.
    fn walk(&mut self, name: &Name) {
        let Some(subscription) = self.subscriptions.get_mut(name) else {
            return;
        };
        let (open, folder) = (Arc::clone(&self.open), subscription.folder.clone());
        let (path, number) = (subscription.path.clone(), subscription.number);
        self.walked.insert(folder.clone());
        let name = name.clone();
        let walked = move |found| Walked {
            name,
            folder,
            number,
            found,
        };
        let folder = subscription.folder.clone();
        let state = std::mem::replace(&mut subscription.state, State::Opening(None));
        match state {
            State::Wanted(slot, since) => {
                subscription.state = State::Opening(since);
                let (watcher, bell) = (self.watcher.clone(), Arc::clone(&self.bell));
                self.walks.spawn(async move {
                    let opened = match patiently(&*open, &folder, &path).await {
                        Ok(dir) => watcher.join(dir, slot, bell).await,
                        Err(rule) => Err(rule),
                    };
                    walked(Found::Opened(opened))
                });
            }
            State::Live(live) => {
                let stamp = live.seat.look(live.heard).map(|look| look.stamp);
                let stamp = stamp.unwrap_or(live.walked);
                subscription.state = State::Live(live);
                self.walks.spawn(async move {
                    let found = match patiently(&*open, &folder, &path).await {
                        Ok(dir) => identify(dir).await,
                        Err(rule) => Err(rule),
                    };
                    walked(Found::Again(stamp, found))
                });
            }
            opening @ State::Opening(_) => subscription.state = opening,
        }
    }

    fn arrive(&mut self, walked: Result<Walked, JoinError>) {
        let Ok(walked) = walked else {
            // A walk that broke off tells nothing, so nothing is told.
            self.walked.clear();
            while let Some((name, _)) = self.subscriptions.pop_first() {
                let (id, why) = (name.text(), Gone::Failed);
                self.answers.push_back(Told::Gone { id, why });
            }
            return;
        };
        self.walked.remove(&walked.folder);
        let Walked { name, number, .. } = walked;
        let subscription = self.subscriptions.get_mut(&name);
        let Some(subscription) = subscription.filter(|own| own.number == number) else {
            return;
        };
        match (walked.found, &mut subscription.state) {
            (Found::Opened(Ok(seat)), State::Opening(since)) => {
                let since = since.take();
                self.begin(&name, seat, since);
            }
            (Found::Opened(Err(rule)), _) => {
                self.subscriptions.remove(&name);
                self.answers
                    .push_back(Told::refused(Some(name.text()), rule));
            }
            (Found::Again(stamp, found), State::Live(live)) => {
                live.walking = false;
                let why = match found {
                    Ok(node) if node == live.seat.node() => {
                        (live.walked, live.overdue) = (stamp, false);
                        return;
                    }
                    Ok(_) => Gone::Moved,
                    Err(Rule::FolderBusy | Rule::FolderSlow) => return,
                    Err(rule) => gone(rule),
                };
                let told = self.end(&name, why);
                self.answers.extend(told);
            }
            (Found::Opened(Ok(_)) | Found::Again(..), _) => {}
        }
    }

    /// The folder is watched.
    fn begin(&mut self, name: &Name, seat: Seat, since: Option<Since>) {
        let Some(subscription) = self.subscriptions.get_mut(name) else {
            return;
        };
        let (epoch, walked) = (seat.epoch().to_owned(), seat.stamp());
        let (mut heard, mut lost) = (walked.sequence, None);
        if let Some(since) = since {
            match seat.reaches(&since.epoch, since.sequence) {
                true => heard = since.sequence,
                false if since.epoch == epoch => lost = Some(Lost::Behind),
                false => lost = Some(Lost::Restarted),
            }
        }
        let id = name.text();
        self.answers.push_back(Told::Subscribed {
            id: id.clone(),
            folder: subscription.folder.as_str().to_owned(),
            path: subscription.path.as_str().to_owned(),
            epoch,
            sequence: heard,
        });
        self.answers.extend(lost.map(|why| Told::Resync {
            id,
            sequence: heard,
            why,
        }));
        subscription.state = State::Live(Live {
            seat,
            heard,
            walked,
            walking: false,
            overdue: false,
        });
    }
}

/// Opens it, however busy its drive is, a few times.
async fn patiently(open: &Open, folder: &FolderName, path: &RelPath) -> Result<File, Rule> {
    let mut tries = defaults::WATCH_TRIES;
    loop {
        let opened = open(folder, path).await;
        tries -= 1;
        if tries == 0 || !matches!(opened, Err(Rule::FolderBusy)) {
            return opened;
        }
        sleep(defaults::FOLDER_RETRY).await;
    }
}

async fn identify(dir: File) -> Result<Node, Rule> {
    let node = tokio::task::spawn_blocking(move || System::node(&dir)).await;
    node.map_err(|_| Rule::Internal)?
        .map_err(|_| Rule::DriveFailed)
}

fn gone(rule: Rule) -> Gone {
    match rule {
        Rule::PathUnknown | Rule::NotAFolder => Gone::Moved,
        Rule::FolderAbsent => Gone::Unmounted,
        Rule::FolderUnknown | Rule::RightMissing | Rule::SignatureInvalid => Gone::NotAllowed,
        Rule::AccessDenied => Gone::Unreadable,
        _ => Gone::Failed,
    }
}

// === impl Debug ===

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("subscriptions", &self.subscriptions.len())
            .finish_non_exhaustive()
    }
}
