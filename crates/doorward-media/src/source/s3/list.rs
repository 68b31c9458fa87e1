//! One page of a bucket.

use http::{HeaderMap, Method, StatusCode};

use super::{Dialect, Store, failure, index, text, xml};
use crate::error::MediaError;
use crate::source::listing::{Item, Listing, Query};

/// Pages of the store that one call looks through for a name: 10,000 keys, then
/// the caller asks on.
const PAGES: usize = 20;

impl Store {
    /// One page of what lies under a prefix, in the store's own order. With a
    /// name to look for, pages without a match are passed over, up to a bound;
    /// an empty page with a cursor means: ask on.
    pub(in crate::source) async fn list(&self, query: &Query) -> Result<Listing, MediaError> {
        if self.dialect == Dialect::Web {
            return index::page(&self.index, query);
        }
        let mut prefix = query.prefix.clone();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let below = format!("{}{prefix}", self.prefix);
        // The store itself skips what does not start so: a page is a page, however
        // many keys there are.
        let asked = format!("{below}{}", query.starts.as_deref().unwrap_or_default());
        let most = query.bounded_limit().to_string();
        let mut after = query.after.clone();
        let mut listing = Listing::default();
        for _ in 0..PAGES {
            let page = self.page(&asked, &most, after.as_deref()).await?;
            if page.prefixes.len() + page.objects.len() > query.bounded_limit() {
                let why = "a listing longer than was asked for";
                return Err(MediaError::UpstreamWrong(why.to_owned()));
            }
            let folders = page
                .prefixes
                .iter()
                .filter_map(|key| self.folder(&below, key));
            let files = page
                .objects
                .iter()
                .filter_map(|object| self.file(&below, object));
            listing.items = folders
                .chain(files)
                .filter(|item| query.wants(&item.name))
                .collect();
            listing.next = page.next;
            if !listing.items.is_empty() || listing.next.is_none() {
                break;
            }
            after.clone_from(&listing.next);
        }
        Ok(listing)
    }

    async fn page(
        &self,
        below: &str,
        most: &str,
        after: Option<&str>,
    ) -> Result<xml::Page, MediaError> {
        let azure = self.dialect == Dialect::Azure;
        let (kind, count, next) = match azure {
            true => (("comp", "list"), "maxresults", "marker"),
            false => (("list-type", "2"), "max-keys", "continuation-token"),
        };
        let mut query = vec![kind, ("delimiter", "/"), (count, most), ("prefix", below)];
        query.extend(azure.then_some(("restype", "container")));
        query.extend(after.map(|token| (next, token)));
        let answer = self.send_to_bucket(&query).await?;
        if answer.status() != StatusCode::OK {
            return Err(match failure(answer).await {
                // A listing is of the bucket: nothing else can be missing.
                MediaError::NotFound => MediaError::BucketMissing,
                other => other,
            });
        }
        let body = text(answer.into_body()).await?;
        let page = if azure {
            xml::azure_page(&body)
        } else {
            xml::page(&body)
        };
        page.ok_or_else(|| MediaError::UpstreamWrong("not a listing".to_owned()))
    }

    async fn send_to_bucket(
        &self,
        query: &[(&str, &str)],
    ) -> Result<http::Response<doorward_egress::Incoming>, MediaError> {
        self.send(Method::GET, None, query, &HeaderMap::new()).await
    }

    fn folder(&self, below: &str, key: &str) -> Option<Item> {
        let name = key.strip_prefix(below)?.strip_suffix('/')?;
        Some(Item {
            name: name.to_owned(),
            key: key.strip_prefix(&self.prefix)?.to_owned(),
            folder: true,
            readable: true,
            size: None,
            modified: None,
        })
    }

    /// The empty object that stands for the folder itself is no entry.
    fn file(&self, below: &str, object: &xml::Object) -> Option<Item> {
        let name = object
            .key
            .strip_prefix(below)
            .filter(|name| !name.is_empty())?;
        Some(Item {
            name: name.to_owned(),
            key: object.key.strip_prefix(&self.prefix)?.to_owned(),
            folder: false,
            readable: true,
            size: object.size,
            modified: object.modified,
        })
    }
}
