//! Signing in, and the sessions that come of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
#[cfg(feature = "faults")]
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use capnp::Error;
use capnp_rpc::new_client;
use doorward_guard::{Moment, Secret};
use doorward_operator::rpc::gateway_capnp::{
    self as wire, auth_flow, cap_set, denied::Kind, session, session_gateway, session_info,
};
use tokio::sync::watch;

use crate::accounts::{Profile, matches};
use crate::capabilities::{self, Bundle};
use crate::challenge::Challenge;
use crate::defaults;
use crate::renewal::Renewal;
use crate::server::World;

/// A session: what every capability asks before it does anything.
pub(crate) struct Life {
    pub(crate) account: String,
    pub(crate) profile: Profile,
    pub(crate) world: Rc<World>,
    pub(crate) id: Secret<16>,
    pub(crate) strength: wire::AuthStrength,
    pub(crate) created: Moment,
    pub(crate) expires: Cell<Moment>,
    /// Held by each flow for more time that is open.
    pub(crate) renewals: Rc<()>,
    over: watch::Sender<Option<&'static str>>,
}

/// The bootstrap capability of one connection.
pub(crate) struct Door(pub(crate) Rc<World>);

struct Flow {
    world: Rc<World>,
    kind: wire::AuthKind,
    account: String,
    profile: String,
    challenge: RefCell<Option<Challenge>>,
    over: Cell<bool>,
}

struct Entered(Rc<Life>);

struct Caps {
    life: Rc<Life>,
    bundle: Bundle,
}

impl Life {
    /// Refuses once the session is over.
    pub(crate) fn check(&self) -> Result<(), (Kind, &'static str)> {
        if self.over.borrow().is_none() && self.expires.get() <= self.world.clock.now() {
            self.end("expired");
        }
        match *self.over.borrow() {
            None => Ok(()),
            Some(why) => Err((Kind::StaleSession, why)),
        }
    }

    pub(crate) fn end(&self, why: &'static str) {
        let first = self.over.send_if_modified(|over| {
            let first = over.is_none();
            over.get_or_insert(why);
            first
        });
        if first {
            self.world
                .note("session", &format!("{} ended: {why}", self.account));
            self.world.leave_all(self);
        }
    }

    /// Until when the capability `name` is lent; as long as the session, if `None`.
    /// It counts from the sign-in, and more time for the session is none for it.
    pub(crate) fn lent_until(&self, name: &str) -> Option<Moment> {
        let lease = self.world.settings.accounts.lease.get(name)?;
        Some(self.created.plus(Duration::from_secs(*lease)))
    }

    pub(crate) fn describe(&self, mut info: session_info::Builder<'_>) {
        let now = self.world.clock.now();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        info.set_session_id(self.id.bytes());
        info.set_auth_strength(self.strength);
        info.set_created_at_ms(ms(self.created.since_origin()));
        info.set_expires_at_ms(ms(self.expires.get().since_origin()));
        info.set_remaining_ms(ms(self.expires.get().since(now)));
        info.set_profile(self.profile.word());
        let mut principal = info.init_principal();
        principal.set_display_name(&self.account);
        principal.set_kind(match self.profile {
            Profile::Operator => wire::PrincipalKind::Operator,
            Profile::Guest => wire::PrincipalKind::Guest,
            Profile::Anonymous => wire::PrincipalKind::Anonymous,
        });
    }
}

impl World {
    fn enter(
        self: &Rc<Self>,
        account: &str,
        profile: Profile,
        strength: wire::AuthStrength,
    ) -> session::Client {
        let now = self.clock.now();
        let life = match profile {
            Profile::Operator => self.settings.operator_life,
            Profile::Guest | Profile::Anonymous => self.settings.guest_life,
        };
        let life = life.min(defaults::LONGEST_LIFE);
        let life = Rc::new(Life {
            account: account.to_owned(),
            profile,
            world: Rc::clone(self),
            id: Secret::random(),
            strength,
            created: now,
            expires: Cell::new(now.plus(life)),
            renewals: Rc::default(),
            over: watch::Sender::new(None),
        });
        self.lives.borrow_mut().push(Rc::downgrade(&life));
        self.note("login", &format!("{account} as {}", profile.word()));
        new_client(Entered(life))
    }

