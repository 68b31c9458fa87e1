//! Surfaces: groups of routes under one prefix that share one policy.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;

use crate::answer::{Answer, IntoAnswer};
use crate::call::Call;
use crate::caller::Caller;
use crate::defaults;
use crate::permit::Permit;
use crate::policy::{Policy, Rules};
use crate::refusal::Refusal;

/// A group of routes under one prefix. Callers are of kind `C`, handlers share
/// `S`. There is no other way to add a route, and none to add one without a
/// policy:
///
/// ```
/// use doorward_guard::{Answer, Open, Permit, Policy, Surface};
///
/// let health = Surface::new("health", "/healthz", Policy::health(), (), ())
///     .get("/", |_: std::sync::Arc<()>, _: Permit<Open>, _| async { Answer::text("ok") });
/// ```
pub struct Surface<C: Caller, S = ()> {
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) rules: Rules,
    pub(crate) book: C::Book,
    pub(crate) state: Arc<S>,
    pub(crate) routes: Vec<Route<C, S>>,
}

/// What configuration allows every surface at most.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    /// The longest body, in bytes.
    pub body: u64,
    /// A body arrives within this.
    pub body_within: Duration,
    /// Requests of one surface that run at once.
    pub in_flight: usize,
}

pub(crate) struct Route<C: Caller, S> {
    pub(crate) method: Method,
    pub(crate) path: Cow<'static, str>,
    pub(crate) handler: Arc<dyn Handler<C, S>>,
}

/// What runs behind a route: an async function of the surface's state, a permit
/// of the surface's caller, and the call.
#[diagnostic::on_unimplemented(
    message = "this is not a handler for a surface whose callers are `{C}`",
    label = "expected `async fn(Arc<{S}>, Permit<{C}>, Call) -> impl IntoAnswer`",
    note = "a handler must take the permit of its own surface's caller: the guard makes no other"
)]
pub trait Handler<C: Caller, S>: Send + Sync + 'static {
    /// Runs the handler.
    fn run(
        &self,
        state: Arc<S>,
        permit: Permit<C>,
        call: Call,
    ) -> BoxFuture<'static, Result<Answer, Refusal>>;
}

impl<C: Caller, S: Send + Sync + 'static> Surface<C, S> {
    /// A surface called `name` under `prefix`, which stands on segment borders:
    /// `/m` covers `/m` and `/m/x`, not `/mx`. `book` is where proofs of `C` are
    /// looked up.
    #[must_use]
    pub fn new(
        name: &'static str,
        prefix: &'static str,
        policy: Policy<C>,
        book: C::Book,
        state: impl Into<Arc<S>>,
    ) -> Self {
        let rules = policy.into_rules();
        Self {
            name,
            prefix,
            rules,
            book,
            state: state.into(),
            routes: Vec::new(),
        }
    }

    /// Adds `GET`, and `HEAD` with it, at `path` below the prefix (`/` is the
    /// prefix itself). `{name}` matches one segment, `{*name}` the rest.
    #[must_use]
    pub fn get(self, path: impl Into<Cow<'static, str>>, handler: impl Handler<C, S>) -> Self {
        let handler: Arc<dyn Handler<C, S>> = Arc::new(handler);
        let path = path.into();
        self.add(Method::GET, path.clone(), Arc::clone(&handler))
            .add(Method::HEAD, path, handler)
    }

    /// Adds `GET` without `HEAD` at `path`: for what is told once, or is no answer
    /// but a socket.
    #[must_use]
    pub fn get_only(self, path: impl Into<Cow<'static, str>>, handler: impl Handler<C, S>) -> Self {
        self.add(Method::GET, path.into(), Arc::new(handler))
    }

    /// Adds `POST` at `path`.
    #[must_use]
    pub fn post(self, path: impl Into<Cow<'static, str>>, handler: impl Handler<C, S>) -> Self {
        self.add(Method::POST, path.into(), Arc::new(handler))
    }

    /// Adds `PUT` at `path`.
    #[must_use]
    pub fn put(self, path: impl Into<Cow<'static, str>>, handler: impl Handler<C, S>) -> Self {
        self.add(Method::PUT, path.into(), Arc::new(handler))
    }

    /// Adds `DELETE` at `path`.
    #[must_use]
    pub fn delete(self, path: impl Into<Cow<'static, str>>, handler: impl Handler<C, S>) -> Self {
        self.add(Method::DELETE, path.into(), Arc::new(handler))
    }

    /// Lowers what `ceiling` caps. Never raises anything, and leaves a body limit
    /// alone that `dangerous()` raised.
    #[must_use]
    pub fn within(mut self, ceiling: &Ceiling) -> Self {
        let rules = &mut self.rules;
        // What stands above the usual was raised by `dangerous()`, for this surface.
        if rules.body_limit <= defaults::API_BODY {
            rules.body_limit = rules.body_limit.min(ceiling.body);
        }
        rules.body_within = rules.body_within.min(ceiling.body_within);
        rules.in_flight = rules.in_flight.map(|most| most.min(ceiling.in_flight));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn add(
        mut self,
        method: Method,
        path: Cow<'static, str>,
        handler: Arc<dyn Handler<C, S>>,
    ) -> Self {
        self.routes.push(Route {
            method,
            path,
            handler,
        });
        self
    }
}

// === impl Handler ===

impl<C, S, F, Fut> Handler<C, S> for F
where
    C: Caller,
    F: Fn(Arc<S>, Permit<C>, Call) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoAnswer,
{
    fn run(
        &self,
        state: Arc<S>,
        permit: Permit<C>,
        call: Call,
    ) -> BoxFuture<'static, Result<Answer, Refusal>> {
        let answer = self(state, permit, call);
        Box::pin(async move { answer.await.into_answer() })
    }
}

// === impl Surface ===

impl<C: Caller, S> fmt::Debug for Surface<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surface")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
