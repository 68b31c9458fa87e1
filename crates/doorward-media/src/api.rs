//! What the console and the command line ask of the room, as data.

use std::sync::Arc;
use std::time::SystemTime;

use doorward_guard::Grant;
use doorward_guard::audit::Kind;
use doorward_guard::clock::rfc3339;
use serde::{Deserialize, Serialize};

use crate::content_type::{ContentType, View};
use crate::defaults;
use crate::disposition::file_name;
use crate::error::MediaError;
use crate::grant::{Caps, Disposition, MediaGrant};
use crate::media::{Asker, Media, MediaOptions, Minted};
use crate::shelf::{Location, Shelf, Wanted};
use crate::source::{Item, Query};

/// A listed source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `folder` or `s3`.
    pub kind: &'static str,
    /// Where it is, for people.
    pub location: String,
    /// `ready` or `failed`.
    pub state: &'static str,
    /// Why it failed and what to do.
    pub message: Option<&'static str>,
}

/// One entry of a listing.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its last segment.
    pub name: String,
    /// Its full name below the source.
    pub key: String,
    /// `folder` or `file`.
    pub kind: &'static str,
    /// In bytes.
    pub size: Option<u64>,
    /// RFC 3339.
    pub modified_at: Option<String>,
    /// By its name; what is answered may know better.
    pub content_type: Option<String>,
    /// How to show it.
    pub view: View,
    /// A URL of its own, inline.
    pub url: Option<String>,
    /// The grant behind the URL.
    pub grant_id: Option<String>,
}

/// One page of a source.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListView {
    /// What was listed.
    pub prefix: String,
    /// What is there.
    pub entries: Vec<Entry>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A live grant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// Its public name.
    pub id: String,
    /// `id:key`, or a location.
    pub source: String,
    /// The file's name.
    pub name: String,
    /// What it is, as far as is known.
    pub content_type: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Bodies on their way.
    pub streams: u32,
    /// Bytes so far.
    pub bytes: u64,
    /// Requests so far.
    pub requests: u64,
    /// The object was replaced: it gives nothing any more.
    pub changed: bool,
    /// RFC 3339.
    pub last_used_at: Option<String>,
}

/// One page of the live grants.
#[derive(Clone, Debug, Serialize)]
pub struct GrantsView {
    /// Newest first.
    pub grants: Vec<GrantView>,
    /// How many there are on all pages.
    pub total: usize,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// The query of a listing of grants.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsQuery {
    /// Only those that were asked for at least once.
    #[serde(default)]
    pub active: bool,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// Grants at most; [`defaults::LISTED_GRANTS`] unless given, and no more.
    pub limit: Option<usize>,
}

/// The query of a listing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The folder.
    #[serde(default)]
    pub prefix: String,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// Entries at most.
    pub limit: Option<usize>,
    /// Only names that contain this.
    pub q: Option<String>,
    /// Only names that start with this, as it is written.
    pub starts: Option<String>,
}

/// What to mint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MintRequest {
    /// `id:key` each, at most [`doorward_guard::defaults::GRANTS_PER_CALL`].
    pub sources: Vec<String>,
    /// For all of them.
    #[serde(default)]
    pub disposition: Disposition,
    /// For each of them.
    #[serde(default)]
    pub caps: Caps,
}

const UNKNOWN: MediaError =
    MediaError::InvalidSource("No grant has this name any more. List from the start.");

impl Media {
    /// The listed sources.
    #[must_use]
    pub fn source_views(&self) -> Vec<SourceView> {
        self.shelves
            .all()
            .iter()
            .map(|shelf| SourceView::of(shelf))
            .collect()
    }

    /// Adds what a person dropped or typed.
    pub(crate) async fn add_dropped(
        &self,
        asker: &Asker,
        location: &str,
    ) -> Result<SourceView, MediaError> {
        let location = Location::parse(location)?;
        let wanted = Wanted {
            id: None,
            name: None,
            location,
            keep_failed: false,
        };
        let approve = || self.decide(Kind::SourceAdded, asker, |event| event);
        let (shelf, is_new) = self.shelves.add(&self.clock, wanted, approve).await?;
        let view = SourceView::of(&shelf);
        if is_new {
            let data = serde_json::json!({ "source": view });
            self.events.publish("source.added", &data, None);
        }
        Ok(view)
    }

    /// One page of a source, with a URL for every file.
    pub(crate) async fn list(
        &self,
        asker: &Asker,
        id: &str,
        query: ListQuery,
    ) -> Result<ListView, MediaError> {
        let shelf = self.shelf(id)?;
        let source = shelf.source()?.clone();
        let prefix = query.prefix.clone();
        let asked = Query {
            prefix: query.prefix,
            after: query.after.filter(|after| !after.is_empty()),
            limit: query.limit.unwrap_or(Query::default().limit),
            contains: query.q.filter(|part| !part.is_empty()),
            starts: query.starts.filter(|part| !part.is_empty()),
        };
        let listed = source.list(asked).await;
        if shelf.note(listed.as_ref().err()) {
            let view = SourceView::of(&shelf);
            self.events.publish(
                "source.changed",
                &serde_json::json!({ "source": view }),
                None,
            );
        }
        let listing = listed?;
        let files = listing
            .items
            .iter()
            .filter(|item| !item.folder && item.readable)
            .count();
        if files > 0 {
            self.audit_minting(asker, files)?;
            self.make_room_for(asker);
        }
        let entries = listing
            .items
            .into_iter()
            .map(|item| self.entry(asker, &shelf, item))
            .collect();
        Ok(ListView {
            prefix,
            entries,
            next: listing.next,
        })
    }