    /// The profile of `account`, if that is its password. Takes as long if it is not,
    /// and if there is no such account.
    pub(crate) async fn password(&self, account: &str, password: Vec<u8>) -> Option<Profile> {
        let (hash, profile) = self.settings.accounts.hash_of(account);
        // Tens of milliseconds: not on the thread that serves everybody.
        let evaluated = tokio::task::spawn_blocking(move || matches(&password, &hash));
        let right = evaluated.await.ok().flatten();
        #[cfg(feature = "faults")]
        if right.is_some() {
            self.settings.faults.checked.fetch_add(1, SeqCst);
        }
        profile.filter(|_| right == Some(true))
    }

    /// The profile that an account gets: its own, unless it asks for less.
    fn grant(own: Profile, asked: &str) -> Option<Profile> {
        match (asked, own) {
            ("", own) => Some(own),
            (asked, own) if asked == own.word() => Some(own),
            ("guest", Profile::Operator) => Some(Profile::Guest),
            _ => None,
        }
    }
}

/// Fills a denial in.
pub(crate) fn deny(mut denied: wire::denied::Builder<'_>, (kind, why): (Kind, &str)) {
    denied.set_kind(kind);
    denied.set_message(why);
}

pub(crate) fn read(text: capnp::Result<capnp::text::Reader<'_>>) -> Result<String, Error> {
    Ok(text?.to_str()?.to_owned())
}

// === impl session_gateway::Server ===

impl session_gateway::Server for Door {
    async fn auth_methods(
        self: Rc<Self>,
        _: session_gateway::AuthMethodsParams,
        mut results: session_gateway::AuthMethodsResults,
    ) -> Result<(), Error> {
        let accounts = &self.0.settings.accounts;
        let methods = [
            (wire::AuthKind::Password, "Password", true),
            (wire::AuthKind::PublicKey, "Key", true),
            (wire::AuthKind::Guest, "Guest", accounts.guests),
            (wire::AuthKind::Anonymous, "Anonymous", accounts.anonymous),
        ];
        let mut list = results.get().init_methods(4);
        for (at, (kind, label, enabled)) in (0..).zip(methods) {
            let mut method = list.reborrow().get(at);
            method.set_kind(kind);
            method.set_label(label);
            method.set_enabled(enabled);
            method.set_interactive(kind == wire::AuthKind::PublicKey);
        }
        Ok(())
    }

    async fn start(
        self: Rc<Self>,
        params: session_gateway::StartParams,
        mut results: session_gateway::StartResults,
    ) -> Result<(), Error> {
        let request = params.get()?.get_request()?;
        let kind = request.get_kind()?;
        let mut result = results.get().init_result();
        if !matches!(kind, wire::AuthKind::Password | wire::AuthKind::PublicKey) {
            deny(result.init_denied(), (Kind::BadRequest, "this is no flow"));
            return Ok(());
        }
        result.set_flow(new_client(Flow {
            world: Rc::clone(&self.0),
            kind,
            account: read(request.get_account())?,
            profile: read(request.get_profile())?,
            challenge: RefCell::default(),
            over: Cell::new(false),
        }));
        Ok(())
    }

    async fn guest(
        self: Rc<Self>,
        params: session_gateway::GuestParams,
        mut results: session_gateway::GuestResults,
    ) -> Result<(), Error> {
        let profile = read(params.get()?.get_profile())?;
        let mut result = results.get().init_result();
        if !self.0.settings.accounts.guests {
            deny(
                result.init_denied(),
                (Kind::DisabledAuthMethod, "no guests"),
            );
        } else if !matches!(profile.as_str(), "" | "guest") {
            deny(
                result.init_denied(),
                (Kind::AuthenticationDenied, "guests are guests"),
            );
        } else {
            let strength = wire::AuthStrength::None;
            result.set_session(self.0.enter("guest", Profile::Guest, strength));
        }
        Ok(())
    }

