//! What the console and the command line ask of the room, as data.

use std::sync::Arc;
use std::time::Duration;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::table::grants::Fate;
use doorward_guard::{Grant, Origin, Origins, Rule, SessionId};
use serde::{Deserialize, Serialize};

use crate::defaults;
use crate::error::RelayError;
use crate::grant::{LiveKit, Messages, RelayGrant, RelayOptions, Upstream};
use crate::path::Paths;
use crate::relay::{Minted, Relay};
use crate::traffic::Passed;

/// A live grant. Its URL was told when it was made, and never is again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayView {
    /// Its public name.
    pub id: String,
    /// What people call it, if its maker said so.
    pub name: Option<String>,
    /// Where it leads: scheme, host and port, without a path.
    pub upstream: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Connections that are open.
    pub connections: usize,
    /// Connections to TURN servers that are open.
    pub turn_connections: usize,
    /// Requests so far, handshakes included.
    pub requests: u64,
    /// What passed, open connections included.
    #[serde(flatten)]
    pub passed: Passed,
    /// RFC 3339.
    pub last_used_at: Option<String>,
}

/// What to open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MintRequest {
    /// `wss://host[:port][/base]`; or the name of a configured one, and then only
    /// [`life`](Self::life) besides.
    pub upstream: String,
    /// More upstreams of the same service, dialled in turn.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// Pages that may connect; any that has the URL, if there is none.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Paths that are open, with all beneath them; LiveKit's, if there is none.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Seconds.
    pub life: Option<u64>,
    /// Messages are LiveKit's, and URLs in them are mapped.
    #[serde(default)]
    pub livekit: bool,
    /// So are TURN servers: media leaves the same way.
    #[serde(default)]
    pub turn: bool,
}

/// On whose behalf.
pub(crate) struct Asker {
    pub(crate) surface: &'static str,
    pub(crate) session: Option<SessionId>,
    /// May name upstreams on this machine and in local networks, without TLS.
    pub(crate) local_networks: bool,
}

// === impl Relay ===

impl Relay {
    /// The live grants, newest first, at most [`defaults::LISTED`]; and how many
    /// there are.
    #[must_use]
    pub fn views(&self) -> (Vec<RelayView>, usize) {
        let newest = self.grants.newest(None, defaults::LISTED);
        let views = newest.iter().flatten().map(|grant| self.view(grant));
        (views.collect(), self.grants.len())
    }

    /// One of them.
    #[must_use]
    pub fn view_of(&self, id: &str) -> Option<RelayView> {
        self.live_by_id(id).map(|grant| self.view(&grant))
    }

    fn live_by_id(&self, id: &str) -> Option<Arc<Grant<RelayGrant>>> {
        let grant = self.grants.by_id(id);
        grant.filter(|grant| grant.fate() == Fate::Live)
    }

    pub(crate) fn view(&self, grant: &Arc<Grant<RelayGrant>>) -> RelayView {
        let data = &grant.data;
        RelayView {
            id: grant.id().to_string(),
            name: data.name.as_deref().map(str::to_owned),
            upstream: data.upstream().map(Upstream::to_string).unwrap_or_default(),
            created_at: self.clock.rfc3339(grant.created),
            expires_at: self.clock.rfc3339(grant.expires()),
            connections: data.connections(),
            turn_connections: data.turn_connections(),
            requests: data.requests(),
            passed: data.passed(),
            last_used_at: grant.last_used().map(|at| self.clock.rfc3339(at)),
        }
    }

    pub(crate) fn mint_asked(
        &self,
        asker: &Asker,
        request: &MintRequest,
    ) -> Result<Minted, RelayError> {
        let (upstream, options) = if request.upstream.contains("://") {
            (Upstream::parse(&request.upstream)?, request.options(asker)?)
        } else {
            self.configured_for(asker, request)?
        };
        self.grant(upstream, &options)
    }

