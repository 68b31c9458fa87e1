//! The drives of this bridge: what they need of its book, its sockets and its media
//! room.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_companion::defaults;
use doorward_companion::drives::{DrivePlaces, Drives, Folders, Hands, Link, Wish};
use doorward_guard::audit::AuditSink;
use doorward_guard::guard::MountError;
use doorward_guard::{Clock, Guard, IntoAnswer as _, Origins, Refusal, Rule};
use doorward_media::{Disposition, Media, MediaOptions};
use tokio::sync::broadcast;

use super::Companion;
use super::book::Book;
use super::page_events::Told;

/// Opens a file in its application.
#[derive(Clone)]
pub struct Opener(Arc<Opening>);

type Opening = dyn Fn(&Path) -> io::Result<()> + Send + Sync;

/// Media URLs that paired pages have, by pairing.
#[derive(Debug)]
pub(super) struct Links {
    media: Arc<Media>,
    made: Mutex<HashMap<String, Vec<String>>>,
}

impl Opener {
    /// Whatever `open` does with a path; it must not wait for the application.
    pub fn new(open: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }
}

impl Links {
    pub(super) fn new(media: &Arc<Media>) -> Arc<Self> {
        Arc::new(Self {
            media: Arc::clone(media),
            made: Mutex::default(),
        })
    }

    /// Ends what a pairing has.
    pub(super) fn revoke(&self, key_id: &str) {
        let made = self.made().remove(key_id);
        for id in made.into_iter().flatten() {
            self.media.revoke(&id);
        }
    }

    async fn make(&self, book: &Book, wish: Wish) -> Result<Vec<Link>, Refusal> {
        let Wish {
            key_id,
            root,
            paths,
            download,
        } = wish;
        let page = book.origin(&key_id).ok_or(Rule::SignatureInvalid)?;
        {
            let mut made = self.made();
            let of_page = made.entry(key_id.clone()).or_default();
            of_page.retain(|id| self.media.is_live(id));
            if of_page.len() + paths.len() > defaults::LINKS_PER_KEY {
                return Err(Rule::CapacityReached.into());
            }
        }
        let options = MediaOptions {
            disposition: match download {
                true => Disposition::Download,
                false => Disposition::Framed,
            },
            origins: Origins::Exact(vec![page]),
            ..MediaOptions::default()
        };
        let paths: Vec<_> = paths.iter().map(|path| path.as_str().to_owned()).collect();
        let minted = self.media.grant_beneath("drives", &root, &paths, &options);
        let minted = match minted.await {
            Ok(minted) => minted,
            Err(error) => return Err(error.into_answer().err().unwrap_or(Rule::Internal.into())),
        };
        let mut made = self.made();
        let ids = minted.iter().map(|minted| minted.id.clone());
        made.entry(key_id.clone()).or_default().extend(ids);
        drop(made);
        if book.origin(&key_id).is_none() {
            // Ended meanwhile: these were added too late to be found then.
            self.revoke(&key_id);
            return Err(Rule::SignatureInvalid.into());
        }
        let links = paths.into_iter().zip(minted).map(|(path, minted)| Link {
            path,
            url: minted.url,
            id: minted.id,
            expires_at: minted.expires_at,
        });
        Ok(links.collect())
    }

    fn made(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The drives of a companion whose other parts are these.
pub(super) fn open(
    clock: &Clock,
    audit: &Arc<dyn AuditSink>,
    folders: &Arc<Folders>,
    (places, opener): (&DrivePlaces, &Opener),
    (book, links, told): (&Arc<Book>, &Arc<Links>, &broadcast::Sender<Told>),
) -> Arc<Drives> {
    let (of_scopes, of_links, links) = (Arc::clone(book), Arc::clone(book), Arc::clone(links));
    let (told, opener) = (told.clone(), opener.clone());
    let hands = Hands {
        scopes: Box::new(move |key_id| of_scopes.scopes(key_id)),
        tell: Box::new(move |key_id, news| {
            // Nobody may listen.
            let _ = told.send(Told {
                key_id: key_id.into(),
                text: news.to_string().into(),
            });
        }),
        link: Box::new(move |wish| {
            let (links, book) = (Arc::clone(&links), Arc::clone(&of_links));
            Box::pin(async move { links.make(&book, wish).await })
        }),
        open: Box::new(move |path| (opener.0)(path)),
    };
    Drives::new(clock, audit, folders, places, hands)
}

impl Companion {
    /// What pages do with the folders that they were granted.
    #[must_use]
    pub fn drives(&self) -> &Arc<Drives> {
        &self.drives
    }

    pub(super) fn mount_drives(&self, guard: &mut Guard) -> Result<(), MountError> {
        let book = || self.signatures.clone();
        guard.mount(self.drives.surface(book()))?;
        guard.mount(self.drives.uploads_surface(book()))?;
        guard.mount(self.drives.jobs_surface(book()))
    }
}

// === impl Opener ===

/// The application that this system has for it.
impl Default for Opener {
    fn default() -> Self {
        Self::new(|path| open::that_detached(path))
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}