    async fn anonymous(
        self: Rc<Self>,
        params: session_gateway::AnonymousParams,
        mut results: session_gateway::AnonymousResults,
    ) -> Result<(), Error> {
        let profile = read(params.get()?.get_profile())?;
        let mut result = results.get().init_result();
        if !self.0.settings.accounts.anonymous {
            deny(
                result.init_denied(),
                (Kind::DisabledAuthMethod, "nobody gets in"),
            );
        } else if !matches!(profile.as_str(), "" | "anonymous") {
            deny(
                result.init_denied(),
                (Kind::AuthenticationDenied, "nobody is nobody"),
            );
        } else {
            let strength = wire::AuthStrength::None;
            result.set_session(self.0.enter("anonymous", Profile::Anonymous, strength));
        }
        Ok(())
    }
}

// === impl auth_flow::Server ===

impl auth_flow::Server for Flow {
    async fn next(
        self: Rc<Self>,
        params: auth_flow::NextParams,
        mut results: auth_flow::NextResults,
    ) -> Result<(), Error> {
        let answer = params.get()?.get_response()?.to_vec();
        let mut result = results.get().init_result();
        if self.over.get() {
            deny(result.init_denied(), (Kind::BadRequest, "the flow is over"));
            return Ok(());
        }
        let now = self.world.clock.now();
        let (own, strength) = if self.kind == wire::AuthKind::PublicKey {
            let Some(challenge) = self.challenge.take() else {
                let challenge = Challenge::to_sign_in(now);
                let prompt = "Sign this with the account's key";
                challenge.ask(prompt, result.init_step());
                self.challenge.replace(Some(challenge));
                return Ok(());
            };
            let accounts = &self.world.settings.accounts;
            let own = challenge.answered(accounts, &self.account, &answer, now);
            (own, wire::AuthStrength::PublicKey)
        } else {
            let own = self.world.password(&self.account, answer).await;
            (own, wire::AuthStrength::Password)
        };
        self.over.set(true);
        let granted = own.and_then(|own| World::grant(own, &self.profile));
        match granted {
            Some(profile) => {
                result.set_session(self.world.enter(&self.account, profile, strength));
            }
            None => {
                self.world.note("denied", &self.account);
                deny(result.init_denied(), (Kind::AuthenticationDenied, "no"));
            }
        }
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: auth_flow::CancelParams,
        _: auth_flow::CancelResults,
    ) -> Result<(), Error> {
        self.over.set(true);
        Ok(())
    }
}

// === impl session::Server ===

impl session::Server for Entered {
    async fn info(
        self: Rc<Self>,
        _: session::InfoParams,
        mut results: session::InfoResults,
    ) -> Result<(), Error> {
        let result = results.get().init_result();
        match self.0.check() {
            Ok(()) => self.0.describe(result.init_info()),
            Err(why) => deny(result.init_denied(), why),
        }
        Ok(())
    }

    async fn cap_set(
        self: Rc<Self>,
        _: session::CapSetParams,
        mut results: session::CapSetResults,
    ) -> Result<(), Error> {
        let caps = Caps {
            life: Rc::clone(&self.0),
            bundle: capabilities::bundle(&self.0),
        };
        results.get().set_caps(new_client(caps));
        Ok(())
    }

    async fn renew(
        self: Rc<Self>,
        params: session::RenewParams,
        mut results: session::RenewResults,
    ) -> Result<(), Error> {
        let (asked, proof) = {
            let params = params.get()?;
            let asked = Duration::from_millis(params.get_requested_duration_ms());
            (asked, params.get_proof()?.to_vec())
        };
        let renewed = self.0.renew(proof, asked).await;
        let result = results.get().init_result();
        match renewed {
            Ok(()) => self.0.describe(result.init_info()),
            Err(why) => deny(result.init_denied(), why),
        }
        Ok(())
    }

