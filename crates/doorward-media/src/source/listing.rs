//! What a listing is asked for, and what it gives.

use std::time::SystemTime;

/// The most entries of one page.
pub const MOST: usize = 500;
/// The entries of one page, if nobody says otherwise.
pub const USUAL: usize = 200;

/// Which page of what.
#[derive(Clone, Debug)]
pub struct Query {
    /// The folder, with or without a slash at its end; empty for the top.
    pub prefix: String,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// Entries at most.
    pub limit: usize,
    /// Only names that contain this, in upper or lower case.
    pub contains: Option<String>,
    /// Only names that start with this, as it is written. Stores find these
    /// without looking at the others.
    pub starts: Option<String>,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// What is there; may be fewer than asked for although more follow.
    pub items: Vec<Item>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its last segment.
    pub name: String,
    /// Its full name below the source; ends in `/` for a folder.
    pub key: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Whether it can be opened.
    pub readable: bool,
    /// In bytes.
    pub size: Option<u64>,
    /// When it was last modified.
    pub modified: Option<SystemTime>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            after: None,
            limit: USUAL,
            contains: None,
            starts: None,
        }
    }
}

impl Query {
    /// The limit, within bounds.
    #[must_use]
    pub fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, MOST)
    }

    /// Whether `name` is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let starts = self.starts.as_deref().unwrap_or_default();
        name.starts_with(starts)
            && match &self.contains {
                Some(part) => name.to_lowercase().contains(&part.to_lowercase()),
                None => true,
            }
    }
}
