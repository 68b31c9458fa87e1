//! How grants end, or live on: by whom, and which of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use doorward_guard::audit::Kind;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Grant, Rule, SessionId};

use super::{Asker, Media};
use crate::defaults;
use crate::error::MediaError;
use crate::grant::MediaGrant;

impl Media {
    /// Gives a grant more time; its URL stays. `None` for the default life.
    /// Returns when it ends.
    ///
    /// # Errors
    ///
    /// [`Rule::NotFound`] if it is not live.
    pub fn renew(&self, id: &str, life: Option<Duration>) -> Result<String, MediaError> {
        let life = life
            .unwrap_or(defaults::GRANT_LIFE)
            .min(defaults::GRANT_LIFE_MOST);
        let grant = self.grants.renew(id, life)?;
        grant.touch(self.clock.now());
        Ok(self.clock.rfc3339(grant.expires()))
    }

    /// Ends a grant and every stream of it. Whether it was live until now.
    pub fn revoke(&self, id: &str) -> bool {
        self.grants.revoke(id)
    }

    /// Ends the grant behind a URL or token that the room gave out.
    pub fn revoke_url(&self, url: &str) -> bool {
        let token = url.rsplit('/').next().unwrap_or_default();
        self.grants.revoke_token(token).is_some()
    }

    /// Ends every grant of a source: `id` is that of a listed one, or
    /// `s3://bucket` for those that were made by such a URL. How many there were.
    pub fn revoke_source(&self, id: &str) -> usize {
        self.grants
            .revoke_where(Fate::Closed, |grant| is_source(grant, id))
    }

    /// The same for objects that are called `prefix` or lie below it, as in a
    /// folder; for all of them if it is empty. How many there were.
    pub fn revoke_below(&self, id: &str, prefix: &str) -> usize {
        self.grants.revoke_where(Fate::Revoked, |grant| {
            is_source(grant, id) && is_below(grant.data.place().name(), prefix)
        })
    }

    /// Ends every grant there is. How many there were.
    pub fn revoke_all(&self) -> usize {
        self.grants.revoke_where(Fate::Revoked, |_| true)
    }

    /// Ends what a session owned.
    pub fn session_ended(&self, id: &SessionId) {
        self.grants.revoke_owned(Fate::SessionEnded, id);
    }

    /// Ends what belongs to a session that is not among `live`.
    pub fn end_orphans(&self, live: &HashSet<SessionId>) {
        for owner in self.grants.owners() {
            if !live.contains(&owner) {
                self.session_ended(&owner);
            }
        }
    }

    /// Ends everything: doorward stops.
    pub fn close(&self) {
        self.grants.revoke_where(Fate::Closed, |_| true);
    }

    /// Ends a grant, written down first. Whether it was live.
    pub(crate) fn revoke_asked(&self, asker: &Asker, id: &str) -> Result<bool, MediaError> {
        let known = self
            .grants
            .by_id(id)
            .ok_or_else(|| MediaError::Refused(Rule::NotFound.into()))?;
        // Ended first: an audit that cannot be written must not keep it open.
        let ended = self.revoke(id);
        self.decide(Kind::GrantRevoked, asker, |event| {
            event.detail(known.id().as_str())
        })?;
        Ok(ended)
    }

    /// Ends those of `grants` that are live and chosen, and writes it down. How
    /// many there were.
    pub(crate) fn revoke_chosen(
        &self,
        asker: &Asker,
        mut grants: Vec<Arc<Grant<MediaGrant>>>,
        chosen: impl Fn(&Grant<MediaGrant>) -> bool,
    ) -> Result<usize, MediaError> {
        grants.retain(|grant| grant.fate() == Fate::Live && chosen(grant));
        if grants.is_empty() {
            return Ok(0);
        }
        // Ended first, as above.
        let revoked = grants
            .iter()
            .filter(|grant| self.revoke(grant.id().as_str()))
            .count();
        let count = u64::try_from(revoked).unwrap_or(u64::MAX);
        self.decide(Kind::GrantRevoked, asker, |event| event.count(count))?;
        Ok(revoked)
    }

    /// Renews a grant, written down first. When it ends.
    pub(crate) fn renew_asked(&self, asker: &Asker, id: &str) -> Result<String, MediaError> {
        let known = self
            .grants
            .by_id(id)
            .ok_or_else(|| MediaError::Refused(Rule::NotFound.into()))?;
        self.decide(Kind::GrantRenewed, asker, |event| {
            event.detail(known.id().as_str())
        })?;
        self.make_room_for(asker);
        self.renew(id, None)
    }

    /// The session that asks is about to open the grant `id`. Whether a stream of
    /// it had to give way.
    pub(crate) fn room_asked(&self, asker: &Asker, id: &str) -> Result<bool, MediaError> {
        match self.grants.by_id(id) {
            Some(grant) if grant.fate() == Fate::Live => Ok(self.make_room_for(asker)),
            _ => Err(MediaError::Refused(Rule::NotFound.into())),
        }
    }

    pub(crate) fn make_room_for(&self, asker: &Asker) -> bool {
        asker
            .session
            .as_ref()
            .is_some_and(|session| self.make_room(session))
    }
}

fn is_source(grant: &Grant<MediaGrant>, id: &str) -> bool {
    let shelf = grant.data.shelf();
    if !shelf.id().is_empty() {
        return shelf.id() == id;
    }
    // Those that nobody listed have no id, but a location.
    !id.is_empty() && shelf.location().trim_end_matches('/') == id.trim_end_matches('/')
}

fn is_below(name: &str, prefix: &str) -> bool {
    match name.strip_prefix(prefix) {
        Some(rest) => {
            prefix.is_empty() || prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')
        }
        None => false,
    }
}