    fn entry(&self, asker: &Asker, shelf: &Arc<Shelf>, item: Item) -> Entry {
        let content_type = if item.folder {
            None
        } else {
            ContentType::by_name(&item.name)
        };
        let minted = if item.folder || !item.readable {
            None
        } else {
            let options = MediaOptions {
                life: defaults::LISTED_LIFE,
                idle: Some(defaults::LISTED_IDLE),
                owner: asker.session.clone(),
                ..MediaOptions::default()
            };
            // A full table leaves the names without URLs.
            shelf
                .source()
                .and_then(|source| source.place(&item.key))
                .and_then(|place| self.mint(shelf, place, options))
                .ok()
        };
        let (url, grant_id) = minted.map(|minted| (minted.url, minted.id)).unzip();
        Entry {
            kind: if item.folder { "folder" } else { "file" },
            view: match &content_type {
                _ if item.folder => View::Folder,
                Some(content_type) => content_type.view(),
                None => View::Other,
            },
            content_type: content_type.map(|content_type| content_type.essence().to_owned()),
            size: item.size,
            modified_at: item.modified.and_then(told),
            name: item.name,
            key: item.key,
            url,
            grant_id,
        }
    }

    /// Mints for listed sources: all of them or none.
    pub(crate) fn mint_listed(
        &self,
        asker: &Asker,
        request: &MintRequest,
    ) -> Result<Vec<Minted>, MediaError> {
        if request.sources.is_empty() {
            return Err(MediaError::InvalidSource("Name at least one file."));
        }
        if request.sources.len() > doorward_guard::defaults::GRANTS_PER_CALL {
            return Err(MediaError::InvalidSource(
                "One call mints at most 500 addresses.",
            ));
        }
        let found: Result<Vec<_>, _> = request
            .sources
            .iter()
            .map(|source| self.find_listed(source))
            .collect();
        let found = found?;
        self.audit_minting(asker, found.len())?;
        self.make_room_for(asker);
        found
            .into_iter()
            .map(|(shelf, place)| {
                let options = MediaOptions {
                    disposition: request.disposition,
                    caps: request.caps,
                    owner: asker.session.clone(),
                    ..MediaOptions::default()
                };
                self.mint(&shelf, place, options)
            })
            .collect()
    }

    /// One page of the live grants, newest first. It costs what it lists, however
    /// many there are.
    ///
    /// # Errors
    ///
    /// [`MediaError::InvalidSource`] if `after` names no grant, or one that ended
    /// more than ten minutes ago: list from the start then.
    pub fn grant_views(&self, query: &GrantsQuery) -> Result<GrantsView, MediaError> {
        let most = query
            .limit
            .unwrap_or(defaults::LISTED_GRANTS)
            .clamp(1, defaults::LISTED_GRANTS);
        let after = query.after.as_deref().filter(|after| !after.is_empty());
        // One more tells whether there is another page.
        let (mut page, total) = if query.active {
            let after = after.map(|id| self.grants.by_id(id).ok_or(UNKNOWN));
            self.stats
                .used_grants(after.transpose()?.as_ref(), most.saturating_add(1))
        } else {
            let page = self.grants.newest(after, most.saturating_add(1));
            (page.ok_or(UNKNOWN)?, self.grants.len())
        };
        let more = page.len() > most;
        page.truncate(most);
        let last = page.last().filter(|_| more);
        Ok(GrantsView {
            next: last.map(|grant| grant.id().to_string()),
            grants: page.iter().map(|grant| self.grant_view(grant)).collect(),
            total,
        })
    }

    pub(crate) fn grant_view(&self, grant: &Arc<Grant<MediaGrant>>) -> GrantView {
        let data = &grant.data;
        let key = data.place().name();
        let content_type = match data.pinned() {
            Some(version) => Some(version.content_type.clone()),
            None => ContentType::by_name(key),
        };
        GrantView {
            id: grant.id().to_string(),
            source: data.shelf().label(key),
            name: file_name(key),
            content_type: content_type.map(|content_type| content_type.essence().to_owned()),
            created_at: self.clock.rfc3339(grant.created),
            expires_at: self.clock.rfc3339(grant.expires()),
            streams: data.streams(),
            bytes: data.bytes(),
            requests: data.requests(),
            changed: data.is_changed(),
            last_used_at: grant.last_used().map(|at| self.clock.rfc3339(at)),
        }
    }
}

// === impl SourceView ===

impl SourceView {
    fn of(shelf: &Shelf) -> Self {
        let message = shelf.failure();
        Self {
            id: shelf.id().to_owned(),
            name: shelf.name().to_owned(),
            kind: shelf.kind(),
            location: shelf.location().to_owned(),
            state: if message.is_none() { "ready" } else { "failed" },
            message,
        }
    }
}

/// What RFC 3339 and people can read: 1970 to 9999.
fn told(at: SystemTime) -> Option<String> {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    (seconds < 253_402_300_800).then(|| rfc3339(at))
}

/// Without names and URLs: they do not belong into logs.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ListView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListView")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
