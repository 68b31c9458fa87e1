//! One page of a folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use cap_std::fs::Dir;
use cap_std::time::SystemTime as CapTime;
use tokio::sync::Semaphore;

use super::{Folder, blocking, from_io};
use crate::defaults;
use crate::error::MediaError;
use crate::name::RelPath;
use crate::source::listing::{Item, Listing, Query};

/// Folders that are read at once, for listings that nobody waits for any more, too.
static READERS: Semaphore = Semaphore::const_new(defaults::READERS);

/// The order of a listing: folders first, then by name without regard to case,
/// then by name.
type Rank = (bool, String, String);

/// One page. The whole folder is read for it, names and kinds alone, each time
/// anew: nothing is kept between pages, and 100,000 names cost about a fifth of
/// a second. At most a page of them is kept, and only those are looked at
/// closer. Names that are
/// not Unicode cannot be addressed and are left out.
pub(in crate::source) async fn list(
    folder: Arc<Folder>,
    query: Query,
) -> Result<Listing, MediaError> {
    within(&READERS, move || list_now(&folder, &query)).await
}

/// Runs `work` in its turn. Giving it up makes no room: it goes on.
async fn within<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> Result<T, MediaError> + Send + 'static,
) -> Result<T, MediaError> {
    // Never closed, so this is a place.
    let place = places.acquire().await;
    blocking(move || {
        let _place = place;
        work()
    })
    .await
}

fn list_now(folder: &Folder, query: &Query) -> Result<Listing, MediaError> {
    let prefix = query.prefix.strip_suffix('/').unwrap_or(&query.prefix);
    let below;
    let dir = if prefix.is_empty() {
        &folder.dir
    } else {
        let path = RelPath::parse(prefix).ok_or(MediaError::NotFound)?;
        below = folder.dir.open_dir(path.as_str()).map_err(from_io)?;
        &below
    };
    let after = query.after.as_deref().map(read_cursor).transpose()?;
    let limit = query.bounded_limit();
    let mut page: BTreeMap<Rank, ()> = BTreeMap::new();
    let mut more = false;
    for entry in dir.entries().map_err(from_io)? {
        // An entry that vanishes or cannot be looked at spoils only itself.
        let Ok(entry) = entry else { continue };
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !query.wants(&name) {
            continue;
        }
        let is_folder = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                dir.metadata(&name).is_ok_and(|metadata| metadata.is_dir())
            }
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        let rank = (!is_folder, name.to_lowercase(), name);
        if after.as_ref().is_some_and(|after| rank <= *after) {
            continue;
        }
        page.insert(rank, ());
        if page.len() > limit {
            page.pop_last();
            more = true;
        }
    }
    let next = page
        .last_key_value()
        .filter(|_| more)
        .map(|(rank, ())| write_cursor(rank));
    let items = page
        .into_keys()
        .map(|rank| look_at(dir, prefix, rank))
        .collect();
    Ok(Listing { items, next })
}

fn look_at(dir: &Dir, prefix: &str, (is_file, _, name): Rank) -> Item {
    let slash = if prefix.is_empty() { "" } else { "/" };
    let end = if is_file { "" } else { "/" };
    let key = format!("{prefix}{slash}{name}{end}");
    let metadata = dir.metadata(&name).ok();
    let is_sound = RelPath::parse(key.strip_suffix('/').unwrap_or(&key)).is_some();
    let is_regular = metadata.as_ref().is_some_and(|metadata| metadata.is_file());
    Item {
        folder: !is_file,
        readable: is_sound && (!is_file || is_regular),
        size: metadata
            .as_ref()
            .filter(|_| is_regular)
            .map(cap_std::fs::Metadata::len),
        modified: metadata
            .and_then(|metadata| metadata.modified().ok())
            .map(CapTime::into_std),
        name,
        key,
    }
}

/// `d` or `f`, then the name: enough to find the place again.
fn write_cursor((is_file, _, name): &Rank) -> String {
    format!("{}{name}", if *is_file { 'f' } else { 'd' })
}

fn read_cursor(text: &str) -> Result<Rank, MediaError> {
    let (is_file, name) = match (text.strip_prefix('f'), text.strip_prefix('d')) {
        (Some(name), _) => (true, name),
        (_, Some(name)) => (false, name),
        _ => {
            return Err(MediaError::InvalidSource(
                "The page to continue after is not one.",
            ));
        }
    };
    Ok((is_file, name.to_lowercase(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_gives_a_listing_up_makes_no_room_before_it_is_over() {
        static PLACE: Semaphore = Semaphore::const_new(1);
        let (go, gone) = mpsc::sync_channel::<()>(1);
        let reading = tokio::spawn(within(&PLACE, move || {
            let _ = gone.recv();
            Ok(())
        }));
        while PLACE.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        reading.abort();
        assert!(reading.await.is_err());
        assert_eq!(PLACE.available_permits(), 0);
        drop(go);
        within(&PLACE, || Ok(())).await.unwrap();
    }
}
