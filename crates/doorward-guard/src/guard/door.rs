//! A mounted surface, seen without its types.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::Method;
use http::request::Parts;

use super::Connection;
use super::table::{PolicyRow, RouteRow, SurfaceRow, Tally};
use crate::answer::Answer;
use crate::call::Call;
use crate::caller::{Ask, Caller};
use crate::clock::Clock;
use crate::id::RequestId;
use crate::origin::Origin;
use crate::permit::Permit;
use crate::policy::{ActivityRule, CallerKind, ContentRule, CorsRule, Rules, SealRule};
use crate::refusal::{Refusal, Rule};
use crate::rules;
use crate::rules::cors::Readable;
use crate::rules::limits::{Bucket, Running, Slot, Unproven};
use crate::seal::Plan;
use crate::surface::{Handler, Surface};
use crate::table::sessions::Life;

/// A surface that cannot be mounted. Found when the program starts, not when a
/// request comes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// Two surfaces with one prefix.
    #[error("two surfaces stand at the prefix {prefix}")]
    PrefixTaken {
        /// The prefix.
        prefix: &'static str,
    },
    /// A prefix that does not start with a slash, or ends with one.
    #[error("{prefix:?} is not a prefix: write it as /name, or / alone")]
    MalformedPrefix {
        /// The prefix.
        prefix: &'static str,
    },
    /// A surface whose callers come to a listener that is not open.
    #[error("the surface {surface} is for native callers, and there is no native socket")]
    NoListener {
        /// The surface.
        surface: &'static str,
    },
    /// A path that is malformed, or in the way of another.
    #[error("the route {path} of the surface {surface}: {why}")]
    Route {
        /// The surface.
        surface: &'static str,
        /// The path.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// A request that was admitted, on its way to its handler.
pub struct Entry<'a>(pub(super) Box<Seat<'a, dyn Ready<'a> + 'a>>);

/// What is known of an admitted request, in one place: it is handed on often.
pub(super) struct Seat<'a, R: ?Sized> {
    pub(super) params: Vec<(Box<str>, Box<str>)>,
    pub(super) plan: Plan,
    pub(super) request_id: RequestId,
    pub(super) origin: Option<Origin>,
    /// Its place, where it has one before its body is read.
    pub(super) place: Option<Slot<'a>>,
    pub(super) ready: R,
}

/// A handler with the permit that it is run with.
pub(super) trait Ready<'a>: Send {
    fn door(&self) -> &'a dyn Door;
    /// Whether the session in whose name it is asked has ended meanwhile.
    fn is_over(&self) -> bool;
    /// Once: the permit goes to the handler.
    fn run(&mut self, call: Call) -> BoxFuture<'static, Result<Answer, Refusal>>;
}

/// Why a request does not enter.
pub(super) enum Stop {
    Refuse(Refusal),
    /// It is answered without a handler.
    Answer(Answer),
}

pub(super) trait Door: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn prefix(&self) -> &'static str;
    fn rules(&self) -> &Rules;
    fn tally(&self) -> &Tally;
    /// Where its requests count while they run.
    fn running(&self) -> &Running;
    fn row(&self) -> SurfaceRow;
    fn covers(&self, path: &str) -> bool;
    fn charge(&self, origin: Option<&Origin>, refusal: Refusal) -> Refusal;
    fn admit<'a>(
        &'a self,
        head: &Parts,
        connection: Connection,
        origin: Option<Origin>,
        request_id: RequestId,
        plan: &mut Plan,
    ) -> Result<Entry<'a>, Stop>;
}

pub(super) struct Mounted<C: Caller, S> {
    name: &'static str,
    prefix: &'static str,
    rules: Rules,
    book: C::Book,
    state: Arc<S>,
    router: matchit::Router<Methods<C, S>>,
    listing: Vec<RouteRow>,
    unproven: Unproven,
    running: Running,
    tally: Tally,
}

/// Which handler each has.
type Methods<C, S> = Vec<(Method, Arc<dyn Handler<C, S>>)>;

struct Admitted<'a, C: Caller, S> {
    mounted: &'a Mounted<C, S>,
    handler: &'a dyn Handler<C, S>,
    permit: Option<Permit<C>>,
}

