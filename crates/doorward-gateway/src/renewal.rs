//! More time for a session, for whoever proves once more to be the one who signed in:
//! by the password at once, by the key in a flow of its own.
//!
//! It refuses guests and nobody in particular, proofs of another kind than signing in
//! took, and time beyond the longest life of a session. A flow is of one session: it
//! is over when that is, and holds it no longer than its holder does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use capnp::Error;
use doorward_operator::rpc::gateway_capnp::{self as wire, auth_flow, denied::Kind};

use crate::accounts::Profile;
use crate::challenge::Challenge;
use crate::defaults;
use crate::session::{Life, deny};

/// A flow that asks for a signature, and gives more time for it.
pub(crate) struct Renewal {
    life: Rc<Life>,
    asked: Duration,
    challenge: RefCell<Option<Challenge>>,
    over: Cell<bool>,
    /// Counted by its session.
    _open: Rc<()>,
}

impl Renewal {
    /// Begins one for `life`, at whose end there are `asked` from then on, or less.
    pub(crate) fn begin(life: &Rc<Life>, asked: Duration) -> Result<Self, (Kind, &'static str)> {
        life.check()?;
        life.renews_by(wire::AuthStrength::PublicKey)?;
        if Rc::strong_count(&life.renewals) > defaults::RENEWALS {
            return Err((Kind::ServiceUnavailable, "too many of these are open"));
        }
        Ok(Self {
            life: Rc::clone(life),
            asked,
            challenge: RefCell::default(),
            over: Cell::new(false),
            _open: Rc::clone(&life.renewals),
        })
    }
}

impl Life {
    /// Whether who signed in as this one did gets more time by that kind of proof.
    fn renews_by(&self, strength: wire::AuthStrength) -> Result<(), (Kind, &'static str)> {
        if self.profile != Profile::Operator {
            return Err((Kind::MethodDenied, "only operators get more time"));
        }
        if self.strength == strength {
            return Ok(());
        }
        Err(match self.strength {
            wire::AuthStrength::Password => (Kind::BadRequest, "the password, again"),
            _ => (Kind::MethodDenied, "a signature of the key, in a flow"),
        })
    }

    /// Gives `asked` from now on for the password, or less.
    pub(crate) async fn renew(
        &self,
        password: Vec<u8>,
        asked: Duration,
    ) -> Result<(), (Kind, &'static str)> {
        self.check()?;
        self.renews_by(wire::AuthStrength::Password)?;
        if password.is_empty() {
            return Err((Kind::BadRequest, "the password, again"));
        }
        let own = self.world.password(&self.account, password).await;
        self.lengthen(own, asked)
    }

    /// Moves the end, if the proof was right, and it has not come meanwhile.
    fn lengthen(&self, own: Option<Profile>, asked: Duration) -> Result<(), (Kind, &'static str)> {
        if own.is_none() {
            self.world.note("denied", &self.account);
            return Err((Kind::AuthenticationDenied, "no"));
        }
        self.check()?;
        let most = self.world.settings.operator_life;
        let until = self.world.clock.now().plus(asked.min(most));
        let last = self.created.plus(defaults::LONGEST_LIFE);
        self.expires.set(until.min(last));
        let text = format!("{} got more time", self.account);
        self.world.note("session", &text);
        Ok(())
    }
}

// === impl auth_flow::Server ===

impl auth_flow::Server for Renewal {
    async fn next(
        self: Rc<Self>,
        params: auth_flow::NextParams,
        mut results: auth_flow::NextResults,
    ) -> Result<(), Error> {
        let signature = params.get()?.get_response()?;
        let result = results.get().init_result();
        let life = &self.life;
        if let Err(why) = life.check() {
            deny(result.init_denied(), why);
            return Ok(());
        }
        if self.over.get() {
            deny(result.init_denied(), (Kind::BadRequest, "the flow is over"));
            return Ok(());
        }
        let now = life.world.clock.now();
        let Some(challenge) = self.challenge.take() else {
            let challenge = Challenge::for_more_time(&life.id, now);
            let prompt = "For more time, sign this with the account's key";
            challenge.ask(prompt, result.init_step());
            self.challenge.replace(Some(challenge));
            return Ok(());
        };
        self.over.set(true);
        let accounts = &life.world.settings.accounts;
        let own = challenge.answered(accounts, &life.account, signature, now);
        match life.lengthen(own, self.asked) {
            Ok(()) => life.describe(result.init_renewed()),
            Err(why) => deny(result.init_denied(), why),
        }
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: auth_flow::CancelParams,
        _: auth_flow::CancelResults,
    ) -> Result<(), Error> {
        self.over.set(true);
        self.challenge.take();
        Ok(())
    }
}
