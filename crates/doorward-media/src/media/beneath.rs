//! URLs for files in a folder of which somebody else says who may have it.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{Asker, Media, MediaOptions, Minted};
use crate::error::MediaError;
use crate::shelf::{Shelf, display_path};
use crate::source::{Folder, Source};

impl Media {
    /// Makes a URL for each of `paths`, which are below the folder `root`: none of
    /// them leads out of it, whatever is swapped while the URL lives. The folder stays
    /// open for as long as one of them does, and no longer.
    ///
    /// # Errors
    ///
    /// The folder cannot be opened, a path is none, or there are too many grants; then
    /// some may have been made. They end as `options` say.
    pub async fn grant_beneath(
        &self,
        surface: &'static str,
        root: &Path,
        paths: &[String],
        options: &MediaOptions,
    ) -> Result<Vec<Minted>, MediaError> {
        let at = root.to_owned();
        let opened = tokio::task::spawn_blocking(move || Folder::open(&at)).await;
        let stopped = |_| MediaError::NotReadable("the reader stopped".to_owned());
        let shelf = self.shared(opened.map_err(stopped)??);
        let source = shelf.source()?;
        let places: Result<Vec<_>, _> = paths.iter().map(|path| source.place(path)).collect();
        let places = places?;
        let asker = Asker {
            surface,
            session: None,
        };
        self.audit_minting(&asker, places.len())?;
        let minted = places.into_iter();
        minted
            .map(|place| self.mint(&shelf, place, options.clone()))
            .collect()
    }

    /// The shelf of `folder` that grants hold already, or a new one.
    fn shared(&self, folder: Folder) -> Arc<Shelf> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|shelf| shelf.strong_count() > 0);
        let known = shared.iter().filter_map(std::sync::Weak::upgrade).find(
            |shelf| matches!(shelf.source(), Ok(Source::Folder(known)) if known.is_same(&folder)),
        );
        known.unwrap_or_else(|| {
            let location = display_path(folder.root());
            let shelf = Arc::new(Shelf::loose(location, Source::Folder(Arc::new(folder))));
            shared.push(Arc::downgrade(&shelf));
            shelf
        })
    }
}