impl<C: Caller, S: Send + Sync + 'static> Mounted<C, S> {
    pub(super) fn new(surface: Surface<C, S>, clock: &Clock) -> Result<Self, MountError> {
        let Surface {
            name,
            prefix,
            rules,
            book,
            state,
            routes,
        } = surface;
        let well_formed = prefix == "/" || (prefix.starts_with('/') && !prefix.ends_with('/'));
        if !well_formed {
            return Err(MountError::MalformedPrefix { prefix });
        }
        let mut listing = Vec::new();
        let mut by_path: Vec<(Cow<'static, str>, Methods<C, S>)> = Vec::new();
        for route in routes {
            listing.push(RouteRow::new(&route.method, prefix, &route.path));
            let methods = match by_path.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, methods)) => methods,
                None => {
                    by_path.push((route.path.clone(), Vec::new()));
                    let Some((_, methods)) = by_path.last_mut() else {
                        continue;
                    };
                    methods
                }
            };
            if methods.iter().any(|(method, _)| *method == route.method) {
                let why = format!("{} stands there already", route.method);
                return Err(MountError::Route {
                    surface: name,
                    path: route.path.into_owned(),
                    why,
                });
            }
            methods.push((route.method, route.handler));
        }
        let mut router = matchit::Router::new();
        for (path, methods) in by_path {
            router
                .insert(path.clone(), methods)
                .map_err(|error| MountError::Route {
                    surface: name,
                    path: path.into_owned(),
                    why: error.to_string(),
                })?;
        }
        Ok(Self {
            name,
            prefix,
            rules,
            book,
            state,
            router,
            listing,
            unproven: Unproven::new(clock),
            running: Running::default(),
            tally: Tally::default(),
        })
    }

    /// The path below the prefix, with its leading slash.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        let rest = if self.prefix == "/" {
            path
        } else {
            path.get(self.prefix.len()..).unwrap_or("")
        };
        if rest.is_empty() { "/" } else { rest }
    }

    fn prove(
        &self,
        ask: &Ask<'_>,
        origin: Option<&Origin>,
        plan: &mut Plan,
    ) -> Result<crate::caller::Proven<C::Proof>, Refusal> {
        C::prove(&self.book, ask).map_err(|unproven| {
            plan.signer = unproven.signer;
            if let Some(grant) = &unproven.grant {
                plan.reads_as(grant, origin);
            } else if let Some(origin) = origin.filter(|origin| C::knows(&self.book, origin)) {
                plan.readable = Readable::By(origin.clone());
                plan.varies = true;
            }
            self.charge(origin, unproven.refusal)
        })
    }
}

impl<C: Caller, S: Send + Sync + 'static> Door for Mounted<C, S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prefix(&self) -> &'static str {
        self.prefix
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn running(&self) -> &Running {
        &self.running
    }

    fn row(&self) -> SurfaceRow {
        SurfaceRow {
            name: self.name,
            prefix: self.prefix,
            caller: self.rules.caller,
            policy: PolicyRow::new(&self.rules),
            words: self.rules.words(),
            routes: self.listing.clone(),
            refused: self.tally.rows(),
        }
    }

