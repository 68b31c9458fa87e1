//! The listing of a server that lists nothing: the names that its owner wrote
//! down, shown as a folder would be.

use std::collections::BTreeSet;

use crate::error::MediaError;
use crate::source::listing::{Item, Listing, Query};

/// One page of `index`, folders first, each in the order in which it was written.
///
/// # Errors
///
/// [`MediaError::NotListable`] without an index, [`MediaError::InvalidSource`]
/// for a cursor that is none.
pub(super) fn page(index: &[String], query: &Query) -> Result<Listing, MediaError> {
    if index.is_empty() {
        return Err(MediaError::NotListable);
    }
    let mut prefix = query.prefix.clone();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    let mut seen = BTreeSet::new();
    let (mut all, mut files) = (Vec::new(), Vec::new());
    for key in index {
        let Some(rest) = key.strip_prefix(&prefix).filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let (name, folder) = match rest.split_once('/') {
            Some((name, _)) => (name, true),
            None => (rest, false),
        };
        if query.wants(name) && seen.insert((name, folder)) {
            let slash = if folder { "/" } else { "" };
            let list = if folder { &mut all } else { &mut files };
            list.push(Item {
                name: name.to_owned(),
                key: format!("{prefix}{name}{slash}"),
                folder,
                readable: true,
                size: None,
                modified: None,
            });
        }
    }
    all.append(&mut files);
    let start = match &query.after {
        None => 0,
        Some(cursor) => cursor
            .parse()
            .map_err(|_| MediaError::InvalidSource("This is not a page of this listing."))?,
    };
    let end = query.bounded_limit().saturating_add(start);
    Ok(Listing {
        next: (end < all.len()).then(|| end.to_string()),
        items: all.into_iter().take(end).skip(start).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_shown_as_folders_and_files_in_pages() {
        let index: Vec<String> = ["b.mp4", "films/x.mp4", "films/y/z.mp4", "a.mp4", "b.mp4"]
            .map(str::to_owned)
            .into();
        let keys = |prefix: &str, after: Option<&str>, limit| {
            let query = Query {
                prefix: prefix.to_owned(),
                after: after.map(str::to_owned),
                limit,
                ..Query::default()
            };
            page(&index, &query).map(|page| {
                let keys: Vec<_> = page.items.into_iter().map(|item| item.key).collect();
                (keys.join(" "), page.next)
            })
        };
        assert_eq!(
            keys("", None, 9).unwrap(),
            ("films/ b.mp4 a.mp4".to_owned(), None)
        );
        assert_eq!(
            keys("", None, 2).unwrap(),
            ("films/ b.mp4".to_owned(), Some("2".to_owned()))
        );
        assert_eq!(keys("", Some("2"), 2).unwrap(), ("a.mp4".to_owned(), None));
        assert_eq!(keys("films", None, 9).unwrap().0, "films/y/ films/x.mp4");
        assert!(matches!(
            keys("", Some("x"), 2),
            Err(MediaError::InvalidSource(_))
        ));
        let none = page(&[], &Query::default());
        assert!(matches!(none, Err(MediaError::NotListable)));
    }
}
