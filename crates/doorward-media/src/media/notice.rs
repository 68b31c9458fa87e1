//! What the owner of a grant, and the program around us, are told of it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use doorward_guard::events::Events;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Grant, GrantId, SessionId};
use serde_json::json;

use crate::disposition::file_name;
use crate::grant::MediaGrant;

/// Something happened to a grant. Each is told once per grant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The object is not the version that the grant saw first. The grant answers
    /// 412 `changed` from now on: mint another.
    Changed(About),
    /// Somebody took the grant back.
    Revoked(About),
    /// Its time was over, used or not.
    Expired(About),
    /// Its session ended.
    SessionEnded(About),
    /// Its source was revoked whole, or doorward stops.
    Closed(About),
}

/// Which grant it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its public name, as its maker knows it.
    pub id: GrantId,
    /// The session that it belongs to.
    pub owner: Option<SessionId>,
}

type Listener = dyn Fn(&MediaEvent) + Send + Sync;

/// Tells tabs by their event stream, and the embedding program by a call.
pub(crate) struct Notices {
    events: Events,
    listeners: RwLock<Vec<Arc<Listener>>>,
}

// === impl MediaEvent ===

impl MediaEvent {
    /// Which grant it is about.
    #[must_use]
    pub fn about(&self) -> &About {
        match self {
            Self::Changed(about)
            | Self::Revoked(about)
            | Self::Expired(about)
            | Self::SessionEnded(about)
            | Self::Closed(about) => about,
        }
    }
}

// === impl Notices ===

impl Notices {
    pub(super) fn new(events: &Events) -> Self {
        Self {
            events: events.clone(),
            listeners: RwLock::default(),
        }
    }

    pub(super) fn listen(&self, listener: Arc<Listener>) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }

    /// The grant ended. Tabs are not told of grants of listings that nobody used
    /// and that expire, nor of those of an ended session: nobody is left to tell.
    pub(super) fn ended(&self, grant: &Grant<MediaGrant>, fate: Fate) {
        let about = About::of(grant);
        let (tell, event) = match fate {
            Fate::Live => return,
            Fate::Revoked => (true, MediaEvent::Revoked(about)),
            Fate::Closed => (true, MediaEvent::Closed(about)),
            Fate::Expired => (grant.data.requests() > 0, MediaEvent::Expired(about)),
            Fate::SessionEnded => (false, MediaEvent::SessionEnded(about)),
        };
        if tell {
            // The URL is not known here: only its hash was kept.
            let data = json!({ "id": grant.id().as_str(), "url": null, "reason": fate.word() });
            self.events.publish("grant.revoked", &data, grant.owner());
        }
        self.call(&event);
    }

    /// The object is not the pinned version. Told once.
    pub(super) fn changed(&self, grant: &Grant<MediaGrant>) {
        if !grant.data.has_changed() {
            return;
        }
        let name = file_name(grant.data.place().name());
        let data = json!({ "id": grant.id().as_str(), "name": name });
        self.events.publish("grant.changed", &data, grant.owner());
        self.call(&MediaEvent::Changed(About::of(grant)));
    }

    fn call(&self, event: &MediaEvent) {
        // Called outside of the lock: a listener may add another.
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners {
            listener(event);
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

// === impl About ===

impl About {
    fn of(grant: &Grant<MediaGrant>) -> Self {
        Self {
            id: grant.id(),
            owner: grant.owner().cloned(),
        }
    }
}