    fn covers(&self, path: &str) -> bool {
        self.prefix == "/"
            || path
                .strip_prefix(self.prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn charge(&self, origin: Option<&Origin>, refusal: Refusal) -> Refusal {
        if refusal.rule().is_failed_proof() {
            self.unproven.charge(origin, refusal)
        } else {
            refusal
        }
    }

    fn admit<'a>(
        &'a self,
        head: &Parts,
        connection: Connection,
        origin: Option<Origin>,
        request_id: RequestId,
        plan: &mut Plan,
    ) -> Result<Entry<'a>, Stop> {
        let rules = &self.rules;
        plan.drain = rules.drain;
        let below = self.below(head.uri.path());
        let rest = below.strip_prefix('/').unwrap_or(below);
        let ask = Ask {
            head,
            peer: connection.peer,
            rest,
        };
        if rules.cors == CorsRule::Known {
            plan.varies = true;
            let is_compat = rules.seal == SealRule::Compat;
            match &origin {
                Some(origin) if C::knows(&self.book, origin) => {
                    plan.readable = Readable::By(origin.clone());
                    // Browsers ask first, without a signature.
                    if !is_compat && rules::cors::is_preflight(head, Some(origin)) {
                        self.router.at(below).map_err(|_| Rule::UnknownRoute)?;
                        return Err(Stop::Answer(rules::cors::companion_preflight()));
                    }
                }
                Some(_) if head.method == Method::OPTIONS => {
                    return Err(Rule::OriginNotAllowed.into());
                }
                None if head.method == Method::OPTIONS && !is_compat => {
                    return Err(Rule::OriginNotAllowed.into());
                }
                _ => {}
            }
            if is_compat && head.method == Method::OPTIONS {
                return Err(Stop::Answer(rules::cors::compat_options()));
            }
        }
        let proven = self.prove(&ask, origin.as_ref(), plan)?;
        plan.signer = proven.signer;
        let stranger = matches!(
            rules.caller,
            CallerKind::Open | CallerKind::Ticket | CallerKind::Page | CallerKind::Visitor
        );
        plan.proven = !stranger;
        if let Some(grant) = &proven.grant {
            plan.reads_as(grant, origin.as_ref());
            rules::origin::check_grant(&grant.origins, origin.as_ref())?;
            rules::fetch_metadata::check_grant(grant.uses, head)?;
        }
        if let Some(page) = &proven.page {
            plan.framers = vec![page.to_string()];
        }
        if connection.reserve && stranger {
            return Err(Rule::TooManyConnections.into());
        }
        let life = C::life(&proven.proof);
        let bucket = proven.bucket.as_deref().or(life.map(Life::bucket));
        if let Some(Err(wait)) = bucket.map(Bucket::take) {
            return Err(Refusal::from(Rule::RateLimited).retry_after(wait).into());
        }
        if rules.csrf {
            rules::csrf::check(head, proven.csrf.as_ref())?;
        }
        let route = self.router.at(below).map_err(|_| Rule::UnknownRoute)?;
        if rules.cors == CorsRule::ByGrant && head.method == Method::OPTIONS {
            let preflight = rules::cors::is_preflight(head, origin.as_ref());
            return Err(Stop::Answer(match rules.seal {
                SealRule::Relay => rules::cors::relay_options(preflight),
                SealRule::Control
                | SealRule::Media
                | SealRule::Companion
                | SealRule::Compat
                | SealRule::Plain => rules::cors::media_options(preflight),
            }));
        }
        let handler = route
            .value
            .iter()
            .find(|(method, _)| *method == head.method);
        let Some((_, handler)) = handler else {
            let methods: Vec<_> = route
                .value
                .iter()
                .map(|(method, _)| method.as_str())
                .collect();
            return Err(Refusal::from(Rule::MethodNotAllowed)
                .allow(methods.join(", "))
                .into());
        };
        rules::content::check(rules, head)?;
        let place = match rules.content {
            ContentRule::Chunk => rules.in_flight.map(|most| self.running.enter(most)),
            ContentRule::Json | ContentRule::JsonOrForm | ContentRule::None => None,
        };
        let place = place.transpose()?;
        if let Some(activity) = &proven.activity
            && (activity.input || rules.activity == ActivityRule::Changes)
        {
            activity.note();
        }
        let params = route.params.iter();
        let params = params.map(|(key, value)| (key.into(), value.into()));
        Ok(Entry(Box::new(Seat {
            params: params.collect(),
            plan: std::mem::replace(plan, Plan::new(rules.seal)),
            request_id,
            place,
            ready: Admitted {
                permit: Some(Permit::new(proven.proof, origin.clone(), request_id)),
                handler: &**handler,
                mounted: self,
            },
            origin,
        })))
    }
}

// === impl Ready ===

impl<'a, C: Caller, S: Send + Sync + 'static> Ready<'a> for Admitted<'a, C, S> {
    fn door(&self) -> &'a dyn Door {
        self.mounted
    }

    fn is_over(&self) -> bool {
        let life = self
            .permit
            .as_ref()
            .and_then(|permit| C::life(permit.proof()));
        life.is_some_and(Life::is_over)
    }

    fn run(&mut self, call: Call) -> BoxFuture<'static, Result<Answer, Refusal>> {
        let permit = self.permit.take().ok_or(Rule::Internal);
        let judged = permit.and_then(|permit| {
            C::body(&self.mounted.book, permit.proof(), call.bytes()).map(|()| permit)
        });
        match judged {
            Ok(permit) => {
                let state = Arc::clone(&self.mounted.state);
                self.handler.run(state, permit, call)
            }
            Err(rule) => Box::pin(std::future::ready(Err(rule.into()))),
        }
    }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    /// The policy of the surface: how long a body, within what time.
    #[must_use]
    pub fn rules(&self) -> &'a Rules {
        self.0.ready.door().rules()
    }
}

// === impl Stop ===

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<Rule> for Stop {
    fn from(rule: Rule) -> Self {
        Self::Refuse(rule.into())
    }
}

// === impl Debug ===

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("door", &self.0.ready.door().name())
            .finish_non_exhaustive()
    }
}

impl<C: Caller, S> fmt::Debug for Mounted<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