    /// Opens what the configuration has under `name` for a page of `origin`, if it
    /// names that origin among its pages. The URL is for that page alone.
    ///
    /// # Errors
    ///
    /// [`Rule::NotFound`] if there is no such name, or it is for others, or for
    /// anybody; and as of [`grant`](Self::grant).
    pub fn grant_for_page(&self, name: &str, origin: &Origin) -> Result<Minted, RelayError> {
        let found = self.configured_as(name).filter(|(_, options)| {
            matches!(&options.origins, Origins::Exact(pages) if pages.contains(origin))
        });
        let Some((upstream, mut options)) = found else {
            return Err(RelayError::Refused(Rule::NotFound.into()));
        };
        options.origins = Origins::Exact(vec![origin.clone()]);
        self.grant(upstream, &options)
    }

    /// What the configuration has under the name that is asked for.
    fn configured_for(
        &self,
        asker: &Asker,
        request: &MintRequest,
    ) -> Result<(Upstream, RelayOptions), RelayError> {
        let Some((upstream, mut options)) = self.configured_as(&request.upstream) else {
            return Err(RelayError::InvalidUpstream(
                "it has no scheme, and nothing in the configuration has this name",
            ));
        };
        if asker.local_networks || !request.says_nothing_else() {
            return Err(RelayError::InvalidUpstream(
                "what has a name is opened as the configuration says, and not otherwise",
            ));
        }
        options.owner.clone_from(&asker.session);
        if let Some(seconds) = request.life {
            options.life = options.life.min(Duration::from_secs(seconds.max(1)));
        }
        Ok((upstream, options))
    }

    /// Whether it was live until now.
    pub(crate) fn revoke_asked(&self, asker: &Asker, id: &str) -> Result<bool, RelayError> {
        if self.live_by_id(id).is_none() {
            return Ok(false);
        }
        let mut event = Event::allowed(Kind::GrantRevoked, asker.surface).count(1);
        if let Some(session) = &asker.session {
            event = event.subject(session.as_str());
        }
        self.audit.decide(event)?;
        Ok(self.revoke(id))
    }
}

// === impl MintRequest ===

impl MintRequest {
    fn says_nothing_else(&self) -> bool {
        let Self {
            upstream: _,
            fallbacks,
            origins,
            paths,
            life: _,
            livekit,
            turn,
        } = self;
        fallbacks.is_empty() && origins.is_empty() && paths.is_empty() && !livekit && !turn
    }

    fn options(&self, asker: &Asker) -> Result<RelayOptions, RelayError> {
        let origins: Option<Vec<_>> = self
            .origins
            .iter()
            .map(|text| Origin::parse(text))
            .collect();
        let origins = match origins {
            None => return Err(RelayError::InvalidOrigin),
            Some(none) if none.is_empty() => Origins::Any,
            Some(exact) => Origins::Exact(exact),
        };
        let fallbacks: Result<Vec<_>, _> = self
            .fallbacks
            .iter()
            .map(|text| Upstream::parse(text))
            .collect();
        let mut options = RelayOptions {
            fallbacks: fallbacks?,
            owner: asker.session.clone(),
            local_networks: asker.local_networks,
            plain: asker.local_networks,
            ..RelayOptions::livekit(origins)
        };
        if self.livekit || self.turn {
            options.messages = Messages::LiveKit(LiveKit {
                turn: self.turn,
                ..LiveKit::default()
            });
        }
        if !self.paths.is_empty() {
            if self.paths.iter().any(|path| !path.starts_with('/')) {
                return Err(RelayError::InvalidUpstream("a path begins with a slash"));
            }
            options.paths = Paths::beneath(self.paths.iter().map(String::as_str));
        }
        if let Some(seconds) = self.life {
            options.life = Duration::from_secs(seconds.max(1));
        }
        if options.fallbacks.len() > defaults::FALLBACKS {
            return Err(RelayError::Refused(Rule::BodyTooLarge.into()));
        }
        Ok(options)
    }
}