    async fn logout(
        self: Rc<Self>,
        _: session::LogoutParams,
        mut results: session::LogoutResults,
    ) -> Result<(), Error> {
        self.0.end("logout");
        results.get().set_done(true);
        Ok(())
    }

    async fn ended(
        self: Rc<Self>,
        _: session::EndedParams,
        mut results: session::EndedResults,
    ) -> Result<(), Error> {
        let mut over = self.0.over.subscribe();
        let why = over.wait_for(Option::is_some).await;
        let why = why.ok().and_then(|why| *why).unwrap_or("gone");
        deny(results.get().init_why(), (Kind::StaleSession, why));
        Ok(())
    }

    async fn start_renewal(
        self: Rc<Self>,
        params: session::StartRenewalParams,
        mut results: session::StartRenewalResults,
    ) -> Result<(), Error> {
        #[cfg(feature = "faults")]
        self.0.world.settings.faults.knows_renewals()?;
        let asked = Duration::from_millis(params.get()?.get_requested_duration_ms());
        let mut result = results.get().init_result();
        match Renewal::begin(&self.0, asked) {
            Ok(renewal) => result.set_flow(new_client(renewal)),
            Err(why) => deny(result.init_denied(), why),
        }
        Ok(())
    }
}

/// A session that nobody holds any more is over.
impl Drop for Entered {
    fn drop(&mut self) {
        self.0.end("dropped");
    }
}

// === impl cap_set::Server ===

impl cap_set::Server for Caps {
    async fn list(
        self: Rc<Self>,
        _: cap_set::ListParams,
        mut results: cap_set::ListResults,
    ) -> Result<(), Error> {
        let result = results.get().init_result();
        if let Err(why) = self.life.check() {
            deny(result.init_denied(), why);
            return Ok(());
        }
        let now = self.life.world.clock.now();
        let lent = || self.bundle.iter().filter(|held| held.is_lent(now));
        let count = u32::try_from(lent().count()).unwrap_or(0);
        let mut entries = result.init_entries(count);
        for (at, held) in (0..count).zip(lent()) {
            let mut entry = entries.reborrow().get(at);
            entry.set_name(held.name);
            entry.set_interface_id(held.interface);
            #[cfg(feature = "faults")]
            if self.life.world.settings.faults.mislabel.load(SeqCst) {
                // The first is the last's, and so on round.
                let other = self
                    .bundle
                    .iter()
                    .rev()
                    .nth(usize::try_from(at).unwrap_or(0));
                entry.set_interface_id(other.map_or(0, |other| other.interface));
            }
            entry.set_transfer_policy("none");
            if let Some(until) = held.until {
                let left = until.since(now).as_millis();
                entry.set_lease_remaining_ms(u64::try_from(left).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }

    async fn get(
        self: Rc<Self>,
        params: cap_set::GetParams,
        mut results: cap_set::GetResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let name = read(params.get_name())?;
        let result = results.get().init_result();
        if let Err(why) = self.life.check() {
            deny(result.init_denied(), why);
            return Ok(());
        }
        let now = self.life.world.clock.now();
        let mut lent = self.bundle.iter().filter(|held| held.is_lent(now));
        let held = lent.find(|held| held.name == name);
        match held {
            None => deny(
                result.init_denied(),
                (Kind::UnknownCap, "no such capability"),
            ),
            Some(held) if held.interface != params.get_expected_interface_id() => {
                deny(
                    result.init_denied(),
                    (Kind::InterfaceMismatch, "another interface"),
                );
            }
            Some(held) => result
                .init_cap()
                .set_as_capability(held.client.hook.add_ref()),
        }
        Ok(())
    }
}
